// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_IMAGE_H
#define CORE_IMAGE_H

#include "lib/base/digest.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether and why a master failed. */
enum image_fault {
    IMAGE_SOUND,
    IMAGE_UNREADABLE, /* a chunk could not be read, or the file changed */
    IMAGE_DIFFERS,    /* a chunk is not what the manifest says, or what was read before */
    IMAGE_SILENT,     /* it owed a chunk for too long */
};

/* What the core knows of a master image: its shape and the digest of each chunk. Never its bytes.
 *
 * A digest that the manifest gave is known from the start. Without a manifest it is learnt from the
 * first load of its chunk, and every later load must agree. Pure; not thread-safe. */
struct image {
    /* The bytes that a drive must hold: the file's size, rounded up to whole sectors. */
    uint64_t size_bytes;
    uint32_t chunk_bytes;
    uint32_t chunk_count; /* ceil(size_bytes / chunk_bytes), 1 to CHUNKS_MAX */

    /* chunk_count digests, of the last chunk with its padding. Owned by the caller, who keeps them
     * for as long as the press knows the image; the core writes those that it learns. */
    struct digest *digests;
    uint8_t *known; /* chunk_count bits, least significant first; as digests */
    uint32_t known_count;
    bool learnt; /* the press learnt some: nobody vouches for them */

    enum image_fault fault; /* when it is not IMAGE_SOUND, no drive is started on it again */
};

/* The size in bytes of one chunk: chunk_bytes but for a shorter last one. */
uint32_t image_chunk_length(const struct image *image, uint32_t chunk);

bool image_digest_known(const struct image *image, uint32_t chunk);

/* Records the digest of a chunk whose digest is not known yet. */
void image_learn(struct image *image, uint32_t chunk, struct digest digest);

#endif
