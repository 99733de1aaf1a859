// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef SUPPORT_FUSE_STORE_H
#define SUPPORT_FUSE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a drive of fuse_drive holds. Any number of threads, as long as no two use the same bytes of
 * a drive at once, one of them for writing. */

enum { FUSE_STORE_BLOCK_BYTES = 4096 };

/* An offset that was not given. */
#define FUSE_STORE_NEVER UINT64_MAX

enum fuse_store_kind {
    FUSE_STORE_MEMORY,  /* keeps what is written */
    FUSE_STORE_DISCARD, /* keeps nothing and reads as zeros */
    FUSE_STORE_MASTER,  /* keeps only blocks that differ from the master: many large copies fit */
};

/* The file that drives are compared with; data is NULL if there is none. */
struct fuse_master {
    const uint8_t *data;
    uint64_t bytes;
};

/* The first four are the owner's to set before fuse_store_open. */
struct fuse_store {
    uint64_t capacity;      /* bytes that it claims, not 0 */
    uint64_t real_capacity; /* whole blocks; offsets wrap around there; or FUSE_STORE_NEVER */
    uint64_t flip_write_at; /* this byte is stored with its lowest bit wrong; or FUSE_STORE_NEVER */
    uint64_t kind;          /* an enum fuse_store_kind */

    const struct fuse_master *master; /* the owner's, living as long */
    uint8_t *data;                    /* capacity bytes, touched only where written */
    uint8_t *blocks;                  /* where each block of FUSE_STORE_MASTER is */
};

/* Maps its memory, which stays until the process ends. 0 or -ENOMEM. */
int fuse_store_open(struct fuse_store *store, const struct fuse_master *master);

/* Whether a byte is in a range of bytes. */
bool fuse_store_covers(uint64_t offset, size_t length, uint64_t at);

/* The range must lie within the capacity. */
void fuse_store_write(struct fuse_store *store, uint64_t offset, const char *data, size_t length);

/* The bytes of a range: where they are if they are in one place, else gathered into `room`, which
 * has `length` bytes. */
const uint8_t *fuse_store_read(const struct fuse_store *store, uint64_t offset, size_t length,
                               uint8_t *room);

#endif
