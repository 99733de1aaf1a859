// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_IMAGES_H
#define DAEMON_IMAGES_H

#include "daemon/worker.h"
#include "lib/core/limits.h"
#include "lib/image/source.h"
#include "lib/wire/message.h"

#include <stdint.h>

/* Opens images of the catalogue, on a thread of its own: a catalogue may be on a slow disk or a
 * dead network share, and that holds up nobody. Loop thread. */

struct images;

/* What was opened. The sources are the receiver's, each to be ended by images_close_source(). */
struct image_set {
    uint32_t count; /* 0 with an error */
    struct source *sources[IMAGES_MAX];
    uint32_t skipped; /* with "auto": that could not be used; the reason is the first one's */
    int error;        /* 0 or -errno, as of source_open(); -ETIMEDOUT */
    char reason[IMAGE_REASON_BYTES];
};

enum {
    /* As long as a master may be silent (MASTER_NS_DEFAULT). */
    IMAGES_WAIT_MS = 60000,

    /* Threads that hang in a catalogue, whose loads were given up. */
    IMAGES_HUNG_MAX = 4,
};

/* The thread lives as long as the process. NULL with errno set. */
struct images *images_open(uv_loop_t *loop, struct mailbox *mailbox);

/* Opens the image of a name, or with "auto" all of the directory that are whole and have chunks of
 * chunk_bytes; `done` follows, on the loop. After wait_ms that is with -ETIMEDOUT, and the load is
 * given up. One at a time. 0; -EBUSY while IMAGES_HUNG_MAX threads hang; or what the system says
 * when there is no thread to be had. */
int images_load(struct images *images, const char *directory, const char *name,
                uint32_t chunk_bytes, uint64_t wait_ms,
                void (*done)(void *context, const struct image_set *set), void *context);

/* Gives up the load that goes on, if one does: its `done` does not come, and the next one may be
 * asked for. What it opens when its disk answers after all is closed. */
void images_give_up(struct images *images);

/* On the thread, for closing may block too. */
void images_close_source(struct images *images, struct source *source);

/* Whether two sources are the same file, unchanged. */
bool images_same(const struct source *one, const struct source *other);

/* Why a source could not be opened (0 excepted), as a word for scripts. */
enum wire_error images_error(int error);

#endif
