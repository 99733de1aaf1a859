// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/base/check.h"
#include "tests/sim/world.h"

static bool is_before(const struct moment *a, const struct moment *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

uint64_t world_plan_at(struct world *world, uint64_t at_ns, enum moment_kind kind, uint32_t index)
{
    check(world->moment_count < WORLD_MOMENTS_MAX);
    struct moment moment = {at_ns, ++world->sequence, kind, index};
    uint32_t at = world->moment_count++;

    while (at > 0 && is_before(&moment, &world->heap[(at - 1) / 2])) {
        world->heap[at] = world->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->heap[at] = moment;
    return moment.sequence;
}

void world_plan(struct world *world, uint64_t in_ns, enum moment_kind kind, uint32_t index)
{
    (void)world_plan_at(world, world->now_ns + in_ns, kind, index);
}

struct moment world_take_moment(struct world *world)
{
    struct moment first = world->heap[0];
    struct moment last = world->heap[--world->moment_count];
    uint32_t at = 0;

    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= world->moment_count)
            break;
        if (child + 1 < world->moment_count &&
            is_before(&world->heap[child + 1], &world->heap[child]))
            child++;
        if (!is_before(&world->heap[child], &last))
            break;
        world->heap[at] = world->heap[child];
        at = child;
    }
    world->heap[at] = last;
    return first;
}
