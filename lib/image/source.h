// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef IMAGE_SOURCE_H
#define IMAGE_SOURCE_H

#include "lib/core/image.h"
#include "lib/image/manifest.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>

/* An opened master: the file, what the core may know of it, and the guard against a file that
 * changes while drives are made from it. */
struct source {
    int fd;
    char path[PATH_MAX];
    char name[MANIFEST_NAME_BYTES];
    bool in_catalogue;       /* found there by its name */
    const char *compression; /* what the file looks like (file_compression()), or NULL */
    uint64_t file_bytes;     /* as it is; image.size_bytes is padded to sectors */
    bool has_manifest;
    char sha256[SHA256_TEXT_BYTES]; /* empty without a manifest */
    struct digest whole;            /* xxh3_128 of the file; zero without a manifest */
    struct image image; /* its digests and bits are the source's; freed by source_close */
    struct stat opened; /* as it was when it was opened */
};

/* The warning about a source with compression: the image as people know it, and its compression. */
#define SOURCE_COMPRESSED_WARNING                                                                  \
    "WARNING: %s looks like a %s file: drives will hold the compressed file, not what is in it; "  \
    "unpack it first"

/* Finds an image by what a user wrote. A text with a '/' or one that names an existing file is that
 * file; otherwise it is the name of an image in the catalogue directory (NULL: in those that
 * catalogue_places_find() tells, in their order).
 * The manifest is manifest_path if not NULL, else the one beside the file if there is one; an image
 * of the catalogue must have it. Without a manifest chunks are of IMAGE_CHUNK_BYTES.
 *
 * The file must be regular and not empty, and the manifest must be whole and of this file (size).
 * 0, or -errno with a reason that says what to do: -ENOENT nothing of that name, -EISDIR or -EINVAL
 * not a regular file, -ENODATA empty, -EBADMSG not to be trusted, -EFBIG too large, and those of
 * the system. The caller closes the source after success. */
int source_open(struct source *source, const char *text, const char *catalogue_directory,
                const char *manifest_path, char reason[IMAGE_REASON_BYTES]);

/* Reads one chunk, the last one padded with zeros to image_chunk_length(), into data, which must
 * hold chunk_bytes. Any thread, also at once. 0; -errno of the read; -ESTALE if the file is not the
 * one that was opened any more (size, modification or change time) or ended early. */
int source_read_chunk(const struct source *source, uint32_t chunk, void *data);

void source_close(struct source *source);

#endif
