// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_DRIVE_H
#define DAEMON_DRIVE_H

#include "daemon/io.h"
#include "daemon/medium.h"
#include "daemon/worker.h"
#include "lib/base/digest.h"
#include "lib/core/event.h"
#include "lib/core/limits.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* One attachment of a drive: its thread, its medium, and the requests in flight. Turns what the
 * core asks for into calls, and their ends into events; decides nothing. Whatever can block runs on
 * the drive's own thread or in the engine, so that a dying drive holds up nobody else. Loop thread.
 */

struct drive;

/* Who a drive works for: shared by all of them, and living longer. */
struct drive_host {
    struct mailbox *mailbox;
    struct io_engine *kernel_engine; /* for media with a descriptor; may be NULL */
    struct io_engine *thread_engine; /* for all others */
    struct worker *hashers;
    void *context;
    /* An answer for the core; now_ns is left for the receiver to fill in. */
    void (*event)(void *context, const struct event *event);
    /* The drive is closed and about to be freed. */
    void (*closed)(void *context, struct drive *drive);
};

enum { DRIVE_PATH_BYTES = PATH_MAX };

struct drive_transfer {
    struct drive *drive;
    struct io_request request;
    struct task task; /* hashing, or asking after an error whether the drive is still there */
    uint32_t buffer;
    uint32_t chunk;
    struct digest digest;
    enum io_result result;
    bool used;
};

struct drive {
    struct io_drive io;
    const struct drive_host *host;
    struct io_engine *engine; /* the one that it is added to; NULL while it is not open */
    uint32_t slot;
    uint64_t attachment;
    char path[DRIVE_PATH_BYTES];
    struct medium_expected expected; /* what the path must lead to */
    bool simulated;

    struct task task; /* open, flush or close: one at a time */
    bool task_queued;
    bool for_writing;
    enum open_result open_result;
    struct drive_facts facts;
    struct medium_identity identity; /* filled in by opening; its note also by what fails later */
    enum io_result flush_result;
    int flush_error; /* -errno behind it */

    struct drive_transfer transfers[WINDOW_MAX];
    bool closing;

    /* The owner's. */
    struct drive *next;
    uint64_t appearance; /* which of its slot's: the same for a drive that is tried again */
    bool waits;          /* to be opened when it is closed from the time before */
};

/* Makes a drive for a path that leads to what is expected. Nothing is done with it yet. NULL for
 * lack of memory. */
struct drive *drive_create(const struct drive_host *host, const char *path,
                           const struct medium_expected *expected, bool simulated, uint32_t slot,
                           uint64_t attachment);

/* Frees a drive that was never to be opened. */
void drive_discard(struct drive *drive);

/* Each sends its event later, exactly once. Opening starts the drive's thread; a drive that cannot
 * be opened closes itself then. */
void drive_open(struct drive *drive, bool for_writing);
void drive_flush(struct drive *drive);

/* Reads or writes `length_bytes` at `offset_bytes` from or into data, which is buffer number
 * `buffer` of the pool. */
void drive_transfer(struct drive *drive, enum io_kind kind, uint32_t buffer, uint32_t chunk,
                    void *data, uint32_t length_bytes, uint64_t offset_bytes);

/* Cancels what can be cancelled; when nothing is in flight any more the drive is closed and freed.
 */
void drive_close(struct drive *drive);

#endif
