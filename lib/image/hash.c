// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/image/hash.h"

#include "lib/base/check.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* On x86-64 the library chooses the widest vectors of the CPU at run time: 88 GB/s on one core of
 * an AVX-512 machine from a 1 MiB buffer, where the code that a compiler makes for every x86-64 has
 * 20 GB/s. Its header is only installed where the library was built with that choice. */
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#include <xxhash.h>
#else
#define XXH_INLINE_ALL
#include <xxhash.h>
#endif

static struct digest from_xxhash(XXH128_hash_t hash)
{
    return (struct digest){.high = hash.high64, .low = hash.low64};
}

struct digest hash_bytes(const void *data, size_t length_bytes)
{
    return from_xxhash(XXH3_128bits(data, length_bytes));
}

/* The library's state has no other name here; it is never touched but through a cast. */
struct hash_stream *hash_stream_new(void)
{
    XXH3_state_t *state = XXH3_createState();
    if (state != NULL)
        check(XXH3_128bits_reset(state) == XXH_OK);
    return (struct hash_stream *)(void *)state;
}

void hash_stream_update(struct hash_stream *stream, const void *data, size_t length_bytes)
{
    check(XXH3_128bits_update((XXH3_state_t *)(void *)stream, data, length_bytes) == XXH_OK);
}

struct digest hash_stream_digest(const struct hash_stream *stream)
{
    return from_xxhash(XXH3_128bits_digest((const XXH3_state_t *)(const void *)stream));
}

void hash_stream_free(struct hash_stream *stream)
{
    (void)XXH3_freeState((XXH3_state_t *)(void *)stream);
}

void hash_format(char text[DIGEST_TEXT_BYTES], struct digest digest)
{
    (void)snprintf(text, DIGEST_TEXT_BYTES, "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
}

int hash_parse(const char *text, struct digest *digest)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t halves[2] = {0, 0};

    for (unsigned i = 0; i < DIGEST_TEXT_BYTES - 1; i++) {
        const char *found = text[i] == '\0' ? NULL : strchr(digits, text[i]);
        if (found == NULL)
            return -1;
        halves[i / 16] = halves[i / 16] << 4 | (uint64_t)(found - digits);
    }
    if (text[DIGEST_TEXT_BYTES - 1] != '\0')
        return -1;
    *digest = (struct digest){.high = halves[0], .low = halves[1]};
    return 0;
}
