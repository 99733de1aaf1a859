// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/units.h"
#include "lib/image/hash.h"
#include "lib/image/manifest.h"
#include "tests/unit/image_files.h"

#include <errno.h>
#include <jansson.h>

static char reason[IMAGE_REASON_BYTES];

/* --- Computing -------------------------------------------------------------------------------- */

static void test_digests_are_of_what_a_drive_holds(void **state)
{
    enum { LENGTH_BYTES = 2 * IMAGE_CHUNK_BYTES + 700 };
    struct manifest manifest;
    (void)state;

    unsigned char *data = files_make_image("a.img", LENGTH_BYTES);
    assert_int_equal(manifest_compute(&manifest, "a", "a.img", -1, NULL, NULL, reason), 0);
    assert_string_equal(manifest.name, "a");
    assert_int_equal(manifest.size_bytes, LENGTH_BYTES);
    assert_int_equal(manifest.chunk_bytes, IMAGE_CHUNK_BYTES);
    assert_int_equal(manifest.chunk_count, 3);
    assert_true(digest_equal(manifest.whole, hash_bytes(data, LENGTH_BYTES)));
    for (size_t i = 0; i < 2; i++)
        assert_true(digest_equal(manifest.chunks[i],
                                 hash_bytes(data + i * IMAGE_CHUNK_BYTES, IMAGE_CHUNK_BYTES)));
    /* 700 bytes are padded with zeros to two sectors. */
    assert_true(digest_equal(manifest.chunks[2], hash_bytes(data + 2 * IMAGE_CHUNK_BYTES, 1024)));
    manifest_free(&manifest);
    manifest_free(&manifest);
    free(data);
}

static void test_sha256_is_of_the_file_as_it_is(void **state)
{
    struct manifest manifest;
    (void)state;
    files_write("abc.img", "abc", 3);
    assert_int_equal(manifest_compute(&manifest, "abc", "abc.img", -1, NULL, NULL, reason), 0);
    assert_string_equal(manifest.sha256,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(manifest.chunk_count, 1);
    manifest_free(&manifest);
}

static void test_the_copy_is_the_file(void **state)
{
    enum { LENGTH_BYTES = IMAGE_CHUNK_BYTES + 5 };
    struct manifest manifest;
    size_t copied_bytes = 0;
    (void)state;

    unsigned char *data = files_make_image("a.img", LENGTH_BYTES);
    int fd = open("copy", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(manifest_compute(&manifest, "a", "a.img", fd, NULL, NULL, reason), 0);
    assert_int_equal(close(fd), 0);
    char *copy = files_read("copy", &copied_bytes);
    assert_int_equal(copied_bytes, LENGTH_BYTES);
    assert_memory_equal(copy, data, LENGTH_BYTES);
    manifest_free(&manifest);
    free(copy);
    free(data);
}

static int cancel_at_second_chunk(void *context, uint64_t done_bytes, uint64_t size_bytes)
{
    assert_int_equal(size_bytes, 3 * IMAGE_CHUNK_BYTES);
    ++*(int *)context;
    return done_bytes >= IMAGE_CHUNK_BYTES;
}

static void test_progress_can_cancel(void **state)
{
    struct manifest manifest;
    int calls = 0;
    (void)state;
    free(files_make_image("a.img", 3 * IMAGE_CHUNK_BYTES));
    assert_int_equal(
        manifest_compute(&manifest, "a", "a.img", -1, cancel_at_second_chunk, &calls, reason),
        -ECANCELED);
    assert_int_equal(calls, 2);
    assert_null(manifest.chunks);
}

static int change_image(void *context, uint64_t done_bytes, uint64_t size_bytes)
{
    (void)size_bytes;
    if (done_bytes == IMAGE_CHUNK_BYTES)
        assert_int_equal(truncate("a.img", *(off_t *)context), 0);
    return 0;
}

static void test_a_file_that_changes_is_refused(void **state)
{
    static off_t lengths[] = {IMAGE_CHUNK_BYTES, 3 * IMAGE_CHUNK_BYTES};
    (void)state;
    for (size_t i = 0; i < array_count(lengths); i++) {
        struct manifest manifest;
        free(files_make_image("a.img", 2 * IMAGE_CHUNK_BYTES));
        assert_int_equal(
            manifest_compute(&manifest, "a", "a.img", -1, change_image, &lengths[i], reason),
            -ESTALE);
        assert_contains(reason, "changed while it was read");
    }
}

static void test_what_cannot_be_an_image(void **state)
{
    static const struct {
        const char *path;
        int error;
        const char *says;
    } cases[] = {
        {"missing", -ENOENT, "missing: there is no such image"},
        {"empty", -ENODATA, "empty"},
        {"directory", -EISDIR, "directory"},
        {"pipe", -EINVAL, "FIFO"},
        {"/dev/null", -EINVAL, "character device"},
        {"huge", -EFBIG, "larger than 1024 GiB"},
        {"empty/below", -ENOENT, "no such image"},
    };
    struct manifest manifest;

    (void)state;
    files_write("empty", "", 0);
    files_write("huge", "", 0);
    assert_int_equal(truncate("huge", (off_t)(1024 * GIB + 1)), 0);
    assert_int_equal(mkdir("directory", 0755), 0);
    assert_int_equal(mkfifo("pipe", 0644), 0);
    for (size_t i = 0; i < array_count(cases); i++) {
        assert_int_equal(manifest_compute(&manifest, "a", cases[i].path, -1, NULL, NULL, reason),
                         cases[i].error);
        assert_contains(reason, cases[i].says);
    }
    assert_int_equal(manifest_compute(&manifest, "../a", "empty", -1, NULL, NULL, reason), -EINVAL);
}

static void test_reasons_hold_no_control_characters(void **state)
{
    struct manifest manifest;
    (void)state;
    assert_int_equal(manifest_compute(&manifest, "a", "x\033[2J\n.img", -1, NULL, NULL, reason),
                     -ENOENT);
    assert_contains(reason, "x?[2J?.img");
}

static void test_names(void **state)
{
    char name[MANIFEST_NAME_BYTES];
    char longest[MANIFEST_NAME_LENGTH_MAX + 2];
    (void)state;

    memset(longest, 'a', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    assert_false(manifest_name_valid(longest));
    manifest_name_from_path(name, longest);
    assert_true(manifest_name_valid(name));
    longest[MANIFEST_NAME_LENGTH_MAX] = '\0';
    assert_true(manifest_name_valid(longest));

    assert_true(manifest_name_valid("films-2026_v1.2"));
    assert_false(manifest_name_valid(""));
    assert_false(manifest_name_valid(".hidden"));
    assert_false(manifest_name_valid("-option"));
    assert_false(manifest_name_valid("a/b"));
    assert_false(manifest_name_valid("a b"));
    assert_false(manifest_name_valid("a\n"));

    static const char *const cases[][2] = {
        {"films.img", "films"},  {"/a/b.c/films.iso", "films"},
        {"films.raw", "films"},  {"films.img.img", "films.img"},
        {"films", "films"},      {"my films (1).img", "my-films--1-"},
        {".img", "img"},         {"..", "image"},
        {"", "image"},           {"--help.img", "help"},
        {"films.img/", "image"}, {"\xc3\xa9t\xc3\xa9.img", "t--"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        manifest_name_from_path(name, cases[i][0]);
        assert_string_equal(name, cases[i][1]);
    }
}

/* --- Saving and loading ----------------------------------------------------------------------- */

static void make_manifest(const char *path)
{
    struct manifest manifest;
    free(files_make_image("a.img", IMAGE_CHUNK_BYTES + 700));
    assert_int_equal(manifest_compute(&manifest, "a", "a.img", -1, NULL, NULL, reason), 0);
    assert_int_equal(manifest_save(&manifest, path, reason), 0);
    manifest_free(&manifest);
}

static void test_a_saved_manifest_loads_as_it_was(void **state)
{
    struct manifest saved;
    struct manifest loaded;
    (void)state;

    free(files_make_image("a.img", 3 * IMAGE_CHUNK_BYTES + 1));
    assert_int_equal(manifest_compute(&saved, "a", "a.img", -1, NULL, NULL, reason), 0);
    files_write("m", "old", 3);
    assert_int_equal(manifest_save(&saved, "m", reason), 0);
    assert_int_equal(manifest_load(&loaded, "m", reason), 0);
    assert_string_equal(loaded.name, saved.name);
    assert_int_equal(loaded.size_bytes, saved.size_bytes);
    assert_int_equal(loaded.chunk_bytes, saved.chunk_bytes);
    assert_int_equal(loaded.chunk_count, saved.chunk_count);
    assert_string_equal(loaded.sha256, saved.sha256);
    assert_true(digest_equal(loaded.whole, saved.whole));
    assert_memory_equal(loaded.chunks, saved.chunks, 4 * sizeof(*saved.chunks));
    manifest_free(&loaded);
    manifest_free(&saved);
}

static void test_a_failed_save_leaves_nothing(void **state)
{
    struct manifest manifest;
    (void)state;
    files_write("a.img", "abc", 3);
    assert_int_equal(manifest_compute(&manifest, "a", "a.img", -1, NULL, NULL, reason), 0);
    assert_int_equal(mkdir("in-the-way", 0755), 0);
    assert_int_equal(manifest_save(&manifest, "in-the-way", reason), -EISDIR);
    assert_contains(reason, "in-the-way: the manifest cannot be written");
    assert_int_equal(files_count("."), 2);
    assert_int_equal(manifest_save(&manifest, "missing/m", reason), -ENOENT);
    manifest_free(&manifest);
}

static void test_every_edited_byte_and_every_cut_is_noticed(void **state)
{
    struct manifest manifest;
    size_t length_bytes = 0;
    (void)state;

    make_manifest("m");
    char *text = files_read("m", &length_bytes);
    assert_int_equal(manifest_parse(&manifest, text, length_bytes, "m", reason), 0);
    manifest_free(&manifest);
    for (size_t i = 0; i + 1 < length_bytes; i++) {
        text[i] ^= 1;
        assert_int_equal(manifest_parse(&manifest, text, length_bytes, "m", reason), -EBADMSG);
        assert_null(manifest.chunks);
        text[i] ^= 1;
    }
    for (size_t length = 0; length + 1 < length_bytes; length++) {
        assert_int_equal(manifest_parse(&manifest, text, length, "m", reason), -EBADMSG);
        assert_contains(reason, "truncated or was edited");
    }
    free(text);
}

/* Parses an edited manifest whose "check" was made right again. */
static int parse_edited(json_t *object)
{
    struct manifest manifest;
    char check_text[DIGEST_TEXT_BYTES];

    if (json_object_del(object, "check") == 0) {
        char *canonical = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
        assert_non_null(canonical);
        hash_format(check_text, hash_bytes(canonical, strlen(canonical)));
        free(canonical);
        assert_int_equal(json_object_set_new(object, "check", json_string(check_text)), 0);
    }
    char *text = json_dumps(object, JSON_INDENT(2));
    assert_non_null(text);
    int error = manifest_parse(&manifest, text, strlen(text), "m", reason);
    if (error == 0)
        manifest_free(&manifest);
    free(text);
    return error;
}

static json_t *load_json(const char *path)
{
    json_t *object = json_load_file(path, 0, NULL);
    assert_non_null(object);
    return object;
}

static void test_every_field_is_checked(void **state)
{
    /* A value of NULL removes the key. The image has 1049276 bytes and 2 chunks. */
    static const struct {
        const char *key;
        const char *value;
        const char *says;
    } cases[] = {
        {"format", "2", "format 2"},
        {"format", "\"1\"", "\"format\" must be"},
        {"format", NULL, "\"format\" is missing"},
        {"name", "\"\"", "\"name\" must be"},
        {"name", "\"../a\"", "\"name\" must be"},
        {"name", "\"a\\u001b2J\"", "\"name\" must be"},
        {"name", "7", "\"name\" must be"},
        {"size_bytes", "0", "\"size_bytes\" must be from 1"},
        {"size_bytes", "-1", "\"size_bytes\" must be from 1"},
        {"size_bytes", "1049276.0", "\"size_bytes\" must be a whole number"},
        {"size_bytes", "1099511627777", "\"size_bytes\" must be from 1"},
        {"size_bytes", "9223372036854775807", "\"size_bytes\" must be from 1"},
        {"size_bytes", "2097153", "list of 3 digests"},
        {"chunk_bytes", "0", "\"chunk_bytes\" must be from"},
        {"chunk_bytes", "1000000", "power of two"},
        {"chunk_bytes", "32768", "\"chunk_bytes\" must be from"},
        {"chunk_bytes", "33554432", "\"chunk_bytes\" must be from"},
        {"chunk_bytes", "2097152", "list of 1 digests"},
        {"sha256", "\"00\"", "\"sha256\" must be"},
        {"sha256", "null", "\"sha256\" must be"},
        {"xxh3_128", "\"00\"", "\"xxh3_128\" must be"},
        {"chunks", "[]", "list of 2 digests"},
        {"chunks", "{}", "list of 2 digests"},
        {"chunks", "[\"00\", \"00\"]", "chunk 0 must be"},
        {"chunks", "[\"0123456789abcdef0123456789abcdef\", 5]", "chunk 1 must be"},
        {"chunks", NULL, "\"chunks\" is missing"},
        {"extra", "1", "keys that no manifest has"},
    };

    (void)state;
    make_manifest("m");
    for (size_t i = 0; i < array_count(cases); i++) {
        json_t *object = load_json("m");
        if (cases[i].value == NULL) {
            assert_int_equal(json_object_del(object, cases[i].key), 0);
        } else {
            json_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
            assert_int_equal(json_object_set_new(object, cases[i].key, value), 0);
        }
        assert_int_equal(parse_edited(object), -EBADMSG);
        assert_contains(reason, cases[i].says);
        json_decref(object);
    }
    /* The same way without an edit: reformatting and a right check are fine. */
    json_t *object = load_json("m");
    assert_int_equal(parse_edited(object), 0);
    assert_int_equal(json_object_set_new(object, "name", json_string("b")), 0);
    assert_int_equal(parse_edited(object), 0);
    json_decref(object);
}

static int parse_text(const char *text)
{
    struct manifest manifest;
    return manifest_parse(&manifest, text, strlen(text), "m", reason);
}

static void test_hostile_texts_are_refused(void **state)
{
    enum { LENGTH_BYTES = 3 << 20 };
    static const char *const texts[] = {
        "", " ", "[]", "7", "\xff", "{} {}", "{\"a\": 1, \"a\": 1}", "{\"format\": 1}"};
    (void)state;

    for (size_t i = 0; i < array_count(texts); i++)
        assert_int_equal(parse_text(texts[i]), -EBADMSG);
    assert_int_equal(parse_text("{\"format\": 1, \"format\": 1}"), -EBADMSG);
    assert_contains(reason, "duplicate");

    char *text = malloc(LENGTH_BYTES + 1);
    assert_non_null(text);
    text[LENGTH_BYTES] = '\0';
    memset(text, '[', LENGTH_BYTES);
    assert_int_equal(parse_text(text), -EBADMSG);
    for (size_t i = 1; i < LENGTH_BYTES; i++)
        text[i] = i % 2 == 0 ? ',' : '0';
    assert_int_equal(parse_text(text), -EBADMSG);
    assert_contains(reason, "more than a manifest can");
    free(text);
}

static void test_loading_tells_missing_from_bad(void **state)
{
    struct manifest manifest;
    (void)state;
    assert_int_equal(manifest_load(&manifest, "missing", reason), -ENOENT);
    files_write("empty", "", 0);
    assert_int_equal(manifest_load(&manifest, "empty", reason), -EBADMSG);
    assert_contains(reason, "empty: it is empty: the manifest is truncated");
    files_write("huge", "", 0);
    assert_int_equal(truncate("huge", (off_t)MANIFEST_FILE_BYTES_MAX + 1), 0);
    assert_int_equal(manifest_load(&manifest, "huge", reason), -EBADMSG);
    assert_int_equal(mkdir("directory", 0755), 0);
    assert_int_equal(manifest_load(&manifest, "directory", reason), -EISDIR);
    assert_int_equal(mkfifo("pipe", 0644), 0);
    assert_int_equal(manifest_load(&manifest, "pipe", reason), -EINVAL);
}

static void test_a_manifest_of_another_size_is_not_trusted(void **state)
{
    struct manifest manifest;
    (void)state;
    make_manifest("m");
    assert_int_equal(manifest_load_for(&manifest, "m", "a.img", IMAGE_CHUNK_BYTES + 700, reason),
                     0);
    manifest_free(&manifest);
    assert_int_equal(manifest_load_for(&manifest, "m", "a.img", IMAGE_CHUNK_BYTES, reason),
                     -EBADMSG);
    assert_null(manifest.chunks);
    assert_contains(reason, "a.img: the image has 1048576 bytes, but its manifest says 1049276");
}

#define files_test(function) cmocka_unit_test_setup_teardown(function, files_setup, files_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        files_test(test_digests_are_of_what_a_drive_holds),
        files_test(test_sha256_is_of_the_file_as_it_is),
        files_test(test_the_copy_is_the_file),
        files_test(test_progress_can_cancel),
        files_test(test_a_file_that_changes_is_refused),
        files_test(test_what_cannot_be_an_image),
        files_test(test_reasons_hold_no_control_characters),
        cmocka_unit_test(test_names),
        files_test(test_a_saved_manifest_loads_as_it_was),
        files_test(test_a_failed_save_leaves_nothing),
        files_test(test_every_edited_byte_and_every_cut_is_noticed),
        files_test(test_every_field_is_checked),
        cmocka_unit_test(test_hostile_texts_are_refused),
        files_test(test_loading_tells_missing_from_bad),
        files_test(test_a_manifest_of_another_size_is_not_trusted),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
