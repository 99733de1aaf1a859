// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef RIG_ROSTER_H
#define RIG_ROSTER_H

#include "lib/rig/layout.h"

#include <stdbool.h>
#include <stdint.h>

/* The roster: which of the press's slots, by number, stands for which named place of the rig. A
 * port of the layout keeps its number for as long as the layout has it; further LUNs of a port and
 * files of the dock get a number when they first come. Pure; one thread at a time. */

#define ROSTER_NONE UINT32_MAX

enum roster_kind {
    ROSTER_FREE, /* a number without a place */
    ROSTER_PORT, /* a port of the layout */
    ROSTER_LUN,  /* a further LUN of one */
    ROSTER_FILE, /* a file of the dock */
};

struct roster_entry {
    enum roster_kind kind;
    struct layout_slot place; /* of a file: its name alone */
    bool occupied;            /* a drive is in it; set and cleared by the owner */
    bool leaving;             /* not in the layout any more: free once it is not occupied */
    uint64_t used;            /* when it was last given out, in calls */
};

struct roster {
    uint32_t count; /* of numbers, 1 to SLOTS_MAX */
    uint64_t calls;
    struct roster_entry entries[SLOTS_MAX];
};

void roster_init(struct roster *roster, uint32_t count);

/* Takes a layout over. A port that is known keeps its number, whatever it is called now; one that
 * the layout has no more is freed; while it is occupied it is `leaving`, with a '~' behind its
 * name. Returns how many slots of the layout found no number. A file's number gives way to a
 * port's, if it is not occupied. */
uint32_t roster_apply(struct roster *roster, const struct layout *layout);

/* The number of a port and LUN, or ROSTER_NONE when the port is not in the layout or no number is
 * left. */
uint32_t roster_of_port(struct roster *roster, const struct port *port, unsigned lun);

/* The number of a dock's file. ROSTER_NONE when a port has that name, or when no number is left:
 * numbers of files that are gone are used again, the longest unused first. */
uint32_t roster_of_file(struct roster *roster, const char *name);

/* The number of a name, or ROSTER_NONE. */
uint32_t roster_find(const struct roster *roster, const char *name);

/* The drive in it is gone: `leaving` ends here. */
void roster_vacate(struct roster *roster, uint32_t number);

#endif
