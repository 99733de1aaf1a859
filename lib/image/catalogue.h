// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef IMAGE_CATALOGUE_H
#define IMAGE_CATALOGUE_H

#include "lib/image/manifest.h"

#include <stdbool.h>

/* The catalogue: a directory in which NAME.img and NAME.img.manifest are the image NAME. The
 * directory is the truth; there is no other index. A name is 1 to 100 of [A-Za-z0-9._-], not
 * beginning with '.' or '-'. */

#define CATALOGUE_IMAGE_SUFFIX ".img"

/* Where images are kept unless the user says otherwise: $DRIVEPRESS_IMAGES, else
 * /var/lib/drivepress/images when it exists and can be written, else
 * ${XDG_DATA_HOME:-~/.local/share}/drivepress/images. Returns 0 or -errno. */
int catalogue_default_directory(char *path, size_t path_bytes);

bool catalogue_name_valid(const char *name);

/* Copies a file into the catalogue and writes its manifest, in one pass over it. The directory is
 * made if missing. -EEXIST if the name is taken. On any failure nothing is left of it. 0 or -errno
 * with a reason; manifest is filled in on success and then the caller's to free. */
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

/* Reads the whole catalogue; an image with a bad manifest, a missing file or a file of another size
 * is an entry with an error. A missing directory is an empty catalogue. 0 or -errno with a reason. */
int catalogue_list(struct catalogue *catalogue, const char *directory,
                   char reason[IMAGE_REASON_BYTES]);
void catalogue_free(struct catalogue *catalogue);

/* One image by name; -ENOENT with a reason if there is none. The caller frees the manifest. */
int catalogue_find(const char *directory, const char *name, struct manifest *manifest,
                   char reason[IMAGE_REASON_BYTES]);

/* Writes "DIRECTORY/NAME.img" to path. 0, or -ENAMETOOLONG. */
int catalogue_image_path(const char *directory, const char *name, char *path, size_t path_bytes);

#endif
