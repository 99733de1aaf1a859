// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/feed.h"

#include "lib/base/check.h"

#include <string.h>

static uint32_t index_count_for(uint32_t buffer_count)
{
    uint32_t count = 1;
    while (count < buffer_count)
        count *= 2;
    return count;
}

size_t feed_memory_bytes(uint32_t buffer_count)
{
    size_t bytes =
        buffer_count * sizeof(struct buffer) + index_count_for(buffer_count) * sizeof(uint32_t);
    return (size_t)round_up_u64(bytes, sizeof(uint64_t));
}

void feed_init(struct feed *feed, uint32_t buffer_count, void *memory)
{
    check(buffer_count > 0 && buffer_count <= BUFFERS_MAX);
    memset(feed, 0, sizeof(*feed));
    feed->buffers = memory;
    feed->buffer_count = buffer_count;
    feed->index = (uint32_t *)(void *)(feed->buffers + buffer_count);
    feed->index_count = index_count_for(buffer_count);
    for (uint32_t i = 0; i < feed->index_count; i++)
        feed->index[i] = BUFFER_NONE;
    memset(feed->buffers, 0, buffer_count * sizeof(struct buffer));
    for (uint32_t i = 0; i < buffer_count; i++)
        feed->buffers[i].next = i + 1 < buffer_count ? i + 1 : BUFFER_NONE;
    feed->free = 0;
}

static struct buffer *buffer_at(const struct feed *feed, uint32_t buffer, enum buffer_use use)
{
    check(buffer < feed->buffer_count);
    check(feed->buffers[buffer].use == use);
    return &feed->buffers[buffer];
}

/* Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4) spreads the consecutive chunks
 * of several images over the chains. */
static uint32_t *index_head(const struct feed *feed, uint32_t image, uint32_t chunk)
{
    uint64_t key = (uint64_t)image << 32 | chunk;
    uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15);
    return &feed->index[(hash >> 32) & (feed->index_count - 1)];
}

static void index_add(struct feed *feed, uint32_t buffer)
{
    struct buffer *b = &feed->buffers[buffer];
    uint32_t *head = index_head(feed, b->image, b->chunk);
    b->next = *head;
    *head = buffer;
}

static void index_remove(struct feed *feed, uint32_t buffer)
{
    struct buffer *b = &feed->buffers[buffer];
    uint32_t *link = index_head(feed, b->image, b->chunk);
    while (*link != buffer) {
        check(*link != BUFFER_NONE);
        link = &feed->buffers[*link].next;
    }
    *link = b->next;
}

static uint32_t index_find(const struct feed *feed, uint32_t image, uint32_t chunk)
{
    uint32_t buffer = *index_head(feed, image, chunk);
    while (buffer != BUFFER_NONE &&
           (feed->buffers[buffer].image != image || feed->buffers[buffer].chunk != chunk))
        buffer = feed->buffers[buffer].next;
    return buffer;
}

static void make_free(struct feed *feed, uint32_t buffer)
{
    feed->buffers[buffer] = (struct buffer){.use = BUFFER_FREE, .next = feed->free};
    feed->free = buffer;
}

uint32_t feed_resident(const struct feed *feed, uint32_t image, uint32_t chunk)
{
    uint32_t buffer = index_find(feed, image, chunk);
    if (buffer == BUFFER_NONE || feed->buffers[buffer].use != BUFFER_RESIDENT)
        return BUFFER_NONE;
    return buffer;
}

void feed_pin(struct feed *feed, uint32_t buffer)
{
    buffer_at(feed, buffer, BUFFER_RESIDENT)->pins++;
}

void feed_unpin(struct feed *feed, uint32_t buffer)
{
    struct buffer *b = buffer_at(feed, buffer, BUFFER_RESIDENT);
    check(b->pins > 0);
    b->pins--;
}

/* When a lane will want a chunk: at once if it is idle for want of it, else behind the requests
 * that it has in flight. */
static uint64_t lane_needs_in_ns(const struct lane *lane, uint32_t distance)
{
    uint64_t steps = (uint64_t)distance + (lane->in_flight > 0 ? 1 : 0);
    uint64_t ns = 0;
    /* A pause of hours times a far distance passes 64 bits: that is as good as never. */
    return __builtin_mul_overflow(lane->chunk_ns, steps, &ns) ? FOREVER_NS - 1 : ns;
}

uint64_t feed_needed_in_ns(struct lanes lanes, uint32_t image, uint32_t chunk)
{
    uint64_t soonest_ns = FOREVER_NS;
    for (uint32_t i = 0; i < lanes.count; i++) {
        const struct lane *lane = &lanes.items[i];
        if (lane->phase == LANE_IDLE || lane->image_number != image ||
            !lane_needs_master(lane, chunk))
            continue;
        uint32_t distance = lane_distance(lane, chunk);
        if (distance != LANE_NEVER)
            soonest_ns = min_u64(soonest_ns, lane_needs_in_ns(lane, distance));
    }
    return soonest_ns;
}

/* Of the resident buffers that nobody uses, the one whose chunk is needed last. */
static uint32_t find_victim(struct feed *feed, struct lanes lanes, uint64_t *needed_in_ns)
{
    uint32_t victim = BUFFER_NONE;
    uint32_t looked_at = 0;

    for (uint32_t step = 0; step < feed->buffer_count && looked_at < EVICTION_SAMPLE; step++) {
        uint32_t buffer = feed->hand;
        feed->hand = buffer + 1 < feed->buffer_count ? buffer + 1 : 0;
        const struct buffer *b = &feed->buffers[buffer];
        if (b->use != BUFFER_RESIDENT || b->pins > 0)
            continue;
        looked_at++;
        uint64_t ns = feed_needed_in_ns(lanes, b->image, b->chunk);
        if (victim == BUFFER_NONE || ns > *needed_in_ns) {
            victim = buffer;
            *needed_in_ns = ns;
        }
        if (ns == FOREVER_NS)
            break;
    }
    return victim;
}

/* A buffer for a chunk that is needed in needed_in_ns: a free one, else one whose chunk is needed
 * so much later that lanes of nearly equal pace do not keep throwing out each other's. */
static uint32_t take(struct feed *feed, struct lanes lanes, uint64_t needed_in_ns)
{
    uint32_t buffer = feed->free;

    if (buffer != BUFFER_NONE) {
        feed->free = feed->buffers[buffer].next;
        return buffer;
    }
    uint64_t victim_needed_in_ns = 0;
    buffer = find_victim(feed, lanes, &victim_needed_in_ns);
    if (buffer == BUFFER_NONE || victim_needed_in_ns / 2 < needed_in_ns)
        return BUFFER_NONE;
    index_remove(feed, buffer);
    return buffer;
}

uint32_t feed_lend(struct feed *feed, struct lanes lanes)
{
    uint32_t buffer = take(feed, lanes, 0);
    if (buffer != BUFFER_NONE)
        feed->buffers[buffer] = (struct buffer){.use = BUFFER_SCRATCH};
    return buffer;
}

void feed_give_back(struct feed *feed, uint32_t buffer)
{
    (void)buffer_at(feed, buffer, BUFFER_SCRATCH);
    make_free(feed, buffer);
}

/* The first chunk within a lane's reach that is neither resident nor being loaded. */
static bool first_missing(const struct feed *feed, const struct lane *lane, uint32_t *distance)
{
    uint32_t reach = (uint32_t)min_u64(lane_left(lane), READ_AHEAD_CHUNKS);

    for (uint32_t ahead = 0; ahead < reach; ahead++) {
        uint32_t chunk = lane_chunk_ahead(lane, ahead);
        if (lane_needs_master(lane, chunk) &&
            index_find(feed, lane->image_number, chunk) == BUFFER_NONE) {
            *distance = ahead;
            return true;
        }
    }
    return false;
}

bool feed_next_load(struct feed *feed, struct lanes lanes, uint64_t now_ns, struct feed_load *load)
{
    uint64_t soonest_ns = FOREVER_NS;
    uint64_t waiting_since_ns = 0;

    if (feed->loading >= LOADS_MAX)
        return false;
    for (uint32_t i = 0; i < lanes.count; i++) {
        const struct lane *lane = &lanes.items[i];
        uint32_t distance = 0;
        if (lane->phase == LANE_IDLE || lane->image->fault != IMAGE_SOUND ||
            !first_missing(feed, lane, &distance))
            continue;
        uint64_t ns = lane_needs_in_ns(lane, distance);
        /* Of equals the one that has waited longest, or a slow master serves the first only. */
        if (ns < soonest_ns || (ns == soonest_ns && lane->owed_since_ns < waiting_since_ns)) {
            soonest_ns = ns;
            waiting_since_ns = lane->owed_since_ns;
            load->image = lane->image_number;
            load->chunk = lane_chunk_ahead(lane, distance);
        }
    }
    if (soonest_ns == FOREVER_NS)
        return false;
    load->buffer = take(feed, lanes, soonest_ns);
    if (load->buffer == BUFFER_NONE)
        return false;
    feed->buffers[load->buffer] = (struct buffer){.use = BUFFER_LOADING,
                                                  .image = load->image,
                                                  .chunk = load->chunk,
                                                  .attempts = 1,
                                                  .started_ns = now_ns};
    index_add(feed, load->buffer);
    feed->loading++;
    feed->loads++;
    return true;
}

void feed_loaded(struct feed *feed, uint32_t buffer)
{
    buffer_at(feed, buffer, BUFFER_LOADING)->use = BUFFER_RESIDENT;
    feed->loading--;
}

bool feed_load_failed(struct feed *feed, uint32_t buffer, uint64_t now_ns)
{
    struct buffer *b = buffer_at(feed, buffer, BUFFER_LOADING);

    if (b->attempts < LOAD_ATTEMPTS_MAX) {
        b->attempts++;
        b->started_ns = now_ns;
        feed->loads++;
        feed->loads_again++;
        return true;
    }
    index_remove(feed, buffer);
    make_free(feed, buffer);
    feed->loading--;
    return false;
}

uint32_t feed_overdue(const struct feed *feed, uint64_t now_ns, uint64_t patience_ns,
                      uint64_t *images)
{
    uint32_t overdue = 0;

    *images = 0;
    for (uint32_t i = 0; feed->loading > 0 && i < feed->buffer_count; i++) {
        const struct buffer *b = &feed->buffers[i];
        if (b->use == BUFFER_LOADING && now_ns - b->started_ns >= patience_ns) {
            *images |= UINT64_C(1) << b->image;
            overdue++;
        }
    }
    return overdue;
}

bool feed_image_used(const struct feed *feed, uint32_t image)
{
    for (uint32_t i = 0; i < feed->buffer_count; i++) {
        const struct buffer *b = &feed->buffers[i];
        if (b->image == image &&
            (b->use == BUFFER_LOADING || (b->use == BUFFER_RESIDENT && b->pins > 0)))
            return true;
    }
    return false;
}

void feed_forget(struct feed *feed, uint32_t image)
{
    check(!feed_image_used(feed, image));
    for (uint32_t i = 0; i < feed->buffer_count; i++) {
        if (feed->buffers[i].use == BUFFER_RESIDENT && feed->buffers[i].image == image) {
            index_remove(feed, i);
            make_free(feed, i);
        }
    }
}

uint32_t feed_start_chunk(const struct feed *feed, struct lanes lanes, uint32_t image)
{
    uint32_t start = 0;
    uint32_t company_max = 0;

    for (uint32_t i = 0; i < lanes.count; i++) {
        const struct lane *leader = &lanes.items[i];
        if (leader->image_number != image || lane_left(leader) == 0)
            continue;
        uint32_t chunk = lane_chunk_ahead(leader, 0);
        if (!lane_needs_master(leader, chunk))
            continue;
        uint32_t company = 0;
        for (uint32_t j = 0; j < lanes.count; j++) {
            const struct lane *other = &lanes.items[j];
            if (other->image_number == image && lane_left(other) > 0 &&
                lane_needs_master(other, chunk) &&
                lane_distance(other, chunk) <= feed->buffer_count / 2)
                company++;
        }
        if (company > company_max) {
            company_max = company;
            start = chunk;
        }
    }
    return start;
}
