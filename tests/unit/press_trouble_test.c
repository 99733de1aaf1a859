// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/press_support.h"

/* As press_test.c; here what comes from outside the drive: it is pulled, replaced or stopped, and
 * the master fails. */

/* --- Drives that come and go ------------------------------------------------------------------ */

static void run_to(struct rig *rig, uint32_t slot, enum slot_state slot_state)
{
    for (int i = 0; i < 100000 && rig_report(rig, slot).state != slot_state; i++)
        rig_pass(rig, MS);
    expect_state(rig, slot, slot_state);
}

static const enum slot_state busy_states[] = {SLOT_IDENTIFYING, SLOT_WRITING, SLOT_FLUSHING,
                                              SLOT_VERIFYING};

static void a_pass_can_be_stopped_in_every_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(busy_states); i++) {
        struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
        rig->late_ns = 100 * MS;
        uint64_t drive = rig_attach(rig, 0);
        run_to(rig, 0, busy_states[i]);
        rig_stop(rig, 0);
        expect_state(rig, 0, SLOT_FAILED);
        rig_stop(rig, 0);
        rig_run(rig);
        expect(rig, drive, VERDICT_STOPPED);
        rig_free(rig);
    }
}

static void a_drive_can_be_pulled_in_every_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(busy_states); i++) {
        struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
        rig->late_ns = 100 * MS;
        uint64_t drive = rig_attach(rig, 0);
        run_to(rig, 0, busy_states[i]);
        rig_detach(rig, 0);
        rig_run(rig);
        expect(rig, drive, VERDICT_UNPLUGGED);
        expect_state(rig, 0, SLOT_FAILED); /* stays on show */
        rig_free(rig);
    }
}

static void a_drive_can_be_replaced_in_every_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(busy_states); i++) {
        struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
        rig->late_ns = 100 * MS;
        rig_pass(rig, 2 * PLUGGED_JITTER_NS);
        rig->drives[0].told_anew = true; /* the news of it come late */
        rig->drives[0].plugged_ns = RIG_BEGIN_NS;
        uint64_t first = rig_attach(rig, 0);
        run_to(rig, 0, busy_states[i]);
        rig->drives[0].told_anew = false;
        uint64_t second = rig_attach(rig, 0); /* its predecessor's removal was lost */
        rig_run(rig);
        expect(rig, first, VERDICT_UNPLUGGED);
        expect(rig, second, VERDICT_PASSED);
        rig_free(rig);
    }
}

static void a_finished_drive_leaves_an_empty_slot(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 5, MODE_WRITE, true);
    uint64_t first = rig_attach(rig, 0);
    rig_run(rig);
    expect_state(rig, 0, SLOT_PASSED);
    rig_detach(rig, 0);
    expect_state(rig, 0, SLOT_EMPTY);
    uint64_t second = rig_attach(rig, 0);
    rig_run(rig);
    expect(rig, first, VERDICT_PASSED);
    expect(rig, second, VERDICT_PASSED);
    rig_free(rig);
}

static void a_drive_that_was_lost_stays_on_show(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, 5, RIG_GONE, 1);
    uint64_t drive = rig_attach(rig, 0);
    rig_run(rig);
    expect(rig, drive, VERDICT_UNPLUGGED);
    rig_detach(rig, 0); /* the kernel says so later than the drive's own errors */
    expect_state(rig, 0, SLOT_FAILED);
    rig_free(rig);
}

static void what_a_pulled_drive_leaves_behind_shrinks_the_window(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, 5, RIG_NEVER, 1);
    uint64_t first = rig_attach(rig, 0);
    rig_pass(rig, 1000 * MS);
    rig_detach(rig, 0);
    rig_pass(rig, MS);
    assert_int_equal(rig_in_flight(rig, 0, ACTION_WRITE), 1);

    uint64_t second = rig_attach(rig, 0);
    rig_pass(rig, 15 * MS);
    expect_state(rig, 0, SLOT_WRITING);
    assert_int_equal(rig_in_flight(rig, 0, ACTION_WRITE), 2);
    assert_int_equal(rig->lives[second].writes, 1);
    rig_release(rig);
    rig_pass(rig, MS);
    assert_int_equal(rig_in_flight(rig, 0, ACTION_WRITE), 2);
    assert_int_equal(rig->lives[second].writes, 2);
    rig_run(rig);
    expect(rig, first, VERDICT_UNPLUGGED);
    expect(rig, second, VERDICT_PASSED);
    rig_free(rig);
}

/* A drive that hangs for good is pulled, and the next comes while the kernel holds its requests. */
static struct rig *rig_with_a_slot_full_of_orphans(void)
{
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, RIG_ANY, RIG_NEVER, 2);
    (void)rig_attach(rig, 0);
    rig_pass(rig, 1000 * MS);
    rig_detach(rig, 0);
    (void)rig_attach(rig, 0);
    rig_pass(rig, 1000 * MS);
    expect_state(rig, 0, SLOT_IDENTIFYING);
    assert_true(rig->lives[2].opened);
    return rig;
}

static void a_drive_waits_for_what_the_one_before_left_behind(void **state)
{
    (void)state;
    struct rig *rig = rig_with_a_slot_full_of_orphans();
    rig_release(rig);
    rig_run(rig);
    expect(rig, 1, VERDICT_UNPLUGGED);
    expect(rig, 2, VERDICT_PASSED);
    rig_free(rig);
}

static void a_drive_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct rig *rig = rig_with_a_slot_full_of_orphans();
    rig_run(rig);
    expect(rig, 2, VERDICT_IN_USE);
    assert_int_equal(rig->lives[2].writes, 0);
    rig_release(rig);
    rig_run(rig);
    rig_free(rig);
}

/* --- A master at fault: no drive is blamed ---------------------------------------------------- */

static void a_chunk_of_the_master_is_read_again(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, ACTION_LOAD, RIG_MASTER, 4, RIG_ERROR, 1);
    rig_fault(rig, ACTION_LOAD, RIG_MASTER, 4, RIG_WRONG, LOAD_ATTEMPTS_MAX - 2);
    uint64_t drive = rig_attach(rig, 0);
    rig_run(rig);
    expect(rig, drive, VERDICT_PASSED);
    assert_int_equal(press_master_loads(rig->press), 20 + LOAD_ATTEMPTS_MAX - 1);
    rig_free(rig);
}

/* One drive verifies, one flushes, one writes and one is being opened when the master breaks. */
static void a_broken_master_ends_only_who_needs_it(enum rig_answer answer)
{
    struct rig *rig = rig_ready(5, 60, MODE_WRITE, true);
    rig->drives[1].flush_ns = 2000 * MS;
    uint64_t verifying = rig_attach(rig, 0);
    uint64_t flushing = rig_attach(rig, 1);
    run_to(rig, 0, SLOT_VERIFYING);
    rig_fault(rig, ACTION_LOAD, RIG_MASTER, 0, answer, LOAD_ATTEMPTS_MAX);
    rig_fault(rig, ACTION_LOAD, RIG_MASTER, 3, answer, LOAD_ATTEMPTS_MAX);
    rig->load_ns = 20 * MS;
    rig->drives[3].open_ns = 1000 * MS;
    uint64_t writing = rig_attach(rig, 2);
    uint64_t opening = rig_attach(rig, 3);
    expect_state(rig, 1, SLOT_FLUSHING);
    rig_run(rig);
    uint64_t late = rig_attach(rig, 4);
    rig_run(rig);

    expect(rig, verifying, VERDICT_PASSED);
    expect(rig, flushing, VERDICT_PASSED);
    expect(rig, writing, VERDICT_MASTER_ERROR);
    expect(rig, opening, VERDICT_MASTER_ERROR);
    expect_state(rig, 2, SLOT_ABORTED);
    expect(rig, late, VERDICT_MASTER_ERROR);
    assert_false(rig->lives[late].opened);
    rig_free(rig);
}

static void a_master_that_cannot_be_read_blames_no_drive(void **state)
{
    (void)state;
    a_broken_master_ends_only_who_needs_it(RIG_ERROR);
}

static void a_master_that_differs_from_its_manifest_blames_no_drive(void **state)
{
    (void)state;
    a_broken_master_ends_only_who_needs_it(RIG_WRONG);
}

static void a_master_that_hangs_blames_no_drive(void **state)
{
    (void)state;
    a_broken_master_ends_only_who_needs_it(RIG_NEVER);
}

/* Without a manifest nobody knows which of two readings was right: none may pass by either. */
static void a_learnt_master_that_disagrees_passes_no_drive(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 60, MODE_WRITE, false);
    (void)rig_attach(rig, 0);
    run_to(rig, 0, SLOT_VERIFYING);
    rig_fault(rig, ACTION_LOAD, RIG_MASTER, 5, RIG_WRONG, LOAD_ATTEMPTS_MAX);
    (void)rig_attach(rig, 1);
    rig_run(rig);

    expect(rig, 1, VERDICT_MASTER_ERROR);
    expect(rig, 2, VERDICT_MASTER_ERROR);
    assert_int_equal(rig_report(rig, 0).bad_chunk_count, 0);
    rig_free(rig);
}

static void a_learnt_master_that_cannot_be_read_any_more_ends_only_who_needs_it(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 60, MODE_WRITE, false);
    (void)rig_attach(rig, 0);
    run_to(rig, 0, SLOT_VERIFYING);
    rig_fault(rig, ACTION_LOAD, RIG_MASTER, 5, RIG_ERROR, LOAD_ATTEMPTS_MAX);
    (void)rig_attach(rig, 1);
    rig_run(rig);

    expect(rig, 1, VERDICT_PASSED);
    expect(rig, 2, VERDICT_MASTER_ERROR);
    rig_free(rig);
}

static void loads_that_hang_do_not_hold_up_another_image_for_ever(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 60, MODE_WRITE, true);
    rig_add_image(rig, 1, 60, true);
    rig_fault(rig, ACTION_LOAD, RIG_MASTER, RIG_ANY, RIG_NEVER, LOADS_MAX);
    (void)rig_attach(rig, 0);
    rig_pass(rig, 1000 * MS);
    rig_arm(rig, MODE_WRITE, 1);
    (void)rig_attach(rig, 1);
    rig_run(rig);

    expect(rig, 1, VERDICT_MASTER_ERROR);
    expect(rig, 2, VERDICT_MASTER_ERROR);
    assert_true(rig->now_ns - RIG_BEGIN_NS <= MASTER_NS_DEFAULT + 2 * NS_PER_S);
    rig_free(rig);
}

/* --- Everything at once ----------------------------------------------------------------------- */

static uint32_t next_random(uint64_t *seed, uint32_t below)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % below;
}

static void spoil_something(struct rig *rig, uint32_t slot, uint64_t *seed)
{
    static const enum action_type types[] = {ACTION_WRITE, ACTION_READ, ACTION_FLUSH};
    enum action_type type = types[next_random(seed, 3)];
    int64_t chunk = type == ACTION_FLUSH ? RIG_ANY : (int64_t)next_random(seed, 40);
    rig_fault(rig, type, slot, chunk, (enum rig_answer)(1 + next_random(seed, 5)), 1);
}

static void a_storm(uint64_t seed)
{
    enum { SLOTS = 8 };
    struct rig *rig = rig_ready(SLOTS, 40, MODE_WRITE, (seed & 1) != 0);
    rig->late_ns = next_random(&seed, 2) * 700 * MS;
    for (int i = 0; i < 70; i++) {
        uint32_t slot = next_random(&seed, SLOTS);
        rig->drives[slot].chunk_ns = (1 + next_random(&seed, 40)) * MS;
        switch (next_random(&seed, 10)) {
        case 0:
            rig_detach(rig, slot);
            break;
        case 1:
            rig_stop(rig, slot);
            break;
        case 2:
            spoil_something(rig, slot, &seed);
            break;
        case 3:
            rig_release(rig);
            break;
        case 4:
            if (next_random(&seed, 3) == 0)
                rig_disarm(rig);
            break;
        case 5:
        case 6:
            (void)rig_start_drive(rig, slot);
            break;
        case 7:
            rig_arm(rig, next_random(&seed, 3) == 0 ? MODE_VERIFY : MODE_WRITE, 0);
            break;
        default:
            if (rig->drives[slot].attachment == 0 || press_idle(rig->press))
                (void)rig_attach(rig, slot);
        }
        rig_pass(rig, next_random(&seed, 300) * MS);
    }
    rig_run(rig);
    rig_release(rig);
    rig_run(rig);
    for (uint64_t drive = 1; drive <= rig->attachment_last; drive++) {
        if (rig->lives[drive].asked)
            assert_int_not_equal(rig->lives[drive].verdict, VERDICT_NONE);
        assert_int_not_equal(rig->lives[drive].verdict, VERDICT_MASTER_ERROR);
        assert_int_equal(rig->lives[drive].opened, rig->lives[drive].closed);
    }
    assert_int_equal(rig->request_count, 0);
    rig_free(rig);
}

static void every_drive_of_a_storm_gets_one_verdict(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        a_storm(seed);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pass_can_be_stopped_in_every_state),
        cmocka_unit_test(a_drive_can_be_pulled_in_every_state),
        cmocka_unit_test(a_drive_can_be_replaced_in_every_state),
        cmocka_unit_test(a_finished_drive_leaves_an_empty_slot),
        cmocka_unit_test(a_drive_that_was_lost_stays_on_show),
        cmocka_unit_test(what_a_pulled_drive_leaves_behind_shrinks_the_window),
        cmocka_unit_test(a_drive_waits_for_what_the_one_before_left_behind),
        cmocka_unit_test(a_drive_does_not_wait_for_ever),
        cmocka_unit_test(a_chunk_of_the_master_is_read_again),
        cmocka_unit_test(a_master_that_cannot_be_read_blames_no_drive),
        cmocka_unit_test(a_master_that_differs_from_its_manifest_blames_no_drive),
        cmocka_unit_test(a_master_that_hangs_blames_no_drive),
        cmocka_unit_test(a_learnt_master_that_disagrees_passes_no_drive),
        cmocka_unit_test(a_learnt_master_that_cannot_be_read_any_more_ends_only_who_needs_it),
        cmocka_unit_test(loads_that_hang_do_not_hold_up_another_image_for_ever),
        cmocka_unit_test(every_drive_of_a_storm_gets_one_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
