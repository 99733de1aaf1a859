// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_STATUS_TABLE_H
#define TOOLS_STATUS_TABLE_H

#include "lib/wire/snapshot.h"

#include <stdbool.h>
#include <stdio.h>

/* A rig at one moment, for people: what it is armed with, a line for every drive, what needs a
 * hand, and the totals. Pure but for the stream and the heap. */

/* Lines that are longer than `width` columns are broken or cut; 0: never. */
void status_table_print(FILE *out, const struct snapshot *snapshot, unsigned width, bool utf8,
                        bool colour);

#endif
