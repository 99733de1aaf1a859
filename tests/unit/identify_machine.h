// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef UNIT_IDENTIFY_MACHINE_H
#define UNIT_IDENTIFY_MACHINE_H

#include "daemon/identify.h"
#include "lib/base/check.h"
#include "lib/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Who uses a disk, told from small machines made of files: a sysfs, a mount table and a swap list
 * in a temporary directory. */

struct machine {
    char root[64];
    char sysfs[96];
    char mountinfo[96];
    char swaps[96];
    struct identify_host host;
};

static inline void make_parents(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        *at = '/';
    }
}

__attribute__((format(printf, 3, 4))) static inline void put_file(const struct machine *machine,
                                                                  const char *text,
                                                                  const char *format, ...)
{
    char path[PATH_MAX];
    char relative[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(relative, sizeof(relative), format, arguments);
    va_end(arguments);
    (void)snprintf(path, sizeof(path), "%s/%s", machine->root, relative);
    make_parents(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline void put_link(const struct machine *machine, const char *target, const char *relative)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", machine->root, relative);
    make_parents(path);
    assert_int_equal(symlink(target, path), 0);
}

/* Puts a device at sys/devices/PLACE, with the links that sysfs has to it. */
static inline void put_device(const struct machine *machine, const char *place, const char *name,
                              unsigned major_number, unsigned minor_number)
{
    char text[64];
    char link[256];
    char target[256];

    (void)snprintf(text, sizeof(text), "%u:%u\n", major_number, minor_number);
    put_file(machine, text, "sys/devices/%s/dev", place);
    put_file(machine, "0\n", "sys/devices/%s/ro", place);
    (void)snprintf(target, sizeof(target), "../../devices/%s", place);
    (void)snprintf(link, sizeof(link), "sys/class/block/%s", name);
    put_link(machine, target, link);
    (void)snprintf(link, sizeof(link), "sys/dev/block/%u:%u", major_number, minor_number);
    put_link(machine, target, link);
}

static inline void put_disk(const struct machine *machine, const char *name, unsigned major_number,
                            unsigned minor_number)
{
    put_device(machine, name, name, major_number, minor_number);
    put_file(machine, "7\n", "sys/devices/%s/diskseq", name);
}

static inline void put_partition(const struct machine *machine, const char *disk, unsigned number,
                                 unsigned major_number, unsigned minor_number)
{
    char name[64];
    char place[128];

    (void)snprintf(name, sizeof(name), "%s%u", disk, number);
    (void)snprintf(place, sizeof(place), "%s/%s", disk, name);
    put_device(machine, place, name, major_number, minor_number);
    put_file(machine, "1\n", "sys/devices/%s/partition", place);
}

/* `lower_place` is the device below's place, such as "sda/sda1". */
static inline void stack(const struct machine *machine, const char *lower_place, const char *lower,
                         const char *upper)
{
    put_file(machine, "", "sys/devices/%s/holders/%s", lower_place, upper);
    put_file(machine, "", "sys/devices/%s/slaves/%s", upper, lower);
}

static inline void put_mounts(const struct machine *machine, const char *text)
{
    put_file(machine, text, "mountinfo");
}

static inline void put_swaps(const struct machine *machine, const char *line)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n%s\n",
                   line);
    put_file(machine, text, "swaps");
}

static inline int setup(void **state)
{
    struct machine *machine = calloc(1, sizeof(*machine));

    assert_non_null(machine);
    (void)strcpy(machine->root, "/tmp/identify-test-XXXXXX");
    assert_non_null(mkdtemp(machine->root));
    (void)snprintf(machine->sysfs, sizeof(machine->sysfs), "%s/sys", machine->root);
    (void)snprintf(machine->mountinfo, sizeof(machine->mountinfo), "%s/mountinfo", machine->root);
    (void)snprintf(machine->swaps, sizeof(machine->swaps), "%s/swaps", machine->root);
    machine->host.sysfs = machine->sysfs;
    machine->host.mountinfo = machine->mountinfo;
    machine->host.swaps = machine->swaps;
    put_mounts(machine, "");
    put_swaps(machine, "");
    *state = machine;
    return 0;
}

static inline int remove_entry(const char *path, const struct stat *status, int type,
                               struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline int teardown(void **state)
{
    struct machine *machine = *state;

    assert_int_equal(nftw(machine->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(machine);
    return 0;
}

static inline void expect_use(const struct machine *machine, unsigned major_number,
                              unsigned minor_number, enum device_use expected,
                              const char *expected_why)
{
    struct block_device device;
    enum device_use use;
    char why[256];

    assert_int_equal(identify_device(&machine->host, makedev(major_number, minor_number), &device),
                     0);
    assert_int_equal(identify_use(&machine->host, &device, &use, why, sizeof(why)), 0);
    assert_string_equal(why, expected_why);
    assert_int_equal(use, expected);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
