// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/shell.h"

#include "lib/base/check.h"
#include "lib/base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static int fail(char reason[SHELL_REASON_BYTES], int error, const char *what)
{
    (void)snprintf(reason, SHELL_REASON_BYTES, "%s: %s", what, strerror(-error));
    return error;
}

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

static void carry_out(struct shell *shell, const struct action *action)
{
    switch (action->type) {
    case ACTION_OPEN:
        drive_open(find_drive(shell, action), action->open.for_writing);
        break;
    case ACTION_LOAD:
        master_load(&shell->master, action->transfer.buffer, action->transfer.chunk,
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
        shell->changed(shell->context, action->slot, action->state.to, action->state.verdict);
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
        if (slot->drives != NULL && slot->drives->attachment == event->attachment)
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

/* --- What a client asks for ------------------------------------------------------------------- */

void shell_arm(struct shell *shell, enum press_mode mode)
{
    struct event event = {.type = EVENT_ARM};

    event.arm.mode = mode;
    event.arm.image = 0;
    step(shell, &event);
}

int shell_add_drive(struct shell *shell, uint32_t slot, const char *path,
                    const struct medium_expected *expected, bool simulated,
                    char reason[SHELL_REASON_BYTES])
{
    struct shell_slot *record = &shell->slots[slot];
    struct drive *drive =
        drive_create(&shell->host, path, expected, simulated, slot, shell->attachment_last + 1);

    if (drive == NULL)
        return fail(reason, -errno, "cannot start a thread for every drive; use fewer at once");
    shell->attachment_last++;
    drive->next = record->drives;
    record->drives = drive;
    record->identity = (struct medium_identity){0};
    shell->drives_open++;
    return 0;
}

void shell_attach(struct shell *shell, uint32_t slot)
{
    struct event event = {.type = EVENT_ATTACHED, .slot = slot};

    event.attachment = shell->slots[slot].drives->attachment;
    step(shell, &event);
}

void shell_stop(struct shell *shell)
{
    for (uint32_t slot = 0; slot < shell->slot_count; slot++) {
        struct slot_report report;
        shell_report(shell, slot, &report);
        struct event event = {.type = EVENT_STOP, .slot = slot, .attachment = report.attachment};
        step(shell, &event);
    }
}

void shell_report(const struct shell *shell, uint32_t slot, struct slot_report *report)
{
    press_report(shell->press, slot, uv_hrtime() - shell->lost_ns, report);
}

/* --- Setting up ------------------------------------------------------------------------------- */

/* The pool in bytes: what was asked for, or the default. */
static uint64_t choose_pool_bytes(const struct shell_config *config, const struct image *image,
                                  uint64_t least_bytes, uint64_t memory_bytes)
{
    if (config->pool_bytes != 0)
        return config->pool_bytes;
    uint64_t wanted_bytes = min_u64(memory_bytes / 4, SHELL_POOL_BYTES_MAX);
    return max_u64(min_u64(wanted_bytes, image->size_bytes), least_bytes);
}

/* This machine's memory, or what its control group leaves us of it. */
static uint64_t usable_memory_bytes(void)
{
    uint64_t limit_bytes = uv_get_constrained_memory();
    uint64_t memory_bytes = uv_get_total_memory();

    return limit_bytes == 0 ? memory_bytes : min_u64(limit_bytes, memory_bytes);
}

static int open_pool(struct shell *shell, const struct shell_config *config, uint32_t *buffer_count,
                     char reason[SHELL_REASON_BYTES])
{
    const struct image *image = &shell->source->image;
    uint64_t memory_bytes = usable_memory_bytes();
    uint64_t most_bytes = memory_bytes / 4 * 3;
    uint64_t least_bytes =
        (uint64_t)press_buffers_min(config->slot_count, config->window) * image->chunk_bytes;
    uint64_t bytes = choose_pool_bytes(config, image, least_bytes, memory_bytes);

    if (bytes < least_bytes || bytes > most_bytes) {
        (void)snprintf(reason, SHELL_REASON_BYTES,
                       "a pool of %" PRIu64 " MiB does not do: %u drive%s at least %" PRIu64
                       " MiB, and three quarters of the memory that there is are %" PRIu64 " MiB",
                       bytes / MIB, config->slot_count,
                       config->slot_count == 1 ? " needs" : "s need", (least_bytes + MIB - 1) / MIB,
                       most_bytes / MIB);
        return -EINVAL;
    }
    *buffer_count = (uint32_t)min_u64(bytes / image->chunk_bytes, BUFFERS_MAX);
    int error = pool_open(&shell->pool, *buffer_count, image->chunk_bytes);
    if (error != 0)
        return fail(reason, error, "no memory for the buffer pool; give a smaller one with --pool");
    return 0;
}

/* Open files of the process itself, and of one drive while it is looked up and opened: its own,
 * those in /sys and /run, and a little to spare. */
enum { DESCRIPTORS_BASE = 32, DESCRIPTORS_PER_DRIVE = 6 };

/* Better no run than one in which some drives find no descriptor left. */
static int check_descriptors(const struct shell_config *config, char reason[SHELL_REASON_BYTES])
{
    uint64_t needed = DESCRIPTORS_BASE + (uint64_t)config->slot_count * DESCRIPTORS_PER_DRIVE;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return 0;
    (void)snprintf(reason, SHELL_REASON_BYTES,
                   "%u drives at once need up to %" PRIu64 " open files and the limit is %" PRIu64
                   ": use fewer, or raise it with `ulimit -n`",
                   config->slot_count, needed, (uint64_t)limit.rlim_cur);
    return -EMFILE;
}

static int open_engines(struct shell *shell, const struct shell_config *config,
                        char reason[SHELL_REASON_BYTES])
{
    struct io_config io = {.loop = shell->loop,
                           .pool = shell->pool.memory,
                           .drives_max = config->slot_count,
                           .window = config->window};
    char why[256] = "";

    if (config->engine != ENGINE_THREADS)
        shell->kernel_engine = io_uring_engine_open(&io, why);
    if (config->engine == ENGINE_IO_URING && shell->kernel_engine == NULL) {
        (void)snprintf(reason, SHELL_REASON_BYTES, "%s", why);
        return -ENOSYS;
    }
    (void)snprintf(shell->engine_note, sizeof(shell->engine_note), "%s", why);
    shell->thread_engine = io_threads_engine_open(&io, why);
    if (shell->thread_engine == NULL) {
        (void)snprintf(reason, SHELL_REASON_BYTES, "%s", why);
        return -ENOMEM;
    }
    return 0;
}

static int open_workers(struct shell *shell, char reason[SHELL_REASON_BYTES])
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads =
        (unsigned)(processors < 1 ? 1 : min_u64((uint64_t)processors, WORKER_THREADS_MAX));
    int error = mailbox_open(&shell->mailbox, shell->loop);

    if (error != 0)
        return fail(reason, error, "the event loop cannot be set up");
    shell->hashers = worker_start("hash", threads, &shell->mailbox);
    if (shell->hashers == NULL)
        return fail(reason, -errno, "cannot start the hashing threads");
    error = master_open(&shell->master, shell->source, &shell->mailbox, on_event, shell);
    if (error != 0)
        return fail(reason, error, "cannot start the threads that read the master");
    return 0;
}

static int open_press(struct shell *shell, const struct shell_config *config, uint32_t buffer_count,
                      char reason[SHELL_REASON_BYTES])
{
    struct press_config press = {
        .slot_count = config->slot_count,
        .buffer_count = buffer_count,
        .chunk_bytes = shell->source->image.chunk_bytes,
        .window = config->window,
        .stall_ns = config->stall_ns,
        .flush_ns = 2 * config->stall_ns,
        .master_ns = MASTER_NS_DEFAULT,
    };
    shell->slots = calloc(config->slot_count, sizeof(*shell->slots));
    shell->slot_count = config->slot_count;
    shell->actions = calloc(1, sizeof(*shell->actions));
    shell->press_memory = malloc(press_memory_bytes(&press));
    if (shell->slots == NULL || shell->actions == NULL || shell->press_memory == NULL)
        return fail(reason, -ENOMEM, "cannot set up the slots");
    shell->press = press_init(shell->press_memory, &press);
    return 0;
}

static void start_clockwork(struct shell *shell)
{
    check(uv_timer_init(shell->loop, &shell->tick) == 0);
    shell->tick.data = shell;
    check(uv_timer_start(&shell->tick, on_tick, TICK_NS / NS_PER_MS, TICK_NS / NS_PER_MS) == 0);
    check(uv_prepare_init(shell->loop, &shell->kick) == 0);
    shell->kick.data = shell;
    check(uv_prepare_start(&shell->kick, on_kick) == 0);
}

int shell_open(struct shell *shell, const struct shell_config *config, struct source *source,
               char reason[SHELL_REASON_BYTES])
{
    uint32_t buffer_count = 0;
    struct event event = {.type = EVENT_IMAGE};

    shell->source = source;
    int error = check_descriptors(config, reason);
    if (error == 0)
        error = open_pool(shell, config, &buffer_count, reason);
    if (error == 0)
        error = open_press(shell, config, buffer_count, reason);
    if (error == 0)
        error = open_engines(shell, config, reason);
    if (error == 0)
        error = open_workers(shell, reason);
    if (error != 0)
        return error;
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
    event.image.image = &source->image;
    step(shell, &event);
    return 0;
}

const char *shell_engine_name(const struct shell *shell)
{
    return (shell->kernel_engine != NULL ? shell->kernel_engine : shell->thread_engine)->ops->name;
}
