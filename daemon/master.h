// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_MASTER_H
#define DAEMON_MASTER_H

#include "daemon/worker.h"
#include "lib/core/event.h"
#include "lib/core/limits.h"
#include "lib/image/source.h"

#include <stdint.h>

/* Reads chunks of the masters into buffers and hashes them, on threads of its own: a master on a
 * slow or dead network share blocks these and nothing else. Loop thread. */

struct master;

struct master_load {
    struct master *master;
    struct task task;
    const struct source *source;
    void *data;
    uint32_t image;
    uint32_t buffer;
    uint32_t chunk;
    struct digest digest;
    int error; /* of source_read_chunk */
    bool used;
};

struct master {
    struct worker *readers;
    void *context;
    void (*event)(void *context, const struct event *event); /* as in struct drive_host */
    uint64_t read_bytes;                                     /* read of all images so far */
    int last_errors[IMAGES_MAX]; /* of an image's last load that failed, -errno; 0 if none did */
    struct master_load loads[LOADS_MAX];
};

/* Starts the readers, for as long as the process lives. 0 or -errno. */
int master_open(struct master *master, struct mailbox *mailbox,
                void (*event)(void *context, const struct event *event), void *context);

/* Loads a chunk of a source, which is image number `image`, into data, which is buffer number
 * `buffer`. EVENT_LOADED follows; until then the source must stay open. */
void master_load(struct master *master, uint32_t image, const struct source *source,
                 uint32_t buffer, uint32_t chunk, void *data);

#endif
