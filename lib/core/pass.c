// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/pass.h"

#include "lib/base/check.h"
#include "lib/core/gate.h"

#include <string.h>

static struct lanes all_lanes(const struct press *press)
{
    return (struct lanes){press->lanes, press->config.slot_count};
}

static struct action *add_for(const struct press *press, uint32_t slot, enum action_type type,
                              struct action_list *actions)
{
    struct action *action = action_add(actions, type);
    action->slot = slot;
    action->attachment = press->passes[slot].attachment;
    return action;
}

/* The one writer of a slot's state. */
static void enter(struct press *press, uint32_t slot, enum slot_state state,
                  struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    check(slot_move_allowed(pass->state, state));

    uint64_t spent_ns = press->now_ns - pass->since_ns;
    if (pass->state == SLOT_WRITING || pass->state == SLOT_FLUSHING)
        pass->write_ns += spent_ns;
    if (pass->state == SLOT_VERIFYING)
        pass->verify_ns += spent_ns;

    struct action *action = add_for(press, slot, ACTION_STATE, actions);
    action->state.from = pass->state;
    action->state.to = state;
    action->state.verdict = pass->verdict;
    pass->state = state;
    pass->since_ns = press->now_ns;
}

void pass_begin(struct press *press, uint32_t slot, uint64_t attachment,
                struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    uint32_t orphans = pass->orphans;
    check(pass->state == SLOT_EMPTY);

    memset(pass, 0, sizeof(*pass));
    pass->attachment = attachment;
    pass->orphans = orphans;
    pass->mode = press->armed_mode;
    pass->image_number = press->armed_image;
    pass->image = press->images[press->armed_image];
    enter(press, slot, SLOT_IDENTIFYING, actions);
    if (pass->image->fault != IMAGE_SOUND) {
        pass_end(press, slot, VERDICT_MASTER_ERROR, actions);
        return;
    }
    add_for(press, slot, ACTION_OPEN, actions)->open.for_writing = pass->mode == MODE_WRITE;
}

static enum slot_state state_of_verdict(enum verdict verdict)
{
    switch (verdict_class(verdict)) {
    case VERDICT_CLASS_PASSED:
        return SLOT_PASSED;
    case VERDICT_CLASS_FAILED:
        return SLOT_FAILED;
    case VERDICT_CLASS_REFUSED:
        return SLOT_REFUSED;
    case VERDICT_CLASS_ABORTED:
        return SLOT_ABORTED;
    case VERDICT_CLASS_NONE:
        break;
    }
    check_never("a pass ends with a verdict");
}

void pass_end(struct press *press, uint32_t slot, enum verdict verdict, struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    struct lane *lane = &press->lanes[slot];
    check(slot_state_busy(pass->state) && pass->verdict == VERDICT_NONE);

    pass->orphans += lane->in_flight;
    lane_reset(lane);
    pass->verdict = verdict;
    enter(press, slot, state_of_verdict(verdict), actions);
    if (pass->opened)
        (void)add_for(press, slot, ACTION_CLOSE, actions);
    pass->opened = false;
}

void pass_clear(struct press *press, uint32_t slot, struct action_list *actions)
{
    press->passes[slot].verdict = VERDICT_NONE;
    enter(press, slot, SLOT_EMPTY, actions);
}

static void begin_walk(struct press *press, uint32_t slot, enum lane_phase phase, uint32_t start)
{
    struct pass *pass = &press->passes[slot];
    lane_begin(&press->lanes[slot], phase, pass->image_number, pass->image, start);
}

/* Starts the pass of an opened drive, once the kernel has returned enough of what the drives before
 * it in this slot left behind. */
static void start(struct press *press, uint32_t slot, struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    bool write = pass->mode == MODE_WRITE;

    if (pass->image->fault != IMAGE_SOUND) {
        pass_end(press, slot, VERDICT_MASTER_ERROR, actions);
        return;
    }
    if (pass->orphans >= press->config.window)
        return;
    begin_walk(press, slot, write ? LANE_WRITING : LANE_VERIFYING,
               feed_start_chunk(&press->feed, all_lanes(press), pass->image_number));
    enter(press, slot, write ? SLOT_WRITING : SLOT_VERIFYING, actions);
}

void pass_opened(struct press *press, uint32_t slot, const struct event *event,
                 struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    check(pass->state == SLOT_IDENTIFYING && !pass->opened);

    pass->opened = event->opened.result == OPEN_OK;
    if (pass->opened)
        pass->facts = event->opened.facts;
    enum verdict verdict = gate_judge(event->opened.result, &pass->facts, pass->mode, pass->image);
    if (verdict != VERDICT_NONE)
        pass_end(press, slot, verdict, actions);
}

/* What the end of a request that was not successful says about the drive. */
static enum verdict judge_result(enum io_result result, enum verdict fault)
{
    switch (result) {
    case IO_OK:
        return VERDICT_NONE;
    case IO_ERROR:
        return fault;
    case IO_GONE:
        return VERDICT_UNPLUGGED;
    case IO_CANCELLED:
        return VERDICT_INTERRUPTED;
    }
    check_never("an io_result that the core does not know");
}

static void note_bad_chunk(struct pass *pass, uint32_t chunk, enum verdict fault)
{
    check(pass->bad_chunk_count < BAD_CHUNKS_MAX);
    pass->bad_chunks[pass->bad_chunk_count++] = chunk;
    if (pass->fault == VERDICT_NONE)
        pass->fault = fault;
}

void pass_written(struct press *press, uint32_t slot, const struct event *event,
                  struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    struct lane *lane = &press->lanes[slot];
    uint32_t chunk = event->transfer.chunk;

    check(pass->state == SLOT_WRITING);
    lane_complete(lane, event->transfer.buffer, chunk, press->now_ns);
    feed_unpin(&press->feed, event->transfer.buffer);

    enum verdict verdict = judge_result(event->transfer.result, VERDICT_WRITE_ERROR);
    if (verdict == VERDICT_WRITE_ERROR)
        note_bad_chunk(pass, chunk, verdict);
    if (verdict != VERDICT_NONE) {
        pass_end(press, slot, verdict, actions);
        return;
    }
    pass->written_bytes += image_chunk_length(pass->image, chunk);
    if (lane_finished(lane)) {
        enter(press, slot, SLOT_FLUSHING, actions);
        (void)add_for(press, slot, ACTION_FLUSH, actions);
    }
}

void pass_flushed(struct press *press, uint32_t slot, enum io_result result,
                  struct action_list *actions)
{
    check(press->passes[slot].state == SLOT_FLUSHING);
    enum verdict verdict = judge_result(result, VERDICT_WRITE_ERROR);

    if (verdict != VERDICT_NONE) {
        pass_end(press, slot, verdict, actions);
        return;
    }
    /* Begin where writing began: what the drive may still hold in a cache is what it got last. */
    begin_walk(press, slot, LANE_VERIFYING, press->lanes[slot].start);
    enter(press, slot, SLOT_VERIFYING, actions);
}

void pass_read(struct press *press, uint32_t slot, const struct event *event,
               struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    struct lane *lane = &press->lanes[slot];
    uint32_t chunk = event->transfer.chunk;

    check(pass->state == SLOT_VERIFYING);
    lane_complete(lane, event->transfer.buffer, chunk, press->now_ns);
    feed_give_back(&press->feed, event->transfer.buffer);

    enum verdict verdict = judge_result(event->transfer.result, VERDICT_READ_ERROR);
    if (verdict == VERDICT_UNPLUGGED || verdict == VERDICT_INTERRUPTED) {
        pass_end(press, slot, verdict, actions);
        return;
    }
    if (verdict == VERDICT_NONE) {
        pass->verified_bytes += image_chunk_length(pass->image, chunk);
        check(image_digest_known(pass->image, chunk));
        if (!digest_equal(event->transfer.digest, pass->image->digests[chunk]))
            verdict = VERDICT_MISMATCH;
    }
    if (verdict != VERDICT_NONE)
        note_bad_chunk(pass, chunk, verdict);
    if (pass->bad_chunk_count == BAD_CHUNKS_MAX)
        pass_end(press, slot, pass->fault, actions);
    else if (lane_finished(lane))
        pass_end(press, slot, pass->bad_chunk_count == 0 ? VERDICT_PASSED : pass->fault, actions);
}

/* Finds the buffer for the lane's next request, or BUFFER_NONE if it has to wait. */
static uint32_t next_buffer(struct press *press, const struct lane *lane)
{
    uint32_t chunk = lane_chunk_ahead(lane, 0);

    if (lane->phase == LANE_WRITING)
        return feed_resident(&press->feed, lane->image_number, chunk);
    if (lane_needs_master(lane, chunk))
        return BUFFER_NONE;
    return feed_lend(&press->feed, all_lanes(press));
}

void pass_advance(struct press *press, uint32_t slot, struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    struct lane *lane = &press->lanes[slot];

    if (pass->state == SLOT_IDENTIFYING && pass->opened)
        start(press, slot, actions);
    while (lane_left(lane) > 0 && lane->in_flight + pass->orphans < press->config.window) {
        uint32_t buffer = next_buffer(press, lane);
        if (buffer == BUFFER_NONE)
            return;
        if (lane->phase == LANE_WRITING) {
            feed_pin(&press->feed, buffer);
            pass->touched = true;
        }
        uint32_t chunk = lane_issue(lane, buffer, press->now_ns);
        struct action *action =
            add_for(press, slot, lane->phase == LANE_WRITING ? ACTION_WRITE : ACTION_READ, actions);
        action->transfer.image = pass->image_number;
        action->transfer.buffer = buffer;
        action->transfer.chunk = chunk;
        action->transfer.length_bytes = image_chunk_length(pass->image, chunk);
        action->transfer.offset_bytes = (uint64_t)chunk * pass->image->chunk_bytes;
    }
}

void pass_check_time(struct press *press, uint32_t slot, struct action_list *actions)
{
    const struct pass *pass = &press->passes[slot];
    uint64_t in_state_ns = press->now_ns - pass->since_ns;

    if (pass->state == SLOT_IDENTIFYING && in_state_ns >= press->config.flush_ns)
        /* Opened in good time, it only waits for requests of the drives before it in this slot. */
        pass_end(press, slot, pass->opened ? VERDICT_IN_USE : VERDICT_STALLED, actions);
    else if (pass->state == SLOT_FLUSHING && in_state_ns >= press->config.flush_ns)
        pass_end(press, slot, VERDICT_STALLED, actions);
    else if (lane_stalled(&press->lanes[slot], press->now_ns, press->config.stall_ns))
        pass_end(press, slot, VERDICT_STALLED, actions);
}

bool pass_needs_master(const struct press *press, uint32_t slot)
{
    const struct lane *lane = &press->lanes[slot];
    return lane_left(lane) > 0 &&
           (lane->phase == LANE_WRITING || lane->image->known_count < lane->image->chunk_count);
}
