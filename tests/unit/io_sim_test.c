// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/io_sim.h"
#include "lib/base/check.h"
#include "lib/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* What each line of a simulated drive's description does. Blocks are 64 KiB; block number n is
 * filled with the byte n + 1. */

enum { BLOCK_BYTES = 64 * 1024, BLOCKS = 16, SIZE_BYTES = BLOCK_BYTES * BLOCKS };

struct bench {
    char path[64];
    char description[80];
    struct medium *medium;
    struct drive_facts facts;
    struct medium_identity identity;
    unsigned char data[BLOCK_BYTES];
};

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    (void)strcpy(bench->path, "/tmp/sim-test-XXXXXX");
    int fd = mkstemp(bench->path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SIZE_BYTES), 0);
    (void)close(fd);
    (void)snprintf(bench->description, sizeof(bench->description), "%s.sim", bench->path);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    if (bench->medium != NULL)
        bench->medium->ops->close(bench->medium);
    (void)unlink(bench->path);
    (void)unlink(bench->description);
    free(bench);
    return 0;
}

static void describe(const struct bench *bench, const char *text)
{
    FILE *file = fopen(bench->description, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static enum open_result try_open(struct bench *bench, const char *text, bool for_writing)
{
    describe(bench, text);
    return medium_sim_open(bench->path, for_writing, &bench->medium, &bench->facts,
                           &bench->identity);
}

static void open_sim(struct bench *bench, const char *text)
{
    enum open_result result = try_open(bench, text, true);

    if (result != OPEN_OK)
        print_error("%s\n", bench->identity.note);
    assert_int_equal(result, OPEN_OK);
}

static int write_block(struct bench *bench, unsigned number)
{
    memset(bench->data, (int)number + 1, BLOCK_BYTES);
    int error = bench->medium->ops->write(bench->medium, bench->data, BLOCK_BYTES,
                                          (uint64_t)number * BLOCK_BYTES);
    /* The data is shared among drives and must stay as it is. */
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        assert_int_equal(bench->data[i], number + 1);
    return error;
}

static int read_block(struct bench *bench, unsigned number)
{
    memset(bench->data, 0xee, BLOCK_BYTES);
    return bench->medium->ops->read(bench->medium, bench->data, BLOCK_BYTES,
                                    (uint64_t)number * BLOCK_BYTES);
}

static void write_blocks(struct bench *bench, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++)
        assert_int_equal(write_block(bench, i), 0);
}

/* Reads the block and expects every byte to be `value`, but the one at `odd`, if it is in the
 * block, to be `value` with its lowest bit wrong. */
static void expect_block(struct bench *bench, unsigned number, unsigned value, size_t odd)
{
    assert_int_equal(read_block(bench, number), 0);
    for (size_t i = 0; i < BLOCK_BYTES; i++)
        assert_int_equal(bench->data[i], i == odd ? value ^ 1 : value);
}

enum { NONE_ODD = BLOCK_BYTES };

/* --- A drive without faults ------------------------------------------------------------------- */

static void faultless_drive_keeps_what_is_written(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "# nothing\n; at all\n");
    assert_int_equal(bench->facts.capacity_bytes, SIZE_BYTES);
    assert_int_equal(bench->facts.logical_block_bytes, 512);
    assert_int_equal(bench->medium->fd, -1);
    assert_true(bench->identity.direct);
    assert_string_equal(bench->identity.model, "simulated");
    write_blocks(bench, 0, BLOCKS);
    assert_int_equal(bench->medium->ops->flush(bench->medium), 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        expect_block(bench, i, i + 1, NONE_ODD);
    assert_int_equal(read_block(bench, BLOCKS), -EIO);
    assert_int_equal(write_block(bench, BLOCKS), -EIO);
    assert_true(bench->medium->ops->present(bench->medium));
}

static void verify_cannot_write(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(try_open(bench, "", false), OPEN_OK);
    assert_int_equal(write_block(bench, 0), -EBADF);
    expect_block(bench, 0, 0, NONE_ODD);
}

static void names_are_the_described_ones(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "model = Cruzer Blade\nserial = 42\x1b\n");
    assert_string_equal(bench->identity.model, "Cruzer Blade");
    assert_string_equal(bench->identity.serial, "42?");
}

/* --- Capacity --------------------------------------------------------------------------------- */

static void capacity_can_be_smaller_than_the_file(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "capacity = 128K\n");
    assert_int_equal(bench->facts.capacity_bytes, 2 * BLOCK_BYTES);
    write_blocks(bench, 0, 2);
    assert_int_equal(write_block(bench, 2), -EIO);
}

static void counterfeit_wraps_around(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "capacity = 1G\nreal_capacity = 256K\n");
    assert_int_equal(bench->facts.capacity_bytes, GIB);
    write_blocks(bench, 0, 6);
    expect_block(bench, 0, 5, NONE_ODD);
    expect_block(bench, 1, 6, NONE_ODD);
    expect_block(bench, 2, 3, NONE_ODD);
    expect_block(bench, 5, 6, NONE_ODD);
}

static void request_across_the_real_end_is_split(void **state)
{
    struct bench *bench = *state;

    /* Block 1 is half at the end and half at the begin. */
    open_sim(bench, "capacity = 1M\nreal_capacity = 96K\n");
    write_blocks(bench, 0, 2);
    assert_int_equal(read_block(bench, 0), 0);
    assert_int_equal(bench->data[0], 2);
    assert_int_equal(bench->data[32 * 1024 - 1], 2);
    assert_int_equal(bench->data[32 * 1024], 1);
    expect_block(bench, 1, 2, NONE_ODD);
}

static void file_smaller_than_the_capacity_wraps(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "capacity = 2M\n");
    assert_int_equal(write_block(bench, BLOCKS + 3), 0);
    expect_block(bench, 3, BLOCKS + 4, NONE_ODD);
}

static void impossible_capacity_is_refused(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(try_open(bench, "real_capacity = 1G\n", true), OPEN_UNSUITABLE);
    assert_null(bench->medium);
    assert_int_equal(try_open(bench, "real_capacity = 0\n", true), OPEN_UNSUITABLE);
    assert_non_null(strstr(bench->identity.note, "real_capacity"));
    assert_int_equal(truncate(bench->path, 0), 0);
    assert_int_equal(try_open(bench, "", true), OPEN_OK);
    assert_int_equal(bench->facts.capacity_bytes, 0);
}

/* --- Errors and lies -------------------------------------------------------------------------- */

static void ranges_fail(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "write_error_at = 64K-128K, 655359-655360\nread_error_at = 128K-131073\n");
    assert_int_equal(write_block(bench, 0), 0);
    assert_int_equal(write_block(bench, 1), -EIO);
    assert_int_equal(write_block(bench, 2), 0);
    assert_int_equal(write_block(bench, 9), -EIO); /* in its last byte */
    assert_int_equal(write_block(bench, 10), 0);
    expect_block(bench, 1, 0, NONE_ODD);
    assert_int_equal(read_block(bench, 2), -EIO);
    assert_true(bench->medium->ops->present(bench->medium));
}

static void dying_drive_fails_every_write(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "write_error_after = 128K\n");
    write_blocks(bench, 0, 2);
    assert_int_equal(write_block(bench, 2), -EIO);
    assert_int_equal(write_block(bench, 0), -EIO);
    expect_block(bench, 0, 1, NONE_ODD);
}

static void stored_flip_is_always_there(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "flip_write_at = 65546\n");
    for (unsigned round = 0; round < 2; round++) {
        write_blocks(bench, 0, 3);
        expect_block(bench, 0, 1, NONE_ODD);
        expect_block(bench, 1, 2, 10);
        expect_block(bench, 2, 3, NONE_ODD);
    }
}

static void read_flips_come_always_or_once(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "flip_read_at = 65535\nflip_read_once_at = 65536\n");
    write_blocks(bench, 0, 2);
    expect_block(bench, 0, 1, 65535);
    expect_block(bench, 0, 1, 65535);
    expect_block(bench, 1, 2, 0);
    expect_block(bench, 1, 2, NONE_ODD);
}

static void writes_beyond_an_offset_are_dropped(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "drop_writes_from = 96K\n");
    write_blocks(bench, 0, 3);
    expect_block(bench, 0, 1, NONE_ODD);
    assert_int_equal(read_block(bench, 1), 0);
    assert_int_equal(bench->data[32 * 1024 - 1], 2);
    assert_int_equal(bench->data[32 * 1024], 0);
    expect_block(bench, 2, 0, NONE_ODD);
}

static void writes_after_an_amount_are_dropped(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "drop_writes_after = 96K\n");
    write_blocks(bench, 4, 3);
    expect_block(bench, 4, 5, NONE_ODD);
    assert_int_equal(read_block(bench, 5), 0);
    assert_int_equal(bench->data[32 * 1024 - 1], 6);
    assert_int_equal(bench->data[32 * 1024], 0);
    expect_block(bench, 6, 0, NONE_ODD);
}

/* --- Going away ------------------------------------------------------------------------------- */

static void yanked_drive_stays_away(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "yank_after = 192K\n");
    write_blocks(bench, 0, 2);
    expect_block(bench, 0, 1, NONE_ODD);
    assert_true(bench->medium->ops->present(bench->medium));
    assert_int_equal(write_block(bench, 2), -ENODEV);
    assert_int_equal(read_block(bench, 0), -ENODEV);
    assert_int_equal(bench->medium->ops->flush(bench->medium), -ENODEV);
    assert_false(bench->medium->ops->present(bench->medium));
}

static void hang_with_an_end_happens_once(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "hang_after = 128K\nhang_ms = 200\n");
    write_blocks(bench, 0, BLOCKS);
    (void)alarm(60); /* 400 hangs would take longer */
    for (unsigned i = 0; i < 400; i++)
        assert_int_equal(bench->medium->ops->read(bench->medium, bench->data, 512, 0), 0);
    (void)alarm(0);
    for (unsigned i = 0; i < BLOCKS; i++)
        expect_block(bench, i, i + 1, NONE_ODD);
}

static void hang_at_open_or_flush_ends_well(void **state)
{
    struct bench *bench = *state;

    open_sim(bench, "hang_at_open = yes\nhang_at_flush = yes\nhang_ms = 1\n");
    write_blocks(bench, 0, 1);
    assert_int_equal(bench->medium->ops->flush(bench->medium), 0);
    expect_block(bench, 0, 1, NONE_ODD);
}

/* In the child of the next test: the number of calls that returned. */
static int returned;

static void *hang_for_ever(void *argument)
{
    struct bench *bench = argument;

    (void)write_block(bench, 0);
    __atomic_store_n(&returned, 1, __ATOMIC_SEQ_CST);
    (void)write_block(bench, 1);
    __atomic_store_n(&returned, 2, __ATOMIC_SEQ_CST);
    return NULL;
}

/* Whether a thread waits for something, as one that hangs does. */
static bool thread_sleeps(pid_t thread)
{
    char path[64];
    char text[256] = "";

    (void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)thread);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    bool sleeps = fgets(text, sizeof(text), file) != NULL && strstr(text, ") S ") != NULL;
    (void)fclose(file);
    return sleeps;
}

static void *tell_and_hang(void *argument)
{
    void **arguments = argument;

    __atomic_store_n((pid_t *)arguments[1], gettid(), __ATOMIC_SEQ_CST);
    return hang_for_ever(arguments[0]);
}

static _Noreturn void run_hanging_process(struct bench *bench)
{
    pthread_t thread;
    pid_t number = 0;
    void *arguments[2] = {bench, &number};

    (void)alarm(60);
    if (pthread_create(&thread, NULL, tell_and_hang, arguments) != 0)
        _exit(3);
    (void)pthread_detach(thread);
    while (__atomic_load_n(&returned, __ATOMIC_SEQ_CST) == 0 ||
           !thread_sleeps(__atomic_load_n(&number, __ATOMIC_SEQ_CST))) {
        if (__atomic_load_n(&returned, __ATOMIC_SEQ_CST) == 2)
            _exit(4);
        (void)sched_yield();
    }
    _exit(__atomic_load_n(&returned, __ATOMIC_SEQ_CST) == 1 ? 0 : 5);
}

static void hang_for_ever_does_not_keep_the_process(void **state)
{
    struct bench *bench = *state;
    int status = 0;

    open_sim(bench, "hang_after = 64K\n");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        run_hanging_process(bench);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static void opening_ends_as_described(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(try_open(bench, "busy = yes\n", true), OPEN_BUSY);
    assert_int_equal(try_open(bench, "no_medium = yes\n", true), OPEN_NO_MEDIUM);
    assert_int_equal(try_open(bench, "open_error = yes\n", true), OPEN_ERROR);
    assert_int_equal(try_open(bench, "read_only = yes\n", true), OPEN_READ_ONLY);
    assert_null(bench->medium);
    assert_true(bench->identity.note[0] != '\0');
    assert_int_equal(try_open(bench, "read_only = yes\nbusy = no\n", false), OPEN_OK);
    assert_true(bench->facts.read_only);
}

static void second_opening_finds_it_locked(void **state)
{
    struct bench *bench = *state;
    struct medium *second;

    open_sim(bench, "");
    assert_int_equal(medium_sim_open(bench->path, true, &second, &bench->facts, &bench->identity),
                     OPEN_BUSY);
    assert_null(second);
}

static void block_device_is_never_simulated(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(unlink(bench->path), 0);
    /* A number that no device has: it must not even be opened. */
    if (mknod(bench->path, S_IFBLK | 0600, makedev(4095, 1048575)) != 0)
        skip(); /* not root */
    assert_int_equal(try_open(bench, "capacity = 1M\n", true), OPEN_UNSUITABLE);
    assert_string_equal(bench->identity.note, "is a block device, not a regular file");
}

/* --- The description -------------------------------------------------------------------------- */

static void expect_wrong(struct bench *bench, const char *text, const char *expected)
{
    char note[MEDIUM_NOTE_BYTES];

    assert_int_equal(try_open(bench, text, true), OPEN_UNSUITABLE);
    assert_null(bench->medium);
    assert_int_equal(bench->facts.capacity_bytes, 0);
    (void)snprintf(note, sizeof(note), "%s:%s", strrchr(bench->description, '/') + 1, expected);
    assert_string_equal(bench->identity.note, note);
}

static void wrong_description_names_its_line(void **state)
{
    struct bench *bench = *state;

    expect_wrong(bench, "busy = no\nread_rate = fast\n",
                 "2: read_rate = fast: give a size above 0 such as 20M");
    expect_wrong(bench, "read_rate = 0\n", "1: read_rate = 0: give a size above 0 such as 20M");
    expect_wrong(bench, "capacity = -1\n",
                 "1: capacity = -1: give a size such as 4096, 64M or 1GiB");
    expect_wrong(bench, "\nlatency_ms = 5s\n",
                 "2: latency_ms = 5s: give a whole number of milliseconds up to 86400000");
    expect_wrong(bench, "busy = maybe\n", "1: busy = maybe: give yes or no");
    expect_wrong(bench, "read_error_at = 2M-1M\n",
                 "1: read_error_at = 2M-1M: give up to 16 ranges such as 64M-65M, separated by "
                 "commas");
    expect_wrong(bench, "capacity = 1M\n\ncapacity = 1M\n", "3: capacity is given twice");
    expect_wrong(bench, "[drive]\ncapacity = 1M\n", "2: [drive]: no sections are allowed");
    expect_wrong(bench, "nonsense\n", "1: not a line of the form key = value");
}

static void unknown_key_lists_the_known_ones(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(try_open(bench, "speed = 5\nbusy = maybe\n", true), OPEN_UNSUITABLE);
    assert_non_null(strstr(bench->identity.note, ":1: unknown key speed; there are capacity "));
    assert_non_null(strstr(bench->identity.note, " open_error")); /* the last one */
}

static void long_line_is_refused(void **state)
{
    struct bench *bench = *state;
    char text[512] = "busy = no\nserial = ";

    size_t used = strlen(text);
    memset(text + used, 'x', 300);
    text[used + 300] = '\0';
    expect_wrong(bench, text, "2: the line is longer than 198 bytes");
}

static void missing_or_strange_description_is_refused(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(
        medium_sim_open(bench->path, true, &bench->medium, &bench->facts, &bench->identity),
        OPEN_UNSUITABLE);
    assert_non_null(strstr(bench->identity.note, strerror(ENOENT)));
    describe(bench, "busy = no\n");
    assert_int_equal(truncate(bench->description, 100), 0); /* zeros */
    assert_int_equal(
        medium_sim_open(bench->path, true, &bench->medium, &bench->facts, &bench->identity),
        OPEN_UNSUITABLE);
    assert_int_equal(truncate(bench->description, SIM_FILE_BYTES_MAX + 1), 0);
    assert_int_equal(
        medium_sim_open(bench->path, true, &bench->medium, &bench->facts, &bench->identity),
        OPEN_UNSUITABLE);
    assert_non_null(strstr(bench->identity.note, strerror(EFBIG)));
}

/* In a child process that can open nothing more. */
static void open_without_descriptors(struct bench *bench)
{
    struct rlimit limit;
    int next = dup(STDIN_FILENO);

    check(next >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
    (void)close(next);
    limit.rlim_cur = (rlim_t)next;
    check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    check(medium_sim_open(bench->path, true, &bench->medium, &bench->facts, &bench->identity) ==
          OPEN_OUR_FAULT);
    check(strstr(bench->identity.note, strerror(EMFILE)) != NULL);
}

static void shortage_of_descriptors_is_no_fault_of_the_drive(void **state)
{
    struct bench *bench = *state;
    int status = 0;

    describe(bench, "busy = no\n");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        open_without_descriptors(bench);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* The file is the drive's inside, whoever looks at it. */
static void mapped_file_is_simulated(void **state)
{
    struct bench *bench = *state;

    int fd = open(bench->path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    unsigned char *mapping = mmap(NULL, SIZE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(mapping != MAP_FAILED);
    assert_int_equal(mapping[0], 0);
    open_sim(bench, "");
    assert_int_equal(bench->medium->direct_block_bytes, 0);
    write_blocks(bench, 0, 1);
    assert_int_equal(bench->medium->ops->flush(bench->medium), 0);
    expect_block(bench, 0, 1, NONE_ODD);
    assert_int_equal(munmap(mapping, SIZE_BYTES), 0);
    (void)close(fd);
}

/* --- Pace ------------------------------------------------------------------------------------- */

static struct sim_config config_of(const char *text)
{
    struct sim_config config;
    struct medium_identity identity;

    assert_int_equal(sim_config_parse(&config, text, "test", &identity), 0);
    return config;
}

static void rate_is_exact_although_threads_wake_late(void **state)
{
    struct sim_config config = config_of("write_rate = 20MB\n");
    struct sim_pace pace = {.until_pause_bytes = SIM_NEVER};
    uint64_t begin_ns = 5 * NS_PER_S;
    uint64_t now_ns = begin_ns;
    uint64_t end_ns = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        end_ns = sim_pace_request(&pace, &config, now_ns, 1000000, config.write_bytes_per_s);
        now_ns = end_ns + i % 20 * NS_PER_MS; /* when its thread gets to the next */
    }
    assert_int_equal(end_ns - begin_ns, 50 * NS_PER_S);
}

static void idle_drive_does_not_save_time(void **state)
{
    struct sim_config config = config_of("read_rate = 1000\n");
    struct sim_pace pace = {.until_pause_bytes = SIM_NEVER};

    (void)state;
    assert_int_equal(sim_pace_request(&pace, &config, NS_PER_S, 1000, config.read_bytes_per_s),
                     2 * NS_PER_S);
    assert_int_equal(sim_pace_request(&pace, &config, 60 * NS_PER_S, 500, config.read_bytes_per_s),
                     60 * NS_PER_S + NS_PER_S / 2);
}

static void latency_and_pauses_are_added(void **state)
{
    struct sim_config config = config_of("latency_ms = 2\npause_every = 1000\npause_ms = 100\n");
    struct sim_pace pace = {.until_pause_bytes = config.pause_every_bytes};
    uint64_t now_ns = NS_PER_S;

    (void)state;
    now_ns = sim_pace_request(&pace, &config, now_ns, 900, SIM_NEVER);
    assert_int_equal(now_ns, NS_PER_S + 2 * NS_PER_MS);
    now_ns = sim_pace_request(&pace, &config, now_ns, 100, SIM_NEVER);
    assert_int_equal(now_ns, NS_PER_S + 104 * NS_PER_MS);
    now_ns = sim_pace_request(&pace, &config, now_ns, 2500, SIM_NEVER);
    assert_int_equal(now_ns, NS_PER_S + 306 * NS_PER_MS);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(faultless_drive_keeps_what_is_written),
        TEST(verify_cannot_write),
        TEST(names_are_the_described_ones),
        TEST(capacity_can_be_smaller_than_the_file),
        TEST(counterfeit_wraps_around),
        TEST(request_across_the_real_end_is_split),
        TEST(file_smaller_than_the_capacity_wraps),
        TEST(impossible_capacity_is_refused),
        TEST(ranges_fail),
        TEST(dying_drive_fails_every_write),
        TEST(stored_flip_is_always_there),
        TEST(read_flips_come_always_or_once),
        TEST(writes_beyond_an_offset_are_dropped),
        TEST(writes_after_an_amount_are_dropped),
        TEST(yanked_drive_stays_away),
        TEST(hang_with_an_end_happens_once),
        TEST(hang_at_open_or_flush_ends_well),
        TEST(hang_for_ever_does_not_keep_the_process),
        TEST(opening_ends_as_described),
        TEST(second_opening_finds_it_locked),
        TEST(block_device_is_never_simulated),
        TEST(wrong_description_names_its_line),
        TEST(unknown_key_lists_the_known_ones),
        TEST(long_line_is_refused),
        TEST(missing_or_strange_description_is_refused),
        TEST(shortage_of_descriptors_is_no_fault_of_the_drive),
        TEST(mapped_file_is_simulated),
        cmocka_unit_test(rate_is_exact_although_threads_wake_late),
        cmocka_unit_test(idle_drive_does_not_save_time),
        cmocka_unit_test(latency_and_pauses_are_added),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("io_sim", tests, NULL, NULL);
}
