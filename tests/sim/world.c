// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/world.h"

#include "lib/base/check.h"
#include "lib/core/trace.h"

#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

void *world_memory(struct world *world, size_t bytes)
{
    size_t rounded = (size_t)round_up_u64(bytes, sizeof(uint64_t));
    check(world->arena_used + rounded <= WORLD_ARENA_BYTES);
    void *memory = world->arena + world->arena_used;
    world->arena_used += rounded;
    memset(memory, 0, bytes);
    return memory;
}

uint8_t *world_buffer(const struct world *world, uint32_t buffer)
{
    return world->buffers + (size_t)buffer * world->config.chunk_bytes;
}

uint32_t world_chunk_length(const struct image *image, uint32_t chunk)
{
    uint64_t end = min_u64(((uint64_t)chunk + 1) * image->chunk_bytes, image->size_bytes);
    return (uint32_t)(end - (uint64_t)chunk * image->chunk_bytes);
}

struct digest world_digest(const uint8_t *data, uint32_t length)
{
    XXH128_hash_t hash = XXH3_128bits(data, length);
    return (struct digest){.high = hash.high64, .low = hash.low64};
}

static void print_event(const struct world *world, const struct event *event)
{
    char line[TRACE_LINE_BYTES];
    if (!world->trace)
        return;
    trace_event(line, event);
    (void)printf("%s%s\n", world->trace_prefix, line);
}

static void print_action(const struct world *world, const struct action *action)
{
    char line[TRACE_LINE_BYTES];
    if (!world->trace)
        return;
    trace_action(line, action);
    (void)printf("%s%s\n", world->trace_prefix, line);
}

/* Gives the core one event and carries out what it answers. */
static void step(struct world *world, struct event *event, const struct request *request)
{
    event->now_ns = world->now_ns;
    if (++world->steps > WORLD_STEPS_MAX)
        sim_complain("the world does not come to an end");
    print_event(world, event);
    oracle_event(world, event, request);
    world->actions->count = 0;
    press_step(world->press, event, world->actions);
    for (uint32_t i = 0; i < world->actions->count; i++) {
        print_action(world, &world->actions->items[i]);
        oracle_action(world, &world->actions->items[i]);
        world_perform(world, &world->actions->items[i]);
    }
    oracle_step_done(world, event);
    if (!world->tick_planned && !press_idle(world->press)) {
        world->tick_planned = true;
        world_plan(world, TICK_NS, MOMENT_TICK, 0);
    }
}

static void step_for(struct world *world, enum event_type type, uint32_t attachment)
{
    struct event event = {.type = type,
                          .slot = world->attachments[attachment].slot,
                          .attachment = (uint64_t)attachment + 1};
    step(world, &event, NULL);
}

static void answer(struct world *world, uint32_t index)
{
    static const enum event_type types[ACTION_TYPE_COUNT] = {
        [ACTION_OPEN] = EVENT_OPENED,   [ACTION_LOAD] = EVENT_LOADED,
        [ACTION_WRITE] = EVENT_WRITTEN, [ACTION_READ] = EVENT_READ,
        [ACTION_FLUSH] = EVENT_FLUSHED,
    };
    struct request *slot = &world->requests[index];
    struct event event = {.type = types[slot->type]};

    world_move_bytes(world, slot);
    struct request request = *slot;
    slot->active = false;
    if (request.type != ACTION_LOAD) {
        event.slot = world_attachment_of(world, &request)->slot;
        event.attachment = (uint64_t)request.attachment + 1;
    }
    if (request.type == ACTION_OPEN) {
        event.opened.result = request.open_result;
        event.opened.facts = world_attachment_of(world, &request)->drive->facts;
    } else if (request.type == ACTION_FLUSH) {
        event.flushed = request.result;
    } else {
        event.transfer.result = request.result;
        event.transfer.buffer = request.buffer;
        event.transfer.chunk = request.chunk;
        if (request.result == IO_OK && request.type != ACTION_WRITE)
            event.transfer.digest =
                world_digest(world_buffer(world, request.buffer), request.length);
        world_use_buffer(world, &request, -1);
    }
    step(world, &event, &request);
}

static void attach(struct world *world, uint32_t slot)
{
    struct drive *drive = scenario_drive(world, slot);
    uint32_t index = world->attachment_count++;
    check(index < WORLD_ATTACHMENTS_MAX);

    world->attachments[index] = (struct attachment){.slot = slot, .drive = drive, .present = true};
    world->statistics->drives++;
    if (random_chance(&world->random, world->temper.yanks)) {
        world->attachments[index].leaves = true;
        world_plan(world, random_below(&world->random, world->span_ns), MOMENT_YANK, index);
    }
    if (random_chance(&world->random, world->temper.stops))
        world_plan(world, random_below(&world->random, world->span_ns), MOMENT_STOP, index);
    step_for(world, EVENT_ATTACHED, index);
}

static void arm(struct world *world)
{
    struct random *random = &world->random;

    world->armed_mode = random_chance(random, 50) ? MODE_WRITE : MODE_VERIFY;
    world->armed_image = (uint32_t)random_below(random, world->image_count);
    struct event event = {.type = EVENT_ARM,
                          .arm = {.mode = world->armed_mode, .image = world->armed_image}};
    step(world, &event, NULL);
}

static void live_through(struct world *world, const struct moment *moment)
{
    struct request *request = &world->requests[moment->index];

    switch (moment->kind) {
    case MOMENT_ATTACH:
        attach(world, moment->index);
        break;
    case MOMENT_YANK:
        if (world->attachments[moment->index].present)
            world_leave(world, moment->index);
        break;
    case MOMENT_DETACH:
        step_for(world, EVENT_DETACHED, moment->index);
        break;
    case MOMENT_STOP:
        step_for(world, EVENT_STOP, moment->index);
        break;
    case MOMENT_ARM:
        arm(world);
        break;
    case MOMENT_TICK:
        world->tick_planned = false;
        step(world, &(struct event){.type = EVENT_TICK}, NULL);
        break;
    case MOMENT_MOVE:
        if (request->active && request->move_moment == moment->sequence)
            world_move_bytes(world, request);
        break;
    case MOMENT_ANSWER:
        if (request->active && request->answer_moment == moment->sequence)
            answer(world, moment->index);
        break;
    }
}

static void begin(struct world *world)
{
    size_t bytes = press_memory_bytes(&world->config);

    void *memory = world_memory(world, bytes);
    memset(memory, 0xEE, bytes);
    world->press = press_init(memory, &world->config);
    world->buffers =
        world_memory(world, (size_t)world->config.buffer_count * world->config.chunk_bytes);
    oracle_init(world);
    for (uint32_t i = 0; i < world->image_count; i++)
        step(world,
             &(struct event){.type = EVENT_IMAGE,
                             .image = {.number = i, .image = &world->masters[i].image}},
             NULL);
    step(world,
         &(struct event){.type = EVENT_ARM,
                         .arm = {.mode = world->armed_mode, .image = world->armed_image}},
         NULL);
}

void world_run(struct world *world, uint64_t seed)
{
    random_seed(&world->random, seed);
    world->now_ns = 0;
    world->arena_used = 0;
    world->attachment_count = 0;
    world->drive_count = 0;
    world->request_count = 0;
    world->moment_count = 0;
    world->sequence = 0;
    world->steps = 0;
    world->tick_planned = false;
    memset(world->uses, 0, sizeof(world->uses));
    scenario_build(world);
    begin(world);
    while (world->moment_count > 0) {
        struct moment moment = world_take_moment(world);
        world->now_ns = moment.at_ns;
        live_through(world, &moment);
    }
    oracle_end(world);
    world->statistics->worlds++;
    world->statistics->steps += world->steps;
}
