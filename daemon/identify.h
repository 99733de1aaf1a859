// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_IDENTIFY_H
#define DAEMON_IDENTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a block device is and who uses it, found without opening it: from sysfs, the mount table,
 * the list of swaps and the udev database. Any thread; every call reads anew and keeps nothing. */

/* Where to read about a machine. Tests have trees of their own. */
struct identify_host {
    const char *sysfs;     /* directory */
    const char *mountinfo; /* file, format of proc(5) /proc/PID/mountinfo */
    const char *swaps;     /* file, format of proc(5) /proc/swaps; may be missing */
};

/* This machine. */
extern const struct identify_host identify_this_host;

enum {
    /* The kernel's DISK_NAME_LEN is 32 (include/linux/blkdev.h); a partition adds its number. */
    DEVICE_NAME_BYTES = 64,
    /* Devices that are stacked on one disk and are looked at: partitions, LVM volumes, arrays. */
    DEVICES_MAX = 512,
    /* How deep a stack is followed down to the disks below: LVM on crypt on RAID on a partition is
     * 5. */
    DEVICE_DEPTH_MAX = 16,
    /* A mount table of 65,536 lines of 256 bytes. */
    IDENTIFY_TABLE_BYTES_MAX = 16 * 1024 * 1024,
};

struct block_device {
    dev_t number;
    char name[DEVICE_NAME_BYTES]; /* of the kernel, as in /sys/class/block: "sdb1" */
    char disk[DEVICE_NAME_BYTES]; /* the whole disk's, equal to name unless it is a partition */
    bool partition;
    bool read_only;
    /* The kernel's number for this appearance of a disk, never used twice while the system runs;
     * 0 before Linux 5.15. */
    uint64_t diskseq;
};

/* Who uses a device. */
enum device_use {
    DEVICE_FREE,
    DEVICE_IN_USE,    /* mounted where removable media are mounted, or held by another device */
    DEVICE_OF_SYSTEM, /* mounted anywhere else, or swap: the running system stands on it */
};

/* Looks a device number up. 0 or -errno: -ENOENT when sysfs knows no such device. */
int identify_device(const struct identify_host *host, dev_t number, struct block_device *device);

/* Tells who uses the device's whole disk: the disk, its partitions, whatever is stacked on them,
 * and for a stacked device (an LVM volume, an array) the same for every disk below it. `why` is for
 * people, such as "mounted on /boot". 0, or -errno when it could not be found out: then it must not
 * be touched. A stack beyond DEVICES_MAX, DEVICE_DEPTH_MAX or a machine with too many loop devices
 * counts as the system's. */
int identify_use(const struct identify_host *host, const struct block_device *device,
                 enum device_use *use, char *why, size_t why_bytes);

/* Whether a loop device stands on the regular file that stat(2) calls this. 1 with its name in
 * `loop`, 0 if none does, or -errno when it could not be found out. */
int identify_loop_on(const struct identify_host *host, dev_t file_device, ino_t file_inode,
                     char loop[DEVICE_NAME_BYTES]);

/* Whether the same disk is still there, by its number and diskseq; true where that cannot be found
 * out. */
bool identify_present(const struct identify_host *host, const struct block_device *device);

/* What the drive calls itself: vendor with model, and serial number, made fit to be shown; "" for
 * what is not known. Asks the udev database, then sysfs. */
void identify_names(const struct identify_host *host, const struct block_device *device,
                    char *model, size_t model_bytes, char *serial, size_t serial_bytes);

/* Makes a text fit to be shown and to be JSON: valid UTF-8 without control characters or characters
 * that reorder or hide others (each becomes '?'), runs of blanks joined, trimmed, cut at a whole
 * character to fit `bytes` with the final zero. `raw` and `text` must not overlap. */
void identify_text(char *text, size_t bytes, const char *raw);

#endif
