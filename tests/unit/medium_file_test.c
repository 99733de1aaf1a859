// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/identify.h"
#include "daemon/medium.h"
#include "lib/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/loop.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

/* Opening real media: regular files, and loop devices where the test may make some (as root). */

enum { SIZE_BYTES = 4 * 1024 * 1024, BLOCK_BYTES = 64 * 1024 };

struct bench {
    char root[64];
    char path[96]; /* a regular file of SIZE_BYTES */
    char loop[32]; /* a loop device over it, "" if there is none */
    unsigned loop_number;
    struct medium *medium;
    struct drive_facts facts;
    struct medium_identity identity;
    unsigned char *data; /* BLOCK_BYTES, aligned for direct I/O */
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    (void)strcpy(bench->root, "/var/tmp/medium-test-XXXXXX");
    assert_non_null(mkdtemp(bench->root));
    (void)snprintf(bench->path, sizeof(bench->path), "%s/drive", bench->root);
    int fd = open(bench->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SIZE_BYTES), 0);
    (void)close(fd);
    assert_int_equal(posix_memalign((void **)&bench->data, 4096, BLOCK_BYTES), 0);
    *state = bench;
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
    struct bench *bench = *state;

    if (bench->medium != NULL)
        bench->medium->ops->close(bench->medium);
    if (bench->loop[0] != '\0') {
        int fd = open(bench->loop, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            (void)ioctl(fd, LOOP_CLR_FD);
            (void)close(fd);
        }
    }
    assert_int_equal(nftw(bench->root, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
    free(bench->data);
    free(bench);
    return 0;
}

static enum open_result try_open(struct bench *bench, const char *path, bool for_writing)
{
    return medium_file_open(path, for_writing, &bench->medium, &bench->facts, &bench->identity);
}

static void close_medium(struct bench *bench)
{
    bench->medium->ops->close(bench->medium);
    bench->medium = NULL;
}

static void expect_refused(struct bench *bench, const char *path, bool for_writing,
                           enum open_result expected, const char *note)
{
    assert_int_equal(try_open(bench, path, for_writing), expected);
    assert_null(bench->medium);
    assert_int_equal(bench->facts.capacity_bytes, 0);
    assert_string_equal(bench->identity.note, note);
}

static int write_block(struct bench *bench, int value, uint64_t offset_bytes)
{
    memset(bench->data, value, BLOCK_BYTES);
    return bench->medium->ops->write(bench->medium, bench->data, BLOCK_BYTES, offset_bytes);
}

static int read_block(struct bench *bench, uint64_t offset_bytes)
{
    memset(bench->data, 0xee, BLOCK_BYTES);
    return bench->medium->ops->read(bench->medium, bench->data, BLOCK_BYTES, offset_bytes);
}

static void expect_file_byte(const char *path, uint64_t offset_bytes, unsigned char expected)
{
    unsigned char byte = (unsigned char)~expected;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)offset_bytes), 1);
    (void)close(fd);
    assert_int_equal(byte, expected);
}

static void expect_round_trip(struct bench *bench, const char *path)
{
    assert_int_equal(try_open(bench, path, true), OPEN_OK);
    assert_int_equal(bench->facts.capacity_bytes, SIZE_BYTES);
    assert_int_equal(write_block(bench, 0x5a, 0), 0);
    assert_int_equal(write_block(bench, 0xa5, SIZE_BYTES - BLOCK_BYTES), 0);
    assert_int_equal(bench->medium->ops->flush(bench->medium), 0);
    assert_int_equal(read_block(bench, 0), 0);
    assert_int_equal(bench->data[0], 0x5a);
    assert_int_equal(bench->data[BLOCK_BYTES - 1], 0x5a);
    assert_int_equal(read_block(bench, SIZE_BYTES - BLOCK_BYTES), 0);
    assert_int_equal(bench->data[0], 0xa5);
    assert_true(bench->medium->ops->present(bench->medium));
    close_medium(bench);
    expect_file_byte(bench->path, 0, 0x5a);
    expect_file_byte(bench->path, SIZE_BYTES - 1, 0xa5);
}

/* --- Regular files ---------------------------------------------------------------------------- */

static void regular_file_is_written_and_read_back(void **state)
{
    struct bench *bench = *state;

    expect_round_trip(bench, bench->path);
    assert_int_equal(bench->facts.logical_block_bytes, 512);
}

static void descriptor_matches_what_is_said_of_it(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(try_open(bench, bench->path, false), OPEN_OK);
    int flags = fcntl(bench->medium->fd, F_GETFL);
    assert_int_equal((flags & O_DIRECT) != 0, bench->identity.direct);
    assert_int_equal(bench->medium->direct_block_bytes, bench->identity.direct ? 512 : 0);
    assert_int_equal(flags & O_NONBLOCK, 0);
    assert_int_equal(fcntl(bench->medium->fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

static void verify_cannot_write(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(try_open(bench, bench->path, false), OPEN_OK);
    assert_int_equal(fcntl(bench->medium->fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(write_block(bench, 1, 0), -EBADF);
    assert_int_equal(read_block(bench, 0), 0);
    assert_int_equal(bench->data[0], 0);
}

static void link_to_a_file_is_followed(void **state)
{
    struct bench *bench = *state;
    char link[128];

    (void)snprintf(link, sizeof(link), "%s/link", bench->root);
    assert_int_equal(symlink("drive", link), 0);
    expect_round_trip(bench, link);
}

static void missing_file_is_gone_and_not_created(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(unlink(bench->path), 0);
    expect_refused(bench, bench->path, true, OPEN_GONE, strerror(ENOENT));
    assert_int_equal(access(bench->path, F_OK), -1);
}

static void what_is_no_drive_is_refused(void **state)
{
    struct bench *bench = *state;
    char pipe_path[128];

    expect_refused(bench, bench->root, true, OPEN_UNSUITABLE,
                   "is a directory, not a block device or regular file");
    expect_refused(bench, "/dev/null", true, OPEN_UNSUITABLE,
                   "is a character device, not a block device or regular file");
    (void)snprintf(pipe_path, sizeof(pipe_path), "%s/pipe", bench->root);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    expect_refused(bench, pipe_path, false, OPEN_UNSUITABLE,
                   "is a pipe, not a block device or regular file");
}

static void second_opening_finds_it_locked(void **state)
{
    struct bench *bench = *state;
    struct medium *second;
    struct drive_facts facts;
    struct medium_identity identity;

    assert_int_equal(try_open(bench, bench->path, true), OPEN_OK);
    assert_int_equal(medium_file_open(bench->path, false, &second, &facts, &identity), OPEN_BUSY);
    assert_null(second);
    assert_string_equal(identity.note, "locked by another program");
    close_medium(bench);
    assert_int_equal(try_open(bench, bench->path, false), OPEN_OK);
}

static void file_without_permission_is_denied(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(chmod(bench->root, 0755), 0);
    assert_int_equal(chmod(bench->path, 0444), 0);
    bool root = geteuid() == 0; /* may do anything: try as somebody else */
    assert_true(!root || seteuid(65534) == 0);
    enum open_result write_result = try_open(bench, bench->path, true);
    enum open_result verify_result = try_open(bench, bench->path, false);
    assert_true(!root || seteuid(0) == 0);
    assert_int_equal(write_result, OPEN_DENIED);
    assert_int_equal(verify_result, OPEN_OK);
}

static void end_of_the_medium_is_an_error(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(try_open(bench, bench->path, true), OPEN_OK);
    assert_int_equal(truncate(bench->path, SIZE_BYTES / 2), 0);
    assert_int_equal(read_block(bench, SIZE_BYTES / 2), -EIO);
    /* A short transfer too. */
    assert_int_equal(read_block(bench, SIZE_BYTES / 2 - 4096), -EIO);
}

static void deleted_file_is_gone(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(try_open(bench, bench->path, true), OPEN_OK);
    assert_int_equal(unlink(bench->path), 0);
    assert_false(bench->medium->ops->present(bench->medium));
    assert_int_equal(read_block(bench, SIZE_BYTES), -ENODEV);
}

static void empty_file_has_no_capacity(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(truncate(bench->path, 0), 0);
    assert_int_equal(try_open(bench, bench->path, true), OPEN_OK);
    assert_int_equal(bench->facts.capacity_bytes, 0);
}

/* --- Loop devices ----------------------------------------------------------------------------- */

/* Finds a free loop device and binds it to the bench's file; skips the test where that is not to be
 * had. */
static void make_loop(struct bench *bench, uint32_t flags, uint32_t block_bytes)
{
    struct loop_config config = {.block_size = block_bytes, .info.lo_flags = flags};

    if (geteuid() != 0)
        skip();
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        skip();
    int file = open(bench->path, O_RDWR | O_CLOEXEC);
    assert_true(file >= 0);
    config.fd = (uint32_t)file;
    bool bound = false;
    /* Another program may take the same one first. */
    for (unsigned i = 0; i < 10 && !bound; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
            break;
        (void)snprintf(bench->loop, sizeof(bench->loop), "/dev/loop%d", number);
        bench->loop_number = (unsigned)number;
        int fd = open(bench->loop, O_RDWR | O_CLOEXEC);
        bound = fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) == 0;
        if (fd >= 0)
            (void)close(fd);
    }
    (void)close(file);
    (void)close(control);
    if (!bound) {
        bench->loop[0] = '\0';
        skip();
    }
}

/* A machine that knows the bench's loop device as it is told to. */
struct machine {
    char sysfs[128];
    char mountinfo[128];
    struct identify_host host;
};

static void put_text(const char *directory, const char *name, const char *text)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* `diskseq` NULL: the true one. */
static void make_machine(const struct bench *bench, struct machine *machine, const char *diskseq,
                         const char *mounted_on)
{
    char path[PATH_MAX];
    char text[256];
    char true_diskseq[32] = "";
    static const char *const directories[] = {
        "sys", "sys/class", "sys/class/block", "sys/class/block/loopX", "sys/dev", "sys/dev/block"};

    for (size_t i = 0; i < array_count(directories); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", bench->root, directories[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    (void)snprintf(path, sizeof(path), "/sys/block/loop%u/diskseq", bench->loop_number);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        skip(); /* a kernel before 5.15 */
    assert_non_null(fgets(true_diskseq, sizeof(true_diskseq), file));
    (void)fclose(file);

    (void)snprintf(machine->sysfs, sizeof(machine->sysfs), "%s/sys", bench->root);
    (void)snprintf(path, sizeof(path), "%s/class/block/loopX", machine->sysfs);
    (void)snprintf(text, sizeof(text), "7:%u\n", bench->loop_number);
    put_text(path, "dev", text);
    put_text(path, "diskseq", diskseq != NULL ? diskseq : true_diskseq);
    (void)snprintf(path, sizeof(path), "%s/dev/block/7:%u", machine->sysfs, bench->loop_number);
    assert_int_equal(symlink("../../class/block/loopX", path), 0);
    (void)snprintf(text, sizeof(text), "20 1 7:%u / %s rw - ext4 /dev/loopX rw\n",
                   bench->loop_number, mounted_on);
    put_text(bench->root, "mountinfo", mounted_on[0] != '\0' ? text : "");
    (void)snprintf(machine->mountinfo, sizeof(machine->mountinfo), "%s/mountinfo", bench->root);
    machine->host = (struct identify_host){
        .sysfs = machine->sysfs, .mountinfo = machine->mountinfo, .swaps = "/dev/null"};
}

static enum open_result try_open_on(struct bench *bench, const struct machine *machine,
                                    bool for_writing)
{
    const struct medium_file_options options = {.host = &machine->host};

    return medium_file_open_with(bench->loop, for_writing, &options, &bench->medium, &bench->facts,
                                 &bench->identity);
}

static void block_device_is_written_and_read_back(void **state)
{
    struct bench *bench = *state;

    make_loop(bench, 0, 0);
    expect_round_trip(bench, bench->loop);
    assert_true(bench->identity.direct);
    assert_int_equal(bench->facts.logical_block_bytes, 512);
    assert_false(bench->facts.read_only);
}

static void block_device_is_verified_without_writing(void **state)
{
    struct bench *bench = *state;

    make_loop(bench, 0, 0);
    assert_int_equal(try_open(bench, bench->loop, false), OPEN_OK);
    int flags = fcntl(bench->medium->fd, F_GETFL);
    assert_int_equal(flags & O_ACCMODE, O_RDONLY);
    assert_int_equal(flags & O_DIRECT, O_DIRECT);
    assert_int_equal(write_block(bench, 1, 0), -EBADF);
    assert_int_equal(read_block(bench, 0), 0);
}

static void size_of_a_logical_block_is_told(void **state)
{
    struct bench *bench = *state;

    make_loop(bench, 0, 4096);
    assert_int_equal(try_open(bench, bench->loop, true), OPEN_OK);
    assert_int_equal(bench->facts.logical_block_bytes, 4096);
    assert_int_equal(bench->medium->direct_block_bytes, 4096);
}

static void device_that_another_opened_is_busy(void **state)
{
    struct bench *bench = *state;
    struct medium *second;
    struct drive_facts facts;
    struct medium_identity identity;

    make_loop(bench, 0, 0);
    assert_int_equal(try_open(bench, bench->loop, true), OPEN_OK);
    assert_int_equal(medium_file_open(bench->loop, false, &second, &facts, &identity), OPEN_BUSY);
    assert_string_equal(identity.note, "mounted or held by another program");
}

static void device_that_another_locked_is_busy(void **state)
{
    struct bench *bench = *state;

    make_loop(bench, 0, 0);
    int fd = open(bench->loop, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_SH | LOCK_NB), 0);
    expect_refused(bench, bench->loop, true, OPEN_BUSY, "locked by another program");
    (void)close(fd);
    assert_int_equal(try_open(bench, bench->loop, true), OPEN_OK);
}

static void write_protected_device_is_only_verified(void **state)
{
    struct bench *bench = *state;

    make_loop(bench, LO_FLAGS_READ_ONLY, 0);
    expect_refused(bench, bench->loop, true, OPEN_READ_ONLY, "is write-protected");
    assert_int_equal(try_open(bench, bench->loop, false), OPEN_OK);
    assert_true(bench->facts.read_only);
}

static void device_without_a_medium_says_so(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(truncate(bench->path, 0), 0);
    make_loop(bench, 0, 0);
    expect_refused(bench, bench->loop, true, OPEN_NO_MEDIUM, "there is no medium in it");
}

static void device_that_lost_its_medium_is_gone(void **state)
{
    struct bench *bench = *state;

    make_loop(bench, 0, 0);
    assert_int_equal(try_open(bench, bench->loop, true), OPEN_OK);
    assert_int_equal(truncate(bench->path, 0), 0);
    assert_int_equal(ioctl(bench->medium->fd, LOOP_SET_CAPACITY), 0);
    assert_false(bench->medium->ops->present(bench->medium));
    assert_int_equal(read_block(bench, 0), -ENODEV);
}

static void device_that_shrank_fails(void **state)
{
    struct bench *bench = *state;

    make_loop(bench, 0, 0);
    assert_int_equal(try_open(bench, bench->loop, true), OPEN_OK);
    assert_int_equal(truncate(bench->path, SIZE_BYTES / 2), 0);
    assert_int_equal(ioctl(bench->medium->fd, LOOP_SET_CAPACITY), 0);
    assert_true(bench->medium->ops->present(bench->medium));
    assert_int_equal(read_block(bench, SIZE_BYTES / 2), -EIO);
}

static void device_of_the_system_is_refused(void **state)
{
    struct bench *bench = *state;
    struct machine machine;

    make_loop(bench, 0, 0);
    make_machine(bench, &machine, NULL, "/home");
    for (unsigned for_writing = 0; for_writing < 2; for_writing++) {
        assert_int_equal(try_open_on(bench, &machine, for_writing != 0), OPEN_SYSTEM_DISK);
        assert_null(bench->medium);
        assert_string_equal(bench->identity.note, "the running system uses it: mounted on /home");
    }
}

static void mounted_stick_is_busy(void **state)
{
    struct bench *bench = *state;
    struct machine machine;

    make_loop(bench, 0, 0);
    make_machine(bench, &machine, NULL, "/media/x");
    assert_int_equal(try_open_on(bench, &machine, true), OPEN_BUSY);
    assert_string_equal(bench->identity.note, "mounted on /media/x");
}

static void device_with_another_number_is_not_touched(void **state)
{
    struct bench *bench = *state;
    struct machine machine;

    make_loop(bench, 0, 0);
    make_machine(bench, &machine, "1\n", "");
    assert_int_equal(try_open_on(bench, &machine, true), OPEN_GONE);
    assert_null(bench->medium);
    assert_string_equal(bench->identity.note, "another drive took its place");
}

static void device_is_gone_when_another_has_its_name(void **state)
{
    struct bench *bench = *state;
    struct machine machine;
    char path[PATH_MAX];

    make_loop(bench, 0, 0);
    make_machine(bench, &machine, NULL, "");
    assert_int_equal(try_open_on(bench, &machine, true), OPEN_OK);
    assert_true(bench->medium->ops->present(bench->medium));
    (void)snprintf(path, sizeof(path), "%s/class/block/loopX", machine.sysfs);
    put_text(path, "diskseq", "1\n");
    assert_false(bench->medium->ops->present(bench->medium));
    close_medium(bench);
}

static void partition_is_refused(void **state)
{
    struct bench *bench = *state;
    struct machine machine;
    char path[PATH_MAX];

    make_loop(bench, 0, 0);
    make_machine(bench, &machine, NULL, "");
    (void)snprintf(path, sizeof(path), "%s/class/block/loopX", machine.sysfs);
    put_text(path, "partition", "1\n");
    assert_int_equal(try_open_on(bench, &machine, true), OPEN_UNSUITABLE);
    /* The directory above it, as in sysfs. */
    assert_string_equal(bench->identity.note, "is a partition; give the whole disk /dev/block");
}

static void machine_without_a_mount_table_is_refused(void **state)
{
    struct bench *bench = *state;
    struct machine machine;

    make_loop(bench, 0, 0);
    make_machine(bench, &machine, NULL, "");
    machine.host.mountinfo = "/nonexistent/mountinfo";
    assert_int_equal(try_open_on(bench, &machine, true), OPEN_OUR_FAULT);
    assert_null(bench->medium);
    assert_non_null(strstr(bench->identity.note, "cannot find out whether it is mounted"));
}

static void machine_without_sysfs_is_no_fault_of_the_drive(void **state)
{
    struct bench *bench = *state;
    struct machine machine;

    make_loop(bench, 0, 0);
    make_machine(bench, &machine, NULL, "");
    machine.host.sysfs = "/nonexistent";
    assert_int_equal(try_open_on(bench, &machine, true), OPEN_OUR_FAULT);
    assert_null(bench->medium);
    assert_string_equal(bench->identity.note, "/nonexistent is not there");
}

static void file_under_a_loop_device_is_busy(void **state)
{
    struct bench *bench = *state;
    char note[64];

    make_loop(bench, 0, 0);
    (void)snprintf(note, sizeof(note), "is in use as %s", bench->loop);
    expect_refused(bench, bench->path, true, OPEN_BUSY, note);
    expect_refused(bench, bench->path, false, OPEN_BUSY, note);
    assert_int_equal(try_open(bench, bench->loop, true), OPEN_OK);
}

/* --- What was chosen -------------------------------------------------------------------------- */

static void expect_chosen(struct bench *bench, const char *path, const struct identify_host *host,
                          const struct medium_expected *expected, bool accepted)
{
    const struct medium_file_options options = {.host = host, .expected = expected};
    enum open_result result = medium_file_open_with(path, true, &options, &bench->medium,
                                                    &bench->facts, &bench->identity);

    if (accepted) {
        assert_int_equal(result, OPEN_OK);
        close_medium(bench);
        return;
    }
    assert_int_equal(result, OPEN_GONE);
    assert_null(bench->medium);
    assert_string_equal(bench->identity.note, "is not the drive that was chosen any more");
}

static void only_the_chosen_device_is_opened(void **state)
{
    struct bench *bench = *state;
    struct block_device device;

    make_loop(bench, 0, 0);
    dev_t number = makedev(7, bench->loop_number);
    assert_int_equal(identify_device(&identify_this_host, number, &device), 0);
    if (device.diskseq == 0)
        skip(); /* a kernel before 5.15 */
    struct medium_expected expected = {.block = true, .number = number, .diskseq = device.diskseq};
    expect_chosen(bench, bench->loop, NULL, &expected, true);
    expected.diskseq = 0;
    expect_chosen(bench, bench->loop, NULL, &expected, true);
    expected.diskseq = device.diskseq + 1;
    expect_chosen(bench, bench->loop, NULL, &expected, false);
    expected.diskseq = device.diskseq;
    expected.number = makedev(7, bench->loop_number + 1);
    expect_chosen(bench, bench->loop, NULL, &expected, false);
    expected.number = number;
    expected.block = false;
    expect_chosen(bench, bench->loop, NULL, &expected, false);
}

static void chosen_device_that_changes_while_it_is_opened_is_gone(void **state)
{
    struct bench *bench = *state;
    struct machine machine;

    make_loop(bench, 0, 0);
    make_machine(bench, &machine, "1\n", "");
    const struct medium_expected expected = {
        .block = true, .number = makedev(7, bench->loop_number), .diskseq = 1};
    expect_chosen(bench, bench->loop, &machine.host, &expected, false);
}

static void only_a_chosen_file_is_opened(void **state)
{
    struct bench *bench = *state;
    const struct medium_expected file = {.block = false};
    const struct medium_expected block = {.block = true, .number = makedev(7, 0)};

    expect_chosen(bench, bench->path, NULL, &file, true);
    expect_chosen(bench, bench->path, NULL, &block, false);
    expect_chosen(bench, bench->root, NULL, &file, false);
    expect_chosen(bench, "/dev/null", NULL, &block, false);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(regular_file_is_written_and_read_back),
        TEST(descriptor_matches_what_is_said_of_it),
        TEST(verify_cannot_write),
        TEST(link_to_a_file_is_followed),
        TEST(missing_file_is_gone_and_not_created),
        TEST(what_is_no_drive_is_refused),
        TEST(second_opening_finds_it_locked),
        TEST(file_without_permission_is_denied),
        TEST(end_of_the_medium_is_an_error),
        TEST(deleted_file_is_gone),
        TEST(empty_file_has_no_capacity),
        TEST(block_device_is_written_and_read_back),
        TEST(block_device_is_verified_without_writing),
        TEST(size_of_a_logical_block_is_told),
        TEST(device_that_another_opened_is_busy),
        TEST(device_that_another_locked_is_busy),
        TEST(write_protected_device_is_only_verified),
        TEST(device_without_a_medium_says_so),
        TEST(device_that_lost_its_medium_is_gone),
        TEST(device_that_shrank_fails),
        TEST(device_of_the_system_is_refused),
        TEST(mounted_stick_is_busy),
        TEST(device_with_another_number_is_not_touched),
        TEST(device_is_gone_when_another_has_its_name),
        TEST(partition_is_refused),
        TEST(machine_without_a_mount_table_is_refused),
        TEST(machine_without_sysfs_is_no_fault_of_the_drive),
        TEST(file_under_a_loop_device_is_busy),
        TEST(only_the_chosen_device_is_opened),
        TEST(chosen_device_that_changes_while_it_is_opened_is_gone),
        TEST(only_a_chosen_file_is_opened),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("medium_file", tests, NULL, NULL);
}
