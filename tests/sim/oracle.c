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
        2 * config->flush_ns + config->unplug_ns +
        2 * WORLD_CHUNKS_MAX * (config->stall_ns + LOAD_ATTEMPTS_MAX * config->master_ns + TICK_NS);
}

/* Due at once: one of these verdicts, and each of them is earned. */
static void make_due(struct world *world, uint32_t index, uint64_t verdicts)
{
    struct oracle *oracle = &world->oracle;

    check(oracle->due_count < array_count(oracle->dues));
    oracle->dues[oracle->due_count++] = (struct due){index, verdicts};
    account_at(world, index)->earned |= verdicts;
}

/* The drive is gone. Errors that it showed before may have been that; wrong data may not. */
static void lose(struct world *world, uint32_t index)
{
    struct account *account = account_at(world, index);

    account->lost = true;
    if (account->held != VERDICT_NONE)
        world->statistics->held_unplugged++;
    make_due(world, index, bit(account->mismatched ? VERDICT_MISMATCH : VERDICT_UNPLUGGED));
}

/* The drive showed a fault that ends its pass: at once, or once it is sure not to be a removal. */
static void fail(struct world *world, uint32_t index, enum verdict fault)
{
    struct account *account = account_at(world, index);

    if (account->held != VERDICT_NONE)
        return;
    if (fault == VERDICT_MISMATCH || world->config.unplug_ns == 0) {
        make_due(world, index, bit(fault));
        return;
    }
    account->held = fault;
    account->held_since_ns = world->now_ns;
}

/* The pass of this account is to begin, as the rig is armed now. */
static void begin(struct world *world, uint32_t index)
{
    struct account *account = account_at(world, index);
    uint64_t *started_ns = &world->oracle.started_plugged_ns[world->attachments[index].slot];

    account->begins = true;
    account->begun_ns = world->now_ns;
    account->mode = world->armed_mode;
    account->set = world->armed_set;
    if (!account->not_in_rig && !account->foreign)
        *started_ns = max_u64(*started_ns, account->plugged_ns);
    if (account->not_in_rig || account->foreign)
        world->statistics->strangers++;
    if (account->not_in_rig)
        make_due(world, index, bit(VERDICT_NOT_IN_RIG));
    else if (account->foreign)
        make_due(world, index, bit(VERDICT_POLICY));
    else if (oracle_choice(world, account->set, UINT64_MAX) == NO_IMAGE)
        make_due(world, index, bit(VERDICT_MASTER_ERROR));
    else if (oracle_owed(world, index) > 0)
        world->statistics->waits_for_owed++;
}

/* A drive that came after arming, and is not the one that was begun before. */
static bool starts_by_itself(struct world *world, uint32_t slot, uint64_t plugged_ns)
{
    uint64_t started_ns = world->oracle.started_plugged_ns[slot];

    if (!world->armed || plugged_ns == 0 || plugged_ns < world->armed_ns)
        return false;
    if (started_ns == 0 || plugged_ns > started_ns + PLUGGED_JITTER_NS)
        return true;
    world->statistics->retold++;
    return false;
}

static void see_attached(struct world *world, uint32_t index, const struct event *event)
{
    struct oracle *oracle = &world->oracle;
    uint32_t slot = world->attachments[index].slot;
    uint64_t plugged_ns = event->attached.plugged_ns;

    if (oracle->current[slot] != NOBODY && is_live(world, oracle->current[slot]))
        lose(world, oracle->current[slot]);
    if (oracle->outstanding[slot] > 0)
        world->statistics->early_replugs++;
    oracle->current[slot] = index;
    oracle->accounts[index] = (struct account){
        .foreign = event->attached.foreign,
        .not_in_rig = event->attached.not_in_rig,
        .capacity_bytes = event->attached.capacity_bytes,
        .plugged_ns = plugged_ns,
        .image = NO_IMAGE,
        .waits_since_ns = FOREVER_NS,
        .next_chunk = UNKNOWN_CHUNK,
    };
    if (event->attached.foreign || event->attached.not_in_rig ||
        starts_by_itself(world, slot, plugged_ns))
        begin(world, index);
    else
        world->statistics->ready++;
}

/* Nobody is there, so nothing of anybody counts from now on. */
static void see_cleared(struct world *world, uint32_t slot)
{
    uint32_t *current = &world->oracle.current[slot];

    if (*current != NOBODY && account_at(world, *current)->state != SLOT_EMPTY)
        world->statistics->cleared++;
    *current = NOBODY;
    world->oracle.started_plugged_ns[slot] = 0;
}

static void see_start(struct world *world, uint32_t index, const struct event *event)
{
    struct oracle *oracle = &world->oracle;
    const struct account *before = account_at(world, index);
    uint32_t number = (uint32_t)event->start.attachment - 1;

    if (oracle->current[event->slot] != index ||
        oracle_may_start(world, event->slot) != START_ALLOWED) {
        world->statistics->futile_starts++;
        return;
    }
    if (before->state == SLOT_READY)
        world->statistics->first_starts++;
    else
        world->statistics->second_starts++;
    oracle->current[event->slot] = number;
    oracle->accounts[number] = (struct account){
        .state = before->state,
        .state_since_ns = before->state_since_ns,
        .foreign = before->foreign,
        .not_in_rig = before->not_in_rig,
        .capacity_bytes = before->capacity_bytes,
        .plugged_ns = before->plugged_ns,
        .image = NO_IMAGE,
        .waits_since_ns = FOREVER_NS,
        .next_chunk = UNKNOWN_CHUNK,
    };
    begin(world, number);
}

static void see_stop(struct world *world, uint32_t index)
{
    const struct account *account = account_at(world, index);
    enum verdict verdict = VERDICT_STOPPED;

    if (!is_live(world, index))
        return;
    if (account->first_fault != VERDICT_NONE)
        verdict = account->first_fault;
    if (account->held != VERDICT_NONE)
        verdict = account->held;
    make_due(world, index, bit(verdict));
}

/* The reasons to refuse a drive that opened well, for this image. */
static uint64_t reasons_to_refuse(const struct world *world, const struct account *account,
                                  const struct drive_facts *facts, uint64_t size_bytes)
{
    uint64_t reasons = 0;

    if (facts->capacity_bytes == 0)
        return bit(VERDICT_NO_MEDIUM);
    if (facts->read_only && account->mode == MODE_WRITE)
        reasons |= bit(VERDICT_READ_ONLY);
    if (facts->capacity_bytes < size_bytes ||
        facts->capacity_bytes < world->policy.capacity_min_bytes)
        reasons |= bit(VERDICT_TOO_SMALL);
    if (world->policy.capacity_max_bytes != 0 &&
        facts->capacity_bytes > world->policy.capacity_max_bytes)
        reasons |= bit(VERDICT_TOO_BIG);
    /* Requests must begin and end at the drive's blocks. */
    if (facts->logical_block_bytes == 0 || size_bytes % facts->logical_block_bytes != 0 ||
        (size_bytes > world->config.chunk_bytes &&
         world->config.chunk_bytes % facts->logical_block_bytes != 0))
        reasons |= bit(VERDICT_POLICY);
    return reasons;
}

/* The drive opened well: what it gets, or why it gets nothing. */
static void see_open_well(struct world *world, uint32_t index, const struct drive_facts *facts)
{
    struct account *account = account_at(world, index);
    uint32_t image = oracle_choice(world, account->set, facts->capacity_bytes);
    uint64_t size_bytes = UINT64_MAX;

    account->capacity_bytes = facts->capacity_bytes;
    for (uint32_t i = 0; i < world->image_count && image == NO_IMAGE; i++) {
        if (oracle_is_sound(world, account->set, i))
            size_bytes = min_u64(size_bytes, world->masters[i].image.size_bytes);
    }
    if (image == NO_IMAGE && size_bytes == UINT64_MAX) {
        make_due(world, index, bit(VERDICT_MASTER_ERROR));
        return;
    }
    if (image != NO_IMAGE)
        size_bytes = world->masters[image].image.size_bytes;
    uint64_t reasons = reasons_to_refuse(world, account, facts, size_bytes);
    if (reasons != 0) {
        make_due(world, index, reasons);
        return;
    }
    check(image != NO_IMAGE);
    account->image = image;
    account->image_bytes = size_bytes;
    if (oracle_choice(world, world->armed_set, UINT64_MAX) != image)
        world->statistics->smaller_images++;
}

static void see_opened(struct world *world, uint32_t index, const struct event *event)
{
    static const enum verdict verdicts[] = {
        [OPEN_BUSY] = VERDICT_IN_USE,           [OPEN_SYSTEM_DISK] = VERDICT_SYSTEM_DISK,
        [OPEN_READ_ONLY] = VERDICT_READ_ONLY,   [OPEN_NO_MEDIUM] = VERDICT_NO_MEDIUM,
        [OPEN_DENIED] = VERDICT_NOT_IN_RIG,     [OPEN_UNSUITABLE] = VERDICT_POLICY,
        [OPEN_OUR_FAULT] = VERDICT_INTERRUPTED,
    };
    struct account *account = account_at(world, index);

    account->open_pending = false;
    account->opened = event->opened.result == OPEN_OK;
    if (!is_live(world, index))
        return;
    if (event->opened.result == OPEN_ERROR)
        account->errors_present = world_visit(world, index)->present;
    if (account->opened)
        see_open_well(world, index, &event->opened.facts);
    else if (event->opened.result == OPEN_GONE)
        lose(world, index);
    else if (event->opened.result == OPEN_ERROR)
        fail(world, index, VERDICT_READ_ERROR);
    else
        make_due(world, index, bit(verdicts[event->opened.result]));
}

/* A request of a drive was not done, and its pass cannot go on. */
static void see_failure(struct world *world, uint32_t index, enum io_result result)
{
    struct account *account = account_at(world, index);

    if (result == IO_ERROR && world_visit(world, index)->present)
        account->errors_present = true;
    if (result == IO_GONE)
        lose(world, index);
    else if (result == IO_ERROR)
        fail(world, index, VERDICT_WRITE_ERROR);
    else if (account->first_fault != VERDICT_NONE)
        fail(world, index, account->first_fault);
    else if (account->held == VERDICT_NONE)
        make_due(world, index, bit(VERDICT_INTERRUPTED));
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
        account->write_bad |= bit(request->chunk);
    see_failure(world, index, event->transfer.result);
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
        see_failure(world, index, result);
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
        if (account->first_fault == VERDICT_NONE)
            account->first_fault = fault;
    }
    if (fault == VERDICT_MISMATCH)
        account->mismatched = true;
    if (fault == VERDICT_READ_ERROR && world_visit(world, index)->present)
        account->errors_present = true;
    if (account->read != all_chunks(image_of(world, account)))
        return;
    if (account->bad == 0)
        make_due(world, index, bit(VERDICT_PASSED));
    else
        fail(world, index, account->first_fault);
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
        see_failure(world, index, event->flushed);
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

    world->oracle.due_count = 0;
    switch (event->type) {
    case EVENT_ATTACHED:
        see_attached(world, index, event);
        break;
    case EVENT_DETACHED:
        if (is_live(world, index))
            lose(world, index);
        break;
    case EVENT_CLEARED:
        see_cleared(world, event->slot);
        break;
    case EVENT_START:
        see_start(world, index, event);
        break;
    case EVENT_STOP:
        see_stop(world, index);
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
        world->oracle.masters[event->image.number] = (struct master_account){0};
        break;
    case EVENT_POLICY:
    case EVENT_ARM:
    case EVENT_DISARM:
    case EVENT_TYPE_COUNT:
        break;
    }
}
