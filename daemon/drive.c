// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/drive.h"

#include "lib/base/check.h"
#include "lib/base/container.h"
#include "lib/image/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct drive *drive_create(const struct drive_host *host, const char *path,
                           const struct medium_expected *expected, bool simulated, uint32_t slot,
                           uint64_t attachment)
{
    struct drive *drive = calloc(1, sizeof(*drive));

    if (drive == NULL)
        return NULL;
    drive->host = host;
    drive->slot = slot;
    drive->attachment = attachment;
    drive->expected = *expected;
    drive->simulated = simulated;
    check(strlen(path) < sizeof(drive->path));
    (void)strcpy(drive->path, path);
    for (uint32_t i = 0; i < WINDOW_MAX; i++)
        drive->transfers[i].drive = drive;
    return drive;
}

void drive_discard(struct drive *drive)
{
    check(drive->io.worker == NULL);
    free(drive);
}

static void send_event(struct drive *drive, struct event *event)
{
    event->slot = drive->slot;
    event->attachment = drive->attachment;
    drive->host->event(drive->host->context, event);
}

static void submit_task(struct drive *drive, void (*run)(struct task *task),
                        void (*done)(struct mail *mail))
{
    check(!drive->task_queued);
    drive->task_queued = true;
    drive->task.run = run;
    drive->task.done.deliver = done;
    worker_submit(drive->io.worker, &drive->task);
}

static struct drive *drive_of_mail(struct mail *mail)
{
    return container_of(mail, struct drive, task.done);
}

/* --- Closing: when nothing is in flight ------------------------------------------------------- */

static void run_close(struct task *task)
{
    struct drive *drive = container_of(task, struct drive, task);
    drive->io.medium->ops->close(drive->io.medium);
}

static void free_drive(struct drive *drive)
{
    if (drive->io.worker != NULL)
        worker_release(drive->io.worker);
    drive->host->closed(drive->host->context, drive);
    free(drive);
}

static void on_closed(struct mail *mail)
{
    free_drive(drive_of_mail(mail));
}

static bool anything_in_flight(const struct drive *drive)
{
    for (uint32_t i = 0; i < WINDOW_MAX; i++) {
        if (drive->transfers[i].used)
            return true;
    }
    return drive->task_queued;
}

static void close_when_quiet(struct drive *drive)
{
    if (!drive->closing || anything_in_flight(drive))
        return;
    if (drive->engine == NULL) {
        free_drive(drive);
        return;
    }
    drive->engine->ops->remove(drive->engine, &drive->io);
    submit_task(drive, run_close, on_closed);
}

void drive_close(struct drive *drive)
{
    check(!drive->closing);
    drive->closing = true;
    if (drive->engine != NULL)
        drive->engine->ops->cancel(drive->engine, &drive->io);
    close_when_quiet(drive);
}

/* --- Opening ---------------------------------------------------------------------------------- */

static void run_open(struct task *task)
{
    struct drive *drive = container_of(task, struct drive, task);
    const struct medium_file_options options = {.expected = &drive->expected};

    if (drive->simulated)
        drive->open_result = medium_sim_open(drive->path, drive->for_writing, &drive->io.medium,
                                             &drive->facts, &drive->identity);
    else
        drive->open_result =
            medium_file_open_with(drive->path, drive->for_writing, &options, &drive->io.medium,
                                  &drive->facts, &drive->identity);
}

static void on_opened(struct mail *mail)
{
    struct drive *drive = drive_of_mail(mail);
    struct event event = {.type = EVENT_OPENED};

    drive->task_queued = false;
    if (drive->open_result == OPEN_OK) {
        bool has_descriptor = drive->io.medium->fd >= 0 && drive->host->kernel_engine != NULL;
        drive->engine = has_descriptor ? drive->host->kernel_engine : drive->host->thread_engine;
        check(drive->engine->ops->add(drive->engine, &drive->io) == 0);
    }
    event.opened.result = drive->open_result;
    event.opened.facts = drive->facts;
    send_event(drive, &event);
    if (drive->open_result != OPEN_OK)
        drive->closing = true; /* there is nothing that the core could ask to be closed */
    close_when_quiet(drive);
}

/* Without a thread the drive is not touched. The answer comes later, as always. */
static void fail_open(struct drive *drive, int error)
{
    medium_note(&drive->identity, "this machine has no thread left for it: %s", strerror(error));
    drive->open_result = OPEN_OUR_FAULT;
    drive->task_queued = true;
    drive->task.done.deliver = on_opened;
    mailbox_post(drive->host->mailbox, &drive->task.done);
}

void drive_open(struct drive *drive, bool for_writing)
{
    char thread_name[16];

    (void)snprintf(thread_name, sizeof(thread_name), "drive %u", drive->slot + 1);
    drive->for_writing = for_writing;
    drive->io.worker = worker_start(thread_name, 1, drive->host->mailbox);
    if (drive->io.worker == NULL)
        fail_open(drive, errno);
    else
        submit_task(drive, run_open, on_opened);
}

/* --- What an error means ---------------------------------------------------------------------- */

/* The parts of an error that need no look at the drive. Returns false when one is needed. */
static bool classify(const struct drive *drive, int error, enum io_result *result)
{
    if (drive->io.medium->on_file_system && (error == -ENOSPC || error == -EDQUOT))
        error = -ECANCELED;
    switch (error) {
    case 0:
        *result = IO_OK;
        return true;
    case -ENODEV:
    case -ENXIO:
        *result = IO_GONE;
        return true;
    /* Not the drive's doing: cancelled, our own fault, or a shortage or limit of this machine. What
     * a failing drive answers is in the kernel's block/blk-core.c, blk_errors[]. */
    case -ECANCELED:
    case -EAGAIN:
    case -EINTR:
    case -ENOMEM:
    case -ENOBUFS:
    case -EFAULT:
    case -EBADF:
    case -EINVAL:
    case -EBUSY:
    case -EACCES:
    case -EFBIG:
    case -ETXTBSY:
    case -EOPNOTSUPP:
        *result = IO_CANCELLED;
        return true;
    default:
        return false;
    }
}

/* A pass that ends through no fault of the drive says why. */
static void note_own_failure(struct drive *drive, enum io_result result, int error)
{
    if (result == IO_CANCELLED && error != -ECANCELED)
        medium_note(&drive->identity, "this machine failed it: %s", strerror(-error));
}

/* EIO, ENOSPC and a short transfer can all mean that the drive was pulled: ask it. */
static enum io_result ask_drive(struct drive *drive)
{
    return drive->io.medium->ops->present(drive->io.medium) ? IO_ERROR : IO_GONE;
}

/* --- Flushing --------------------------------------------------------------------------------- */

static void run_flush(struct task *task)
{
    struct drive *drive = container_of(task, struct drive, task);

    drive->flush_error = drive->io.medium->ops->flush(drive->io.medium);
    if (!classify(drive, drive->flush_error, &drive->flush_result))
        drive->flush_result = ask_drive(drive);
}

static void on_flushed(struct mail *mail)
{
    struct drive *drive = drive_of_mail(mail);
    struct event event = {.type = EVENT_FLUSHED, .flushed = drive->flush_result};

    drive->task_queued = false;
    note_own_failure(drive, drive->flush_result, drive->flush_error);
    send_event(drive, &event);
    close_when_quiet(drive);
}

void drive_flush(struct drive *drive)
{
    submit_task(drive, run_flush, on_flushed);
}

/* --- Reading and writing ---------------------------------------------------------------------- */

static void finish_transfer(struct drive_transfer *transfer)
{
    struct drive *drive = transfer->drive;
    struct event event = {.type =
                              transfer->request.kind == IO_KIND_WRITE ? EVENT_WRITTEN : EVENT_READ};

    event.transfer.result = transfer->result;
    event.transfer.buffer = transfer->buffer;
    event.transfer.chunk = transfer->chunk;
    event.transfer.digest = transfer->digest;
    transfer->used = false;
    send_event(drive, &event);
    close_when_quiet(drive);
}

static void on_task_done(struct mail *mail)
{
    finish_transfer(container_of(mail, struct drive_transfer, task.done));
}

static void run_hash(struct task *task)
{
    struct drive_transfer *transfer = container_of(task, struct drive_transfer, task);
    transfer->digest = hash_bytes(transfer->request.data, transfer->request.length_bytes);
}

static void run_ask(struct task *task)
{
    struct drive_transfer *transfer = container_of(task, struct drive_transfer, task);
    transfer->result = ask_drive(transfer->drive);
}

static void on_transferred(struct io_request *request)
{
    struct drive_transfer *transfer = container_of(request, struct drive_transfer, request);

    transfer->task.done.deliver = on_task_done;
    if (!classify(transfer->drive, request->error, &transfer->result)) {
        transfer->task.run = run_ask;
        worker_submit(transfer->drive->io.worker, &transfer->task);
    } else if (transfer->result == IO_OK && request->kind == IO_KIND_READ) {
        transfer->task.run = run_hash;
        worker_submit(transfer->drive->host->hashers, &transfer->task);
    } else {
        note_own_failure(transfer->drive, transfer->result, request->error);
        finish_transfer(transfer);
    }
}

void drive_transfer(struct drive *drive, enum io_kind kind, uint32_t buffer, uint32_t chunk,
                    void *data, uint32_t length_bytes, uint64_t offset_bytes)
{
    uint32_t i = 0;

    while (i < WINDOW_MAX && drive->transfers[i].used)
        i++;
    check(i < WINDOW_MAX && drive->engine != NULL && !drive->closing);
    struct drive_transfer *transfer = &drive->transfers[i];
    transfer->used = true;
    transfer->buffer = buffer;
    transfer->chunk = chunk;
    transfer->request.kind = kind;
    transfer->request.data = data;
    transfer->request.length_bytes = length_bytes;
    transfer->request.offset_bytes = offset_bytes;
    transfer->request.drive = &drive->io;
    transfer->request.done = on_transferred;
    drive->engine->ops->submit(drive->engine, &transfer->request);
}
