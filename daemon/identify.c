// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/identify.h"

#include "daemon/identify_loop.h"
#include "daemon/identify_sysfs.h"
#include "lib/base/units.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

const struct identify_host identify_this_host = {
    .sysfs = "/sys",
    .mountinfo = "/proc/self/mountinfo",
    .swaps = "/proc/swaps",
};

/* Where people and desktops mount removable media (FHS 3.0, udisks) or scratch images. A filesystem
 * mounted anywhere else belongs to the running system: a list of the system's own places would
 * always miss one. */
static const char *const places_for_media[] = {"/media", "/mnt", "/run/media", "/tmp"};

/* --- Looking a device up ---------------------------------------------------------------------- */

int identify_device(const struct identify_host *host, dev_t number, struct block_device *device)
{
    char link[PATH_MAX];
    uint64_t read_only = 0;

    *device = (struct block_device){.number = number};
    if (snprintf(link, sizeof(link), "%s/dev/block/%u:%u", host->sysfs, major(number),
                 minor(number)) >= (int)sizeof(link))
        return -ENAMETOOLONG;
    int error = sysfs_find_names(host, link, device);
    if (error == 0)
        error = sysfs_read_number(host, device->name, "ro", &read_only);
    if (error == 0)
        error = sysfs_read_number(host, device->disk, "diskseq", &device->diskseq);
    device->read_only = read_only != 0;
    return error;
}

bool identify_present(const struct identify_host *host, const struct block_device *device)
{
    struct block_device now;

    int error = identify_device(host, device->number, &now);
    /* A shortage of our own does not say that it is gone. */
    return error == 0 ? now.diskseq == device->diskseq : !sysfs_vanished(error);
}

/* --- The devices that are stacked on the same disks ------------------------------------------- */

struct device_set {
    const struct identify_host *host;
    struct loop_table *loops;
    struct {
        char name[DEVICE_NAME_BYTES];
        dev_t number;
    } items[DEVICES_MAX];
    size_t count;
    bool overflow;                  /* there are more; then nothing may be concluded */
    int error;                      /* the first trouble of our own; the same */
    char holder[DEVICE_NAME_BYTES]; /* the first device found to hold another */
};

/* Returns whether a step of looking around went well. What vanished meanwhile is passed over. */
static bool went_well(struct device_set *set, int error)
{
    if (error != 0 && !sysfs_vanished(error) && set->error == 0)
        set->error = error;
    return error == 0;
}

/* Returns true if the device is new in the set. One that vanished meanwhile is left out. */
static bool set_add(struct device_set *set, const char *name)
{
    char text[32];
    dev_t number;

    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->items[i].name, name) == 0)
            return false;
    }
    if (!went_well(set, sysfs_read(set->host, name, "dev", text, sizeof(text))) ||
        !went_well(set, sysfs_parse_device(text, &number)))
        return false;
    if (set->count == DEVICES_MAX || sysfs_copy_name(set->items[set->count].name, name) != 0) {
        set->overflow = true;
        return false;
    }
    set->items[set->count++].number = number;
    return true;
}

static DIR *open_part(struct device_set *set, const char *name, const char *part)
{
    DIR *directory;

    (void)went_well(set, sysfs_open(set->host, name, part, &directory));
    return directory;
}

static const char *next_entry(struct device_set *set, DIR *directory)
{
    const char *entry;

    (void)went_well(set, sysfs_next(directory, &entry));
    return entry;
}

static void add_partitions(struct device_set *set, const char *name)
{
    DIR *directory = open_part(set, name, "");
    const char *entry;
    char path[PATH_MAX];
    bool partition;

    if (directory == NULL)
        return;
    while ((entry = next_entry(set, directory)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/partition", entry);
        if (went_well(set, sysfs_has(set->host, name, path, &partition)) && partition)
            (void)set_add(set, entry);
    }
    (void)closedir(directory);
}

static void add_holder(struct device_set *set, const char *name)
{
    if (set_add(set, name) && set->holder[0] == '\0')
        (void)sysfs_copy_name(set->holder, name);
}

static void add_holders(struct device_set *set, const char *name)
{
    DIR *directory = open_part(set, name, "holders");
    const char *entry;

    if (directory == NULL)
        return;
    while ((entry = next_entry(set, directory)) != NULL)
        add_holder(set, entry);
    (void)closedir(directory);
}

static void add_loops(struct device_set *set, dev_t number)
{
    for (size_t i = 0; i < set->loops->count; i++) {
        const struct loop_device *loop = &set->loops->items[i];
        if (loop->on_block && loop->number == number)
            add_holder(set, loop->name);
    }
}

/* Adds what stands on the devices from number `first` on, and what stands on that. */
static void add_above(struct device_set *set, size_t first)
{
    for (size_t i = first; i < set->count; i++) {
        char name[DEVICE_NAME_BYTES];
        memcpy(name, set->items[i].name, sizeof(name));
        add_partitions(set, name);
        add_holders(set, name);
        add_loops(set, set->items[i].number);
    }
}

/* The name of the block device that a loop device stands on; false if it stands on none. */
static bool find_loop_backing(struct device_set *set, const char *name,
                              char backing[DEVICE_NAME_BYTES])
{
    struct block_device device;

    for (size_t i = 0; i < set->loops->count; i++) {
        const struct loop_device *loop = &set->loops->items[i];
        if (!loop->on_block || strcmp(loop->name, name) != 0)
            continue;
        if (!went_well(set, identify_device(set->host, loop->number, &device)))
            return false;
        memcpy(backing, device.name, sizeof(device.name));
        return true;
    }
    return false;
}

/* Adds the devices that the device stands on, down to the disks. */
static void add_below(struct device_set *set, const char *name, unsigned depth)
{
    char link[PATH_MAX];
    char backing[DEVICE_NAME_BYTES];
    struct block_device device;

    (void)snprintf(link, sizeof(link), "%s/class/block/%s", set->host->sysfs, name);
    if (depth == DEVICE_DEPTH_MAX) {
        set->overflow = true;
        return;
    }
    if (went_well(set, sysfs_find_names(set->host, link, &device)) && device.partition) {
        if (set_add(set, device.disk))
            add_below(set, device.disk, depth + 1);
        return;
    }
    if (find_loop_backing(set, name, backing) && set_add(set, backing))
        add_below(set, backing, depth + 1);
    DIR *directory = open_part(set, name, "slaves");
    const char *entry;
    if (directory == NULL)
        return;
    while ((entry = next_entry(set, directory)) != NULL) {
        if (set_add(set, entry))
            add_below(set, entry, depth + 1);
    }
    (void)closedir(directory);
}

static DIR *open_path(struct device_set *set, const char *path)
{
    DIR *directory = opendir(path);

    (void)went_well(set, directory != NULL ? 0 : -errno);
    return directory;
}

/* Adds all devices of a btrfs if one of them is among the first `own` of the set. */
static void add_btrfs(struct device_set *set, const char *filesystem, size_t own)
{
    char path[PATH_MAX];
    const char *entry;
    bool ours = false;

    (void)snprintf(path, sizeof(path), "%s/fs/btrfs/%s/devices", set->host->sysfs, filesystem);
    DIR *devices = open_path(set, path);
    if (devices == NULL)
        return;
    while ((entry = next_entry(set, devices)) != NULL) {
        for (size_t i = 0; i < own && !ours; i++)
            ours = strcmp(set->items[i].name, entry) == 0;
    }
    rewinddir(devices);
    while (ours && (entry = next_entry(set, devices)) != NULL)
        (void)set_add(set, entry);
    (void)closedir(devices);
}

/* A btrfs on several devices is mounted under the name of one of them. Where the set has one of a
 * filesystem's devices, adds the others. */
static void add_btrfs_peers(struct device_set *set)
{
    char path[PATH_MAX];
    const char *entry;

    (void)snprintf(path, sizeof(path), "%s/fs/btrfs", set->host->sysfs);
    DIR *filesystems = open_path(set, path);
    if (filesystems == NULL)
        return;
    size_t own = set->count;
    while ((entry = next_entry(set, filesystems)) != NULL)
        add_btrfs(set, entry, own);
    (void)closedir(filesystems);
}

/* --- Mounts and swaps ------------------------------------------------------------------------- */

/* Reads a whole table, bounded. The text is the caller's to free. 0 or -errno. */
static int read_table(const char *path, char **text)
{
    size_t size = 64 * 1024;
    size_t length = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = 0;

    *text = NULL;
    if (fd < 0)
        return -errno;
    char *table = malloc(size);
    while (table != NULL) {
        ssize_t got = read(fd, table + length, size - 1 - length);
        if (got <= 0) {
            error = got < 0 ? -errno : 0;
            break;
        }
        length += (size_t)got;
        if (length + 1 < size)
            continue;
        if (size >= IDENTIFY_TABLE_BYTES_MAX) {
            error = -EFBIG;
            break;
        }
        size *= 2;
        char *larger = realloc(table, size);
        if (larger == NULL)
            free(table);
        table = larger;
    }
    (void)close(fd);
    if (table == NULL)
        return -ENOMEM;
    table[length] = '\0';
    if (error != 0)
        free(table);
    else
        *text = table;
    return error;
}

/* Blanks and backslashes are \ooo in these tables (proc(5)); decodes in place. */
static void decode_octal(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; to++) {
        if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
            from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
            *to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
            from += 4;
        } else {
            *to = *from++;
        }
    }
    *to = '\0';
}

static bool set_has_number(const struct device_set *set, dev_t number)
{
    for (size_t i = 0; i < set->count; i++) {
        if (set->items[i].number == number)
            return true;
    }
    return false;
}

/* Whether a path such as /dev/sda1 or a link to it names a device of the set. */
static bool set_has_path(const struct device_set *set, const char *path)
{
    char resolved[PATH_MAX];

    /* Others are no devices, and to look for them could wait for a server that is dead. */
    if (strncmp(path, "/dev/", 5) != 0)
        return false;
    const char *name = realpath(path, resolved) != NULL ? resolved : path;
    if (strncmp(name, "/dev/", 5) != 0)
        return false;
    name += 5;
    for (size_t i = 0; i < set->count; i++) {
        char own[DEVICE_NAME_BYTES];
        (void)sysfs_copy_name(own, set->items[i].name);
        /* A name such as cciss/c0d0 has '!' for '/' in sysfs. */
        for (char *at = own; (at = strchr(at, '!')) != NULL;)
            *at = '/';
        if (strcmp(own, name) == 0)
            return true;
    }
    return false;
}

static bool is_place_for_media(const char *directory)
{
    for (size_t i = 0; i < array_count(places_for_media); i++) {
        size_t length = strlen(places_for_media[i]);
        if (strncmp(directory, places_for_media[i], length) == 0 &&
            (directory[length] == '/' || directory[length] == '\0'))
            return true;
    }
    return false;
}

struct mount_line {
    dev_t number;
    char *directory;
    char *source;
};

/* Takes a line of mountinfo apart, in place:
 * "ID PARENT MAJOR:MINOR ROOT DIRECTORY OPTIONS [TAGS...] - TYPE SOURCE SUPER_OPTIONS". */
static bool parse_mount(char *line, struct mount_line *mount)
{
    char *fields[6];
    char *rest = NULL;
    char *field = strtok_r(line, " ", &rest);

    for (size_t i = 0; i < array_count(fields); i++) {
        if (field == NULL)
            return false;
        fields[i] = field;
        field = strtok_r(NULL, " ", &rest);
    }
    while (field != NULL && strcmp(field, "-") != 0)
        field = strtok_r(NULL, " ", &rest);
    if (field == NULL || strtok_r(NULL, " ", &rest) == NULL ||
        (mount->source = strtok_r(NULL, " ", &rest)) == NULL)
        return false;
    mount->directory = fields[4];
    decode_octal(mount->directory);
    decode_octal(mount->source);
    return sysfs_parse_device(fields[2], &mount->number) == 0;
}

static void raise_use(enum device_use *use, enum device_use found, char *why, size_t why_bytes,
                      const char *how, const char *where)
{
    if (found <= *use)
        return;
    *use = found;
    (void)snprintf(why, why_bytes, "%s%s", how, where);
}

static int scan_mounts(const struct identify_host *host, const struct device_set *set,
                       enum device_use *use, char *why, size_t why_bytes)
{
    char *table;
    char *rest = NULL;
    struct mount_line mount;

    int error = read_table(host->mountinfo, &table);
    if (error != 0)
        return error;
    for (char *line = strtok_r(table, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        if (!parse_mount(line, &mount))
            continue;
        /* Filesystems on several devices and FUSE have a number of no device, major 0. */
        if (major(mount.number) != 0 ? !set_has_number(set, mount.number)
                                     : !set_has_path(set, mount.source))
            continue;
        enum device_use found =
            is_place_for_media(mount.directory) ? DEVICE_IN_USE : DEVICE_OF_SYSTEM;
        raise_use(use, found, why, why_bytes, "mounted on ", mount.directory);
    }
    free(table);
    return 0;
}

static int scan_swaps(const struct identify_host *host, const struct device_set *set,
                      enum device_use *use, char *why, size_t why_bytes)
{
    char *table;
    char *rest = NULL;

    int error = read_table(host->swaps, &table);
    if (error == -ENOENT)
        return 0; /* a kernel without swap */
    if (error != 0)
        return error;
    for (char *line = strtok_r(table, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        line[strcspn(line, " \t")] = '\0';
        decode_octal(line);
        if (set_has_path(set, line))
            raise_use(use, DEVICE_OF_SYSTEM, why, why_bytes, "swap on ", line);
    }
    free(table);
    return 0;
}

/* Finds all devices that are stacked on the same disks. 0 or -errno. */
static int find_stack(struct device_set *set, const struct block_device *device,
                      enum device_use *use, char *why, size_t why_bytes)
{
    int error = loop_table_read(set->host, false, &set->loops);

    if (error != 0)
        return error;
    (void)set_add(set, device->name);
    add_above(set, 0);
    /* What holds the device itself; what holds those below it may be the device. */
    if (set->holder[0] != '\0')
        raise_use(use, DEVICE_IN_USE, why, why_bytes, "held by ", set->holder);
    size_t above = set->count;
    add_below(set, device->name, 0);
    add_above(set, above);
    add_btrfs_peers(set);
    set->overflow = set->overflow || set->loops->overflow;
    free(set->loops);
    return set->error;
}

int identify_use(const struct identify_host *host, const struct block_device *device,
                 enum device_use *use, char *why, size_t why_bytes)
{
    struct device_set *set = calloc(1, sizeof(*set));

    *use = DEVICE_FREE;
    why[0] = '\0';
    if (set == NULL)
        return -ENOMEM;
    set->host = host;
    int stack_error = find_stack(set, device, use, why, why_bytes);
    /* With what was found: it may be enough to know it for the system's. */
    int error = scan_mounts(host, set, use, why, why_bytes);
    if (error == 0)
        error = scan_swaps(host, set, use, why, why_bytes);
    if (set->overflow)
        raise_use(use, DEVICE_OF_SYSTEM, why, why_bytes, "too many devices are stacked on it", "");
    free(set);
    return stack_error != 0 ? stack_error : error;
}
