// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/disk_use.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Beyond the most partitions that the kernel makes of a disk (DISK_MAX_PARTS, 256) and the disk. */
enum { PARTS_MAX = 300 };

const struct disk_use_places disk_use_system = {.mountinfo = "/proc/self/mountinfo",
                                                .swaps = "/proc/swaps",
                                                .btrfs = "/sys/fs/btrfs",
                                                .udev = "/run/udev/data"};

struct disk {
    size_t count;
    dev_t numbers[PARTS_MAX]; /* of the disk and its partitions */
    const struct disk_use_places *places;
    char *use;
};

__attribute__((format(printf, 2, 3))) static bool used(const struct disk *disk, const char *format,
                                                       ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(disk->use, DISK_USE_BYTES, format, arguments);
    va_end(arguments);
    return true;
}

static bool is_of(const struct disk *disk, dev_t number)
{
    for (size_t i = 0; i < disk->count; i++) {
        if (disk->numbers[i] == number)
            return true;
    }
    return false;
}

/* A device's node, as the kernel's tables name it: "\040" stands for a blank. */
static bool is_node_of(const struct disk *disk, char *path)
{
    struct stat status;
    char *to = path;

    if (path[0] != '/')
        return false;
    for (const char *from = path; *from != '\0'; from++) {
        if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
            *to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
            from += 3;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return stat(path, &status) == 0 && S_ISBLK(status.st_mode) && is_of(disk, status.st_rdev);
}

/* --- The disk and its partitions -------------------------------------------------------------- */

/* What is built on a disk or partition. */
static bool has_holder(const struct disk *disk, const char *directory)
{
    char path[PATH_MAX];
    const struct dirent *entry = NULL;
    bool found = false;

    (void)snprintf(path, sizeof(path), "%s/holders", directory);
    DIR *holders = opendir(path);
    if (holders == NULL)
        return false;
    while (!found && (entry = readdir(holders)) != NULL) {
        if (entry->d_name[0] != '.')
            found = used(disk, "%s is built on it", entry->d_name);
    }
    (void)closedir(holders);
    return found;
}

static bool in_btrfs(const struct disk *disk, const char *name)
{
    char pattern[PATH_MAX];
    glob_t found;

    (void)snprintf(pattern, sizeof(pattern), "%s/*/devices/%s", disk->places->btrfs, name);
    bool is_there = glob(pattern, GLOB_NOSORT, NULL, &found) == 0;
    globfree(&found);
    return is_there && used(disk, "it belongs to a btrfs that is mounted");
}

/* ZFS holds its disks without a trace in the kernel's tables. What is not imported now may be at
 * any time. */
static bool in_zfs(const struct disk *disk, unsigned major_number, unsigned minor_number)
{
    char path[PATH_MAX];
    char *line = NULL;
    size_t bytes = 0;
    bool found = false;

    (void)snprintf(path, sizeof(path), "%s/b%u:%u", disk->places->udev, major_number, minor_number);
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && getline(&line, &bytes, file) >= 0)
        found = strcmp(line, "E:ID_FS_TYPE=zfs_member\n") == 0;
    free(line);
    if (file != NULL)
        (void)fclose(file);
    return found && used(disk, "it belongs to a pool of ZFS");
}

/* Takes in a disk's or partition's number. True when it is in use by what sysfs tells. */
static bool take_part(struct disk *disk, const char *directory, const char *name)
{
    char path[PATH_MAX];
    unsigned numbers[2];

    (void)snprintf(path, sizeof(path), "%s/dev", directory);
    FILE *file = fopen(path, "re");
    int count = file != NULL ? fscanf(file, "%u:%u", &numbers[0], &numbers[1]) : 0;
    if (file != NULL)
        (void)fclose(file);
    if (count != 2 || disk->count >= PARTS_MAX)
        return used(disk, "the kernel does not tell what it is");
    disk->numbers[disk->count++] = makedev(numbers[0], numbers[1]);
    return has_holder(disk, directory) || in_btrfs(disk, name) ||
           in_zfs(disk, numbers[0], numbers[1]);
}

static bool take_parts(struct disk *disk, const char *directory)
{
    const char *slash = strrchr(directory, '/');
    const struct dirent *entry = NULL;
    char path[PATH_MAX];
    bool found = take_part(disk, directory, slash != NULL ? slash + 1 : directory);

    DIR *parts = found ? NULL : opendir(directory);
    while (parts != NULL && !found && (entry = readdir(parts)) != NULL) {
        int length = snprintf(path, sizeof(path), "%s/%s/partition", directory, entry->d_name);
        if (entry->d_name[0] == '.' || length >= (int)sizeof(path) || access(path, F_OK) != 0)
            continue;
        path[length - (int)strlen("/partition")] = '\0';
        found = take_part(disk, path, entry->d_name);
    }
    if (parts != NULL)
        (void)closedir(parts);
    return found;
}

/* --- The kernel's tables ---------------------------------------------------------------------- */

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" (proc(5)). The number says all
 * but for filesystems that have one of their own, such as btrfs. */
static bool is_mount_of(const struct disk *disk, char *line)
{
    unsigned numbers[2];
    char where[256] = "";

    if (sscanf(line, "%*u %*u %u:%u %*s %255s", &numbers[0], &numbers[1], where) != 3)
        return false;
    char *rest = strstr(line, " - ");
    char *source = rest != NULL ? strchr(rest + 3, ' ') : NULL;
    bool ours = is_of(disk, makedev(numbers[0], numbers[1]));
    if (!ours && source != NULL) {
        source++;
        source[strcspn(source, " \n")] = '\0';
        ours = is_node_of(disk, source);
    }
    return ours && used(disk, "it is mounted at %s", where);
}

/* "/dev/sda2  partition  2097148  0  -2", below a headline. */
static bool is_swap_of(const struct disk *disk, char *line)
{
    line[strcspn(line, " \t\n")] = '\0';
    return is_node_of(disk, line) && used(disk, "it is swap");
}

static bool find_line(const struct disk *disk, const char *path, bool optional,
                      bool (*matches)(const struct disk *disk, char *line))
{
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t bytes = 0;
    bool found = false;

    if (file == NULL)
        return !(optional && errno == ENOENT) && used(disk, "%s cannot be read", path);
    while (!found && getline(&line, &bytes, file) >= 0)
        found = matches(disk, line);
    free(line);
    (void)fclose(file);
    return found;
}

bool disk_use_find(const char *directory, const struct disk_use_places *places,
                   char use[DISK_USE_BYTES])
{
    struct disk disk = {.count = 0, .places = places, .use = use};

    return take_parts(&disk, directory) ||
           find_line(&disk, places->mountinfo, false, is_mount_of) ||
           /* A kernel without swap has no such table. */
           find_line(&disk, places->swaps, true, is_swap_of);
}
