// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/shell.h"

#include "daemon/shell_setup.h"
#include "lib/base/check.h"
#include "lib/base/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* --- Events in, actions out ------------------------------------------------------------------- */

static struct drive *find_drive(struct shell *shell, const struct action *action)
{
    struct drive *drive = shell->slots[action->slot].drives;
    while (drive != NULL && drive->attachment != action->attachment)
        drive = drive->next;
    check(drive != NULL);
    return drive;
}

static void start_transfer(struct shell *shell, const struct action *action, enum io_kind kind)
{
    drive_transfer(find_drive(shell, action), kind, action->transfer.buffer, action->transfer.chunk,
                   pool_buffer(&shell->pool, action->transfer.buffer),
                   action->transfer.length_bytes, action->transfer.offset_bytes);
}

/* Opens a drive that is tried again as soon as its last pass has let go of it: until then it would
 * find itself in use. */
static void open_when_free(struct drive *drive)
{
    drive->waits = false;
    for (const struct drive *earlier = drive->next; earlier != NULL; earlier = earlier->next)
        drive->waits = drive->waits || earlier->appearance == drive->appearance;
    if (!drive->waits)
        drive_open(drive, drive->for_writing);
}

static void open_drive(struct shell *shell, const struct action *action)
{
    struct shell_slot *slot = &shell->slots[action->slot];
    struct drive *drive = slot->prepared;

    check(drive != NULL && drive->attachment == action->attachment);
    slot->prepared = NULL;
    drive->next = slot->drives;
    slot->drives = drive;
    shell->drives_open++;
    drive->for_writing = action->open.for_writing;
    open_when_free(drive);
}

static const char *master_reason(const struct shell *shell, uint32_t image)
{
    switch (shell->sources[image]->image.fault) {
    case IMAGE_SOUND:
        return "";
    case IMAGE_DIFFERS:
        return "the master image differs from its manifest, or from what was read of it before";
    case IMAGE_SILENT:
        return "the master image cannot be read: its disk or network share does not answer";
    case IMAGE_UNREADABLE:
        break;
    }
    if (shell->master.last_errors[image] == -ESTALE)
        return "the master image was changed while drives were made from it";
    return strerror(-shell->master.last_errors[image]);
}

/* Keeps what is to be told of a slot after its image is forgotten. */
static void note_state(struct shell *shell, const struct action *action)
{
    struct shell_slot *slot = &shell->slots[action->slot];
    struct slot_report report;

    shell_report(shell, action->slot, &report);
    bool has_image = report.image_bytes != 0 && shell->sources[report.image] != NULL;
    if (action->state.to == SLOT_EMPTY)
        slot->image[0] = '\0';
    else if (has_image)
        memcpy(slot->image, shell->sources[report.image]->name, sizeof(slot->image));
    if (action->state.verdict == VERDICT_MASTER_ERROR)
        (void)snprintf(slot->note, sizeof(slot->note), "%s",
                       has_image ? master_reason(shell, report.image)
                                 : "the master image failed before this drive came");
    verdict_totals_add(&shell->totals, action->state.verdict);
    shell->changed(shell->context, action->slot, action->state.to, action->state.verdict);
}

static void carry_out(struct shell *shell, const struct action *action)
{
    switch (action->type) {
    case ACTION_OPEN:
        open_drive(shell, action);
        break;
    case ACTION_LOAD:
        master_load(&shell->master, action->transfer.image, shell->sources[action->transfer.image],
                    action->transfer.buffer, action->transfer.chunk,
                    pool_buffer(&shell->pool, action->transfer.buffer));
        break;
    case ACTION_WRITE:
        start_transfer(shell, action, IO_KIND_WRITE);
        break;
    case ACTION_READ:
        start_transfer(shell, action, IO_KIND_READ);
        break;
    case ACTION_FLUSH:
        drive_flush(find_drive(shell, action));
        break;
    case ACTION_CLOSE:
        drive_close(find_drive(shell, action));
        break;
    case ACTION_STATE:
        note_state(shell, action);
        break;
    case ACTION_TYPE_COUNT:
        check_never("an action has a type");
    }
}

/* A loop that is not seen for so long was stopped: by a debugger, a frozen cgroup, a paused virtual
 * machine, a storm of swapping. */
#define LOOP_PAUSE_NS (4 * TICK_NS)

/* The press's clock leaves out the time in which this process did not run: no drive and no master
 * could have been heard then, and none is to be blamed for it. */
static uint64_t read_clock(struct shell *shell)
{
    uint64_t now_ns = uv_hrtime();

    if (shell->alive_ns != 0 && now_ns - shell->alive_ns > LOOP_PAUSE_NS)
        shell->lost_ns += now_ns - shell->alive_ns - TICK_NS;
    shell->alive_ns = now_ns;
    return now_ns - shell->lost_ns;
}

static void step(struct shell *shell, struct event *event)
{
    /* No action may cause an event before it returns. */
    check(!shell->stepping);
    shell->stepping = true;
    event->now_ns = read_clock(shell);
    shell->actions->count = 0;
    press_step(shell->press, event, shell->actions);
    for (uint32_t i = 0; i < shell->actions->count; i++)
        carry_out(shell, &shell->actions->items[i]);
    shell->stepping = false;
}

/* Whether an event may come with news of what the drive is or why it failed. */
static bool tells_of_drive(const struct event *event)
{
    return event->type == EVENT_OPENED || event->type == EVENT_FLUSHED ||
           ((event->type == EVENT_WRITTEN || event->type == EVENT_READ) &&
            event->transfer.result != IO_OK);
}

static void on_event(void *context, const struct event *event)
{
    struct shell *shell = context;
    struct event stamped = *event;

    if (tells_of_drive(event)) {
        struct shell_slot *slot = &shell->slots[event->slot];
        if (slot->attachment == event->attachment && slot->drives != NULL)
            slot->identity = slot->drives->identity;
    }
    step(shell, &stamped);
}

static void on_closed(void *context, struct drive *drive)
{
    struct shell *shell = context;
    struct drive **link = &shell->slots[drive->slot].drives;

    while (*link != drive)
        link = &(*link)->next;
    *link = drive->next;
    shell->drives_open--;
    for (struct drive *other = shell->slots[drive->slot].drives; other != NULL;
         other = other->next) {
        if (other->waits)
            open_when_free(other);
    }
    if (shell->drives_open == 0)
        shell->quiet(shell->context);
}

static void on_tick(uv_timer_t *timer)
{
    struct shell *shell = timer->data;
    struct event event = {.type = EVENT_TICK};

    if (press_idle(shell->press))
        (void)read_clock(shell);
    else
        step(shell, &event);
}

/* Before the loop sleeps, everything that this round queued goes to the kernel at once. */
static void on_kick(uv_prepare_t *prepare)
{
    struct shell *shell = prepare->data;

    if (shell->kernel_engine != NULL)
        shell->kernel_engine->ops->kick(shell->kernel_engine);
}

/* --- Images ----------------------------------------------------------------------------------- */

uint32_t shell_add_image(struct shell *shell, struct source *source)
{
    struct event event = {.type = EVENT_IMAGE};
    uint32_t number = 0;

    while (number < IMAGES_MAX && shell->sources[number] != NULL)
        number++;
    if (number == IMAGES_MAX)
        return IMAGES_MAX;
    shell->sources[number] = source;
    shell->master.last_errors[number] = 0;
    event.image.number = number;
    event.image.image = &source->image;
    step(shell, &event);
    return number;
}

bool shell_image_used(const struct shell *shell, uint32_t number)
{
    return press_image_used(shell->press, number);
}

void shell_forget_image(struct shell *shell, uint32_t number)
{
    struct event event = {.type = EVENT_IMAGE};

    event.image.number = number;
    step(shell, &event);
    shell->sources[number] = NULL;
}

/* --- What happens in the rig, and what people ask for ------------------------------------------ */

void shell_set_policy(struct shell *shell, uint64_t capacity_min_bytes, uint64_t capacity_max_bytes)
{
    struct event event = {.type = EVENT_POLICY};

    event.policy.capacity_min_bytes = capacity_min_bytes;
    event.policy.capacity_max_bytes = capacity_max_bytes;
    step(shell, &event);
}

void shell_arm(struct shell *shell, enum press_mode mode, uint64_t images)
{
    struct event event = {.type = EVENT_ARM};

    event.arm.mode = mode;
    event.arm.images = images;
    step(shell, &event);
    shell->armed_ns = shell->alive_ns;
    shell->armed_press_ns = event.now_ns;
}

void shell_disarm(struct shell *shell)
{
    struct event event = {.type = EVENT_DISARM};
    step(shell, &event);
}

static void discard_prepared(struct shell_slot *slot)
{
    if (slot->prepared != NULL)
        drive_discard(slot->prepared);
    slot->prepared = NULL;
}

/* Makes ready for the drive in the slot to be opened, under a new attachment number. */
static int prepare(struct shell *shell, uint32_t slot)
{
    struct shell_slot *record = &shell->slots[slot];
    struct drive *drive = drive_create(&shell->host, record->path, &record->last.expected,
                                       record->last.simulated, slot, shell->attachment_last + 1);

    if (drive == NULL)
        return -ENOMEM;
    drive->appearance = record->appearances;
    discard_prepared(record);
    record->prepared = drive;
    record->attachment = ++shell->attachment_last;
    return 0;
}

/* A time of uv_hrtime() on the press's clock. Time that was lost since then moves it back, but what
 * came after arming stays after it. */
static uint64_t press_time(const struct shell *shell, uint64_t time_ns)
{
    uint64_t press_ns = time_ns > shell->lost_ns ? time_ns - shell->lost_ns : 0;

    return time_ns >= shell->armed_ns ? max_u64(press_ns, shell->armed_press_ns) : press_ns;
}

int shell_attach(struct shell *shell, uint32_t slot, const struct shell_drive *drive)
{
    struct event event = {.type = EVENT_ATTACHED, .slot = slot};
    struct shell_slot *record = &shell->slots[slot];

    record->last = *drive;
    check(strlen(drive->path) < sizeof(record->path));
    (void)strcpy(record->path, drive->path);
    record->last.path = record->path;
    record->last.note = NULL; /* copied below */
    record->appearances++;
    int error = prepare(shell, slot);
    if (error != 0)
        return error;
    record->identity = (struct medium_identity){0};
    record->image[0] = '\0';
    (void)snprintf(record->note, sizeof(record->note), "%s",
                   drive->note != NULL ? drive->note : "");
    event.attachment = record->attachment;
    event.attached.plugged_ns = drive->plugged_ns != 0 ? press_time(shell, drive->plugged_ns) : 0;
    event.attached.capacity_bytes = drive->capacity_bytes;
    event.attached.foreign = drive->foreign;
    event.attached.not_in_rig = drive->not_in_rig;
    step(shell, &event);
    return 0;
}

void shell_detach(struct shell *shell, uint32_t slot)
{
    struct event event = {.type = EVENT_DETACHED, .slot = slot};

    event.attachment = shell->slots[slot].attachment;
    step(shell, &event);
    discard_prepared(&shell->slots[slot]);
}

void shell_clear(struct shell *shell, uint32_t slot)
{
    struct event event = {.type = EVENT_CLEARED, .slot = slot};
    step(shell, &event);
}

int shell_start(struct shell *shell, uint32_t slot, enum press_start *may)
{
    struct event event = {.type = EVENT_START, .slot = slot};
    struct shell_slot *record = &shell->slots[slot];

    *may = press_may_start(shell->press, slot);
    if (*may != START_ALLOWED)
        return 0;
    event.attachment = record->attachment;
    int error = prepare(shell, slot);
    if (error != 0)
        return error;
    if (!record->last.foreign && !record->last.not_in_rig)
        record->note[0] = '\0';
    record->image[0] = '\0';
    record->identity.note[0] = '\0';
    event.start.attachment = record->attachment;
    step(shell, &event);
    return 0;
}

void shell_stop(struct shell *shell, uint32_t slot)
{
    struct event event = {.type = EVENT_STOP, .slot = slot};

    event.attachment = shell->slots[slot].attachment;
    step(shell, &event);
}

const char *shell_note(const struct shell *shell, uint32_t slot, enum verdict verdict)
{
    const struct shell_slot *record = &shell->slots[slot];

    return verdict == VERDICT_MASTER_ERROR || record->note[0] != '\0' ? record->note
                                                                      : record->identity.note;
}

void shell_report(const struct shell *shell, uint32_t slot, struct slot_report *report)
{
    press_report(shell->press, slot, uv_hrtime() - shell->lost_ns, report);
}

/* --- Setting up ------------------------------------------------------------------------------- */

static void start_clockwork(struct shell *shell)
{
    check(uv_timer_init(shell->loop, &shell->tick) == 0);
    shell->tick.data = shell;
    check(uv_timer_start(&shell->tick, on_tick, TICK_NS / NS_PER_MS, TICK_NS / NS_PER_MS) == 0);
    check(uv_prepare_init(shell->loop, &shell->kick) == 0);
    shell->kick.data = shell;
    check(uv_prepare_start(&shell->kick, on_kick) == 0);
}

int shell_open(struct shell *shell, const struct shell_config *config,
               char reason[SHELL_REASON_BYTES])
{
    shell->chunk_bytes = config->chunk_bytes;
    int error = shell_set_up(shell, config, reason);
    if (error != 0)
        return error;
    error = master_open(&shell->master, &shell->mailbox, on_event, shell);
    if (error != 0)
        return shell_fail(reason, error, "cannot start the threads that read the master");
    shell->host = (struct drive_host){
        .mailbox = &shell->mailbox,
        .kernel_engine = shell->kernel_engine,
        .thread_engine = shell->thread_engine,
        .hashers = shell->hashers,
        .context = shell,
        .event = on_event,
        .closed = on_closed,
    };
    start_clockwork(shell);
    return 0;
}

const char *shell_engine_name(const struct shell *shell)
{
    return (shell->kernel_engine != NULL ? shell->kernel_engine : shell->thread_engine)->ops->name;
}
