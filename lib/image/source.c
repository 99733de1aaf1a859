// SPDX-License-Identifier: GPL-3.0-or-later
/* Opening a master: find the file, open it, load its manifest if it has one, and lay out what the
 * core knows of it. What can go wrong is told in source.h; nothing stays open then. */
#include "lib/image/source.h"

#include "lib/base/units.h"
#include "lib/image/catalogue.h"
#include "lib/image/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int find_in_catalogue(struct source *source, const char *name, const char *directory,
                             char reason[IMAGE_REASON_BYTES])
{
    struct catalogue_places places;
    struct stat status;
    char searched[2 * CATALOGUE_SHOWN_BYTES];
    char list[CATALOGUE_COMMAND_BYTES];

    catalogue_places_find(&places, directory);
    for (unsigned i = 0; i < places.count && manifest_name_valid(name); i++) {
        if (catalogue_image_path(places.paths[i], name, source->path, sizeof(source->path)) != 0 ||
            stat(source->path, &status) != 0)
            continue;
        source->in_catalogue = true;
        (void)snprintf(source->name, sizeof(source->name), "%s", name);
        return 0;
    }
    if (places.count == 0)
        reason_format(reason,
                      "%.100s: there is no such image file here; check the path, or "
                      "name the directory of your images with --images",
                      name);
    else
        reason_format(reason,
                      "%.100s: there is no such file here, and no image of that name in %s; "
                      "%s shows all images",
                      name, catalogue_places_text(&places, searched, sizeof(searched)),
                      catalogue_list_command(directory, list, sizeof(list)));
    return -ENOENT;
}

/* Fills in path, and name if the text is an image of the catalogue. */
static int find_file(struct source *source, const char *text, const char *catalogue_directory,
                     char reason[IMAGE_REASON_BYTES])
{
    struct stat status;

    if (text[0] == '\0') {
        reason_format(reason,
                      "the name of the image is empty; give a file or the name of an image");
        return -ENOENT;
    }
    if (strlen(text) >= sizeof(source->path)) {
        reason_format(reason, "%s: this path is too long; use a shorter one", reason_path(text));
        return -ENAMETOOLONG;
    }
    bool is_path = strchr(text, '/') != NULL;
    bool exists = !is_path && stat(text, &status) == 0;
    /* A directory that happens to be called like an image does not hide it. */
    bool is_file = is_path || (exists && !S_ISDIR(status.st_mode));
    if (!is_file) {
        int error = find_in_catalogue(source, text, catalogue_directory, reason);
        if (error == 0 || !exists)
            return error;
    }
    memcpy(source->path, text, strlen(text) + 1);
    return 0;
}

/* Takes over what the manifest says, and its digests. */
static void take_manifest(struct source *source, struct manifest *manifest)
{
    source->has_manifest = true;
    if (source->name[0] == '\0')
        memcpy(source->name, manifest->name, sizeof(source->name));
    memcpy(source->sha256, manifest->sha256, sizeof(source->sha256));
    source->whole = manifest->whole;
    source->image.chunk_bytes = manifest->chunk_bytes;
    source->image.chunk_count = manifest->chunk_count;
    source->image.digests = manifest->chunks;
    source->image.known_count = manifest->chunk_count;
    manifest->chunks = NULL;
}

static int load_manifest(struct source *source, const char *manifest_path,
                         char reason[IMAGE_REASON_BYTES])
{
    char beside[PATH_MAX + sizeof(MANIFEST_SUFFIX)];
    struct manifest manifest;

    (void)snprintf(beside, sizeof(beside), "%s" MANIFEST_SUFFIX, source->path);
    int error = manifest_load_for(&manifest, manifest_path != NULL ? manifest_path : beside,
                                  source->path, source->file_bytes, reason);
    if (error == 0)
        take_manifest(source, &manifest);
    if (error == -ENOENT && manifest_path == NULL)
        return source->in_catalogue ? -EBADMSG : 0;
    if (error == -ENOENT)
        reason_format(reason, "%s: there is no such manifest file; check the path",
                      reason_path(manifest_path));
    return error;
}

/* Lays out the image without a manifest, and the bits of what is known. */
static int lay_out(struct source *source, char reason[IMAGE_REASON_BYTES])
{
    struct image *image = &source->image;

    image->size_bytes = manifest_padded_bytes(source->file_bytes);
    if (!source->has_manifest) {
        int error =
            manifest_check_size(source->path, source->file_bytes, IMAGE_CHUNK_BYTES, reason);
        if (error != 0)
            return error;
        if (source->name[0] == '\0')
            manifest_name_from_path(source->name, source->path);
        image->chunk_bytes = IMAGE_CHUNK_BYTES;
        image->chunk_count = (uint32_t)manifest_chunk_count(source->file_bytes, IMAGE_CHUNK_BYTES);
        image->digests = calloc(image->chunk_count, sizeof(*image->digests));
    }
    image->known = calloc((image->chunk_count + 7) / 8, 1);
    if (image->digests == NULL || image->known == NULL) {
        reason_format(reason, "%s: no memory for the digests of this image; close other programs",
                      reason_path(source->path));
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < image->known_count; i++)
        image->known[i / 8] = (uint8_t)(image->known[i / 8] | 1U << (i % 8));
    return 0;
}

int source_open(struct source *source, const char *text, const char *catalogue_directory,
                const char *manifest_path, char reason[IMAGE_REASON_BYTES])
{
    *source = (struct source){.fd = -1};
    int error = find_file(source, text, catalogue_directory, reason);
    if (error == 0)
        error = file_open_image(source->path, &source->fd, &source->opened, reason);
    if (error != 0) {
        source->fd = -1;
        return error;
    }
    source->file_bytes = (uint64_t)source->opened.st_size;
    source->compression = file_compression(source->fd);
    error = load_manifest(source, manifest_path, reason);
    if (error == 0)
        error = lay_out(source, reason);
    if (error != 0)
        source_close(source);
    return error;
}

int source_read_chunk(const struct source *source, uint32_t chunk, void *data)
{
    const struct image *image = &source->image;
    uint32_t padded_bytes = image_chunk_length(image, chunk);
    uint64_t offset_bytes = (uint64_t)chunk * image->chunk_bytes;
    uint32_t length_bytes = (uint32_t)min_u64(source->file_bytes - offset_bytes, padded_bytes);

    int error = file_read(source->fd, data, length_bytes, offset_bytes);
    if (error != 0)
        return error;
    memset((unsigned char *)data + length_bytes, 0, padded_bytes - length_bytes);
    /* Asked after the read: a change before or during it is seen. */
    return file_check_unchanged(source->fd, &source->opened);
}

void source_close(struct source *source)
{
    if (source->fd >= 0)
        (void)close(source->fd);
    source->fd = -1;
    free(source->image.digests);
    free(source->image.known);
    source->image.digests = NULL;
    source->image.known = NULL;
}
