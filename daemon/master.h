// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_MASTER_H
#define DAEMON_MASTER_H

#include "daemon/worker.h"
#include "lib/core/event.h"
#include "lib/core/limits.h"
#include "lib/image/source.h"

#include <stdint.h>

/* Reads chunks of the master into buffers and hashes them, on threads of its own: a master on a
 * slow or dead network share blocks these and nothing else. Loop thread. */

struct master;

struct master_load {
    struct master *master;
    struct task task;
    void *data;
    uint32_t buffer;
    uint32_t chunk;
    struct digest digest;
    int error; /* of source_read_chunk */
    bool used;
};

struct master {
    const struct source *source;
    struct worker *readers;
    void *context;
    void (*event)(void *context, const struct event *event); /* as in struct drive_host */
    uint64_t read_bytes;                                     /* read from the master so far */
    int last_error; /* of the last load that failed, as -errno; 0 if none did */
    struct master_load loads[LOADS_MAX];
};

/* Starts the readers, for as long as the process lives. 0 or -errno. */
int master_open(struct master *master, const struct source *source, struct mailbox *mailbox,
                void (*event)(void *context, const struct event *event), void *context);

/* Loads a chunk into data, which is buffer number `buffer`. EVENT_LOADED follows. */
void master_load(struct master *master, uint32_t buffer, uint32_t chunk, void *data);

#endif
