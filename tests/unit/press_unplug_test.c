// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/press_support.h"

/* As press_test.c; here errors that may be the first sign of a removal, and drives that are pulled
 * or stopped after they showed a fault. */

static const enum action_type requests[] = {ACTION_OPEN, ACTION_WRITE, ACTION_FLUSH, ACTION_READ};

/* A pass over 10 chunks in which one request of this kind, the last of its kind if there are
 * several, is answered with an error; it ends just after that. */
static struct rig *rig_after_error(enum action_type type)
{
    struct rig *rig = rig_ready(1, 10, MODE_WRITE, true);
    if (type == ACTION_OPEN)
        rig->drives[0].open_result = OPEN_ERROR;
    else
        rig_fault(rig, type, 0, type == ACTION_FLUSH ? RIG_ANY : 9, RIG_ERROR, 1);
    (void)rig_attach(rig, 0);
    static const uint64_t until_ms[] = {
        [ACTION_OPEN] = 11, [ACTION_WRITE] = 213, [ACTION_FLUSH] = 263, [ACTION_READ] = 463};
    rig_pass(rig, until_ms[type] * MS);
    assert_true(slot_state_busy(rig_report(rig, 0).state));
    assert_int_equal(rig->request_count, 0);
    return rig;
}

static enum verdict verdict_of(enum action_type type)
{
    return type == ACTION_OPEN || type == ACTION_READ ? VERDICT_READ_ERROR : VERDICT_WRITE_ERROR;
}

static void an_error_before_a_removal_is_not_blamed(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(requests); i++) {
        struct rig *rig = rig_after_error(requests[i]);
        rig_pass(rig, UNPLUG_NS_DEFAULT - 300 * MS);
        rig_detach(rig, 0);
        expect(rig, 1, VERDICT_UNPLUGGED);
        expect_state(rig, 0, SLOT_FAILED); /* stays on show */
        rig_free(rig);
    }
}

static void an_error_without_a_removal_is_the_drives(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(requests); i++) {
        struct rig *rig = rig_after_error(requests[i]);
        rig_pass(rig, UNPLUG_NS_DEFAULT - 300 * MS);
        assert_true(slot_state_busy(rig_report(rig, 0).state));
        rig_pass(rig, 600 * MS);
        expect(rig, 1, verdict_of(requests[i]));
        rig_detach(rig, 0);
        expect_state(rig, 0, SLOT_EMPTY);
        rig_free(rig);
    }
}

static void an_error_that_is_held_back_is_told_when_stopped(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(requests); i++) {
        struct rig *rig = rig_after_error(requests[i]);
        rig_stop(rig, 0);
        expect(rig, 1, verdict_of(requests[i]));
        rig_free(rig);
    }
}

static void a_removal_may_get_lost(void **state)
{
    (void)state;
    struct rig *rig = rig_after_error(ACTION_WRITE);
    uint64_t next = rig_attach(rig, 0);
    rig_run(rig);
    expect(rig, 1, VERDICT_UNPLUGGED);
    expect(rig, next, VERDICT_PASSED);
    rig_free(rig);
}

static void where_nobody_tells_of_removals_there_is_no_grace(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(requests); i++) {
        struct rig *rig = rig_new(1);
        rig->config.unplug_ns = 0;
        rig_start(rig);
        rig_add_image(rig, 0, 10, true);
        rig_arm(rig, MODE_WRITE, 0);
        if (requests[i] == ACTION_OPEN)
            rig->drives[0].open_result = OPEN_ERROR;
        else
            rig_fault(rig, requests[i], 0, RIG_ANY, RIG_ERROR, 1);
        uint64_t begin_ns = rig->now_ns;
        uint64_t drive = rig_attach(rig, 0);
        rig_run(rig);
        expect(rig, drive, verdict_of(requests[i]));
        assert_true(rig->now_ns - begin_ns < 2 * NS_PER_S);
        rig_free(rig);
    }
}

static void nothing_is_asked_of_a_drive_that_may_be_gone(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, 5, RIG_ERROR, 1);
    rig_fault(rig, ACTION_WRITE, 0, 6, RIG_GONE, 1);
    uint64_t drive = rig_attach(rig, 0);
    rig_pass(rig, (12 + 6 * 20 + 1) * MS);
    expect_state(rig, 0, SLOT_WRITING);
    assert_int_equal(rig->lives[drive].writes, 7);
    rig_pass(rig, 20 * MS); /* the answer to the other request tells more */
    expect(rig, drive, VERDICT_UNPLUGGED);
    assert_int_equal(rig->lives[drive].writes, 7);
    rig_free(rig);
}

/* The last write is answered well after an earlier one was not: nothing is flushed. */
static void a_pass_with_an_error_is_not_flushed(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 6, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, 4, RIG_ERROR, 1);
    uint64_t drive = rig_attach(rig, 0);
    rig_pass(rig, 300 * MS);
    expect_state(rig, 0, SLOT_WRITING);
    assert_int_equal(rig_report(rig, 0).written_bytes, 5 * MIB);
    rig_run(rig);
    expect(rig, drive, VERDICT_WRITE_ERROR);
    assert_int_equal(rig_report(rig, 0).bad_chunk_count, 1);
    rig_free(rig);
}

static void a_drive_full_of_read_errors_may_have_been_pulled(void **state)
{
    (void)state;
    for (unsigned pulled = 0; pulled < 2; pulled++) {
        struct rig *rig = rig_ready(1, 200, MODE_VERIFY, true);
        rig_fill(rig, 0, 0);
        rig_fault(rig, ACTION_READ, 0, RIG_ANY, RIG_ERROR, 1000);
        uint64_t drive = rig_attach(rig, 0);
        rig_pass(rig, 1500 * MS);
        expect_state(rig, 0, SLOT_VERIFYING);
        struct slot_report report = rig_report(rig, 0);
        assert_int_equal(report.bad_chunk_count, BAD_CHUNKS_MAX);
        assert_in_range(rig->lives[drive].reads, BAD_CHUNKS_MAX,
                        BAD_CHUNKS_MAX + WINDOW_DEFAULT - 1);
        if (pulled)
            rig_detach(rig, 0);
        rig_run(rig);
        expect(rig, drive, pulled ? VERDICT_UNPLUGGED : VERDICT_READ_ERROR);
        rig_free(rig);
    }
}

static void a_mismatch_is_told_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 4, MODE_VERIFY, true);
    rig_fill(rig, 0, 0);
    rig_fault(rig, ACTION_READ, 0, 1, RIG_WRONG, 1);
    uint64_t drive = rig_attach(rig, 0);
    rig_pass(rig, (10 + 4 * 20 + 1) * MS);
    expect(rig, drive, VERDICT_MISMATCH);
    rig_free(rig);
}

/* --- A fault that is known goes before the end of the pass ------------------------------------ */

/* A drive that showed these faults at chunks 2 and 4 of 20, and is read on. */
static struct rig *rig_with_faults(enum rig_answer first, enum rig_answer second)
{
    struct rig *rig = rig_ready(1, 20, MODE_VERIFY, true);
    rig_fill(rig, 0, 0);
    rig_fault(rig, ACTION_READ, 0, 2, first, 1);
    rig_fault(rig, ACTION_READ, 0, 4, second, 1);
    (void)rig_attach(rig, 0);
    rig_pass(rig, 200 * MS);
    expect_state(rig, 0, SLOT_VERIFYING);
    return rig;
}

static enum verdict verdict_when_stopped(enum rig_answer first, enum rig_answer second)
{
    struct rig *rig = rig_with_faults(first, second);
    rig_stop(rig, 0);
    enum verdict verdict = rig->lives[1].verdict;
    expect(rig, 1, verdict);
    rig_free(rig);
    return verdict;
}

static enum verdict verdict_when_pulled(enum rig_answer first, enum rig_answer second)
{
    struct rig *rig = rig_with_faults(first, second);
    rig_detach(rig, 0);
    enum verdict verdict = rig->lives[1].verdict;
    expect(rig, 1, verdict);
    expect_state(rig, 0, SLOT_FAILED); /* whatever its verdict, it stays on show */
    rig_free(rig);
    return verdict;
}

static void a_stopped_drive_keeps_its_fault(void **state)
{
    (void)state;
    assert_int_equal(verdict_when_stopped(RIG_OK, RIG_OK), VERDICT_STOPPED);
    assert_int_equal(verdict_when_stopped(RIG_WRONG, RIG_OK), VERDICT_MISMATCH);
    assert_int_equal(verdict_when_stopped(RIG_ERROR, RIG_OK), VERDICT_READ_ERROR);
    assert_int_equal(verdict_when_stopped(RIG_ERROR, RIG_WRONG), VERDICT_READ_ERROR);
    assert_int_equal(verdict_when_stopped(RIG_WRONG, RIG_ERROR), VERDICT_MISMATCH);
}

static void only_wrong_data_is_held_against_a_pulled_drive(void **state)
{
    (void)state;
    assert_int_equal(verdict_when_pulled(RIG_OK, RIG_OK), VERDICT_UNPLUGGED);
    assert_int_equal(verdict_when_pulled(RIG_WRONG, RIG_OK), VERDICT_MISMATCH);
    assert_int_equal(verdict_when_pulled(RIG_ERROR, RIG_OK), VERDICT_UNPLUGGED);
    assert_int_equal(verdict_when_pulled(RIG_ERROR, RIG_WRONG), VERDICT_MISMATCH);
}

static void a_request_that_was_given_up_hides_no_fault(void **state)
{
    (void)state;
    struct rig *rig = rig_with_faults(RIG_WRONG, RIG_OK);
    rig_fault(rig, ACTION_READ, 0, 15, RIG_CANCELLED, 1);
    rig_run(rig);
    expect(rig, 1, VERDICT_MISMATCH);
    rig_free(rig);
}

static void a_lost_drive_with_a_fault_stays_on_show(void **state)
{
    (void)state;
    struct rig *rig = rig_with_faults(RIG_WRONG, RIG_OK);
    rig_fault(rig, ACTION_READ, 0, 15, RIG_GONE, 1);
    rig_run(rig);
    expect(rig, 1, VERDICT_MISMATCH);
    rig_detach(rig, 0); /* the kernel says so later than the drive's own errors */
    expect_state(rig, 0, SLOT_FAILED);
    rig_free(rig);
}

static void bad_chunks_are_listed_in_order(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 40, MODE_WRITE, true);
    (void)rig_attach(rig, 0);
    rig_pass(rig, 400 * MS);
    rig_fault(rig, ACTION_WRITE, 1, 3, RIG_WRONG, 1);
    rig_fault(rig, ACTION_WRITE, 1, 30, RIG_WRONG, 1);
    rig_fault(rig, ACTION_WRITE, 1, 11, RIG_WRONG, 1);
    rig_fault(rig, ACTION_READ, 1, 37, RIG_ERROR, 1);
    uint64_t drive = rig_attach(rig, 1); /* it starts where the other one is, and wraps */
    rig_run(rig);
    expect(rig, drive, VERDICT_MISMATCH);
    assert_in_range(rig->lives[drive].first_chunk, 12, 29);
    static const uint32_t expected[] = {3, 11, 30, 37};
    struct slot_report report = rig_report(rig, 1);
    assert_int_equal(report.bad_chunk_count, array_count(expected));
    assert_memory_equal(report.bad_chunks, expected, sizeof(expected));
    rig_free(rig);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_before_a_removal_is_not_blamed),
        cmocka_unit_test(an_error_without_a_removal_is_the_drives),
        cmocka_unit_test(an_error_that_is_held_back_is_told_when_stopped),
        cmocka_unit_test(a_removal_may_get_lost),
        cmocka_unit_test(where_nobody_tells_of_removals_there_is_no_grace),
        cmocka_unit_test(nothing_is_asked_of_a_drive_that_may_be_gone),
        cmocka_unit_test(a_pass_with_an_error_is_not_flushed),
        cmocka_unit_test(a_drive_full_of_read_errors_may_have_been_pulled),
        cmocka_unit_test(a_mismatch_is_told_at_once),
        cmocka_unit_test(a_stopped_drive_keeps_its_fault),
        cmocka_unit_test(only_wrong_data_is_held_against_a_pulled_drive),
        cmocka_unit_test(a_request_that_was_given_up_hides_no_fault),
        cmocka_unit_test(a_lost_drive_with_a_fault_stays_on_show),
        cmocka_unit_test(bad_chunks_are_listed_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
