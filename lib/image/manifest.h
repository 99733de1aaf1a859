// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef IMAGE_MANIFEST_H
#define IMAGE_MANIFEST_H

#include "lib/base/digest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The manifest of an image: what every copy is compared with. A JSON file beside the image, named
 * as the image with MANIFEST_SUFFIX:
 *
 *   {"format": 1, "name": "films-2026", "size_bytes": 4000000000, "chunk_bytes": 1048576,
 *    "sha256": "…64 hex…", "xxh3_128": "…32 hex…", "chunks": ["…32 hex…", …], "check": "…32 hex…"}
 *
 * sha256 and xxh3_128 are of the file as it is, so that sha256sum and xxhsum -H2 agree. A chunk's
 * digest is of what a drive holds there: the last one with zeros up to a whole sector
 * (IMAGE_SECTOR_BYTES). "check" is the XXH3-128 of the same object without "check", compact and
 * with sorted keys: it tells a truncated or edited manifest, by accident and not by an enemy. */

#define MANIFEST_SUFFIX ".manifest"

enum {
    MANIFEST_FORMAT = 1,
    MANIFEST_NAME_BYTES = 128, /* with the final zero */
    MANIFEST_NAME_LENGTH_MAX = 100,
    /* Of 1 MiB they are 1 TiB, IMAGE_BYTES_MAX; 16 MiB of digests. */
    MANIFEST_CHUNKS_MAX = 1048576,
    SHA256_TEXT_BYTES = 65,
    IMAGE_SECTOR_BYTES = 512, /* the logical block of nearly all USB drives */
    IMAGE_CHUNK_BYTES = 1048576,
    /* What a manifest may say: a power of two in these bounds. */
    IMAGE_CHUNK_BYTES_MIN = 65536,
    IMAGE_CHUNK_BYTES_MAX = 16777216,
};

/* The largest image, with a manifest or without: 1 TiB, more than any drive that is given away. */
#define IMAGE_BYTES_MAX (UINT64_C(1) << 40)

/* The largest manifest file that is read: MANIFEST_CHUNKS_MAX digests of 35 bytes with their quotes
 * and comma, and some space for those who reformat it. */
#define MANIFEST_FILE_BYTES_MAX (UINT64_C(64) << 20)

/* Room for the reason why a file was not accepted, for people: what, where, and what to do. One
 * line without a full stop and without control characters. */
enum { IMAGE_REASON_BYTES = 512 };

struct manifest {
    char name[MANIFEST_NAME_BYTES];
    uint64_t size_bytes; /* of the file; not 0 */
    uint32_t chunk_bytes;
    uint32_t chunk_count; /* 1 to MANIFEST_CHUNKS_MAX */
    char sha256[SHA256_TEXT_BYTES];
    struct digest whole;   /* xxh3_128 of the file */
    struct digest *chunks; /* chunk_count; the manifest's, freed by manifest_free */
};

/* A name is 1 to MANIFEST_NAME_LENGTH_MAX of [A-Za-z0-9._-], not beginning with '.' or '-'. */
bool manifest_name_valid(const char *name);

/* The same for people: 0, or -EINVAL with a reason. */
int manifest_check_name(const char *name, char reason[IMAGE_REASON_BYTES]);

/* Makes a valid name of a path: its last part, without a trailing .img, .iso or .raw, every
 * character that a name cannot hold replaced by '-'. "image" if nothing is left. */
void manifest_name_from_path(char name[MANIFEST_NAME_BYTES], const char *path);

/* Progress of a long read of a file. Returns 0 to go on, else the read ends with -ECANCELED. */
typedef int manifest_progress(void *context, uint64_t done_bytes, uint64_t size_bytes);

/* Reads an image file once and computes its manifest; with copy_fd >= 0 also writes every byte
 * there in the same pass. progress may be NULL; it is called before the first and after every
 * chunk, on the caller's thread. Returns 0, or -errno with a reason, among them -ECANCELED and
 * -ESTALE if the file changed meanwhile. The caller frees the manifest after success. */
int manifest_compute(struct manifest *manifest, const char *name, const char *image_path,
                     int copy_fd, manifest_progress *progress, void *context,
                     char reason[IMAGE_REASON_BYTES]);

/* The same in chunks of a size as a manifest may have, to compare with that one. */
int manifest_compute_in_chunks(struct manifest *manifest, const char *name, const char *image_path,
                               uint32_t chunk_bytes, int copy_fd, manifest_progress *progress,
                               void *context, char reason[IMAGE_REASON_BYTES]);

/* Writes a manifest to a new file in the place of any old one, and makes its content durable, but
 * not its name. 0 or -errno with a reason; on failure nothing is left behind. */
int manifest_write(const struct manifest *manifest, const char *path,
                   char reason[IMAGE_REASON_BYTES]);

/* Writes a manifest to a new file under another name, makes it durable and renames it to `path`.
 * 0 or -errno with a reason; on failure nothing is left behind and an old file is untouched. One
 * caller per path at a time. */
int manifest_save(const struct manifest *manifest, const char *path,
                  char reason[IMAGE_REASON_BYTES]);

/* Reads and checks a manifest file: every field, their agreement, and "check". 0, -ENOENT when
 * there is no such file, or another -errno (-EBADMSG for a bad content) with a reason. The caller
 * frees the manifest after success. */
int manifest_load(struct manifest *manifest, const char *path, char reason[IMAGE_REASON_BYTES]);

/* The same for a manifest in memory, which need not end with a zero; `path` only names it in
 * reasons. Bounded in memory whatever the text: about 200 MiB for the largest. */
int manifest_parse(struct manifest *manifest, const char *text, size_t length_bytes,
                   const char *path, char reason[IMAGE_REASON_BYTES]);

/* Loads the manifest of an image file of this size. As manifest_load, but a manifest of another
 * size is -EBADMSG, and reasons speak of the image. */
int manifest_load_for(struct manifest *manifest, const char *path, const char *image_path,
                      uint64_t image_bytes, char reason[IMAGE_REASON_BYTES]);

/* Frees what a manifest holds; again, or on a zeroed one, it does nothing. */
void manifest_free(struct manifest *manifest);

/* The bytes that a drive holds of a file of this size: rounded up to whole sectors. */
uint64_t manifest_padded_bytes(uint64_t size_bytes);

/* 0, or -EFBIG with a reason for an image that is larger than any may be. */
int manifest_check_size(const char *image_path, uint64_t size_bytes, uint32_t chunk_bytes,
                        char reason[IMAGE_REASON_BYTES]);

/* The chunks of a file of this size; 64-bit, for it may be more than is allowed. */
uint64_t manifest_chunk_count(uint64_t size_bytes, uint32_t chunk_bytes);

#endif
