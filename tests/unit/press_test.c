// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/press_support.h"

/* The press from outside: events in, verdicts out. tests/support/core_rig.h checks at every step
 * what must always hold (one verdict, one close, the window, no false PASSED). Here: the main job,
 * and drives that are at fault. */

/* --- The main job ----------------------------------------------------------------------------- */

static void a_drive_is_written_and_read_back(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 5, MODE_WRITE, true);
    rig->drives[0].facts.capacity_bytes = 5 * MIB;
    uint64_t drive = rig_attach(rig, 0);
    assert_true(rig->actions->items[1].open.for_writing);
    rig_run(rig);

    expect(rig, drive, VERDICT_PASSED);
    struct slot_report report = rig_report(rig, 0);
    assert_int_equal(report.written_bytes, 5 * MIB);
    assert_int_equal(report.verified_bytes, 5 * MIB);
    assert_int_equal(report.write_ns, (2 + 5 * 20 + 50) * MS);
    assert_int_equal(report.verify_ns, 5 * 20 * MS);
    assert_int_equal(report.residue, RESIDUE_NONE);
    assert_int_equal(press_master_loads(rig->press), 5);
    rig_free(rig);
}

static void a_drive_is_written_without_a_manifest(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 5, MODE_WRITE, false);
    uint64_t first = rig_attach(rig, 0);
    uint64_t second = rig_attach(rig, 1);
    rig_run(rig);

    expect(rig, first, VERDICT_PASSED);
    expect(rig, second, VERDICT_PASSED);
    assert_int_equal(rig->images[0].known_count, 5);
    assert_int_equal(rig_report(rig, 0).residue, RESIDUE_BEYOND_IMAGE);
    rig_free(rig);
}

static void the_last_chunk_may_be_short(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 3, MODE_WRITE, true);
    rig->images[0].size_bytes -= MIB - 512;
    rig->drives[0].facts.capacity_bytes = rig->images[0].size_bytes;
    uint64_t drive = rig_attach(rig, 0);
    rig_run(rig);

    expect(rig, drive, VERDICT_PASSED);
    assert_int_equal(rig_report(rig, 0).written_bytes, 2 * MIB + 512);
    rig_free(rig);
}

static void verify_with_a_manifest_needs_no_master(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 5, MODE_VERIFY, true);
    rig_fill(rig, 0, 0);
    uint64_t drive = rig_attach(rig, 0);
    assert_false(rig->actions->items[1].open.for_writing);
    rig_run(rig);

    expect(rig, drive, VERDICT_PASSED);
    assert_int_equal(press_master_loads(rig->press), 0);
    assert_int_equal(rig->lives[drive].writes, 0);
    assert_int_equal(rig_report(rig, 0).written_bytes, 0);
    rig_free(rig);
}

static void verify_without_a_manifest_reads_the_master_once_for_all(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(3, 40, MODE_VERIFY, false);
    for (uint32_t slot = 0; slot < 3; slot++) {
        rig_fill(rig, slot, 0);
        (void)rig_attach(rig, slot);
    }
    rig->drives[2].holds[39] = (struct digest){1, 1};
    rig_run(rig);

    expect(rig, 1, VERDICT_PASSED);
    expect(rig, 2, VERDICT_PASSED);
    expect(rig, 3, VERDICT_MISMATCH);
    assert_int_equal(press_master_loads(rig->press), 40);
    rig_free(rig);
}

static void a_late_drive_starts_where_the_others_are(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 100, MODE_WRITE, true);
    uint64_t early = rig_attach(rig, 0);
    rig_pass(rig, 1000 * MS);
    uint64_t late = rig_attach(rig, 1);
    rig_run(rig);

    expect(rig, early, VERDICT_PASSED);
    expect(rig, late, VERDICT_PASSED);
    /* About 50 chunks in a second, and a window ahead. */
    assert_in_range(rig->lives[late].first_chunk, 45, 55);
    /* It shares the second half and has the first one loaded for itself. */
    assert_in_range(press_master_loads(rig->press), 145, 160);
    rig_free(rig);
}

static void a_fast_drive_does_not_wait_for_a_slow_one(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 100, MODE_WRITE, true);
    rig->drives[1].chunk_ns = 400 * MS;
    (void)rig_attach(rig, 0);
    (void)rig_attach(rig, 1);
    rig_pass(rig, (10 + 2 + 100 * 20 + 50 + 100 * 20) * MS);

    expect_state(rig, 0, SLOT_PASSED);
    expect_state(rig, 1, SLOT_WRITING);
    rig_run(rig);
    expect(rig, 2, VERDICT_PASSED);
    rig_free(rig);
}

/* Each drive is at a place of its own, so that all want something else of a master that is slower
 * than they are. None may be left waiting while another is served again and again. */
static void a_slow_master_serves_all_drives_alike(void **state)
{
    (void)state;
    enum { SLOTS = 16 };
    struct rig *rig = rig_ready(SLOTS, 250, MODE_WRITE, true);
    uint64_t before_bytes[SLOTS];
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        rig->drives[slot].chunk_ns = MS;
        rig_fault(rig, ACTION_WRITE, slot, RIG_ANY, RIG_OK, 12 * slot);
        rig_fault(rig, ACTION_WRITE, slot, RIG_ANY, RIG_NEVER, 1);
        (void)rig_attach(rig, slot);
    }
    rig_pass(rig, 10 * NS_PER_S);
    rig->load_ns = 40 * MS;
    rig_release(rig);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        before_bytes[slot] = rig_report(rig, slot).written_bytes;
    rig_pass(rig, 6 * NS_PER_S);

    for (uint32_t slot = 0; slot < SLOTS; slot++)
        assert_in_range(rig_report(rig, slot).written_bytes - before_bytes[slot], 6 * MIB,
                        24 * MIB);
    rig_free(rig);
}

static void a_report_tells_pace_and_time_left(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 50, MODE_WRITE, true);
    assert_int_equal(rig_report(rig, 0).left_ns, FOREVER_NS);
    assert_true(press_idle(rig->press));
    (void)rig_attach(rig, 0);
    assert_false(press_idle(rig->press));
    rig_pass(rig, (10 + 2 + 25 * 20) * MS);

    struct slot_report report = rig_report(rig, 0);
    assert_int_equal(report.written_bytes, 25 * MIB);
    assert_int_equal(report.image_bytes, 50 * MIB);
    assert_int_equal(report.bytes_per_s, 50 * MIB);
    assert_int_equal(report.left_ns, (25 + 50) * 20 * MS);
    rig_pass(rig, (25 * 20 + 1) * MS);
    report = rig_report(rig, 0);
    assert_int_equal(report.state, SLOT_FLUSHING);
    assert_int_equal(report.left_ns, 50 * 20 * MS);
    rig_run(rig);
    assert_true(press_idle(rig->press));
    assert_int_equal(rig_report(rig, 0).bytes_per_s, 0);
    rig_free(rig);
}

static void a_silent_drive_is_reported_as_slow(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 50, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, 25, RIG_NEVER, 1);
    (void)rig_attach(rig, 0);
    rig_pass(rig, 10 * NS_PER_S);

    struct slot_report report = rig_report(rig, 0);
    assert_in_range(report.bytes_per_s, 1, MIB / 9);
    assert_true(report.left_ns >= (24 + 50) * 9 * NS_PER_S);
    rig_free(rig);
}

/* --- Drives that are refused ------------------------------------------------------------------ */

static void a_drive_that_cannot_be_opened_is_refused(void **state)
{
    (void)state;
    static const struct {
        enum open_result result;
        enum verdict verdict;
    } cases[] = {
        {OPEN_BUSY, VERDICT_IN_USE},         {OPEN_SYSTEM_DISK, VERDICT_SYSTEM_DISK},
        {OPEN_READ_ONLY, VERDICT_READ_ONLY}, {OPEN_NO_MEDIUM, VERDICT_NO_MEDIUM},
        {OPEN_DENIED, VERDICT_NOT_IN_RIG},   {OPEN_UNSUITABLE, VERDICT_POLICY},
        {OPEN_GONE, VERDICT_UNPLUGGED},      {OPEN_ERROR, VERDICT_READ_ERROR},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct rig *rig = rig_ready(1, 5, MODE_WRITE, true);
        rig->drives[0].open_result = cases[i].result;
        uint64_t drive = rig_attach(rig, 0);
        rig_run(rig);
        expect(rig, drive, cases[i].verdict);
        assert_false(rig->lives[drive].opened);
        assert_int_equal(rig_report(rig, 0).capacity_bytes, 0);
        assert_int_equal(rig_report(rig, 0).residue, RESIDUE_UNTOUCHED);
        rig_free(rig);
    }
}

static void a_drive_that_is_too_small_is_closed_untouched(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 5, MODE_WRITE, true);
    rig->drives[0].facts.capacity_bytes = 5 * MIB - 512;
    uint64_t small = rig_attach(rig, 0);
    uint64_t other = rig_attach(rig, 1);
    rig_run(rig);

    expect(rig, small, VERDICT_TOO_SMALL);
    assert_true(rig->lives[small].closed);
    assert_int_equal(rig->lives[small].writes, 0);
    expect(rig, other, VERDICT_PASSED);
    rig_free(rig);
}

/* --- Drives that are at fault ----------------------------------------------------------------- */

static void a_mismatch_is_listed_and_the_rest_is_still_read(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, 3, RIG_WRONG, 1);
    rig_fault(rig, ACTION_READ, 0, 17, RIG_ERROR, 1);
    uint64_t drive = rig_attach(rig, 0);
    rig_run(rig);

    expect(rig, drive, VERDICT_MISMATCH);
    struct slot_report report = rig_report(rig, 0);
    assert_int_equal(report.bad_chunk_count, 2);
    assert_int_equal(report.bad_chunks[0], 3);
    assert_int_equal(report.bad_chunks[1], 17);
    assert_int_equal(report.verified_bytes, 19 * MIB);
    assert_int_equal(report.residue, RESIDUE_POSSIBLE);
    rig_free(rig);
}

static void the_first_bad_chunk_names_the_fault(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, ACTION_READ, 0, 3, RIG_ERROR, 1);
    rig_fault(rig, ACTION_READ, 0, 17, RIG_WRONG, 1);
    uint64_t drive = rig_attach(rig, 0);
    rig_run(rig);

    expect(rig, drive, VERDICT_READ_ERROR);
    assert_int_equal(rig_report(rig, 0).bad_chunk_count, 2);
    rig_free(rig);
}

static void a_hopeless_drive_is_given_up(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 200, MODE_VERIFY, true);
    uint64_t drive = rig_attach(rig, 0);
    rig_fill(rig, 0, 1); /* another image */
    rig_run(rig);

    expect(rig, drive, VERDICT_MISMATCH);
    assert_int_equal(rig_report(rig, 0).bad_chunk_count, BAD_CHUNKS_MAX);
    assert_in_range(rig->lives[drive].reads, BAD_CHUNKS_MAX, BAD_CHUNKS_MAX + WINDOW_DEFAULT);
    rig_free(rig);
}

static void a_write_error_ends_the_pass(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, 7, RIG_ERROR, 1);
    uint64_t drive = rig_attach(rig, 0);
    rig_run(rig);

    expect(rig, drive, VERDICT_WRITE_ERROR);
    assert_int_equal(rig_report(rig, 0).bad_chunk_count, 1);
    assert_int_equal(rig_report(rig, 0).bad_chunks[0], 7);
    assert_int_equal(rig_report(rig, 0).written_bytes, 8 * MIB); /* chunk 8 was in flight */
    assert_int_equal(rig->lives[drive].writes, 9);
    assert_int_equal(rig->lives[drive].reads, 0);
    rig_free(rig);
}

/* Runs a pass in which one kind of request is always answered like this. */
static enum verdict verdict_after(enum action_type type, enum rig_answer answer)
{
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, type, 0, type == ACTION_FLUSH ? RIG_ANY : 7, answer, 1);
    uint64_t drive = rig_attach(rig, 0);
    rig_run(rig);
    enum verdict verdict = rig->lives[drive].verdict;
    expect(rig, drive, verdict);
    rig_free(rig);
    return verdict;
}

static void every_bad_answer_has_its_verdict(void **state)
{
    (void)state;
    assert_int_equal(verdict_after(ACTION_WRITE, RIG_GONE), VERDICT_UNPLUGGED);
    assert_int_equal(verdict_after(ACTION_FLUSH, RIG_GONE), VERDICT_UNPLUGGED);
    assert_int_equal(verdict_after(ACTION_READ, RIG_GONE), VERDICT_UNPLUGGED);
    assert_int_equal(verdict_after(ACTION_FLUSH, RIG_ERROR), VERDICT_WRITE_ERROR);
    assert_int_equal(verdict_after(ACTION_READ, RIG_ERROR), VERDICT_READ_ERROR);
    assert_int_equal(verdict_after(ACTION_READ, RIG_WRONG), VERDICT_MISMATCH);
    assert_int_equal(verdict_after(ACTION_WRITE, RIG_CANCELLED), VERDICT_INTERRUPTED);
    assert_int_equal(verdict_after(ACTION_READ, RIG_CANCELLED), VERDICT_INTERRUPTED);
}

static void a_silent_drive_is_stalled_in_every_state(void **state)
{
    (void)state;
    assert_int_equal(verdict_after(ACTION_WRITE, RIG_NEVER), VERDICT_STALLED);
    assert_int_equal(verdict_after(ACTION_FLUSH, RIG_NEVER), VERDICT_STALLED);
    assert_int_equal(verdict_after(ACTION_READ, RIG_NEVER), VERDICT_STALLED);
}

static void a_drive_that_opens_too_late_is_closed_again(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig->drives[0].never_opens = true;
    uint64_t drive = rig_attach(rig, 0);
    rig_run(rig);
    expect(rig, drive, VERDICT_STALLED);
    assert_in_range(rig->now_ns - RIG_BEGIN_NS, FLUSH_NS_DEFAULT, FLUSH_NS_DEFAULT + TICK_NS);

    rig_release(rig);
    rig_run(rig);
    assert_true(rig->lives[drive].opened && rig->lives[drive].closed);
    rig_free(rig);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drive_is_written_and_read_back),
        cmocka_unit_test(a_drive_is_written_without_a_manifest),
        cmocka_unit_test(the_last_chunk_may_be_short),
        cmocka_unit_test(verify_with_a_manifest_needs_no_master),
        cmocka_unit_test(verify_without_a_manifest_reads_the_master_once_for_all),
        cmocka_unit_test(a_late_drive_starts_where_the_others_are),
        cmocka_unit_test(a_fast_drive_does_not_wait_for_a_slow_one),
        cmocka_unit_test(a_slow_master_serves_all_drives_alike),
        cmocka_unit_test(a_report_tells_pace_and_time_left),
        cmocka_unit_test(a_silent_drive_is_reported_as_slow),
        cmocka_unit_test(a_drive_that_cannot_be_opened_is_refused),
        cmocka_unit_test(a_drive_that_is_too_small_is_closed_untouched),
        cmocka_unit_test(a_mismatch_is_listed_and_the_rest_is_still_read),
        cmocka_unit_test(the_first_bad_chunk_names_the_fault),
        cmocka_unit_test(a_hopeless_drive_is_given_up),
        cmocka_unit_test(a_write_error_ends_the_pass),
        cmocka_unit_test(every_bad_answer_has_its_verdict),
        cmocka_unit_test(a_silent_drive_is_stalled_in_every_state),
        cmocka_unit_test(a_drive_that_opens_too_late_is_closed_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
