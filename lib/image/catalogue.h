// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef IMAGE_CATALOGUE_H
#define IMAGE_CATALOGUE_H

#include "lib/image/manifest.h"

#include <stdbool.h>

/* The catalogue: a directory in which NAME.img and NAME.img.manifest are the image NAME. The
 * directory is the truth; there is no other index. Files of other names are not looked at. For
 * what a name may be see manifest_name_valid(). */

#define CATALOGUE_IMAGE_SUFFIX ".img"

/* More images than any programme keeps; it bounds what a listing allocates. */
enum { CATALOGUE_IMAGES_MAX = 4096 };

/* Where images are kept unless the user says otherwise: $DRIVEPRESS_IMAGES, else
 * /var/lib/drivepress/images when it exists and can be written, else
 * ${XDG_DATA_HOME:-~/.local/share}/drivepress/images. 0, -ENAMETOOLONG, or -ENOENT without a home
 * directory. */
int catalogue_default_directory(char *path, size_t path_bytes);

/* Copies a file into the catalogue and writes its manifest, in one pass over it. The directory is
 * made if missing. -EEXIST if the name is taken, -EBUSY while another process adds an image. On any
 * failure nothing is left of it; what a crash leaves is one hidden file that the next call removes.
 * 0 or -errno with a reason; manifest is filled in on success and then the caller's to free. */
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
 * is an entry with an error. A missing directory is an empty catalogue. 0 or -errno with a reason;
 * the caller frees the catalogue after success. */
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
