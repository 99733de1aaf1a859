// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_SLOT_H
#define CORE_SLOT_H

#include <stdbool.h>
#include <stdint.h>

/* One port's life as a table of states and allowed moves. Pure.
 *
 * The table in slot.c, as a test prints and compares it:
 *
 *   empty        -> ready identifying
 *   ready        -> empty identifying
 *   identifying  -> writing verifying failed refused aborted
 *   writing      -> flushing failed aborted
 *   flushing     -> verifying failed aborted
 *   verifying    -> passed failed aborted
 *   passed       -> empty
 *   failed       -> empty identifying
 *   refused      -> empty identifying
 *   aborted      -> empty identifying
 */
enum slot_state {
    SLOT_EMPTY,
    SLOT_READY,       /* a drive is there that nobody started; it was not opened */
    SLOT_IDENTIFYING, /* being opened and judged by the gate */
    SLOT_WRITING,
    SLOT_FLUSHING,
    SLOT_VERIFYING,
    SLOT_PASSED,
    SLOT_FAILED,  /* its verdict names the fault that the drive showed */
    SLOT_REFUSED, /* its verdict is the gate's reason; the drive was not touched */
    SLOT_ABORTED, /* ended through a fault of ours: no judgement of the drive */
    SLOT_STATE_COUNT
};

/* The stable lower-case word of a state. Static. */
const char *slot_state_word(enum slot_state state);

/* The state of a word; SLOT_STATE_COUNT for any other text. */
enum slot_state slot_state_from_word(const char *word);

bool slot_move_allowed(enum slot_state from, enum slot_state to);

/* A pass goes on: the drive was started and has no verdict yet. */
bool slot_state_busy(enum slot_state state);

/* The drive in the slot has its verdict. */
bool slot_state_final(enum slot_state state);

#endif
