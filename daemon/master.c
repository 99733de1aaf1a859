// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/master.h"

#include "lib/base/check.h"
#include "lib/base/container.h"
#include "lib/image/hash.h"

#include <errno.h>

/* Enough to keep a disk's queue filled and to hash on several processors beside it. */
enum { READERS = 4 };

int master_open(struct master *master, struct mailbox *mailbox,
                void (*event)(void *context, const struct event *event), void *context)
{
    *master = (struct master){.event = event, .context = context};
    for (uint32_t i = 0; i < LOADS_MAX; i++)
        master->loads[i].master = master;
    master->readers = worker_start("master", READERS, mailbox);
    return master->readers == NULL ? -errno : 0;
}

static void run_load(struct task *task)
{
    struct master_load *load = container_of(task, struct master_load, task);
    const struct source *source = load->source;

    load->error = source_read_chunk(source, load->chunk, load->data);
    if (load->error == 0)
        load->digest = hash_bytes(load->data, image_chunk_length(&source->image, load->chunk));
}

static void on_loaded(struct mail *mail)
{
    struct master_load *load = container_of(mail, struct master_load, task.done);
    struct master *master = load->master;
    struct event event = {.type = EVENT_LOADED};

    event.transfer.result = load->error == 0 ? IO_OK : IO_ERROR;
    event.transfer.buffer = load->buffer;
    event.transfer.chunk = load->chunk;
    event.transfer.digest = load->digest;
    if (load->error == 0)
        master->read_bytes += image_chunk_length(&load->source->image, load->chunk);
    else
        master->last_errors[load->image] = load->error;
    load->used = false;
    master->event(master->context, &event);
}

void master_load(struct master *master, uint32_t image, const struct source *source,
                 uint32_t buffer, uint32_t chunk, void *data)
{
    uint32_t i = 0;

    while (i < LOADS_MAX && master->loads[i].used)
        i++;
    check(i < LOADS_MAX);
    struct master_load *load = &master->loads[i];
    load->used = true;
    load->source = source;
    load->image = image;
    load->buffer = buffer;
    load->chunk = chunk;
    load->data = data;
    load->task.run = run_load;
    load->task.done.deliver = on_loaded;
    worker_submit(master->readers, &load->task);
}
