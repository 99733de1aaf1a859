// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/fuse_store.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Where a block of FUSE_STORE_MASTER is found. */
enum block { BLOCK_OWN, BLOCK_AS_MASTER };

/* Memory that exists only where it is touched. */
static uint8_t *map(size_t length)
{
    void *data = mmap(NULL, length, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

int fuse_store_open(struct fuse_store *store, const struct fuse_master *master)
{
    store->master = master;
    store->data = map(store->capacity);
    store->blocks = map(store->capacity / FUSE_STORE_BLOCK_BYTES + 1);
    return store->data == NULL || store->blocks == NULL ? -ENOMEM : 0;
}

bool fuse_store_covers(uint64_t offset, size_t length, uint64_t at)
{
    return at >= offset && at - offset < length;
}

/* Where a drive that lies about its capacity really keeps an offset. */
static uint64_t place(const struct fuse_store *store, uint64_t offset)
{
    return store->real_capacity == FUSE_STORE_NEVER ? offset : offset % store->real_capacity;
}

/* Copies one piece that lies in one block to or from where the drive keeps it. */
static void write_piece(struct fuse_store *store, uint64_t at, const char *data, size_t length)
{
    uint8_t *block = &store->blocks[at / FUSE_STORE_BLOCK_BYTES];
    uint64_t begin = at - at % FUSE_STORE_BLOCK_BYTES;

    if (store->kind == FUSE_STORE_MASTER) {
        if (length == FUSE_STORE_BLOCK_BYTES &&
            begin + FUSE_STORE_BLOCK_BYTES <= store->master->bytes &&
            memcmp(store->master->data + begin, data, FUSE_STORE_BLOCK_BYTES) == 0) {
            *block = BLOCK_AS_MASTER;
            return;
        }
        if (*block == BLOCK_AS_MASTER)
            memcpy(store->data + begin, store->master->data + begin, FUSE_STORE_BLOCK_BYTES);
        *block = BLOCK_OWN;
    }
    memcpy(store->data + at, data, length);
}

static const uint8_t *find_piece(const struct fuse_store *store, uint64_t at)
{
    return store->blocks[at / FUSE_STORE_BLOCK_BYTES] == BLOCK_AS_MASTER ? store->master->data + at
                                                                         : store->data + at;
}

/* The bytes from `offset` on that lie in one block, on the drive and in what it claims to be. */
static size_t piece_length(uint64_t at, size_t left)
{
    size_t length = FUSE_STORE_BLOCK_BYTES - at % FUSE_STORE_BLOCK_BYTES;
    return length < left ? length : left;
}

void fuse_store_write(struct fuse_store *store, uint64_t offset, const char *data, size_t length)
{
    if (store->kind == FUSE_STORE_DISCARD)
        return;
    if (store->kind == FUSE_STORE_MEMORY && store->real_capacity == FUSE_STORE_NEVER) {
        memcpy(store->data + offset, data, length);
    } else {
        for (size_t done = 0; done < length;) {
            uint64_t at = place(store, offset + done);
            size_t piece = piece_length(at, length - done);
            write_piece(store, at, data + done, piece);
            done += piece;
        }
    }
    if (fuse_store_covers(offset, length, store->flip_write_at)) {
        uint64_t at = place(store, store->flip_write_at);
        char flipped = (char)(*find_piece(store, at) ^ 1);
        write_piece(store, at, &flipped, 1);
    }
}

const uint8_t *fuse_store_read(const struct fuse_store *store, uint64_t offset, size_t length,
                               uint8_t *room)
{
    if (store->kind == FUSE_STORE_MEMORY && store->real_capacity == FUSE_STORE_NEVER)
        return store->data + offset;
    for (size_t done = 0; done < length;) {
        uint64_t at = place(store, offset + done);
        size_t piece = piece_length(at, length - done);
        memcpy(room + done, find_piece(store, at), piece);
        done += piece;
    }
    return room;
}
