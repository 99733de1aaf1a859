// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_SUMMARY_H
#define TOOLS_SUMMARY_H

#include "lib/wire/run.h"
#include "lib/wire/snapshot.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What a press came to. Pure but for the stream and the heap. */

struct summary {
    enum press_mode mode;
    const struct run_result *result;
    const struct snapshot *snapshot; /* every slot has its verdict */
    uint64_t elapsed_ms;
};

struct verdict_totals summary_totals(const struct snapshot *snapshot);

/* Prints a line per drive, what is still on the drives, and the totals. Lines that are longer than
 * `width` columns are broken where it does least harm; 0: never. Colour needs a terminal. */
void summary_print(FILE *out, const struct summary *summary, unsigned width, bool utf8,
                   bool colour);

/* The same for scripts: one JSON object and a newline. Returns 0 or -ENOMEM. */
int summary_print_json(FILE *out, const struct summary *summary);

#endif
