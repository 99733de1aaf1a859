// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/oracle_judge.h"

#include <string.h>

/* Somebody will answer the master's loads in time, so that who waits for them will go on. */
static bool load_is_coming(const struct world *world, uint32_t image)
{
    for (uint32_t i = 0; i < world->request_count; i++) {
        const struct request *request = &world->requests[i];
        if (request->active && request->type == ACTION_LOAD &&
            (request->image == image || world->oracle.loads == LOADS_MAX) &&
            world->now_ns - request->issued_ns < world->config.master_ns)
            return true;
    }
    return false;
}

/* The next chunk of a drive that waits is being loaded, unless all loads or buffers are in use. */
static bool load_is_begun(const struct world *world, const struct account *account)
{
    if (world->oracle.loads == LOADS_MAX)
        return true;
    for (uint32_t i = 0; i < world->request_count; i++) {
        const struct request *request = &world->requests[i];
        if (request->active && request->type == ACTION_LOAD && request->image == account->image &&
            (account->next_chunk == UNKNOWN_CHUNK || account->next_chunk == request->chunk))
            return true;
    }
    for (uint32_t i = 0; i < world->config.buffer_count; i++) {
        if (!world->uses[i].writer && world->uses[i].readers == 0)
            return false;
    }
    return true;
}

/* Called after every step, so that it knows since when somebody waits; but what is overdue shows at
 * a tick. */
static void check_waiting(struct world *world, uint32_t index, bool tick)
{
    struct account *account = account_at(world, index);
    /* Loads of all lanes' next chunks, each with all its attempts, some rounds of them. */
    uint64_t patience_ns =
        (WORLD_SLOTS_MAX / LOADS_MAX + 2) * (LOAD_ATTEMPTS_MAX * world->config.master_ns + TICK_NS);

    if (account->outstanding > 0 || account->open_pending || account->flush_pending ||
        account->held != VERDICT_NONE || account->image == NO_IMAGE ||
        oracle_is_crowded_out(world, index)) {
        account->waits_since_ns = FOREVER_NS;
        return;
    }
    if (account->waits_since_ns == FOREVER_NS)
        account->waits_since_ns = world->now_ns;
    if (!load_is_begun(world, account))
        sim_complain("the next chunk of attachment %u is not being loaded", index + 1);
    if (tick && (!load_is_coming(world, account->image) ||
                 world->now_ns - account->waits_since_ns > patience_ns))
        sim_complain("attachment %u waits for nothing", index + 1);
}

static void check_time(struct world *world, uint32_t index)
{
    struct account *account = account_at(world, index);
    uint64_t age_ns = world->now_ns - account->begun_ns;

    if (account->held != VERDICT_NONE) {
        if (world->now_ns - account->held_since_ns >= world->config.unplug_ns)
            sim_complain("the fault of attachment %u is held back for too long", index + 1);
        return;
    }
    if (oracle_is_stalled(world, index) ||
        (account->state == SLOT_IDENTIFYING && age_ns >= world->config.flush_ns))
        sim_complain("attachment %u owes an answer for too long and has no verdict", index + 1);
    if (age_ns > world->oracle.bound_ns)
        sim_complain("attachment %u has no verdict in bounded time", index + 1);
}

/* What the drive may still hold of its former owner. */
static enum residue residue_of_account(const struct world *world, uint32_t index)
{
    const struct account *account = &world->oracle.accounts[index];
    const struct drive *drive = world->attachments[index].drive;

    if (account->verdict == VERDICT_PASSED)
        return drive->facts.capacity_bytes > account->image_bytes ? RESIDUE_BEYOND_IMAGE
                                                                  : RESIDUE_NONE;
    return account->write_asked != 0 ? RESIDUE_POSSIBLE : RESIDUE_UNTOUCHED;
}

static void check_report(struct world *world, uint32_t slot, uint32_t index)
{
    const struct account *account = account_at(world, index);
    struct slot_report report;
    bool right = true;

    press_report(world->press, slot, world->now_ns, &report);
    right = report.written_bytes == account->acknowledged_bytes &&
            report.verified_bytes == account->read_bytes && report.state == account->state &&
            report.attachment == (uint64_t)index + 1 &&
            (!account->begins || report.mode == account->mode) &&
            report.image_bytes == account->image_bytes &&
            (account->image_bytes == 0 || report.image == account->image) &&
            report.capacity_bytes == account->capacity_bytes;
    if (account->state != SLOT_EMPTY)
        right = right && report.verdict == account->verdict &&
                report.residue == residue_of_account(world, index);
    uint64_t spent_ns = world->now_ns - account->state_since_ns;
    bool writes = account->state == SLOT_WRITING || account->state == SLOT_FLUSHING;
    right =
        right && report.write_ns == account->write_ns + (writes ? spent_ns : 0) &&
        report.verify_ns == account->verify_ns + (account->state == SLOT_VERIFYING ? spent_ns : 0);
    uint64_t bad = account->bad | account->write_bad;
    right = right && report.bad_chunk_count == (uint32_t)__builtin_popcountll(bad);
    for (uint32_t i = 0; i < report.bad_chunk_count; i++)
        right = right && (bad & bit(report.bad_chunks[i])) != 0 &&
                (i == 0 || report.bad_chunks[i - 1] < report.bad_chunks[i]);
    if (!right)
        sim_complain("the report on attachment %u is wrong", index + 1);
}

static void check_slot(struct world *world, uint32_t slot, const struct event *event)
{
    uint32_t index = world->oracle.current[slot];
    if (index == NOBODY)
        return;
    struct account *account = account_at(world, index);

    if (is_live(world, index)) {
        if (account->image != NO_IMAGE && world->oracle.masters[account->image].distrusted)
            sim_complain("attachment %u goes on with a master that contradicts itself", index + 1);
        if (account->closed || (!account->open_asked && oracle_owed(world, index) == 0))
            sim_complain("attachment %u has no verdict, but is not open", index + 1);
        check_waiting(world, index, event->type == EVENT_TICK);
        if (event->type == EVENT_TICK) {
            check_time(world, index);
            check_report(world, slot, index);
        }
    } else if (!account->reported) {
        account->reported = true;
        check_report(world, slot, index);
    }
}

/* A pulled drive leaves an empty slot, unless it was lost in its pass: that stays on show. */
static void check_emptied(struct world *world, uint32_t index)
{
    const struct account *account = account_at(world, index);

    if ((account->state == SLOT_EMPTY) == account->lost)
        sim_complain("attachment %u was pulled and its slot is %s", index + 1,
                     slot_state_word(account->state));
}

/* A slot that stands for another place now shows nothing. */
static void check_cleared(const struct world *world, uint32_t slot)
{
    struct slot_report report;

    press_report(world->press, slot, world->now_ns, &report);
    if (report.state != SLOT_EMPTY || report.verdict != VERDICT_NONE || report.image_bytes != 0 ||
        report.capacity_bytes != 0 || report.written_bytes != 0 || report.verified_bytes != 0 ||
        report.bad_chunk_count != 0)
        sim_complain("slot %u was cleared, and still shows a drive", slot);
}

/* What is due now was given now. */
static void check_dues(struct world *world)
{
    for (uint32_t i = 0; i < world->oracle.due_count; i++) {
        const struct due *due = &world->oracle.dues[i];
        const struct account *account = account_at(world, due->account);
        if (account->verdict == VERDICT_NONE || (due->verdicts & bit(account->verdict)) == 0)
            sim_complain("attachment %u got %s, but something else was due now", due->account + 1,
                         verdict_word(account->verdict));
    }
}

/* The drive that came or was started is where it should be. */
static void check_begun(struct world *world, uint32_t slot)
{
    uint32_t index = world->oracle.current[slot];

    if (index == NOBODY)
        return;
    const struct account *account = account_at(world, index);
    if (account->begins && account->verdict == VERDICT_NONE && !slot_state_busy(account->state))
        sim_complain("attachment %u was to begin, but did not", index + 1);
    if (!account->begins && account->state != SLOT_READY && account->state != SLOT_EMPTY)
        sim_complain("attachment %u is %s, but nobody started it", index + 1,
                     slot_state_word(account->state));
}

/* The core knows that a master is broken, and breaks none that is not. */
static void check_master(struct world *world, uint32_t number)
{
    const struct master *master = &world->masters[number];
    const struct master_account *account = &world->oracle.masters[number];

    if (!master->known)
        return;
    if (master->image.fault == IMAGE_SOUND ? account->broken : !account->failed)
        sim_complain("image %u is %s, but the core does not think so", number,
                     account->failed ? "broken" : "sound");
}

void oracle_step_done(struct world *world, const struct event *event)
{
    struct oracle *oracle = &world->oracle;

    check_dues(world);
    for (uint32_t i = 0; i < world->image_count; i++)
        check_master(world, i);
    for (uint32_t slot = 0; slot < world->config.slot_count; slot++)
        check_slot(world, slot, event);
    if (event->type == EVENT_ATTACHED || event->type == EVENT_START)
        check_begun(world, event->slot);
    if (event->type == EVENT_CLEARED)
        check_cleared(world, event->slot);
    if (event->type == EVENT_DETACHED &&
        oracle->current[event->slot] == (uint32_t)event->attachment - 1)
        check_emptied(world, (uint32_t)event->attachment - 1);
    for (uint32_t i = 0; i < world->attachment_count; i++) {
        const struct account *account = account_at(world, i);
        if (account->verdict != VERDICT_NONE && account->opened && !account->closed)
            sim_complain("attachment %u has its verdict, but was not closed", i + 1);
    }
}

void oracle_end(struct world *world)
{
    for (uint32_t i = 0; i < world->attachment_count; i++) {
        const struct account *account = account_at(world, i);
        if (account->begins != (account->verdict != VERDICT_NONE))
            sim_complain("attachment %u never got a verdict, or one without a pass", i + 1);
        if (!account->begins && account->open_asked)
            sim_complain("attachment %u was opened, but nobody started it", i + 1);
    }
    if (press_master_loads(world->press) != world->oracle.loads_asked)
        sim_complain("loads are miscounted");
    for (uint32_t i = 0; i < world->drive_count; i++) {
        for (uint32_t fault = 0; fault < FAULT_COUNT; fault++) {
            if (world->drives[i].faults[fault].hits > 0)
                world->statistics->faults[fault]++;
        }
    }
}

bool oracle_is_vacant(struct world *world, uint32_t slot)
{
    uint32_t index = world->oracle.current[slot];

    return index == NOBODY || world_visit(world, index)->detached;
}

/* --- What the core says when it is asked ------------------------------------------------------ */

static enum press_start may_start(struct world *world, uint32_t slot)
{
    uint32_t index = world->oracle.current[slot];

    if (index == NOBODY || account_at(world, index)->state == SLOT_EMPTY ||
        world_visit(world, index)->detached)
        return START_EMPTY;
    if (slot_state_busy(account_at(world, index)->state))
        return START_RUNNING;
    if (account_at(world, index)->state == SLOT_PASSED)
        return START_PASSED;
    return world->armed ? START_ALLOWED : START_DISARMED;
}

enum press_start oracle_may_start(struct world *world, uint32_t slot)
{
    enum press_start expected = may_start(world, slot);

    if (press_may_start(world->press, slot) != expected)
        sim_complain("slot %u may be started: the core says %d instead of %d", slot,
                     (int)press_may_start(world->press, slot), (int)expected);
    return expected;
}

static bool image_used(const struct world *world, uint32_t number)
{
    const struct oracle *oracle = &world->oracle;

    if ((world->armed_set & bit(number)) != 0)
        return true;
    for (uint32_t slot = 0; slot < world->config.slot_count; slot++) {
        uint32_t index = oracle->current[slot];
        if (index == NOBODY || !is_live(world, index))
            continue;
        const struct account *account = &oracle->accounts[index];
        if (account->image == NO_IMAGE ? (account->set & bit(number)) != 0
                                       : account->image == number)
            return true;
    }
    for (uint32_t i = 0; i < world->request_count; i++) {
        const struct request *request = &world->requests[i];
        if (request->active && request->image == number &&
            (request->type == ACTION_LOAD || request->type == ACTION_WRITE))
            return true;
    }
    return false;
}

bool oracle_image_used(struct world *world, uint32_t number)
{
    bool expected = image_used(world, number);

    if (press_image_used(world->press, number) != expected)
        sim_complain("image %u is%s used, but the core says otherwise", number,
                     expected ? "" : " not");
    return expected;
}
