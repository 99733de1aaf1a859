// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/pool.h"

#include "lib/base/check.h"
#include "lib/base/units.h"

#include <errno.h>
#include <sys/mman.h>

/* A mapping that begins on a huge page's boundary can use one from its first byte on, and the block
 * layer then needs fewer segments per request. */
#define HUGE_PAGE_BYTES (2 * MIB)

int pool_open(struct pool *pool, uint32_t buffer_count, uint32_t buffer_bytes)
{
    size_t bytes = (size_t)buffer_count * buffer_bytes;
    size_t mapped_bytes = bytes + HUGE_PAGE_BYTES;
    char *mapped =
        mmap(NULL, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return -errno;

    char *begin = (char *)(uintptr_t)round_up_u64((uintptr_t)mapped, HUGE_PAGE_BYTES);
    if (begin > mapped)
        (void)munmap(mapped, (size_t)(begin - mapped));
    (void)munmap(begin + bytes, (size_t)(mapped + mapped_bytes - (begin + bytes)));
    (void)madvise(begin, bytes, MADV_HUGEPAGE);
    (void)madvise(begin, bytes, MADV_DONTDUMP);
    pool->memory = (struct iovec){begin, bytes};
    pool->buffer_bytes = buffer_bytes;
    return 0;
}

void *pool_buffer(const struct pool *pool, uint32_t buffer)
{
    size_t offset = (size_t)buffer * pool->buffer_bytes;
    check(offset < pool->memory.iov_len);
    return (char *)pool->memory.iov_base + offset;
}
