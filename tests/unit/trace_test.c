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

static void expect_line(const struct event *event, const char *expected)
{
    char line[TRACE_LINE_BYTES];
    trace_event(line, event);
    assert_string_equal(line, expected);
}

static void attachments_tell_what_is_known_beforehand(void **state)
{
    (void)state;
    struct event event = {.type = EVENT_ATTACHED, .now_ns = NS_PER_S, .slot = 2, .attachment = 7};
    expect_line(&event, "    1.000 s < attached 2#7 plugged before");
    event.attached.plugged_ns = 950 * NS_PER_MS;
    event.attached.capacity_bytes = 4096;
    expect_line(&event, "    1.000 s < attached 2#7 plugged at 0.950 s capacity 4096");
    event.attached.foreign = true;
    expect_line(&event, "    1.000 s < attached 2#7 plugged at 0.950 s capacity 4096 foreign");
    event = (struct event){EVENT_ATTACHED, UINT64_MAX, UINT32_MAX, UINT64_MAX, {{0}}};
    event.attached.plugged_ns = UINT64_MAX;
    event.attached.capacity_bytes = UINT64_MAX;
    event.attached.foreign = true;
    event.attached.not_in_rig = true;
    expect_line(&event, "18446744073.709551615 s < attached 4294967295#18446744073709551615 "
                        "plugged at 18446744073.709551615 s capacity 18446744073709551615 "
                        "foreign not-in-rig");
}

static void settings_are_told_whole(void **state)
{
    (void)state;
    struct event event = {.type = EVENT_ARM};
    event.arm.images = 1;
    expect_line(&event, "    0.000 s < arm write+verify images 0");
    event.arm.mode = MODE_VERIFY;
    event.arm.images = 0xB9; /* 0, 3, 4, 5 and 7 */
    expect_line(&event, "    0.000 s < arm verify images 0,3-5,7");
    event.arm.images = UINT64_MAX;
    expect_line(&event, "    0.000 s < arm verify images 0-63");
    /* The set that takes the most characters: pairs with gaps. */
    event.now_ns = UINT64_MAX;
    event.arm.mode = MODE_WRITE;
    event.arm.images = UINT64_C(0xB6DB6DB6DB6DB6DB);
    expect_line(&event, "18446744073.709551615 s < arm write+verify images "
                        "0-1,3-4,6-7,9-10,12-13,15-16,18-19,21-22,24-25,27-28,30-31,33-34,36-37,"
                        "39-40,42-43,45-46,48-49,51-52,54-55,57-58,60-61,63");

    struct event policy = {.type = EVENT_POLICY};
    policy.policy.capacity_min_bytes = 1000;
    expect_line(&policy, "    0.000 s < policy capacity from 1000");
    policy.policy.capacity_max_bytes = 2000;
    expect_line(&policy, "    0.000 s < policy capacity from 1000 to 2000");
    expect_line(&(struct event){.type = EVENT_DISARM}, "    0.000 s < disarm");
    struct event image = {.type = EVENT_IMAGE};
    image.image.number = 9;
    expect_line(&image, "    0.000 s < image 9 forgotten");
    struct event start = {.type = EVENT_START, .slot = 2, .attachment = 7};
    start.start.attachment = 11;
    expect_line(&start, "    0.000 s < start 2#7 as #11");
    expect_line(&(struct event){.type = EVENT_CLEARED, .slot = 2}, "    0.000 s < cleared 2");
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
        cmocka_unit_test(attachments_tell_what_is_known_beforehand),
        cmocka_unit_test(settings_are_told_whole),
        cmocka_unit_test(refusals_have_no_facts),
        cmocka_unit_test(digests_have_their_canonical_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
