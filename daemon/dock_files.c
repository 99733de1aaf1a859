// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/dock_files.h"

#include "lib/base/check.h"
#include "lib/rig/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOKS_TO_SETTLE = DOCK_SETTLE_MS / DOCK_LOOK_MS };

/* A regular file whose name was looked at. */
struct dock_entry {
    enum {
        ENTRY_SETTLING,
        ENTRY_DRIVE,
        ENTRY_IGNORED, /* told of already */
    } state;
    struct dock_identity identity;
    uint64_t size_bytes; /* while settling, when it was looked at last */
    unsigned looks;      /* that found this size, not 0 */
    bool seen;           /* by the reading that goes on */
    bool from_start;     /* as in struct dock_drive */
    char name[];
};

bool dock_identity_equal(const struct dock_identity *one, const struct dock_identity *other)
{
    return one->device_major == other->device_major && one->device_minor == other->device_minor &&
           one->inode == other->inode && one->born_s == other->born_s &&
           one->born_ns == other->born_ns;
}

/* 0 or -errno. Links are not followed unless `follow`. */
static int identify(const char *path, bool follow, struct dock_identity *identity,
                    struct statx *status)
{
    if (statx(AT_FDCWD, path, AT_NO_AUTOMOUNT | (follow ? 0 : AT_SYMLINK_NOFOLLOW),
              STATX_TYPE | STATX_INO | STATX_SIZE | STATX_BTIME, status) != 0)
        return -errno;
    *identity = (struct dock_identity){
        .device_major = status->stx_dev_major,
        .device_minor = status->stx_dev_minor,
        .inode = status->stx_ino,
    };
    if ((status->stx_mask & STATX_BTIME) != 0) {
        identity->born_s = status->stx_btime.tv_sec;
        identity->born_ns = status->stx_btime.tv_nsec;
    }
    return 0;
}

int dock_identify_directory(const char *path, struct dock_identity *identity)
{
    struct statx status;
    return identify(path, true, identity, &status);
}

/* --- Entries ---------------------------------------------------------------------------------- */

static struct dock_entry *find(const struct dock_files *files, const char *name)
{
    for (unsigned i = 0; i < files->count; i++) {
        if (strcmp(files->entries[i]->name, name) == 0)
            return files->entries[i];
    }
    return NULL;
}

/* Takes an entry out; a drive has vanished. */
static void forget(struct dock_files *files, struct dock_entry *entry)
{
    unsigned i = 0;

    while (files->entries[i] != entry)
        i++;
    files->count--;
    for (; i < files->count; i++)
        files->entries[i] = files->entries[i + 1];
    files->read_again = files->left_out;
    if (entry->state == ENTRY_DRIVE && !files->closed)
        files->events.vanished(files->events.context, entry->name);
    free(entry);
}

void dock_files_leave(struct dock_files *files, const char *name)
{
    struct dock_entry *entry = find(files, name);
    if (entry != NULL)
        forget(files, entry);
}

void dock_files_leave_all(struct dock_files *files)
{
    while (files->count > 0)
        forget(files, files->entries[files->count - 1]);
}

static void leave_out(struct dock_files *files, const char *name)
{
    files->left_out = true;
    if (files->left_out_told)
        return;
    files->left_out_told = true;
    files->events.ignored(files->events.context, name,
                          "there are too many files in the dock: some are left out");
}

/* NULL when there are too many, or no memory: the file is left out. */
static struct dock_entry *add(struct dock_files *files, const char *name)
{
    size_t bytes = strlen(name) + 1;
    struct dock_entry *entry =
        files->count < DOCK_FILES_MAX ? calloc(1, sizeof(*entry) + bytes) : NULL;

    if (entry == NULL) {
        leave_out(files, name);
        return NULL;
    }
    memcpy(entry->name, name, bytes);
    files->entries[files->count++] = entry;
    return entry;
}

/* The file is a drive from now on. The description beside it is never overlooked, whatever kind of
 * file it is: a drive that was to be played must not be taken for a real one. */
static void become_drive(struct dock_files *files, struct dock_entry *entry)
{
    struct dock_drive drive = {.capacity_bytes = entry->size_bytes,
                               .from_start = entry->from_start};
    char description[PATH_MAX + NAME_MAX];
    struct stat status;

    entry->state = ENTRY_DRIVE;
    (void)snprintf(drive.name, sizeof(drive.name), "%s", entry->name);
    int length = snprintf(drive.path, sizeof(drive.path), "%s/%s", files->directory, entry->name);
    check(length > 0 && (size_t)length < sizeof(drive.path));
    (void)snprintf(description, sizeof(description), "%s.sim", drive.path);
    drive.simulated = lstat(description, &status) == 0;
    files->events.appeared(files->events.context, &drive);
}

/* --- Looking at a name ------------------------------------------------------------------------ */

static bool is_hidden_or_description(const char *name)
{
    size_t length = strlen(name);
    return name[0] == '.' || (length >= 4 && strcmp(name + length - 4, ".sim") == 0);
}

/* Something in the directory cannot be seen now: it is read again. */
static void stay_blind(struct dock_files *files)
{
    files->left_out = true;
    files->read_again = true;
}

/* The file of a name as it is now. False if it is none that is looked at. */
static bool look(struct dock_files *files, const char *name, struct dock_identity *identity,
                 uint64_t *size_bytes)
{
    char path[PATH_MAX + NAME_MAX + 2];
    struct statx status;

    (void)snprintf(path, sizeof(path), "%s/%s", files->directory, name);
    int error = identify(path, false, identity, &status);
    if (error != 0 && error != -ENOENT)
        stay_blind(files);
    if (error != 0 || !S_ISREG(status.stx_mode))
        return false;
    *size_bytes = status.stx_size;
    return true;
}

void dock_files_arrive(struct dock_files *files, const char *name, enum dock_arrival arrival)
{
    struct dock_identity identity;
    uint64_t size_bytes = 0;
    struct dock_entry *entry = find(files, name);

    if (is_hidden_or_description(name))
        return;
    bool there = look(files, name, &identity, &size_bytes);
    if (entry != NULL && (!there || !dock_identity_equal(&entry->identity, &identity))) {
        forget(files, entry);
        entry = NULL;
    }
    if (!there || files->closed)
        return;
    if (entry == NULL) {
        entry = add(files, name);
        if (entry == NULL)
            return;
        entry->identity = identity;
        entry->size_bytes = size_bytes;
        /* An empty one is only being made. */
        entry->from_start =
            size_bytes > 0 && (arrival == DOCK_ARRIVAL_FROM_START || arrival == DOCK_ARRIVAL_FOUND);
        if (!layout_name_valid(name)) {
            entry->state = ENTRY_IGNORED;
            entry->seen = true;
            files->events.ignored(files->events.context, name,
                                  "its name cannot be a slot's: " LAYOUT_NAME_FORM);
            return;
        }
    }
    entry->seen = true;
    if (entry->state != ENTRY_SETTLING)
        return;
    if (entry->size_bytes != size_bytes)
        entry->looks = 0;
    entry->size_bytes = size_bytes;
    if (size_bytes > 0 && (arrival == DOCK_ARRIVAL_FROM_START || arrival == DOCK_ARRIVAL_FINISHED))
        become_drive(files, entry);
}

/* One more look at a file that is settling. */
static void look_again(struct dock_files *files, struct dock_entry *entry)
{
    struct dock_identity identity;
    uint64_t size_bytes = 0;

    /* Another file, or none: the messages about that are on their way. */
    if (!look(files, entry->name, &identity, &size_bytes) ||
        !dock_identity_equal(&entry->identity, &identity))
        return;
    entry->looks = size_bytes > 0 && size_bytes == entry->size_bytes ? entry->looks + 1 : 0;
    entry->size_bytes = size_bytes;
    /* The first look may have been right after it came. */
    if (entry->looks > LOOKS_TO_SETTLE)
        become_drive(files, entry);
}

void dock_files_look(struct dock_files *files)
{
    for (unsigned i = 0; i < files->count && !files->closed; i++) {
        if (files->entries[i]->state == ENTRY_SETTLING)
            look_again(files, files->entries[i]);
    }
}

bool dock_files_settling(const struct dock_files *files)
{
    for (unsigned i = 0; i < files->count; i++) {
        if (files->entries[i]->state == ENTRY_SETTLING && files->entries[i]->size_bytes > 0)
            return true;
    }
    return false;
}

/* --- Reading the directory -------------------------------------------------------------------- */

static int compare_names(const void *one, const void *other)
{
    return strverscmp(*(char *const *)one, *(char *const *)other);
}

/* The names in the directory, at most DOCK_FILES_MAX, in the order in which people count. Returns
 * how many; the caller frees each. */
static unsigned list_names(struct dock_files *files, char **names)
{
    DIR *directory = opendir(files->directory);
    const struct dirent *file = NULL;
    unsigned count = 0;

    if (directory == NULL) {
        stay_blind(files);
        return 0;
    }
    while ((errno = 0, file = readdir(directory)) != NULL) {
        if (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0)
            continue;
        char *name = count < DOCK_FILES_MAX ? strdup(file->d_name) : NULL;
        if (name == NULL) {
            leave_out(files, file->d_name);
            break;
        }
        names[count++] = name;
    }
    if (file == NULL && errno != 0)
        stay_blind(files);
    (void)closedir(directory);
    qsort(names, count, sizeof(names[0]), compare_names);
    return count;
}

void dock_files_read(struct dock_files *files, enum dock_arrival arrival)
{
    char **names = calloc(DOCK_FILES_MAX, sizeof(*names));

    if (files->left_out)
        arrival = DOCK_ARRIVAL_FOUND;
    files->left_out = false;
    files->read_again = false;
    if (names == NULL)
        stay_blind(files);
    unsigned count = names == NULL ? 0 : list_names(files, names);
    for (unsigned i = 0; i < files->count; i++)
        files->entries[i]->seen = false;
    for (unsigned i = 0; i < count; i++) {
        if (!files->closed)
            dock_files_arrive(files, names[i], arrival);
        free(names[i]);
    }
    free(names);
    /* From the end, for forgetting moves those behind. */
    for (unsigned i = files->count; i > 0 && !files->closed; i--) {
        struct dock_identity identity;
        uint64_t size_bytes = 0;
        struct dock_entry *entry = files->entries[i - 1];
        if (!entry->seen && (!look(files, entry->name, &identity, &size_bytes) ||
                             !dock_identity_equal(&entry->identity, &identity)))
            forget(files, entry);
    }
}

void dock_files_start_anew(struct dock_files *files)
{
    check(files->count == 0);
    files->left_out = false;
    files->left_out_told = false;
    files->read_again = false;
}
