// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/digest.h"
#include "lib/base/units.h"

static void expect_bytes(uint64_t bytes, const char *expected)
{
    char text[UNITS_TEXT_BYTES];
    units_format_bytes(text, bytes);
    assert_string_equal(text, expected);
}

static void sizes_read_as_on_a_drives_label(void **state)
{
    (void)state;
    expect_bytes(0, "0 B");
    expect_bytes(999, "999 B");
    expect_bytes(1000, "1.0 kB");
    expect_bytes(15931539456, "15.9 GB");
    expect_bytes(64 * UINT64_C(1000000000), "64.0 GB");
    expect_bytes(UINT64_MAX, "18.4 EB");
}

static void a_drive_is_never_shown_larger_than_it_is(void **state)
{
    (void)state;
    expect_bytes(1999, "1.9 kB");
    expect_bytes(999999, "999.9 kB");
    expect_bytes(63999999999, "63.9 GB");
}

static void expect_duration(uint64_t duration_ns, const char *expected)
{
    char text[UNITS_TEXT_BYTES];
    units_format_duration(text, duration_ns);
    assert_string_equal(text, expected);
}

static void durations_read_as_on_a_clock(void **state)
{
    (void)state;
    expect_duration(0, "0 s");
    expect_duration(NS_PER_S / 2 - 1, "0 s");
    expect_duration(NS_PER_S / 2, "1 s");
    expect_duration(59 * NS_PER_S, "59 s");
    expect_duration(60 * NS_PER_S, "1:00");
    expect_duration(125 * NS_PER_S, "2:05");
    expect_duration(3723 * NS_PER_S, "1:02:03");
    expect_duration(FOREVER_NS, "-");
    expect_duration(FOREVER_NS - 1, "5124095:34:34");
}

static void expect_parsed(const char *text, uint64_t expected)
{
    uint64_t bytes = 0;
    assert_int_equal(units_parse_bytes(text, &bytes), 0);
    assert_int_equal(bytes, expected);
}

static void sizes_are_read_with_their_units(void **state)
{
    (void)state;
    expect_parsed("0", 0);
    expect_parsed("4096", 4096);
    expect_parsed("4096B", 4096);
    expect_parsed("007", 7);
    expect_parsed("2K", 2048);
    expect_parsed("2KiB", 2048);
    expect_parsed("2KB", 2000);
    expect_parsed("64M", 64 * MIB);
    expect_parsed("64MiB", 64 * MIB);
    expect_parsed("64MB", 64000000);
    expect_parsed("3G", 3 * GIB);
    expect_parsed("3GB", UINT64_C(3000000000));
    expect_parsed("1T", 1024 * GIB);
    expect_parsed("1TB", UINT64_C(1000000000000));
    expect_parsed("18446744073709551615", UINT64_MAX);
    expect_parsed("16777215T", UINT64_C(16777215) << 40);
}

static void what_is_not_a_size_is_not_read(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        " 1",
        "1 ",
        "-1",
        "+1",
        "M",
        "1m",
        "1MIB",
        "1.5",
        "0x10",
        "1 MB",
        "1P",
        "1MiB\n",
        "18446744073709551616",
        "18446744073709551615K",
        "16777216T",
        "99999999999999999999999999",
    };
    for (size_t i = 0; i < array_count(bad); i++) {
        uint64_t bytes = 77;
        assert_int_equal(units_parse_bytes(bad[i], &bytes), -1);
        assert_int_equal(bytes, 77);
    }
}

static void numbers_round_up_to_steps(void **state)
{
    (void)state;
    assert_int_equal(round_up_u64(0, 512), 0);
    assert_int_equal(round_up_u64(1, 512), 512);
    assert_int_equal(round_up_u64(512, 512), 512);
    assert_int_equal(round_up_u64(513, 512), 1024);
}

static void digests_are_equal_in_both_halves(void **state)
{
    (void)state;
    assert_true(digest_equal((struct digest){1, 2}, (struct digest){1, 2}));
    assert_false(digest_equal((struct digest){1, 2}, (struct digest){1, 3}));
    assert_false(digest_equal((struct digest){1, 2}, (struct digest){3, 2}));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_read_as_on_a_drives_label),
        cmocka_unit_test(a_drive_is_never_shown_larger_than_it_is),
        cmocka_unit_test(durations_read_as_on_a_clock),
        cmocka_unit_test(sizes_are_read_with_their_units),
        cmocka_unit_test(what_is_not_a_size_is_not_read),
        cmocka_unit_test(numbers_round_up_to_steps),
        cmocka_unit_test(digests_are_equal_in_both_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
