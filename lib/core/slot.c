// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/slot.h"

#include "lib/base/check.h"
#include "lib/base/units.h"

#include <string.h>

#define TO(state) (1U << SLOT_##state)

static const struct {
    const char *word;
    unsigned allowed; /* the states that may follow, as bits */
} states[SLOT_STATE_COUNT] = {
    [SLOT_EMPTY] = {"empty", TO(READY) | TO(IDENTIFYING)},
    [SLOT_READY] = {"ready", TO(EMPTY) | TO(IDENTIFYING)},
    [SLOT_IDENTIFYING] = {"identifying",
                          TO(WRITING) | TO(VERIFYING) | TO(FAILED) | TO(REFUSED) | TO(ABORTED)},
    [SLOT_WRITING] = {"writing", TO(FLUSHING) | TO(FAILED) | TO(ABORTED)},
    [SLOT_FLUSHING] = {"flushing", TO(VERIFYING) | TO(FAILED) | TO(ABORTED)},
    [SLOT_VERIFYING] = {"verifying", TO(PASSED) | TO(FAILED) | TO(ABORTED)},
    [SLOT_PASSED] = {"passed", TO(EMPTY)},
    [SLOT_FAILED] = {"failed", TO(EMPTY) | TO(IDENTIFYING)},
    [SLOT_REFUSED] = {"refused", TO(EMPTY) | TO(IDENTIFYING)},
    [SLOT_ABORTED] = {"aborted", TO(EMPTY) | TO(IDENTIFYING)},
};

const char *slot_state_word(enum slot_state state)
{
    check(state < SLOT_STATE_COUNT);
    return states[state].word;
}

enum slot_state slot_state_from_word(const char *word)
{
    for (unsigned i = 0; i < SLOT_STATE_COUNT; i++) {
        if (strcmp(word, states[i].word) == 0)
            return (enum slot_state)i;
    }
    return SLOT_STATE_COUNT;
}

bool slot_move_allowed(enum slot_state from, enum slot_state to)
{
    check(from < SLOT_STATE_COUNT && to < SLOT_STATE_COUNT);
    return (states[from].allowed >> to & 1) != 0;
}

bool slot_state_busy(enum slot_state state)
{
    return state == SLOT_IDENTIFYING || state == SLOT_WRITING || state == SLOT_FLUSHING ||
           state == SLOT_VERIFYING;
}

bool slot_state_final(enum slot_state state)
{
    return state == SLOT_PASSED || state == SLOT_FAILED || state == SLOT_REFUSED ||
           state == SLOT_ABORTED;
}
