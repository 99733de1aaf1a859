// SPDX-License-Identifier: GPL-3.0-or-later

/* How fast one core hashes what drives are verified with: chunks of a pool that no cache holds. */

#include "lib/base/units.h"
#include "lib/image/hash.h"
#include "lib/image/manifest.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POOL_BYTES (256 * MIB)

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

int main(void)
{
    unsigned char *pool = malloc(POOL_BYTES);
    uint64_t hashed_bytes = 0;
    uint64_t sum = 0;

    if (pool == NULL)
        return 1;
    memset(pool, 1, POOL_BYTES); /* its pages exist before the clock runs */
    uint64_t begin_ns = now_ns();
    uint64_t spent_ns = 0;
    while (spent_ns < NS_PER_S) {
        for (uint64_t at = 0; at < POOL_BYTES; at += IMAGE_CHUNK_BYTES)
            sum += hash_bytes(pool + at, IMAGE_CHUNK_BYTES).low;
        hashed_bytes += POOL_BYTES;
        spent_ns = now_ns() - begin_ns;
    }
    /* The sum keeps the work from being left out. */
    (void)printf("%.2f GiB/s %llx\n",
                 (double)hashed_bytes / (double)GIB / ((double)spent_ns / (double)NS_PER_S),
                 (unsigned long long)sum);
    free(pool);
    return 0;
}
