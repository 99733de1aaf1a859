// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/images.h"

#include "lib/base/check.h"
#include "lib/base/container.h"
#include "lib/image/catalogue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct images {
    struct worker *worker;
    struct task task;
    bool busy;
    char directory[PATH_MAX];
    char name[MANIFEST_NAME_BYTES];
    uint32_t chunk_bytes;
    struct image_set set;
    void (*done)(void *context, const struct image_set *set);
    void *context;
};

struct images *images_open(struct mailbox *mailbox)
{
    struct images *images = calloc(1, sizeof(*images));

    if (images == NULL)
        return NULL;
    images->worker = worker_start("images", 1, mailbox);
    if (images->worker != NULL)
        return images;
    int error = errno;
    free(images);
    errno = error;
    return NULL;
}

void images_close_source(struct source *source)
{
    source_close(source);
    free(source);
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

static int open_one(struct images *images, const char *name, char reason[IMAGE_REASON_BYTES])
{
    struct source *source = calloc(1, sizeof(*source));
    char path[PATH_MAX];

    if (source == NULL) {
        (void)snprintf(reason, IMAGE_REASON_BYTES, "no memory for another image");
        return -ENOMEM;
    }
    /* By its path, for a name alone could also be a file in the working directory. */
    int error = catalogue_image_path(images->directory, name, path, sizeof(path));
    if (error == 0)
        error = source_open(source, path, NULL, NULL, reason);
    if (error == 0 && source->image.chunk_bytes != images->chunk_bytes) {
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
        images->set.sources[images->set.count++] = source;
    else
        free(source);
    return error;
}

static void skip(struct image_set *set, const char *reason)
{
    if (set->skipped++ == 0)
        (void)snprintf(set->reason, sizeof(set->reason), "%s", reason);
}

static void open_all(struct images *images)
{
    struct image_set *set = &images->set;
    struct catalogue catalogue;
    char reason[IMAGE_REASON_BYTES] = "";

    set->error = catalogue_list(&catalogue, images->directory, set->reason);
    if (set->error != 0)
        return;
    for (size_t i = 0; i < catalogue.count; i++) {
        const struct catalogue_entry *entry = &catalogue.entries[i];
        if (entry->error != 0)
            skip(set, entry->reason);
        else if (set->count == IMAGES_MAX / 2)
            skip(set, "there are too many images to choose from; remove some");
        else if (open_one(images, entry->name, reason) != 0)
            skip(set, reason);
    }
    catalogue_free(&catalogue);
    if (set->count > 0)
        return;
    set->error = set->skipped > 0 ? -EBADMSG : -ENOENT;
    if (set->skipped == 0)
        (void)snprintf(set->reason, sizeof(set->reason),
                       "there is no image in %.*s: add one with `drivepress image add`",
                       CATALOGUE_SHOWN_BYTES, images->directory);
}

static void run_load(struct task *task)
{
    struct images *images = container_of(task, struct images, task);

    images->set.count = 0;
    images->set.skipped = 0;
    images->set.error = 0;
    images->set.reason[0] = '\0';
    if (strcmp(images->name, "auto") == 0)
        open_all(images);
    else
        images->set.error = open_one(images, images->name, images->set.reason);
}

static void on_loaded(struct mail *mail)
{
    struct images *images = container_of(mail, struct images, task.done);

    images->busy = false;
    images->done(images->context, &images->set);
}

void images_load(struct images *images, const char *directory, const char *name,
                 uint32_t chunk_bytes, void (*done)(void *context, const struct image_set *set),
                 void *context)
{
    check(!images->busy);
    images->busy = true;
    (void)snprintf(images->directory, sizeof(images->directory), "%s", directory);
    (void)snprintf(images->name, sizeof(images->name), "%s", name);
    images->chunk_bytes = chunk_bytes;
    images->done = done;
    images->context = context;
    images->task.run = run_load;
    images->task.done.deliver = on_loaded;
    worker_submit(images->worker, &images->task);
}
