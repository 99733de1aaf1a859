// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/pass.h"

#include "lib/base/check.h"
#include "lib/core/choice.h"
#include "lib/core/gate.h"

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

/* Only a drive that was plugged in after arming is known to be meant; and once: what came no later
 * than the drive that was started here before is that one, of which the kernel tells anew. */
static bool starts_by_itself(const struct press *press, uint32_t slot)
{
    const struct pass *pass = &press->passes[slot];
    uint64_t plugged_ns = pass->drive.plugged_ns;

    if (pass->started_plugged_ns != 0 && plugged_ns <= pass->started_plugged_ns + PLUGGED_JITTER_NS)
        return false;
    return press->armed && plugged_ns != 0 && plugged_ns >= press->armed_ns;
}

void pass_attached(struct press *press, uint32_t slot, const struct event *event,
                   struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    check(pass->state == SLOT_EMPTY);

    *pass = (struct pass){
        .state = SLOT_EMPTY,
        .attachment = event->attachment,
        .drive = {.present = true,
                  .foreign = event->attached.foreign,
                  .not_in_rig = event->attached.not_in_rig,
                  .capacity_bytes = event->attached.capacity_bytes,
                  .plugged_ns = event->attached.plugged_ns,
                  .attachment_first = event->attachment},
        .orphans = pass->orphans,
        .started_plugged_ns = pass->started_plugged_ns,
        .since_ns = press->now_ns,
    };
    /* What can never be used says so at once, armed or not: nothing has to be opened for that. */
    if (pass->drive.foreign || pass->drive.not_in_rig || starts_by_itself(press, slot))
        pass_begin(press, slot, event->attachment, actions);
    else
        enter(press, slot, SLOT_READY, actions);
}

/* The reason not even to open a drive, or VERDICT_NONE. */
static enum verdict judge_start(const struct press *press, const struct pass *pass)
{
    uint32_t smallest = CHOICE_NONE;

    if (pass->drive.not_in_rig)
        return VERDICT_NOT_IN_RIG;
    if (pass->drive.foreign)
        return VERDICT_POLICY;
    (void)choice_pick(press->images, pass->set, 0, &smallest);
    return smallest == CHOICE_NONE ? VERDICT_MASTER_ERROR : VERDICT_NONE;
}

void pass_begin(struct press *press, uint32_t slot, uint64_t attachment,
                struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];

    *pass = (struct pass){
        .state = pass->state,
        .attachment = attachment,
        .drive = pass->drive,
        .mode = press->armed_mode,
        .set = press->armed_images,
        .orphans = pass->orphans,
        .started_plugged_ns = pass->started_plugged_ns,
        .since_ns = pass->since_ns,
    };
    if (!pass->drive.foreign && !pass->drive.not_in_rig)
        pass->started_plugged_ns = max_u64(pass->started_plugged_ns, pass->drive.plugged_ns);
    enter(press, slot, SLOT_IDENTIFYING, actions);
}

/* Opens a drive that was started, once it owes nothing from the pass before. */
static void open_drive(struct press *press, uint32_t slot, struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    enum verdict verdict = judge_start(press, pass);

    if (verdict != VERDICT_NONE) {
        pass_end(press, slot, verdict, actions);
        return;
    }
    if (pass->drive.owed > 0)
        return;
    pass->awaits = true;
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
    pass->drive.owed += lane->in_flight + (pass->awaits ? 1 : 0);
    pass->awaits = false;
    lane_reset(lane);
    pass->verdict = verdict;
    pass->held = VERDICT_NONE;
    pass->image = NULL;
    enter(press, slot, state_of_verdict(verdict), actions);
    if (pass->opened)
        (void)add_for(press, slot, ACTION_CLOSE, actions);
    pass->opened = false;
}

void pass_lose(struct press *press, uint32_t slot, struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];

    pass->lost = true;
    pass_end(press, slot, pass->mismatched ? VERDICT_MISMATCH : VERDICT_UNPLUGGED, actions);
}

void pass_stop(struct press *press, uint32_t slot, struct action_list *actions)
{
    const struct pass *pass = &press->passes[slot];
    enum verdict verdict = VERDICT_STOPPED;

    if (pass->fault != VERDICT_NONE)
        verdict = pass->fault;
    if (pass->held != VERDICT_NONE)
        verdict = pass->held;
    pass_end(press, slot, verdict, actions);
}

void pass_answered_late(struct press *press, const struct event *event)
{
    struct pass *pass = &press->passes[event->slot];

    if (event->attachment >= pass->drive.attachment_first) {
        check(pass->drive.owed > 0);
        pass->drive.owed--;
    }
    if (event->type != EVENT_WRITTEN && event->type != EVENT_READ)
        return;
    check(pass->orphans > 0);
    pass->orphans--;
    if (event->type == EVENT_WRITTEN)
        feed_unpin(&press->feed, event->transfer.buffer);
    else
        feed_give_back(&press->feed, event->transfer.buffer);
}

void pass_clear(struct press *press, uint32_t slot, struct action_list *actions)
{
    press->passes[slot].verdict = VERDICT_NONE;
    enter(press, slot, SLOT_EMPTY, actions);
}

void pass_reset(struct press *press, uint32_t slot, struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];

    check(!pass->drive.present && !slot_state_busy(pass->state));
    if (pass->state != SLOT_EMPTY)
        pass_clear(press, slot, actions);
    *pass = (struct pass){
        .state = SLOT_EMPTY,
        .attachment = pass->attachment,
        /* What the drives before still owe, nobody here waits for. */
        .drive = {.attachment_first = pass->attachment + 1},
        .orphans = pass->orphans,
        .since_ns = press->now_ns,
    };
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

/* Ends the pass with a fault of the drive, or holds that back: an error may be the first sign of a
 * removal, which must not be blamed on the drive. Wrong data is no such sign. */
static void fail(struct press *press, uint32_t slot, enum verdict fault,
                 struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];

    if (pass->held != VERDICT_NONE)
        return;
    if (fault == VERDICT_MISMATCH || press->config.unplug_ns == 0) {
        pass_end(press, slot, fault, actions);
        return;
    }
    pass->held = fault;
    pass->held_since_ns = press->now_ns;
    lane_halt(&press->lanes[slot]);
}

/* Chooses the drive's image and judges whether the drive may be used for it. */
static enum verdict judge_opened(struct press *press, uint32_t slot, const struct event *event)
{
    struct pass *pass = &press->passes[slot];
    const struct drive_facts *facts = &event->opened.facts;
    uint32_t smallest = CHOICE_NONE;

    if (event->opened.result != OPEN_OK)
        return gate_judge(event->opened.result, NULL, NULL, pass->mode, NULL);
    pass->drive.capacity_bytes = facts->capacity_bytes;
    uint32_t number = choice_pick(press->images, pass->set, facts->capacity_bytes, &smallest);
    if (number == CHOICE_NONE)
        number = smallest;
    if (number == CHOICE_NONE)
        return VERDICT_MASTER_ERROR;
    struct image *image = press->images[number];
    enum verdict verdict = gate_judge(OPEN_OK, facts, &press->policy, pass->mode, image);
    if (verdict == VERDICT_NONE) {
        pass->image = image;
        pass->image_number = number;
        pass->image_bytes = image->size_bytes;
    }
    return verdict;
}

void pass_opened(struct press *press, uint32_t slot, const struct event *event,
                 struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    check(pass->state == SLOT_IDENTIFYING && pass->awaits);

    pass->awaits = false;
    pass->opened = event->opened.result == OPEN_OK;
    enum verdict verdict = judge_opened(press, slot, event);
    if (verdict == VERDICT_UNPLUGGED)
        pass_lose(press, slot, actions);
    else if (verdict == VERDICT_READ_ERROR)
        fail(press, slot, verdict, actions);
    else if (verdict != VERDICT_NONE)
        pass_end(press, slot, verdict, actions);
}

static void note_bad_chunk(struct pass *pass, uint32_t chunk, enum verdict fault)
{
    if (pass->fault == VERDICT_NONE)
        pass->fault = fault;
    if (fault == VERDICT_MISMATCH)
        pass->mismatched = true;
    /* What was in flight when the list became full still ends. */
    if (pass->bad_chunk_count == BAD_CHUNKS_MAX)
        return;
    uint32_t at = pass->bad_chunk_count++;
    for (; at > 0 && pass->bad_chunks[at - 1] > chunk; at--)
        pass->bad_chunks[at] = pass->bad_chunks[at - 1];
    pass->bad_chunks[at] = chunk;
}

/* A request was not done, and the pass cannot go on. */
static void give_up(struct press *press, uint32_t slot, enum io_result result,
                    struct action_list *actions)
{
    const struct pass *pass = &press->passes[slot];

    if (result == IO_GONE)
        pass_lose(press, slot, actions);
    else if (result == IO_ERROR)
        fail(press, slot, VERDICT_WRITE_ERROR, actions);
    else if (pass->held != VERDICT_NONE || pass->fault != VERDICT_NONE)
        fail(press, slot, pass->fault, actions);
    else
        pass_end(press, slot, VERDICT_INTERRUPTED, actions);
}

void pass_written(struct press *press, uint32_t slot, const struct event *event,
                  struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    struct lane *lane = &press->lanes[slot];
    enum io_result result = event->transfer.result;
    uint32_t chunk = event->transfer.chunk;

    check(pass->state == SLOT_WRITING);
    lane_complete(lane, event->transfer.buffer, chunk, press->now_ns);
    feed_unpin(&press->feed, event->transfer.buffer);

    if (result == IO_ERROR)
        note_bad_chunk(pass, chunk, VERDICT_WRITE_ERROR);
    if (result != IO_OK) {
        give_up(press, slot, result, actions);
        return;
    }
    pass->written_bytes += image_chunk_length(pass->image, chunk);
    if (lane_finished(lane) && pass->held == VERDICT_NONE) {
        enter(press, slot, SLOT_FLUSHING, actions);
        pass->awaits = true;
        (void)add_for(press, slot, ACTION_FLUSH, actions);
    }
}

void pass_flushed(struct press *press, uint32_t slot, enum io_result result,
                  struct action_list *actions)
{
    struct pass *pass = &press->passes[slot];
    check(pass->state == SLOT_FLUSHING && pass->awaits);

    pass->awaits = false;
    if (result != IO_OK) {
        give_up(press, slot, result, actions);
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
    enum io_result result = event->transfer.result;
    uint32_t chunk = event->transfer.chunk;

    check(pass->state == SLOT_VERIFYING);
    lane_complete(lane, event->transfer.buffer, chunk, press->now_ns);
    feed_give_back(&press->feed, event->transfer.buffer);

    if (result == IO_GONE || result == IO_CANCELLED) {
        give_up(press, slot, result, actions);
        return;
    }
    if (result == IO_OK) {
        pass->verified_bytes += image_chunk_length(pass->image, chunk);
        check(image_digest_known(pass->image, chunk));
    }
    if (result == IO_ERROR)
        note_bad_chunk(pass, chunk, VERDICT_READ_ERROR);
    else if (!digest_equal(event->transfer.digest, pass->image->digests[chunk]))
        note_bad_chunk(pass, chunk, VERDICT_MISMATCH);

    bool finished = lane_finished(lane) || pass->bad_chunk_count == BAD_CHUNKS_MAX;
    if (finished && pass->bad_chunk_count > 0)
        fail(press, slot, pass->fault, actions);
    else if (finished)
        pass_end(press, slot, VERDICT_PASSED, actions);
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
    else if (pass->state == SLOT_IDENTIFYING && !pass->awaits && pass->held == VERDICT_NONE)
        open_drive(press, slot, actions);
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

    if (pass->held != VERDICT_NONE) {
        if (press->now_ns - pass->held_since_ns >= press->config.unplug_ns)
            pass_end(press, slot, pass->held, actions);
        return;
    }
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
