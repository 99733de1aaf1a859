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
    if (type == EVENT_DETACHED)
        world->attachments[attachment].detached = true;
    attachment = type == EVENT_DETACHED ? world->attachments[attachment].now : attachment;
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

/* When the drive was plugged in, of which the news comes now. */
static uint64_t plugged_ns(struct world *world, uint32_t slot)
{
    struct random *random = &world->random;
    uint64_t before_ns = world->plugged_ns[slot];

    if (random_chance(random, world->temper.before))
        return 0;
    /* The same time comes out a little different each time. */
    if (before_ns > PLUGGED_JITTER_NS && random_chance(random, world->temper.retold))
        return min_u64(world->now_ns, before_ns - PLUGGED_JITTER_NS +
                                          random_below(random, 2 * PLUGGED_JITTER_NS + 2));
    if (!random_chance(random, world->temper.slow_news))
        return world->now_ns;
    return world->now_ns - random_spread(random, 1, min_u64(2 * NS_PER_S, world->now_ns - 1));
}

static void attach(struct world *world, uint32_t slot)
{
    struct random *random = &world->random;
    struct drive *drive = scenario_drive(world, slot);
    uint32_t index = world->attachment_count++;
    struct event event = {.type = EVENT_ATTACHED, .slot = slot, .attachment = (uint64_t)index + 1};
    check(index < WORLD_ATTACHMENTS_MAX);

    world->attachments[index] = (struct attachment){
        .slot = slot, .drive = drive, .visit = index, .now = index, .present = true};
    world->statistics->drives++;
    if (random_chance(random, world->temper.yanks)) {
        world->attachments[index].leaves = true;
        world_plan(world, random_below(random, world->span_ns), MOMENT_YANK, index);
    }
    if (random_chance(random, world->temper.stops))
        world_plan(world, random_below(random, world->span_ns), MOMENT_STOP, index);
    if (random_chance(random, world->temper.starts / 4))
        world_plan(world, random_below(random, world->span_ns), MOMENT_START, index);
    event.attached.plugged_ns = plugged_ns(world, slot);
    world->plugged_ns[slot] = event.attached.plugged_ns;
    event.attached.capacity_bytes = random_chance(random, 50) ? drive->facts.capacity_bytes : 0;
    event.attached.foreign = random_chance(random, world->temper.strangers);
    event.attached.not_in_rig = random_chance(random, world->temper.strangers);
    step(world, &event, NULL);
}

/* The slot stands for another place from now on, if no drive is in it. */
static void clear(struct world *world, uint32_t slot)
{
    if (oracle_is_vacant(world, slot))
        step(world, &(struct event){.type = EVENT_CLEARED, .slot = slot}, NULL);
}

/* An operator starts what he believes to be in the slot. The drive gets its new number if the core
 * says that it may be started; the event is sent in any case. */
static void start(struct world *world, uint32_t index)
{
    struct attachment *visit = world_visit(world, index);
    uint32_t slot = visit->slot;
    uint32_t number = world->attachment_count;
    struct event event = {.type = EVENT_START, .slot = slot, .attachment = (uint64_t)index + 1};

    event.start.attachment = (uint64_t)number + 1;
    if (world->starts_left == 0)
        return;
    if (oracle_may_start(world, slot) == START_ALLOWED && world->oracle.current[slot] == index) {
        world->starts_left--;
        world->attachment_count++;
        world->attachments[number] =
            (struct attachment){.slot = slot, .drive = visit->drive, .visit = visit->visit};
        visit->now = number;
        if (random_chance(&world->random, world->temper.stops))
            world_plan(world, random_below(&world->random, world->span_ns), MOMENT_STOP, number);
        if (random_chance(&world->random, world->temper.starts / 4))
            world_plan(world, random_below(&world->random, world->span_ns), MOMENT_START, number);
    }
    step(world, &event, NULL);
}

static void arm(struct world *world)
{
    struct random *random = &world->random;
    uint64_t set = scenario_set(world);

    if (set == 0)
        return;
    world->armed = true;
    world->armed_mode = random_chance(random, 60) ? MODE_WRITE : MODE_VERIFY;
    world->armed_set = set;
    world->armed_ns = world->now_ns;
    world->statistics->arms++;
    struct event event = {.type = EVENT_ARM, .arm = {.mode = world->armed_mode, .images = set}};
    step(world, &event, NULL);
}

static void disarm(struct world *world)
{
    world->armed = false;
    world->armed_set = 0;
    world->statistics->disarms++;
    step(world, &(struct event){.type = EVENT_DISARM}, NULL);
}

/* Forgets an image, or gives its number to another one, if nobody needs it. */
static void change_image(struct world *world, uint32_t number)
{
    struct master *master = &world->masters[number];
    struct event event = {.type = EVENT_IMAGE, .image = {.number = number}};

    if (oracle_image_used(world, number))
        return;
    /* Whoever still looks at the image before reads nonsense. */
    memset(&master->image, 0xEE, sizeof(master->image));
    master->known = random_chance(&world->random, 60);
    if (master->known) {
        scenario_master(world, master);
        event.image.image = &master->image;
        world->statistics->images_replaced++;
    } else {
        world->statistics->images_forgotten++;
    }
    step(world, &event, NULL);
}

static void set_policy(struct world *world)
{
    struct event event = {.type = EVENT_POLICY};

    scenario_policy(world);
    event.policy.capacity_min_bytes = world->policy.capacity_min_bytes;
    event.policy.capacity_max_bytes = world->policy.capacity_max_bytes;
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
    case MOMENT_START:
        start(world, moment->index);
        break;
    case MOMENT_DISARM:
        disarm(world);
        break;
    case MOMENT_IMAGE:
        change_image(world, moment->index);
        break;
    case MOMENT_POLICY:
        set_policy(world);
        break;
    case MOMENT_STOP:
        step_for(world, EVENT_STOP, moment->index);
        break;
    case MOMENT_CLEAR:
        clear(world, moment->index);
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
}

void world_run(struct world *world, uint64_t seed)
{
    random_seed(&world->random, seed);
    world->now_ns = NS_PER_S; /* 0 means that nobody looked */
    world->armed = false;
    world->armed_set = 0;
    world->armed_mode = MODE_WRITE;
    world->policy = (struct gate_policy){0};
    world->arena_used = 0;
    world->attachment_count = 0;
    world->drive_count = 0;
    world->request_count = 0;
    world->moment_count = 0;
    world->sequence = 0;
    world->steps = 0;
    world->tick_planned = false;
    memset(world->uses, 0, sizeof(world->uses));
    memset(world->plugged_ns, 0, sizeof(world->plugged_ns));
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
