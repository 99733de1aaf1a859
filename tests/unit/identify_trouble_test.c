// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/identify_machine.h"

/* Who uses a disk through loop devices, and on machines that are hostile, broken or short of
 * something. */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("identify_trouble", tests, NULL, NULL);
}
