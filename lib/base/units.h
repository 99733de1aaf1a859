// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef BASE_UNITS_H
#define BASE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* Units in which everything is counted, and how people read them. Sizes are bytes and times are
 * nanoseconds, both unsigned 64-bit; a name carries its unit as a suffix. Any thread. */

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* "not known" or "never" for a time or a count. */
#define FOREVER_NS UINT64_MAX

#define array_count(array) (sizeof(array) / sizeof((array)[0]))

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Rounds up to a multiple of step; step is not 0 and the result must fit 64 bits. */
static inline uint64_t round_up_u64(uint64_t value, uint64_t step)
{
    return (value + step - 1) / step * step;
}

/* The longest text that the units_format functions write, with its final zero. */
enum { UNITS_TEXT_BYTES = 32 };

/* Writes a size as a drive's label does, in powers of 1000: "512 B", "15.9 MB", "64.0 GB".
 * Cut, not rounded: a drive is never shown larger than it is. */
void units_format_bytes(char text[UNITS_TEXT_BYTES], uint64_t bytes);

/* Writes a time left or taken: "4 s", "2:05", "1:02:03"; FOREVER_NS is "-". */
void units_format_duration(char text[UNITS_TEXT_BYTES], uint64_t duration_ns);

/* Reads a size such as "4096", "64M" or "64MiB": digits, then one of nothing, B, K,
 * KiB, KB, M, MiB, MB, G, GiB, GB, T, TiB, TB. A bare letter and the i-forms are powers of 1024,
 * KB, MB, GB and TB powers of 1000. Returns 0, or -1 for anything else or beyond 64 bits (bytes
 * is then untouched). */
int units_parse_bytes(const char *text, uint64_t *bytes);

#endif
