// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef RIG_PORT_H
#define RIG_PORT_H

#include <stdbool.h>

/* Where a drive is plugged in, named so that it is the same after every boot: the kernel numbers
 * its buses in the order in which it finds them, but a controller's address and the ports behind it
 * stay. Pure; any thread.
 *
 * As text, with the controller's name in sysfs first:
 *
 *   0000:00:14.0/usb2/2.3     USB 2 face: port 3 of the hub in port 2 of the controller
 *   0000:00:14.0/usb3/2.3     USB 3 face of the same, or of another physical port
 *   0000:00:1f.0/mmc          the slot of an SD card controller
 *
 * A USB 3 port has two faces: a USB 2 stick in it appears on another bus than a USB 3 stick. Which
 * faces belong together only the kernel knows (sysfs, portN/peer; usb.h reads it). */

enum port_bus {
    PORT_USB2, /* any bus below SuperSpeed */
    PORT_USB3,
    PORT_MMC,
};

enum {
    PORT_CONTROLLER_BYTES = 64, /* a kernel device name such as "0000:00:14.0", "xhci-hcd.1.auto" */
    /* USB has at most 7 tiers, of which the first is the root hub: 6 numbers up to 255. */
    PORT_CHAIN_BYTES = 24,
    PORT_NUMBER_MAX = 255,
    PORT_TEXT_BYTES = 96,
};

struct port {
    enum port_bus bus;
    char controller[PORT_CONTROLLER_BYTES];
    char chain[PORT_CHAIN_BYTES]; /* "2.3"; "" for mmc and for a root hub */
};

/* Reads the text form. Names of controllers are letters, digits and `:._-`. 0 or -EINVAL. */
int port_parse(struct port *port, const char *text);

/* Writes the text form; returns text. */
const char *port_format(const struct port *port, char text[PORT_TEXT_BYTES]);

bool port_equal(const struct port *one, const struct port *other);

/* Finds the port in the sysfs path of a device that is plugged into it or stands behind that, e.g.
 * "/devices/pci0000:00/0000:00:05.0/usb1/1-2/1-2.3/1-2.3:1.0/host0/…/block/sda", with or without
 * "/sys" in front; of a USB hub or interface its own. `superspeed` tells whether the path's root
 * hub is of USB 3. -ENOENT when there is no USB port and no SD slot in the path. */
int port_of_path(struct port *port, const char *path, bool superspeed);

/* The hub that the port belongs to, as the port that the hub is plugged into; false for a port of a
 * root hub and for mmc. */
bool port_hub(const struct port *port, struct port *hub);

/* The port's number on its hub; 0 for mmc. */
unsigned port_number(const struct port *port);

/* Port `number` of a hub that is plugged into `hub`; false when it would be a tier too deep. */
bool port_of_hub(const struct port *hub, unsigned number, struct port *port);

#endif
