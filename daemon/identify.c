// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/identify.h"

#include "lib/base/check.h"
#include "lib/base/units.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* --- sysfs ------------------------------------------------------------------------------------ */

/* Reads the first line of an attribute of the device `name`, without its newline. 0 or -errno. */
static int read_attribute(const struct identify_host *host, const char *name, const char *attribute,
                          char *text, size_t text_bytes)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/class/block/%s/%s", host->sysfs, name, attribute) >=
        (int)sizeof(path))
        return -ENAMETOOLONG;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t length = read(fd, text, text_bytes - 1);
    int error = length < 0 ? -errno : 0;
    (void)close(fd);
    if (error != 0)
        return error;
    text[length] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return 0;
}

static uint64_t read_number(const struct identify_host *host, const char *name,
                            const char *attribute)
{
    char text[32];

    if (read_attribute(host, name, attribute, text, sizeof(text)) != 0)
        return 0;
    return strtoull(text, NULL, 10);
}

static int parse_device_number(const char *text, dev_t *number)
{
    unsigned major_number;
    unsigned minor_number;
    char rest;

    if (sscanf(text, "%u:%u%c", &major_number, &minor_number, &rest) != 2)
        return -EINVAL;
    *number = makedev(major_number, minor_number);
    return 0;
}

static bool has_attribute(const struct identify_host *host, const char *name, const char *attribute)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof(path), "%s/class/block/%s/%s", host->sysfs, name, attribute) <
               (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

static int copy_name(char name[DEVICE_NAME_BYTES], const char *from)
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
    if (before == NULL || copy_name(name, last + 1) != 0)
        return -EINVAL;
    return copy_name(parent, before + 1);
}

static int find_names(const struct identify_host *host, const char *link,
                      struct block_device *device)
{
    char parent[DEVICE_NAME_BYTES];

    int error = resolve_link(link, device->name, parent);
    if (error != 0)
        return error;
    device->partition = has_attribute(host, device->name, "partition");
    return copy_name(device->disk, device->partition ? parent : device->name);
}

int identify_device(const struct identify_host *host, dev_t number, struct block_device *device)
{
    char link[PATH_MAX];

    *device = (struct block_device){.number = number};
    if (snprintf(link, sizeof(link), "%s/dev/block/%u:%u", host->sysfs, major(number),
                 minor(number)) >= (int)sizeof(link))
        return -ENAMETOOLONG;
    int error = find_names(host, link, device);
    if (error != 0)
        return error;
    device->read_only = read_number(host, device->name, "ro") != 0;
    device->diskseq = read_number(host, device->disk, "diskseq");
    return 0;
}

bool identify_present(const struct identify_host *host, const struct block_device *device)
{
    struct block_device now;

    return identify_device(host, device->number, &now) == 0 && now.diskseq == device->diskseq;
}

/* --- The devices that are stacked on the same disks ------------------------------------------- */

struct device_set {
    struct {
        char name[DEVICE_NAME_BYTES];
        dev_t number;
    } items[DEVICES_MAX];
    size_t count;
    bool overflow;                  /* there are more; then nothing may be concluded */
    char holder[DEVICE_NAME_BYTES]; /* the first device found to hold another */
};

/* Returns true if the device is new in the set. One that vanished meanwhile is left out. */
static bool set_add(const struct identify_host *host, struct device_set *set, const char *name)
{
    char text[32];
    dev_t number;

    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->items[i].name, name) == 0)
            return false;
    }
    if (read_attribute(host, name, "dev", text, sizeof(text)) != 0 ||
        parse_device_number(text, &number) != 0)
        return false;
    if (set->count == DEVICES_MAX || copy_name(set->items[set->count].name, name) != 0) {
        set->overflow = true;
        return false;
    }
    set->items[set->count++].number = number;
    return true;
}

static DIR *open_directory(const struct identify_host *host, const char *name, const char *part)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/class/block/%s/%s", host->sysfs, name, part) >=
        (int)sizeof(path))
        return NULL;
    return opendir(path);
}

/* The next entry that is not hidden; NULL at the end. */
static const char *next_entry(DIR *directory)
{
    const struct dirent *entry;

    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.')
            return entry->d_name;
    }
    return NULL;
}

static void add_partitions(const struct identify_host *host, struct device_set *set,
                           const char *name)
{
    DIR *directory = open_directory(host, name, "");
    const char *entry;
    char path[PATH_MAX];

    if (directory == NULL)
        return;
    while ((entry = next_entry(directory)) != NULL) {
        if (snprintf(path, sizeof(path), "%s/partition", entry) < (int)sizeof(path) &&
            has_attribute(host, name, path))
            (void)set_add(host, set, entry);
    }
    (void)closedir(directory);
}

static void add_holders(const struct identify_host *host, struct device_set *set, const char *name)
{
    DIR *directory = open_directory(host, name, "holders");
    const char *entry;

    if (directory == NULL)
        return;
    while ((entry = next_entry(directory)) != NULL) {
        if (set_add(host, set, entry) && set->holder[0] == '\0')
            (void)copy_name(set->holder, entry);
    }
    (void)closedir(directory);
}

/* Adds what stands on the devices from number `first` on, and what stands on that. */
static void add_above(const struct identify_host *host, struct device_set *set, size_t first)
{
    for (size_t i = first; i < set->count; i++) {
        char name[DEVICE_NAME_BYTES];
        memcpy(name, set->items[i].name, sizeof(name));
        add_partitions(host, set, name);
        add_holders(host, set, name);
    }
}

/* Adds the devices that the device stands on, down to the disks. */
static void add_below(const struct identify_host *host, struct device_set *set, const char *name,
                      unsigned depth)
{
    char link[PATH_MAX];
    struct block_device device;

    (void)snprintf(link, sizeof(link), "%s/class/block/%s", host->sysfs, name);
    if (depth == DEVICE_DEPTH_MAX) {
        set->overflow = true;
        return;
    }
    if (find_names(host, link, &device) == 0 && device.partition) {
        if (set_add(host, set, device.disk))
            add_below(host, set, device.disk, depth + 1);
        return;
    }
    DIR *directory = open_directory(host, name, "slaves");
    const char *entry;
    if (directory == NULL)
        return;
    while ((entry = next_entry(directory)) != NULL) {
        if (set_add(host, set, entry))
            add_below(host, set, entry, depth + 1);
    }
    (void)closedir(directory);
}

/* A btrfs on several devices is mounted under the name of one of them. Where the set has one of a
 * filesystem's devices, adds the others. */
static void add_btrfs_peers(const struct identify_host *host, struct device_set *set)
{
    char path[PATH_MAX];
    const char *entry;

    (void)snprintf(path, sizeof(path), "%s/fs/btrfs", host->sysfs);
    DIR *filesystems = opendir(path);
    if (filesystems == NULL)
        return;
    size_t own = set->count;
    while ((entry = next_entry(filesystems)) != NULL) {
        bool ours = false;
        if (snprintf(path, sizeof(path), "%s/fs/btrfs/%s/devices", host->sysfs, entry) >=
            (int)sizeof(path))
            continue;
        DIR *devices = opendir(path);
        if (devices == NULL)
            continue;
        while ((entry = next_entry(devices)) != NULL) {
            for (size_t i = 0; i < own && !ours; i++)
                ours = strcmp(set->items[i].name, entry) == 0;
        }
        rewinddir(devices);
        while (ours && (entry = next_entry(devices)) != NULL)
            (void)set_add(host, set, entry);
        (void)closedir(devices);
    }
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
    const char *name = realpath(path, resolved) != NULL ? resolved : path;

    if (strncmp(name, "/dev/", 5) != 0)
        return false;
    name += 5;
    for (size_t i = 0; i < set->count; i++) {
        char own[DEVICE_NAME_BYTES];
        (void)copy_name(own, set->items[i].name);
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
    return parse_device_number(fields[2], &mount->number) == 0;
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

int identify_use(const struct identify_host *host, const struct block_device *device,
                 enum device_use *use, char *why, size_t why_bytes)
{
    struct device_set *set = calloc(1, sizeof(*set));

    *use = DEVICE_FREE;
    why[0] = '\0';
    if (set == NULL)
        return -ENOMEM;
    (void)set_add(host, set, device->name);
    add_above(host, set, 0);
    /* What holds the device itself; what holds those below it may be the device. */
    if (set->holder[0] != '\0')
        raise_use(use, DEVICE_IN_USE, why, why_bytes, "held by ", set->holder);
    size_t above = set->count;
    add_below(host, set, device->name, 0);
    add_above(host, set, above);
    add_btrfs_peers(host, set);

    int error = scan_mounts(host, set, use, why, why_bytes);
    if (error == 0)
        error = scan_swaps(host, set, use, why, why_bytes);
    if (set->overflow)
        raise_use(use, DEVICE_OF_SYSTEM, why, why_bytes, "too many devices are stacked on it", "");
    free(set);
    return error;
}
