// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/identify_machine.h"

/* What a disk is, who uses it, and what it calls itself. */

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
        TEST(names_come_from_sysfs),
        cmocka_unit_test(text_becomes_fit_to_be_shown),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("identify", tests, NULL, NULL);
}
