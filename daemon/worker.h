// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_WORKER_H
#define DAEMON_WORKER_H

#include "daemon/mailbox.h"

#include <stdbool.h>

/* Threads that block so that the loop never does: a first-in first-out queue of tasks and one or
 * more threads that serve it. Every drive has one with a single thread for its own calls, so that
 * a hung drive holds up nobody else. */

struct task {
    struct mail done; /* delivered on the loop's thread after run() returned */
    struct task *next;
    void (*run)(struct task *task); /* on a worker's thread */
};

struct worker;

enum { WORKER_THREADS_MAX = 64 };

/* Starts the threads. Returns the worker, or NULL with errno set. `name` (at most 15 characters)
 * is seen in ps and top. Finished tasks are mailed to `mailbox`. */
struct worker *worker_start(const char *name, unsigned thread_count, struct mailbox *mailbox);

/* Loop thread. Queues a task; it is the worker's until its mail is delivered. */
void worker_submit(struct worker *worker, struct task *task);

/* Loop thread. Calls the roll: `answered` is mailed when every thread came by between two tasks, or
 * while it had none. A thread that hangs in a task does not. One roll at a time. */
void worker_call_roll(struct worker *worker, struct mail *answered);

/* Loop thread. Gives up a roll that was called, before the worker is let go of. False when all have
 * answered meanwhile: the mail is then still delivered. */
bool worker_cancel_roll(struct worker *worker);

/* Loop thread. Lets go of a worker without waiting: its threads run what is queued, mail it, and
 * end; the last one frees the worker. Nothing may be submitted any more. A thread that hangs in the
 * kernel holds up nothing but itself. */
void worker_release(struct worker *worker);

#endif
