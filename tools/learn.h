// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_LEARN_H
#define TOOLS_LEARN_H

#include "lib/rig/layout.h"

#include <stdbool.h>
#include <stdint.h>

/* Learning a rig's slots: ports in the order in which drives were plugged into them get names in
 * order. Pure; one thread at a time. */

struct learn {
    struct layout layout; /* what was there before, then what was learned */
    uint32_t before;      /* how many slots were there before */
    const char *prefix;   /* the caller's */
    uint32_t columns;     /* ports in a row; 0: not told, slots get no place */
};

enum learn_result {
    LEARN_ADDED,
    LEARN_KNOWN,    /* the port has its slot already */
    LEARN_FULL,     /* SLOTS_MAX slots are there */
    LEARN_NO_NAMES, /* all names of this kind are taken, or too long */
};

/* Starts with the slots that are there already. False when no name can begin with the prefix. */
bool learn_start(struct learn *learn, const struct layout *before, const char *prefix,
                 uint32_t columns);

/* The name that the next port gets: behind the last one of its kind. Without columns A01, A02 …;
 * with columns A01 … and in the next row B01 …, or for a longer prefix rack1-01 … rack2-01. False
 * when there is none left. */
bool learn_next_name(const struct learn *learn, char name[SLOT_NAME_BYTES]);

/* A drive was plugged into a port, of which one or both faces are given. Another LUN of a port that
 * has its slot becomes "A05.1" and has no place of its own. *slot (may be NULL) is the slot that
 * was added or is known, until the next call. */
enum learn_result learn_take(struct learn *learn, const struct port *faces, unsigned face_count,
                             unsigned lun, const struct layout_slot **slot);

/* Forgets what was learned last, and tells its name. False when nothing was. */
bool learn_undo(struct learn *learn, char name[SLOT_NAME_BYTES]);

#endif
