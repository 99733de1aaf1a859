// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef RIG_ROSTER_H
#define RIG_ROSTER_H

#include "lib/rig/census.h"
#include "lib/rig/layout.h"

#include <stdbool.h>
#include <stdint.h>

/* The roster: which of the press's slots, by number, stands for which named place of the rig, and
 * who is in it. A port of the layout keeps its number for as long as the layout has it; further
 * LUNs of a port and files of the dock get a number when they first come. Pure; one thread at a
 * time. */

#define ROSTER_NONE UINT32_MAX

enum { ROSTER_WHO_BYTES = CENSUS_PATH_BYTES };

enum roster_kind {
    ROSTER_FREE, /* a number without a place */
    ROSTER_PORT, /* a port of the layout */
    ROSTER_LUN,  /* a further LUN of one */
    ROSTER_FILE, /* a file of the dock */
};

struct roster_entry {
    enum roster_kind kind;
    struct layout_slot place;    /* of a file: its name alone */
    bool occupied;               /* a drive is in it */
    bool leaving;                /* not in the layout any more: free once it is not occupied */
    bool moved;                  /* it stands for another place than before: roster_next_moved() */
    bool turned_away;            /* somebody else wanted it while it is occupied */
    bool foreign;                /* who is in it is something that no drive is */
    char who[ROSTER_WHO_BYTES];  /* that is in it: any name by which it is known; "" nobody */
    char also[ROSTER_WHO_BYTES]; /* the other name of something foreign; "" none */
    uint64_t used;               /* when it was last given out, in calls */
};

struct roster {
    uint32_t count; /* of numbers, 1 to SLOTS_MAX */
    uint64_t calls;
    struct roster_entry entries[SLOTS_MAX];
};

void roster_init(struct roster *roster, uint32_t count);

/* Takes a layout over. A port that is known keeps its number, whatever it is called now, and its
 * LUNs are called after it. A place that the layout has no more is freed; while it is occupied it
 * is `leaving`, with "~", "~2" … behind its name, and can come back. Of two places that became one
 * the occupied one stays. Returns how many slots of the layout found no number. A file's number
 * gives way to a port's, if it is not occupied. */
uint32_t roster_apply(struct roster *roster, const struct layout *layout);

/* The number of a port and LUN, or ROSTER_NONE when the port is not in the layout or no number is
 * left. */
uint32_t roster_of_port(struct roster *roster, const struct port *port, unsigned lun);

/* The number of a dock's file. ROSTER_NONE when a port has that name, or when no number is left:
 * numbers of files that are gone are used again, the longest unused first. */
uint32_t roster_of_file(struct roster *roster, const char *name);

/* The number of a name, or ROSTER_NONE. */
uint32_t roster_find(const struct roster *roster, const char *name);

/* Whether numbers came to stand for other places by the calls before, roster_apply(),
 * roster_of_port() and roster_of_file(): gives one of them, each once, until it is false. What is
 * still on show there is of the old place. No drive is in them. */
bool roster_next_moved(struct roster *roster, uint32_t *number);

enum roster_entrance {
    ROSTER_ENTERED,     /* it is in there from now on */
    ROSTER_KNOWN,       /* nothing new: it is in there or elsewhere, or was turned away before */
    ROSTER_TURNED_AWAY, /* another one is in there and stays; told once of each that stays */
};

/* Somebody comes into a number. What is foreign may be told of twice, as itself and as its disk:
 * that is one occupant by two names, which leaves when it is gone by both. */
enum roster_entrance roster_enter(struct roster *roster, uint32_t number, const char *who,
                                  bool foreign);

/* Somebody is gone. Returns the number that is empty now, if it is, for roster_vacate(); else
 * ROSTER_NONE. */
uint32_t roster_leave(struct roster *roster, const char *who);

/* Nobody is in the number any more: `leaving` ends here. Returns whether somebody was turned away
 * meanwhile, who may come in now. */
bool roster_vacate(struct roster *roster, uint32_t number);

#endif
