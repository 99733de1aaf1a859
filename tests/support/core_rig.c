// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/core_rig.h"

#include "lib/base/check.h"
#include "lib/core/trace.h"

#include <stdlib.h>
#include <string.h>

struct digest rig_master_digest(uint32_t image, uint32_t chunk)
{
    /* Not what a blank drive holds. */
    return (struct digest){.high = 1 + (uint64_t)image, .low = chunk};
}

static struct digest spoilt(struct digest digest)
{
    return (struct digest){.high = digest.high + 0xbad000, .low = digest.low};
}

/* --- The oracles: what the core must never do ------------------------------------------------- */

static struct rig_life *life_of(struct rig *rig, uint64_t attachment)
{
    check(attachment > 0 && attachment <= rig->attachment_last);
    return &rig->lives[attachment];
}

static void judge_passed(const struct rig *rig, const struct action *action)
{
    const struct rig_drive *drive = &rig->drives[action->slot];
    struct slot_report report = rig_report(rig, action->slot);
    uint32_t chunks = rig->images[report.image].chunk_count;

    check(drive->attachment == action->attachment);
    check(report.bad_chunk_count == 0 && report.verified_bytes == report.image_bytes);
    for (uint32_t chunk = 0; chunk < chunks; chunk++)
        check(digest_equal(drive->holds[chunk], rig_master_digest(report.image, chunk)));
}

static void judge_state(struct rig *rig, const struct action *action)
{
    struct rig_life *life = life_of(rig, action->attachment);

    check(action->state.from == life->state);
    check(slot_move_allowed(action->state.from, action->state.to));
    life->state = action->state.to;
    check((action->state.verdict != VERDICT_NONE) == slot_state_final(action->state.to));
    if (action->state.verdict == VERDICT_NONE)
        return;
    check(life->verdict == VERDICT_NONE);
    life->verdict = action->state.verdict;
    if (life->verdict == VERDICT_PASSED)
        judge_passed(rig, action);
}

static void judge_transfer(struct rig *rig, const struct action *action)
{
    const struct image *image = &rig->images[action->transfer.image];
    struct rig_buffer *buffer = &rig->buffers[action->transfer.buffer];
    bool write = action->type == ACTION_WRITE;

    check(action->transfer.image < RIG_IMAGES_MAX);
    check(action->transfer.buffer < rig->config.buffer_count);
    check(action->transfer.length_bytes == image_chunk_length(image, action->transfer.chunk));
    check(action->transfer.offset_bytes == (uint64_t)action->transfer.chunk * image->chunk_bytes);
    check(write ? buffer->filled && buffer->image == action->transfer.image &&
                      buffer->chunk == action->transfer.chunk
                : buffer->users == 0);
    buffer->filled = write;
    buffer->users++;
    if (action->type == ACTION_LOAD)
        return;

    struct rig_life *life = life_of(rig, action->attachment);
    check(life->opened && !life->closed);
    check(action->transfer.image == rig_report(rig, action->slot).image);
    check(rig_in_flight(rig, action->slot, ACTION_WRITE) +
              rig_in_flight(rig, action->slot, ACTION_READ) <
          rig->config.window);
    if (life->writes + life->reads == 0)
        life->first_chunk = action->transfer.chunk;
    life->writes += write ? 1 : 0;
    life->reads += write ? 0 : 1;
}

/* Requests of earlier passes of a drive that are not answered. */
static uint32_t rig_owed(struct rig *rig, uint64_t attachment)
{
    uint64_t first = life_of(rig, attachment)->attachment_first;
    uint32_t owed = 0;

    for (uint32_t i = 0; i < rig->request_count; i++) {
        const struct action *action = &rig->requests[i].action;
        if (action->type != ACTION_LOAD &&
            life_of(rig, action->attachment)->attachment_first == first)
            owed++;
    }
    return owed;
}

/* --- Actions: carried out one after the other ------------------------------------------------- */

static enum rig_answer next_answer(struct rig *rig, const struct action *action)
{
    uint32_t slot = action->type == ACTION_LOAD ? RIG_MASTER : action->slot;

    for (uint32_t i = 0; i < rig->fault_count; i++) {
        struct rig_fault *fault = &rig->faults[i];
        if (fault->type != action->type || fault->slot != slot || fault->times == 0 ||
            (fault->chunk != RIG_ANY && fault->chunk != action->transfer.chunk))
            continue;
        fault->times--;
        return fault->answer;
    }
    return RIG_OK;
}

static void request_add(struct rig *rig, const struct action *action, enum rig_answer answer,
                        uint64_t *busy_until_ns, uint64_t takes_ns)
{
    check(rig->request_count < RIG_REQUESTS_MAX);
    if (answer == RIG_NEVER)
        *busy_until_ns = FOREVER_NS;
    else if (*busy_until_ns != FOREVER_NS)
        *busy_until_ns = max_u64(*busy_until_ns, rig->now_ns) + takes_ns;
    rig->requests[rig->request_count++] = (struct rig_request){*action, answer, *busy_until_ns};
}

/* What is left of a drive that was pulled or closed ends soon, in another way. */
static void requests_end(struct rig *rig, uint64_t attachment, enum rig_answer answer)
{
    for (uint32_t i = 0; i < rig->request_count; i++) {
        struct rig_request *request = &rig->requests[i];
        if (request->action.type == ACTION_LOAD || request->action.attachment != attachment ||
            request->answer == RIG_NEVER || request->answer == RIG_GONE)
            continue;
        request->answer = answer;
        request->due_ns = rig->now_ns + rig->late_ns;
    }
}

static void carry_out(struct rig *rig, const struct action *action)
{
    struct rig_drive *drive = &rig->drives[action->slot];

    switch (action->type) {
    case ACTION_OPEN:
        check(rig_owed(rig, action->attachment) == 0);
        life_of(rig, action->attachment)->asked = true;
        request_add(rig, action, drive->never_opens ? RIG_NEVER : RIG_OK, &drive->busy_until_ns,
                    drive->open_ns);
        break;
    case ACTION_LOAD:
        rig->loads++;
        judge_transfer(rig, action);
        request_add(rig, action, next_answer(rig, action), &rig->master_busy_until_ns,
                    rig->load_ns);
        break;
    case ACTION_WRITE:
    case ACTION_READ:
        judge_transfer(rig, action);
        request_add(rig, action, next_answer(rig, action), &drive->busy_until_ns, drive->chunk_ns);
        break;
    case ACTION_FLUSH:
        request_add(rig, action, next_answer(rig, action), &drive->busy_until_ns, drive->flush_ns);
        break;
    case ACTION_CLOSE:
        check(life_of(rig, action->attachment)->opened);
        check(!life_of(rig, action->attachment)->closed);
        life_of(rig, action->attachment)->closed = true;
        requests_end(rig, action->attachment, RIG_CANCELLED);
        break;
    case ACTION_STATE:
        judge_state(rig, action);
        break;
    case ACTION_TYPE_COUNT:
        check_never("an action has a type");
    }
}

static void print_step(const struct rig *rig, const struct event *event)
{
    char line[TRACE_LINE_BYTES];

    /* A tick that does nothing is not worth a line. */
    if (rig->trace == NULL || (event->type == EVENT_TICK && rig->actions->count == 0))
        return;
    trace_event(line, event);
    (void)fprintf(rig->trace, "%s\n", line);
    for (uint32_t i = 0; i < rig->actions->count; i++) {
        trace_action(line, &rig->actions->items[i]);
        (void)fprintf(rig->trace, "%s\n", line);
    }
}

static void step(struct rig *rig, struct event *event)
{
    event->now_ns = rig->now_ns;
    rig->actions->count = 0;
    press_step(rig->press, event, rig->actions);
    print_step(rig, event);
    for (uint32_t i = 0; i < rig->actions->count; i++)
        carry_out(rig, &rig->actions->items[i]);
}

/* --- Answers ---------------------------------------------------------------------------------- */

static enum io_result result_of(enum rig_answer answer)
{
    static const enum io_result results[] = {
        [RIG_OK] = IO_OK,     [RIG_ERROR] = IO_ERROR,
        [RIG_GONE] = IO_GONE, [RIG_CANCELLED] = IO_CANCELLED,
        [RIG_WRONG] = IO_OK,  [RIG_NEVER] = IO_OK,
    };
    return results[answer];
}

/* The drive that was asked is still in its slot, be it under another number. */
static bool is_here(const struct rig *rig, const struct action *action)
{
    const struct rig_drive *drive = &rig->drives[action->slot];

    return drive->attachment != 0 &&
           rig->lives[action->attachment].attachment_first == drive->attachment_first;
}

static void answer_open(struct rig *rig, const struct rig_request *request, struct event *event)
{
    const struct rig_drive *drive = &rig->drives[request->action.slot];
    bool here = is_here(rig, &request->action) && request->answer != RIG_GONE;

    event->type = EVENT_OPENED;
    event->opened.result = here ? drive->open_result : OPEN_GONE;
    if (event->opened.result == OPEN_OK) {
        event->opened.facts = drive->facts;
        life_of(rig, request->action.attachment)->opened = true;
    }
}

/* What a transfer does to its buffer and to the drive, and what the bytes hash to. */
static struct digest move_data(struct rig *rig, const struct rig_request *request)
{
    const struct action *action = &request->action;
    struct rig_drive *drive = &rig->drives[action->slot];
    struct rig_buffer *buffer = &rig->buffers[action->transfer.buffer];
    uint32_t chunk = action->transfer.chunk;
    struct digest digest = rig_master_digest(action->transfer.image, chunk);

    check(buffer->users > 0);
    buffer->users--;
    if (action->type == ACTION_READ)
        digest = drive->holds[chunk];
    if (request->answer == RIG_WRONG)
        digest = spoilt(digest);
    if (action->type == ACTION_LOAD) {
        buffer->filled = request->answer == RIG_OK || request->answer == RIG_NEVER;
        buffer->image = action->transfer.image;
        buffer->chunk = chunk;
    }
    if (action->type == ACTION_WRITE && result_of(request->answer) == IO_OK && is_here(rig, action))
        drive->holds[chunk] = digest;
    return digest;
}

static void answer(struct rig *rig, uint32_t index)
{
    struct rig_request request = rig->requests[index];
    struct event event = {.slot = request.action.slot, .attachment = request.action.attachment};

    rig->request_count--;
    memmove(&rig->requests[index], &rig->requests[index + 1],
            (rig->request_count - index) * sizeof(request));
    if (request.action.type == ACTION_OPEN) {
        answer_open(rig, &request, &event);
    } else if (request.action.type == ACTION_FLUSH) {
        event.type = EVENT_FLUSHED;
        event.flushed = result_of(request.answer);
    } else {
        event.type = request.action.type == ACTION_LOAD    ? EVENT_LOADED
                     : request.action.type == ACTION_WRITE ? EVENT_WRITTEN
                                                           : EVENT_READ;
        event.transfer.result = result_of(request.answer);
        event.transfer.buffer = request.action.transfer.buffer;
        event.transfer.chunk = request.action.transfer.chunk;
        event.transfer.digest = move_data(rig, &request);
    }
    step(rig, &event);
}

/* --- Time ------------------------------------------------------------------------------------- */

static uint64_t next_due(const struct rig *rig, uint32_t *index)
{
    uint64_t due_ns = FOREVER_NS;
    for (uint32_t i = 0; i < rig->request_count; i++) {
        if (rig->requests[i].due_ns < due_ns) {
            due_ns = rig->requests[i].due_ns;
            *index = i;
        }
    }
    return due_ns;
}

/* Does the next thing that is due by end_ns; false if there is none. */
static bool advance(struct rig *rig, uint64_t end_ns)
{
    uint32_t index = 0;
    uint64_t due_ns = next_due(rig, &index);
    uint64_t tick_ns = (rig->now_ns / TICK_NS + 1) * TICK_NS;

    if (press_idle(rig->press))
        tick_ns = FOREVER_NS;
    if (min_u64(due_ns, tick_ns) > end_ns)
        return false;
    rig->now_ns = min_u64(due_ns, tick_ns);
    if (due_ns <= tick_ns)
        answer(rig, index);
    else
        step(rig, &(struct event){.type = EVENT_TICK});
    return true;
}

void rig_pass(struct rig *rig, uint64_t duration_ns)
{
    uint64_t end_ns = rig->now_ns + duration_ns;

    while (advance(rig, end_ns))
        ;
    rig->now_ns = end_ns;
}

void rig_run(struct rig *rig)
{
    uint64_t end_ns = rig->now_ns + 3600 * NS_PER_S;

    while (advance(rig, end_ns))
        ;
    check(press_idle(rig->press));
}

void rig_release(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->request_count; i++) {
        if (rig->requests[i].due_ns == FOREVER_NS)
            rig->requests[i].due_ns = rig->now_ns;
    }
    rig->master_busy_until_ns = min_u64(rig->master_busy_until_ns, rig->now_ns);
    for (uint32_t slot = 0; slot < RIG_SLOTS_MAX; slot++) {
        struct rig_drive *drive = &rig->drives[slot];
        if (drive->busy_until_ns == FOREVER_NS)
            drive->busy_until_ns = rig->now_ns;
    }
}

/* --- What a test does ------------------------------------------------------------------------- */

struct rig *rig_new(uint32_t slots)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    check(rig != NULL && slots <= RIG_SLOTS_MAX);
    rig->config = (struct press_config){
        .slot_count = slots,
        .buffer_count = press_buffers_min(slots, WINDOW_DEFAULT),
        .chunk_bytes = RIG_CHUNK_BYTES,
        .window = WINDOW_DEFAULT,
        .stall_ns = STALL_NS_DEFAULT,
        .flush_ns = FLUSH_NS_DEFAULT,
        .master_ns = MASTER_NS_DEFAULT,
        .unplug_ns = UNPLUG_NS_DEFAULT,
    };
    rig->now_ns = RIG_BEGIN_NS;
    rig->load_ns = 2 * NS_PER_MS;
    for (uint32_t slot = 0; slot < RIG_SLOTS_MAX; slot++) {
        rig->drives[slot] = (struct rig_drive){
            .facts = {.capacity_bytes = 4 * GIB, .logical_block_bytes = 512},
            .open_ns = 10 * NS_PER_MS,
            .chunk_ns = 20 * NS_PER_MS,
            .flush_ns = 50 * NS_PER_MS,
        };
    }
    return rig;
}

void rig_start(struct rig *rig)
{
    void *memory = malloc(press_memory_bytes(&rig->config));
    rig->actions = malloc(sizeof(*rig->actions));

    check(memory != NULL && rig->actions != NULL);
    check(rig->config.buffer_count <= RIG_BUFFERS_MAX);
    rig->press = press_init(memory, &rig->config);
}

void rig_free(struct rig *rig)
{
    free(rig->press);
    free(rig->actions);
    free(rig);
}

void rig_add_image(struct rig *rig, uint32_t number, uint32_t chunks, bool with_manifest)
{
    struct image *image = &rig->images[number];
    struct event event = {.type = EVENT_IMAGE};

    check(number < RIG_IMAGES_MAX && chunks <= RIG_CHUNKS_MAX);
    memset(rig->known[number], 0, sizeof(rig->known[number]));
    *image = (struct image){
        .size_bytes = (uint64_t)chunks * RIG_CHUNK_BYTES,
        .chunk_bytes = RIG_CHUNK_BYTES,
        .chunk_count = chunks,
        .digests = rig->digests[number],
        .known = rig->known[number],
    };
    for (uint32_t chunk = 0; with_manifest && chunk < chunks; chunk++)
        image_learn(image, chunk, rig_master_digest(number, chunk));
    event.image.number = number;
    event.image.image = image;
    step(rig, &event);
}

void rig_forget_image(struct rig *rig, uint32_t number)
{
    struct event event = {.type = EVENT_IMAGE};

    event.image.number = number;
    step(rig, &event);
    /* Whoever still looks at it reads nonsense. */
    memset(&rig->images[number], 0xEE, sizeof(rig->images[number]));
}

void rig_arm(struct rig *rig, enum press_mode mode, uint32_t image)
{
    rig_arm_auto(rig, mode, UINT64_C(1) << image);
}

void rig_arm_auto(struct rig *rig, enum press_mode mode, uint64_t images)
{
    struct event event = {.type = EVENT_ARM};

    event.arm.mode = mode;
    event.arm.images = images;
    step(rig, &event);
}

void rig_disarm(struct rig *rig)
{
    step(rig, &(struct event){.type = EVENT_DISARM});
}

void rig_policy(struct rig *rig, uint64_t capacity_min_bytes, uint64_t capacity_max_bytes)
{
    struct event event = {.type = EVENT_POLICY};

    event.policy.capacity_min_bytes = capacity_min_bytes;
    event.policy.capacity_max_bytes = capacity_max_bytes;
    step(rig, &event);
}

struct rig *rig_ready(uint32_t slots, uint32_t chunks, enum press_mode mode, bool with_manifest)
{
    struct rig *rig = rig_new(slots);

    rig_start(rig);
    rig_add_image(rig, 0, chunks, with_manifest);
    rig_arm(rig, mode, 0);
    return rig;
}

void rig_fill(struct rig *rig, uint32_t slot, uint32_t image)
{
    for (uint32_t chunk = 0; chunk < RIG_CHUNKS_MAX; chunk++)
        rig->drives[slot].holds[chunk] = rig_master_digest(image, chunk);
}

uint64_t rig_attach(struct rig *rig, uint32_t slot)
{
    struct rig_drive *drive = &rig->drives[slot];
    struct event event = {.type = EVENT_ATTACHED, .slot = slot};

    check(rig->attachment_last + 1 < RIG_ATTACHMENTS_MAX);
    if (drive->attachment != 0)
        requests_end(rig, drive->attachment, RIG_GONE);
    drive->attachment = ++rig->attachment_last;
    drive->attachment_first = drive->attachment;
    drive->busy_until_ns = rig->now_ns;
    event.attachment = drive->attachment;
    if (!drive->told_anew)
        drive->plugged_ns = drive->plugged_before ? 0 : rig->now_ns;
    event.attached.plugged_ns = drive->plugged_ns;
    event.attached.capacity_bytes = drive->told_bytes;
    event.attached.foreign = drive->foreign;
    event.attached.not_in_rig = drive->not_in_rig;
    rig->lives[event.attachment].slot = slot;
    rig->lives[event.attachment].attachment_first = event.attachment;
    step(rig, &event);
    return event.attachment;
}

void rig_detach(struct rig *rig, uint32_t slot)
{
    struct rig_drive *drive = &rig->drives[slot];
    struct event event = {.type = EVENT_DETACHED, .slot = slot, .attachment = drive->attachment};

    requests_end(rig, drive->attachment, RIG_GONE);
    drive->attachment = 0;
    for (uint32_t i = 0; i < rig->fault_count; i++) {
        if (rig->faults[i].slot == slot)
            rig->faults[i].times = 0;
    }
    step(rig, &event);
}

void rig_clear(struct rig *rig, uint32_t slot)
{
    step(rig, &(struct event){.type = EVENT_CLEARED, .slot = slot});
}

void rig_stop(struct rig *rig, uint32_t slot)
{
    step(rig, &(struct event){
                  .type = EVENT_STOP, .slot = slot, .attachment = rig->drives[slot].attachment});
}

uint64_t rig_start_drive(struct rig *rig, uint32_t slot)
{
    struct rig_drive *drive = &rig->drives[slot];
    struct event event = {.type = EVENT_START, .slot = slot, .attachment = drive->attachment};
    bool starts = press_may_start(rig->press, slot) == START_ALLOWED;

    check(rig->attachment_last + 1 < RIG_ATTACHMENTS_MAX);
    event.start.attachment = rig->attachment_last + 1;
    if (starts) {
        rig->lives[++rig->attachment_last] =
            (struct rig_life){.slot = slot,
                              .attachment_first = drive->attachment_first,
                              .state = rig->lives[drive->attachment].state};
        drive->attachment = rig->attachment_last;
    }
    step(rig, &event);
    check(starts || rig->actions->count == 0);
    return starts ? drive->attachment : 0;
}

void rig_fault(struct rig *rig, enum action_type type, uint32_t slot, int64_t chunk,
               enum rig_answer answer, uint32_t times)
{
    check(rig->fault_count < RIG_FAULTS_MAX);
    rig->faults[rig->fault_count++] = (struct rig_fault){type, slot, chunk, answer, times};
}

uint32_t rig_in_flight(const struct rig *rig, uint32_t slot, enum action_type type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig->request_count; i++) {
        if (rig->requests[i].action.type == type && rig->requests[i].action.slot == slot)
            count++;
    }
    return count;
}

struct slot_report rig_report(const struct rig *rig, uint32_t slot)
{
    struct slot_report report;

    press_report(rig->press, slot, rig->now_ns, &report);
    return report;
}
