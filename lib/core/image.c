// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/image.h"

#include "lib/base/check.h"

uint32_t image_chunk_length(const struct image *image, uint32_t chunk)
{
    check(chunk < image->chunk_count);
    uint64_t left = image->size_bytes - (uint64_t)chunk * image->chunk_bytes;
    return left < image->chunk_bytes ? (uint32_t)left : image->chunk_bytes;
}

bool image_digest_known(const struct image *image, uint32_t chunk)
{
    check(chunk < image->chunk_count);
    return (image->known[chunk / 8] >> (chunk % 8) & 1) != 0;
}

void image_learn(struct image *image, uint32_t chunk, struct digest digest)
{
    check(!image_digest_known(image, chunk));
    image->digests[chunk] = digest;
    image->known[chunk / 8] = (uint8_t)(image->known[chunk / 8] | 1U << (chunk % 8));
    image->known_count++;
}
