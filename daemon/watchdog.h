// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_WATCHDOG_H
#define DAEMON_WATCHDOG_H

#include "daemon/io.h"
#include "daemon/worker.h"

#include <uv.h>

/* Tells the service manager how we are (sd_notify(3)), and feeds its watchdog: only when since the
 * last time the loop went round, every hashing thread came back from an errand, and the kernel
 * engine completed one (io_ops.probe). A part that hangs is thus restarted, and never by a drive or
 * a master that does: those have threads of their own. Does nothing where there is no service
 * manager. Loop thread. */

struct watchdog;

/* Starts feeding if the manager wants that (sd_watchdog_enabled(3)), at half its interval. `kernel`
 * may be NULL. NULL for lack of memory. */
struct watchdog *watchdog_start(uv_loop_t *loop, struct worker *hashers, struct io_engine *kernel);

/* To be called before the hashers and the engine are let go of; a thread that hangs holds nothing
 * up. The loop must run once more before it and the hashers' mailbox are closed. */
void watchdog_stop(struct watchdog *watchdog);

/* sd_notify: "READY=1", "RELOADING=1" with its MONOTONIC_USEC, "STOPPING=1", "STATUS=…". */
void watchdog_ready(void);
void watchdog_reloading(void);
void watchdog_stopping(void);
__attribute__((format(printf, 1, 2))) void watchdog_status(const char *format, ...);

#endif
