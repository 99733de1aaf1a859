// SPDX-License-Identifier: GPL-3.0-or-later
/* The happy path of adding: lock the directory, copy to a hidden file while hashing, write the
 * manifest to another one, make both durable, rename the manifest and then the copy to their names.
 * The last rename is what makes it an image. */
#include "lib/image/catalogue.h"

#include "lib/base/text.h"
#include "lib/image/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* What is being made. One name for all, so that the next one takes the place of what a crash left;
 * manifest_write() does so by itself. */
#define COPY_NAME     ".adding"
#define MANIFEST_NAME COPY_NAME MANIFEST_SUFFIX

static int fits(int length, size_t path_bytes)
{
    return length < 0 || (size_t)length >= path_bytes ? -ENAMETOOLONG : 0;
}

static void add_place(struct catalogue_places *places, const char *directory, const char *below)
{
    char *path = places->paths[places->count];
    if (fits(snprintf(path, PATH_MAX, "%s%s", directory, below), PATH_MAX) == 0)
        places->count++;
}

void catalogue_places_find_with(struct catalogue_places *places, const char *chosen,
                                const char *system_directory)
{
    const char *wanted = getenv("DRIVEPRESS_IMAGES");
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");

    places->count = 0;
    if (chosen == NULL && wanted != NULL && wanted[0] != '\0')
        chosen = wanted;
    if (chosen != NULL) {
        add_place(places, chosen, "");
        return;
    }
    if (access(system_directory, R_OK | X_OK) == 0)
        add_place(places, system_directory, "");
    /* The XDG specification: a relative path there is invalid and to be ignored. */
    if (data != NULL && data[0] == '/')
        add_place(places, data, "/drivepress/images");
    else if (home != NULL && home[0] != '\0')
        add_place(places, home, "/.local/share/drivepress/images");
}

void catalogue_places_find(struct catalogue_places *places, const char *chosen)
{
    catalogue_places_find_with(places, chosen, CATALOGUE_SYSTEM_DIRECTORY);
}

const char *catalogue_place_to_add(const struct catalogue_places *places)
{
    for (unsigned i = 0; i + 1 < places->count; i++) {
        if (access(places->paths[i], W_OK | X_OK) == 0)
            return places->paths[i];
    }
    return places->count > 0 ? places->paths[places->count - 1] : NULL;
}

const char *catalogue_places_text(const struct catalogue_places *places, char *text,
                                  size_t text_bytes)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < places->count && used < text_bytes; i++) {
        const char *path = places->paths[i];
        size_t length = strlen(path);
        if (length > CATALOGUE_SHOWN_BYTES - 8)
            path += length - (CATALOGUE_SHOWN_BYTES - 8);
        used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", i > 0 ? " or " : "", path);
    }
    return text;
}

const char *catalogue_list_command(const char *chosen, char *text, size_t text_bytes)
{
    char word[CATALOGUE_SHOWN_BYTES];

    if (chosen == NULL)
        (void)snprintf(text, text_bytes, "`drivepress image list`");
    else
        (void)snprintf(text, text_bytes, "`drivepress image list --images %s`",
                       text_shell_word(word, sizeof(word), chosen, "DIR"));
    return text;
}

int catalogue_image_path(const char *directory, const char *name, char *path, size_t path_bytes)
{
    return fits(snprintf(path, path_bytes, "%s/%s" CATALOGUE_IMAGE_SUFFIX, directory, name),
                path_bytes);
}

static int image_paths(const char *directory, const char *name, char image_path[PATH_MAX],
                       char manifest_path[PATH_MAX])
{
    int error = catalogue_image_path(directory, name, image_path, PATH_MAX);
    if (error != 0)
        return error;
    return fits(snprintf(manifest_path, PATH_MAX, "%s" MANIFEST_SUFFIX, image_path), PATH_MAX);
}

/* --- Adding ----------------------------------------------------------------------------------- */

/* As mkdir -p. */
static int make_directories(const char *directory)
{
    char path[PATH_MAX];
    int error = fits(snprintf(path, sizeof(path), "%s", directory), sizeof(path));

    for (char *at = path; error == 0 && *at != '\0'; at++) {
        if (*at != '/' || at == path)
            continue;
        *at = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            error = -errno;
        *at = '/';
    }
    if (error == 0 && mkdir(path, 0755) != 0 && errno != EEXIST)
        error = -errno;
    return error;
}

/* Returns a descriptor of the directory that holds its lock until it is closed, or -errno. */
static int lock_directory(const char *directory, char reason[IMAGE_REASON_BYTES])
{
    int error = make_directories(directory);
    int fd = error != 0 ? -1 : open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (error == 0 && fd < 0)
        error = -errno;
    if (error != 0) {
        reason_format(reason,
                      "%s: cannot use this directory for images: %s; name another one with "
                      "--images",
                      reason_path(directory), strerror(-error));
        return error;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    error = errno == EWOULDBLOCK ? -EBUSY : -errno;
    if (error == -EBUSY)
        reason_format(reason, "%s: another image is being added right now; wait until that is done",
                      reason_path(directory));
    else
        reason_format(reason,
                      "%s: cannot lock this directory: %s; name one on a local disk with "
                      "--images",
                      reason_path(directory), strerror(-error));
    (void)close(fd);
    return error;
}

struct addition {
    const char *directory;
    const char *name;
    const char *source_path;
    char image_path[PATH_MAX];
    char manifest_path[PATH_MAX];
    int directory_fd;
    int copy_fd;
    char *reason;
};

static int refuse_write(const struct addition *self, int error)
{
    reason_format(self->reason,
                  "%s: the image cannot be written there: %s; free some space or "
                  "name another directory with --images",
                  reason_path(self->directory), strerror(-error));
    return error;
}

static int begin_copy(struct addition *self)
{
    struct stat source;
    int fd = -1;

    int error = file_open_image(self->source_path, &fd, &source, self->reason);
    if (error != 0)
        return error;
    (void)close(fd);
    if (unlinkat(self->directory_fd, COPY_NAME, 0) != 0 && errno != ENOENT)
        return refuse_write(self, -errno);
    self->copy_fd = openat(self->directory_fd, COPY_NAME,
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (self->copy_fd < 0)
        return refuse_write(self, -errno);
    /* A disk that is too full is known now and not after minutes. */
    if (fallocate(self->copy_fd, 0, 0, source.st_size) != 0 && (errno == ENOSPC || errno == EFBIG))
        return refuse_write(self, -errno);
    return 0;
}

/* The manifest first: a manifest without its image is not looked at, and one of an older image of
 * this name is in the way of nothing. */
static int publish(const struct addition *self)
{
    if (renameat(self->directory_fd, MANIFEST_NAME, AT_FDCWD, self->manifest_path) != 0)
        return -errno;
    int error = 0;
    if (renameat(self->directory_fd, COPY_NAME, AT_FDCWD, self->image_path) != 0 ||
        (fsync(self->directory_fd) != 0 && errno != EINVAL))
        error = -errno;
    if (error != 0) {
        (void)unlink(self->image_path);
        (void)unlink(self->manifest_path);
    }
    return error;
}

/* The copy's size is what was read: the file may have grown or shrunk after begin_copy(). */
static int finish_copy(struct addition *self, const struct manifest *manifest)
{
    char path[PATH_MAX];

    if (ftruncate(self->copy_fd, (off_t)manifest->size_bytes) != 0 || fsync(self->copy_fd) != 0)
        return refuse_write(self, -errno);
    int error =
        fits(snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, self->directory), sizeof(path));
    if (error != 0)
        return refuse_write(self, error);
    error = manifest_write(manifest, path, self->reason);
    if (error != 0)
        return error;
    error = publish(self);
    return error == 0 ? 0 : refuse_write(self, error);
}

static int add_locked(struct addition *self, manifest_progress *progress, void *context,
                      struct manifest *manifest)
{
    struct stat status;

    if (lstat(self->image_path, &status) == 0) {
        reason_format(self->reason,
                      "%s: there is already an image of this name; choose another with --name, or "
                      "delete this file and its " MANIFEST_SUFFIX " first",
                      reason_path(self->image_path));
        return -EEXIST;
    }
    int error = begin_copy(self);
    if (error == 0)
        error = manifest_compute(manifest, self->name, self->source_path, self->copy_fd, progress,
                                 context, self->reason);
    if (error == 0) {
        error = finish_copy(self, manifest);
        if (error != 0)
            manifest_free(manifest);
    }
    if (error != 0 && self->copy_fd >= 0) {
        (void)unlinkat(self->directory_fd, COPY_NAME, 0);
        (void)unlinkat(self->directory_fd, MANIFEST_NAME, 0);
    }
    if (self->copy_fd >= 0)
        (void)close(self->copy_fd);
    return error;
}

int catalogue_add(const char *directory, const char *name, const char *image_path,
                  manifest_progress *progress, void *context, struct manifest *manifest,
                  char reason[IMAGE_REASON_BYTES])
{
    struct addition self = {.directory = directory,
                            .name = name,
                            .source_path = image_path,
                            .copy_fd = -1,
                            .reason = reason};

    *manifest = (struct manifest){0};
    int error = manifest_check_name(name, reason);
    if (error != 0)
        return error;
    error = image_paths(directory, name, self.image_path, self.manifest_path);
    if (error != 0)
        return refuse_write(&self, error);
    self.directory_fd = lock_directory(directory, reason);
    if (self.directory_fd < 0)
        return self.directory_fd;
    error = add_locked(&self, progress, context, manifest);
    (void)close(self.directory_fd);
    return error;
}

/* --- Looking ---------------------------------------------------------------------------------- */

/* catalogue_find for a name that is valid. */
static int load_image(const char *directory, const char *name, struct manifest *manifest,
                      char reason[IMAGE_REASON_BYTES])
{
    char path[PATH_MAX];
    char manifest_path[PATH_MAX];
    struct stat status;
    int fd = -1;

    int error = image_paths(directory, name, path, manifest_path);
    if (error != 0) {
        reason_format(reason, "%s: this path is too long; use a shorter one",
                      reason_path(directory));
        return error;
    }
    error = file_open_image(path, &fd, &status, reason);
    if (error != 0)
        return error;
    (void)close(fd);
    error = manifest_load_for(manifest, manifest_path, path, (uint64_t)status.st_size, reason);
    return error == -ENOENT ? -EBADMSG : error;
}

int catalogue_find(const char *directory, const char *name, struct manifest *manifest,
                   char reason[IMAGE_REASON_BYTES])
{
    *manifest = (struct manifest){0};
    int error = manifest_check_name(name, reason);
    if (error == 0)
        error = load_image(directory, name, manifest, reason);
    if (error == -ENOENT) {
        char list[CATALOGUE_COMMAND_BYTES];
        reason_format(reason, "%s: there is no image '%s' here; %s shows all",
                      reason_path(directory), name,
                      catalogue_list_command(directory, list, sizeof(list)));
    }
    return error;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct catalogue_entry *)a)->name,
                  ((const struct catalogue_entry *)b)->name);
}

/* Notes the name that an image file stands for. */
static int note_name(struct catalogue *catalogue, const char *file_name)
{
    char name[MANIFEST_NAME_BYTES];
    const char *suffix = strrchr(file_name, '.');
    size_t length = suffix == NULL ? 0 : (size_t)(suffix - file_name);

    if (length == 0 || length > MANIFEST_NAME_LENGTH_MAX ||
        strcmp(suffix, CATALOGUE_IMAGE_SUFFIX) != 0)
        return 0;
    memcpy(name, file_name, length);
    name[length] = '\0';
    if (!manifest_name_valid(name))
        return 0;
    if (catalogue->count == CATALOGUE_IMAGES_MAX)
        return -E2BIG;
    size_t count = catalogue->count;
    if ((count & (count - 1)) == 0) { /* full: its room is the next power of two */
        size_t room = count == 0 ? 1 : 2 * count;
        void *grown = reallocarray(catalogue->entries, room, sizeof(*catalogue->entries));
        if (grown == NULL)
            return -ENOMEM;
        catalogue->entries = grown;
    }
    struct catalogue_entry *entry = &catalogue->entries[catalogue->count++];
    *entry = (struct catalogue_entry){0};
    memcpy(entry->name, name, length + 1);
    return 0;
}

static int note_names(struct catalogue *catalogue, DIR *stream)
{
    for (;;) {
        errno = 0;
        const struct dirent *found = readdir(stream);
        if (found == NULL)
            return -errno;
        int error = note_name(catalogue, found->d_name);
        if (error != 0)
            return error;
    }
}

int catalogue_list(struct catalogue *catalogue, const char *directory,
                   char reason[IMAGE_REASON_BYTES])
{
    *catalogue = (struct catalogue){0};
    DIR *stream = opendir(directory);
    if (stream == NULL && errno == ENOENT)
        return 0;
    int error = stream == NULL ? -errno : note_names(catalogue, stream);
    if (stream != NULL)
        (void)closedir(stream);
    if (error != 0) {
        reason_format(reason,
                      "%s: cannot list the images there: %s; check the directory, or name "
                      "another one with --images",
                      reason_path(directory), strerror(-error));
        catalogue_free(catalogue);
        return error;
    }
    if (catalogue->count > 1)
        qsort(catalogue->entries, catalogue->count, sizeof(*catalogue->entries), compare_entries);
    for (size_t i = 0; i < catalogue->count; i++) {
        struct catalogue_entry *entry = &catalogue->entries[i];
        entry->error = load_image(directory, entry->name, &entry->manifest, entry->reason);
    }
    return 0;
}

void catalogue_free(struct catalogue *catalogue)
{
    for (size_t i = 0; i < catalogue->count; i++)
        manifest_free(&catalogue->entries[i].manifest);
    free(catalogue->entries);
    *catalogue = (struct catalogue){0};
}
