// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress image add: into the catalogue, or only a manifest beside the file. */
#include "lib/base/text.h"
#include "lib/base/units.h"
#include "lib/core/verdict.h"
#include "lib/image/catalogue.h"
#include "lib/image/file.h"
#include "lib/image/source.h"
#include "tools/image_progress.h"
#include "tools/image_verb.h"
#include "tools/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct addition {
    const struct image_arguments *arguments;
    const char *name;
    const char *directory; /* NULL: only a manifest */
    char path[PATH_MAX];   /* where the image is in the end */
    struct manifest manifest;
    char reason[IMAGE_REASON_BYTES];
};

static int report_added(const struct addition *self, uint64_t duration_ns)
{
    const struct manifest *manifest = &self->manifest;
    char size[UNITS_TEXT_BYTES];
    char duration[UNITS_TEXT_BYTES];
    char rate[UNITS_TEXT_BYTES];
    char word[2 * PATH_MAX];
    uint64_t padding_bytes = manifest_padded_bytes(manifest->size_bytes) - manifest->size_bytes;

    if (self->arguments->json)
        return image_print_json(
            self->arguments, image_to_json(manifest->name, self->path, manifest), EXIT_ALL_PASSED);
    units_format_bytes(size, manifest->size_bytes);
    units_format_duration(duration, duration_ns);
    units_format_bytes(rate, image_progress_rate(manifest->size_bytes, duration_ns));
    (void)printf("%s: %s, SHA-256 %s, took %s (%s/s)\n", manifest->name, size, manifest->sha256,
                 duration, rate);
    if (padding_bytes > 0)
        (void)printf("Its size is not a multiple of %d bytes: a drive gets %" PRIu64
                     " zero bytes more, which are verified too.\n",
                     IMAGE_SECTOR_BYTES, padding_bytes);
    (void)fputs("Write it with `drivepress write ", stdout);
    if (self->directory != NULL && self->arguments->images != NULL) {
        (void)fputs("--images ", stdout);
        text_say(stdout, text_shell_word(word, sizeof(word), self->arguments->images, "DIR"));
        (void)fputc(' ', stdout);
    }
    text_say(stdout, self->directory != NULL
                         ? manifest->name
                         : text_shell_word(word, sizeof(word), self->path, "FILE"));
    (void)fputs(" TARGET...`\n", stdout);
    if (self->directory != NULL && self->arguments->images == NULL && geteuid() != 0 &&
        strcmp(self->directory, CATALOGUE_SYSTEM_DIRECTORY) != 0) {
        (void)fputs("With sudo it is `sudo drivepress write --images ", stdout);
        text_say(stdout, text_shell_word(word, sizeof(word), self->directory, "DIR"));
        (void)printf(" %s TARGET...`: root keeps images of its own.\n", manifest->name);
    }
    return EXIT_ALL_PASSED;
}

/* An image of that name in another place would hide this one, or be hidden by it. */
static int check_name_is_free(struct addition *self)
{
    struct catalogue_places places;
    char path[PATH_MAX];

    catalogue_places_find(&places, self->arguments->images);
    for (unsigned i = 0; i < places.count; i++) {
        if (catalogue_image_path(places.paths[i], self->name, path, sizeof(path)) != 0 ||
            access(path, F_OK) != 0)
            continue;
        reason_format(self->reason,
                      "%s: there is already an image of this name; choose another with --name, or "
                      "delete this file and its " MANIFEST_SUFFIX " first",
                      reason_path(path));
        return -EEXIST;
    }
    return 0;
}

static int compute_beside(struct addition *self, struct image_progress *progress)
{
    char manifest_path[PATH_MAX];
    const char *file = self->arguments->operands[0];
    int length = snprintf(manifest_path, sizeof(manifest_path), "%s" MANIFEST_SUFFIX, file);

    if (length < 0 || (size_t)length >= sizeof(manifest_path)) {
        reason_format(self->reason, "this path is too long; use a shorter one");
        return -ENAMETOOLONG;
    }
    (void)snprintf(self->path, sizeof(self->path), "%s", file);
    int error = manifest_compute(&self->manifest, self->name, file, -1, image_reading_step,
                                 progress, self->reason);
    if (error != 0)
        return error;
    error = manifest_save(&self->manifest, manifest_path, self->reason);
    if (error != 0)
        manifest_free(&self->manifest);
    return error;
}

static int copy_into_catalogue(struct addition *self, struct image_progress *progress)
{
    int error = check_name_is_free(self);
    if (error == 0)
        error = catalogue_add(self->directory, self->name, self->arguments->operands[0],
                              image_reading_step, progress, &self->manifest, self->reason);
    if (error == 0)
        error = catalogue_image_path(self->directory, self->name, self->path, sizeof(self->path));
    return error;
}

static void warn_of_compression(const struct addition *self)
{
    const char *file = self->arguments->operands[0];
    char unused[IMAGE_REASON_BYTES];
    struct stat status;
    int fd = -1;

    if (file_open_image(file, &fd, &status, unused) != 0)
        return; /* told when it is read */
    const char *compression = file_compression(fd);
    (void)close(fd);
    if (compression != NULL)
        text_complain("image add", SOURCE_COMPRESSED_WARNING, file, compression);
}

static int add_and_report(struct addition *self)
{
    const struct image_arguments *arguments = self->arguments;
    struct image_progress progress;

    warn_of_compression(self);
    image_progress_begin(&progress, self->name, "waiting for the disk");
    int error = self->directory != NULL ? copy_into_catalogue(self, &progress)
                                        : compute_beside(self, &progress);
    uint64_t duration_ns = image_progress_end(&progress);
    if (error == -ECANCELED)
        return image_fail(arguments, "stopped; nothing was added", EXIT_BAD_IMAGE);
    if (error != 0)
        return image_fail(arguments, self->reason, error == -EEXIST ? EXIT_USAGE : EXIT_BAD_IMAGE);
    int exit_code = report_added(self, duration_ns);
    manifest_free(&self->manifest);
    return exit_code;
}

int image_add(const struct image_arguments *arguments)
{
    struct addition self = {.arguments = arguments, .name = arguments->name};
    struct catalogue_places places;
    char name[MANIFEST_NAME_BYTES];

    if (arguments->manifest_only && arguments->images != NULL)
        return image_fail(arguments, "--manifest-only copies nothing; leave out --images",
                          EXIT_USAGE);
    if (self.name == NULL) {
        manifest_name_from_path(name, arguments->operands[0]);
        self.name = name;
    } else if (manifest_check_name(self.name, self.reason) != 0) {
        return image_fail(arguments, self.reason, EXIT_USAGE);
    }
    if (!arguments->manifest_only) {
        /* The daemon reads what root adds, whatever root's umask is. */
        if (geteuid() == 0)
            (void)umask(S_IWGRP | S_IWOTH);
        catalogue_places_find(&places, arguments->images);
        self.directory = catalogue_place_to_add(&places);
        if (self.directory == NULL)
            return image_fail(arguments, "no directory for images is known; name one with --images",
                              EXIT_USAGE);
    }
    image_reading_begin();
    return image_reading_end(add_and_report(&self));
}
