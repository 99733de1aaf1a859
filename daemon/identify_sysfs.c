// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/identify_sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

bool sysfs_vanished(int error)
{
    return error == -ENOENT || error == -ENODEV || error == -ENXIO || error == -ENOTDIR;
}

static int attribute_path(char path[PATH_MAX], const struct identify_host *host, const char *name,
                          const char *attribute)
{
    int length = snprintf(path, PATH_MAX, "%s/class/block/%s/%s", host->sysfs, name, attribute);

    return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int sysfs_read(const struct identify_host *host, const char *name, const char *attribute,
               char *text, size_t text_bytes)
{
    char path[PATH_MAX];

    text[0] = '\0';
    int error = attribute_path(path, host, name, attribute);
    if (error != 0)
        return error;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t length = read(fd, text, text_bytes - 1);
    error = length < 0 ? -errno : 0;
    (void)close(fd);
    if (error != 0)
        return error;
    if (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    return 0;
}

int sysfs_read_number(const struct identify_host *host, const char *name, const char *attribute,
                      uint64_t *value)
{
    char text[32];

    *value = 0;
    int error = sysfs_read(host, name, attribute, text, sizeof(text));
    if (error == 0)
        *value = strtoull(text, NULL, 10);
    return error == -ENOENT ? 0 : error;
}

int sysfs_parse_device(const char *text, dev_t *number)
{
    unsigned major_number;
    unsigned minor_number;
    char rest;

    if (sscanf(text, "%u:%u%c", &major_number, &minor_number, &rest) != 2)
        return -EINVAL;
    *number = makedev(major_number, minor_number);
    return 0;
}

int sysfs_has(const struct identify_host *host, const char *name, const char *attribute, bool *has)
{
    char path[PATH_MAX];

    *has = false;
    int error = attribute_path(path, host, name, attribute);
    if (error == 0 && access(path, F_OK) != 0)
        error = -errno;
    *has = error == 0;
    return sysfs_vanished(error) ? 0 : error;
}

int sysfs_copy_name(char name[DEVICE_NAME_BYTES], const char *from)
{
    size_t length = strlen(from);

    if (length == 0 || length >= DEVICE_NAME_BYTES)
        return -EINVAL;
    memcpy(name, from, length + 1);
    return 0;
}

/* The last part of the path that a link in sysfs leads to, and the part before it. */
static int resolve_link(const char *link, char name[DEVICE_NAME_BYTES],
                        char parent[DEVICE_NAME_BYTES])
{
    char path[PATH_MAX];

    if (realpath(link, path) == NULL)
        return -errno;
    char *last = strrchr(path, '/');
    if (last == NULL || last == path)
        return -EINVAL;
    *last = '\0';
    char *before = strrchr(path, '/');
    if (before == NULL || sysfs_copy_name(name, last + 1) != 0)
        return -EINVAL;
    return sysfs_copy_name(parent, before + 1);
}

int sysfs_find_names(const struct identify_host *host, const char *link,
                     struct block_device *device)
{
    char parent[DEVICE_NAME_BYTES];

    int error = resolve_link(link, device->name, parent);
    if (error == 0)
        error = sysfs_has(host, device->name, "partition", &device->partition);
    if (error != 0)
        return error;
    return sysfs_copy_name(device->disk, device->partition ? parent : device->name);
}

int sysfs_open(const struct identify_host *host, const char *name, const char *part,
               DIR **directory)
{
    char path[PATH_MAX];

    *directory = NULL;
    int error = attribute_path(path, host, name, part);
    if (error != 0)
        return error;
    *directory = opendir(path);
    return *directory != NULL ? 0 : -errno;
}

int sysfs_next(DIR *directory, const char **entry)
{
    const struct dirent *found;

    do {
        errno = 0;
        found = readdir(directory);
    } while (found != NULL && found->d_name[0] == '.');
    *entry = found != NULL ? found->d_name : NULL;
    return found == NULL ? -errno : 0;
}
