// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_HOTPLUG_H
#define DAEMON_HOTPLUG_H

#include "lib/rig/census.h"
#include "lib/rig/layout.h"

#include <uv.h>

/* Drives and hubs as udev tells of them, on the event loop: first everything that is there, then
 * what comes and goes. When the kernel lost messages on their way to us (ENOBUFS), everything is
 * looked at again. It only translates: lib/rig/usb.h reads, lib/rig/census.h judges. Loop thread.
 */

struct hotplug;

struct hotplug_events {
    void *context;
    /* As in struct census_events: of every USB and SD disk of the machine, claimed or not. */
    void (*appeared)(void *context, const struct sighting *sighting, uint64_t plugged_ns);
    void (*vanished)(void *context, const struct sighting *sighting);
    /* An external hub is there, also at every scan. */
    void (*hub)(void *context, const struct layout_hub *hub);
    /* A device in a claimed port, or behind a hub in one, was kept from being used, for it is
     * something that no drive is; or it was pulled (`there` is false). One that is also a drive is
     * told of by `appeared` too. `port` is the claimed one, `name` fit to be shown. */
    void (*foreign)(void *context, const struct port *port, const char *name, bool there);
    /* The kernel lost messages and everything was looked at again: for the log. */
    void (*rescanned)(void *context);
};

/* Starts to listen, then scans: events come from inside this call and later from the loop. NULL
 * with a reason for people. `events` is copied. */
struct hotplug *hotplug_open(uv_loop_t *loop, const struct hotplug_events *events,
                             char reason[256]);

/* Looks at everything again, as after lost messages. */
void hotplug_scan(struct hotplug *hotplug);

/* Tells of every drive that is there once more, as one that was there before (plugged_ns 0), by
 * `appeared`: for who did not listen, or has other ports now. */
void hotplug_repeat(struct hotplug *hotplug);

/* Stops listening; no event comes from inside this call or later. The loop must run once more
 * before it is closed. */
void hotplug_close(struct hotplug *hotplug);

#endif
