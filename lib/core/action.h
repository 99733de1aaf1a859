// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_ACTION_H
#define CORE_ACTION_H

#include "lib/core/event.h"
#include "lib/core/limits.h"
#include "lib/core/slot.h"
#include "lib/core/verdict.h"

#include <stdint.h>

/* What the shell must do: the only output of the core, in the order in which it is to be begun.
 * Each OPEN, LOAD, WRITE, READ and FLUSH is answered by exactly one event, however late, also when
 * the drive is gone or was closed meanwhile. */

enum action_type {
    ACTION_OPEN,  /* open the drive and tell what it is */
    ACTION_LOAD,  /* read a chunk of the master into a buffer and hash it */
    ACTION_WRITE, /* write a buffer to the drive */
    ACTION_READ,  /* read from the drive, not from a cache, into a buffer and hash it */
    ACTION_FLUSH, /* make everything written durable on the drive, and leave none of it cached */
    ACTION_CLOSE, /* cancel what can be cancelled; close once nothing is in flight */
    ACTION_STATE, /* tell the world: the slot's state, and its verdict if it has one */
    ACTION_TYPE_COUNT
};

struct action {
    enum action_type type;

    /* For all but LOAD. */
    uint32_t slot;
    uint64_t attachment;

    union {
        struct {
            bool for_writing;
        } open;
        struct {
            uint32_t image; /* whose chunk; for LOAD */
            uint32_t buffer;
            uint32_t chunk;
            uint32_t length_bytes;
            uint64_t offset_bytes; /* in the image, and on the drive alike */
        } transfer;                /* LOAD, WRITE, READ */
        struct {
            enum slot_state from;
            enum slot_state to;
            enum verdict verdict; /* VERDICT_NONE unless `to` is final */
        } state;
    };
};

/* The most that one event can cause: every slot fills its window, changes state three times, opens
 * or flushes, and closes; and the feed starts all its loads. Four changes are possible too, where a
 * drive that is refused replaces one in its pass, but then nothing is requested. */
enum { ACTIONS_MAX = SLOTS_MAX * (WINDOW_MAX + 5) + LOADS_MAX };

struct action_list {
    uint32_t count;
    struct action items[ACTIONS_MAX];
};

/* Appends an action and returns it for the caller to fill in. */
struct action *action_add(struct action_list *list, enum action_type type);

#endif
