// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_IDENTIFY_SYSFS_H
#define DAEMON_IDENTIFY_SYSFS_H

#include "daemon/identify.h"

#include <dirent.h>

/* Reading sysfs for identify*.c. A `name` is a device's in /sys/class/block, an `attribute` a path
 * below it. Each call returns 0 or -errno. Those of a device that is not there (any more) are told
 * from trouble of our own, after which nothing may be concluded, by sysfs_vanished. */

bool sysfs_vanished(int error);

/* The attribute's text without its last newline, cut at text_bytes. */
int sysfs_read(const struct identify_host *host, const char *name, const char *attribute,
               char *text, size_t text_bytes);

/* 0 in *value where there is no such attribute. */
int sysfs_read_number(const struct identify_host *host, const char *name, const char *attribute,
                      uint64_t *value);

/* Takes "8:16" apart. */
int sysfs_parse_device(const char *text, dev_t *number);

int sysfs_has(const struct identify_host *host, const char *name, const char *attribute, bool *has);

/* The name, the disk and whether it is a partition of what the link in sysfs leads to. */
int sysfs_find_names(const struct identify_host *host, const char *link,
                     struct block_device *device);

int sysfs_copy_name(char name[DEVICE_NAME_BYTES], const char *from);

/* Opens a directory of a device, for closedir. */
int sysfs_open(const struct identify_host *host, const char *name, const char *part,
               DIR **directory);

/* The next entry that is not hidden, NULL at the end; lives until the next call. */
int sysfs_next(DIR *directory, const char **entry);

#endif
