// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/units.h"
#include "lib/image/hash.h"
#include "lib/image/sha256.h"

#include <stdlib.h>
#include <string.h>

static void assert_hash(const void *data, size_t length_bytes, const char *expected)
{
    char text[DIGEST_TEXT_BYTES];
    hash_format(text, hash_bytes(data, length_bytes));
    assert_string_equal(text, expected);
}

/* What `xxhsum -H2` prints. */
static void test_hash_is_that_of_xxhsum(void **state)
{
    (void)state;
    assert_hash("", 0, "99aa06d3014798d86001c324468d497f");
    assert_hash("abc", 3, "06b05ab6733a618578af5f94892f3950");
}

static void test_a_stream_hashes_as_one_piece(void **state)
{
    static unsigned char data[300000];
    (void)state;
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (unsigned char)(i * 7 + i / 251);
    struct hash_stream *stream = hash_stream_new();
    assert_non_null(stream);
    size_t at = 0;
    for (size_t piece = 1; at < sizeof(data); piece = piece * 3 + 1) {
        size_t length = (size_t)min_u64(piece, sizeof(data) - at);
        hash_stream_update(stream, data + at, length);
        at += length;
    }
    assert_true(digest_equal(hash_stream_digest(stream), hash_bytes(data, sizeof(data))));
    hash_stream_free(stream);
    hash_stream_free(NULL);
}

static void test_parse_reads_what_format_writes(void **state)
{
    struct digest digest = {.high = 0x0123456789abcdef, .low = 0xfedcba9876543210};
    struct digest parsed = {0};
    char text[DIGEST_TEXT_BYTES];

    (void)state;
    hash_format(text, digest);
    assert_string_equal(text, "0123456789abcdeffedcba9876543210");
    assert_int_equal(hash_parse(text, &parsed), 0);
    assert_true(digest_equal(parsed, digest));
}

static void test_parse_takes_nothing_else(void **state)
{
    static const char *const wrong[] = {
        "",
        "0123456789abcdeffedcba987654321",
        "0123456789abcdeffedcba98765432100",
        "0123456789ABCDEFfedcba9876543210",
        "0123456789abcdeffedcba987654321g",
        " 123456789abcdeffedcba9876543210",
        "0x23456789abcdeffedcba9876543210",
    };
    struct digest digest = {.high = 1, .low = 2};

    (void)state;
    for (size_t i = 0; i < array_count(wrong); i++)
        assert_int_equal(hash_parse(wrong[i], &digest), -1);
    assert_true(digest.high == 1 && digest.low == 2);
}

/* FIPS 180-4's examples. */
static void test_sha256_is_the_standard_one(void **state)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    char text[SHA256_TEXT_BYTES];
    struct sha256_worker *worker = NULL;

    (void)state;
    assert_int_equal(sha256_start(&worker), 0);
    sha256_finish(worker, text);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");

    assert_int_equal(sha256_start(&worker), 0);
    for (size_t i = 0; i < strlen(two_blocks); i++)
        sha256_update(worker, &two_blocks[i], 1);
    sha256_finish(worker, text);
    assert_string_equal(text, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_that_of_xxhsum),
        cmocka_unit_test(test_a_stream_hashes_as_one_piece),
        cmocka_unit_test(test_parse_reads_what_format_writes),
        cmocka_unit_test(test_parse_takes_nothing_else),
        cmocka_unit_test(test_sha256_is_the_standard_one),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
