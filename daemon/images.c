// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/images.h"

#include "lib/base/check.h"
#include "lib/base/container.h"
#include "lib/image/catalogue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Happy path: a thread opens what is asked for, and the loop gets it.
 *
 * Failure mode: the catalogue's disk or share does not answer, and the thread hangs. The load is
 * then given up, and the next one gets a thread of its own; what comes late is closed. */

struct load {
    struct task task;
    struct images *images;
    bool given_up;
    char directory[PATH_MAX];
    char name[MANIFEST_NAME_BYTES];
    uint32_t chunk_bytes;
    struct image_set set;
};

/* A source, and the errand to close it. */
struct image_file {
    struct source source;
    struct task closing;
};

struct images {
    struct mailbox *mailbox;
    struct worker *worker; /* NULL: the one before hangs */
    struct load *load;     /* that goes on; else NULL */
    unsigned hung;         /* loads that were given up and are not back */
    uv_timer_t patience;
    void (*done)(void *context, const struct image_set *set);
    void *context;
};

/* 0 or -errno. */
static int need_worker(struct images *images)
{
    if (images->worker == NULL)
        images->worker = worker_start("images", 1, images->mailbox);
    return images->worker != NULL ? 0 : -errno;
}

struct images *images_open(uv_loop_t *loop, struct mailbox *mailbox)
{
    struct images *images = calloc(1, sizeof(*images));

    if (images == NULL)
        return NULL;
    images->mailbox = mailbox;
    int error = need_worker(images);
    if (error != 0) {
        free(images);
        errno = -error;
        return NULL;
    }
    check(uv_timer_init(loop, &images->patience) == 0);
    images->patience.data = images;
    return images;
}

static void run_closing(struct task *task)
{
    source_close(&container_of(task, struct image_file, closing)->source);
}

static void on_source_closed(struct mail *mail)
{
    free(container_of(mail, struct image_file, closing.done));
}

void images_close_source(struct images *images, struct source *source)
{
    struct image_file *file = container_of(source, struct image_file, source);

    file->closing.run = run_closing;
    file->closing.done.deliver = on_source_closed;
    if (need_worker(images) == 0) {
        worker_submit(images->worker, &file->closing);
        return;
    }
    run_closing(&file->closing);
    free(file);
}

enum wire_error images_error(int error)
{
    switch (error) {
    case -EBADMSG:
    case -ESTALE:
        return WIRE_ERROR_IMAGE_UNTRUSTED;
    case -ENOMEM:
        return WIRE_ERROR_NO_MEMORY;
    default:
        return WIRE_ERROR_IMAGE_MISSING;
    }
}

bool images_same(const struct source *one, const struct source *other)
{
    const struct stat *first = &one->opened;
    const struct stat *second = &other->opened;

    return first->st_dev == second->st_dev && first->st_ino == second->st_ino &&
           first->st_size == second->st_size && first->st_mtim.tv_sec == second->st_mtim.tv_sec &&
           first->st_mtim.tv_nsec == second->st_mtim.tv_nsec &&
           first->st_ctim.tv_sec == second->st_ctim.tv_sec &&
           first->st_ctim.tv_nsec == second->st_ctim.tv_nsec &&
           digest_equal(one->whole, other->whole);
}

static int open_one(struct load *load, const char *name, char reason[IMAGE_REASON_BYTES])
{
    struct image_file *file = calloc(1, sizeof(*file));
    char path[PATH_MAX];

    if (file == NULL) {
        (void)snprintf(reason, IMAGE_REASON_BYTES, "no memory for another image");
        return -ENOMEM;
    }
    struct source *source = &file->source;
    /* By its path, for a name alone could also be a file in the working directory. */
    int error = catalogue_image_path(load->directory, name, path, sizeof(path));
    if (error == 0)
        error = source_open(source, path, NULL, NULL, reason);
    if (error == 0 && source->image.chunk_bytes != load->chunk_bytes) {
        (void)snprintf(reason, IMAGE_REASON_BYTES,
                       "the image %s was added with other chunks; add it again with "
                       "`drivepress image add`",
                       name);
        source_close(source);
        error = -EBADMSG;
    }
    if (error == 0 && !source->has_manifest) {
        (void)snprintf(reason, IMAGE_REASON_BYTES,
                       "the image %s has no manifest; add it with `drivepress image add`", name);
        source_close(source);
        error = -EBADMSG;
    }
    if (error == 0)
        load->set.sources[load->set.count++] = source;
    else
        free(file);
    return error;
}

static void skip(struct image_set *set, const char *reason)
{
    if (set->skipped++ == 0)
        (void)snprintf(set->reason, sizeof(set->reason), "%s", reason);
}

static void open_all(struct load *load)
{
    struct image_set *set = &load->set;
    struct catalogue catalogue;
    char reason[IMAGE_REASON_BYTES] = "";

    set->error = catalogue_list(&catalogue, load->directory, set->reason);
    if (set->error != 0)
        return;
    for (size_t i = 0; i < catalogue.count; i++) {
        const struct catalogue_entry *entry = &catalogue.entries[i];
        if (entry->error != 0)
            skip(set, entry->reason);
        else if (set->count == IMAGES_MAX / 2)
            skip(set, "there are too many images to choose from; remove some");
        else if (open_one(load, entry->name, reason) != 0)
            skip(set, reason);
    }
    catalogue_free(&catalogue);
    if (set->count > 0)
        return;
    set->error = set->skipped > 0 ? -EBADMSG : -ENOENT;
    if (set->skipped == 0)
        (void)snprintf(set->reason, sizeof(set->reason),
                       "there is no image in %.*s: add one with `drivepress image add`",
                       CATALOGUE_SHOWN_BYTES, load->directory);
}

static void run_load(struct task *task)
{
    struct load *load = container_of(task, struct load, task);

    if (strcmp(load->name, "auto") == 0)
        open_all(load);
    else
        load->set.error = open_one(load, load->name, load->set.reason);
}

static void on_loaded(struct mail *mail)
{
    struct load *load = container_of(mail, struct load, task.done);
    struct images *images = load->images;

    if (load->given_up) {
        images->hung--;
        for (uint32_t i = 0; i < load->set.count; i++)
            images_close_source(images, load->set.sources[i]);
    } else {
        images->load = NULL;
        (void)uv_timer_stop(&images->patience);
        images->done(images->context, &load->set);
    }
    free(load);
}

void images_give_up(struct images *images)
{
    if (images->load == NULL)
        return;
    images->load->given_up = true;
    images->load = NULL;
    images->hung++;
    (void)uv_timer_stop(&images->patience);
    worker_release(images->worker);
    images->worker = NULL;
}

static void on_patience(uv_timer_t *timer)
{
    struct images *images = timer->data;
    static struct image_set set;

    set.error = -ETIMEDOUT;
    (void)snprintf(set.reason, sizeof(set.reason), "the catalogue %.*s does not answer",
                   CATALOGUE_SHOWN_BYTES, images->load->directory);
    images_give_up(images);
    images->done(images->context, &set);
}

int images_load(struct images *images, const char *directory, const char *name,
                uint32_t chunk_bytes, uint64_t wait_ms,
                void (*done)(void *context, const struct image_set *set), void *context)
{
    check(images->load == NULL);
    if (images->hung == IMAGES_HUNG_MAX)
        return -EBUSY;
    int error = need_worker(images);
    struct load *load = error == 0 ? calloc(1, sizeof(*load)) : NULL;
    if (load == NULL)
        return error != 0 ? error : -ENOMEM;
    load->images = images;
    load->chunk_bytes = chunk_bytes;
    (void)snprintf(load->directory, sizeof(load->directory), "%s", directory);
    (void)snprintf(load->name, sizeof(load->name), "%s", name);
    load->task.run = run_load;
    load->task.done.deliver = on_loaded;
    images->load = load;
    images->done = done;
    images->context = context;
    check(uv_timer_start(&images->patience, on_patience, wait_ms, 0) == 0);
    worker_submit(images->worker, &load->task);
    return 0;
}
