// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/page_cache.h"

#include "lib/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* Happy path: posix_fadvise() drops the pages, and cachestat() finds none left.
 *
 * Failure modes: the advice is only a hint. Mapped pages stay, and so do, for a moment, pages that
 * another reader holds. Before Linux 6.5 there is no cachestat() and a mapping is asked instead,
 * part by part (mincore); likewise where the pages belong to a file below the opened one, of which
 * cachestat() does not know. */

enum {
    DROP_ATTEMPTS = 50,
    DROP_PAUSE_MS = 20, /* a second altogether */
    /* 256 MiB at a time with pages of 4 KiB. */
    MAPPED_PAGES_MAX = 64 * 1024,
};

/* cachestat(2), for headers before Linux 6.5. Its number is the same on all architectures that we
 * know but alpha, whose headers must have it. */
#if !defined(SYS_cachestat) && !defined(__alpha__)
#define SYS_cachestat 451
#endif

struct cache_range {
    uint64_t offset_bytes;
    uint64_t length_bytes; /* 0: to the end */
};

struct cache_counts {
    uint64_t cached;
    uint64_t dirty;
    uint64_t writeback;
    uint64_t evicted;
    uint64_t recently_evicted;
};

/* 1 if there are pages of the file, 0 if not, or -errno. */
static int ask_counts(int fd)
{
    const struct cache_range all = {0};
    struct cache_counts counts = {0};

    if (syscall(SYS_cachestat, fd, &all, &counts, 0) != 0)
        return -errno;
    return counts.cached + counts.writeback > 0;
}

/* The same for one part of the file, by a mapping of it. */
static int ask_part(int fd, uint64_t offset_bytes, size_t length_bytes, size_t page_bytes,
                    unsigned char *resident)
{
    void *mapping = mmap(NULL, length_bytes, PROT_READ, MAP_PRIVATE, fd, (off_t)offset_bytes);

    if (mapping == MAP_FAILED)
        return -errno;
    int held = mincore(mapping, length_bytes, resident) != 0 ? -errno : 0;
    for (size_t i = 0; i < length_bytes / page_bytes && held == 0; i++)
        held = resident[i] & 1;
    (void)munmap(mapping, length_bytes);
    return held;
}

static int ask_mapping(int fd)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    struct stat status;
    int held = 0;

    if (fstat(fd, &status) != 0)
        return -errno;
    unsigned char *resident = malloc(MAPPED_PAGES_MAX);
    if (resident == NULL)
        return -ENOMEM;
    uint64_t end_bytes = ((uint64_t)status.st_size + page_bytes - 1) / page_bytes * page_bytes;
    for (uint64_t at = 0; at < end_bytes && held == 0;) {
        size_t part_bytes = (size_t)min_u64(MAPPED_PAGES_MAX * page_bytes, end_bytes - at);
        held = ask_part(fd, at, part_bytes, page_bytes, resident);
        at += part_bytes;
    }
    free(resident);
    return held;
}

static int page_cache_holds(int fd)
{
    struct statfs system;
    int held = -ENOSYS;

    if (fstatfs(fd, &system) != 0)
        return -errno;
    if (system.f_type == OVERLAYFS_SUPER_MAGIC || system.f_type == FUSE_SUPER_MAGIC)
        held = ask_mapping(fd);
    /* A file that cannot be mapped has the pages of its own. */
    if (held == -ENOSYS || held == -ENODEV)
        held = ask_counts(fd);
    return held == -ENOSYS || held == -EOPNOTSUPP ? ask_mapping(fd) : held;
}

bool page_cache_is_all(int fd)
{
    struct statfs system;

    return fstatfs(fd, &system) == 0 &&
           (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC);
}

int page_cache_drop(int fd)
{
    const struct timespec pause = {.tv_nsec = DROP_PAUSE_MS * (long)NS_PER_MS};
    int held = 1;

    for (unsigned i = 0; i < DROP_ATTEMPTS && held > 0; i++) {
        if (i > 0)
            (void)nanosleep(&pause, NULL);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        held = page_cache_holds(fd);
    }
    return held > 0 ? -EBUSY : held;
}
