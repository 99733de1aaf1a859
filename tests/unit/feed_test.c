// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/core/feed.h"

#include <stdlib.h>

#define MS NS_PER_MS

enum { CHUNKS = 100, LANES = 4, IMAGES = 2, BUFFERS_MOST = 128 };

/* A feed with some lanes, which the tests put where they want. */
struct stage {
    struct feed feed;
    struct lane lanes[LANES];
    struct image images[IMAGES];
    struct digest digests[IMAGES][CHUNKS];
    uint8_t known[IMAGES][CHUNKS / 8 + 1];
    _Alignas(uint64_t) unsigned char memory[8192];
};

static struct stage *stage_new(uint32_t buffers)
{
    struct stage *stage = calloc(1, sizeof(*stage));

    assert_non_null(stage);
    assert_in_range(feed_memory_bytes(buffers), 1, sizeof(stage->memory));
    feed_init(&stage->feed, buffers, stage->memory);
    for (uint32_t i = 0; i < IMAGES; i++) {
        stage->images[i] = (struct image){.size_bytes = CHUNKS * MIB,
                                          .chunk_bytes = MIB,
                                          .chunk_count = CHUNKS,
                                          .digests = stage->digests[i],
                                          .known = stage->known[i]};
    }
    return stage;
}

static struct lanes lanes_of(const struct stage *stage)
{
    return (struct lanes){stage->lanes, LANES};
}

/* A lane that has requested all before `next`, and waits. */
static void put(struct stage *stage, uint32_t lane, enum lane_phase phase, uint32_t image,
                uint32_t next, uint64_t chunk_ns)
{
    lane_reset(&stage->lanes[lane]);
    lane_begin(&stage->lanes[lane], phase, image, &stage->images[image], 0);
    stage->lanes[lane].issued = next;
    stage->lanes[lane].completed = next;
    stage->lanes[lane].chunk_ns = chunk_ns;
}

static uint32_t load(struct stage *stage, uint32_t *chunk)
{
    struct feed_load begun;
    if (!feed_next_load(&stage->feed, lanes_of(stage), 0, &begun))
        return BUFFER_NONE;
    *chunk = begun.chunk;
    return begun.buffer;
}

/* Loads what the lanes want until nothing more is wanted. Returns the number of loads. */
static uint32_t load_all(struct stage *stage)
{
    uint32_t count = 0;
    uint32_t chunk = 0;
    for (uint32_t buffer = load(stage, &chunk); buffer != BUFFER_NONE;
         buffer = load(stage, &chunk)) {
        feed_loaded(&stage->feed, buffer);
        assert_in_range(++count, 1, 1000);
    }
    return count;
}

static void expect_next_load(struct stage *stage, uint32_t expected)
{
    uint32_t chunk = 0;
    assert_int_not_equal(load(stage, &chunk), BUFFER_NONE);
    assert_int_equal(chunk, expected);
}

static void an_idle_feed_loads_nothing(void **state)
{
    (void)state;
    struct stage *stage = stage_new(16);
    assert_int_equal(load_all(stage), 0);
    put(stage, 0, LANE_WRITING, 0, CHUNKS, MS);
    assert_int_equal(load_all(stage), 0);
    free(stage);
}

static void a_chunk_is_loaded_once_for_all_who_wait(void **state)
{
    (void)state;
    struct stage *stage = stage_new(32);
    uint32_t chunk = 0;
    for (uint32_t lane = 0; lane < LANES; lane++)
        put(stage, lane, LANE_WRITING, 0, 10, 20 * MS);
    uint32_t buffer = load(stage, &chunk);
    assert_int_equal(chunk, 10);
    assert_int_equal(feed_resident(&stage->feed, 0, 10), BUFFER_NONE);
    expect_next_load(stage, 11);
    feed_loaded(&stage->feed, buffer);
    assert_int_equal(feed_resident(&stage->feed, 0, 10), buffer);
    assert_int_equal(feed_resident(&stage->feed, 1, 10), BUFFER_NONE);
    free(stage);
}

static void the_chunk_that_is_needed_soonest_is_loaded_first(void **state)
{
    (void)state;
    struct stage *stage = stage_new(32);
    put(stage, 0, LANE_WRITING, 0, 10, 50 * MS);
    put(stage, 1, LANE_WRITING, 0, 60, 20 * MS);
    stage->lanes[0].owed_since_ns = 2;
    stage->lanes[1].owed_since_ns = 1; /* both are idle; this one waits longer */
    expect_next_load(stage, 60);
    expect_next_load(stage, 10);
    expect_next_load(stage, 61); /* in 20 ms */
    expect_next_load(stage, 62); /* in 40 ms */
    expect_next_load(stage, 11); /* in 50 ms */
    expect_next_load(stage, 63);
    free(stage);
}

static void a_lane_with_requests_in_flight_can_wait(void **state)
{
    (void)state;
    struct stage *stage = stage_new(32);
    put(stage, 0, LANE_WRITING, 0, 10, 20 * MS);
    put(stage, 1, LANE_WRITING, 0, 60, 20 * MS);
    stage->lanes[0].in_flight = 1;
    expect_next_load(stage, 60);
    assert_int_equal(feed_needed_in_ns(lanes_of(stage), 0, 10), 20 * MS);
    assert_int_equal(feed_needed_in_ns(lanes_of(stage), 0, 60), 0);
    assert_int_equal(feed_needed_in_ns(lanes_of(stage), 0, 9), FOREVER_NS);
    assert_int_equal(feed_needed_in_ns(lanes_of(stage), 1, 60), FOREVER_NS);
    free(stage);
}

static void a_pause_of_hours_does_not_overflow(void **state)
{
    (void)state;
    struct stage *stage = stage_new(32);
    put(stage, 0, LANE_WRITING, 0, 0, FOREVER_NS / 2);
    assert_int_equal(feed_needed_in_ns(lanes_of(stage), 0, 50), FOREVER_NS - 1);
    free(stage);
}

static void read_ahead_and_loads_are_bounded(void **state)
{
    (void)state;
    struct stage *stage = stage_new(64);
    uint32_t chunk = 0;
    put(stage, 0, LANE_WRITING, 0, 0, MS);
    assert_int_equal(load_all(stage), READ_AHEAD_CHUNKS);

    for (uint32_t lane = 0; lane < LANES; lane++)
        put(stage, lane, LANE_WRITING, 0, 20 * lane + 15, MS);
    for (uint32_t i = 0; i < LOADS_MAX; i++)
        assert_int_not_equal(load(stage, &chunk), BUFFER_NONE);
    assert_int_equal(load(stage, &chunk), BUFFER_NONE);
    free(stage);
}

static void verifying_loads_only_unknown_chunks(void **state)
{
    (void)state;
    struct stage *stage = stage_new(32);
    image_learn(&stage->images[0], 10, (struct digest){1, 1});
    image_learn(&stage->images[0], 12, (struct digest){1, 1});
    put(stage, 0, LANE_VERIFYING, 0, 10, MS);
    expect_next_load(stage, 11);
    expect_next_load(stage, 13);
    free(stage);
}

static void a_broken_image_is_not_loaded(void **state)
{
    (void)state;
    struct stage *stage = stage_new(32);
    put(stage, 0, LANE_WRITING, 0, 0, MS);
    stage->images[0].fault = IMAGE_UNREADABLE;
    assert_int_equal(load_all(stage), 0);
    free(stage);
}

/* Fills the pool of 8 with chunks 0 to 7. */
static struct stage *stage_with_a_full_pool(void)
{
    struct stage *stage = stage_new(8);
    put(stage, 0, LANE_WRITING, 0, 0, 20 * MS);
    assert_int_equal(load_all(stage), 8);
    return stage;
}

static void what_nobody_needs_any_more_makes_room(void **state)
{
    (void)state;
    struct stage *stage = stage_with_a_full_pool();
    put(stage, 0, LANE_WRITING, 0, 3, 20 * MS);
    assert_int_equal(load_all(stage), 3);
    for (uint32_t chunk = 0; chunk < 3; chunk++)
        assert_int_equal(feed_resident(&stage->feed, 0, chunk), BUFFER_NONE);
    for (uint32_t chunk = 3; chunk < 11; chunk++)
        assert_int_not_equal(feed_resident(&stage->feed, 0, chunk), BUFFER_NONE);
    free(stage);
}

static void the_chunk_needed_last_is_evicted(void **state)
{
    (void)state;
    struct stage *stage = stage_with_a_full_pool();
    put(stage, 1, LANE_WRITING, 0, 50, 20 * MS);
    expect_next_load(stage, 50);
    assert_int_equal(feed_resident(&stage->feed, 0, 7), BUFFER_NONE);
    for (uint32_t chunk = 0; chunk < 7; chunk++)
        assert_int_not_equal(feed_resident(&stage->feed, 0, chunk), BUFFER_NONE);
    free(stage);
}

static void last_is_measured_in_time_and_not_in_chunks(void **state)
{
    (void)state;
    struct stage *stage = stage_new(8);
    put(stage, 0, LANE_WRITING, 0, 0, 20 * MS);
    stage->lanes[0].issued = 96; /* it wants 96 to 99 */
    assert_int_equal(load_all(stage), 4);
    put(stage, 1, LANE_WRITING, 0, 0, 1000 * MS);
    stage->lanes[1].issued = 80; /* and a slow one 80 to 83, soon in chunks and late in time */
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t chunk = 0;
        uint32_t buffer = load(stage, &chunk);
        assert_int_equal(chunk, 80 + i);
        feed_loaded(&stage->feed, buffer);
    }
    put(stage, 2, LANE_WRITING, 0, 10, 20 * MS);
    expect_next_load(stage, 10);
    assert_int_equal(feed_resident(&stage->feed, 0, 83), BUFFER_NONE);
    assert_int_not_equal(feed_resident(&stage->feed, 0, 99), BUFFER_NONE);
    free(stage);
}

static void nothing_is_evicted_for_what_is_needed_later(void **state)
{
    (void)state;
    struct stage *stage = stage_with_a_full_pool(); /* needed in 0 to 140 ms */
    uint32_t chunk = 0;
    put(stage, 1, LANE_WRITING, 0, 50, 100 * MS);
    stage->lanes[1].in_flight = 1; /* so that it needs 50 in 100 ms */
    assert_int_equal(load(stage, &chunk), BUFFER_NONE);
    stage->lanes[1].chunk_ns = 60 * MS;
    expect_next_load(stage, 50);
    free(stage);
}

static void a_pinned_buffer_stays(void **state)
{
    (void)state;
    struct stage *stage = stage_with_a_full_pool();
    uint32_t chunk = 0;
    uint32_t buffers[8];
    for (uint32_t i = 0; i < 8; i++) {
        buffers[i] = feed_resident(&stage->feed, 0, i);
        feed_pin(&stage->feed, buffers[i]);
        feed_pin(&stage->feed, buffers[i]);
    }
    put(stage, 0, LANE_WRITING, 0, 50, 20 * MS);
    assert_int_equal(load(stage, &chunk), BUFFER_NONE);
    assert_int_equal(feed_lend(&stage->feed, lanes_of(stage)), BUFFER_NONE);
    feed_unpin(&stage->feed, buffers[4]);
    assert_int_equal(load(stage, &chunk), BUFFER_NONE);
    feed_unpin(&stage->feed, buffers[4]);
    assert_int_equal(load(stage, &chunk), buffers[4]);
    free(stage);
}

static void a_lent_buffer_comes_back(void **state)
{
    (void)state;
    struct stage *stage = stage_with_a_full_pool();
    uint32_t last = feed_resident(&stage->feed, 0, 7);
    assert_int_equal(feed_lend(&stage->feed, lanes_of(stage)), last);
    assert_int_equal(feed_resident(&stage->feed, 0, 7), BUFFER_NONE);
    put(stage, 0, LANE_WRITING, 0, CHUNKS, 20 * MS);
    for (uint32_t i = 0; i < 7; i++)
        assert_int_not_equal(feed_lend(&stage->feed, lanes_of(stage)), BUFFER_NONE);
    assert_int_equal(feed_lend(&stage->feed, lanes_of(stage)), BUFFER_NONE);
    feed_give_back(&stage->feed, last);
    assert_int_equal(feed_lend(&stage->feed, lanes_of(stage)), last);
    free(stage);
}

static void a_failed_load_is_begun_again_a_few_times(void **state)
{
    (void)state;
    struct stage *stage = stage_new(8);
    uint32_t chunk = 0;
    put(stage, 0, LANE_WRITING, 0, CHUNKS - 1, MS);
    uint32_t buffer = load(stage, &chunk);
    for (uint32_t i = 1; i < LOAD_ATTEMPTS_MAX; i++) {
        assert_true(feed_load_failed(&stage->feed, buffer, i * NS_PER_S));
        assert_int_equal(load_all(stage), 0); /* it is still being loaded */
    }
    assert_false(feed_load_failed(&stage->feed, buffer, 10 * NS_PER_S));
    assert_int_equal(stage->feed.loads, LOAD_ATTEMPTS_MAX);
    assert_int_equal(stage->feed.loads_again, LOAD_ATTEMPTS_MAX - 1);
    assert_int_equal(stage->feed.loading, 0);
    assert_int_equal(load_all(stage), 1);
    free(stage);
}

/* How many loads are overdue; `image` must be the only one that is. */
static uint32_t overdue(const struct stage *stage, uint64_t now_ns, uint64_t patience_ns,
                        uint32_t image)
{
    uint64_t images = 7;
    uint32_t count = feed_overdue(&stage->feed, now_ns, patience_ns, &images);

    assert_int_equal(images, count > 0 ? UINT64_C(1) << image : 0);
    return count;
}

static void a_load_is_overdue_from_its_last_begin(void **state)
{
    (void)state;
    struct stage *stage = stage_new(8);
    uint32_t chunk = 0;
    assert_int_equal(overdue(stage, 100 * NS_PER_S, NS_PER_S, 1), 0);
    put(stage, 0, LANE_WRITING, 1, CHUNKS - 1, MS);
    uint32_t buffer = load(stage, &chunk);
    assert_int_equal(overdue(stage, 60 * NS_PER_S - 1, 60 * NS_PER_S, 1), 0);
    assert_int_equal(overdue(stage, 60 * NS_PER_S, 60 * NS_PER_S, 1), 1);
    assert_true(feed_load_failed(&stage->feed, buffer, 50 * NS_PER_S));
    assert_int_equal(overdue(stage, 60 * NS_PER_S, 60 * NS_PER_S, 1), 0);
    feed_loaded(&stage->feed, buffer);
    assert_int_equal(overdue(stage, 900 * NS_PER_S, NS_PER_S, 1), 0);
    free(stage);
}

static void an_image_is_used_while_a_load_or_a_pin_is(void **state)
{
    (void)state;
    struct stage *stage = stage_new(8);
    uint32_t chunk = 0;
    assert_false(feed_image_used(&stage->feed, 0)); /* free buffers are nobody's */
    put(stage, 0, LANE_WRITING, 1, CHUNKS - 1, MS);
    uint32_t buffer = load(stage, &chunk);
    assert_true(feed_image_used(&stage->feed, 1));
    assert_false(feed_image_used(&stage->feed, 0));
    feed_loaded(&stage->feed, buffer);
    assert_false(feed_image_used(&stage->feed, 1));
    feed_pin(&stage->feed, buffer);
    assert_true(feed_image_used(&stage->feed, 1));
    feed_unpin(&stage->feed, buffer);
    assert_false(feed_image_used(&stage->feed, 1));
    assert_int_not_equal(feed_lend(&stage->feed, lanes_of(stage)), BUFFER_NONE);
    assert_false(feed_image_used(&stage->feed, 0)); /* nor is one into which a drive is read */
    free(stage);
}

static void a_forgotten_image_leaves_no_chunk(void **state)
{
    (void)state;
    struct stage *stage = stage_new(16);
    put(stage, 0, LANE_WRITING, 0, 4, 20 * MS);
    put(stage, 1, LANE_WRITING, 1, 4, 20 * MS);
    assert_int_equal(load_all(stage), 16);
    lane_reset(&stage->lanes[1]);
    feed_forget(&stage->feed, 1);
    for (uint32_t chunk = 0; chunk < CHUNKS; chunk++) {
        bool stays = chunk >= 4 && chunk < 12;
        assert_int_equal(feed_resident(&stage->feed, 1, chunk), BUFFER_NONE);
        assert_int_equal(feed_resident(&stage->feed, 0, chunk) != BUFFER_NONE, stays);
    }
    /* Its buffers are free: nobody's chunk is thrown out for what comes now. */
    put(stage, 1, LANE_WRITING, 1, 50, 20 * MS);
    assert_int_equal(load_all(stage), 8);
    assert_int_not_equal(feed_resident(&stage->feed, 0, 11), BUFFER_NONE);
    free(stage);
}

static void a_new_lane_starts_where_most_are_moving(void **state)
{
    (void)state;
    struct stage *stage = stage_new(16);
    assert_int_equal(feed_start_chunk(&stage->feed, lanes_of(stage), 0), 0);
    put(stage, 0, LANE_WRITING, 0, 70, MS);
    assert_int_equal(feed_start_chunk(&stage->feed, lanes_of(stage), 0), 70);
    assert_int_equal(feed_start_chunk(&stage->feed, lanes_of(stage), 1), 0);
    put(stage, 1, LANE_WRITING, 0, 30, MS);
    put(stage, 2, LANE_WRITING, 0, 32, MS);
    assert_int_equal(feed_start_chunk(&stage->feed, lanes_of(stage), 0), 32);
    put(stage, 3, LANE_WRITING, 0, CHUNKS, MS); /* has requested all */
    assert_int_equal(feed_start_chunk(&stage->feed, lanes_of(stage), 0), 32);
    free(stage);
}

static void who_does_not_need_the_master_is_no_company(void **state)
{
    (void)state;
    struct stage *stage = stage_new(16);
    for (uint32_t chunk = 0; chunk < CHUNKS; chunk++)
        image_learn(&stage->images[0], chunk, (struct digest){1, chunk});
    put(stage, 0, LANE_VERIFYING, 0, 20, MS);
    assert_int_equal(feed_start_chunk(&stage->feed, lanes_of(stage), 0), 0);
    put(stage, 1, LANE_VERIFYING, 0, 20, MS);
    put(stage, 2, LANE_WRITING, 0, 70, MS);
    put(stage, 3, LANE_WRITING, 0, 21, MS);
    stage->lanes[2].start = 71; /* it is at 41 */
    assert_int_equal(feed_start_chunk(&stage->feed, lanes_of(stage), 0), 41);
    free(stage);
}

/* --- Random operations against a naive model -------------------------------------------------- */

/* The same buffers as plain rows that are searched from end to end. */
struct model {
    struct buffer buffers[BUFFERS_MOST];
    uint32_t count;
};

static uint32_t model_find(const struct model *model, uint32_t image, uint32_t chunk)
{
    for (uint32_t i = 0; i < model->count; i++) {
        const struct buffer *b = &model->buffers[i];
        if ((b->use == BUFFER_RESIDENT || b->use == BUFFER_LOADING) && b->image == image &&
            b->chunk == chunk)
            return i;
    }
    return BUFFER_NONE;
}

static bool model_can_give(const struct model *model)
{
    for (uint32_t i = 0; i < model->count; i++) {
        const struct buffer *b = &model->buffers[i];
        if (b->use == BUFFER_FREE || (b->use == BUFFER_RESIDENT && b->pins == 0))
            return true;
    }
    return false;
}

/* A buffer may be taken only from nobody. A chunk is thrown away for one only if none is free. */
static void model_take(struct model *model, uint32_t buffer, struct buffer now)
{
    const struct buffer *before = &model->buffers[buffer];
    assert_true(before->use == BUFFER_FREE ||
                (before->use == BUFFER_RESIDENT && before->pins == 0));
    for (uint32_t i = 0; before->use == BUFFER_RESIDENT && i < model->count; i++)
        assert_int_not_equal(model->buffers[i].use, BUFFER_FREE);
    model->buffers[buffer] = now;
}

static void compare(const struct stage *stage, const struct model *model)
{
    for (uint32_t image = 0; image < IMAGES; image++) {
        for (uint32_t chunk = 0; chunk < CHUNKS; chunk++) {
            uint32_t expected = model_find(model, image, chunk);
            if (expected != BUFFER_NONE && model->buffers[expected].use == BUFFER_LOADING)
                expected = BUFFER_NONE;
            assert_int_equal(feed_resident(&stage->feed, image, chunk), expected);
        }
    }
}

static uint64_t seed;

static uint32_t random_below(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static void begin_a_load(struct stage *stage, struct model *model)
{
    struct feed_load begun;
    if (!feed_next_load(&stage->feed, lanes_of(stage), 0, &begun))
        return;
    assert_int_equal(model_find(model, begun.image, begun.chunk), BUFFER_NONE);
    model_take(model, begun.buffer,
               (struct buffer){.use = BUFFER_LOADING, .image = begun.image, .chunk = begun.chunk});
}

static void lend_a_buffer(struct stage *stage, struct model *model)
{
    uint32_t lent = feed_lend(&stage->feed, lanes_of(stage));
    assert_int_equal(lent != BUFFER_NONE, model_can_give(model));
    if (lent != BUFFER_NONE)
        model_take(model, lent, (struct buffer){.use = BUFFER_SCRATCH});
}

/* Whatever may happen next to a buffer in its present use. */
static void go_on_with(struct stage *stage, struct model *model, uint32_t buffer)
{
    struct buffer *b = &model->buffers[buffer];
    bool coin = random_below(2) == 0;

    if (b->use == BUFFER_LOADING && random_below(4) != 0) {
        feed_loaded(&stage->feed, buffer);
        b->use = BUFFER_RESIDENT;
    } else if (b->use == BUFFER_LOADING) {
        if (!feed_load_failed(&stage->feed, buffer, 0))
            *b = (struct buffer){.use = BUFFER_FREE};
    } else if (b->use == BUFFER_RESIDENT && (b->pins == 0 || coin)) {
        feed_pin(&stage->feed, buffer);
        b->pins++;
    } else if (b->use == BUFFER_RESIDENT) {
        feed_unpin(&stage->feed, buffer);
        b->pins--;
    } else if (b->use == BUFFER_SCRATCH) {
        feed_give_back(&stage->feed, buffer);
        *b = (struct buffer){.use = BUFFER_FREE};
    }
}

static void forget_an_image(struct stage *stage, struct model *model)
{
    uint32_t image = random_below(IMAGES);
    bool used = false;

    for (uint32_t i = 0; i < model->count; i++) {
        const struct buffer *b = &model->buffers[i];
        used = used || (b->image == image && (b->use == BUFFER_LOADING || b->pins > 0));
    }
    assert_int_equal(feed_image_used(&stage->feed, image), used);
    if (used)
        return;
    feed_forget(&stage->feed, image);
    for (uint32_t i = 0; i < model->count; i++) {
        if (model->buffers[i].use == BUFFER_RESIDENT && model->buffers[i].image == image)
            model->buffers[i] = (struct buffer){.use = BUFFER_FREE};
    }
}

static void the_index_agrees_with_a_naive_model(void **state)
{
    (void)state;
    static const uint32_t pools[] = {1, 2, 3, 9, 32, 100};
    seed = 1;
    for (size_t p = 0; p < array_count(pools); p++) {
        struct stage *stage = stage_new(pools[p]);
        struct model model = {.count = pools[p]};
        for (int i = 0; i < 6000; i++) {
            switch (random_below(5)) {
            case 0:
                put(stage, random_below(LANES), LANE_WRITING, random_below(IMAGES),
                    random_below(CHUNKS), random_below(100) * MS);
                break;
            case 1:
                begin_a_load(stage, &model);
                break;
            case 2:
                if (random_below(4) == 0)
                    lend_a_buffer(stage, &model);
                break;
            case 3:
                if (random_below(16) == 0)
                    forget_an_image(stage, &model);
                break;
            default:
                go_on_with(stage, &model, random_below(model.count));
            }
            compare(stage, &model);
        }
        free(stage);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_feed_loads_nothing),
        cmocka_unit_test(a_chunk_is_loaded_once_for_all_who_wait),
        cmocka_unit_test(the_chunk_that_is_needed_soonest_is_loaded_first),
        cmocka_unit_test(a_lane_with_requests_in_flight_can_wait),
        cmocka_unit_test(a_pause_of_hours_does_not_overflow),
        cmocka_unit_test(read_ahead_and_loads_are_bounded),
        cmocka_unit_test(verifying_loads_only_unknown_chunks),
        cmocka_unit_test(a_broken_image_is_not_loaded),
        cmocka_unit_test(what_nobody_needs_any_more_makes_room),
        cmocka_unit_test(the_chunk_needed_last_is_evicted),
        cmocka_unit_test(last_is_measured_in_time_and_not_in_chunks),
        cmocka_unit_test(nothing_is_evicted_for_what_is_needed_later),
        cmocka_unit_test(a_pinned_buffer_stays),
        cmocka_unit_test(a_lent_buffer_comes_back),
        cmocka_unit_test(a_failed_load_is_begun_again_a_few_times),
        cmocka_unit_test(a_load_is_overdue_from_its_last_begin),
        cmocka_unit_test(an_image_is_used_while_a_load_or_a_pin_is),
        cmocka_unit_test(a_forgotten_image_leaves_no_chunk),
        cmocka_unit_test(a_new_lane_starts_where_most_are_moving),
        cmocka_unit_test(who_does_not_need_the_master_is_no_company),
        cmocka_unit_test(the_index_agrees_with_a_naive_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
