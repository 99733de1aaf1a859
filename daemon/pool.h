// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_POOL_H
#define DAEMON_POOL_H

#include <stdint.h>
#include <sys/uio.h>

/* The memory of the buffers that the core counts: one mapping, aligned for direct I/O and in huge
 * pages where the kernel gives them. */

struct pool {
    struct iovec memory;
    uint32_t buffer_bytes;
};

/* Maps buffer_count buffers, for as long as the process lives. 0 or -errno. */
int pool_open(struct pool *pool, uint32_t buffer_count, uint32_t buffer_bytes);

/* Where buffer number `buffer` is. Any thread. */
void *pool_buffer(const struct pool *pool, uint32_t buffer);

#endif
