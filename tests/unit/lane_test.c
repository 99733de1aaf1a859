// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/core/lane.h"

#define MS NS_PER_MS

enum { CHUNKS = 5 };

static struct digest digests[CHUNKS];
static uint8_t known[1];
static struct image image;

static int fresh_image(void **state)
{
    (void)state;
    memset(known, 0, sizeof(known));
    image = (struct image){.size_bytes = CHUNKS * MIB,
                           .chunk_bytes = MIB,
                           .chunk_count = CHUNKS,
                           .digests = digests,
                           .known = known};
    return 0;
}

static struct lane begun(enum lane_phase phase, uint32_t start)
{
    struct lane lane = {0};
    lane_begin(&lane, phase, 7, &image, start);
    return lane;
}

static void a_walk_ascends_wraps_once_and_ends_where_it_began(void **state)
{
    (void)state;
    static const uint32_t expected[CHUNKS] = {3, 4, 0, 1, 2};
    struct lane lane = begun(LANE_WRITING, 3);
    for (uint32_t i = 0; i < CHUNKS; i++) {
        assert_int_equal(lane_left(&lane), CHUNKS - i);
        assert_false(lane_finished(&lane));
        assert_int_equal(lane_issue(&lane, i, 0), expected[i]);
        lane_complete(&lane, i, expected[i], 1);
    }
    assert_int_equal(lane_left(&lane), 0);
    assert_true(lane_finished(&lane));
}

static void a_walk_is_not_finished_before_the_last_answer(void **state)
{
    (void)state;
    struct lane lane = begun(LANE_WRITING, 4);
    for (uint32_t i = 0; i < CHUNKS - 1; i++)
        lane_complete(&lane, 0, lane_issue(&lane, 0, 0), 1);
    uint32_t last = lane_issue(&lane, 0, 1);
    assert_int_equal(lane_left(&lane), 0);
    assert_false(lane_finished(&lane));
    lane_complete(&lane, 0, last, 2);
    assert_true(lane_finished(&lane));
}

static void an_idle_lane_wants_nothing(void **state)
{
    (void)state;
    struct lane lane = {0};
    assert_int_equal(lane_left(&lane), 0);
    assert_false(lane_finished(&lane));
    assert_int_equal(lane_distance(&lane, 2), LANE_NEVER);
    assert_false(lane_needs_master(&lane, 2));
    assert_false(lane_stalled(&lane, FOREVER_NS, 1));
}

static void distances_count_the_steps_that_are_left(void **state)
{
    (void)state;
    struct lane lane = begun(LANE_WRITING, 3);
    (void)lane_issue(&lane, 0, 0); /* 3 */
    assert_int_equal(lane_distance(&lane, 3), LANE_NEVER);
    assert_int_equal(lane_distance(&lane, 4), 0);
    assert_int_equal(lane_distance(&lane, 0), 1);
    assert_int_equal(lane_distance(&lane, 2), 3);
    for (uint32_t ahead = 0; ahead < lane_left(&lane); ahead++)
        assert_int_equal(lane_distance(&lane, lane_chunk_ahead(&lane, ahead)), ahead);
}

static void the_largest_image_does_not_overflow(void **state)
{
    (void)state;
    image.chunk_count = CHUNKS_MAX - 1;
    image.size_bytes = (uint64_t)image.chunk_count * MIB;
    struct lane lane = begun(LANE_WRITING, CHUNKS_MAX - 2);
    assert_int_equal(lane_chunk_ahead(&lane, 0), CHUNKS_MAX - 2);
    assert_int_equal(lane_chunk_ahead(&lane, 1), 0);
    assert_int_equal(lane_chunk_ahead(&lane, CHUNKS_MAX - 2), CHUNKS_MAX - 3);
    assert_int_equal(lane_distance(&lane, CHUNKS_MAX - 3), CHUNKS_MAX - 2);
}

static void verifying_needs_the_master_for_unknown_digests_only(void **state)
{
    (void)state;
    image_learn(&image, 1, (struct digest){1, 1});
    struct lane writing = begun(LANE_WRITING, 0);
    struct lane verifying = begun(LANE_VERIFYING, 0);
    assert_true(lane_needs_master(&writing, 1));
    assert_true(lane_needs_master(&verifying, 0));
    assert_false(lane_needs_master(&verifying, 1));
}

static void requests_may_end_in_any_order(void **state)
{
    (void)state;
    struct lane lane = begun(LANE_WRITING, 0);
    for (uint32_t i = 0; i < WINDOW_MAX; i++)
        assert_int_equal(lane_issue(&lane, 10 + i, 0), i);
    assert_int_equal(lane.in_flight, WINDOW_MAX);
    lane_complete(&lane, 12, 2, 1);
    lane_complete(&lane, 10, 0, 2);
    lane_complete(&lane, 13, 3, 3);
    lane_complete(&lane, 11, 1, 4);
    assert_int_equal(lane.in_flight, 0);
    assert_int_equal(lane.completed, WINDOW_MAX);
}

static void pace_is_per_chunk_whatever_the_window(void **state)
{
    (void)state;
    struct lane lane = begun(LANE_WRITING, 0);
    assert_int_equal(lane.chunk_ns, CHUNK_NS_INITIAL);
    (void)lane_issue(&lane, 0, 100 * MS);
    (void)lane_issue(&lane, 1, 100 * MS);
    lane_complete(&lane, 0, 0, 120 * MS);
    assert_int_equal(lane.chunk_ns, 20 * MS);
    lane_complete(&lane, 1, 1, 140 * MS);
    assert_int_equal(lane.chunk_ns, 20 * MS);
    /* Waiting for the master is not the drive's time. */
    (void)lane_issue(&lane, 0, 900 * MS);
    lane_complete(&lane, 0, 2, 920 * MS);
    assert_int_equal(lane.chunk_ns, 20 * MS);
}

static void pace_follows_the_drive_and_is_not_shaken_by_one_pause(void **state)
{
    (void)state;
    struct lane lane = begun(LANE_WRITING, 0);
    lane_complete(&lane, 0, lane_issue(&lane, 0, 0), 20 * MS);
    lane_complete(&lane, 0, lane_issue(&lane, 0, 20 * MS), 120 * MS);
    assert_int_equal(lane.chunk_ns, 40 * MS);
    lane_complete(&lane, 0, lane_issue(&lane, 0, 120 * MS), 160 * MS);
    assert_int_equal(lane.chunk_ns, 40 * MS);
}

static void pace_is_kept_from_writing_to_verifying(void **state)
{
    (void)state;
    struct lane lane = begun(LANE_WRITING, 0);
    lane_complete(&lane, 0, lane_issue(&lane, 0, 0), 20 * MS);
    lane_begin(&lane, LANE_VERIFYING, 7, &image, 2);
    assert_int_equal(lane.chunk_ns, 20 * MS);
    assert_int_equal(lane.completed, 0);
    assert_int_equal(lane_left(&lane), CHUNKS);
}

static void a_drive_stalls_when_it_owes_an_answer(void **state)
{
    (void)state;
    struct lane lane = begun(LANE_WRITING, 0);
    assert_false(lane_stalled(&lane, 100 * NS_PER_S, 30 * NS_PER_S));
    (void)lane_issue(&lane, 0, 100 * NS_PER_S);
    (void)lane_issue(&lane, 1, 110 * NS_PER_S);
    assert_false(lane_stalled(&lane, 130 * NS_PER_S - 1, 30 * NS_PER_S));
    assert_true(lane_stalled(&lane, 130 * NS_PER_S, 30 * NS_PER_S));

    /* An answer counts for those behind it; without requests it owes nothing. */
    lane_complete(&lane, 0, 0, 129 * NS_PER_S);
    assert_false(lane_stalled(&lane, 158 * NS_PER_S, 30 * NS_PER_S));
    assert_true(lane_stalled(&lane, 159 * NS_PER_S, 30 * NS_PER_S));
    lane_complete(&lane, 1, 1, 160 * NS_PER_S);
    assert_false(lane_stalled(&lane, 1000 * NS_PER_S, 30 * NS_PER_S));
    (void)lane_issue(&lane, 0, 1000 * NS_PER_S);
    assert_false(lane_stalled(&lane, 1029 * NS_PER_S, 30 * NS_PER_S));
}

static void a_halted_lane_asks_for_nothing_more(void **state)
{
    (void)state;
    struct lane lane = begun(LANE_WRITING, 3);
    (void)lane_issue(&lane, 0, 0);
    (void)lane_issue(&lane, 1, 0);
    lane_halt(&lane);
    assert_int_equal(lane_left(&lane), 0);
    assert_int_equal(lane_distance(&lane, 1), LANE_NEVER);
    lane_complete(&lane, 1, 4, 20 * MS);
    lane_complete(&lane, 0, 3, 40 * MS);
    assert_int_equal(lane.in_flight, 0);
    assert_false(lane_finished(&lane));
    lane_reset(&lane);
    lane_begin(&lane, LANE_WRITING, 7, &image, 0);
    assert_int_equal(lane_left(&lane), CHUNKS);
}

static void a_reset_lane_knows_nothing_of_the_drive_before(void **state)
{
    (void)state;
    struct lane lane = begun(LANE_WRITING, 3);
    lane_complete(&lane, 0, lane_issue(&lane, 0, 0), 20 * MS);
    (void)lane_issue(&lane, 0, 0);
    lane_reset(&lane);
    assert_int_equal(lane_left(&lane), 0);
    assert_int_equal(lane.in_flight, 0);
    lane_begin(&lane, LANE_WRITING, 7, &image, 0);
    assert_int_equal(lane.chunk_ns, CHUNK_NS_INITIAL);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_walk_ascends_wraps_once_and_ends_where_it_began, fresh_image),
        cmocka_unit_test_setup(a_walk_is_not_finished_before_the_last_answer, fresh_image),
        cmocka_unit_test_setup(an_idle_lane_wants_nothing, fresh_image),
        cmocka_unit_test_setup(distances_count_the_steps_that_are_left, fresh_image),
        cmocka_unit_test_setup(the_largest_image_does_not_overflow, fresh_image),
        cmocka_unit_test_setup(verifying_needs_the_master_for_unknown_digests_only, fresh_image),
        cmocka_unit_test_setup(requests_may_end_in_any_order, fresh_image),
        cmocka_unit_test_setup(pace_is_per_chunk_whatever_the_window, fresh_image),
        cmocka_unit_test_setup(pace_follows_the_drive_and_is_not_shaken_by_one_pause, fresh_image),
        cmocka_unit_test_setup(pace_is_kept_from_writing_to_verifying, fresh_image),
        cmocka_unit_test_setup(a_drive_stalls_when_it_owes_an_answer, fresh_image),
        cmocka_unit_test_setup(a_halted_lane_asks_for_nothing_more, fresh_image),
        cmocka_unit_test_setup(a_reset_lane_knows_nothing_of_the_drive_before, fresh_image),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
