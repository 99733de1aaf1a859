// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include "lib/wire/snapshot.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The live view of a running press, as text. Pure; any thread. */

struct progress_options {
    bool colour; /* a state always has its symbol and word too */
    bool utf8;
    bool stopping; /* the operator asked to stop */
    uint64_t elapsed_ms;
    uint64_t image_bytes;
};

/* What all slots of a snapshot come to. */
struct progress_totals {
    struct verdict_totals verdicts;
    unsigned running; /* also those not begun yet */
    unsigned percent; /* of all the work, a finished drive being all done */
    uint64_t bytes_per_s;
    uint64_t eta_s; /* of the slowest; WIRE_UNKNOWN */
};

struct progress_totals progress_totals(const struct snapshot *snapshot);

/* "3 running, 12 passed, 1 failed, 0 refused", with the aborted ones if there are any. */
void progress_put_counts(FILE *out, const struct progress_totals *totals);

/* A state's one-column sign, and its word for people. Static. */
const char *progress_symbol(enum slot_state state, bool utf8);
const char *progress_word(enum slot_state state, enum verdict verdict);

/* What a verdict means for people and what to do: verdict_advice(), where it does not speak of
 * writing after a press that only read. Static. */
const char *progress_advice(enum verdict verdict, enum press_mode mode);

/* The terminal's escape sequence for a state, or "" without colour; and back to normal. Static. */
const char *progress_colour(enum slot_state state, bool colour);
const char *progress_plain(bool colour);

/* One frame: lines of at most `width` columns, at most `height` of them, joined by newlines and
 * without one at the end. The caller free()s it; NULL for lack of memory. */
char *progress_render(const struct snapshot *snapshot, unsigned width, unsigned height,
                      const struct progress_options *options);

#endif
