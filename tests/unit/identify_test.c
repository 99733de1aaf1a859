// SPDX-License-Identifier: GPL-3.0-or-later
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

static void make_parents(char *path)
{
    for (char *at = path + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
        *at = '/';
    }
}

__attribute__((format(printf, 3, 4))) static void put_file(const struct machine *machine,
                                                           const char *text, const char *format,
                                                           ...)
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

static void put_link(const struct machine *machine, const char *target, const char *relative)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", machine->root, relative);
    make_parents(path);
    assert_int_equal(symlink(target, path), 0);
}

/* Puts a device at sys/devices/PLACE, with the links that sysfs has to it. */
static void put_device(const struct machine *machine, const char *place, const char *name,
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

static void put_disk(const struct machine *machine, const char *name, unsigned major_number,
                     unsigned minor_number)
{
    put_device(machine, name, name, major_number, minor_number);
    put_file(machine, "7\n", "sys/devices/%s/diskseq", name);
}

static void put_partition(const struct machine *machine, const char *disk, unsigned number,
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
static void stack(const struct machine *machine, const char *lower_place, const char *lower,
                  const char *upper)
{
    put_file(machine, "", "sys/devices/%s/holders/%s", lower_place, upper);
    put_file(machine, "", "sys/devices/%s/slaves/%s", upper, lower);
}

static void put_mounts(const struct machine *machine, const char *text)
{
    put_file(machine, text, "mountinfo");
}

static void put_swaps(const struct machine *machine, const char *line)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n%s\n",
                   line);
    put_file(machine, text, "swaps");
}

static int setup(void **state)
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

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    struct machine *machine = *state;

    assert_int_equal(nftw(machine->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(machine);
    return 0;
}

static void expect_use(const struct machine *machine, unsigned major_number, unsigned minor_number,
                       enum device_use expected, const char *expected_why)
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

/* --- Looking a device up ---------------------------------------------------------------------- */

static void device_is_described(void **state)
{
    const struct machine *machine = *state;
    struct block_device device;

    put_disk(machine, "sdx", 8, 0);
    put_file(machine, "1\n", "sys/devices/sdx/ro");
    put_file(machine, "4711\n", "sys/devices/sdx/diskseq");
    assert_int_equal(identify_device(&machine->host, makedev(8, 0), &device), 0);
    assert_string_equal(device.name, "sdx");
    assert_string_equal(device.disk, "sdx");
    assert_false(device.partition);
    assert_true(device.read_only);
    assert_int_equal(device.diskseq, 4711);
}

static void partition_names_its_disk(void **state)
{
    const struct machine *machine = *state;
    struct block_device device;

    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 2, 8, 2);
    assert_int_equal(identify_device(&machine->host, makedev(8, 2), &device), 0);
    assert_true(device.partition);
    assert_string_equal(device.name, "sdx2");
    assert_string_equal(device.disk, "sdx");
    assert_int_equal(device.diskseq, 7);
}

static void unknown_device_is_gone(void **state)
{
    const struct machine *machine = *state;
    struct block_device device;

    assert_int_equal(identify_device(&machine->host, makedev(8, 0), &device), -ENOENT);
}

static void another_disk_in_its_place_is_not_it(void **state)
{
    const struct machine *machine = *state;
    struct block_device device;

    put_disk(machine, "sdx", 8, 0);
    assert_int_equal(identify_device(&machine->host, makedev(8, 0), &device), 0);
    assert_true(identify_present(&machine->host, &device));
    put_file(machine, "8\n", "sys/devices/sdx/diskseq");
    assert_false(identify_present(&machine->host, &device));
}

/* --- Who uses it ------------------------------------------------------------------------------ */

static void unmounted_stick_is_free(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 1, 8, 1);
    put_disk(machine, "sdy", 8, 16);
    put_partition(machine, "sdy", 1, 8, 17);
    put_mounts(machine, "20 1 8:1 / / rw - ext4 /dev/sdx1 rw\n"
                        "21 1 0:20 / /proc rw - proc proc rw\n"
                        "22 1 0:21 / /dev/shm rw - tmpfs tmpfs rw\n");
    expect_use(machine, 8, 16, DEVICE_FREE, "");
    expect_use(machine, 8, 17, DEVICE_FREE, "");
}

static void root_disk_is_the_systems(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 1, 8, 1);
    put_partition(machine, "sdx", 2, 8, 2);
    put_mounts(machine, "20 1 8:2 / / rw,relatime shared:1 master:2 - ext4 /dev/root rw\n");
    expect_use(machine, 8, 0, DEVICE_OF_SYSTEM, "mounted on /");
    /* The partition beside it is on the same disk. */
    expect_use(machine, 8, 1, DEVICE_OF_SYSTEM, "mounted on /");
}

static void any_mount_outside_of_media_is_the_systems(void **state)
{
    static const char *const places[] = {"/boot/efi", "/usr",        "/var/lib", "/home",
                                         "/srv",      "/snap/x/1",   "/mediax",  "/run/live/medium",
                                         "/cdrom",    "/home/x/mnt", "/tmpfiles"};
    const struct machine *machine = *state;
    char text[256];
    char why[256];

    put_disk(machine, "sdx", 8, 0);
    for (size_t i = 0; i < array_count(places); i++) {
        (void)snprintf(text, sizeof(text), "20 1 8:0 / %s rw - ext4 /dev/sdx rw\n", places[i]);
        (void)snprintf(why, sizeof(why), "mounted on %s", places[i]);
        put_mounts(machine, text);
        expect_use(machine, 8, 0, DEVICE_OF_SYSTEM, why);
    }
}

static void stick_in_media_is_in_use(void **state)
{
    static const char *const places[] = {"/media/anna/X", "/mnt", "/mnt/x", "/run/media/anna/X",
                                         "/tmp/x"};
    const struct machine *machine = *state;
    char text[256];
    char why[256];

    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 1, 8, 1);
    for (size_t i = 0; i < array_count(places); i++) {
        (void)snprintf(text, sizeof(text), "20 1 8:1 / %s rw - vfat /dev/sdx1 rw\n", places[i]);
        (void)snprintf(why, sizeof(why), "mounted on %s", places[i]);
        put_mounts(machine, text);
        expect_use(machine, 8, 0, DEVICE_IN_USE, why);
    }
}

static void mount_point_with_a_blank_is_read(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    put_mounts(machine, "20 1 8:0 / /media/MY\\040STICK\\134 rw - vfat /dev/sdx rw\n");
    expect_use(machine, 8, 0, DEVICE_IN_USE, "mounted on /media/MY STICK\\");
}

static void the_systems_use_outweighs_another(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 1, 8, 1);
    put_partition(machine, "sdx", 2, 8, 2);
    put_mounts(machine, "20 1 8:1 / /media/a rw - vfat /dev/sdx1 rw\n"
                        "21 1 8:2 / /home rw - ext4 /dev/sdx2 rw\n"
                        "22 1 8:1 / /media/b rw - vfat /dev/sdx1 rw\n");
    expect_use(machine, 8, 0, DEVICE_OF_SYSTEM, "mounted on /home");
}

static void swap_partition_is_the_systems(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 5, 8, 5);
    put_swaps(machine, "/dev/sdx5                               partition\t2097148\t0\t-2");
    expect_use(machine, 8, 0, DEVICE_OF_SYSTEM, "swap on /dev/sdx5");
}

static void swap_of_another_disk_is_not_ours(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 5, 8, 5);
    put_swaps(machine, "/dev/sdx55 partition 2097148 0 -2\n/swapfile file 1 0 -3");
    expect_use(machine, 8, 0, DEVICE_FREE, "");
}

/* sdx1 and sdy1 are a RAID, md0; on it is the LVM volume dm-0. */
static void put_raid(const struct machine *machine)
{
    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 1, 8, 1);
    put_disk(machine, "sdy", 8, 16);
    put_partition(machine, "sdy", 1, 8, 17);
    put_disk(machine, "md0", 9, 0);
    put_disk(machine, "dm-0", 252, 0);
    put_disk(machine, "dm-1", 252, 1);
    stack(machine, "sdx/sdx1", "sdx1", "md0");
    stack(machine, "sdy/sdy1", "sdy1", "md0");
    stack(machine, "md0", "md0", "dm-0");
    stack(machine, "md0", "md0", "dm-1");
}

static void disks_under_a_mounted_volume_are_the_systems(void **state)
{
    const struct machine *machine = *state;

    put_raid(machine);
    put_disk(machine, "sdz", 8, 32);
    put_mounts(machine, "20 1 252:0 / / rw - ext4 /dev/mapper/vg-root rw\n");
    expect_use(machine, 8, 0, DEVICE_OF_SYSTEM, "mounted on /");
    expect_use(machine, 8, 16, DEVICE_OF_SYSTEM, "mounted on /");
    expect_use(machine, 9, 0, DEVICE_OF_SYSTEM, "mounted on /");
    expect_use(machine, 8, 32, DEVICE_FREE, "");
}

static void swap_on_a_volume_makes_its_disks_the_systems(void **state)
{
    const struct machine *machine = *state;

    put_raid(machine);
    put_swaps(machine, "/dev/dm-1 partition 2097148 0 -2");
    expect_use(machine, 8, 16, DEVICE_OF_SYSTEM, "swap on /dev/dm-1");
}

static void unused_volume_on_a_system_disk_is_the_systems(void **state)
{
    const struct machine *machine = *state;

    put_raid(machine);
    put_mounts(machine, "20 1 252:0 / / rw - ext4 /dev/mapper/vg-root rw\n");
    expect_use(machine, 252, 1, DEVICE_OF_SYSTEM, "mounted on /");
}

static void held_disk_is_in_use(void **state)
{
    const struct machine *machine = *state;

    put_raid(machine);
    expect_use(machine, 8, 0, DEVICE_IN_USE, "held by md0");
}

static void device_on_top_of_a_free_disk_is_free(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "loop9", 7, 9);
    put_disk(machine, "dm-0", 252, 0);
    stack(machine, "loop9", "loop9", "dm-0");
    expect_use(machine, 252, 0, DEVICE_FREE, "");
}

static void every_disk_of_a_btrfs_is_the_systems(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 1, 8, 1);
    put_disk(machine, "sdy", 8, 16);
    put_disk(machine, "sdz", 8, 32);
    put_file(machine, "", "sys/fs/btrfs/features/x");
    put_file(machine, "", "sys/fs/btrfs/1234/devices/sdx1");
    put_file(machine, "", "sys/fs/btrfs/1234/devices/sdy");
    put_mounts(machine, "20 1 0:33 / /home rw - btrfs /dev/sdx1 rw\n");
    expect_use(machine, 8, 0, DEVICE_OF_SYSTEM, "mounted on /home");
    expect_use(machine, 8, 16, DEVICE_OF_SYSTEM, "mounted on /home");
    expect_use(machine, 8, 32, DEVICE_FREE, "");
}

static void odd_names_are_matched(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "cciss!c0d0", 104, 0);
    put_swaps(machine, "/dev/cciss/c0d0 partition 2097148 0 -2");
    expect_use(machine, 104, 0, DEVICE_OF_SYSTEM, "swap on /dev/cciss/c0d0");
}

/* A filesystem of a server whose source happens to be a path here. */
static void source_that_is_no_device_is_not_followed(void **state)
{
    const struct machine *machine = *state;
    char text[256];

    put_disk(machine, "null", 8, 0);
    put_link(machine, "/dev/null", "share");
    (void)snprintf(text, sizeof(text), "20 1 0:33 / /home rw - nfs %s/share rw\n", machine->root);
    put_mounts(machine, text);
    expect_use(machine, 8, 0, DEVICE_FREE, "");
}

/* --- Loop devices ----------------------------------------------------------------------------- */

/* Makes a loop device over what is at the path in the machine's directory. */
static void put_loop(const struct machine *machine, unsigned number, const char *relative,
                     const char *mark)
{
    char name[32];
    char backing[PATH_MAX];

    (void)snprintf(name, sizeof(name), "loop%u", number);
    put_disk(machine, name, 7, number);
    (void)snprintf(backing, sizeof(backing), "%s/%s%s\n", machine->root, relative, mark);
    put_file(machine, backing, "sys/devices/%s/loop/backing_file", name);
}

static void put_node(const struct machine *machine, const char *name, dev_t number)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", machine->root, name);
    if (mknod(path, S_IFBLK | 0400, number) != 0)
        skip(); /* only root can */
}

static void disk_under_a_mounted_loop_is_the_systems(void **state)
{
    static const char *const marks[] = {"", " (deleted)"};
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 1, 8, 1);
    put_disk(machine, "sdy", 8, 16);
    put_node(machine, "node", makedev(8, 1));
    put_disk(machine, "loop4", 7, 4);
    put_disk(machine, "dm-0", 252, 0);
    stack(machine, "loop5", "loop5", "dm-0");
    for (size_t i = 0; i < array_count(marks); i++) {
        char path[PATH_MAX];
        if (i > 0) {
            (void)snprintf(path, sizeof(path), "%s/sys/class/block/loop5", machine->root);
            assert_int_equal(unlink(path), 0);
            (void)snprintf(path, sizeof(path), "%s/sys/dev/block/7:5", machine->root);
            assert_int_equal(unlink(path), 0);
        }
        put_loop(machine, 5, "node", marks[i]);
        put_mounts(machine, "");
        expect_use(machine, 8, 0, DEVICE_IN_USE, "held by loop5");
        put_mounts(machine, "20 1 7:5 / /home rw - ext4 /dev/loop5 rw\n");
        expect_use(machine, 8, 0, DEVICE_OF_SYSTEM, "mounted on /home");
        put_mounts(machine, "20 1 252:0 / /home rw - ext4 /dev/mapper/x rw\n");
        expect_use(machine, 8, 0, DEVICE_OF_SYSTEM, "mounted on /home");
        expect_use(machine, 8, 16, DEVICE_FREE, "");
        expect_use(machine, 7, 4, DEVICE_FREE, "");
    }
}

static void loop_over_a_disk_of_the_system_is_the_systems(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    put_node(machine, "node", makedev(8, 0));
    put_loop(machine, 5, "node", "");
    expect_use(machine, 7, 5, DEVICE_FREE, "");
    put_mounts(machine, "20 1 8:0 / / rw - ext4 /dev/sdx rw\n");
    expect_use(machine, 7, 5, DEVICE_OF_SYSTEM, "mounted on /");
}

static void loop_over_a_file_of_the_system_is_free(void **state)
{
    const struct machine *machine = *state;
    struct stat status;
    char text[128];

    put_file(machine, "", "drive");
    put_loop(machine, 5, "drive", "");
    put_disk(machine, "loop6", 7, 6); /* not bound */
    put_loop(machine, 7, "no/such/file", "");
    assert_int_equal(stat(machine->root, &status), 0);
    (void)snprintf(text, sizeof(text), "20 1 %u:%u / / rw - ext4 /dev/root rw\n",
                   major(status.st_dev), minor(status.st_dev));
    put_mounts(machine, text);
    expect_use(machine, 7, 5, DEVICE_FREE, "");
}

static void expect_loop_on(const struct machine *machine, const char *relative, int expected,
                           const char *expected_loop)
{
    char path[PATH_MAX];
    char loop[DEVICE_NAME_BYTES];
    struct stat status;

    (void)snprintf(path, sizeof(path), "%s/%s", machine->root, relative);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(identify_loop_on(&machine->host, status.st_dev, status.st_ino, loop),
                     expected);
    assert_string_equal(loop, expected_loop);
}

static void file_under_a_loop_is_found(void **state)
{
    const struct machine *machine = *state;

    put_file(machine, "", "drive");
    put_file(machine, "", "marked");
    put_file(machine, "", "odd (deleted)");
    put_file(machine, "", "free");
    put_link(machine, "drive", "link");
    expect_loop_on(machine, "drive", 0, ""); /* a machine without any block device */
    put_loop(machine, 3, "no/such/file", "");
    put_loop(machine, 4, "drive", "");
    put_loop(machine, 5, "marked", " (deleted)");
    put_loop(machine, 6, "odd (deleted)", "");
    expect_loop_on(machine, "drive", 1, "loop4");
    expect_loop_on(machine, "link", 1, "loop4");
    expect_loop_on(machine, "marked", 1, "loop5");
    expect_loop_on(machine, "odd (deleted)", 1, "loop6");
    expect_loop_on(machine, "free", 0, "");
}

/* --- Hostile and broken machines -------------------------------------------------------------- */

static void unreadable_mount_table_is_an_error(void **state)
{
    const struct machine *machine = *state;
    struct block_device device;
    enum device_use use;
    char why[256];

    put_disk(machine, "sdx", 8, 0);
    assert_int_equal(identify_device(&machine->host, makedev(8, 0), &device), 0);
    assert_int_equal(unlink(machine->mountinfo), 0);
    assert_int_equal(identify_use(&machine->host, &device, &use, why, sizeof(why)), -ENOENT);
    put_mounts(machine, "");
    assert_int_equal(truncate(machine->mountinfo, IDENTIFY_TABLE_BYTES_MAX + 1), 0);
    assert_int_equal(identify_use(&machine->host, &device, &use, why, sizeof(why)), -EFBIG);
}

static void kernel_without_swap_is_fine(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    assert_int_equal(unlink(machine->swaps), 0);
    expect_use(machine, 8, 0, DEVICE_FREE, "");
}

static void broken_lines_are_passed_over(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "sdx", 8, 0);
    put_mounts(machine, "\n \nx\n20 1 8:0\n20 1 8:0 / / rw\n20 1 8:0 / / rw -\n"
                        "20 1 8:0 / / rw - ext4\n20 1 :: / / rw - ext4 /dev/sdx rw\n"
                        "20 1 8:0 / /media/\\9\\04 rw - ext4 /dev/sdx rw");
    expect_use(machine, 8, 0, DEVICE_IN_USE, "mounted on /media/\\9\\04");
}

static void stack_in_a_circle_ends(void **state)
{
    const struct machine *machine = *state;

    put_disk(machine, "dm-0", 252, 0);
    put_disk(machine, "dm-1", 252, 1);
    stack(machine, "dm-0", "dm-0", "dm-1");
    stack(machine, "dm-1", "dm-1", "dm-0");
    expect_use(machine, 252, 0, DEVICE_IN_USE, "held by dm-1");
}

static void endless_stack_is_the_systems(void **state)
{
    const struct machine *machine = *state;
    char lower[32];
    char upper[32];

    for (unsigned i = 0; i <= DEVICE_DEPTH_MAX + 1; i++) {
        (void)snprintf(upper, sizeof(upper), "dm-%u", i);
        put_disk(machine, upper, 252, i);
        if (i > 0)
            stack(machine, lower, lower, upper);
        (void)strcpy(lower, upper);
    }
    expect_use(machine, 252, DEVICE_DEPTH_MAX + 1, DEVICE_OF_SYSTEM,
               "too many devices are stacked on it");
}

static void too_many_holders_are_the_systems(void **state)
{
    const struct machine *machine = *state;
    char name[32];

    put_disk(machine, "sdx", 8, 0);
    for (unsigned i = 0; i < DEVICES_MAX; i++) {
        (void)snprintf(name, sizeof(name), "dm-%u", i);
        put_disk(machine, name, 252, i);
        stack(machine, "sdx", "sdx", name);
    }
    put_disk(machine, "sdy", 8, 16);
    struct block_device device;
    enum device_use use;
    char why[256];
    assert_int_equal(identify_device(&machine->host, makedev(8, 0), &device), 0);
    assert_int_equal(identify_use(&machine->host, &device, &use, why, sizeof(why)), 0);
    assert_int_equal(use, DEVICE_OF_SYSTEM);
}

/* Leaves the calling process room for `count` more descriptors. */
static void limit_descriptors(unsigned count)
{
    int next = dup(STDIN_FILENO);
    check(next >= 0);
    struct rlimit limit;
    check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = (rlim_t)next + count;
    (void)close(next);
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void use_with_few_descriptors(const struct machine *machine, unsigned count)
{
    struct block_device device;
    enum device_use use;
    char why[256];

    check(identify_device(&machine->host, makedev(8, 0), &device) == 0);
    limit_descriptors(count);
    int error = identify_use(&machine->host, &device, &use, why, sizeof(why));
    /* Nothing may be taken for free; that it is there is not denied. */
    check(error == -EMFILE || use != DEVICE_FREE);
    check(count > 1 || error == -EMFILE);
    check(identify_present(&machine->host, &device));
    check(count > 0 || identify_device(&machine->host, makedev(8, 0), &device) == -EMFILE);
}

static void shortage_of_descriptors_is_an_error(void **state)
{
    const struct machine *machine = *state;

    /* A mounted holder of a partition, which is found only if everything can be opened. */
    put_disk(machine, "sdx", 8, 0);
    put_partition(machine, "sdx", 1, 8, 1);
    put_disk(machine, "dm-0", 252, 0);
    stack(machine, "sdx/sdx1", "sdx1", "dm-0");
    put_mounts(machine, "20 1 252:0 / / rw - ext4 /dev/mapper/x rw\n");
    for (unsigned count = 0; count < 4; count++) {
        int status = 0;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            use_with_few_descriptors(machine, count);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
}

/* --- What it calls itself --------------------------------------------------------------------- */

static void names_come_from_sysfs(void **state)
{
    const struct machine *machine = *state;
    struct block_device device;
    char model[64];
    char serial[64];

    put_disk(machine, "sdx", 8, 0);
    assert_int_equal(identify_device(&machine->host, makedev(8, 0), &device), 0);
    identify_names(&machine->host, &device, model, sizeof(model), serial, sizeof(serial));
    assert_string_equal(model, "");
    assert_string_equal(serial, "");
    put_file(machine, "SanDisk \n", "sys/devices/sdx/device/vendor");
    put_file(machine, "Cruzer\033[31m Blade  \n", "sys/devices/sdx/device/model");
    put_file(machine, "4C53\n", "sys/devices/sdx/device/serial");
    identify_names(&machine->host, &device, model, sizeof(model), serial, sizeof(serial));
    assert_string_equal(model, "SanDisk Cruzer?[31m Blade");
    assert_string_equal(serial, "4C53");
}

static void expect_text(size_t bytes, const char *raw, const char *expected)
{
    char text[64];

    identify_text(text, bytes, raw);
    assert_string_equal(text, expected);
}

static void text_becomes_fit_to_be_shown(void **state)
{
    (void)state;
    expect_text(64, "", "");
    expect_text(64, "  a \t\n b  ", "a b");
    expect_text(64, "Stick \xe2\x82\xac \xf0\x9f\x94\x91 \xc3\xa9",
                "Stick \xe2\x82\xac \xf0\x9f\x94\x91 \xc3\xa9");
    expect_text(64, "\x01\x1b\x7f", "???");
    expect_text(64, "a\xff\xfe", "a??");
    expect_text(64, "\xc0\x80|\xe0\x80\x80", "??|???");         /* overlong */
    expect_text(64, "\xed\xa0\x80", "???");                     /* a surrogate */
    expect_text(64, "\xf4\x90\x80\x80", "????");                /* beyond Unicode */
    expect_text(64, "\xe2\x82", "??");                          /* cut */
    expect_text(64, "\xc2\x85\xe2\x80\xae\xef\xbb\xbf", "???"); /* C1, bidi, no-break */
    expect_text(64, "\xef\xbf\xbf", "?");                       /* no character */
    expect_text(5, "abc\xe2\x82\xac", "abc");                   /* cut before, not inside */
    expect_text(7, "abc\xe2\x82\xac", "abc\xe2\x82\xac");
    expect_text(4, "ab cd", "ab");
    expect_text(1, "a", "");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(device_is_described),
        TEST(partition_names_its_disk),
        TEST(unknown_device_is_gone),
        TEST(another_disk_in_its_place_is_not_it),
        TEST(unmounted_stick_is_free),
        TEST(root_disk_is_the_systems),
        TEST(any_mount_outside_of_media_is_the_systems),
        TEST(stick_in_media_is_in_use),
        TEST(mount_point_with_a_blank_is_read),
        TEST(the_systems_use_outweighs_another),
        TEST(swap_partition_is_the_systems),
        TEST(swap_of_another_disk_is_not_ours),
        TEST(disks_under_a_mounted_volume_are_the_systems),
        TEST(swap_on_a_volume_makes_its_disks_the_systems),
        TEST(unused_volume_on_a_system_disk_is_the_systems),
        TEST(held_disk_is_in_use),
        TEST(device_on_top_of_a_free_disk_is_free),
        TEST(every_disk_of_a_btrfs_is_the_systems),
        TEST(odd_names_are_matched),
        TEST(source_that_is_no_device_is_not_followed),
        TEST(disk_under_a_mounted_loop_is_the_systems),
        TEST(loop_over_a_disk_of_the_system_is_the_systems),
        TEST(loop_over_a_file_of_the_system_is_free),
        TEST(file_under_a_loop_is_found),
        TEST(unreadable_mount_table_is_an_error),
        TEST(kernel_without_swap_is_fine),
        TEST(broken_lines_are_passed_over),
        TEST(stack_in_a_circle_ends),
        TEST(endless_stack_is_the_systems),
        TEST(too_many_holders_are_the_systems),
        TEST(shortage_of_descriptors_is_an_error),
        TEST(names_come_from_sysfs),
        cmocka_unit_test(text_becomes_fit_to_be_shown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("identify", tests, NULL, NULL);
}
