// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/tmp/targets_test-XXXXXX";
static char reason[TARGETS_REASON_BYTES];

static void make_file(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, name, 1), 1);
    assert_int_equal(close(fd), 0);
}

static int enter_directory(void **state)
{
    (void)state;
    if (mkdtemp(directory) == NULL || chdir(directory) != 0)
        return -1;
    make_file("a");
    make_file("b");
    return link("a", "hard") == 0 && symlink("a", "soft") == 0 && symlink("soft", "softer") == 0 &&
                   symlink("nowhere", "dangling") == 0 && mkfifo("pipe", 0600) == 0 &&
                   mkdir("sub", 0700) == 0
               ? 0
               : -1;
}

static int leave_directory(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "hard", "soft", "softer", "dangling", "pipe"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)unlink(names[i]);
    (void)rmdir("sub");
    return chdir("/") == 0 && rmdir(directory) == 0 ? 0 : -1;
}

/* Checks targets given as a NULL-ended list; true if they are taken. */
static bool taken(const char *first, ...)
{
    char *texts[8] = {(char *)first};
    uint32_t count = 1;
    struct target_list list;
    va_list arguments;

    va_start(arguments, first);
    while ((texts[count] = va_arg(arguments, char *)) != NULL)
        count++;
    va_end(arguments);
    reason[0] = '\0';
    if (targets_open(&list, texts, count, false, reason) != 0)
        return false;
    assert_int_equal(list.count, count);
    targets_free(&list);
    return true;
}

static void assert_reason(const char *part)
{
    if (strstr(reason, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", reason, part);
}

static void test_files_are_targets(void **state)
{
    (void)state;
    char a[] = "a";
    char b[] = "b";
    char *texts[] = {a, b};
    struct target_list list;

    assert_int_equal(targets_open(&list, texts, 2, true, reason), 0);
    assert_string_equal(list.items[1].text, "b");
    assert_int_equal(list.items[1].path[0], '/');
    assert_int_equal(access(list.items[1].path, F_OK), 0);
    assert_int_equal(targets_device_count(&list), 0);
    targets_free(&list);
}

static void test_what_is_no_drive_is_refused_with_its_kind(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        const char *says;
    } cases[] = {
        {"sub", "directory"},  {"/", "directory"},         {"/dev/null", "character device"},
        {"pipe", "pipe"},      {"missing", "not there"},   {"dangling", "not there"},
        {"", "not there"},     {"a/b", "Not a directory"}, {"a\nb", "control characters"},
        {"\xff", "not UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_false(taken("b", cases[i].target, NULL));
        assert_reason(cases[i].says);
    }
}

static void test_one_file_twice_is_refused_naming_both(void **state)
{
    (void)state;
    assert_false(taken("a", "b", "a", NULL));
    assert_reason("a: is given twice");
    assert_false(taken("a", "b", "./a", NULL));
    assert_reason("a and ./a are the same file");
    assert_false(taken("hard", "b", "a", NULL));
    assert_reason("hard and a are the same file");
    assert_false(taken("softer", "a", NULL));
    assert_reason("softer and a are the same file");
    assert_true(taken("softer", "b", NULL));
}

static void test_the_image_is_no_target(void **state)
{
    (void)state;
    char soft[] = "soft";
    char *texts[] = {soft};
    struct target_list list;

    assert_int_equal(targets_open(&list, texts, 1, false, reason), 0);
    assert_int_equal(targets_exclude(&list, "the IMAGE", "b", reason), 0);
    assert_int_equal(targets_exclude(&list, "the IMAGE", "missing", reason), 0);
    assert_int_equal(targets_exclude(&list, "the IMAGE", "hard", reason), -1);
    assert_reason("soft: is the IMAGE");
    targets_free(&list);
}

static void test_paths_are_made_absolute(void **state)
{
    (void)state;
    char path[PATH_MAX];
    char expected[PATH_MAX];
    char longest[PATH_MAX];

    (void)snprintf(expected, sizeof(expected), "%s/a", directory);
    assert_int_equal(path_absolute(path, "a"), 0);
    assert_string_equal(path, expected);
    assert_int_equal(path_absolute(path, "/x/../y"), 0);
    assert_string_equal(path, "/x/../y");
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(path_absolute(path, longest), -ENAMETOOLONG);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_targets),
        cmocka_unit_test(test_what_is_no_drive_is_refused_with_its_kind),
        cmocka_unit_test(test_one_file_twice_is_refused_naming_both),
        cmocka_unit_test(test_the_image_is_no_target),
        cmocka_unit_test(test_paths_are_made_absolute),
    };
    return cmocka_run_group_tests_name("targets", tests, enter_directory, leave_directory);
}
