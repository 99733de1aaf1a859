// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef IMAGE_FILE_H
#define IMAGE_FILE_H

#include "lib/image/manifest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* Regular files as the image library needs them, and reasons for people. Any thread. */

/* Writes a reason as printf does. What a terminal could obey, which a hostile file name may hold,
 * becomes '?'. */
void reason_format(char reason[IMAGE_REASON_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A path as reasons show it: its last 200 bytes, so that there is room for the advice. */
const char *reason_path(const char *path);

/* Opens a regular file for reading and never waits for a FIFO or wakes a device. `what` names the
 * kind of file in reasons, for example "image". 0, or -errno with a reason: -ENOENT, -EISDIR,
 * -EINVAL for any other kind of file, -EACCES and so on. The caller closes the descriptor. */
int file_open_regular(const char *path, const char *what, int *fd, struct stat *status,
                      char reason[IMAGE_REASON_BYTES]);

/* The same for an image, which must not be empty (-ENODATA). */
int file_open_image(const char *path, int *fd, struct stat *status,
                    char reason[IMAGE_REASON_BYTES]);

/* The kind of compression that a file looks like by its first bytes ("gzip", "xz", "zstd", "bzip2",
 * "zip", "7z"), or NULL for none of these. */
const char *file_compression(int fd);

/* Reads exactly length_bytes. 0, -errno, or -ESTALE if the file ends early. */
int file_read(int fd, void *data, size_t length_bytes, uint64_t offset_bytes);

/* Writes all of it at the file's position. 0 or -errno. */
int file_write(int fd, const void *data, size_t length_bytes);

/* 0 if the file is as it was when `opened` was taken: the same inode, size, modification and change
 * time. -ESTALE if not, or -errno. */
int file_check_unchanged(int fd, const struct stat *opened);

/* Makes the directory entry of a path durable. 0 or -errno. */
int file_sync_directory_of(const char *path);

#endif
