// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/press.h"

#include "lib/base/check.h"
#include "lib/core/pass.h"

#include <string.h>

uint32_t press_buffers_min(uint32_t slot_count, uint32_t window)
{
    return slot_count * window + SPARE_BUFFERS_MIN;
}

/* The parts of a press in its memory, each rounded up so that the next is aligned. */
struct layout {
    size_t passes;
    size_t lanes;
    size_t feed;
    size_t end;
};

static struct layout lay_out(const struct press_config *config)
{
    struct layout at;
    at.passes = (size_t)round_up_u64(sizeof(struct press), sizeof(uint64_t));
    at.lanes = at.passes +
               (size_t)round_up_u64(config->slot_count * sizeof(struct pass), sizeof(uint64_t));
    at.feed =
        at.lanes + (size_t)round_up_u64(config->slot_count * sizeof(struct lane), sizeof(uint64_t));
    at.end = at.feed + feed_memory_bytes(config->buffer_count);
    return at;
}

size_t press_memory_bytes(const struct press_config *config)
{
    return lay_out(config).end;
}

struct press *press_init(void *memory, const struct press_config *config)
{
    check(config->slot_count >= 1 && config->slot_count <= SLOTS_MAX);
    check(config->window >= 1 && config->window <= WINDOW_MAX);
    check(config->buffer_count >= press_buffers_min(config->slot_count, config->window));
    check(config->chunk_bytes > 0);

    struct layout at = lay_out(config);
    char *base = memory;
    struct press *press = memory;
    memset(memory, 0, at.end);
    press->config = *config;
    press->passes = (struct pass *)(void *)(base + at.passes);
    press->lanes = (struct lane *)(void *)(base + at.lanes);
    feed_init(&press->feed, config->buffer_count, base + at.feed);
    return press;
}

/* Whether an answer belongs to the pass that is in the slot now and is not over. */
static bool is_live(const struct press *press, const struct event *event)
{
    const struct pass *pass = &press->passes[event->slot];
    return event->attachment == pass->attachment && slot_state_busy(pass->state);
}

static void on_image(struct press *press, const struct event *event)
{
    uint32_t number = event->image.number;
    struct image *image = event->image.image;

    check(number < IMAGES_MAX && !press_image_used(press, number));
    if (image != NULL) {
        check(image->chunk_bytes == press->config.chunk_bytes);
        check(image->chunk_count > 0 && image->chunk_count <= CHUNKS_MAX);
    }
    feed_forget(&press->feed, number);
    press->images[number] = image;
}

static void on_arm(struct press *press, const struct event *event)
{
    check(event->arm.images != 0);
    for (uint32_t number = 0; number < IMAGES_MAX; number++)
        check((event->arm.images >> number & 1) == 0 || press->images[number] != NULL);
    press->armed = true;
    press->armed_mode = event->arm.mode;
    press->armed_images = event->arm.images;
    press->armed_ns = press->now_ns;
}

static void on_attached(struct press *press, const struct event *event, struct action_list *actions)
{
    struct pass *pass = &press->passes[event->slot];
    check(event->attachment > pass->attachment);

    /* The removal of the drive before may have been lost on its way to us. */
    if (slot_state_busy(pass->state))
        pass_lose(press, event->slot, actions);
    if (pass->state != SLOT_EMPTY)
        pass_clear(press, event->slot, actions);
    pass_attached(press, event->slot, event, actions);
}

static void on_detached(struct press *press, const struct event *event, struct action_list *actions)
{
    struct pass *pass = &press->passes[event->slot];

    if (event->attachment != pass->attachment)
        return;
    pass->drive.present = false;
    if (slot_state_busy(pass->state))
        pass_lose(press, event->slot, actions);
    /* A drive that is not in its pass was taken away; one that was lost in it stays on show. */
    else if (pass->state != SLOT_EMPTY && !pass->lost)
        pass_clear(press, event->slot, actions);
}

static void on_start(struct press *press, const struct event *event, struct action_list *actions)
{
    uint64_t attachment = press->passes[event->slot].attachment;

    if (event->attachment != attachment || press_may_start(press, event->slot) != START_ALLOWED)
        return;
    check(event->start.attachment > attachment);
    pass_begin(press, event->slot, event->start.attachment, actions);
}

static void on_opened(struct press *press, const struct event *event, struct action_list *actions)
{
    if (is_live(press, event)) {
        pass_opened(press, event->slot, event, actions);
        return;
    }
    pass_answered_late(press, event);
    if (event->opened.result == OPEN_OK) {
        struct action *action = action_add(actions, ACTION_CLOSE);
        action->slot = event->slot;
        action->attachment = event->attachment;
    }
}

/* The answer to a request of a drive. After its pass it only frees what the request held. */
static void on_answer(struct press *press, const struct event *event, struct action_list *actions)
{
    if (!is_live(press, event))
        pass_answered_late(press, event);
    else if (event->type == EVENT_WRITTEN)
        pass_written(press, event->slot, event, actions);
    else if (event->type == EVENT_READ)
        pass_read(press, event->slot, event, actions);
    else
        pass_flushed(press, event->slot, event->flushed, actions);
}

/* The master failed: every pass that still needs it ends, and no drive is blamed. When it is not
 * what was learnt of it before, nobody can say which of the two is right: then no drive may pass by
 * it any more, and every pass ends. */
static void break_image(struct press *press, uint32_t number, enum image_fault fault,
                        struct action_list *actions)
{
    struct image *image = press->images[number];
    bool doubted = fault == IMAGE_DIFFERS && image->learnt;

    image->fault = fault;
    for (uint32_t slot = 0; slot < press->config.slot_count; slot++) {
        const struct pass *pass = &press->passes[slot];
        if (pass->image == image && slot_state_busy(pass->state) &&
            (doubted || pass_needs_master(press, slot)))
            pass_end(press, slot, VERDICT_MASTER_ERROR, actions);
    }
}

static void add_load(struct press *press, struct feed_load load, struct action_list *actions)
{
    const struct image *image = press->images[load.image];
    struct action *action = action_add(actions, ACTION_LOAD);
    action->transfer.image = load.image;
    action->transfer.buffer = load.buffer;
    action->transfer.chunk = load.chunk;
    action->transfer.length_bytes = image_chunk_length(image, load.chunk);
    action->transfer.offset_bytes = (uint64_t)load.chunk * image->chunk_bytes;
}

static void on_loaded(struct press *press, const struct event *event, struct action_list *actions)
{
    check(event->transfer.buffer < press->config.buffer_count);
    const struct buffer *buffer = &press->feed.buffers[event->transfer.buffer];
    uint32_t chunk = event->transfer.chunk;
    check(buffer->use == BUFFER_LOADING && buffer->chunk == chunk);
    uint32_t number = buffer->image;
    struct image *image = press->images[number];
    struct digest digest = event->transfer.digest;
    bool good = event->transfer.result == IO_OK;

    if (good && image_digest_known(image, chunk)) {
        good = digest_equal(digest, image->digests[chunk]);
    } else if (good) {
        image_learn(image, chunk, digest);
        image->learnt = true;
    }
    if (good)
        feed_loaded(&press->feed, event->transfer.buffer);
    else if (feed_load_failed(&press->feed, event->transfer.buffer, press->now_ns))
        add_load(press, (struct feed_load){event->transfer.buffer, number, chunk}, actions);
    else
        break_image(press, number,
                    event->transfer.result == IO_OK ? IMAGE_DIFFERS : IMAGE_UNREADABLE, actions);
}

/* Each master that owes a chunk for too long is broken; and once such loads are all that may be in
 * flight, so is every other one that somebody waits for: nothing can be loaded any more. */
static void break_overdue_images(struct press *press, struct action_list *actions)
{
    uint64_t images = 0;
    uint32_t overdue = feed_overdue(&press->feed, press->now_ns, press->config.master_ns, &images);

    for (uint32_t number = 0; overdue > 0 && number < IMAGES_MAX; number++) {
        if ((images >> number & 1) != 0 && press->images[number]->fault == IMAGE_SOUND)
            break_image(press, number, IMAGE_SILENT, actions);
    }
    for (uint32_t slot = 0; overdue == LOADS_MAX && slot < press->config.slot_count; slot++) {
        if (pass_needs_master(press, slot))
            break_image(press, press->passes[slot].image_number, IMAGE_SILENT, actions);
    }
}

static void on_tick(struct press *press, struct action_list *actions)
{
    break_overdue_images(press, actions);
    for (uint32_t slot = 0; slot < press->config.slot_count; slot++)
        pass_check_time(press, slot, actions);
}

static void dispatch(struct press *press, const struct event *event, struct action_list *actions)
{
    switch (event->type) {
    case EVENT_TICK:
        on_tick(press, actions);
        break;
    case EVENT_IMAGE:
        on_image(press, event);
        break;
    case EVENT_POLICY:
        press->policy = (struct gate_policy){event->policy.capacity_min_bytes,
                                             event->policy.capacity_max_bytes};
        break;
    case EVENT_ARM:
        on_arm(press, event);
        break;
    case EVENT_DISARM:
        press->armed = false;
        press->armed_images = 0;
        break;
    case EVENT_ATTACHED:
        on_attached(press, event, actions);
        break;
    case EVENT_DETACHED:
        on_detached(press, event, actions);
        break;
    case EVENT_CLEARED:
        pass_reset(press, event->slot, actions);
        break;
    case EVENT_START:
        on_start(press, event, actions);
        break;
    case EVENT_STOP:
        if (is_live(press, event))
            pass_stop(press, event->slot, actions);
        break;
    case EVENT_OPENED:
        on_opened(press, event, actions);
        break;
    case EVENT_LOADED:
        on_loaded(press, event, actions);
        break;
    case EVENT_WRITTEN:
    case EVENT_READ:
    case EVENT_FLUSHED:
        on_answer(press, event, actions);
        break;
    case EVENT_TYPE_COUNT:
        check_never("an event has a type");
    }
}

void press_step(struct press *press, const struct event *event, struct action_list *actions)
{
    check(event->now_ns >= press->now_ns);
    check(event->slot < press->config.slot_count);
    press->now_ns = event->now_ns;
    dispatch(press, event, actions);

    for (uint32_t slot = 0; slot < press->config.slot_count; slot++)
        pass_advance(press, slot, actions);

    struct lanes lanes = {press->lanes, press->config.slot_count};
    struct feed_load load;
    while (feed_next_load(&press->feed, lanes, press->now_ns, &load))
        add_load(press, load, actions);
}

/* The estimated time to the end of the pass, at the lane's present pace for both walks. */
static uint64_t estimate_left_ns(const struct lane *lane, uint64_t pace_ns)
{
    if (pace_ns == FOREVER_NS)
        return FOREVER_NS;
    uint64_t chunks = lane->image->chunk_count - lane->completed;
    if (lane->phase == LANE_WRITING)
        chunks += lane->image->chunk_count;
    uint64_t ns = 0;
    return __builtin_mul_overflow(chunks, pace_ns, &ns) ? FOREVER_NS : ns;
}

void press_report(const struct press *press, uint32_t slot, uint64_t now_ns,
                  struct slot_report *report)
{
    check(slot < press->config.slot_count && now_ns >= press->now_ns);
    const struct pass *pass = &press->passes[slot];
    const struct lane *lane = &press->lanes[slot];
    uint64_t in_state_ns = now_ns - pass->since_ns;
    bool writing = pass->state == SLOT_WRITING || pass->state == SLOT_FLUSHING;
    uint64_t pace_ns = lane_pace_ns(lane, now_ns);

    *report = (struct slot_report){
        .state = pass->state,
        .verdict = pass->verdict,
        .attachment = pass->attachment,
        .mode = pass->mode,
        .image = pass->image_number,
        .image_bytes = pass->image_bytes,
        .capacity_bytes = pass->drive.capacity_bytes,
        .written_bytes = pass->written_bytes,
        .verified_bytes = pass->verified_bytes,
        .write_ns = pass->write_ns + (writing ? in_state_ns : 0),
        .verify_ns = pass->verify_ns + (pass->state == SLOT_VERIFYING ? in_state_ns : 0),
        .bytes_per_s = press->config.chunk_bytes * NS_PER_S / pace_ns,
        .left_ns = estimate_left_ns(lane, pace_ns),
        .bad_chunk_count = pass->bad_chunk_count,
        .bad_chunks = pass->bad_chunks,
    };
    report->residue =
        residue_of(pass->touched, pass->verdict, pass->image_bytes, pass->drive.capacity_bytes);
}

enum press_start press_may_start(const struct press *press, uint32_t slot)
{
    check(slot < press->config.slot_count);
    const struct pass *pass = &press->passes[slot];

    if (pass->state == SLOT_EMPTY || !pass->drive.present)
        return START_EMPTY;
    if (slot_state_busy(pass->state))
        return START_RUNNING;
    if (pass->state == SLOT_PASSED)
        return START_PASSED;
    return press->armed ? START_ALLOWED : START_DISARMED;
}

/* A pass that has its image yet needs no other of the set that it began with. */
static bool pass_uses(const struct pass *pass, uint32_t number)
{
    if (!slot_state_busy(pass->state))
        return false;
    return pass->image != NULL ? pass->image_number == number : (pass->set >> number & 1) != 0;
}

bool press_image_used(const struct press *press, uint32_t number)
{
    check(number < IMAGES_MAX);
    if ((press->armed_images >> number & 1) != 0)
        return true;
    for (uint32_t slot = 0; slot < press->config.slot_count; slot++) {
        if (pass_uses(&press->passes[slot], number))
            return true;
    }
    return feed_image_used(&press->feed, number);
}

bool press_idle(const struct press *press)
{
    for (uint32_t slot = 0; slot < press->config.slot_count; slot++) {
        if (slot_state_busy(press->passes[slot].state))
            return false;
    }
    return true;
}

uint64_t press_master_loads(const struct press *press)
{
    return press->feed.loads;
}
