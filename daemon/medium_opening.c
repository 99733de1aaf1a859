// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/medium_opening.h"

#include "daemon/page_cache.h"
#include "lib/base/clock.h"
#include "lib/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
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
 * it; where it does not, throw the file out of the kernel's cache before it is read.
 *
 * Failure modes: another disk can take a device node's place between any two calls, so the disk's
 * number (diskseq) is compared before and after opening. Everything may block for as long as a
 * dying drive makes it. */

/* udev and its helpers hold a disk that just appeared or was just closed for a moment. udev locks
 * it while it works on an event of it: with many drives at once on a slow machine, more than a
 * second.
 */
#define HOLD_NS_MAX   NS_PER_S
#define LOCK_NS_MAX   (5 * NS_PER_S)
#define HOLD_RETRY_NS (20 * NS_PER_MS)

enum { FILE_BLOCK_BYTES = 512 }; /* what a regular file pretends to have */

/* Direct I/O from a file needs no coarser memory alignment than this: the pool's buffers begin at
 * pages. */
enum { PAGE_BYTES = 4096 };

void medium_note(struct medium_identity *identity, const char *format, ...)
{
    char raw[MEDIUM_NOTE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(raw, sizeof(raw), format, arguments);
    va_end(arguments);
    identify_text(identity->note, sizeof(identity->note), raw);
}

/* Only errors that are known to be a drive's blame it. */
enum open_result medium_refuse_errno(struct medium_identity *identity, int error)
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
    case ELOOP:
    case ENAMETOOLONG:
    case EISDIR:
        return OPEN_UNSUITABLE; /* a path that is none */
    case EIO:
    case ETIMEDOUT:
    case EREMOTEIO:
    case ENOLINK:
    case ENODATA:
    case EILSEQ:
        return OPEN_ERROR;
    default:
        medium_note(identity, "this machine failed it: %s", strerror(error));
        return OPEN_OUR_FAULT;
    }
}

static enum open_result refuse_other(struct medium_identity *identity)
{
    medium_note(identity, "is not the drive that was chosen any more");
    return OPEN_GONE;
}

static bool wait_for_holder(uint64_t until_ns)
{
    const struct timespec pause = {.tv_nsec = (long)HOLD_RETRY_NS};

    if (clock_now_ns() >= until_ns)
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
        /* Servers of files may have no locks, or none for who only reads. */
        if (!opening->block && (errno == ENOLCK || errno == EBADF || errno == EOPNOTSUPP))
            return OPEN_OK;
        if (errno != EWOULDBLOCK)
            return medium_refuse_errno(opening->identity, errno);
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
        return OPEN_OUR_FAULT;
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
            return medium_refuse_errno(opening->identity, errno);
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
        return medium_refuse_errno(opening->identity, errno);
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

/* sysfs does not know the device. Where its node is gone too, it was pulled just now. */
static enum open_result refuse_unknown(struct opening *opening, dev_t number)
{
    char path[PATH_MAX];
    struct stat status;

    if (stat(opening->path, &status) != 0 || !S_ISBLK(status.st_mode) || status.st_rdev != number)
        return medium_refuse_errno(opening->identity, ENOENT);
    (void)snprintf(path, sizeof(path), "%s/dev/block", opening->host->sysfs);
    medium_note(opening->identity,
                access(path, F_OK) == 0 ? "%s does not know it" : "%s is not there",
                opening->host->sysfs);
    return OPEN_OUR_FAULT;
}

static uint64_t expected_diskseq(const struct opening *opening)
{
    return opening->options->expected != NULL ? opening->options->expected->diskseq : 0;
}

static enum open_result open_disk_once(struct opening *opening, dev_t number, bool *replaced)
{
    uint64_t until_ns = clock_now_ns() + HOLD_NS_MAX;

    *replaced = false;
    int error = identify_device(opening->host, number, &opening->device);
    if (error != 0)
        return error == -ENOENT ? refuse_unknown(opening, number)
                                : medium_refuse_errno(opening->identity, -error);
    if (expected_diskseq(opening) != 0 && opening->device.diskseq != expected_diskseq(opening))
        return refuse_other(opening->identity);
    enum open_result result = judge_use(opening);
    if (result == OPEN_OK)
        result = open_exclusively(opening, until_ns);
    if (result != OPEN_OK)
        return result;
    if (!same_disk(opening)) {
        if (expected_diskseq(opening) != 0)
            return refuse_other(opening->identity);
        *replaced = true;
        medium_note(opening->identity, "another drive took its place");
        return OPEN_GONE;
    }
    result = take_lock(opening, clock_now_ns() + LOCK_NS_MAX);
    return result == OPEN_OK ? ask_disk(opening) : result;
}

static enum open_result open_disk(struct opening *opening, dev_t number)
{
    bool replaced = false;
    enum open_result result = open_disk_once(opening, number, &replaced);

    /* The first to open a card reader after the card was changed makes the kernel notice it, and
     * count: then everything is looked at once more. Not so if it was chosen by its count: who
     * chose may not have meant this card. */
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
 * tmpfs and older kernels do not say so. The file need not end with a block: no transfer goes as
 * far as its end unless that is a block's. */
static bool takes_direct(int fd)
{
#ifdef STATX_DIOALIGN
    struct statx status;

    return statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
           (status.stx_mask & STATX_DIOALIGN) != 0 && status.stx_dio_offset_align > 0 &&
           status.stx_dio_offset_align <= FILE_BLOCK_BYTES &&
           status.stx_dio_mem_align <= PAGE_BYTES;
#else
    (void)fd;
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

/* Makes sure that what is read comes from where the file is kept: what others wrote to it and is
 * still in the cache only must not pass for the file's. */
static enum open_result leave_cache(struct opening *opening)
{
    struct medium_identity *identity = opening->identity;
    bool in_memory = page_cache_is_all(opening->fd);

    opening->cache = opening->options->inside || in_memory ? CACHE_KEPT : CACHE_DROPPED;
    if (in_memory)
        medium_note(identity, "no direct I/O: the file itself is in memory");
    if (opening->cache == CACHE_KEPT)
        return OPEN_OK;
    /* A file system that is only read may have nothing to write back to. */
    if (fsync(opening->fd) != 0 && (opening->for_writing || (errno != EINVAL && errno != EROFS)))
        return medium_refuse_errno(identity, errno);
    int error = page_cache_drop(opening->fd);
    if (error == -EBUSY) {
        medium_note(identity,
                    "another program has it mapped, so it cannot be read back past the cache");
        return OPEN_BUSY;
    }
    if (error == -EPERM) {
        medium_note(identity, "no direct I/O, and only who may write it sees what is cached of it");
        return OPEN_DENIED;
    }
    if (error != 0)
        return medium_refuse_errno(identity, -error);
    medium_note(identity, "no direct I/O: read back through the file system, its cache dropped");
    return OPEN_OK;
}

/* Turns direct I/O on where the file system takes it. */
static enum open_result choose_cache(struct opening *opening)
{
    struct medium_identity *identity = opening->identity;

    identity->direct = !opening->options->inside && takes_direct(opening->fd);
    int error = set_flags(opening->fd, identity->direct);
    if (error == -EINVAL && identity->direct) {
        identity->direct = false;
        error = set_flags(opening->fd, false);
    }
    if (error != 0)
        return medium_refuse_errno(identity, -error);
    return identity->direct ? OPEN_OK : leave_cache(opening);
}

/* A loop device over the file writes to it too, and reads it from a cache of its own. */
static enum open_result judge_loops(struct opening *opening, const struct stat *status)
{
    char loop[DEVICE_NAME_BYTES];
    int found = identify_loop_on(opening->host, status->st_dev, status->st_ino, loop);

    if (found == 0)
        return OPEN_OK;
    if (found > 0) {
        medium_note(opening->identity, "is in use as /dev/%s", loop);
        return OPEN_BUSY;
    }
    medium_note(opening->identity, "cannot find out whether a loop device is on it: %s",
                strerror(-found));
    return OPEN_OUR_FAULT;
}

static enum open_result open_regular(struct opening *opening, const struct stat *expected)
{
    struct medium_identity *identity = opening->identity;
    struct stat status;

    /* Not blocking, should a pipe take the file's place. */
    opening->fd = open(opening->path, (opening->for_writing ? O_RDWR : O_RDONLY) | O_CLOEXEC |
                                          O_NOCTTY | O_NONBLOCK);
    if (opening->fd < 0)
        return medium_refuse_errno(identity, errno);
    if (fstat(opening->fd, &status) != 0 || status.st_dev != expected->st_dev ||
        status.st_ino != expected->st_ino || !S_ISREG(status.st_mode)) {
        medium_note(identity, "another file took its place");
        return OPEN_GONE;
    }
    enum open_result result = take_lock(opening, 0);
    if (result == OPEN_OK)
        result = judge_loops(opening, &status);
    if (result != OPEN_OK)
        return result;
    opening->facts.capacity_bytes = (uint64_t)status.st_size;
    opening->facts.logical_block_bytes = FILE_BLOCK_BYTES;
    return choose_cache(opening);
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

static bool is_expected(const struct medium_expected *expected, const struct stat *status)
{
    return expected->block ? S_ISBLK(status->st_mode) && status->st_rdev == expected->number
                           : S_ISREG(status->st_mode);
}

enum open_result medium_opening_try(struct opening *opening)
{
    const struct medium_file_options *options = opening->options;
    struct stat status;

    if (stat(opening->path, &status) != 0)
        return medium_refuse_errno(opening->identity, errno);
    if (options->expected != NULL && !is_expected(options->expected, &status))
        return refuse_other(opening->identity);
    opening->block = S_ISBLK(status.st_mode);
    if (opening->block && !options->regular_only)
        return open_disk(opening, status.st_rdev);
    if (S_ISREG(status.st_mode))
        return open_regular(opening, &status);
    medium_note(opening->identity, "is %s, not a %sregular file", kind_of(status.st_mode),
                options->regular_only ? "" : "block device or ");
    return OPEN_UNSUITABLE;
}
