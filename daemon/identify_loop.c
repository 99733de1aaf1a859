// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/identify_loop.h"

#include "daemon/identify_sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Happy path: each loop device's backing path is looked up in what the kernel has in memory, where
 * it is since the loop device holds it open, and so no server is waited for.
 *
 * Failure modes: a path can lead to nothing (deleted, of another mount namespace) or to a server
 * that hangs. A path that leads nowhere leads to no drive. */

static const char deleted_mark[] = " (deleted)";

/* Whether to go on without what the path leads to: all but shortages of our own. */
static bool leads_nowhere(int error)
{
    return error != -EMFILE && error != -ENFILE && error != -ENOMEM;
}

static int look_up(const char *path, bool ask_servers, struct statx *status)
{
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_CACHED};
    int flags = AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT;
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    int error;

    if (fd >= 0) {
        error = statx(fd, "", flags | AT_EMPTY_PATH, STATX_BASIC_STATS, status) != 0 ? -errno : 0;
        (void)close(fd);
        return error;
    }
    error = -errno;
    /* EAGAIN: not in memory; others: a kernel before 5.12. /dev is never on a server. */
    if ((error == -EAGAIN || error == -ENOSYS || error == -EINVAL || error == -EPERM) &&
        (ask_servers || strncmp(path, "/dev/", 5) == 0))
        error = statx(AT_FDCWD, path, flags, STATX_BASIC_STATS, status) != 0 ? -errno : 0;
    return error;
}

static int look_up_backing(char *path, bool ask_servers, struct statx *status)
{
    size_t length = strlen(path);
    size_t mark_length = sizeof(deleted_mark) - 1;

    int error = look_up(path, ask_servers, status);
    if (error == 0 || !leads_nowhere(error) || length <= mark_length ||
        strcmp(path + length - mark_length, deleted_mark) != 0)
        return error;
    path[length - mark_length] = '\0';
    return look_up(path, ask_servers, status);
}

static int add_loop(const struct identify_host *host, const char *name, bool ask_servers,
                    struct loop_table *table)
{
    char path[PATH_MAX + sizeof(deleted_mark)];
    struct statx status;

    int error = sysfs_read(host, name, "loop/backing_file", path, sizeof(path));
    if (error != 0 || path[0] == '\0')
        return sysfs_vanished(error) ? 0 : error;
    error = look_up_backing(path, ask_servers, &status);
    if (error != 0)
        return leads_nowhere(error) ? 0 : error;
    if (table->count == LOOPS_MAX) {
        table->overflow = true;
        return 0;
    }
    struct loop_device *loop = &table->items[table->count++];
    loop->on_block = S_ISBLK(status.stx_mode);
    loop->number = makedev(status.stx_rdev_major, status.stx_rdev_minor);
    loop->file_device = makedev(status.stx_dev_major, status.stx_dev_minor);
    loop->file_inode = status.stx_ino;
    return sysfs_copy_name(loop->name, name);
}

int loop_table_read(const struct identify_host *host, bool ask_servers, struct loop_table **table)
{
    DIR *devices;
    const char *entry = NULL;

    *table = calloc(1, sizeof(**table));
    if (*table == NULL)
        return -ENOMEM;
    int error = sysfs_open(host, "", "", &devices);
    if (error != 0)
        error = sysfs_vanished(error) ? 0 : error;
    else {
        while (error == 0 && (error = sysfs_next(devices, &entry)) == 0 && entry != NULL) {
            if (strncmp(entry, "loop", 4) == 0)
                error = add_loop(host, entry, ask_servers, *table);
        }
        (void)closedir(devices);
    }
    if (error != 0) {
        free(*table);
        *table = NULL;
    }
    return error;
}

int identify_loop_on(const struct identify_host *host, dev_t file_device, ino_t file_inode,
                     char loop[DEVICE_NAME_BYTES])
{
    struct loop_table *table;
    int found = 0;

    loop[0] = '\0';
    int error = loop_table_read(host, true, &table);
    if (error != 0)
        return error;
    for (size_t i = 0; i < table->count && found == 0; i++) {
        const struct loop_device *item = &table->items[i];
        if (item->on_block || item->file_device != file_device || item->file_inode != file_inode)
            continue;
        memcpy(loop, item->name, sizeof(item->name));
        found = 1;
    }
    if (found == 0 && table->overflow)
        found = -E2BIG;
    free(table);
    return found;
}
