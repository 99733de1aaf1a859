// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_PORT_WATCH_H
#define TOOLS_PORT_WATCH_H

#include "lib/rig/census.h"
#include "lib/rig/layout.h"

#include <stdbool.h>
#include <stddef.h>

/* Watches the ports of this machine: which disks are plugged in, what is known of their ports, and
 * which hubs there are. It opens no disk. One thread. */

struct port_watch;

/* A drive was plugged in; called from port_watch_read(). */
typedef void port_watch_plugged(void *context, const struct sighting *sighting);

/* Looks at what is there, and follows it from then on. 0 or -errno. *present is the number of
 * drives that are plugged in already. */
int port_watch_open(struct port_watch **watch, port_watch_plugged *plugged, void *context,
                    unsigned *present);
void port_watch_close(struct port_watch *watch);

/* A descriptor that can be read when there is news. */
int port_watch_fd(const struct port_watch *watch);

/* Takes in all news. 0, or -errno when some were lost and cannot be made up for. */
int port_watch_read(struct port_watch *watch);

/* Whether there will be any news: they come from udevd, and without it nobody tells. */
bool port_watch_is_told(void);

/* Where udevd listens; tests, which play udevd, have it elsewhere. */
extern const char *port_watch_udevd;

/* What the device of a sighting calls itself; "" when it does not tell. */
void port_watch_name(struct port_watch *watch, const struct sighting *sighting, char *text,
                     size_t text_bytes);

/* Both faces of a port, as far as the kernel knows them. Returns how many, 1 or 2. */
unsigned port_watch_faces(struct port_watch *watch, const struct port *port,
                          struct port faces[SLOT_PORTS_MAX]);

/* Each of these calls `visit` for everything of its kind that is plugged in, until it returns true.
 * Returns 1 if it did, 0 if not, or -errno when that could not be looked at: then nothing is known.
 *
 * Disks, with or without a medium; external hubs, once for each of their faces; and interfaces of
 * USB devices, with the port and the name of the device, that are neither storage nor a hub and not
 * switched off. */
int port_watch_visit_disks(struct port_watch *watch, void *context,
                           bool (*visit)(void *context, const struct sighting *sighting));
int port_watch_visit_hubs(struct port_watch *watch, void *context,
                          bool (*visit)(void *context, const struct layout_hub *hub));
int port_watch_visit_foreign(struct port_watch *watch, void *context,
                             bool (*visit)(void *context, const struct port *port,
                                           const char *name));

/* Names the ports of the hubs that are known, as the daemon will. Returns how many, or -errno. */
int port_watch_name_hubs(struct port_watch *watch, struct layout *layout);

#endif
