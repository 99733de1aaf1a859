// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/base/check.h"
#include "tests/sim/world.h"

#include <string.h>

static uint32_t new_request(struct world *world, enum action_type type)
{
    uint32_t at = 0;
    while (at < world->request_count && world->requests[at].active)
        at++;
    check(at < WORLD_REQUESTS_MAX);
    if (at == world->request_count)
        world->request_count++;
    world->requests[at] =
        (struct request){.type = type, .active = true, .issued_ns = world->now_ns};
    return at;
}

struct attachment *world_visit(struct world *world, uint32_t attachment)
{
    return &world->attachments[world->attachments[attachment].visit];
}

static bool is_present(struct world *world, const struct request *request)
{
    return world_visit(world, request->attachment)->present;
}

struct attachment *world_attachment_of(struct world *world, const struct request *request)
{
    return &world->attachments[request->attachment];
}

/* Plans when a request is answered and when its bytes move: at the one end of that time, at the
 * other, or in between. */
static void plan_answer(struct world *world, uint32_t index, uint64_t at_ns)
{
    struct request *request = &world->requests[index];

    request->answer_moment = 0;
    if (at_ns == FOREVER_NS)
        return;
    request->answer_moment = world_plan_at(world, at_ns, MOMENT_ANSWER, index);
    if (request->moves && random_chance(&world->random, world->temper.moves_apart)) {
        uint64_t in_ns = random_below(&world->random, at_ns - world->now_ns + 1);
        request->move_moment = world_plan_at(world, world->now_ns + in_ns, MOMENT_MOVE, index);
        world->statistics->moved_apart++;
    }
}

/* A request to a drive that is not there any more, or was pulled while it was in flight. */
static void answer_for_absent(struct world *world, uint32_t index)
{
    struct request *request = &world->requests[index];
    struct random *random = &world->random;
    uint64_t at_ns = world->now_ns + random_spread(random, NS_PER_US, 20 * NS_PER_MS);

    request->moves = false;
    request->result = IO_GONE;
    request->open_result = OPEN_GONE;
    if (random_chance(random, world->temper.errors_first)) {
        request->result = IO_ERROR;
        request->open_result = OPEN_ERROR;
    }
    switch (random_below(random, 8)) {
    case 0:
        request->result = IO_ERROR;
        request->open_result = OPEN_ERROR;
        break;
    case 1:
    case 2:
        at_ns += random_below(random, 3 * world->config.stall_ns);
        break;
    case 3:
        at_ns = FOREVER_NS;
        break;
    default:
        break;
    }
    plan_answer(world, index, at_ns);
}

/* Lets a hang fault of the drive change when it answers. */
static uint64_t after_hang(struct drive *drive, enum drive_fault fault, uint32_t chunk,
                           uint32_t nth, uint64_t at_ns)
{
    if (!drive_fault_hits(drive, fault, chunk, nth))
        return at_ns;
    uint64_t for_ns = drive->faults[fault].for_ns;
    if (for_ns == FOREVER_NS)
        return FOREVER_NS;
    drive->busy_until_ns = max_u64(drive->busy_until_ns, at_ns + for_ns);
    return at_ns + for_ns;
}

static void ask_open(struct world *world, uint32_t index)
{
    struct request *request = &world->requests[index];
    struct attachment *attachment = world_attachment_of(world, request);
    struct drive *drive = attachment->drive;
    uint64_t at_ns = world->now_ns + random_between(&world->random, 1, 2 * drive->latency_ns);

    if (!is_present(world, request)) {
        answer_for_absent(world, index);
        return;
    }
    request->open_result =
        drive_fault_hits(drive, FAULT_OPEN_RESULT, 0, 0) ? drive->open_result : OPEN_OK;
    for (enum drive_fault fault = FAULT_TOO_SMALL; fault <= FAULT_BLOCK_SIZE; fault++)
        (void)drive_fault_hits(drive, fault, 0, 0);
    plan_answer(world, index, after_hang(drive, FAULT_HANG_OPEN, 0, 0, at_ns));
}

static void ask_transfer(struct world *world, uint32_t index)
{
    struct request *request = &world->requests[index];
    struct attachment *attachment = world_attachment_of(world, request);
    struct drive *drive = attachment->drive;
    bool write = request->type == ACTION_WRITE;

    if (drive_fault_hits(drive, FAULT_YANK, 0, drive->requests++) && is_present(world, request))
        world_leave(world, attachment->visit);
    if (!is_present(world, request)) {
        answer_for_absent(world, index);
        return;
    }
    uint32_t nth = write ? drive->writes++ : drive->reads++;
    uint64_t cost_ns = write ? drive->write_ns : drive->read_ns;
    uint64_t at_ns = drive_answers_at_ns(drive, &world->random, world->now_ns, cost_ns);
    request->moves = true;
    if (drive_fault_hits(drive, write ? FAULT_WRITE_ERROR : FAULT_READ_ERROR, request->chunk,
                         nth)) {
        request->result = IO_ERROR;
        request->moves = write && drive->faults[FAULT_WRITE_ERROR].stored;
    } else if (drive_fault_hits(drive, FAULT_CANCELLED, request->chunk, drive->requests)) {
        request->result = IO_CANCELLED;
        request->moves = false;
    }
    if (drive->faults[FAULT_SLOW].armed)
        drive->faults[FAULT_SLOW].hits = 1;
    at_ns =
        after_hang(drive, write ? FAULT_HANG_WRITE : FAULT_HANG_READ, request->chunk, nth, at_ns);
    plan_answer(world, index, at_ns);
}

static void ask_flush(struct world *world, uint32_t index)
{
    struct request *request = &world->requests[index];
    struct attachment *attachment = world_attachment_of(world, request);
    struct drive *drive = attachment->drive;

    if (!is_present(world, request)) {
        answer_for_absent(world, index);
        return;
    }
    uint64_t at_ns = drive_answers_at_ns(drive, &world->random, world->now_ns, 4 * drive->write_ns);
    request->moves = true;
    if (drive_fault_hits(drive, FAULT_FLUSH_ERROR, 0, 0))
        request->result = IO_ERROR;
    plan_answer(world, index, after_hang(drive, FAULT_HANG_FLUSH, 0, 0, at_ns));
}

static bool master_fault_hits(const struct world *world, struct master_fault *fault, uint32_t chunk)
{
    if (fault->left == 0 || world->now_ns < fault->from_ns ||
        (fault->chunk != chunk && fault->chunk != EVERY_CHUNK))
        return false;
    if (fault->left != UINT32_MAX)
        fault->left--;
    return true;
}

static void ask_load(struct world *world, uint32_t index)
{
    struct request *request = &world->requests[index];
    struct master *master = &world->masters[request->image];
    uint64_t at_ns = world->now_ns + random_between(&world->random, 1, 2 * master->load_ns);

    request->moves = true;
    if (master_fault_hits(world, &master->error, request->chunk)) {
        request->result = IO_ERROR;
        request->moves = false;
    }
    if (master_fault_hits(world, &master->hang, request->chunk))
        at_ns = master->hang_for_ns == FOREVER_NS ? FOREVER_NS : at_ns + master->hang_for_ns;
    plan_answer(world, index, at_ns);
}

/* Moves the bytes of a request to where it takes them. */
void world_move_bytes(struct world *world, struct request *request)
{
    if (!request->moves)
        return;
    request->moves = false;
    if (request->type == ACTION_LOAD) {
        struct master *master = &world->masters[request->image];
        uint8_t *data = world_buffer(world, request->buffer);
        memcpy(data, master->bytes + request->offset, request->length);
        if (master_fault_hits(world, &master->wrong, request->chunk))
            data[random_below(&world->random, request->length)] ^= 0x10;
        return;
    }
    struct drive *drive = world_attachment_of(world, request)->drive;
    if (!is_present(world, request))
        return;
    if (request->type == ACTION_WRITE)
        drive_store(drive, request->chunk, request->offset, world_buffer(world, request->buffer),
                    request->length);
    else if (request->type == ACTION_READ)
        drive_fetch(drive, request->chunk, request->offset, world_buffer(world, request->buffer),
                    request->length);
    else if (request->type == ACTION_FLUSH)
        drive_flush(drive);
}

/* What the drive's slot sees, and what becomes of its requests, when it is pulled. */
void world_leave(struct world *world, uint32_t visit)
{
    struct attachment *attachment = &world->attachments[visit];
    struct random *random = &world->random;
    uint32_t slot = attachment->slot;

    attachment->present = false;
    attachment->leaves = true;
    attachment->left_ns = world->now_ns;
    drive_flush(attachment->drive);
    attachment->drive->busy_until_ns = 0;
    for (uint32_t i = 0; i < world->request_count; i++) {
        struct request *request = &world->requests[i];
        if (request->active && request->type != ACTION_LOAD &&
            world->attachments[request->attachment].visit == visit)
            answer_for_absent(world, i);
    }

    bool early = random_chance(random, world->temper.early_replugs);
    uint64_t gap_ns = early ? random_below(random, 100 * NS_PER_US)
                            : random_spread(random, NS_PER_MS, 2 * NS_PER_S);
    uint64_t detach_ns = random_spread(random, NS_PER_US, 50 * NS_PER_MS);
    bool late = random_chance(random, world->temper.late_detaches);
    bool lost = random_chance(random, world->temper.lost_detaches);
    if (world->visits_left[slot] > 0) {
        world->visits_left[slot]--;
        world_plan(world, gap_ns, MOMENT_ATTACH, slot);
        if (!late)
            detach_ns = min_u64(detach_ns, gap_ns / 2);
    }
    if (random_chance(random, world->temper.clears))
        world_plan(world, random_spread(random, NS_PER_US, 2 * NS_PER_S), MOMENT_CLEAR, slot);
    if (lost)
        world->statistics->lost_detaches++;
    else
        world_plan(world, detach_ns, MOMENT_DETACH, visit);
}

/* Closing cancels some of what is in flight. */
static void cancel_requests(struct world *world, uint32_t attachment)
{
    for (uint32_t i = 0; i < world->request_count; i++) {
        struct request *request = &world->requests[i];
        bool transfer = request->type == ACTION_WRITE || request->type == ACTION_READ;
        if (!request->active || !transfer || request->attachment != attachment ||
            !random_chance(&world->random, 50))
            continue;
        request->result = IO_CANCELLED;
        request->moves = false;
        plan_answer(world, i, world->now_ns + random_below(&world->random, NS_PER_MS));
    }
}

/* An operator starts the drive that is ready or has its verdict, whatever it is. */
static void plan_start(struct world *world, uint32_t index, bool ready)
{
    unsigned percent = ready ? 30 + world->temper.starts / 2 : world->temper.starts;

    if (random_chance(&world->random, percent))
        world_plan(world, random_spread(&world->random, NS_PER_US, 3 * NS_PER_S), MOMENT_START,
                   index);
}

/* Somebody pulls the drive that is ready or has its verdict, to plug in the next one. */
static void plan_departure(struct world *world, uint32_t index)
{
    struct attachment *attachment = world_visit(world, index);

    index = attachment->visit;
    if (!attachment->present || attachment->leaves ||
        (world->visits_left[attachment->slot] == 0 && random_chance(&world->random, 50)))
        return;
    attachment->leaves = true;
    world_plan(world, random_spread(&world->random, NS_PER_US, 3 * NS_PER_S), MOMENT_YANK, index);
}

void world_use_buffer(struct world *world, const struct request *request, int change)
{
    struct buffer_use_count *use = &world->uses[request->buffer];

    if (request->type == ACTION_WRITE)
        use->readers += (uint32_t)change;
    else if (request->type == ACTION_READ || request->type == ACTION_LOAD)
        use->writer = change > 0;
}

void world_perform(struct world *world, const struct action *action)
{
    uint32_t attachment = (uint32_t)action->attachment - 1;

    if (action->type == ACTION_CLOSE) {
        cancel_requests(world, attachment);
        return;
    }
    if (action->type == ACTION_STATE) {
        bool ready = action->state.to == SLOT_READY;
        if (ready || slot_state_final(action->state.to)) {
            plan_start(world, attachment, ready);
            plan_departure(world, attachment);
        }
        return;
    }
    uint32_t index = new_request(world, action->type);
    struct request *request = &world->requests[index];
    request->attachment = attachment;
    if (action->type == ACTION_LOAD || action->type == ACTION_WRITE ||
        action->type == ACTION_READ) {
        request->image = action->transfer.image;
        request->buffer = action->transfer.buffer;
        request->chunk = action->transfer.chunk;
        request->length = action->transfer.length_bytes;
        request->offset = action->transfer.offset_bytes;
        world_use_buffer(world, request, 1);
    }
    if (action->type == ACTION_OPEN)
        ask_open(world, index);
    else if (action->type == ACTION_LOAD)
        ask_load(world, index);
    else if (action->type == ACTION_FLUSH)
        ask_flush(world, index);
    else
        ask_transfer(world, index);
}
