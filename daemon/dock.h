// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_DOCK_H
#define DAEMON_DOCK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* The dock: a directory in which a regular file is a drive. A file that appears is a drive that is
 * plugged in, one that is deleted or moved away was pulled, one that takes another's name is
 * another drive. The file's name is the slot's. With a description beside it (NAME.sim, io_sim.h)
 * it is a simulated drive. Watched by inotify; when messages were lost (IN_Q_OVERFLOW) the
 * directory is read again. Loop thread.
 *
 * Not drives, and never opened: what is no regular file (links too), names that begin with a dot or
 * end in ".sim", and names that cannot be a slot's (layout_name_valid()), which are told of by
 * `ignored` once each. An empty file is one that is still being made: it is a drive as soon as it
 * has a size that does not change for DOCK_SETTLE_MS, or when who writes it closes it, or at once
 * when it was moved here. */

enum { DOCK_SETTLE_MS = 300, DOCK_REASON_BYTES = 256 };

struct dock;

struct dock_drive {
    char name[NAME_MAX + 1];
    char path[PATH_MAX];
    uint64_t capacity_bytes;
    bool simulated;  /* it has a description */
    bool from_start; /* nobody saw it come: it was there when the dock was opened, when its
                      * directory came back, or when that could be read again */
};

struct dock_events {
    void *context;
    void (*appeared)(void *context, const struct dock_drive *drive);
    void (*vanished)(void *context, const char *name);
    void (*ignored)(void *context, const char *name, const char *reason);
    /* The directory itself went away (all its drives have vanished), or is back. */
    void (*directory)(void *context, bool there);
};

/* Watches an absolute directory, which must exist. `appeared` comes from inside this call for the
 * files that are there. NULL with a reason for people. `events` is copied. */
struct dock *dock_open(uv_loop_t *loop, const char *directory, const struct dock_events *events,
                       char reason[DOCK_REASON_BYTES]);

/* No event comes from inside this call or later. The loop must run once more before it is closed.
 */
void dock_close(struct dock *dock);

#endif
