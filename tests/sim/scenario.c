// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/world.h"

#include "lib/base/check.h"

#include <string.h>

/* What a world is made of, decided by its seed. Most worlds are small, so that many of them run in
 * a second; and each kind of trouble is absent from a good part of them, so that none hides
 * another. */

/* Zero in some worlds, mild in most, frequent in a few. */
static unsigned temper_of(struct random *random, unsigned mild, unsigned wild)
{
    switch (random_below(random, 8)) {
    case 0:
    case 1:
        return wild;
    case 2:
    case 3:
    case 4:
        return mild;
    default:
        return 0;
    }
}

static void choose_temper(struct world *world)
{
    struct random *random = &world->random;
    world->temper = (struct temper){
        .faulty_drives = temper_of(random, 50, 90),
        .yanks = temper_of(random, 10, 60),
        .stops = temper_of(random, 5, 30),
        .starts = temper_of(random, 25, 90),
        .before = temper_of(random, 3, 40),
        .slow_news = temper_of(random, 10, 60),
        .retold = temper_of(random, 5, 60),
        .clears = temper_of(random, 5, 60),
        .strangers = temper_of(random, 1, 6),
        .errors_first = temper_of(random, 50, 100),
        .early_replugs = temper_of(random, 40, 100),
        .lost_detaches = temper_of(random, 20, 80),
        .late_detaches = temper_of(random, 20, 80),
        .moves_apart = temper_of(random, 20, 80),
    };
}

static void choose_config(struct world *world)
{
    static const uint32_t chunk_bytes[] = {512, 512, 512, 512, 512, 1024, 1536, 4096};
    struct random *random = &world->random;
    struct press_config *config = &world->config;

    config->slot_count =
        1 + (uint32_t)random_below(random, random_between(random, 2, WORLD_SLOTS_MAX));
    config->window = 1 + (uint32_t)random_below(random, WINDOW_MAX);
    config->chunk_bytes = chunk_bytes[random_below(random, array_count(chunk_bytes))];
    config->buffer_count = press_buffers_min(config->slot_count, config->window);
    if (random_chance(random, 50))
        config->buffer_count += (uint32_t)random_below(random, 1 + 2 * WORLD_CHUNKS_MAX);
    config->stall_ns = random_between(random, NS_PER_S / 2, 3 * NS_PER_S);
    config->flush_ns = random_between(random, NS_PER_S / 2, 5 * NS_PER_S);
    config->master_ns = random_between(random, NS_PER_S / 2, 5 * NS_PER_S);
    config->unplug_ns =
        random_chance(random, 25) ? 0 : random_between(random, NS_PER_S / 20, 2 * NS_PER_S);
    /* A tick may come just when patience ends. */
    if (random_chance(random, 50)) {
        config->stall_ns = round_up_u64(config->stall_ns, TICK_NS);
        config->flush_ns = round_up_u64(config->flush_ns, TICK_NS);
        config->master_ns = round_up_u64(config->master_ns, TICK_NS);
        config->unplug_ns = round_up_u64(config->unplug_ns, TICK_NS);
    }
}

static void fill(struct random *random, uint8_t *bytes, size_t length)
{
    for (size_t at = 0; at + sizeof(uint64_t) <= length; at += sizeof(uint64_t)) {
        uint64_t value = random_next(random);
        memcpy(bytes + at, &value, sizeof(value));
    }
}

static void choose_master_faults(struct world *world, struct master *master)
{
    struct random *random = &world->random;
    uint32_t count = master->image.chunk_count;
    struct master_fault *faults[] = {&master->error, &master->wrong, &master->hang};

    memset(&master->error, 0, sizeof(master->error));
    memset(&master->wrong, 0, sizeof(master->wrong));
    memset(&master->hang, 0, sizeof(master->hang));
    if (!random_chance(random, world->image_count > 1 ? 50 : 15))
        return;
    struct master_fault *fault = faults[random_below(random, array_count(faults))];
    fault->chunk = random_chance(random, 30) ? EVERY_CHUNK : (uint32_t)random_below(random, count);
    fault->left = random_chance(random, 40) ? UINT32_MAX : (uint32_t)random_between(random, 1, 3);
    fault->from_ns =
        random_chance(random, 50) ? 0 : world->now_ns + random_below(random, world->span_ns);
    master->hang_for_ns = random_chance(random, 50)
                              ? FOREVER_NS
                              : random_spread(random, NS_PER_MS, 2 * world->config.master_ns);
}

void scenario_master(struct world *world, struct master *master)
{
    struct random *random = &world->random;
    uint32_t chunk_bytes = world->config.chunk_bytes;
    uint32_t count = 1 + (uint32_t)random_below(random, random_between(random, 1, 56));
    if (random_chance(random, 5))
        count = WORLD_CHUNKS_MAX;
    uint32_t sectors = chunk_bytes / 512;

    master->known = true;
    struct image *image = &master->image;
    memset(image, 0, sizeof(*image));
    image->chunk_bytes = chunk_bytes;
    image->chunk_count = count;
    image->size_bytes = (uint64_t)count * chunk_bytes - 512 * random_below(random, sectors);
    image->digests = world_memory(world, count * sizeof(struct digest));
    image->known = world_memory(world, (count + 7) / 8);

    size_t padded = (size_t)count * chunk_bytes;
    master->bytes = world_memory(world, padded);
    master->truth = world_memory(world, padded);
    fill(random, master->bytes, (size_t)image->size_bytes);
    master->truth_known = 0;
    master->manifest = random_chance(random, 50);
    for (uint32_t chunk = 0; master->manifest && chunk < count; chunk++) {
        const uint8_t *data = master->bytes + (size_t)chunk * chunk_bytes;
        image->digests[chunk] = world_digest(data, world_chunk_length(image, chunk));
        image->known[chunk / 8] = (uint8_t)(image->known[chunk / 8] | 1U << chunk % 8);
        image->known_count++;
        master->truth_known |= UINT64_C(1) << chunk;
    }
    if (master->manifest)
        memcpy(master->truth, master->bytes, padded);
    master->load_ns = random_spread(random, 50 * NS_PER_US, 20 * NS_PER_MS);
    choose_master_faults(world, master);
}

static uint64_t known_images(const struct world *world)
{
    uint64_t set = 0;
    for (uint32_t i = 0; i < world->image_count; i++)
        set |= world->masters[i].known ? UINT64_C(1) << i : 0;
    return set;
}

uint64_t scenario_set(struct world *world)
{
    uint64_t all = known_images(world);
    uint64_t some = all & random_next(&world->random);

    return some == 0 || random_chance(&world->random, 40) ? all : some;
}

static uint64_t largest_bytes(const struct world *world)
{
    uint64_t bytes = world->config.chunk_bytes;
    for (uint32_t i = 0; i < world->image_count; i++)
        bytes = max_u64(bytes, world->masters[i].known ? world->masters[i].image.size_bytes : 0);
    return bytes;
}

/* Limits that are near the sizes of drives, so that they matter. */
void scenario_policy(struct world *world)
{
    struct random *random = &world->random;
    uint64_t bytes = largest_bytes(world);

    world->policy = (struct gate_policy){0};
    if (random_chance(random, 60))
        world->policy.capacity_min_bytes = random_below(random, bytes + 1024);
    if (random_chance(random, 60))
        world->policy.capacity_max_bytes = bytes / 2 + random_below(random, bytes + 1024);
}

/* When the rig is armed first, and how that and its images change while drives come. */
static void plan_settings(struct world *world)
{
    struct random *random = &world->random;

    world_plan(world, random_chance(random, 80) ? 0 : random_below(random, world->span_ns),
               MOMENT_ARM, 0);
    if (random_chance(random, world->image_count > 1 ? 60 : 20)) {
        for (uint64_t i = random_between(random, 1, 5); i > 0; i--)
            world_plan(world, random_spread(random, NS_PER_MS, 10 * NS_PER_S),
                       random_chance(random, 30) ? MOMENT_DISARM : MOMENT_ARM, 0);
    }
    if (random_chance(random, 30)) {
        for (uint64_t i = random_between(random, 1, 6); i > 0; i--) {
            uint64_t in_ns = random_spread(random, NS_PER_MS, 10 * NS_PER_S);
            world_plan(world, in_ns - random_below(random, in_ns), MOMENT_DISARM, 0);
            world_plan(world, in_ns, MOMENT_IMAGE,
                       (uint32_t)random_below(random, world->image_count));
            world_plan(world, in_ns + random_spread(random, 1, NS_PER_S), MOMENT_ARM, 0);
        }
    }
    if (random_chance(random, 20)) {
        for (uint64_t i = random_between(random, 1, 3); i > 0; i--)
            world_plan(world, random_chance(random, 40) ? 0 : random_below(random, 2 * NS_PER_S),
                       MOMENT_POLICY, 0);
    }
}

/* Who comes first to each slot and when, and how many come after. */
static void plan_visits(struct world *world)
{
    struct random *random = &world->random;
    uint32_t slots = world->config.slot_count;
    bool together = random_chance(random, 30);
    uint32_t visits_max = 1;

    if (random_chance(random, 60))
        visits_max = 3;
    if (random_chance(random, 10))
        visits_max = WORLD_VISITS_MAX / slots;
    for (uint32_t slot = 0; slot < slots; slot++) {
        world->visits_left[slot] = (uint32_t)random_below(random, visits_max);
        world_plan(world, together ? 0 : random_below(random, world->span_ns), MOMENT_ATTACH, slot);
    }
}

void scenario_build(struct world *world)
{
    struct random *random = &world->random;

    choose_temper(world);
    choose_config(world);
    /* A usual drive's pass: 16 chunks, written and read at some milliseconds each. */
    world->span_ns = random_spread(random, NS_PER_MS, NS_PER_S);
    world->image_count = 1;
    if (random_chance(random, 40))
        world->image_count = (uint32_t)random_between(random, 2, WORLD_IMAGES_MAX);
    for (uint32_t i = 0; i < world->image_count; i++)
        scenario_master(world, &world->masters[i]);
    world->starts_left = (uint32_t)random_below(random, WORLD_STARTS_MAX + 1);
    plan_settings(world);
    plan_visits(world);
}

/* Faults that a drive shows before it is touched are told quickly, and need fewer worlds. */
static enum drive_fault choose_fault(struct random *random)
{
    enum drive_fault fault = (enum drive_fault)random_below(random, FAULT_COUNT);
    if (fault >= FAULT_TOO_SMALL && fault <= FAULT_BLOCK_SIZE && random_chance(random, 70))
        fault = (enum drive_fault)random_below(random, FAULT_OPEN_RESULT);
    return fault;
}

static void plan_fault(struct world *world, struct drive *drive, enum drive_fault fault,
                       uint32_t chunk_count)
{
    static const enum open_result results[] = {
        OPEN_BUSY,   OPEN_SYSTEM_DISK, OPEN_READ_ONLY, OPEN_NO_MEDIUM,
        OPEN_DENIED, OPEN_UNSUITABLE,  OPEN_GONE,      OPEN_ERROR,
    };
    struct random *random = &world->random;
    struct fault_plan *plan = &drive->faults[fault];

    plan->armed = true;
    plan->by_chunk = random_chance(random, 50);
    plan->at = (uint32_t)random_below(random, chunk_count);
    plan->always = random_chance(random, 50);
    plan->bit = (uint32_t)random_below(random, WORLD_CHUNK_BYTES_MAX * 8);
    plan->stored = random_chance(random, 50);
    plan->for_ns = FOREVER_NS;
    /* Often just below or above the patience of the press. */
    uint64_t patience_ns = world->config.stall_ns;
    if (fault == FAULT_HANG_OPEN || fault == FAULT_HANG_FLUSH)
        patience_ns = world->config.flush_ns;
    if (random_chance(random, 60))
        plan->for_ns = patience_ns / 2 + random_below(random, 2 * patience_ns);
    /* A hang at every request would last for ever; a yank and a lost cache happen once. */
    if (fault == FAULT_HANG_WRITE || fault == FAULT_HANG_READ || fault == FAULT_CACHE_LOST)
        plan->always = false;
    if (fault == FAULT_YANK) {
        plan->by_chunk = false;
        plan->always = false;
        plan->at = (uint32_t)random_below(random, 2 * chunk_count);
    }
    if (fault == FAULT_READ_FLIP && !plan->by_chunk)
        plan->always = false;
    drive->open_result = results[random_below(random, array_count(results))];
}

static void apply_facts(struct world *world, struct drive *drive, uint64_t image_bytes)
{
    struct random *random = &world->random;

    if (drive->faults[FAULT_TOO_SMALL].armed)
        drive->facts.capacity_bytes = image_bytes - (random_chance(random, 50) ? 1 : 512);
    if (drive->faults[FAULT_NO_CAPACITY].armed)
        drive->facts.capacity_bytes = 0;
    if (drive->faults[FAULT_READ_ONLY].armed)
        drive->facts.read_only = true;
    if (drive->faults[FAULT_BLOCK_SIZE].armed)
        drive->facts.logical_block_bytes = random_chance(random, 20) ? 0 : 4096;
    if (drive->faults[FAULT_WRAPAROUND].armed)
        drive->stored_bytes = 512 * (uint32_t)random_between(random, 1, image_bytes / 512);
    if (drive->faults[FAULT_SLOW].armed) {
        drive->write_ns *= random_between(random, 5, 50);
        drive->read_ns *= random_between(random, 5, 50);
    }
}

/* What is on the drive when it comes: old data, or the image, perhaps not quite. */
static void fill_drive(struct world *world, struct drive *drive, const struct master *master)
{
    struct random *random = &world->random;
    bool verify = world->armed && world->armed_mode == MODE_VERIFY;

    memset(drive->bytes, 0x5A, drive->stored_bytes);
    if (master != NULL && random_chance(random, verify ? 95 : 20))
        memcpy(drive->bytes, master->bytes, min_u64(master->image.size_bytes, drive->stored_bytes));
    if (verify && random_chance(random, world->temper.faulty_drives / 4))
        drive->bytes[random_below(random, drive->stored_bytes)] ^= 0x81;
}

/* An image that the drive may be meant for, or NULL. */
static const struct master *choose_target(struct world *world)
{
    uint64_t set = world->armed ? world->armed_set : known_images(world);
    const struct master *target = NULL;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < world->image_count; i++) {
        if ((set >> i & 1) != 0 && random_below(&world->random, ++seen) == 0)
            target = &world->masters[i];
    }
    return target;
}

static struct drive *make_drive(struct world *world)
{
    struct random *random = &world->random;
    const struct master *target = choose_target(world);
    uint64_t image_bytes = target != NULL ? target->image.size_bytes : world->config.chunk_bytes;
    uint32_t chunk_count = target != NULL ? target->image.chunk_count : 1;
    check(world->drive_count < WORLD_VISITS_MAX);
    struct drive *drive = &world->drives[world->drive_count++];

    memset(drive, 0, sizeof(*drive));
    uint64_t spare_bytes = 512 * random_below(random, random_chance(random, 20) ? 100 : 4);
    drive->facts = (struct drive_facts){
        .capacity_bytes =
            (random_chance(random, 20) ? largest_bytes(world) : image_bytes) + spare_bytes,
        .logical_block_bytes = 512,
    };
    drive->stored_bytes = (uint32_t)drive->facts.capacity_bytes;
    drive->write_ns = random_spread(random, 200 * NS_PER_US, 20 * NS_PER_MS);
    drive->read_ns = drive->write_ns / random_between(random, 1, 4);
    drive->latency_ns = random_spread(random, 10 * NS_PER_US, 5 * NS_PER_MS);
    drive->reorders = random_chance(random, 20);
    for (uint32_t count = 2; count > 0 && random_chance(random, world->temper.faulty_drives);
         count--)
        plan_fault(world, drive, choose_fault(random), chunk_count);
    apply_facts(world, drive, image_bytes);
    drive->bytes = world_memory(world, drive->stored_bytes);
    if (drive->faults[FAULT_CACHE_LOST].armed)
        drive->lost_bytes = world_memory(world, world->config.chunk_bytes);
    fill_drive(world, drive, target);
    return drive;
}

struct drive *scenario_drive(struct world *world, uint32_t slot)
{
    /* Now and then a drive that was here before comes back. */
    for (uint32_t i = world->attachment_count; i > 0; i--) {
        const struct attachment *before = &world->attachments[i - 1];
        if (before->slot == slot && random_chance(&world->random, 30))
            return before->drive;
    }
    return make_drive(world);
}
