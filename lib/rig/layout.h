// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef RIG_LAYOUT_H
#define RIG_LAYOUT_H

#include "lib/core/limits.h"
#include "lib/rig/port.h"

#include <stdbool.h>
#include <stdint.h>

/* The rig's slots: which physical port has which name and place. A slot owns both faces of its
 * port, and one LUN of what is plugged into it. Pure; one thread at a time. */

enum {
    SLOT_NAME_BYTES = 32,
    SLOT_PORTS_MAX = 2,  /* a USB 2 and a USB 3 face, or an SD slot */
    SLOT_LUN_MAX = 15,   /* bMaxLUN of USB mass storage, Bulk-Only Transport 1.0, section 3.2 */
    SLOT_PLACE_MAX = 99, /* of rows and columns */
};

struct layout_slot {
    char name[SLOT_NAME_BYTES];
    struct port ports[SLOT_PORTS_MAX];
    unsigned port_count;
    unsigned lun;
    unsigned row; /* from 1; 0: not told */
    unsigned column;
    bool automatic; /* named by layout_name_ports(), not by anybody */
};

struct layout {
    uint32_t count;
    struct layout_slot slots[SLOTS_MAX];
};

/* What a slot's name may be, for people. */
#define LAYOUT_NAME_FORM "1 to 31 of A-Z a-z 0-9 . _ + -, of which the first is a letter or digit"

/* Whether a text can be a slot's name: LAYOUT_NAME_FORM. So it is a file's name, a section's of the
 * configuration, a word for every shell, and no option. '~' marks a drive whose place is not in the
 * layout any more (roster.h). */
bool layout_name_valid(const char *name);

/* Whether it is one of the slot's faces, whatever the LUN. */
bool layout_slot_has_port(const struct layout_slot *slot, const struct port *port);

/* The slot of a port and LUN, or of a name; NULL if there is none. */
const struct layout_slot *layout_find(const struct layout *layout, const struct port *port,
                                      unsigned lun);
const struct layout_slot *layout_find_name(const struct layout *layout, const char *name);

enum layout_trouble {
    LAYOUT_FINE,
    LAYOUT_FULL,       /* SLOTS_MAX slots are there already */
    LAYOUT_NAME_TAKEN, /* by another slot */
    LAYOUT_PORT_TAKEN, /* with that LUN */
    LAYOUT_NAME_BAD,
};

/* Adds a slot. Otherwise `other` (if not NULL) is the slot that is in the way, where one is. */
enum layout_trouble layout_add(struct layout *layout, const struct layout_slot *slot,
                               const struct layout_slot **other);

/* A hub: where it is plugged in, by one or both of its faces (a USB 3 hub is two hubs to the
 * kernel), and its number of ports. */
struct layout_hub {
    struct port faces[SLOT_PORTS_MAX];
    unsigned face_count;
    unsigned port_count;
    uint8_t hub_in_port[PORT_NUMBER_MAX / 8 + 1]; /* bit N: port N holds another hub, no slot */
};

/* Names the ports of a known hub that nobody named, in port order. A hub is known when at least one
 * of its ports has a slot with LUN 0; never a root hub, whose other ports are the computer's own.
 * The names go on from the hub's own: the leading letters of its first slot by name with the lowest
 * numbers that are free in the whole layout ("A01" and "A03" are there: "A02", "A04" …, with as
 * many digits); where that slot's name does not end in a number, its name with "-2", "-3" … A new
 * slot is in the row of that slot, in the columns that follow the last one used in that row, if
 * that slot has a place. Returns how many were added. */
unsigned layout_name_ports(struct layout *layout, const struct layout_hub *hub);

/* The name of a further LUN of a slot's port: "A05" and 1 is "A05.1". False when it is too long. */
bool layout_lun_name(const char *name, unsigned lun, char lun_name[SLOT_NAME_BYTES]);

#endif
