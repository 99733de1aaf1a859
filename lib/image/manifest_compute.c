// SPDX-License-Identifier: GPL-3.0-or-later
/* One pass over an image: while one buffer is hashed by SHA-256 on its own thread, the next is
 * read, hashed by XXH3 and copied on this one. What can go wrong: the file cannot be read (-errno),
 * it changes meanwhile (-ESTALE), the copy cannot be written (-errno), the caller has enough
 * (-ECANCELED). Nothing is kept then. */
#include "lib/base/units.h"
#include "lib/image/file.h"
#include "lib/image/hash.h"
#include "lib/image/manifest.h"
#include "lib/image/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct computation {
    const char *path;
    char *reason;
    int fd;
    int copy_fd;
    struct stat opened;
    unsigned char *buffers[2]; /* one with the SHA-256 worker, one being filled */
    struct sha256_worker *sha256;
    struct hash_stream *whole;
};

static int refuse_read(const struct computation *self, int error, uint64_t offset_bytes)
{
    const char *shown = reason_path(self->path);

    if (error == -ESTALE)
        reason_format(self->reason,
                      "%s: the image changed while it was read; "
                      "wait until nothing writes to it and try again",
                      shown);
    else
        reason_format(self->reason,
                      "%s: the image cannot be read at byte %" PRIu64
                      ": %s; copy it to another disk or download it again",
                      shown, offset_bytes, strerror(-error));
    return error;
}

static int copy_piece(const struct computation *self, const unsigned char *data,
                      uint32_t length_bytes, uint64_t offset_bytes)
{
    if (self->copy_fd < 0)
        return 0;
    int error = file_write(self->copy_fd, data, length_bytes);
    if (error != 0) {
        reason_format(self->reason,
                      "the copy of %s cannot be written at byte %" PRIu64
                      ": %s; free some space, or name another directory with --images",
                      reason_path(self->path), offset_bytes, strerror(-error));
        return error;
    }
    /* Start the disk now, so that the final fsync has little left; only a hint. */
    (void)sync_file_range(self->copy_fd, (off_t)offset_bytes, length_bytes, SYNC_FILE_RANGE_WRITE);
    return 0;
}

/* Reads, hashes and copies one chunk. */
static int compute_chunk(struct computation *self, struct manifest *manifest, uint32_t chunk)
{
    unsigned char *data = self->buffers[chunk % 2];
    uint64_t offset_bytes = (uint64_t)chunk * manifest->chunk_bytes;
    uint32_t length_bytes =
        (uint32_t)min_u64(manifest->size_bytes - offset_bytes, manifest->chunk_bytes);
    uint32_t padded_bytes = (uint32_t)manifest_padded_bytes(length_bytes);

    int error = file_read(self->fd, data, length_bytes, offset_bytes);
    if (error != 0)
        return refuse_read(self, error, offset_bytes);
    sha256_update(self->sha256, data, length_bytes);
    hash_stream_update(self->whole, data, length_bytes);
    memset(data + length_bytes, 0, padded_bytes - length_bytes);
    manifest->chunks[chunk] = hash_bytes(data, padded_bytes);
    return copy_piece(self, data, length_bytes, offset_bytes);
}

static int compute_chunks(struct computation *self, struct manifest *manifest,
                          manifest_progress *progress, void *context)
{
    uint64_t done_bytes = 0;

    for (uint32_t chunk = 0;; chunk++) {
        if (progress != NULL && progress(context, done_bytes, manifest->size_bytes) != 0) {
            reason_format(self->reason, "%s: stopped before it was read to its end",
                          reason_path(self->path));
            return -ECANCELED;
        }
        if (chunk == manifest->chunk_count)
            break;
        int error = compute_chunk(self, manifest, chunk);
        if (error != 0)
            return error;
        done_bytes = min_u64(done_bytes + manifest->chunk_bytes, manifest->size_bytes);
    }
    int error = file_check_unchanged(self->fd, &self->opened);
    return error == 0 ? 0 : refuse_read(self, error, manifest->size_bytes);
}

static int computation_open(struct computation *self, struct manifest *manifest)
{
    int error = file_open_image(self->path, &self->fd, &self->opened, self->reason);
    if (error != 0) {
        self->fd = -1;
        return error;
    }
    manifest->size_bytes = (uint64_t)self->opened.st_size;
    error =
        manifest_check_size(self->path, manifest->size_bytes, manifest->chunk_bytes, self->reason);
    if (error != 0)
        return error;
    manifest->chunk_count =
        (uint32_t)manifest_chunk_count(manifest->size_bytes, manifest->chunk_bytes);
    manifest->chunks = calloc(manifest->chunk_count, sizeof(*manifest->chunks));
    self->whole = hash_stream_new();
    for (unsigned i = 0; i < array_count(self->buffers); i++)
        self->buffers[i] = malloc(manifest->chunk_bytes);
    error = -ENOMEM;
    if (manifest->chunks != NULL && self->whole != NULL && self->buffers[0] != NULL &&
        self->buffers[1] != NULL)
        error = sha256_start(&self->sha256);
    if (error != 0) {
        reason_format(self->reason, "%s: cannot begin to read it: %s; close other programs",
                      reason_path(self->path), strerror(-error));
        return error;
    }
    (void)posix_fadvise(self->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return 0;
}

static void computation_close(struct computation *self)
{
    if (self->sha256 != NULL)
        sha256_finish(self->sha256, NULL);
    hash_stream_free(self->whole);
    for (unsigned i = 0; i < array_count(self->buffers); i++)
        free(self->buffers[i]);
    if (self->fd >= 0)
        (void)close(self->fd);
}

int manifest_compute(struct manifest *manifest, const char *name, const char *image_path,
                     int copy_fd, manifest_progress *progress, void *context,
                     char reason[IMAGE_REASON_BYTES])
{
    return manifest_compute_in_chunks(manifest, name, image_path, IMAGE_CHUNK_BYTES, copy_fd,
                                      progress, context, reason);
}

int manifest_compute_in_chunks(struct manifest *manifest, const char *name, const char *image_path,
                               uint32_t chunk_bytes, int copy_fd, manifest_progress *progress,
                               void *context, char reason[IMAGE_REASON_BYTES])
{
    struct computation self = {.path = image_path, .reason = reason, .fd = -1, .copy_fd = copy_fd};

    *manifest = (struct manifest){.chunk_bytes = chunk_bytes};
    int error = manifest_check_name(name, reason);
    if (error != 0)
        return error;
    memcpy(manifest->name, name, strlen(name) + 1);
    error = computation_open(&self, manifest);
    if (error == 0)
        error = compute_chunks(&self, manifest, progress, context);
    if (error == 0) {
        manifest->whole = hash_stream_digest(self.whole);
        sha256_finish(self.sha256, manifest->sha256);
        self.sha256 = NULL;
    } else {
        manifest_free(manifest);
    }
    computation_close(&self);
    return error;
}
