// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_DISK_USE_H
#define TOOLS_DISK_USE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the running system uses a disk: a filesystem on it or on one of its partitions is
 * mounted, it is swap, another device is built on it (holders: LVM, RAID, encryption), or it is of
 * ZFS. Nothing is opened but what the kernel and udev tell. Any thread. */

enum { DISK_USE_BYTES = 512 };

/* Where the kernel tells it; tests give files of their own. */
struct disk_use_places {
    const char *mountinfo; /* /proc/self/mountinfo */
    const char *swaps;     /* /proc/swaps */
    const char *btrfs;     /* /sys/fs/btrfs: the disks of mounted btrfs filesystems */
    const char *udev;      /* /run/udev/data: what udev found on disks, a file for each */
};

extern const struct disk_use_places disk_use_system;

/* Looks at the disk with this directory in sysfs. True when it is in use, with "mounted at /home"
 * or the like; also when that cannot be found out. */
bool disk_use_find(const char *directory, const struct disk_use_places *places,
                   char use[DISK_USE_BYTES]);

#endif
