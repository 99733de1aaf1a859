// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/medium_opening.h"

#include "daemon/page_cache.h"
#include "lib/base/check.h"
#include "lib/base/container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* A real drive, or a regular file in a drive's place.
 *
 * Happy path: what medium_opening.c opened is read, written and flushed by plain system calls.
 *
 * Failure modes: any call may block for as long as a dying drive makes it, and end before all is
 * transferred, also because the drive was pulled. A file that stays in the kernel's cache cannot be
 * read back: then a flush fails. */

struct file_medium {
    struct medium medium;
    const struct identify_host *host;
    bool block;
    struct block_device device; /* of a block device */
    enum file_cache cache;
};

static struct file_medium *file_of(struct medium *medium)
{
    return container_of(medium, struct file_medium, medium);
}

/* --- Transfers -------------------------------------------------------------------------------- */

/* Has the kernel ask the drive, which it otherwise does every few seconds: opened anew, a reader
 * whose card was taken out says so at once. */
static bool opens_again(int fd)
{
    char path[32];

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (again < 0)
        return errno != ENOMEDIUM && errno != ENXIO && errno != ENODEV;
    (void)close(again);
    return true;
}

static bool file_present(struct medium *medium)
{
    struct file_medium *file = file_of(medium);
    struct stat status;
    uint64_t size_bytes = 0;
    uint64_t diskseq = 0;

    if (!file->block)
        return fstat(medium->fd, &status) == 0 && status.st_nlink > 0;
    if (!opens_again(medium->fd) || ioctl(medium->fd, BLKGETSIZE64, &size_bytes) != 0 ||
        size_bytes == 0)
        return false;
    if (ioctl(medium->fd, BLKGETDISKSEQ, &diskseq) == 0 && diskseq != file->device.diskseq)
        return false;
    return identify_present(file->host, &file->device);
}

void medium_check_aligned(const struct medium *medium, const void *data, uint32_t length_bytes,
                          uint64_t offset_bytes)
{
    uint32_t unit = medium->direct_block_bytes;
    check(unit == 0 ||
          ((uintptr_t)data % unit == 0 && length_bytes % unit == 0 && offset_bytes % unit == 0));
}

/* What a call that transferred nothing means: the end of the medium, where the capacity says that
 * there is more. */
static int end_error(struct medium *medium)
{
    return file_present(medium) ? -EIO : -ENODEV;
}

static int file_read(struct medium *medium, void *data, uint32_t length_bytes,
                     uint64_t offset_bytes)
{
    medium_check_aligned(medium, data, length_bytes, offset_bytes);
    for (uint32_t at = 0; at < length_bytes;) {
        ssize_t got =
            pread(medium->fd, (char *)data + at, length_bytes - at, (off_t)(offset_bytes + at));
        if (got == 0)
            return end_error(medium);
        if (got < 0 && errno != EINTR)
            return -errno;
        at += got > 0 ? (uint32_t)got : 0;
    }
    return 0;
}

static int file_write(struct medium *medium, const void *data, uint32_t length_bytes,
                      uint64_t offset_bytes)
{
    int flags = file_of(medium)->cache == CACHE_DROPPED ? RWF_DSYNC : 0;

    medium_check_aligned(medium, data, length_bytes, offset_bytes);
    for (uint32_t at = 0; at < length_bytes;) {
        const struct iovec rest = {.iov_base = (char *)(uintptr_t)data + at,
                                   .iov_len = length_bytes - at};
        ssize_t put = pwritev2(medium->fd, &rest, 1, (off_t)(offset_bytes + at), flags);
        if (put == 0)
            return end_error(medium);
        if (put < 0 && errno != EINTR)
            return -errno;
        at += put > 0 ? (uint32_t)put : 0;
    }
    return 0;
}

static int file_flush(struct medium *medium)
{
    if (fsync(medium->fd) != 0)
        return -errno;
    return file_of(medium)->cache == CACHE_DROPPED ? page_cache_drop(medium->fd) : 0;
}

static void file_close(struct medium *medium)
{
    (void)close(medium->fd);
    free(file_of(medium));
}

static const struct medium_ops file_ops = {
    .read = file_read,
    .write = file_write,
    .flush = file_flush,
    .present = file_present,
    .close = file_close,
};

/* --- Opening ---------------------------------------------------------------------------------- */

enum open_result medium_file_open_with(const char *path, bool for_writing,
                                       const struct medium_file_options *options,
                                       struct medium **medium, struct drive_facts *facts,
                                       struct medium_identity *identity)
{
    struct opening opening = {
        .path = path,
        .for_writing = for_writing,
        .host = options->host != NULL ? options->host : &identify_this_host,
        .options = options,
        .fd = -1,
        .identity = identity,
    };

    *medium = NULL;
    *facts = (struct drive_facts){0};
    *identity = (struct medium_identity){0};
    struct file_medium *file = calloc(1, sizeof(*file));
    enum open_result result =
        file != NULL ? medium_opening_try(&opening) : medium_refuse_errno(identity, ENOMEM);
    if (result != OPEN_OK) {
        identity->direct = false;
        if (opening.fd >= 0)
            (void)close(opening.fd);
        free(file);
        return result;
    }
    *facts = opening.facts;
    file->medium.ops = &file_ops;
    file->medium.fd = opening.fd;
    file->medium.on_file_system = !opening.block;
    file->medium.direct_block_bytes = identity->direct ? facts->logical_block_bytes : 0;
    file->host = opening.host;
    file->block = opening.block;
    file->device = opening.device;
    file->cache = opening.cache;
    *medium = &file->medium;
    return OPEN_OK;
}

enum open_result medium_file_open(const char *path, bool for_writing, struct medium **medium,
                                  struct drive_facts *facts, struct medium_identity *identity)
{
    return medium_file_open_with(path, for_writing, &(struct medium_file_options){0}, medium, facts,
                                 identity);
}
