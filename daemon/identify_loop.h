// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_IDENTIFY_LOOP_H
#define DAEMON_IDENTIFY_LOOP_H

#include "daemon/identify.h"

/* Loop devices, which show no link to what they stand on: only its path. */

/* Loop devices in use that are looked at. A desktop with many snaps has about 100. */
enum { LOOPS_MAX = 1024 };

struct loop_device {
    char name[DEVICE_NAME_BYTES];
    bool on_block;     /* it stands on a block device, else on a file */
    dev_t number;      /* of the block device */
    dev_t file_device; /* st_dev and st_ino of the file */
    ino_t file_inode;
};

struct loop_table {
    size_t count;
    bool overflow; /* there are more; then nothing may be concluded */
    struct loop_device items[LOOPS_MAX];
};

/* Finds out what all loop devices stand on. Where that is on a server (NFS, FUSE), it is asked only
 * if ask_servers, and else left out unless the kernel knows by itself. The table is the caller's to
 * free. 0 or -errno. */
int loop_table_read(const struct identify_host *host, bool ask_servers, struct loop_table **table);

#endif
