// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/units.h"
#include "lib/image/catalogue.h"
#include "tests/unit/image_files.h"

#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static char reason[IMAGE_REASON_BYTES];

static int add(const char *name, const char *path)
{
    struct manifest manifest;
    int error = catalogue_add("images", name, path, NULL, NULL, &manifest, reason);
    if (error == 0)
        manifest_free(&manifest);
    return error;
}

static void test_an_added_image_is_a_copy_with_a_manifest(void **state)
{
    enum { LENGTH_BYTES = IMAGE_CHUNK_BYTES + 77 };
    struct manifest manifest;
    struct manifest found;
    size_t length_bytes = 0;
    (void)state;

    unsigned char *data = files_make_image("source", LENGTH_BYTES);
    /* The directory and those above it are made. */
    assert_int_equal(catalogue_add("a/b/images", "films", "source", NULL, NULL, &manifest, reason),
                     0);
    char *copy = files_read("a/b/images/films.img", &length_bytes);
    assert_int_equal(length_bytes, LENGTH_BYTES);
    assert_memory_equal(copy, data, LENGTH_BYTES);
    assert_int_equal(files_count("a/b/images"), 2);
    assert_int_equal(catalogue_find("a/b/images", "films", &found, reason), 0);
    assert_string_equal(found.sha256, manifest.sha256);
    assert_string_equal(found.name, "films");
    manifest_free(&found);
    manifest_free(&manifest);
    free(copy);
    free(data);
}

static void test_a_taken_name_is_refused(void **state)
{
    size_t length_bytes = 0;
    (void)state;
    files_write("one", "1", 1);
    files_write("two", "22", 2);
    assert_int_equal(add("films", "one"), 0);
    assert_int_equal(add("films", "two"), -EEXIST);
    assert_contains(reason, "--name");
    free(files_read("images/films.img", &length_bytes));
    assert_int_equal(length_bytes, 1);
    assert_int_equal(files_count("images"), 2);
}

static int cancel_at_the_end(void *context, uint64_t done_bytes, uint64_t size_bytes)
{
    (void)context;
    return done_bytes == size_bytes;
}

static void test_a_failure_leaves_nothing(void **state)
{
    struct manifest manifest;
    (void)state;

    free(files_make_image("source", 3 * IMAGE_CHUNK_BYTES));
    files_write("empty", "", 0);
    assert_int_equal(
        catalogue_add("images", "films", "source", cancel_at_the_end, NULL, &manifest, reason),
        -ECANCELED);
    assert_int_equal(files_count("images"), 0);
    assert_int_equal(add("films", "missing"), -ENOENT);
    assert_int_equal(add("films", "empty"), -ENODATA);
    assert_int_equal(add("films", "images"), -EISDIR);
    assert_int_equal(add("-x", "source"), -EINVAL);
    assert_int_equal(add("..", "source"), -EINVAL);
    assert_int_equal(files_count("images"), 0);
    /* The manifest cannot take its place: the image does not stay without one. */
    assert_int_equal(mkdir("images/films.img.manifest", 0755), 0);
    assert_int_equal(add("films", "source"), -EISDIR);
    assert_int_equal(files_count("images"), 1);
}

static int grow_source(void *context, uint64_t done_bytes, uint64_t size_bytes)
{
    (void)context;
    return done_bytes == size_bytes ? truncate("source", 3 * IMAGE_CHUNK_BYTES) : 0;
}

static void test_a_source_that_changes_is_not_added(void **state)
{
    struct manifest manifest;
    (void)state;
    free(files_make_image("source", 2 * IMAGE_CHUNK_BYTES));
    assert_int_equal(
        catalogue_add("images", "films", "source", grow_source, NULL, &manifest, reason), -ESTALE);
    assert_int_equal(files_count("images"), 0);
}

static void test_what_a_crash_left_is_removed(void **state)
{
    (void)state;
    files_write("source", "abc", 3);
    assert_int_equal(mkdir("images", 0755), 0);
    files_write("images/.adding", "left over", 9);
    files_write("images/.adding.manifest", "{", 1);
    files_write("images/films.img.manifest", "{}", 2);
    assert_int_equal(add("films", "source"), 0);
    assert_int_equal(files_count("images"), 2);
}

static int die_at_the_end(void *context, uint64_t done_bytes, uint64_t size_bytes)
{
    (void)context;
    return done_bytes == size_bytes ? raise(SIGKILL) : 0;
}

static void test_a_kill_in_the_middle_leaves_no_entry(void **state)
{
    struct catalogue catalogue;
    struct manifest manifest;
    int status = 0;
    (void)state;

    files_write("source", "abc", 3);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(catalogue_add("images", "films", "source", die_at_the_end, NULL, &manifest, reason));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(files_count("images"), 1);
    assert_int_equal(catalogue_list(&catalogue, "images", reason), 0);
    assert_int_equal(catalogue.count, 0);
    assert_int_equal(add("other", "source"), 0);
    assert_int_equal(files_count("images"), 2);
}

static void test_one_image_is_added_at_a_time(void **state)
{
    (void)state;
    files_write("source", "abc", 3);
    assert_int_equal(mkdir("images", 0755), 0);
    int other = open("images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(other >= 0);
    assert_int_equal(flock(other, LOCK_EX), 0);
    assert_int_equal(add("films", "source"), -EBUSY);
    assert_contains(reason, "another image is being added");
    assert_int_equal(close(other), 0);
    assert_int_equal(add("films", "source"), 0);
}

static void test_a_list_shows_good_and_bad(void **state)
{
    static const struct {
        const char *name;
        int error;
        const char *says;
    } expected[] = {
        {"bare", -EBADMSG, "no manifest"},  {"cut", -EBADMSG, "its manifest says 5000"},
        {"edited", -EBADMSG, "was edited"}, {"good", 0, ""},
        {"zero", -ENODATA, "empty"},
    };
    struct catalogue catalogue;

    (void)state;
    free(files_make_image("source", 5000));
    assert_int_equal(add("zero", "source"), 0);
    assert_int_equal(add("good", "source"), 0);
    assert_int_equal(add("lost", "source"), 0);
    assert_int_equal(add("edited", "source"), 0);
    assert_int_equal(add("cut", "source"), 0);
    assert_int_equal(truncate("images/zero.img", 0), 0);
    assert_int_equal(truncate("images/cut.img", 4999), 0);
    assert_int_equal(unlink("images/lost.img"), 0);
    files_write("images/edited.img.manifest", "{}", 2);
    files_write("images/bare.img", "abc", 3);
    /* None of the catalogue's. */
    files_write("images/readme.txt", "abc", 3);
    files_write("images/.img", "abc", 3);
    files_write("images/.hidden.img", "abc", 3);
    files_write("images/a b.img", "abc", 3);

    assert_int_equal(catalogue_list(&catalogue, "images", reason), 0);
    assert_int_equal(catalogue.count, array_count(expected));
    for (size_t i = 0; i < catalogue.count; i++) {
        assert_string_equal(catalogue.entries[i].name, expected[i].name);
        assert_int_equal(catalogue.entries[i].error, expected[i].error);
        assert_contains(catalogue.entries[i].reason, expected[i].says);
    }
    assert_int_equal(catalogue.entries[3].manifest.size_bytes, 5000);
    catalogue_free(&catalogue);
    catalogue_free(&catalogue);
}

static void test_a_missing_directory_is_an_empty_catalogue(void **state)
{
    struct catalogue catalogue;
    struct manifest manifest;
    (void)state;
    assert_int_equal(catalogue_list(&catalogue, "none", reason), 0);
    assert_int_equal(catalogue.count, 0);
    catalogue_free(&catalogue);
    assert_int_equal(catalogue_find("none", "films", &manifest, reason), -ENOENT);
    assert_contains(reason, "no image 'films'");
    assert_int_equal(catalogue_find("none", "../films", &manifest, reason), -EINVAL);
    files_write("file", "abc", 3);
    assert_int_equal(catalogue_list(&catalogue, "file", reason), -ENOTDIR);
    assert_contains(reason, "--images");
}

static void test_names_are_looked_up_in_the_system_and_then_in_the_home(void **state)
{
    struct catalogue_places places;
    (void)state;
    assert_int_equal(unsetenv("DRIVEPRESS_IMAGES"), 0);
    assert_int_equal(setenv("HOME", "/home/x", 1), 0);
    assert_int_equal(setenv("XDG_DATA_HOME", "relative", 1), 0);
    catalogue_places_find_with(&places, NULL, "system");
    assert_int_equal(places.count, 1);
    assert_string_equal(places.paths[0], "/home/x/.local/share/drivepress/images");
    assert_string_equal(catalogue_place_to_add(&places), places.paths[0]);

    /* What was added before the system's directory appeared is still found. */
    assert_int_equal(mkdir("system", 0755), 0);
    assert_int_equal(setenv("XDG_DATA_HOME", "/data", 1), 0);
    catalogue_places_find_with(&places, NULL, "system");
    assert_int_equal(places.count, 2);
    assert_string_equal(places.paths[0], "system");
    assert_string_equal(places.paths[1], "/data/drivepress/images");
    assert_string_equal(catalogue_place_to_add(&places), "system");

    assert_int_equal(unsetenv("XDG_DATA_HOME"), 0);
    assert_int_equal(unsetenv("HOME"), 0);
    catalogue_places_find_with(&places, NULL, "none");
    assert_int_equal(places.count, 0);
    assert_null(catalogue_place_to_add(&places));
}

static void test_a_wanted_directory_is_the_only_one(void **state)
{
    struct catalogue_places places;
    char text[64];
    (void)state;
    assert_int_equal(mkdir("system", 0755), 0);
    assert_int_equal(setenv("HOME", "/home/x", 1), 0);
    assert_int_equal(setenv("DRIVEPRESS_IMAGES", "/somewhere", 1), 0);
    catalogue_places_find_with(&places, NULL, "system");
    assert_int_equal(places.count, 1);
    assert_string_equal(places.paths[0], "/somewhere");
    catalogue_places_find_with(&places, "it's here", "system");
    assert_int_equal(places.count, 1);
    assert_string_equal(places.paths[0], "it's here");
    assert_int_equal(unsetenv("DRIVEPRESS_IMAGES"), 0);
    assert_string_equal(catalogue_list_command("it's here", text, sizeof(text)),
                        "`drivepress image list --images 'it'\\''s here'`");
}

#define files_test(function) cmocka_unit_test_setup_teardown(function, files_setup, files_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        files_test(test_an_added_image_is_a_copy_with_a_manifest),
        files_test(test_a_taken_name_is_refused),
        files_test(test_a_failure_leaves_nothing),
        files_test(test_a_source_that_changes_is_not_added),
        files_test(test_what_a_crash_left_is_removed),
        files_test(test_a_kill_in_the_middle_leaves_no_entry),
        files_test(test_one_image_is_added_at_a_time),
        files_test(test_a_list_shows_good_and_bad),
        files_test(test_a_missing_directory_is_an_empty_catalogue),
        files_test(test_names_are_looked_up_in_the_system_and_then_in_the_home),
        files_test(test_a_wanted_directory_is_the_only_one),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
