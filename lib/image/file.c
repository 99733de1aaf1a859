// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/image/file.h"

#include "lib/base/text.h"
#include "lib/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void reason_format(char reason[IMAGE_REASON_BYTES], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason, IMAGE_REASON_BYTES, format, arguments);
    va_end(arguments);
    text_clean(reason);
}

const char *reason_path(const char *path)
{
    enum { SHOWN_BYTES = 200 };
    size_t length = strlen(path);
    return length <= SHOWN_BYTES ? path : path + length - SHOWN_BYTES;
}

static int refuse_kind(mode_t mode, const char *path, const char *what,
                       char reason[IMAGE_REASON_BYTES])
{
    const char *shown = reason_path(path);

    if (S_ISREG(mode))
        return 0;
    if (S_ISDIR(mode)) {
        reason_format(reason, "%s: this is a directory; name the %s file in it", shown, what);
        return -EISDIR;
    }
    if (S_ISBLK(mode) || S_ISCHR(mode))
        reason_format(reason,
                      "%s: this is a %s device, but the %s must be a regular file; "
                      "copy it to a file first",
                      shown, S_ISBLK(mode) ? "block" : "character", what);
    else
        reason_format(reason, "%s: this is a %s, but the %s must be a regular file", shown,
                      S_ISFIFO(mode) ? "pipe (FIFO)" : "socket", what);
    return -EINVAL;
}

static int refuse_open(int error, const char *path, const char *what,
                       char reason[IMAGE_REASON_BYTES])
{
    const char *shown = reason_path(path);

    if (error == ENOENT || error == ENOTDIR)
        reason_format(reason, "%s: there is no such %s file; check the path", shown, what);
    else if (error == EACCES || error == EPERM)
        reason_format(reason, "%s: no permission to read this %s; ask its owner, or chmod it",
                      shown, what);
    else
        reason_format(reason, "%s: cannot open this %s: %s", shown, what, strerror(error));
    return error == ENOTDIR ? -ENOENT : -error;
}

int file_open_regular(const char *path, const char *what, int *fd, struct stat *status,
                      char reason[IMAGE_REASON_BYTES])
{
    /* Asked before it is opened, for opening alone has effects on some devices. */
    if (stat(path, status) != 0)
        return refuse_open(errno, path, what, reason);
    int error = refuse_kind(status->st_mode, path, what, reason);
    if (error != 0)
        return error;
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (opened < 0)
        return refuse_open(errno, path, what, reason);
    if (fstat(opened, status) != 0)
        error = refuse_open(errno, path, what, reason);
    else
        error = refuse_kind(status->st_mode, path, what, reason);
    if (error != 0) {
        (void)close(opened);
        return error;
    }
    *fd = opened;
    return 0;
}

int file_open_image(const char *path, int *fd, struct stat *status, char reason[IMAGE_REASON_BYTES])
{
    int error = file_open_regular(path, "image", fd, status, reason);
    if (error == 0 && status->st_size == 0) {
        reason_format(reason, "%s: this image is empty; copy or download it again",
                      reason_path(path));
        (void)close(*fd);
        return -ENODATA;
    }
    return error;
}

const char *file_compression(int fd)
{
    static const struct {
        const char *name;
        size_t length_bytes;
        unsigned char magic[6];
    } kinds[] = {
        {"gzip", 3, {0x1F, 0x8B, 0x08}},       {"xz", 6, {0xFD, '7', 'z', 'X', 'Z', 0x00}},
        {"zstd", 4, {0x28, 0xB5, 0x2F, 0xFD}}, {"bzip2", 3, {'B', 'Z', 'h'}},
        {"zip", 4, {'P', 'K', 0x03, 0x04}},    {"7z", 6, {'7', 'z', 0xBC, 0xAF, 0x27, 0x1C}},
    };
    unsigned char data[6] = {0};

    if (pread(fd, data, sizeof(data), 0) < 0)
        return NULL;
    for (size_t i = 0; i < array_count(kinds); i++) {
        if (memcmp(data, kinds[i].magic, kinds[i].length_bytes) == 0)
            return kinds[i].name;
    }
    return NULL;
}

int file_read(int fd, void *data, size_t length_bytes, uint64_t offset_bytes)
{
    unsigned char *at = data;

    while (length_bytes > 0) {
        ssize_t got = pread(fd, at, length_bytes, (off_t)offset_bytes);
        if (got == 0)
            return -ESTALE;
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0) {
            at += got;
            offset_bytes += (uint64_t)got;
            length_bytes -= (size_t)got;
        }
    }
    return 0;
}

int file_write(int fd, const void *data, size_t length_bytes)
{
    const unsigned char *at = data;

    while (length_bytes > 0) {
        ssize_t put = write(fd, at, length_bytes);
        if (put == 0)
            return -EIO;
        if (put < 0 && errno != EINTR)
            return -errno;
        if (put > 0) {
            at += put;
            length_bytes -= (size_t)put;
        }
    }
    return 0;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

int file_check_unchanged(int fd, const struct stat *opened)
{
    struct stat now;
    if (fstat(fd, &now) != 0)
        return -errno;
    bool same = now.st_dev == opened->st_dev && now.st_ino == opened->st_ino &&
                now.st_size == opened->st_size && same_time(now.st_mtim, opened->st_mtim) &&
                same_time(now.st_ctim, opened->st_ctim);
    return same ? 0 : -ESTALE;
}

int file_sync_directory_of(const char *path)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path);

    if (length >= sizeof(directory))
        return -ENAMETOOLONG;
    memcpy(directory, path, length);
    directory[length] = '\0';
    const char *name = slash == NULL ? "." : length == 0 ? "/" : directory;
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    /* Some file systems cannot sync a directory and say EINVAL: nothing more can be done there. */
    int error = fsync(fd) != 0 && errno != EINVAL ? -errno : 0;
    (void)close(fd);
    return error;
}
