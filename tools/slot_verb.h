// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_SLOT_VERB_H
#define TOOLS_SLOT_VERB_H

#include "lib/core/slot.h"

#include <stdbool.h>

/* A verb that asks the service for something for slots, one by one or for all that it is about:
 * `VERB SLOT...` or `VERB --all`. Main thread only. */

struct slot_verb {
    const char *name; /* "start" */
    const char *help;
    const char *method;
    bool (*concerns)(enum slot_state state); /* the slots that --all is about */
    bool all_at_once;                        /* --all is one request without a slot */
    const char *done;                        /* "Started": before the names of the slots */
    const char *done_key;                    /* "started": the same in the JSON */
    const char *nothing;                     /* what is said when --all finds no slot */
};

/* Does it. Returns the exit code. */
int slot_verb_run(const struct slot_verb *verb, int argc, char **argv);

#endif
