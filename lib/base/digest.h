// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

/* An XXH3-128 digest as two numbers, so that code which never sees the bytes can compare them.
 * Its text form is the canonical one of xxhsum: 32 lower-case hex digits, high half first. */
struct digest {
    uint64_t high;
    uint64_t low;
};

enum { DIGEST_TEXT_BYTES = 33 }; /* 32 hex digits and the final zero */

static inline bool digest_equal(struct digest a, struct digest b)
{
    return a.high == b.high && a.low == b.low;
}

#endif
