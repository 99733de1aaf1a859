// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/io.h"

#include "lib/base/check.h"
#include "lib/base/container.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The engine that runs each drive's requests on that drive's own thread, by the calls of its
 * medium.
 *
 * Happy path: submit queues the request's task on the drive's worker, the thread calls the medium's
 * read or write, and the task's mail brings the request back to the loop, where `done` is called.
 *
 * Failure modes: a call that hangs holds its own drive's thread only. Its request is never done, so
 * the caller must keep the request, the drive and the buffer for good. */

/* In io_drive.engine_state. It is written on the loop's thread and read on the drive's. */
enum { DRIVE_RUNNING = 0, DRIVE_CANCELLED = 1 };

static void run_request(struct task *task)
{
    struct io_request *request = container_of(task, struct io_request, task);
    struct medium *medium = request->drive->medium;

    if (__atomic_load_n(&request->drive->engine_state, __ATOMIC_RELAXED) == DRIVE_CANCELLED)
        request->error = -ECANCELED;
    else if (request->kind == IO_KIND_WRITE)
        request->error =
            medium->ops->write(medium, request->data, request->length_bytes, request->offset_bytes);
    else
        request->error =
            medium->ops->read(medium, request->data, request->length_bytes, request->offset_bytes);
}

static void deliver_request(struct mail *mail)
{
    struct io_request *request = container_of(mail, struct io_request, task.done);

    check(request->error <= 0);
    if (request->error == 0)
        request->transferred_bytes = request->length_bytes;
    request->drive->in_flight--;
    request->done(request);
}

static int threads_add(struct io_engine *engine, struct io_drive *drive)
{
    (void)engine;
    drive->in_flight = 0;
    __atomic_store_n(&drive->engine_state, DRIVE_RUNNING, __ATOMIC_RELAXED);
    return 0;
}

static void threads_remove(struct io_engine *engine, struct io_drive *drive)
{
    (void)engine;
    check(drive->in_flight == 0);
}

static void threads_submit(struct io_engine *engine, struct io_request *request)
{
    (void)engine;
    request->transferred_bytes = 0;
    request->error = 0;
    request->task.run = run_request;
    request->task.done.deliver = deliver_request;
    request->drive->in_flight++;
    worker_submit(request->drive->worker, &request->task);
}

static void threads_kick(struct io_engine *engine)
{
    (void)engine; /* the threads were woken by threads_submit */
}

static void threads_cancel(struct io_engine *engine, struct io_drive *drive)
{
    (void)engine;
    __atomic_store_n(&drive->engine_state, DRIVE_CANCELLED, __ATOMIC_RELAXED);
}

static void threads_close(struct io_engine *engine)
{
    free(engine);
}

static const struct io_ops threads_ops = {
    .name = "threads",
    .add = threads_add,
    .remove = threads_remove,
    .submit = threads_submit,
    .kick = threads_kick,
    .cancel = threads_cancel,
    .probe = NULL, /* the threads are the drives': one that hangs is that drive's fault */
    .close = threads_close,
};

struct io_engine *io_threads_engine_open(const struct io_config *config, char reason[256])
{
    struct io_engine *engine = calloc(1, sizeof(*engine));

    (void)config; /* the drives bring their threads, and the requests their memory */
    if (engine == NULL) {
        (void)snprintf(reason, 256, "no memory for the thread engine");
        return NULL;
    }
    engine->ops = &threads_ops;
    return engine;
}
