// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef IMAGE_CATALOGUE_H
#define IMAGE_CATALOGUE_H

#include "lib/image/manifest.h"

#include <limits.h>
#include <stdbool.h>

/* The catalogue: a directory in which NAME.img and NAME.img.manifest are the image NAME. The
 * directory is the truth; there is no other index. Files of other names are not looked at. For
 * what a name may be see manifest_name_valid(). */

#define CATALOGUE_IMAGE_SUFFIX ".img"

/* More images than any programme keeps; it bounds what a listing allocates. */
enum { CATALOGUE_IMAGES_MAX = 4096 };

/* Where images of all users of this machine are kept. */
#define CATALOGUE_SYSTEM_DIRECTORY "/var/lib/drivepress/images"

enum {
    CATALOGUE_PLACES_MAX = 2,
    CATALOGUE_SHOWN_BYTES = 128,   /* of a place, in texts for people */
    CATALOGUE_COMMAND_BYTES = 192, /* a command for people */
};

/* The directories in which a name is looked up, in this order. */
struct catalogue_places {
    unsigned count;
    char paths[CATALOGUE_PLACES_MAX][PATH_MAX];
};

/* Where names are looked up: in `chosen` alone if not NULL, else in $DRIVEPRESS_IMAGES alone if
 * set, else in the system's directory if it can be read, then in
 * ${XDG_DATA_HOME:-~/.local/share}/drivepress/images. None of them need exist; without a home
 * directory there may be none. */
void catalogue_places_find(struct catalogue_places *places, const char *chosen);

/* The same with another directory of the system. */
void catalogue_places_find_with(struct catalogue_places *places, const char *chosen,
                                const char *system_directory);

/* The first place that can be written, to add an image to; of the last one that is not asked, for
 * it may have to be made. NULL if there is no place. */
const char *catalogue_place_to_add(const struct catalogue_places *places);

/* "DIRECTORY or DIRECTORY", cut to its room, for reasons. Returns text. */
const char *catalogue_places_text(const struct catalogue_places *places, char *text,
                                  size_t text_bytes);

/* The command in backquotes that lists the chosen directory (NULL: all places). Returns text. */
const char *catalogue_list_command(const char *chosen, char *text, size_t text_bytes);

/* Copies a file into the catalogue and writes its manifest, in one pass over it. The directory is
 * made if missing. -EEXIST if the name is taken, -EBUSY while another process adds an image. On any
 * failure nothing is left of it. A crash leaves no image: two hidden files at most, which the next
 * call in this directory removes, or a manifest without its image, which is not looked at. 0 or
 * -errno with a reason; manifest is filled in on success and then the caller's to free. */
int catalogue_add(const char *directory, const char *name, const char *image_path,
                  manifest_progress *progress, void *context, struct manifest *manifest,
                  char reason[IMAGE_REASON_BYTES]);

struct catalogue_entry {
    char name[MANIFEST_NAME_BYTES];
    int error; /* 0, or why its manifest or file is bad: -errno */
    char reason[IMAGE_REASON_BYTES];
    struct manifest manifest; /* valid without error */
};

struct catalogue {
    struct catalogue_entry *entries; /* sorted by name */
    size_t count;
};

/* Reads a whole directory; an image with a bad or missing manifest or of another size than that
 * says is an entry with an error. A manifest without an image is none. A missing directory is an
 * empty catalogue. 0 or -errno with a reason; the caller frees the catalogue after success. */
int catalogue_list(struct catalogue *catalogue, const char *directory,
                   char reason[IMAGE_REASON_BYTES]);
void catalogue_free(struct catalogue *catalogue);

/* One image by name, whole as far as sizes and its manifest tell; -ENOENT with a reason if there is
 * none. The caller frees the manifest after success. */
int catalogue_find(const char *directory, const char *name, struct manifest *manifest,
                   char reason[IMAGE_REASON_BYTES]);

/* Writes "DIRECTORY/NAME.img" to path. 0, or -ENAMETOOLONG. */
int catalogue_image_path(const char *directory, const char *name, char *path, size_t path_bytes);

#endif
