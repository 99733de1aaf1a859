// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/identify.h"
#include "daemon/medium.h"
#include "lib/base/check.h"
#include "lib/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Opening a regular file on a machine that lacks something, or whose cache holds on to the file.
 * The machine's part is played by seccomp: in a child process, system calls answer with errors. */

#if !defined(SYS_cachestat) && !defined(__alpha__)
#define SYS_cachestat 451
#endif

enum { SIZE_BYTES = 4 * 1024 * 1024, BLOCK_BYTES = 64 * 1024, CHILD_SKIPS = 77 };

struct bench {
    char path[64];
    struct medium *medium;
    struct drive_facts facts;
    struct medium_identity identity;
    unsigned char *data; /* BLOCK_BYTES, aligned for direct I/O */
};

static void make_file(struct bench *bench, const char *template)
{
    (void)strcpy(bench->path, template);
    int fd = mkstemp(bench->path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, SIZE_BYTES), 0);
    (void)close(fd);
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    make_file(bench, "/var/tmp/medium-trouble-XXXXXX");
    assert_int_equal(posix_memalign((void **)&bench->data, 4096, BLOCK_BYTES), 0);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;

    if (bench->medium != NULL)
        bench->medium->ops->close(bench->medium);
    (void)unlink(bench->path);
    free(bench->data);
    free(bench);
    return 0;
}

static enum open_result try_open(struct bench *bench, bool for_writing)
{
    return medium_file_open(bench->path, for_writing, &bench->medium, &bench->facts,
                            &bench->identity);
}

/* Lets a system call answer with an error from now on, in this process. */
static void fail_call(long number, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = array_count(code), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(CHILD_SKIPS);
}

/* A file system that says nothing of direct I/O. */
static void forbid_direct(void)
{
    fail_call(SYS_statx, ENOSYS);
}

/* Runs it in a child process, where check() takes the place of the test's assertions. */
static void in_child(struct bench *bench, void (*run)(struct bench *bench))
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        run(bench);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPS)
        skip();
    assert_int_equal(status, 0);
}

static void skip_in_memory(const struct bench *bench)
{
    struct statfs system;

    assert_int_equal(statfs(bench->path, &system), 0);
    if (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC)
        skip();
}

/* Where the file's pages are those of a file below, cachestat does not see them. */
static void skip_without_own_pages(const struct bench *bench)
{
    struct statfs system;

    skip_in_memory(bench);
    assert_int_equal(statfs(bench->path, &system), 0);
    if (system.f_type == OVERLAYFS_SUPER_MAGIC)
        skip();
}

/* --- The cache -------------------------------------------------------------------------------- */

/* Maps the file and has a byte of it in memory, as another program might. */
static unsigned char *map_file(const struct bench *bench)
{
    int fd = open(bench->path, O_RDWR | O_CLOEXEC);
    check(fd >= 0);
    unsigned char *mapping = mmap(NULL, SIZE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    check(mapping != MAP_FAILED);
    (void)close(fd);
    check(mapping[SIZE_BYTES - 1] == 0);
    return mapping;
}

static void check_mapped_file(struct bench *bench)
{
    forbid_direct();
    unsigned char *mapping = map_file(bench);
    for (unsigned for_writing = 0; for_writing < 2; for_writing++) {
        check(try_open(bench, for_writing != 0) == OPEN_BUSY);
        check(bench->medium == NULL && !bench->identity.direct);
        check(strcmp(bench->identity.note, "another program has it mapped, so it cannot be read "
                                           "back past the cache") == 0);
    }
    check(munmap(mapping, SIZE_BYTES) == 0);

    check(try_open(bench, true) == OPEN_OK);
    check(bench->medium->direct_block_bytes == 0 && !bench->identity.direct);
    check(strstr(bench->identity.note, "no direct I/O") != NULL);
    memset(bench->data, 0x5a, BLOCK_BYTES);
    check(bench->medium->ops->write(bench->medium, bench->data, BLOCK_BYTES, 0) == 0);
    check(bench->medium->ops->flush(bench->medium) == 0);
    mapping = map_file(bench);
    check(bench->medium->ops->flush(bench->medium) == -EBUSY);
    check(bench->medium->ops->present(bench->medium));
    check(munmap(mapping, SIZE_BYTES) == 0);
    check(bench->medium->ops->flush(bench->medium) == 0);
    check(bench->medium->ops->read(bench->medium, bench->data, 1, BLOCK_BYTES - 1) == 0);
    check(bench->data[0] == 0x5a);
}

static void check_mapped_file_on_an_old_kernel(struct bench *bench)
{
    fail_call(SYS_cachestat, ENOSYS);
    check_mapped_file(bench);
}

static void mapped_file_is_not_read_from_the_cache(void **state)
{
    skip_in_memory(*state);
    in_child(*state, check_mapped_file);
    in_child(*state, check_mapped_file_on_an_old_kernel);
}

static void check_hidden_cache(struct bench *bench)
{
    forbid_direct();
    fail_call(SYS_cachestat, EPERM);
    check(try_open(bench, false) == OPEN_DENIED);
    check(strstr(bench->identity.note, "cached") != NULL);
}

static void cache_that_cannot_be_seen_is_not_trusted(void **state)
{
    skip_without_own_pages(*state);
    in_child(*state, check_hidden_cache);
}

static void check_durable_writes(struct bench *bench)
{
    const uint64_t all[2] = {0, 0};
    uint64_t counts[5] = {0}; /* cached, dirty, in writeback, ... */

    forbid_direct();
    check(try_open(bench, true) == OPEN_OK);
    check(bench->medium->ops->write(bench->medium, bench->data, BLOCK_BYTES, 0) == 0);
    if (syscall(SYS_cachestat, bench->medium->fd, all, counts, 0) != 0)
        _exit(CHILD_SKIPS);
    check(counts[0] > 0 && counts[1] == 0 && counts[2] == 0);
}

static void buffered_writes_are_durable_at_once(void **state)
{
    skip_without_own_pages(*state);
    in_child(*state, check_durable_writes);
}

static void file_of_odd_size_is_read_directly(void **state)
{
    struct bench *bench = *state;

    assert_int_equal(try_open(bench, false), OPEN_OK);
    if (!bench->identity.direct)
        skip();
    bench->medium->ops->close(bench->medium);
    bench->medium = NULL;
    assert_int_equal(truncate(bench->path, SIZE_BYTES - 1), 0);
    assert_int_equal(try_open(bench, true), OPEN_OK);
    assert_true(bench->identity.direct);
    assert_int_equal(bench->medium->direct_block_bytes, 512);
    assert_int_equal(bench->facts.capacity_bytes, SIZE_BYTES - 1);
    uint64_t last_bytes = SIZE_BYTES - 1024;
    memset(bench->data, 0x5a, 512);
    assert_int_equal(bench->medium->ops->write(bench->medium, bench->data, 512, last_bytes), 0);
    assert_int_equal(bench->medium->ops->flush(bench->medium), 0);
    memset(bench->data, 0, 512);
    assert_int_equal(bench->medium->ops->read(bench->medium, bench->data, 512, last_bytes), 0);
    assert_int_equal(bench->data[511], 0x5a);
    struct stat status;
    assert_int_equal(stat(bench->path, &status), 0);
    assert_int_equal(status.st_size, SIZE_BYTES - 1);
}

static void file_in_memory_says_so(void **state)
{
    struct bench *bench = *state;
    struct statfs system;
    unsigned char byte = 7;

    if (statfs("/dev/shm", &system) != 0 || system.f_type != TMPFS_MAGIC)
        skip();
    (void)unlink(bench->path);
    make_file(bench, "/dev/shm/medium-trouble-XXXXXX");
    unsigned char *mapping = map_file(bench);
    assert_int_equal(try_open(bench, true), OPEN_OK);
    assert_false(bench->identity.direct);
    assert_int_equal(bench->medium->direct_block_bytes, 0);
    assert_string_equal(bench->identity.note, "no direct I/O: the file itself is in memory");
    assert_int_equal(bench->medium->ops->write(bench->medium, &byte, 1, SIZE_BYTES - 2), 0);
    assert_int_equal(bench->medium->ops->flush(bench->medium), 0);
    byte = 0;
    assert_int_equal(bench->medium->ops->read(bench->medium, &byte, 1, SIZE_BYTES - 2), 0);
    assert_int_equal(byte, 7);
    assert_int_equal(munmap(mapping, SIZE_BYTES), 0);
}

/* --- What an error of the system means -------------------------------------------------------- */

static const struct opening_error {
    int error;
    enum open_result result;
} opening_errors[] = {
    {EIO, OPEN_ERROR},           {ETIMEDOUT, OPEN_ERROR},
    {EREMOTEIO, OPEN_ERROR},     {ENOLINK, OPEN_ERROR},
    {ENODATA, OPEN_ERROR},       {EILSEQ, OPEN_ERROR},
    {EMFILE, OPEN_OUR_FAULT},    {ENFILE, OPEN_OUR_FAULT},
    {ENOMEM, OPEN_OUR_FAULT},    {ENOLCK, OPEN_OUR_FAULT},
    {EUCLEAN, OPEN_OUR_FAULT},   {ESTALE, OPEN_OUR_FAULT},
    {ELOOP, OPEN_UNSUITABLE},    {ENAMETOOLONG, OPEN_UNSUITABLE},
    {EISDIR, OPEN_UNSUITABLE},   {EBUSY, OPEN_BUSY},
    {EROFS, OPEN_READ_ONLY},     {EACCES, OPEN_DENIED},
    {ENOMEDIUM, OPEN_NO_MEDIUM}, {ENXIO, OPEN_GONE},
};

static const struct opening_error *opening_error;

static void check_opening_error(struct bench *bench)
{
    fail_call(SYS_openat, opening_error->error);
    check(try_open(bench, true) == opening_error->result);
    check(bench->medium == NULL);
    check(strstr(bench->identity.note, strerror(opening_error->error)) != NULL);
}

static void only_a_drives_errors_blame_it(void **state)
{
    for (size_t i = 0; i < array_count(opening_errors); i++) {
        opening_error = &opening_errors[i];
        in_child(*state, check_opening_error);
    }
}

static int lock_error;

static void check_no_locks(struct bench *bench)
{
    fail_call(SYS_flock, lock_error);
    check(try_open(bench, false) == OPEN_OK);
}

static void file_on_a_server_without_locks_is_opened(void **state)
{
    static const int errors[] = {ENOLCK, EBADF, EOPNOTSUPP};

    for (size_t i = 0; i < array_count(errors); i++) {
        lock_error = errors[i];
        in_child(*state, check_no_locks);
    }
}

static int flush_error;

static void check_no_flush(struct bench *bench)
{
    forbid_direct();
    fail_call(SYS_fsync, flush_error);
    check(try_open(bench, true) != OPEN_OK);
    check(try_open(bench, false) == (flush_error == EIO ? OPEN_ERROR : OPEN_OK));
}

static void verify_needs_no_flush(void **state)
{
    static const int errors[] = {EINVAL, EROFS, EIO};

    skip_in_memory(*state);
    for (size_t i = 0; i < array_count(errors); i++) {
        flush_error = errors[i];
        in_child(*state, check_no_flush);
    }
}

/* Inside a chroot the mount table does not show what is mounted on its root. */
static bool mount_table_shows(dev_t device)
{
    char number[32];
    char line[4096];
    bool shown = false;
    FILE *table = fopen("/proc/self/mountinfo", "re");

    assert_non_null(table);
    (void)snprintf(number, sizeof(number), " %u:%u ", major(device), minor(device));
    while (!shown && fgets(line, sizeof(line), table) != NULL)
        shown = strstr(line, number) != NULL;
    (void)fclose(table);
    return shown;
}

static void disk_under_this_test_is_refused(void **state)
{
    struct bench *bench = *state;
    struct stat status;
    char path[128];
    char node[128];

    /* Verify only: should the check be broken, nothing is written. */
    assert_int_equal(stat("/", &status), 0);
    if (geteuid() != 0 || major(status.st_dev) == 0 || !mount_table_shows(status.st_dev))
        skip();
    (void)snprintf(path, sizeof(path), "/dev/block/%u:%u", major(status.st_dev),
                   minor(status.st_dev));
    (void)snprintf(node, sizeof(node), "%s.node", bench->path);
    if (access(path, F_OK) != 0) {
        (void)strcpy(path, node);
        if (mknod(node, S_IFBLK | 0400, status.st_dev) != 0)
            skip();
    }
    enum open_result result =
        medium_file_open(path, false, &bench->medium, &bench->facts, &bench->identity);
    (void)unlink(node);
    assert_int_equal(result, OPEN_SYSTEM_DISK);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(mapped_file_is_not_read_from_the_cache),
        TEST(cache_that_cannot_be_seen_is_not_trusted),
        TEST(buffered_writes_are_durable_at_once),
        TEST(file_of_odd_size_is_read_directly),
        TEST(file_in_memory_says_so),
        TEST(only_a_drives_errors_blame_it),
        TEST(file_on_a_server_without_locks_is_opened),
        TEST(verify_needs_no_flush),
        TEST(disk_under_this_test_is_refused),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("medium_trouble", tests, NULL, NULL);
}
