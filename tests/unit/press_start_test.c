// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/press_support.h"

/* As press_test.c; here who is started on what: drives that were there before arming, what an
 * operator starts, several images, and the rig's limits. */

/* --- Arming ----------------------------------------------------------------------------------- */

static void expect_untouched(struct rig *rig, uint64_t drive)
{
    assert_false(rig->lives[drive].asked);
    expect(rig, drive, VERDICT_NONE);
}

static void a_drive_that_was_there_before_is_not_touched(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    rig_start(rig);
    rig_add_image(rig, 0, 5, true);
    rig->drives[0].plugged_before = true;
    uint64_t before_all = rig_attach(rig, 0);
    rig_pass(rig, MS);
    uint64_t before_arming = rig_attach(rig, 1);
    rig_pass(rig, MS);
    rig_arm(rig, MODE_WRITE, 0);
    rig->drives[2].plugged_before = true; /* and the news of it come late */
    uint64_t told_late = rig_attach(rig, 2);
    rig_run(rig);

    expect_untouched(rig, before_all);
    expect_untouched(rig, before_arming);
    expect_untouched(rig, told_late);
    for (uint32_t slot = 0; slot < 3; slot++) {
        expect_state(rig, slot, SLOT_READY);
        assert_int_equal(press_may_start(rig->press, slot), START_ALLOWED);
    }
    assert_true(press_idle(rig->press));
    rig_free(rig);
}

static void a_drive_starts_by_itself_only_after_the_last_arming(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(3, 5, MODE_WRITE, true);
    uint64_t just_then = rig_attach(rig, 0); /* at the same moment: it came after */
    rig_pass(rig, MS);
    struct event late = {.type = EVENT_ATTACHED, .slot = 1, .attachment = 2};
    late.attached.plugged_ns = rig->now_ns;
    rig_pass(rig, MS);
    rig_arm(rig, MODE_WRITE, 0);
    late.now_ns = rig->now_ns;
    rig->actions->count = 0;
    press_step(rig->press, &late, rig->actions);

    assert_int_equal(rig->actions->count, 1);
    assert_int_equal(rig->actions->items[0].state.to, SLOT_READY);
    rig_run(rig);
    expect(rig, just_then, VERDICT_PASSED);
    rig_free(rig);
}

/* As when its driver is unbound and bound again: it has passed, and its old time. */
static void a_drive_that_is_told_of_anew_does_not_start_again(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 5, MODE_WRITE, true);
    (void)rig_attach(rig, 0);
    rig_run(rig);
    expect_state(rig, 0, SLOT_PASSED);
    rig_detach(rig, 0);
    rig->drives[0].told_anew = true;
    uint64_t anew = rig_attach(rig, 0);
    expect_state(rig, 0, SLOT_READY);
    rig_detach(rig, 0);
    rig->drives[0].plugged_ns += PLUGGED_JITTER_NS; /* its time came out differently */
    uint64_t jittered = rig_attach(rig, 0);
    rig_detach(rig, 0);
    rig->drives[0].plugged_ns++;
    uint64_t other = rig_attach(rig, 0);
    rig_run(rig);

    expect_untouched(rig, anew);
    expect_untouched(rig, jittered);
    expect(rig, other, VERDICT_PASSED);
    rig_free(rig);
}

static void a_drive_that_an_operator_started_does_not_start_again_by_itself(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 5, MODE_WRITE, true);
    rig->drives[0].foreign = true; /* refused, which is no start */
    (void)rig_attach(rig, 0);
    rig_run(rig);
    rig_detach(rig, 0);
    rig->drives[0].foreign = false;
    rig->drives[0].told_anew = true;
    uint64_t first = rig_attach(rig, 0);
    rig_run(rig);
    expect(rig, first, VERDICT_PASSED);
    uint64_t came_ns = rig->drives[0].plugged_ns;
    rig_detach(rig, 0);
    rig->drives[0].plugged_ns = 0; /* in doubt */
    (void)rig_attach(rig, 0);
    uint64_t again = rig_start_drive(rig, 0);
    rig_run(rig);
    expect(rig, again, VERDICT_PASSED);
    rig_detach(rig, 0);
    rig->drives[0].plugged_ns = came_ns;
    expect_untouched(rig, rig_attach(rig, 0));
    expect_state(rig, 0, SLOT_READY);
    rig_free(rig);
}

static void a_slot_that_is_another_place_shows_nothing_of_the_drive_before(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, 3, RIG_NEVER, 1);
    (void)rig_attach(rig, 0);
    rig_pass(rig, 500 * MS);
    rig_detach(rig, 0);
    expect_state(rig, 0, SLOT_FAILED);
    rig_clear(rig, 0);
    expect_state(rig, 0, SLOT_EMPTY);
    assert_int_equal(rig_report(rig, 0).verdict, VERDICT_NONE);
    assert_int_equal(rig_report(rig, 0).written_bytes, 0);
    assert_int_equal(rig_report(rig, 0).capacity_bytes, 0);
    rig_clear(rig, 0); /* it is empty */
    assert_int_equal(rig->actions->count, 0);
    rig->drives[0].told_anew = true; /* of the other place: it never started here */
    uint64_t next = rig_attach(rig, 0);
    rig_release(rig); /* the late answer: for the drive that is gone */
    rig_run(rig);
    expect(rig, next, VERDICT_PASSED);
    rig_free(rig);
}

static void a_drive_that_is_ready_can_be_pulled_and_replaced(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    rig_start(rig);
    rig_add_image(rig, 0, 5, true);
    uint64_t first = rig_attach(rig, 0);
    expect_state(rig, 0, SLOT_READY);
    rig_detach(rig, 0);
    expect_state(rig, 0, SLOT_EMPTY);
    uint64_t second = rig_attach(rig, 0);
    rig_arm(rig, MODE_WRITE, 0);
    expect_state(rig, 0, SLOT_READY);
    uint64_t third = rig_attach(rig, 0); /* the removal of the one before was lost */
    rig_run(rig);

    expect_untouched(rig, first);
    expect_untouched(rig, second);
    expect(rig, third, VERDICT_PASSED);
    rig_free(rig);
}

static void disarming_lets_running_passes_go_on(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 20, MODE_WRITE, true);
    uint64_t running = rig_attach(rig, 0);
    rig_pass(rig, 5 * MS); /* it is being opened */
    rig_disarm(rig);
    uint64_t late = rig_attach(rig, 1);
    rig_run(rig);

    expect(rig, running, VERDICT_PASSED);
    expect_untouched(rig, late);
    assert_int_equal(press_may_start(rig->press, 1), START_DISARMED);
    assert_int_equal(rig_start_drive(rig, 1), 0);
    expect_state(rig, 1, SLOT_READY);
    rig_free(rig);
}

static void a_pass_goes_on_as_it_began_when_the_rig_is_armed_anew(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 20, MODE_WRITE, true);
    rig_add_image(rig, 1, 7, true);
    uint64_t first = rig_attach(rig, 0);
    rig_pass(rig, 5 * MS);
    rig_arm(rig, MODE_VERIFY, 1);
    rig_fill(rig, 1, 1);
    uint64_t second = rig_attach(rig, 1);
    rig_run(rig);

    expect(rig, first, VERDICT_PASSED);
    assert_int_equal(rig_report(rig, 0).image_bytes, 20 * MIB);
    assert_int_equal(rig_report(rig, 0).mode, MODE_WRITE);
    expect(rig, second, VERDICT_PASSED);
    assert_int_equal(rig_report(rig, 1).image, 1);
    assert_int_equal(rig_report(rig, 1).mode, MODE_VERIFY);
    assert_int_equal(rig->lives[second].writes, 0);
    rig_free(rig);
}

/* --- Starting --------------------------------------------------------------------------------- */

static void what_is_ready_can_be_started(void **state)
{
    (void)state;
    struct rig *rig = rig_new(1);
    rig_start(rig);
    rig_add_image(rig, 0, 5, true);
    rig->drives[0].told_bytes = 2 * GIB;
    uint64_t first = rig_attach(rig, 0);
    assert_int_equal(rig_report(rig, 0).capacity_bytes, 2 * GIB); /* told, not looked at */
    assert_int_equal(rig_report(rig, 0).image_bytes, 0);
    rig_arm(rig, MODE_WRITE, 0);
    uint64_t second = rig_start_drive(rig, 0);
    assert_int_equal(press_may_start(rig->press, 0), START_RUNNING);
    rig_run(rig);

    expect_untouched(rig, first);
    expect(rig, second, VERDICT_PASSED);
    assert_int_equal(rig_report(rig, 0).attachment, second);
    assert_int_equal(rig_report(rig, 0).capacity_bytes, 4 * GIB);
    rig_detach(rig, 0);
    expect_state(rig, 0, SLOT_EMPTY);
    rig_free(rig);
}

static void a_drive_that_passed_is_not_done_again(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 5, MODE_WRITE, true);
    (void)rig_attach(rig, 0);
    rig_run(rig);
    rig_arm(rig, MODE_WRITE, 0);
    assert_int_equal(press_may_start(rig->press, 0), START_PASSED);
    assert_int_equal(rig_start_drive(rig, 0), 0);
    expect_state(rig, 0, SLOT_PASSED);
    rig_disarm(rig);
    assert_int_equal(press_may_start(rig->press, 0), START_PASSED);
    rig_detach(rig, 0);
    assert_int_equal(press_may_start(rig->press, 0), START_EMPTY);
    assert_int_equal(rig_start_drive(rig, 0), 0);
    rig_free(rig);
}

static void a_failed_drive_may_try_again(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 5, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, 3, RIG_ERROR, 1);
    uint64_t first = rig_attach(rig, 0);
    rig_run(rig);
    expect(rig, first, VERDICT_WRITE_ERROR);
    uint64_t second = rig_start_drive(rig, 0);
    assert_int_not_equal(second, 0);
    assert_int_equal(rig_report(rig, 0).bad_chunk_count, 0);
    assert_int_equal(rig_report(rig, 0).verdict, VERDICT_NONE);
    rig_run(rig);

    expect(rig, first, VERDICT_WRITE_ERROR);
    expect(rig, second, VERDICT_PASSED);
    rig_free(rig);
}

static void a_refused_or_aborted_drive_may_try_again(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 5, MODE_WRITE, true);
    rig->drives[0].open_result = OPEN_BUSY;
    rig_fault(rig, ACTION_LOAD, RIG_MASTER, 4, RIG_ERROR, LOAD_ATTEMPTS_MAX);
    (void)rig_attach(rig, 0);
    (void)rig_attach(rig, 1);
    rig_run(rig);
    expect(rig, 1, VERDICT_IN_USE);
    expect(rig, 2, VERDICT_MASTER_ERROR);
    rig_disarm(rig);
    rig_add_image(rig, 0, 5, true); /* mended */
    rig_arm(rig, MODE_WRITE, 0);
    rig->drives[0].open_result = OPEN_OK;
    uint64_t refused = rig_start_drive(rig, 0);
    uint64_t aborted = rig_start_drive(rig, 1);
    rig_run(rig);

    expect(rig, refused, VERDICT_PASSED);
    expect(rig, aborted, VERDICT_PASSED);
    rig_free(rig);
}

static void a_drive_that_was_lost_cannot_be_started(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    (void)rig_attach(rig, 0);
    rig_pass(rig, 100 * MS);
    rig_detach(rig, 0);
    expect_state(rig, 0, SLOT_FAILED);
    assert_int_equal(press_may_start(rig->press, 0), START_EMPTY);
    assert_int_equal(rig_start_drive(rig, 0), 0);
    rig_free(rig);
}

/* A write that hangs from the first pass may still reach the drive: it must not spoil what the
 * second pass wrote and has read back already. */
static void a_new_pass_waits_for_what_the_one_before_asked(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_add_image(rig, 1, 20, true);
    rig_fault(rig, ACTION_WRITE, 0, 5, RIG_NEVER, 1);
    uint64_t first = rig_attach(rig, 0);
    rig_run(rig);
    expect(rig, first, VERDICT_STALLED);
    rig_arm(rig, MODE_WRITE, 1);
    uint64_t second = rig_start_drive(rig, 0);
    rig_pass(rig, 1000 * MS);
    expect_state(rig, 0, SLOT_IDENTIFYING);
    assert_false(rig->lives[second].asked);
    rig_release(rig); /* the late answer: for the first pass, and the second one begins */
    rig_pass(rig, MS);
    assert_true(rig->lives[second].asked);
    rig_run(rig);

    expect(rig, first, VERDICT_STALLED);
    expect(rig, second, VERDICT_PASSED);
    assert_int_equal(rig->lives[second].writes, 20);
    rig_free(rig);
}

static void a_drive_that_still_owes_an_answer_is_stalled_again(void **state)
{
    (void)state;
    static const enum action_type types[] = {ACTION_OPEN, ACTION_WRITE, ACTION_FLUSH, ACTION_READ};
    for (size_t i = 0; i < array_count(types); i++) {
        struct rig *rig = rig_ready(1, 5, MODE_WRITE, true);
        rig->drives[0].never_opens = types[i] == ACTION_OPEN;
        if (types[i] != ACTION_OPEN)
            rig_fault(rig, types[i], 0, RIG_ANY, RIG_NEVER, 1);
        uint64_t first = rig_attach(rig, 0);
        rig_run(rig);
        uint64_t second = rig_start_drive(rig, 0);
        rig_run(rig);
        expect(rig, second, VERDICT_STALLED);
        assert_false(rig->lives[second].asked);
        rig->drives[0].never_opens = false;
        rig_release(rig);
        rig_run(rig);
        uint64_t third = rig_start_drive(rig, 0);
        rig_run(rig);
        expect(rig, third, VERDICT_PASSED);
        assert_int_equal(rig->lives[first].opened, rig->lives[first].closed);
        rig_free(rig);
    }
}

static void a_drive_does_not_wait_for_the_requests_of_another(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 20, MODE_WRITE, true);
    rig_fault(rig, ACTION_WRITE, 0, 5, RIG_NEVER, 1);
    (void)rig_attach(rig, 0);
    rig_pass(rig, 1000 * MS);
    rig_detach(rig, 0);
    rig->drives[0].open_result = OPEN_BUSY;
    uint64_t other = rig_attach(rig, 0);
    rig_pass(rig, 20 * MS);
    expect(rig, other, VERDICT_IN_USE);
    rig->drives[0].open_result = OPEN_OK;
    uint64_t again = rig_start_drive(rig, 0);
    rig_run(rig);
    expect(rig, again, VERDICT_PASSED);
    rig_release(rig);
    rig_run(rig);
    rig_free(rig);
}

/* --- What no drive is ------------------------------------------------------------------------- */

static void what_is_no_drive_of_the_rig_is_refused_unopened(void **state)
{
    (void)state;
    struct rig *rig = rig_new(3);
    rig_start(rig);
    rig_add_image(rig, 0, 5, true);
    rig->drives[0].foreign = true;
    rig->drives[1].not_in_rig = true;
    uint64_t foreign = rig_attach(rig, 0);
    uint64_t elsewhere = rig_attach(rig, 1);
    expect(rig, foreign, VERDICT_POLICY);
    expect(rig, elsewhere, VERDICT_NOT_IN_RIG);
    assert_int_equal(press_may_start(rig->press, 0), START_DISARMED);
    rig_arm(rig, MODE_WRITE, 0);
    uint64_t again = rig_start_drive(rig, 0);
    uint64_t elsewhere_again = rig_start_drive(rig, 1);
    rig->drives[2].foreign = true;
    uint64_t after_arming = rig_attach(rig, 2);
    rig_run(rig);

    expect(rig, again, VERDICT_POLICY);
    expect(rig, elsewhere_again, VERDICT_NOT_IN_RIG);
    expect(rig, after_arming, VERDICT_POLICY);
    for (uint64_t drive = 1; drive <= rig->attachment_last; drive++)
        assert_false(rig->lives[drive].asked);
    rig_free(rig);
}

static void the_rig_accepts_only_drives_in_its_window(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(4, 5, MODE_WRITE, true);
    rig_policy(rig, 1 * GIB, 8 * GIB);
    rig->drives[0].facts.capacity_bytes = GIB - 512;
    rig->drives[1].facts.capacity_bytes = 8 * GIB + 512;
    rig->drives[3].facts.capacity_bytes = 8 * GIB + 512;
    for (uint32_t slot = 0; slot < 3; slot++)
        (void)rig_attach(rig, slot);
    rig_run(rig);
    expect(rig, 1, VERDICT_TOO_SMALL);
    expect(rig, 2, VERDICT_TOO_BIG);
    expect(rig, 3, VERDICT_PASSED);
    assert_int_equal(rig->lives[2].writes, 0);
    assert_int_equal(rig_report(rig, 1).image_bytes, 0); /* none was chosen for it */

    rig_policy(rig, 0, 0);
    (void)rig_attach(rig, 3);
    rig_run(rig);
    expect(rig, 4, VERDICT_PASSED);
    rig_free(rig);
}

/* --- Several images --------------------------------------------------------------------------- */

/* Image 0 has 5 chunks, 1 has 20 and 2 has 10; all are armed. */
static struct rig *rig_auto(uint32_t slots)
{
    struct rig *rig = rig_new(slots);
    rig_start(rig);
    rig_add_image(rig, 0, 5, true);
    rig_add_image(rig, 1, 20, true);
    rig_add_image(rig, 2, 10, true);
    rig_arm_auto(rig, MODE_WRITE, 7);
    return rig;
}

static void each_drive_gets_the_largest_image_that_fits(void **state)
{
    (void)state;
    struct rig *rig = rig_auto(4);
    static const uint64_t capacities[] = {4 * MIB, 9 * MIB, 19 * MIB, 20 * MIB};
    for (uint32_t slot = 0; slot < 4; slot++) {
        rig->drives[slot].facts.capacity_bytes = capacities[slot];
        (void)rig_attach(rig, slot);
        assert_int_equal(rig_report(rig, slot).image_bytes, 0); /* not before it was opened */
    }
    rig_run(rig);
    expect(rig, 1, VERDICT_TOO_SMALL);
    static const uint32_t images[] = {0, 0, 2, 1};
    for (uint32_t slot = 1; slot < 4; slot++) {
        expect(rig, slot + 1, VERDICT_PASSED);
        assert_int_equal(rig_report(rig, slot).image, images[slot]);
    }
    rig_free(rig);
}

static void when_an_image_breaks_the_others_go_on(void **state)
{
    (void)state;
    struct rig *rig = rig_auto(3);
    rig_fault(rig, ACTION_LOAD, RIG_MASTER, 15, RIG_ERROR, LOAD_ATTEMPTS_MAX);
    rig->drives[1].facts.capacity_bytes = 10 * MIB;
    uint64_t large = rig_attach(rig, 0);
    uint64_t middle = rig_attach(rig, 1);
    rig_run(rig);
    expect(rig, large, VERDICT_MASTER_ERROR);
    expect(rig, middle, VERDICT_PASSED);

    uint64_t late = rig_attach(rig, 2);
    uint64_t again = rig_start_drive(rig, 0);
    rig_run(rig);
    expect(rig, late, VERDICT_PASSED);
    expect(rig, again, VERDICT_PASSED);
    assert_int_equal(rig_report(rig, 0).image, 2);
    rig_free(rig);
}

static void an_image_is_used_while_somebody_needs_it(void **state)
{
    (void)state;
    struct rig *rig = rig_auto(2);
    rig->drives[0].facts.capacity_bytes = 10 * MIB;
    rig_fault(rig, ACTION_WRITE, 0, 9, RIG_NEVER, 1);
    assert_true(press_image_used(rig->press, 2)); /* armed */
    assert_false(press_image_used(rig->press, 3));
    (void)rig_attach(rig, 0);
    rig_disarm(rig);
    assert_true(press_image_used(rig->press, 0) && press_image_used(rig->press, 1) &&
                press_image_used(rig->press, 2)); /* it may be any of them */
    rig_pass(rig, 100 * MS);
    assert_true(press_image_used(rig->press, 2));
    assert_false(press_image_used(rig->press, 0) || press_image_used(rig->press, 1));
    rig_run(rig);
    expect(rig, 1, VERDICT_STALLED);
    assert_true(press_image_used(rig->press, 2)); /* a write from its buffer is in flight */
    rig_release(rig);
    rig_run(rig);
    assert_false(press_image_used(rig->press, 2));
    rig_free(rig);
}

static void an_image_is_used_while_it_is_loaded(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(1, 5, MODE_WRITE, true);
    rig_fault(rig, ACTION_LOAD, RIG_MASTER, 0, RIG_NEVER, 1);
    (void)rig_attach(rig, 0);
    rig_pass(rig, 100 * MS);
    rig_disarm(rig);
    rig_detach(rig, 0);
    rig_pass(rig, 100 * MS);
    assert_true(press_image_used(rig->press, 0));
    rig_release(rig);
    rig_pass(rig, 100 * MS);
    assert_false(press_image_used(rig->press, 0));
    rig_free(rig);
}

static void a_forgotten_images_number_may_mean_another(void **state)
{
    (void)state;
    struct rig *rig = rig_ready(2, 5, MODE_WRITE, true);
    uint64_t old = rig_attach(rig, 0);
    rig_run(rig);
    rig_disarm(rig);
    rig_forget_image(rig, 0);
    struct slot_report report = rig_report(rig, 0);
    assert_int_equal(report.image_bytes, 5 * MIB); /* its pass is told as it was */
    assert_int_equal(report.residue, RESIDUE_BEYOND_IMAGE);

    rig_add_image(rig, 0, 9, true);
    rig_arm(rig, MODE_WRITE, 0);
    uint64_t loads = press_master_loads(rig->press);
    uint64_t new = rig_attach(rig, 1);
    rig_run(rig);
    expect(rig, old, VERDICT_PASSED);
    expect(rig, new, VERDICT_PASSED);
    /* Nothing of the old image was taken for the new one's. */
    assert_int_equal(press_master_loads(rig->press) - loads, 9);
    rig_free(rig);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drive_that_was_there_before_is_not_touched),
        cmocka_unit_test(a_drive_starts_by_itself_only_after_the_last_arming),
        cmocka_unit_test(a_drive_that_is_told_of_anew_does_not_start_again),
        cmocka_unit_test(a_drive_that_an_operator_started_does_not_start_again_by_itself),
        cmocka_unit_test(a_slot_that_is_another_place_shows_nothing_of_the_drive_before),
        cmocka_unit_test(a_drive_that_is_ready_can_be_pulled_and_replaced),
        cmocka_unit_test(disarming_lets_running_passes_go_on),
        cmocka_unit_test(a_pass_goes_on_as_it_began_when_the_rig_is_armed_anew),
        cmocka_unit_test(what_is_ready_can_be_started),
        cmocka_unit_test(a_drive_that_passed_is_not_done_again),
        cmocka_unit_test(a_failed_drive_may_try_again),
        cmocka_unit_test(a_refused_or_aborted_drive_may_try_again),
        cmocka_unit_test(a_drive_that_was_lost_cannot_be_started),
        cmocka_unit_test(a_new_pass_waits_for_what_the_one_before_asked),
        cmocka_unit_test(a_drive_that_still_owes_an_answer_is_stalled_again),
        cmocka_unit_test(a_drive_does_not_wait_for_the_requests_of_another),
        cmocka_unit_test(what_is_no_drive_of_the_rig_is_refused_unopened),
        cmocka_unit_test(the_rig_accepts_only_drives_in_its_window),
        cmocka_unit_test(each_drive_gets_the_largest_image_that_fits),
        cmocka_unit_test(when_an_image_breaks_the_others_go_on),
        cmocka_unit_test(an_image_is_used_while_somebody_needs_it),
        cmocka_unit_test(an_image_is_used_while_it_is_loaded),
        cmocka_unit_test(a_forgotten_images_number_may_mean_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
