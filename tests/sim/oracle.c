// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/oracle.h"

#include "tests/sim/oracle_judge.h"
#include "tests/sim/world.h"

#include <string.h>

void oracle_init(struct world *world)
{
    struct oracle *oracle = &world->oracle;
    const struct press_config *config = &world->config;

    memset(oracle, 0, sizeof(*oracle));
    for (uint32_t slot = 0; slot < ORACLE_SLOTS_MAX; slot++)
        oracle->current[slot] = NOBODY;
    /* Each chunk at the end of a drive's patience, twice, and of the master's with every retry. */
    oracle->bound_ns =
        2 * config->flush_ns +
        2 * WORLD_CHUNKS_MAX * (config->stall_ns + LOAD_ATTEMPTS_MAX * config->master_ns + TICK_NS);
}

/* Due at once: one of these verdicts, and each of them is earned. */
static void make_due(struct world *world, uint32_t index, uint64_t verdicts)
{
    world->oracle.due_account = index;
    world->oracle.due = verdicts;
    account_at(world, index)->earned |= verdicts;
}

static void see_attached(struct world *world, uint32_t index)
{
    struct oracle *oracle = &world->oracle;
    uint32_t slot = world->attachments[index].slot;

    if (oracle->current[slot] != NOBODY && is_live(world, oracle->current[slot]))
        make_due(world, oracle->current[slot], bit(VERDICT_UNPLUGGED));
    if (oracle->outstanding[slot] > 0)
        world->statistics->early_replugs++;
    oracle->current[slot] = index;
    oracle->accounts[index] = (struct account){
        .mode = world->armed_mode,
        .image = world->armed_image,
        .attached_ns = world->now_ns,
        .waits_since_ns = FOREVER_NS,
        .next_chunk = UNKNOWN_CHUNK,
    };
}

/* The reasons to refuse a drive that opened well. */
static uint64_t reasons_to_refuse(const struct world *world, const struct account *account,
                                  const struct drive_facts *facts)
{
    uint64_t size_bytes = image_of(world, account)->size_bytes;
    uint64_t reasons = 0;

    if (facts->capacity_bytes == 0)
        return bit(VERDICT_NO_MEDIUM);
    if (facts->read_only && account->mode == MODE_WRITE)
        reasons |= bit(VERDICT_READ_ONLY);
    if (facts->capacity_bytes < size_bytes)
        reasons |= bit(VERDICT_TOO_SMALL);
    /* Requests must begin and end at the drive's blocks. */
    if (facts->logical_block_bytes == 0 || size_bytes % facts->logical_block_bytes != 0 ||
        (size_bytes > world->config.chunk_bytes &&
         world->config.chunk_bytes % facts->logical_block_bytes != 0))
        reasons |= bit(VERDICT_POLICY);
    return reasons;
}

static void see_opened(struct world *world, uint32_t index, const struct event *event)
{
    static const enum verdict verdicts[] = {
        [OPEN_BUSY] = VERDICT_IN_USE,           [OPEN_SYSTEM_DISK] = VERDICT_SYSTEM_DISK,
        [OPEN_READ_ONLY] = VERDICT_READ_ONLY,   [OPEN_NO_MEDIUM] = VERDICT_NO_MEDIUM,
        [OPEN_DENIED] = VERDICT_NOT_IN_RIG,     [OPEN_UNSUITABLE] = VERDICT_POLICY,
        [OPEN_GONE] = VERDICT_UNPLUGGED,        [OPEN_ERROR] = VERDICT_READ_ERROR,
        [OPEN_OUR_FAULT] = VERDICT_INTERRUPTED,
    };
    struct account *account = account_at(world, index);

    account->open_pending = false;
    account->opened = event->opened.result == OPEN_OK;
    if (!is_live(world, index))
        return;
    if (!account->opened) {
        make_due(world, index, bit(verdicts[event->opened.result]));
        return;
    }
    uint64_t reasons = reasons_to_refuse(world, account, &event->opened.facts);
    if (reasons != 0)
        make_due(world, index, reasons);
}

static uint64_t verdict_of_failure(enum io_result result, enum verdict fault)
{
    return bit(result == IO_ERROR  ? fault
               : result == IO_GONE ? VERDICT_UNPLUGGED
                                   : VERDICT_INTERRUPTED);
}

static void see_written(struct world *world, uint32_t index, const struct event *event,
                        const struct request *request)
{
    struct account *account = account_at(world, index);

    if (memcmp(world_buffer(world, request->buffer),
               truth_of(world, request->image, request->chunk), request->length) != 0)
        sim_complain("buffer %u was changed while a write of chunk %u used it", request->buffer,
                     request->chunk);
    if (event->transfer.result == IO_OK)
        account->written |= bit(request->chunk);
    if (!is_live(world, index))
        return;
    if (event->transfer.result == IO_OK) {
        account->acknowledged_bytes += request->length;
        return;
    }
    if (event->transfer.result == IO_ERROR)
        account->write_bad = bit(request->chunk);
    make_due(world, index, verdict_of_failure(event->transfer.result, VERDICT_WRITE_ERROR));
}

static void see_read(struct world *world, uint32_t index, const struct event *event,
                     const struct request *request)
{
    struct account *account = account_at(world, index);
    enum io_result result = event->transfer.result;
    enum verdict fault = VERDICT_NONE;

    if (!is_live(world, index))
        return;
    if (result == IO_GONE || result == IO_CANCELLED) {
        make_due(world, index, verdict_of_failure(result, VERDICT_NONE));
        return;
    }
    account->read |= bit(request->chunk);
    if (result == IO_OK)
        account->read_bytes += request->length;
    if (result == IO_ERROR)
        fault = VERDICT_READ_ERROR;
    else if (memcmp(world_buffer(world, request->buffer),
                    truth_of(world, account->image, request->chunk), request->length) != 0)
        fault = VERDICT_MISMATCH;
    if (fault != VERDICT_NONE) {
        account->bad |= bit(request->chunk);
        account->earned |= bit(fault);
        if (account->first_fault == VERDICT_NONE)
            account->first_fault = fault;
    }
    if (account->read == all_chunks(image_of(world, account)))
        make_due(world, index, bit(account->bad == 0 ? VERDICT_PASSED : account->first_fault));
}

static void see_transfer(struct world *world, uint32_t index, const struct event *event,
                         const struct request *request)
{
    struct account *account = account_at(world, index);

    if (!is_live(world, index))
        world->statistics->late_answers++;
    account->outstanding--;
    account->owed_since_ns = world->now_ns;
    world->oracle.outstanding[world->attachments[index].slot]--;
    if (event->type == EVENT_WRITTEN)
        see_written(world, index, event, request);
    else
        see_read(world, index, event, request);
}

static void see_flushed(struct world *world, uint32_t index, const struct event *event)
{
    struct account *account = account_at(world, index);

    account->flush_pending = false;
    account->flushed = event->flushed == IO_OK;
    if (!is_live(world, index))
        world->statistics->late_answers++;
    else if (!account->flushed)
        make_due(world, index, verdict_of_failure(event->flushed, VERDICT_WRITE_ERROR));
}

static void see_loaded(struct world *world, const struct event *event,
                       const struct request *request)
{
    struct master *master = &world->masters[request->image];
    struct master_account *account = &world->oracle.masters[request->image];
    uint8_t *truth = master->truth + request->offset;
    const uint8_t *data = world_buffer(world, request->buffer);
    bool good = event->transfer.result == IO_OK;

    world->oracle.loads--;
    world->statistics->loads++;
    if (good && (master->truth_known & bit(request->chunk)) == 0) {
        memcpy(truth, data, request->length);
        master->truth_known |= bit(request->chunk);
    } else if (good) {
        good = memcmp(truth, data, request->length) == 0;
        world->statistics->loads_again++;
    }
    if (good) {
        account->bad_in_a_row[request->chunk] = 0;
        account->loaded |= bit(request->chunk);
        return;
    }
    world->statistics->master_errors++;
    if (++account->bad_in_a_row[request->chunk] < LOAD_ATTEMPTS_MAX)
        return;
    account->failed = account->broken = true;
    if (event->transfer.result == IO_OK && !master->manifest)
        account->distrusted = true;
}

void oracle_event(struct world *world, const struct event *event, const struct request *request)
{
    uint32_t index = (uint32_t)event->attachment - 1;

    world->oracle.due_account = NOBODY;
    world->oracle.due = 0;
    switch (event->type) {
    case EVENT_ATTACHED:
        see_attached(world, index);
        break;
    case EVENT_DETACHED:
        if (is_live(world, index))
            make_due(world, index, bit(VERDICT_UNPLUGGED));
        break;
    case EVENT_STOP:
        if (is_live(world, index))
            make_due(world, index, bit(VERDICT_STOPPED));
        break;
    case EVENT_OPENED:
        see_opened(world, index, event);
        break;
    case EVENT_LOADED:
        see_loaded(world, event, request);
        break;
    case EVENT_WRITTEN:
    case EVENT_READ:
        see_transfer(world, index, event, request);
        break;
    case EVENT_FLUSHED:
        see_flushed(world, index, event);
        break;
    case EVENT_TICK:
        for (uint32_t i = 0; i < world->image_count; i++)
            (void)oracle_master_failed(world, i);
        break;
    case EVENT_IMAGE:
    case EVENT_ARM:
    case EVENT_TYPE_COUNT:
        break;
    }
}

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
    uint64_t age_ns = world->now_ns - account->attached_ns;

    if (oracle_is_stalled(world, account) ||
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
        return drive->facts.capacity_bytes > image_of(world, account)->size_bytes
                   ? RESIDUE_BEYOND_IMAGE
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
            report.attachment == (uint64_t)index + 1 && report.mode == account->mode &&
            report.image == account->image &&
            report.image_bytes == image_of(world, account)->size_bytes;
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
        right = right && (bad & bit(report.bad_chunks[i])) != 0;
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
        if (world->oracle.masters[account->image].distrusted)
            sim_complain("attachment %u goes on with a master that contradicts itself", index + 1);
        if (account->closed || !account->open_asked)
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
    bool stays = account->verdict == VERDICT_UNPLUGGED;

    if ((account->state == SLOT_EMPTY) == stays)
        sim_complain("attachment %u was pulled and its slot is %s", index + 1,
                     slot_state_word(account->state));
}

void oracle_step_done(struct world *world, const struct event *event)
{
    struct oracle *oracle = &world->oracle;

    if (oracle->due != 0) {
        const struct account *account = account_at(world, oracle->due_account);
        if (account->verdict == VERDICT_NONE || (oracle->due & bit(account->verdict)) == 0)
            sim_complain("attachment %u got %s, but something else was due now",
                         oracle->due_account + 1, verdict_word(account->verdict));
    }
    for (uint32_t slot = 0; slot < world->config.slot_count; slot++)
        check_slot(world, slot, event);
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
        if (account_at(world, i)->verdict == VERDICT_NONE)
            sim_complain("attachment %u never got a verdict", i + 1);
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
