// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/io.h"

#include "lib/base/check.h"
#include "lib/base/units.h"

#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The engine that submits to the kernel's io_uring on the loop's thread. Completions arrive through
 * an eventfd that the loop polls.
 *
 * Happy path: submit queues an SQE with a registered file and buffer, kick hands the batch to the
 * kernel, the eventfd wakes the loop, and each completion calls `done`. A short transfer is
 * continued from where it ended. When registering is not allowed (RLIMIT_MEMLOCK of an unprivileged
 * user) plain descriptors and buffers are used.
 *
 * Failure modes: a request that the block layer must split into more pieces than its queue has tags
 * is handed to io_uring's own worker threads and blocks there. Their number is bounded (by default
 * 4 x CPUs), so some hung drives would starve all others; the limit is therefore raised to what all
 * drives can have in flight. */

/* The kernel takes at most 1 GiB per registered buffer (io_uring/rsrc.c). Half of that is a
 * multiple of every chunk size, so that no chunk crosses from one region to the next. */
#define REGION_BYTES (512 * MIB)

/* How often a request is tried that the kernel puts off or that makes no progress. */
enum { ATTEMPTS_MAX = 16 };

struct uring_engine {
    struct io_engine engine;
    struct io_uring ring;
    int event_fd;
    uv_poll_t poll;
    struct iovec pool;
    bool buffers_registered;
    uint32_t file_count; /* of the registered file table; 0: not registered */
    bool *file_used;
    struct {
        void (*done)(void *context); /* NULL: there is none */
        void *context;
    } probe;
};

/* io_drive.engine_state is the drive's place in the registered file table, or this. */
enum { NOT_REGISTERED = -1 };

static struct uring_engine *uring_of(struct io_engine *engine)
{
    return (struct uring_engine *)(void *)engine;
}

static struct io_uring_sqe *get_sqe(struct uring_engine *uring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    if (sqe == NULL) {
        /* The submission queue is full: hand it over and take the first of the emptied ones. */
        (void)io_uring_submit(&uring->ring);
        sqe = io_uring_get_sqe(&uring->ring);
        check(sqe != NULL);
    }
    return sqe;
}

static void prepare(struct uring_engine *uring, struct io_request *request)
{
    struct io_uring_sqe *sqe = get_sqe(uring);
    bool fixed_file = request->drive->engine_state >= 0;
    int fd = fixed_file ? request->drive->engine_state : request->drive->medium->fd;
    char *data = (char *)request->data + request->transferred_bytes;
    uint32_t left_bytes = request->length_bytes - request->transferred_bytes;
    uint64_t offset_bytes = request->offset_bytes + request->transferred_bytes;
    bool write = request->kind == IO_KIND_WRITE;

    medium_check_aligned(request->drive->medium, data, left_bytes, offset_bytes);
    if (uring->buffers_registered) {
        int region = (int)((uint64_t)(data - (char *)uring->pool.iov_base) / REGION_BYTES);
        if (write)
            io_uring_prep_write_fixed(sqe, fd, data, left_bytes, offset_bytes, region);
        else
            io_uring_prep_read_fixed(sqe, fd, data, left_bytes, offset_bytes, region);
    } else if (write) {
        io_uring_prep_write(sqe, fd, data, left_bytes, offset_bytes);
    } else {
        io_uring_prep_read(sqe, fd, data, left_bytes, offset_bytes);
    }
    if (fixed_file)
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    if (write && request->drive->medium->direct_block_bytes == 0)
        sqe->rw_flags = RWF_DSYNC;
    io_uring_sqe_set_data(sqe, request);
}

/* Takes what a completion transferred into account. Returns whether the rest is to be tried. */
static bool goes_on(struct io_request *request, int result)
{
    if (result == -EINTR || result == -EAGAIN)
        return ++request->attempts < ATTEMPTS_MAX;
    if (result <= 0)
        return false;
    uint32_t unit = request->drive->medium->direct_block_bytes;
    uint32_t transferred_bytes = request->transferred_bytes + (uint32_t)result;
    check(transferred_bytes <= request->length_bytes);
    /* Go on at a whole block; a device that never gets there has its attempts counted. */
    if (transferred_bytes < request->length_bytes && unit != 0)
        transferred_bytes -= transferred_bytes % unit;
    bool progress = transferred_bytes > request->transferred_bytes;
    request->transferred_bytes = transferred_bytes;
    return transferred_bytes < request->length_bytes &&
           (progress || ++request->attempts < ATTEMPTS_MAX);
}

static void complete(struct uring_engine *uring, struct io_request *request, int result)
{
    if (goes_on(request, result)) {
        prepare(uring, request);
        return;
    }
    bool all = request->transferred_bytes == request->length_bytes;
    /* Nothing more at this place although the capacity says so: the medium failed or went away. */
    request->error = all ? 0 : result >= 0 ? -EIO : result;
    request->drive->in_flight--;
    request->done(request);
}

static void complete_probe(struct uring_engine *uring)
{
    void (*done)(void *context) = uring->probe.done;

    uring->probe.done = NULL;
    done(uring->probe.context);
}

/* Completions that one look at the queue takes; more wait for the next. */
enum { COMPLETION_BATCH = 64 };

static void on_completions(uv_poll_t *poll, int status, int events)
{
    struct uring_engine *uring = poll->data;
    struct io_uring_cqe *cqes[COMPLETION_BATCH];
    uint64_t count_signalled;
    unsigned count;

    check(status == 0);
    (void)events;
    if (read(uring->event_fd, &count_signalled, sizeof(count_signalled)) < 0)
        check(errno == EAGAIN);
    while ((count = io_uring_peek_batch_cqe(&uring->ring, cqes, COMPLETION_BATCH)) > 0) {
        for (unsigned i = 0; i < count; i++) {
            void *data = io_uring_cqe_get_data(cqes[i]);
            int result = cqes[i]->res;
            io_uring_cqe_seen(&uring->ring, cqes[i]);
            if (data == &uring->probe)
                complete_probe(uring);
            else if (data != NULL) /* else it is the answer to a cancellation */
                complete(uring, data, result);
        }
    }
}

static int uring_add(struct io_engine *engine, struct io_drive *drive)
{
    struct uring_engine *uring = uring_of(engine);

    drive->in_flight = 0;
    drive->engine_state = NOT_REGISTERED;
    for (uint32_t i = 0; i < uring->file_count; i++) {
        if (uring->file_used[i])
            continue;
        if (io_uring_register_files_update(&uring->ring, i, &drive->medium->fd, 1) == 1) {
            uring->file_used[i] = true;
            drive->engine_state = (int)i;
        }
        break;
    }
    return 0;
}

static void uring_remove(struct io_engine *engine, struct io_drive *drive)
{
    struct uring_engine *uring = uring_of(engine);
    int none = -1;

    check(drive->in_flight == 0);
    if (drive->engine_state < 0)
        return;
    (void)io_uring_register_files_update(&uring->ring, (unsigned)drive->engine_state, &none, 1);
    uring->file_used[drive->engine_state] = false;
    drive->engine_state = NOT_REGISTERED;
}

static void uring_submit(struct io_engine *engine, struct io_request *request)
{
    request->transferred_bytes = 0;
    request->attempts = 0;
    request->error = 0;
    request->drive->in_flight++;
    prepare(uring_of(engine), request);
}

static void uring_kick(struct io_engine *engine)
{
    struct uring_engine *uring = uring_of(engine);

    if (io_uring_sq_ready(&uring->ring) > 0)
        (void)io_uring_submit(&uring->ring);
}

static void uring_cancel(struct io_engine *engine, struct io_drive *drive)
{
    struct uring_engine *uring = uring_of(engine);

    if (drive->in_flight == 0)
        return;
    struct io_uring_sqe *sqe = get_sqe(uring);
    bool fixed_file = drive->engine_state >= 0;
    io_uring_prep_cancel_fd(sqe, fixed_file ? drive->engine_state : drive->medium->fd,
                            IORING_ASYNC_CANCEL_ALL |
                                (fixed_file ? IORING_ASYNC_CANCEL_FD_FIXED : 0));
    io_uring_sqe_set_data(sqe, NULL);
}

static void uring_probe(struct io_engine *engine, void (*done)(void *context), void *context)
{
    struct uring_engine *uring = uring_of(engine);

    check(uring->probe.done == NULL);
    uring->probe.done = done;
    uring->probe.context = context;
    struct io_uring_sqe *sqe = get_sqe(uring);
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data(sqe, &uring->probe);
    uring_kick(engine);
}

static void free_engine(uv_handle_t *handle)
{
    struct uring_engine *uring = handle->data;

    if (uring->probe.done != NULL)
        complete_probe(uring);
    io_uring_queue_exit(&uring->ring);
    (void)close(uring->event_fd);
    free(uring->file_used);
    free(uring);
}

static void uring_close(struct io_engine *engine)
{
    uv_close((uv_handle_t *)&uring_of(engine)->poll, free_engine);
}

static const struct io_ops uring_ops = {
    .name = "io_uring",
    .add = uring_add,
    .remove = uring_remove,
    .submit = uring_submit,
    .kick = uring_kick,
    .cancel = uring_cancel,
    .probe = uring_probe,
    .close = uring_close,
};

/* Registering is an optimisation: without it everything works, at a little more cost. */
static void register_memory(struct uring_engine *uring, const struct io_config *config)
{
    size_t count = (config->pool.iov_len + REGION_BYTES - 1) / REGION_BYTES;
    struct iovec *regions = calloc(count, sizeof(*regions));

    if (regions == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        regions[i].iov_base = (char *)config->pool.iov_base + i * REGION_BYTES;
        regions[i].iov_len = min_u64(REGION_BYTES, config->pool.iov_len - i * REGION_BYTES);
    }
    uring->buffers_registered =
        io_uring_register_buffers(&uring->ring, regions, (unsigned)count) == 0;
    free(regions);

    /* Twice the drives: one that hangs may still hold its entry when the next is in its slot. */
    uring->file_used = calloc(config->drives_max, 2 * sizeof(bool));
    if (uring->file_used != NULL &&
        io_uring_register_files_sparse(&uring->ring, config->drives_max * 2) == 0)
        uring->file_count = config->drives_max * 2;
}

static int open_ring(struct uring_engine *uring, const struct io_config *config)
{
    unsigned entries = config->drives_max * (config->window + 1);
    /* Only the loop's thread submits, and it enters the kernel soon anyway: no interrupts for it.
     */
    struct io_uring_params params = {.flags =
                                         IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER};
    int error = io_uring_queue_init_params(entries, &uring->ring, &params);

    if (error == -EINVAL) { /* a kernel before 6.0 */
        params = (struct io_uring_params){0};
        error = io_uring_queue_init_params(entries, &uring->ring, &params);
    }
    if (error != 0)
        return error;
    unsigned workers[2] = {config->drives_max * config->window, 0};
    error = io_uring_register_iowq_max_workers(&uring->ring, workers);
    if (error == 0) {
        uring->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        error =
            uring->event_fd < 0 ? -errno : io_uring_register_eventfd(&uring->ring, uring->event_fd);
    }
    if (error == 0)
        return 0;
    if (uring->event_fd >= 0)
        (void)close(uring->event_fd);
    io_uring_queue_exit(&uring->ring);
    return error;
}

struct io_engine *io_uring_engine_open(const struct io_config *config, char reason[256])
{
    struct uring_engine *uring = calloc(1, sizeof(*uring));
    int error = -ENOMEM;

    if (uring != NULL) {
        uring->event_fd = -1;
        error = open_ring(uring, config);
    }
    if (error != 0) {
        (void)snprintf(reason, 256, "io_uring is not available: %s%s", strerror(-error),
                       error == -EPERM || error == -ENOSYS
                           ? " (see /proc/sys/kernel/io_uring_disabled, or use --engine threads)"
                           : "");
        free(uring);
        return NULL;
    }
    uring->engine.ops = &uring_ops;
    uring->pool = config->pool;
    register_memory(uring, config);
    check(uv_poll_init(config->loop, &uring->poll, uring->event_fd) == 0);
    uring->poll.data = uring;
    check(uv_poll_start(&uring->poll, UV_READABLE, on_completions) == 0);
    return &uring->engine;
}
