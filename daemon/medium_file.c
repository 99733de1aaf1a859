// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/medium.h"

#include "daemon/identify.h"
#include "lib/base/check.h"
#include "lib/base/container.h"
#include "lib/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* A real drive, or a regular file in a drive's place.
 *
 * Happy path for a block device: look it up in sysfs and see that it is a whole disk that nobody
 * uses; open it with O_EXCL and O_DIRECT; see that it is still the same disk; lock it; ask its
 * size. For a regular file: open it, lock it, and turn direct I/O on where the file system takes
 * it.
 *
 * Failure modes: another disk can take a device node's place between any two calls, so the disk's
 * number (diskseq) is compared before and after opening. Everything may block for as long as a
 * dying drive makes it. */

/* udev and its helpers lock and hold a disk that just appeared or was just closed for a moment. */
#define HOLD_NS_MAX   NS_PER_S
#define HOLD_RETRY_NS (20 * NS_PER_MS)

enum { FILE_BLOCK_BYTES = 512 }; /* what a regular file pretends to have */

/* Direct I/O from a file needs no coarser memory alignment than this: the pool's buffers begin at
 * pages. */
enum { PAGE_BYTES = 4096 };

struct file_medium {
    struct medium medium;
    const struct identify_host *host;
    bool block;
    struct block_device device;  /* of a block device */
    uint32_t direct_block_bytes; /* unit of transfers by direct I/O; 0: not direct */
};

static struct file_medium *file_of(struct medium *medium)
{
    return container_of(medium, struct file_medium, medium);
}

/* --- Transfers -------------------------------------------------------------------------------- */

static bool file_present(struct medium *medium)
{
    struct file_medium *file = file_of(medium);
    struct stat status;
    uint64_t size_bytes = 0;
    uint64_t diskseq = 0;

    if (!file->block)
        return fstat(medium->fd, &status) == 0 && status.st_nlink > 0;
    if (ioctl(medium->fd, BLKGETSIZE64, &size_bytes) != 0 || size_bytes == 0)
        return false;
    if (ioctl(medium->fd, BLKGETDISKSEQ, &diskseq) == 0 && diskseq != file->device.diskseq)
        return false;
    return identify_present(file->host, &file->device);
}

/* Loops would allow misaligned transfers that a real disk refuses: find them everywhere. */
static void check_aligned(const struct file_medium *file, const void *data, uint32_t length_bytes,
                          uint64_t offset_bytes)
{
    uint32_t unit = file->direct_block_bytes;
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
    check_aligned(file_of(medium), data, length_bytes, offset_bytes);
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
    check_aligned(file_of(medium), data, length_bytes, offset_bytes);
    for (uint32_t at = 0; at < length_bytes;) {
        ssize_t put = pwrite(medium->fd, (const char *)data + at, length_bytes - at,
                             (off_t)(offset_bytes + at));
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
    /* Only a hint, and of no effect on dirty pages: hence after fsync. */
    (void)posix_fadvise(medium->fd, 0, 0, POSIX_FADV_DONTNEED);
    return 0;
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

/* One attempt to open a path. */
struct opening {
    const char *path;
    bool for_writing;
    const struct identify_host *host;
    bool buffered;
    int fd;
    struct block_device device;
    struct drive_facts facts;
    struct medium_identity *identity;
};

void medium_note(struct medium_identity *identity, const char *format, ...)
{
    char raw[MEDIUM_NOTE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(raw, sizeof(raw), format, arguments);
    va_end(arguments);
    identify_text(identity->note, sizeof(identity->note), raw);
}

static enum open_result refuse_errno(struct medium_identity *identity, int error)
{
    medium_note(identity, "%s", strerror(error));
    switch (error) {
    case EBUSY:
    case ETXTBSY:
        return OPEN_BUSY;
    case EROFS:
        return OPEN_READ_ONLY;
    case ENOMEDIUM:
        return OPEN_NO_MEDIUM;
    case EACCES:
    case EPERM:
        return OPEN_DENIED;
    case ENODEV:
    case ENXIO:
    case ENOENT:
    case ENOTDIR:
        return OPEN_GONE;
    /* No drive did this: a path that is none, or a shortage of ours. */
    case ELOOP:
    case ENAMETOOLONG:
    case EISDIR:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
        return OPEN_UNSUITABLE;
    default:
        return OPEN_ERROR;
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static bool wait_for_holder(uint64_t until_ns)
{
    const struct timespec pause = {.tv_nsec = (long)HOLD_RETRY_NS};

    if (now_ns() >= until_ns)
        return false;
    (void)nanosleep(&pause, NULL);
    return true;
}

/* The lock that every instance takes, and that systemd's udev honours on block devices
 * (systemd.io, "Locking Block Device Access"). */
static enum open_result take_lock(struct opening *opening, uint64_t until_ns)
{
    while (flock(opening->fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR || (errno == EWOULDBLOCK && wait_for_holder(until_ns)))
            continue;
        if (errno != EWOULDBLOCK)
            return refuse_errno(opening->identity, errno);
        medium_note(opening->identity, "locked by another program");
        return OPEN_BUSY;
    }
    return OPEN_OK;
}

/* Sees that nobody uses the disk, before it is touched. */
static enum open_result judge_use(struct opening *opening)
{
    const struct block_device *device = &opening->device;
    struct medium_identity *identity = opening->identity;
    enum device_use use;
    char why[MEDIUM_NOTE_BYTES];

    int error = identify_use(opening->host, device, &use, why, sizeof(why));
    if (use == DEVICE_OF_SYSTEM) {
        medium_note(identity, "the running system uses it: %s", why);
        return OPEN_SYSTEM_DISK;
    }
    if (error != 0) {
        medium_note(identity, "cannot find out whether it is mounted: %s", strerror(-error));
        return OPEN_UNSUITABLE;
    }
    if (device->partition) {
        medium_note(identity, "is a partition; give the whole disk /dev/%s", device->disk);
        return OPEN_UNSUITABLE;
    }
    if (use == DEVICE_IN_USE) {
        medium_note(identity, "%s", why);
        return OPEN_BUSY;
    }
    if (opening->for_writing && device->read_only) {
        medium_note(identity, "is write-protected");
        return OPEN_READ_ONLY;
    }
    return OPEN_OK;
}

static enum open_result open_exclusively(struct opening *opening, uint64_t until_ns)
{
    int flags =
        (opening->for_writing ? O_RDWR : O_RDONLY) | O_EXCL | O_DIRECT | O_CLOEXEC | O_NOCTTY;

    while ((opening->fd = open(opening->path, flags)) < 0) {
        if (errno == EINTR || (errno == EBUSY && wait_for_holder(until_ns)))
            continue;
        if (errno != EBUSY)
            return refuse_errno(opening->identity, errno);
        medium_note(opening->identity, "mounted or held by another program");
        return OPEN_BUSY;
    }
    return OPEN_OK;
}

/* Whether what was opened is what was looked up. */
static bool same_disk(struct opening *opening)
{
    struct stat status;
    uint64_t diskseq = 0;

    if (fstat(opening->fd, &status) != 0 || !S_ISBLK(status.st_mode) ||
        status.st_rdev != opening->device.number)
        return false;
    if (ioctl(opening->fd, BLKGETDISKSEQ, &diskseq) != 0)
        return opening->device.diskseq == 0; /* before Linux 5.15: nothing to compare */
    return diskseq == opening->device.diskseq;
}

static enum open_result ask_disk(struct opening *opening)
{
    struct drive_facts *facts = &opening->facts;
    int block_bytes = 0;
    int read_only = 0;

    if (ioctl(opening->fd, BLKGETSIZE64, &facts->capacity_bytes) != 0 ||
        ioctl(opening->fd, BLKSSZGET, &block_bytes) != 0 ||
        ioctl(opening->fd, BLKROGET, &read_only) != 0)
        return refuse_errno(opening->identity, errno);
    facts->logical_block_bytes = (uint32_t)block_bytes;
    facts->read_only = read_only != 0;
    if (facts->capacity_bytes == 0) {
        medium_note(opening->identity, "there is no medium in it");
        return OPEN_NO_MEDIUM;
    }
    if (opening->for_writing && facts->read_only) {
        medium_note(opening->identity, "is write-protected");
        return OPEN_READ_ONLY;
    }
    opening->identity->direct = true;
    return OPEN_OK;
}

static enum open_result open_disk_once(struct opening *opening, dev_t number, bool *replaced)
{
    uint64_t until_ns = now_ns() + HOLD_NS_MAX;

    *replaced = false;
    int error = identify_device(opening->host, number, &opening->device);
    if (error != 0)
        return refuse_errno(opening->identity, -error);
    enum open_result result = judge_use(opening);
    if (result == OPEN_OK)
        result = open_exclusively(opening, until_ns);
    if (result != OPEN_OK)
        return result;
    if (!same_disk(opening)) {
        *replaced = true;
        medium_note(opening->identity, "another drive took its place");
        return OPEN_GONE;
    }
    result = take_lock(opening, until_ns);
    return result == OPEN_OK ? ask_disk(opening) : result;
}

static enum open_result open_disk(struct opening *opening, dev_t number)
{
    bool replaced = false;
    enum open_result result = open_disk_once(opening, number, &replaced);

    /* The first to open a card reader after the card was changed makes the kernel notice it, and
     * count: then everything is looked at once more. */
    if (replaced) {
        (void)close(opening->fd);
        opening->fd = -1;
        result = open_disk_once(opening, number, &replaced);
    }
    if (result == OPEN_OK)
        identify_names(opening->host, &opening->device, opening->identity->model,
                       sizeof(opening->identity->model), opening->identity->serial,
                       sizeof(opening->identity->serial));
    return result;
}

/* Whether the file system says that direct transfers of any whole blocks of 512 bytes will do.
 * tmpfs and older kernels do not say so. */
static bool takes_direct(int fd, uint64_t size_bytes)
{
#ifdef STATX_DIOALIGN
    struct statx status;

    return size_bytes % FILE_BLOCK_BYTES == 0 &&
           statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
           (status.stx_mask & STATX_DIOALIGN) != 0 && status.stx_dio_offset_align > 0 &&
           status.stx_dio_offset_align <= FILE_BLOCK_BYTES &&
           status.stx_dio_mem_align <= PAGE_BYTES;
#else
    (void)fd;
    (void)size_bytes;
    return false;
#endif
}

/* Ends the opening's O_NONBLOCK, with which io_uring would answer EAGAIN, and turns direct I/O on.
 */
static int set_flags(int fd, bool direct)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return -errno;
    flags &= ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags) != 0 ? -errno : 0;
}

static enum open_result open_regular(struct opening *opening, const struct stat *expected)
{
    struct medium_identity *identity = opening->identity;
    struct stat status;

    /* Not blocking, should a pipe take the file's place. */
    opening->fd = open(opening->path, (opening->for_writing ? O_RDWR : O_RDONLY) | O_CLOEXEC |
                                          O_NOCTTY | O_NONBLOCK);
    if (opening->fd < 0)
        return refuse_errno(identity, errno);
    if (fstat(opening->fd, &status) != 0 || status.st_dev != expected->st_dev ||
        status.st_ino != expected->st_ino || !S_ISREG(status.st_mode)) {
        medium_note(identity, "another file took its place");
        return OPEN_GONE;
    }
    enum open_result result = take_lock(opening, 0);
    if (result != OPEN_OK)
        return result;
    opening->facts.capacity_bytes = (uint64_t)status.st_size;
    opening->facts.logical_block_bytes = FILE_BLOCK_BYTES;
    identity->direct =
        !opening->buffered && takes_direct(opening->fd, opening->facts.capacity_bytes);
    int error = set_flags(opening->fd, identity->direct);
    if (error == -EINVAL && identity->direct) {
        identity->direct = false;
        error = set_flags(opening->fd, false);
    }
    if (error != 0)
        return refuse_errno(identity, -error);
    if (identity->direct)
        return OPEN_OK;
    medium_note(identity, "no direct I/O: read back through the file system, its cache dropped");
    /* What others wrote to it and is still in the cache only must not pass for the file's. */
    if (fsync(opening->fd) != 0)
        return refuse_errno(identity, errno);
    (void)posix_fadvise(opening->fd, 0, 0, POSIX_FADV_DONTNEED);
    return OPEN_OK;
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode)    ? "a directory"
           : S_ISCHR(mode)  ? "a character device"
           : S_ISFIFO(mode) ? "a pipe"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISBLK(mode)  ? "a block device"
                            : "something else";
}

static enum open_result open_any(struct opening *opening, bool regular_only, bool *block)
{
    struct stat status;

    if (stat(opening->path, &status) != 0)
        return refuse_errno(opening->identity, errno);
    *block = S_ISBLK(status.st_mode);
    if (*block && !regular_only)
        return open_disk(opening, status.st_rdev);
    if (S_ISREG(status.st_mode))
        return open_regular(opening, &status);
    medium_note(opening->identity, "is %s, not a %sregular file", kind_of(status.st_mode),
                regular_only ? "" : "block device or ");
    return OPEN_UNSUITABLE;
}

enum open_result medium_file_open_with(const char *path, bool for_writing,
                                       const struct medium_file_options *options,
                                       struct medium **medium, struct drive_facts *facts,
                                       struct medium_identity *identity)
{
    struct opening opening = {
        .path = path,
        .for_writing = for_writing,
        .host = options->host != NULL ? options->host : &identify_this_host,
        .buffered = options->buffered,
        .fd = -1,
        .identity = identity,
    };
    bool block = false;

    *medium = NULL;
    *facts = (struct drive_facts){0};
    *identity = (struct medium_identity){0};
    struct file_medium *file = calloc(1, sizeof(*file));
    enum open_result result = file != NULL ? open_any(&opening, options->regular_only, &block)
                                           : refuse_errno(identity, ENOMEM);
    if (result != OPEN_OK) {
        if (opening.fd >= 0)
            (void)close(opening.fd);
        free(file);
        return result;
    }
    *facts = opening.facts;
    file->medium.ops = &file_ops;
    file->medium.fd = opening.fd;
    file->medium.on_file_system = !block;
    file->host = opening.host;
    file->block = block;
    file->device = opening.device;
    file->direct_block_bytes = identity->direct ? facts->logical_block_bytes : 0;
    *medium = &file->medium;
    return OPEN_OK;
}

enum open_result medium_file_open(const char *path, bool for_writing, struct medium **medium,
                                  struct drive_facts *facts, struct medium_identity *identity)
{
    return medium_file_open_with(path, for_writing, &(struct medium_file_options){0}, medium, facts,
                                 identity);
}
