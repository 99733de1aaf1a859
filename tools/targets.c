// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/targets.h"

#include "lib/base/check.h"
#include "tools/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int path_absolute(char absolute[PATH_MAX], const char *path)
{
    char directory[PATH_MAX] = "";
    if (path[0] != '/' && getcwd(directory, sizeof(directory)) == NULL)
        return -errno;
    int length = snprintf(absolute, PATH_MAX, "%s%s%s", directory, path[0] == '/' ? "" : "/", path);
    return length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static const char *unsuitable_kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "is a directory";
    case S_IFCHR:
        return "is a character device";
    case S_IFIFO:
        return "is a pipe";
    case S_IFSOCK:
        return "is a socket";
    case S_IFBLK:
    case S_IFREG:
        return NULL;
    default:
        return "is of an unknown kind";
    }
}

/* The kernel's number of the disk, which no other disk gets until the next boot. */
static uint64_t read_diskseq(dev_t device)
{
    char path[64];
    char text[32] = "";

    (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/diskseq", major(device),
                   minor(device));
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    bool any = fgets(text, sizeof(text), file) != NULL;
    (void)fclose(file);
    return any ? strtoull(text, NULL, 10) : 0;
}

static int look_at(struct target *target, bool simulate, char reason[TARGETS_REASON_BYTES])
{
    char absolute[PATH_MAX];

    if (!text_is_clean(target->text)) {
        /* Not shown: it could do things to the terminal. */
        (void)snprintf(reason, TARGETS_REASON_BYTES,
                       "a TARGET's name is not UTF-8 text or has control characters in it: "
                       "rename it");
        return -1;
    }
    int error = path_absolute(absolute, target->text);
    if (error == 0 && stat(target->text, &target->status) != 0)
        error = -errno;
    if (error == -ENOENT) {
        (void)snprintf(reason, TARGETS_REASON_BYTES, "%s: not there; is the drive plugged in?",
                       target->text[0] != '\0' ? target->text : "(empty TARGET)");
        return -1;
    }
    if (error != 0) {
        (void)snprintf(reason, TARGETS_REASON_BYTES, "%.*s: %s", PATH_MAX, target->text,
                       strerror(-error));
        return -1;
    }
    const char *kind = unsuitable_kind(target->status.st_mode);
    if (kind != NULL) {
        (void)snprintf(reason, TARGETS_REASON_BYTES,
                       "%s: %s; a TARGET is a drive such as /dev/sdb, or a regular file",
                       target->text, kind);
        return -1;
    }
    if (simulate && !S_ISREG(target->status.st_mode)) {
        (void)snprintf(reason, TARGETS_REASON_BYTES,
                       "%s: is a real drive; with --simulate only regular files can be TARGETs",
                       target->text);
        return -1;
    }
    if (S_ISBLK(target->status.st_mode))
        target->diskseq = read_diskseq(target->status.st_rdev);
    target->path = strdup(absolute);
    if (target->path == NULL) {
        (void)snprintf(reason, TARGETS_REASON_BYTES, "no memory for the list of TARGETs");
        return -1;
    }
    return 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    if (S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode))
        return a->st_rdev == b->st_rdev;
    return S_ISBLK(a->st_mode) == S_ISBLK(b->st_mode) && a->st_dev == b->st_dev &&
           a->st_ino == b->st_ino;
}

static int find_twins(const struct target_list *list, char reason[TARGETS_REASON_BYTES])
{
    for (uint32_t i = 1; i < list->count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            const struct target *a = &list->items[j];
            const struct target *b = &list->items[i];
            if (!same_file(&a->status, &b->status))
                continue;
            if (strcmp(a->text, b->text) == 0)
                (void)snprintf(reason, TARGETS_REASON_BYTES, "%s: is given twice", a->text);
            else
                (void)snprintf(reason, TARGETS_REASON_BYTES, "%s and %s are the same %s", a->text,
                               b->text, S_ISBLK(a->status.st_mode) ? "drive" : "file");
            return -1;
        }
    }
    return 0;
}

int targets_open(struct target_list *list, char **texts, uint32_t count, bool simulate,
                 char reason[TARGETS_REASON_BYTES])
{
    check(count >= 1 && count <= TARGETS_MAX);
    *list = (struct target_list){.items = calloc(count, sizeof(list->items[0]))};
    if (list->items == NULL) {
        (void)snprintf(reason, TARGETS_REASON_BYTES, "no memory for the list of TARGETs");
        return -1;
    }
    list->count = count;
    int result = 0;
    for (uint32_t i = 0; i < count && result == 0; i++) {
        list->items[i].text = texts[i];
        result = look_at(&list->items[i], simulate, reason);
    }
    if (result == 0)
        result = find_twins(list, reason);
    if (result != 0)
        targets_free(list);
    return result;
}

void targets_free(struct target_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i].path);
    free(list->items);
    *list = (struct target_list){.count = 0};
}

int targets_exclude(const struct target_list *list, const char *what, const char *path,
                    char reason[TARGETS_REASON_BYTES])
{
    struct stat status;
    if (stat(path, &status) != 0)
        return 0;
    for (uint32_t i = 0; i < list->count; i++) {
        if (same_file(&list->items[i].status, &status)) {
            (void)snprintf(reason, TARGETS_REASON_BYTES, "%s: is %s, it cannot be a TARGET too",
                           list->items[i].text, what);
            return -1;
        }
    }
    return 0;
}

uint32_t targets_device_count(const struct target_list *list)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count; i++)
        count += S_ISBLK(list->items[i].status.st_mode);
    return count;
}
