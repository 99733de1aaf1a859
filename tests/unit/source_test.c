// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/units.h"
#include "lib/image/catalogue.h"
#include "lib/image/hash.h"
#include "lib/image/source.h"
#include "tests/unit/image_files.h"

#include <errno.h>

static char reason[IMAGE_REASON_BYTES];

/* Makes an image file; returns its content, which the caller frees. */
static unsigned char *make_image_with_manifest(const char *path, const char *manifest_path,
                                               size_t length_bytes)
{
    struct manifest manifest;
    unsigned char *data = files_make_image(path, length_bytes);
    assert_int_equal(manifest_compute(&manifest, "made", path, -1, NULL, NULL, reason), 0);
    assert_int_equal(manifest_save(&manifest, manifest_path, reason), 0);
    manifest_free(&manifest);
    return data;
}

static void test_chunks_are_the_file_and_its_padding(void **state)
{
    enum { LENGTH_BYTES = IMAGE_CHUNK_BYTES + 700 };
    struct source source;
    (void)state;

    unsigned char *data = files_make_image("a.img", LENGTH_BYTES);
    unsigned char *read = malloc(IMAGE_CHUNK_BYTES);
    assert_non_null(read);
    memset(read, 0xee, IMAGE_CHUNK_BYTES);
    assert_int_equal(source_open(&source, "a.img", "none", NULL, reason), 0);
    assert_string_equal(source.name, "a");
    assert_false(source.has_manifest);
    assert_int_equal(source.file_bytes, LENGTH_BYTES);
    assert_int_equal(source.image.size_bytes, IMAGE_CHUNK_BYTES + 1024);
    assert_int_equal(source.image.chunk_bytes, IMAGE_CHUNK_BYTES);
    assert_int_equal(source.image.chunk_count, 2);
    assert_int_equal(source.image.known_count, 0);
    assert_false(image_digest_known(&source.image, 0));
    assert_false(image_digest_known(&source.image, 1));

    assert_int_equal(source_read_chunk(&source, 1, read), 0);
    assert_memory_equal(read, data + IMAGE_CHUNK_BYTES, 1024);
    assert_int_equal(read[1024], 0xee);
    assert_int_equal(source_read_chunk(&source, 0, read), 0);
    assert_memory_equal(read, data, IMAGE_CHUNK_BYTES);
    source_close(&source);
    source_close(&source);
    free(read);
    free(data);
}

static void test_the_manifest_beside_is_used(void **state)
{
    enum { LENGTH_BYTES = 9 * IMAGE_CHUNK_BYTES + 5 };
    struct source source;
    (void)state;

    unsigned char *data = make_image_with_manifest("a.img", "a.img.manifest", LENGTH_BYTES);
    unsigned char *read = malloc(IMAGE_CHUNK_BYTES);
    assert_non_null(read);
    assert_int_equal(source_open(&source, "a.img", "none", NULL, reason), 0);
    assert_true(source.has_manifest);
    assert_string_equal(source.name, "made");
    assert_int_equal(strlen(source.sha256), 64);
    assert_true(digest_equal(source.whole, hash_bytes(data, LENGTH_BYTES)));
    assert_int_equal(source.image.known_count, 10);
    assert_int_equal(source.image.known[1], 0x03); /* no bit beyond the last chunk */
    for (uint32_t i = 0; i < source.image.chunk_count; i++) {
        assert_true(image_digest_known(&source.image, i));
        assert_int_equal(source_read_chunk(&source, i, read), 0);
        assert_true(digest_equal(source.image.digests[i],
                                 hash_bytes(read, image_chunk_length(&source.image, i))));
    }
    source_close(&source);
    free(read);
    free(data);
}

static void test_another_manifest_can_be_named(void **state)
{
    struct source source;
    (void)state;
    free(make_image_with_manifest("a.img", "other", 5000));
    assert_int_equal(source_open(&source, "a.img", "none", "other", reason), 0);
    assert_true(source.has_manifest);
    source_close(&source);
    assert_int_equal(source_open(&source, "a.img", "none", "missing", reason), -ENOENT);
    assert_contains(reason, "missing: there is no such manifest");
}

static void test_a_bad_manifest_is_not_passed_over(void **state)
{
    struct source source;
    size_t length_bytes = 0;
    (void)state;

    free(make_image_with_manifest("a.img", "a.img.manifest", 5000));
    char *text = files_read("a.img.manifest", &length_bytes);
    files_write("a.img.manifest", text, length_bytes / 2);
    assert_int_equal(source_open(&source, "a.img", "none", NULL, reason), -EBADMSG);
    assert_contains(reason, "drivepress image add");
    files_write("a.img.manifest", text, length_bytes);
    free(text);
    free(files_make_image("a.img", 5001));
    assert_int_equal(source_open(&source, "a.img", "none", NULL, reason), -EBADMSG);
    assert_contains(reason, "5001 bytes, but its manifest says 5000");
    assert_int_equal(unlink("a.img.manifest"), 0);
    assert_int_equal(mkfifo("a.img.manifest", 0644), 0);
    assert_int_equal(source_open(&source, "a.img", "none", NULL, reason), -EINVAL);
}

static void test_what_cannot_be_a_master(void **state)
{
    static const struct {
        const char *text;
        int error;
        const char *says;
    } cases[] = {
        {"", -ENOENT, "is empty"},
        {"missing", -ENOENT, "no image of that name in none"},
        {"missing/a.img", -ENOENT, "no such image"},
        {"../a", -ENOENT, "no such image"},
        {"a b", -ENOENT, "no image of that name"},
        {"empty", -ENODATA, "empty: this image is empty"},
        {"directory", -EISDIR, "directory"},
        {"./directory", -EISDIR, "directory"},
        {"pipe", -EINVAL, "FIFO"},
        {"/dev/null", -EINVAL, "character device"},
    };
    struct source source;

    (void)state;
    files_write("empty", "", 0);
    assert_int_equal(mkdir("directory", 0755), 0);
    assert_int_equal(mkfifo("pipe", 0644), 0);
    for (size_t i = 0; i < array_count(cases); i++) {
        assert_int_equal(source_open(&source, cases[i].text, "none", NULL, reason), cases[i].error);
        assert_contains(reason, cases[i].says);
        assert_int_equal(source.fd, -1);
    }
    char *endless = malloc(2 * PATH_MAX);
    assert_non_null(endless);
    memset(endless, 'a', 2 * PATH_MAX - 1);
    endless[2 * PATH_MAX - 1] = '\0';
    assert_int_equal(source_open(&source, endless, "none", NULL, reason), -ENAMETOOLONG);
    free(endless);
}

static void test_no_permission_is_said(void **state)
{
    struct source source;
    (void)state;
    files_write("a.img", "abc", 3);
    assert_int_equal(chmod("a.img", 0), 0);
    assert_int_equal(chmod(".", 0755), 0);
    uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(65534), 0); /* root may read everything */
    int error = source_open(&source, "a.img", "none", NULL, reason);
    assert_int_equal(seteuid(user), 0);
    assert_int_equal(error, -EACCES);
    assert_contains(reason, "no permission");
}

static void test_a_name_finds_the_catalogue_and_a_file_goes_first(void **state)
{
    struct source source;
    struct manifest manifest;
    (void)state;

    free(files_make_image("first.img", 5000));
    assert_int_equal(catalogue_add("images", "films", "first.img", NULL, NULL, &manifest, reason),
                     0);
    manifest_free(&manifest);
    assert_int_equal(source_open(&source, "films", "images", NULL, reason), 0);
    assert_string_equal(source.name, "films");
    assert_string_equal(source.path, "images/films.img");
    assert_true(source.in_catalogue);
    assert_true(source.has_manifest);
    source_close(&source);

    /* A directory of that name does not hide it, a file does. */
    assert_int_equal(mkdir("films", 0755), 0);
    assert_int_equal(source_open(&source, "films", "images", NULL, reason), 0);
    assert_string_equal(source.path, "images/films.img");
    source_close(&source);
    assert_int_equal(rmdir("films"), 0);
    free(files_make_image("films", 600));
    assert_int_equal(source_open(&source, "films", "images", NULL, reason), 0);
    assert_string_equal(source.path, "films");
    assert_false(source.in_catalogue);
    assert_int_equal(source.file_bytes, 600);
    source_close(&source);
    assert_int_equal(unlink("films"), 0);

    /* An image of the catalogue is not taken without its manifest. */
    assert_int_equal(unlink("images/films.img.manifest"), 0);
    assert_int_equal(source_open(&source, "films", "images", NULL, reason), -EBADMSG);
    assert_contains(reason, "no manifest");
}

static void test_what_is_compressed_is_told(void **state)
{
    static const struct {
        const char *data;
        size_t length_bytes;
        const char *kind;
    } cases[] = {
        {"\x1f\x8b\x08\0\0\0", 6, "gzip"},
        {"\xfd"
         "7zXZ\0",
         6, "xz"},
        {"\x28\xb5\x2f\xfd", 4, "zstd"},
        {"BZh91AY", 7, "bzip2"},
        {"PK\x03\x04", 4, "zip"},
        {"7z\xbc\xaf\x27\x1c", 6, "7z"},
        {"\x1f", 1, NULL},
        {"a raw image", 11, NULL},
    };
    struct source source;

    (void)state;
    for (size_t i = 0; i < array_count(cases); i++) {
        files_write("a.img", cases[i].data, cases[i].length_bytes);
        assert_int_equal(source_open(&source, "a.img", "none", NULL, reason), 0);
        if (cases[i].kind == NULL)
            assert_null(source.compression);
        else
            assert_string_equal(source.compression, cases[i].kind);
        source_close(&source);
    }
}

/* The limit is one, and nothing is allocated beyond it. */
static void test_what_is_too_large_is_refused(void **state)
{
    struct source source;
    (void)state;
    files_write("a.img", "a", 1);
    if (truncate("a.img", (off_t)IMAGE_BYTES_MAX) != 0)
        skip(); /* not on every file system */
    assert_int_equal(source_open(&source, "a.img", "none", NULL, reason), 0);
    source_close(&source);
    assert_int_equal(truncate("a.img", (off_t)IMAGE_BYTES_MAX + 1), 0);
    assert_int_equal(source_open(&source, "a.img", "none", NULL, reason), -EFBIG);
    assert_contains(reason, "1024 GiB");
}

static void test_a_master_that_changes_is_noticed(void **state)
{
    enum { GROWN, CUT, TOUCHED, REWRITTEN, WAYS };
    unsigned char *read = malloc(IMAGE_CHUNK_BYTES);

    (void)state;
    assert_non_null(read);
    for (int way = 0; way < WAYS; way++) {
        static const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
        struct source source;
        free(files_make_image("a.img", 2 * IMAGE_CHUNK_BYTES));
        assert_int_equal(utimensat(AT_FDCWD, "a.img", long_ago, 0), 0);
        assert_int_equal(source_open(&source, "a.img", "none", NULL, reason), 0);
        assert_int_equal(source_read_chunk(&source, 1, read), 0);
        if (way == GROWN)
            assert_int_equal(truncate("a.img", 2 * IMAGE_CHUNK_BYTES + 1), 0);
        if (way == CUT)
            assert_int_equal(truncate("a.img", IMAGE_CHUNK_BYTES), 0);
        if (way == TOUCHED)
            assert_int_equal(utimensat(AT_FDCWD, "a.img", NULL, 0), 0);
        if (way == REWRITTEN)
            free(files_make_image("a.img", 2 * IMAGE_CHUNK_BYTES));
        assert_int_equal(source_read_chunk(&source, 0, read), -ESTALE);
        assert_int_equal(source_read_chunk(&source, 1, read), -ESTALE);
        source_close(&source);
    }
    free(read);
}

#define files_test(function) cmocka_unit_test_setup_teardown(function, files_setup, files_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        files_test(test_chunks_are_the_file_and_its_padding),
        files_test(test_the_manifest_beside_is_used),
        files_test(test_another_manifest_can_be_named),
        files_test(test_a_bad_manifest_is_not_passed_over),
        files_test(test_what_cannot_be_a_master),
        files_test(test_no_permission_is_said),
        files_test(test_a_name_finds_the_catalogue_and_a_file_goes_first),
        files_test(test_what_is_compressed_is_told),
        files_test(test_what_is_too_large_is_refused),
        files_test(test_a_master_that_changes_is_noticed),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
