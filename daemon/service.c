// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/service.h"

#include "daemon/log.h"
#include "lib/base/check.h"
#include "lib/base/units.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Happy path: configuration, shell, sockets, rig; ready; then events until a signal ends it. Every
 * running pass then gets its verdict.
 *
 * Failure modes: what cannot be set up ends the start with a reason. A drive that the kernel does
 * not let go of is left to the end of the process. */

/* How long drives may take to close before the process ends without them. */
enum { CLOSE_MS_MAX = 1000 };

/* --- What the shell tells --------------------------------------------------------------------- */

void service_tell_manager(const struct service *service)
{
    const struct verdict_totals *totals = &service->shell.totals;

    watchdog_status("%s%s; %u drives at work; since the start %u passed, %u failed, %u refused",
                    service->armed ? "armed: " : "disarmed",
                    service->armed ? service->armed_image : "", service->shell.drives_open,
                    totals->passed, totals->failed, totals->refused);
}

static void on_changed(void *context, uint32_t slot, enum slot_state state, enum verdict verdict)
{
    struct service *service = context;
    const char *note = shell_note(&service->shell, slot, verdict);
    /* Where a drive is mounted tells the name that its owner gave to it. */
    bool private = verdict == VERDICT_NONE || verdict == VERDICT_IN_USE;

    log_slot(service->roster.entries[slot].place.name, state, verdict,
             service->shell.slots[slot].image, private ? "" : note);
    if (verdict == VERDICT_MASTER_ERROR)
        arming_master_failed(service, note);
    service_tell_manager(service);
}

static void on_quiet(void *context)
{
    struct service *service = context;

    if (service->stopping)
        uv_stop(&service->loop);
}

/* --- Configuration ---------------------------------------------------------------------------- */

static void log_complaints(const struct config_complaints *complaints)
{
    unsigned kept =
        complaints->count < CONFIG_COMPLAINTS_MAX ? complaints->count : CONFIG_COMPLAINTS_MAX;

    for (unsigned i = 0; i < kept; i++)
        log_message(LOG_LEVEL_ERROR, "%s", complaints->items[i]);
    if (complaints->count > kept)
        log_message(LOG_LEVEL_ERROR, "and %u more", complaints->count - kept);
}

static struct config *load(const char *file, char reason[WIRE_REASON_BYTES])
{
    struct config_complaints *complaints = calloc(1, sizeof(*complaints));
    struct config *config = NULL;

    (void)snprintf(reason, WIRE_REASON_BYTES, "no memory for the configuration");
    if (complaints == NULL)
        return NULL;
    config = config_load(file, complaints);
    if (config == NULL && complaints->count > 0)
        (void)snprintf(reason, WIRE_REASON_BYTES, "%s", complaints->items[0]);
    log_complaints(complaints);
    free(complaints);
    return config;
}

static void apply_policy(struct service *service)
{
    shell_set_policy(&service->shell, service->config->capacity_min_bytes,
                     service->config->capacity_max_bytes);
}

int service_reload(struct service *service, char needs_restart[WIRE_NOTE_BYTES],
                   char reason[WIRE_REASON_BYTES])
{
    struct config *loaded = load(service->config_file, reason);

    if (loaded == NULL) {
        log_message(LOG_LEVEL_ERROR, "the configuration stays as it was");
        return -EINVAL;
    }
    config_needs_restart(service->config, loaded, needs_restart, WIRE_NOTE_BYTES);
    config_keep_fixed(loaded, service->config);
    free(service->config);
    service->config = loaded;
    apply_policy(service);
    rig_reload(service);
    arming_reload(service);
    log_message(LOG_LEVEL_NOTICE, "the configuration was read again%s%s",
                needs_restart[0] != '\0' ? "; these count from the next start: " : "",
                needs_restart);
    return 0;
}

static void on_hangup(uv_signal_t *signal, int number)
{
    char needs_restart[WIRE_NOTE_BYTES];
    char reason[WIRE_REASON_BYTES];

    struct service *service = signal->data;

    (void)number;
    if (service->stopping) /* it is not ready any more, and says so no more */
        return;
    watchdog_reloading();
    (void)service_reload(service, needs_restart, reason);
    watchdog_ready();
}

/* --- The end ---------------------------------------------------------------------------------- */

static void on_close_timer(uv_timer_t *timer)
{
    struct service *service = timer->data;
    uv_stop(&service->loop);
}

static void on_terminate(uv_signal_t *signal, int number)
{
    struct service *service = signal->data;

    (void)number;
    if (service->stopping)
        return;
    service->stopping = true;
    watchdog_stopping();
    arming_end(service);
    rig_close(service);
    for (uint32_t i = 0; i < service->shell.slot_count; i++)
        shell_stop(&service->shell, i);
    check(uv_timer_start(&service->close_timer, on_close_timer, CLOSE_MS_MAX, 0) == 0);
    if (service->shell.drives_open == 0)
        uv_stop(&service->loop);
}

/* --- Setting up ------------------------------------------------------------------------------- */

static void start_handles(struct service *service)
{
    uv_loop_t *loop = &service->loop;
    const struct {
        uv_signal_t *handle;
        int number;
        uv_signal_cb called;
    } signals[] = {
        {&service->terminate, SIGTERM, on_terminate},
        {&service->interrupt, SIGINT, on_terminate},
        {&service->hangup, SIGHUP, on_hangup},
    };

    for (size_t i = 0; i < array_count(signals); i++) {
        check(uv_signal_init(loop, signals[i].handle) == 0);
        signals[i].handle->data = service;
        check(uv_signal_start(signals[i].handle, signals[i].called, signals[i].number) == 0);
    }
    uv_timer_t *const timers[] = {&service->settle, &service->settle_end, &service->master_timer,
                                  &service->close_timer};
    for (size_t i = 0; i < array_count(timers); i++) {
        check(uv_timer_init(loop, timers[i]) == 0);
        timers[i]->data = service;
    }
}

static int open_shell(struct service *service, char reason[SHELL_REASON_BYTES])
{
    const struct config *config = service->config;
    struct shell_config shell = {.slot_count = config->slots_max,
                                 .window = config->window,
                                 .chunk_bytes = IMAGE_CHUNK_BYTES,
                                 .engine = config->engine,
                                 .pool_bytes = config->pool_bytes,
                                 .useful_bytes = UINT64_MAX,
                                 .stall_ns = config->stall_ms * NS_PER_MS,
                                 .unplug_ns = UNPLUG_NS_DEFAULT};

    service->shell.loop = &service->loop;
    service->shell.context = service;
    service->shell.changed = on_changed;
    service->shell.quiet = on_quiet;
    int error = shell_open(&service->shell, &shell, reason);
    if (error != 0)
        return error;
    if (service->shell.engine_note[0] != '\0')
        log_message(LOG_LEVEL_WARNING, "not the fast I/O engine: %s", service->shell.engine_note);
    apply_policy(service);
    service->images = images_open(&service->loop, &service->shell.mailbox);
    if (service->images != NULL)
        return 0;
    (void)snprintf(reason, SHELL_REASON_BYTES, "cannot start the thread that opens images: %s",
                   strerror(errno));
    return -1;
}

static const char *rig_name(void *context)
{
    const struct service *service = context;
    return service->config->rig;
}

static int open_parts(struct service *service, char reason[SHELL_REASON_BYTES])
{
    struct server_events events = {.context = service, .request = requests_answer, .rig = rig_name};

    if (open_shell(service, reason) != 0)
        return -1;
    service->server = server_open(&service->loop, service->config->runtime, &events, reason);
    if (service->server == NULL)
        return -1;
    return rig_open(service, reason);
}

int service_run(const char *config_file)
{
    static struct service service;
    char reason[WIRE_REASON_BYTES] = "";

    _Static_assert((int)WIRE_REASON_BYTES >= (int)SHELL_REASON_BYTES, "a shell's reason fits");
    log_open();
    service.config_file = config_file;
    service.config = load(config_file, reason);
    if (service.config == NULL)
        return 2;
    check(uv_loop_init(&service.loop) == 0);
    start_handles(&service);
    if (open_parts(&service, reason) != 0) {
        log_message(LOG_LEVEL_ERROR, "%s", reason);
        if (service.server != NULL)
            server_close(service.server);
        return 1;
    }
    service.watchdog =
        watchdog_start(&service.loop, service.shell.hashers, service.shell.kernel_engine);
    arming_start(&service);
    log_message(LOG_LEVEL_NOTICE, "ready: %u slots, %s, %s", service.shell.slot_count,
                shell_engine_name(&service.shell),
                service.config->arm_on_start ? "arming as soon as the rig is quiet" : "disarmed");
    service_tell_manager(&service);
    watchdog_ready();
    (void)uv_run(&service.loop, UV_RUN_DEFAULT);
    if (service.watchdog != NULL)
        watchdog_stop(service.watchdog);
    server_close(service.server);
    return 0;
}
