// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "lib/base/check.h"
#include "lib/base/units.h"

#include <stdint.h>
#include <time.h>

/* Now, on the clock that never jumps (CLOCK_MONOTONIC). Not for lib/core, which is told the time.
 * Any thread. */
static inline uint64_t clock_now_ns(void)
{
    struct timespec now;

    check(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The same in milliseconds, as the wire and poll() count. */
static inline uint64_t clock_now_ms(void)
{
    return clock_now_ns() / NS_PER_MS;
}

#endif
