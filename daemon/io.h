// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_IO_H
#define DAEMON_IO_H

#include "daemon/mailbox.h"
#include "daemon/medium.h"
#include "daemon/worker.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

/* The contract of an I/O engine: reads and writes of many drives at once, none of which waits for
 * another. io_uring.c submits to the kernel itself; io_threads.c runs each drive's requests on that
 * drive's own thread, for simulated drives and where io_uring is not to be had. All calls and
 * completions are on the loop's thread. */

enum io_kind { IO_KIND_READ, IO_KIND_WRITE };

/* One transfer. The caller's memory, the engine's from io_submit until `done` is called. */
struct io_request {
    enum io_kind kind;
    void *data; /* in the pool of io_open, aligned for direct I/O */
    uint32_t length_bytes;
    uint64_t offset_bytes;
    struct io_drive *drive;
    int error; /* when done: 0 if all of it was transferred, else -errno */
    void (*done)(struct io_request *request);

    /* The engine's own. */
    uint32_t transferred_bytes;
    uint32_t attempts; /* that transferred nothing */
    struct task task;
};

/* A drive as an engine sees it. Embedded in the drive of drive.c. */
struct io_drive {
    struct medium *medium;
    struct worker *worker; /* the drive's own thread */
    uint32_t in_flight;    /* requests of this drive that are not done; kept by the engine */

    /* The engine's own. */
    int engine_state;
};

struct io_engine;

struct io_ops {
    const char *name;
    /* Takes an opened drive on, and lets go of it when nothing of it is in flight. */
    int (*add)(struct io_engine *engine, struct io_drive *drive);
    void (*remove)(struct io_engine *engine, struct io_drive *drive);
    /* Queues a request; it may wait for io_kick. Exactly one `done` follows, never from inside. */
    void (*submit)(struct io_engine *engine, struct io_request *request);
    /* Hands everything queued to the kernel; called at the end of each step. */
    void (*kick)(struct io_engine *engine);
    /* Asks for the drive's requests to end early. They still end by `done`, or never if the kernel
     * cannot let go of them. */
    void (*cancel)(struct io_engine *engine, struct io_drive *drive);
    /* Has the engine do nothing once, to see that it works: `done` follows. NULL: it has no
     * machinery of its own. One at a time. */
    void (*probe)(struct io_engine *engine, void (*done)(void *context), void *context);
    /* Frees the engine. Requests that the kernel still holds are abandoned. */
    void (*close)(struct io_engine *engine);
};

struct io_engine {
    const struct io_ops *ops;
};

struct io_config {
    uv_loop_t *loop;
    struct iovec pool;   /* all the memory that requests will use */
    uint32_t drives_max; /* drives that are busy at once */
    uint32_t window;     /* requests in flight per drive */
};

/* Each returns the engine, or NULL with a reason for people in `reason` (256 bytes). */
struct io_engine *io_uring_engine_open(const struct io_config *config, char reason[256]);
struct io_engine *io_threads_engine_open(const struct io_config *config, char reason[256]);

#endif
