// SPDX-License-Identifier: GPL-3.0-or-later
/* What a drive is comes from sysfs, which needs no permission and does not touch the drive. */
#include "tools/confirm.h"

#include "lib/base/units.h"
#include "tools/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    FACT_BYTES = 128,
    SECTOR_BYTES = 512, /* the unit of sysfs "size", whatever the drive's own is */
    TARGET_COLUMNS = 24,
    MODEL_COLUMNS = 28,
    SERIAL_COLUMNS = 16,
};

struct device_facts {
    char model[2 * FACT_BYTES + 2];
    char serial[FACT_BYTES];
    uint64_t size_bytes;
    char sequence[FACT_BYTES]; /* a number that no other drive gets until the next boot */
};

/* Reads a sysfs attribute without the space around it; "" if there is none. */
static bool read_fact(const char *directory, const char *name, char fact[FACT_BYTES])
{
    char path[PATH_MAX];
    char data[FACT_BYTES];

    fact[0] = '\0';
    if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, data, sizeof(data) - 1);
    (void)close(fd);
    if (length <= 0)
        return false;
    data[length] = '\0';
    char *begin = data + strspn(data, " \t\n");
    size_t end = strlen(begin);
    while (end > 0 && strchr(" \t\n", begin[end - 1]) != NULL)
        end--;
    begin[end] = '\0';
    (void)strcpy(fact, begin);
    return fact[0] != '\0';
}

/* A USB drive's serial number is that of the USB device, some directories up. */
static void read_serial(const char *node, char serial[FACT_BYTES])
{
    char directory[PATH_MAX];
    (void)snprintf(directory, sizeof(directory), "%s/device", node);
    if (read_fact(directory, "serial", serial))
        return;
    char *resolved = realpath(directory, NULL);
    for (char *slash = NULL; resolved != NULL && !read_fact(resolved, "serial", serial);) {
        slash = strrchr(resolved, '/');
        if (slash == NULL || strcmp(resolved, "/sys/devices") == 0 || slash == resolved)
            break;
        *slash = '\0';
    }
    free(resolved);
}

static void read_device(dev_t device, struct device_facts *facts)
{
    char link[64];
    char disk[80];
    char fact[FACT_BYTES];
    char vendor[FACT_BYTES];
    char model[FACT_BYTES];

    *facts = (struct device_facts){.size_bytes = 0};
    (void)snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(device), minor(device));
    if (read_fact(link, "size", fact))
        facts->size_bytes = strtoull(fact, NULL, 10) * SECTOR_BYTES;
    /* A partition's drive is the directory above. */
    (void)snprintf(disk, sizeof(disk), "%s%s", link,
                   read_fact(link, "partition", fact) ? "/.." : "");
    (void)read_fact(disk, "diskseq", facts->sequence);
    (void)read_fact(disk, "device/vendor", vendor);
    if (read_fact(disk, "device/model", model) || read_fact(disk, "device/name", model))
        (void)snprintf(facts->model, sizeof(facts->model), "%s%s%s", vendor,
                       vendor[0] != '\0' ? " " : "", model);
    else if (read_fact(disk, "loop/backing_file", model))
        (void)snprintf(facts->model, sizeof(facts->model), "%s", model);
    read_serial(disk, facts->serial);
}

static void put_device(const struct target *target, const struct device_facts *facts, bool utf8)
{
    char size[UNITS_TEXT_BYTES];
    units_format_bytes(size, facts->size_bytes);
    (void)fputs("  ", stderr);
    text_put_padded(stderr, target->text, TARGET_COLUMNS, TEXT_CUT_MIDDLE, utf8);
    (void)fprintf(stderr, " %9s  ", facts->size_bytes > 0 ? size : "-");
    text_put_padded(stderr, facts->model[0] != '\0' ? facts->model : "-", MODEL_COLUMNS,
                    TEXT_CUT_MIDDLE, utf8);
    (void)fputs("  ", stderr);
    (void)text_put(stderr, facts->serial[0] != '\0' ? facts->serial : "-", SERIAL_COLUMNS,
                   TEXT_CUT_MIDDLE, utf8);
    (void)fputc('\n', stderr);
}

static bool ask(uint32_t count)
{
    char answer[16];
    if (count == 1)
        (void)fputs("Type yes to erase it: ", stderr);
    else
        (void)fprintf(stderr, "Type yes to erase these %u drives: ", count);
    (void)fflush(stderr);
    if (fgets(answer, sizeof(answer), stdin) == NULL) {
        (void)fputc('\n', stderr);
        return false;
    }
    return strcmp(answer, "yes\n") == 0;
}

/* The path leads to the same drive as before: it may have been swapped while we asked. */
static bool unchanged(const struct target *target, const struct device_facts *facts)
{
    struct stat status;
    struct device_facts now;
    if (stat(target->path, &status) != 0 || status.st_rdev != target->status.st_rdev)
        return false;
    read_device(status.st_rdev, &now);
    return now.size_bytes == facts->size_bytes && strcmp(now.sequence, facts->sequence) == 0 &&
           strcmp(now.serial, facts->serial) == 0;
}

bool confirm_erase(const struct target_list *targets, bool utf8)
{
    uint32_t count = targets_device_count(targets);
    struct device_facts *facts = calloc(targets->count, sizeof(facts[0]));
    if (facts == NULL) {
        (void)fputs("drivepress write: no memory for the list of drives\n", stderr);
        return false;
    }
    (void)fprintf(stderr, "ALL DATA ON %s WILL BE LOST:\n",
                  count == 1 ? "THIS DRIVE" : "THESE DRIVES");
    for (uint32_t i = 0; i < targets->count; i++) {
        if (!S_ISBLK(targets->items[i].status.st_mode))
            continue;
        read_device(targets->items[i].status.st_rdev, &facts[i]);
        put_device(&targets->items[i], &facts[i], utf8);
    }
    bool yes = ask(count);
    if (!yes)
        (void)fputs("Nothing was written.\n", stderr);
    for (uint32_t i = 0; yes && i < targets->count; i++) {
        if (S_ISBLK(targets->items[i].status.st_mode) &&
            !unchanged(&targets->items[i], &facts[i])) {
            (void)fprintf(stderr,
                          "%s is not the drive that was shown any more. Nothing was "
                          "written; start again.\n",
                          targets->items[i].text);
            yes = false;
        }
    }
    free(facts);
    return yes;
}
