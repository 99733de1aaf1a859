// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_FEED_H
#define CORE_FEED_H

#include "lib/core/image.h"
#include "lib/core/lane.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The shared pool of chunk buffers between the master and the lanes.
 *
 * A chunk is loaded once for all lanes that wait for it, and stays for those that come later while
 * there is room. Nobody waits because somebody else is slow: a chunk that only slow lanes still
 * want may be evicted, and is read again for them. As every lane's next chunks are known, what is
 * loaded and evicted follows the four rules of Cao, Felten, Karlin and Li, "A Study of Integrated
 * Prefetching and Caching Strategies" (SIGMETRICS 1995): load the missing chunk that is needed
 * soonest; replace the one that is needed last; never replace a chunk that is needed before the one
 * to be loaded; act at the first opportunity. "When" is a lane's distance times its pace, as in
 * Switakowski, Boncz and Zukowski, "From Cooperative Scans to Predictive Buffer Management" (VLDB
 * 2012). A new lane begins where others are moving, the elevator of shared scans, so that it shares
 * from its first chunk.
 *
 * The pool also lends the buffers into which drives are read back, so that it bounds all memory.
 * Pure: buffers are numbers here. */

enum buffer_use {
    BUFFER_FREE,
    BUFFER_LOADING,  /* a load is in flight */
    BUFFER_RESIDENT, /* holds a chunk; in use while its pins are not 0 */
    BUFFER_SCRATCH,  /* lent to a lane to read its drive into */
};

struct buffer {
    enum buffer_use use;
    uint32_t image; /* LOADING, RESIDENT: which chunk of which image */
    uint32_t chunk;
    uint32_t pins;       /* RESIDENT: requests that are writing it */
    uint32_t attempts;   /* LOADING: how often it was begun */
    uint64_t started_ns; /* LOADING: when it was begun last */
    uint32_t next;       /* link of the free list, or of the chunk's hash chain */
};

#define BUFFER_NONE UINT32_MAX

struct feed {
    struct buffer *buffers; /* buffer_count */
    uint32_t *index;        /* index_count heads of hash chains from (image, chunk) to buffer */
    uint32_t buffer_count;
    uint32_t index_count; /* a power of two */
    uint32_t free;        /* head of the free list */
    uint32_t hand;        /* where the next search for a victim begins */
    uint32_t loading;     /* loads in flight */

    uint64_t loads;       /* chunks asked of the master so far, repeats included */
    uint64_t loads_again; /* of these, the repeats after a failed one */
};

/* The lanes as the feed sees them: all of them, idle ones included. */
struct lanes {
    const struct lane *items;
    uint32_t count;
};

/* The memory that a feed of so many buffers needs, aligned for uint64_t. */
size_t feed_memory_bytes(uint32_t buffer_count);

/* Starts an empty feed in the caller's memory of feed_memory_bytes(buffer_count). */
void feed_init(struct feed *feed, uint32_t buffer_count, void *memory);

/* The resident buffer of a chunk, or BUFFER_NONE. */
uint32_t feed_resident(const struct feed *feed, uint32_t image, uint32_t chunk);

/* Keeps a resident buffer from being evicted while a request uses it; unpin ends that. */
void feed_pin(struct feed *feed, uint32_t buffer);
void feed_unpin(struct feed *feed, uint32_t buffer);

/* Lends a buffer to read a drive into: a free one, else the one whose chunk is needed last.
 * BUFFER_NONE when all are in use. */
uint32_t feed_lend(struct feed *feed, struct lanes lanes);
void feed_give_back(struct feed *feed, uint32_t buffer);

/* A load that the shell is to begin. */
struct feed_load {
    uint32_t buffer;
    uint32_t image;
    uint32_t chunk;
};

/* Chooses the next load, or returns false when none is to begin now. */
bool feed_next_load(struct feed *feed, struct lanes lanes, uint64_t now_ns, struct feed_load *load);

/* The load of a buffer succeeded: its chunk is resident. */
void feed_loaded(struct feed *feed, uint32_t buffer);

/* The load of a buffer failed. Returns true when it is to be begun again at once; otherwise the
 * buffer is free and the chunk cannot be had. */
bool feed_load_failed(struct feed *feed, uint32_t buffer, uint64_t now_ns);

/* Counts the loads that have been in flight for patience_ns. `images` is the set of those to which
 * they belong: bit N is image number N. */
uint32_t feed_overdue(const struct feed *feed, uint64_t now_ns, uint64_t patience_ns,
                      uint64_t *images);

/* A load of this image is in flight, or a request uses one of its chunks. */
bool feed_image_used(const struct feed *feed, uint32_t image);

/* Drops all chunks of an image that is not used: its number may mean another image from now on. */
void feed_forget(struct feed *feed, uint32_t image);

/* Where a new lane on this image begins: at the lane with the most others near it, or at 0. */
uint32_t feed_start_chunk(const struct feed *feed, struct lanes lanes, uint32_t image);

/* In how many nanoseconds the first lane needs this chunk of the master; FOREVER_NS if none does.
 */
uint64_t feed_needed_in_ns(struct lanes lanes, uint32_t image, uint32_t chunk);

#endif
