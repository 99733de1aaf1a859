// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/lane.h"

#include "lib/base/check.h"

#include <string.h>

void lane_begin(struct lane *lane, enum lane_phase phase, uint32_t image_number,
                const struct image *image, uint32_t start)
{
    check(lane->in_flight == 0);
    check(phase != LANE_IDLE && start < image->chunk_count);
    uint64_t chunk_ns = lane->phase == LANE_IDLE ? CHUNK_NS_INITIAL : lane->chunk_ns;

    lane_reset(lane);
    lane->phase = phase;
    lane->image_number = image_number;
    lane->image = image;
    lane->start = start;
    lane->chunk_ns = chunk_ns;
}

void lane_reset(struct lane *lane)
{
    memset(lane, 0, sizeof(*lane));
}

void lane_halt(struct lane *lane)
{
    lane->halted = true;
}

bool lane_finished(const struct lane *lane)
{
    return lane->phase != LANE_IDLE && lane->completed == lane->image->chunk_count;
}

uint32_t lane_left(const struct lane *lane)
{
    return lane->phase == LANE_IDLE || lane->halted ? 0 : lane->image->chunk_count - lane->issued;
}

uint32_t lane_chunk_ahead(const struct lane *lane, uint32_t distance)
{
    check(distance < lane_left(lane));
    /* Both sums stay below 2 x CHUNKS_MAX = 2^32. */
    uint32_t step = lane->issued + distance;
    uint32_t count = lane->image->chunk_count;
    return step < count - lane->start ? lane->start + step : step - (count - lane->start);
}

uint32_t lane_distance(const struct lane *lane, uint32_t chunk)
{
    if (lane->phase == LANE_IDLE || lane->halted)
        return LANE_NEVER;
    uint32_t count = lane->image->chunk_count;
    uint32_t step = chunk >= lane->start ? chunk - lane->start : chunk + (count - lane->start);
    return step >= lane->issued ? step - lane->issued : LANE_NEVER;
}

bool lane_needs_master(const struct lane *lane, uint32_t chunk)
{
    return lane->phase == LANE_WRITING ||
           (lane->phase == LANE_VERIFYING && !image_digest_known(lane->image, chunk));
}

uint32_t lane_issue(struct lane *lane, uint32_t buffer, uint64_t now_ns)
{
    check(lane->in_flight < WINDOW_MAX);
    uint32_t chunk = lane_chunk_ahead(lane, 0);

    if (lane->in_flight == 0)
        lane->owed_since_ns = now_ns;
    lane->requests[lane->in_flight++] = (struct lane_request){buffer, chunk, now_ns};
    lane->issued++;
    return chunk;
}

void lane_complete(struct lane *lane, uint32_t buffer, uint32_t chunk, uint64_t now_ns)
{
    uint32_t i = 0;
    while (i < lane->in_flight &&
           (lane->requests[i].buffer != buffer || lane->requests[i].chunk != chunk))
        i++;
    check(i < lane->in_flight);

    /* A drive serves one request at a time: what it needed for this one began when it was issued
     * or when the one before ended. A quarter of the new value follows a changing pace within some
     * chunks and is not shaken by one pause. */
    uint64_t began_ns = max_u64(lane->requests[i].issued_ns, lane->owed_since_ns);
    uint64_t took_ns = now_ns - began_ns;
    lane->chunk_ns = max_u64(
        1, lane->completed == 0 ? took_ns : lane->chunk_ns - lane->chunk_ns / 4 + took_ns / 4);
    lane->owed_since_ns = now_ns;
    lane->requests[i] = lane->requests[--lane->in_flight];
    lane->completed++;
}

uint64_t lane_pace_ns(const struct lane *lane, uint64_t now_ns)
{
    if (lane->phase == LANE_IDLE || lane->completed == 0)
        return FOREVER_NS;
    if (lane_finished(lane))
        return lane->chunk_ns;
    return max_u64(lane->chunk_ns, now_ns - lane->owed_since_ns);
}

bool lane_stalled(const struct lane *lane, uint64_t now_ns, uint64_t stall_ns)
{
    return lane->in_flight > 0 && now_ns - lane->owed_since_ns >= stall_ns;
}
