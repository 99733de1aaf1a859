// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/watchdog.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/container.h"
#include "lib/base/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

/* Happy path: at half the manager's interval a round begins, in which every part is asked whether
 * it is there; when the last one has answered, on the loop, the watchdog is fed. A part that is
 * late thus has the whole interval since the last feeding. Failure mode: a part that never answers
 * holds the round open and no other begins, until the manager restarts the daemon.
 *
 * What cannot be told to the manager is nobody's trouble: it is told again, or there is none. */

enum part { PART_HASHERS = 1, PART_KERNEL = 2 };

struct watchdog {
    struct worker *hashers;
    struct io_engine *kernel;
    uv_timer_t timer;
    struct mail roll;
    unsigned missing; /* parts that have not answered in this round */
    bool enabled;     /* the manager wants to be fed */
    bool stopped;
    bool closed; /* the timer is */
};

static void free_if_done(struct watchdog *watchdog)
{
    if (watchdog->closed && watchdog->missing == 0)
        free(watchdog);
}

static void answer(struct watchdog *watchdog, enum part part)
{
    check((watchdog->missing & (unsigned)part) != 0);
    watchdog->missing &= ~(unsigned)part;
    if (watchdog->stopped)
        free_if_done(watchdog);
    else if (watchdog->missing == 0)
        (void)sd_notify(0, "WATCHDOG=1");
}

static void on_roll(struct mail *mail)
{
    answer(container_of(mail, struct watchdog, roll), PART_HASHERS);
}

static void on_probe(void *context)
{
    answer(context, PART_KERNEL);
}

static void on_timer(uv_timer_t *timer)
{
    struct watchdog *watchdog = container_of(timer, struct watchdog, timer);
    const struct io_engine *kernel = watchdog->kernel;

    if (watchdog->missing != 0)
        return;
    watchdog->missing = PART_HASHERS;
    worker_call_roll(watchdog->hashers, &watchdog->roll);
    if (kernel != NULL && kernel->ops->probe != NULL) {
        watchdog->missing |= PART_KERNEL;
        kernel->ops->probe(watchdog->kernel, on_probe, watchdog);
    }
}

struct watchdog *watchdog_start(uv_loop_t *loop, struct worker *hashers, struct io_engine *kernel)
{
    struct watchdog *watchdog = calloc(1, sizeof(*watchdog));
    uint64_t interval_us = 0;

    if (watchdog == NULL)
        return NULL;
    watchdog->hashers = hashers;
    watchdog->kernel = kernel;
    watchdog->roll.deliver = on_roll;
    watchdog->enabled = sd_watchdog_enabled(0, &interval_us) > 0;
    if (!watchdog->enabled)
        return watchdog;
    uint64_t round_ms = max_u64(interval_us / 2 / (NS_PER_MS / NS_PER_US), 1);
    check(uv_timer_init(loop, &watchdog->timer) == 0);
    check(uv_timer_start(&watchdog->timer, on_timer, 0, round_ms) == 0);
    return watchdog;
}

static void on_closed(uv_handle_t *handle)
{
    struct watchdog *watchdog = handle->data;

    watchdog->closed = true;
    free_if_done(watchdog);
}

void watchdog_stop(struct watchdog *watchdog)
{
    if (!watchdog->enabled) {
        free(watchdog);
        return;
    }
    watchdog->stopped = true;
    if ((watchdog->missing & PART_HASHERS) != 0 && worker_cancel_roll(watchdog->hashers))
        watchdog->missing &= ~(unsigned)PART_HASHERS;
    watchdog->timer.data = watchdog;
    uv_close((uv_handle_t *)&watchdog->timer, on_closed);
}

/* --- Telling the manager ---------------------------------------------------------------------- */

void watchdog_ready(void)
{
    (void)sd_notify(0, "READY=1");
}

void watchdog_reloading(void)
{
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_now_ns() / NS_PER_US);
}

void watchdog_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

void watchdog_status(const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text_clean(text);
    (void)sd_notifyf(0, "STATUS=%s", text);
}
