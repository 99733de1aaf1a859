// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_IMAGES_H
#define DAEMON_IMAGES_H

#include "daemon/worker.h"
#include "lib/core/limits.h"
#include "lib/image/source.h"

#include <stdint.h>

/* Opens images of the catalogue, on a thread of its own: a catalogue may be on a slow disk or a
 * dead network share, and that holds up nobody. Loop thread. */

struct images;

/* What was opened. The sources are the receiver's, each to be ended by images_close_source(). */
struct image_set {
    uint32_t count; /* 0 with an error */
    struct source *sources[IMAGES_MAX];
    uint32_t
        skipped; /* with "auto": images that could not be used; the reason is the first one's */
    int error;   /* 0 or -errno, as of source_open() */
    char reason[IMAGE_REASON_BYTES];
};

/* The thread lives as long as the process. NULL with errno set. */
struct images *images_open(struct mailbox *mailbox);

/* Opens the image of a name, or with "auto" all of the directory that are whole and have chunks of
 * chunk_bytes; `done` follows, on the loop. One at a time. */
void images_load(struct images *images, const char *directory, const char *name,
                 uint32_t chunk_bytes, void (*done)(void *context, const struct image_set *set),
                 void *context);

void images_close_source(struct source *source);

/* Whether two sources are the same file, unchanged. */
bool images_same(const struct source *one, const struct source *other);

#endif
