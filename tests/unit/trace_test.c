// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/units.h"
#include "lib/core/trace.h"

/* The lines themselves are what tests/golden compares; here is what no short story shows. */

static void expect_time(uint64_t now_ns, const char *expected)
{
    char line[TRACE_LINE_BYTES];
    trace_event(line, &(struct event){.type = EVENT_TICK, .now_ns = now_ns});
    assert_string_equal(line, expected);
}

static void times_lose_nothing(void **state)
{
    (void)state;
    expect_time(0, "    0.000 s < tick");
    expect_time(1250 * NS_PER_MS, "    1.250 s < tick");
    expect_time(1250001 * NS_PER_US, "    1.250001 s < tick");
    expect_time(1250000001, "    1.250000001 s < tick");
    expect_time(UINT64_MAX, "18446744073.709551615 s < tick");
}

static void the_longest_lines_fit(void **state)
{
    (void)state;
    char line[TRACE_LINE_BYTES];
    struct event event = {
        .type = EVENT_READ, .now_ns = UINT64_MAX, .slot = UINT32_MAX, .attachment = UINT64_MAX};
    event.transfer.buffer = UINT32_MAX;
    event.transfer.chunk = UINT32_MAX;
    event.transfer.digest = (struct digest){UINT64_MAX, UINT64_MAX};
    trace_event(line, &event);
    assert_string_equal(line, "18446744073.709551615 s < read 4294967295#18446744073709551615 "
                              "chunk 4294967295 into buffer 4294967295 ok "
                              "ffffffffffffffffffffffffffffffff");

    event.type = EVENT_OPENED;
    event.opened.result = OPEN_OK;
    event.opened.facts = (struct drive_facts){UINT64_MAX, UINT32_MAX, true};
    trace_event(line, &event);
    assert_string_equal(line, "18446744073.709551615 s < opened 4294967295#18446744073709551615 "
                              "ok capacity 18446744073709551615 block 4294967295 read-only");

    struct action action = {.type = ACTION_WRITE, .slot = UINT32_MAX, .attachment = UINT64_MAX};
    action.transfer.buffer = UINT32_MAX;
    action.transfer.chunk = UINT32_MAX;
    action.transfer.length_bytes = UINT32_MAX;
    action.transfer.offset_bytes = UINT64_MAX;
    trace_action(line, &action);
    assert_string_equal(line, "            > write 4294967295#18446744073709551615 "
                              "chunk 4294967295 from buffer 4294967295 "
                              "(4294967295 bytes at 18446744073709551615)");
}

static void refusals_have_no_facts(void **state)
{
    (void)state;
    char line[TRACE_LINE_BYTES];
    struct event event = {.type = EVENT_OPENED, .slot = 2, .attachment = 7};
    event.opened.result = OPEN_SYSTEM_DISK;
    trace_event(line, &event);
    assert_string_equal(line, "    0.000 s < opened 2#7 system-disk");
}

static void digests_have_their_canonical_text(void **state)
{
    (void)state;
    char text[DIGEST_TEXT_BYTES];
    trace_digest(text, (struct digest){.high = 0x99aa06d3014798d8, .low = 0x6001c324468d497f});
    assert_string_equal(text, "99aa06d3014798d86001c324468d497f"); /* xxhsum -H2 of nothing */
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_lose_nothing),
        cmocka_unit_test(the_longest_lines_fit),
        cmocka_unit_test(refusals_have_no_facts),
        cmocka_unit_test(digests_have_their_canonical_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
