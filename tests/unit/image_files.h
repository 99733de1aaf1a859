// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TESTS_IMAGE_FILES_H
#define TESTS_IMAGE_FILES_H

/* Files for the tests of lib/image: every test has an empty directory of its own as its working
 * directory, which is removed with all that is in it. Include after cmocka.h. */

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char files_directory[PATH_MAX];

static inline int files_setup(void **state)
{
    const char *parent = getenv("TMPDIR");
    (void)state;
    (void)snprintf(files_directory, sizeof(files_directory), "%s/drivepress-image-XXXXXX",
                   parent != NULL ? parent : "/tmp");
    return mkdtemp(files_directory) != NULL && chdir(files_directory) == 0 ? 0 : -1;
}

static inline int files_remove_one(const char *path, const struct stat *status, int type,
                                   struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static inline int files_teardown(void **state)
{
    (void)state;
    if (chdir("/") != 0)
        return -1;
    return nftw(files_directory, files_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void files_write(const char *path, const void *data, size_t length_bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, length_bytes), length_bytes);
    assert_int_equal(close(fd), 0);
}

/* Writes a file of bytes that differ from chunk to chunk. The caller frees what is returned: its
 * content, with room for a sector of padding zeros. */
static inline unsigned char *files_make_image(const char *path, size_t length_bytes)
{
    unsigned char *data = calloc(1, length_bytes + 512);
    uint32_t random = 1;

    assert_non_null(data);
    for (size_t i = 0; i < length_bytes; i++) {
        random = random * 1664525 + 1013904223; /* Numerical Recipes' generator */
        data[i] = (unsigned char)(random >> 24);
    }
    files_write(path, data, length_bytes);
    return data;
}

/* Reads a whole file; the caller frees it. */
static inline char *files_read(const char *path, size_t *length_bytes)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    char *data = malloc((size_t)status.st_size + 1);
    assert_non_null(data);
    assert_int_equal(read(fd, data, (size_t)status.st_size), status.st_size);
    assert_int_equal(close(fd), 0);
    data[status.st_size] = '\0';
    *length_bytes = (size_t)status.st_size;
    return data;
}

/* How many files a directory holds, hidden ones too. */
static inline unsigned files_count(const char *directory)
{
    unsigned count = 0;
    DIR *stream = opendir(directory);
    assert_non_null(stream);
    for (const struct dirent *found = readdir(stream); found != NULL; found = readdir(stream))
        count += strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0;
    assert_int_equal(closedir(stream), 0);
    return count;
}

#define assert_contains(text, part) assert_non_null(strstr((text), (part)))

#endif
