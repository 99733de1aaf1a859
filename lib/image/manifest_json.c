// SPDX-License-Identifier: GPL-3.0-or-later
/* The manifest as text. A file from anywhere: its size is bounded before it is read, its number of
 * values before it is parsed, every field when it is taken. */
#include "lib/base/units.h"
#include "lib/image/file.h"
#include "lib/image/hash.h"
#include "lib/image/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const keys[] = {"format", "name",     "size_bytes", "chunk_bytes",
                                   "sha256", "xxh3_128", "chunks",     "check"};

/* --- Writing ---------------------------------------------------------------------------------- */

static int feed_hash(const char *text, size_t length_bytes, void *context)
{
    hash_stream_update(context, text, length_bytes);
    return 0;
}

/* The digest that "check" must hold for an object without it. 0 or -ENOMEM. */
static int compute_check(const json_t *object, struct digest *digest)
{
    struct hash_stream *stream = hash_stream_new();
    if (stream == NULL)
        return -ENOMEM;
    int failed = json_dump_callback(object, feed_hash, stream, JSON_COMPACT | JSON_SORT_KEYS);
    *digest = hash_stream_digest(stream);
    hash_stream_free(stream);
    return failed != 0 ? -ENOMEM : 0;
}

static json_t *digest_to_json(struct digest digest)
{
    char text[DIGEST_TEXT_BYTES];
    hash_format(text, digest);
    return json_string(text);
}

/* Returns NULL without memory. */
static json_t *manifest_to_json(const struct manifest *manifest)
{
    json_t *chunks = json_array();
    int failed = chunks == NULL;

    for (uint32_t i = 0; i < manifest->chunk_count && !failed; i++)
        failed = json_array_append_new(chunks, digest_to_json(manifest->chunks[i]));
    json_t *object =
        json_pack("{s:i, s:s, s:I, s:I, s:s, s:o, s:o}", "format", MANIFEST_FORMAT, "name",
                  manifest->name, "size_bytes", (json_int_t)manifest->size_bytes, "chunk_bytes",
                  (json_int_t)manifest->chunk_bytes, "sha256", manifest->sha256, "xxh3_128",
                  digest_to_json(manifest->whole), "chunks", chunks);
    struct digest digest;
    if (failed || object == NULL || compute_check(object, &digest) != 0 ||
        json_object_set_new(object, "check", digest_to_json(digest)) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

/* Creates a new file that nobody else made or can redirect. A file of that name is what a crash of
 * a process with the same number left. */
static int create_anew(const char *path)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (fd >= 0)
            return fd;
        if (errno != EEXIST || unlink(path) != 0)
            return -errno;
    }
    return -EEXIST;
}

static int write_object(const json_t *object, const char *path)
{
    int fd = create_anew(path);
    if (fd < 0)
        return fd;
    FILE *file = fdopen(fd, "w"); /* buffered: the dump comes in very small pieces */
    int error = 0;
    if (file == NULL) {
        error = -errno;
        (void)close(fd);
    } else {
        errno = 0;
        if (json_dumpf(object, file, 0) != 0 || putc('\n', file) == EOF || fflush(file) != 0 ||
            fsync(fd) != 0)
            error = errno != 0 ? -errno : -EIO;
        if (fclose(file) != 0 && error == 0)
            error = -errno;
    }
    if (error != 0)
        (void)unlink(path);
    return error;
}

static int refuse_write(int error, const char *path, char reason[IMAGE_REASON_BYTES])
{
    reason_format(reason,
                  "%s: the manifest cannot be written: %s; check the space and the permissions "
                  "of its directory",
                  reason_path(path), strerror(-error));
    return error;
}

static int write_manifest(const struct manifest *manifest, const char *path)
{
    json_t *object = manifest_to_json(manifest);
    int error = object == NULL ? -ENOMEM : write_object(object, path);
    json_decref(object);
    return error;
}

int manifest_write(const struct manifest *manifest, const char *path,
                   char reason[IMAGE_REASON_BYTES])
{
    int error = write_manifest(manifest, path);
    return error == 0 ? 0 : refuse_write(error, path, reason);
}

int manifest_save(const struct manifest *manifest, const char *path,
                  char reason[IMAGE_REASON_BYTES])
{
    char new_path[PATH_MAX];
    int length = snprintf(new_path, sizeof(new_path), "%s.new-%ld", path, (long)getpid());
    int error = length < 0 || (size_t)length >= sizeof(new_path) ? -ENAMETOOLONG : 0;

    if (error == 0)
        error = write_manifest(manifest, new_path);
    if (error == 0 && rename(new_path, path) != 0) {
        error = -errno;
        (void)unlink(new_path);
    }
    if (error == 0)
        error = file_sync_directory_of(path);
    return error == 0 ? 0 : refuse_write(error, path, reason);
}

/* --- Reading ---------------------------------------------------------------------------------- */

struct reader {
    const char *path;
    char *reason;
    const json_t *object;
};

static int distrust(const struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int distrust(const struct reader *reader, const char *format, ...)
{
    char what[160];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    reason_format(reader->reason,
                  "%s: %s: the manifest is truncated or was edited; make it again with "
                  "`drivepress image add`",
                  reason_path(reader->path), what);
    return -EBADMSG;
}

static int take_integer(const struct reader *reader, const char *key, uint64_t least, uint64_t most,
                        uint64_t *value)
{
    const json_t *json = json_object_get(reader->object, key);
    if (!json_is_integer(json))
        return distrust(reader, "\"%s\" must be a whole number", key);
    json_int_t number = json_integer_value(json);
    if (number < 0 || (uint64_t)number < least || (uint64_t)number > most)
        return distrust(reader, "\"%s\" must be from %" PRIu64 " to %" PRIu64, key, least, most);
    *value = (uint64_t)number;
    return 0;
}

static int take_digest(const struct reader *reader, const char *key, struct digest *digest)
{
    const json_t *json = json_object_get(reader->object, key);
    if (!json_is_string(json) || hash_parse(json_string_value(json), digest) != 0)
        return distrust(reader, "\"%s\" must be 32 lower-case hex digits", key);
    return 0;
}

static int take_name(const struct reader *reader, char name[MANIFEST_NAME_BYTES])
{
    const json_t *json = json_object_get(reader->object, "name");
    const char *value = json_is_string(json) ? json_string_value(json) : "";
    if (!manifest_name_valid(value))
        return distrust(reader, "\"name\" must be 1 to %d of A-Z a-z 0-9 . _ -",
                        MANIFEST_NAME_LENGTH_MAX);
    memcpy(name, value, strlen(value) + 1);
    return 0;
}

static int take_sha256(const struct reader *reader, char text[SHA256_TEXT_BYTES])
{
    const json_t *json = json_object_get(reader->object, "sha256");
    const char *value = json_is_string(json) ? json_string_value(json) : "";
    if (strlen(value) != SHA256_TEXT_BYTES - 1 ||
        strspn(value, "0123456789abcdef") != SHA256_TEXT_BYTES - 1)
        return distrust(reader, "\"sha256\" must be 64 lower-case hex digits");
    memcpy(text, value, SHA256_TEXT_BYTES);
    return 0;
}

static int take_shape(const struct reader *reader, struct manifest *manifest)
{
    uint64_t chunk_bytes = 0;
    int error = take_integer(reader, "chunk_bytes", IMAGE_CHUNK_BYTES_MIN, IMAGE_CHUNK_BYTES_MAX,
                             &chunk_bytes);
    if (error != 0)
        return error;
    if ((chunk_bytes & (chunk_bytes - 1)) != 0)
        return distrust(reader, "\"chunk_bytes\" must be a power of two");
    error = take_integer(reader, "size_bytes", 1,
                         min_u64(IMAGE_BYTES_MAX, MANIFEST_CHUNKS_MAX * chunk_bytes),
                         &manifest->size_bytes);
    manifest->chunk_bytes = (uint32_t)chunk_bytes;
    return error;
}

static int take_chunks(const struct reader *reader, struct manifest *manifest)
{
    const json_t *array = json_object_get(reader->object, "chunks");
    uint64_t count = manifest_chunk_count(manifest->size_bytes, manifest->chunk_bytes);

    if (!json_is_array(array) || json_array_size(array) != count)
        return distrust(reader, "\"chunks\" must be a list of %" PRIu64 " digests", count);
    manifest->chunk_count = (uint32_t)count;
    manifest->chunks = calloc(manifest->chunk_count, sizeof(*manifest->chunks));
    if (manifest->chunks == NULL) {
        reason_format(reader->reason, "%s: no memory for this manifest; close other programs",
                      reason_path(reader->path));
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < manifest->chunk_count; i++) {
        const json_t *json = json_array_get(array, i);
        if (!json_is_string(json) || hash_parse(json_string_value(json), &manifest->chunks[i]) != 0)
            return distrust(reader,
                            "the digest of chunk %" PRIu32 " must be 32 lower-case hex "
                            "digits",
                            i);
    }
    return 0;
}

static int take_format(const struct reader *reader)
{
    uint64_t format = 0;
    int error = take_integer(reader, "format", 0, INT32_MAX, &format);
    if (error != 0 || format == MANIFEST_FORMAT)
        return error;
    reason_format(reader->reason,
                  "%s: the manifest is of format %" PRIu64
                  " and this program knows only %d; update "
                  "drivepress, or make the manifest again with `drivepress image add`",
                  reason_path(reader->path), format, MANIFEST_FORMAT);
    return -EBADMSG;
}

/* Before anything else, so that a manifest of a later format is called that. */
static int check_keys(const struct reader *reader)
{
    if (!json_is_object(reader->object))
        return distrust(reader, "it must be one JSON object");
    if (json_is_integer(json_object_get(reader->object, "format"))) {
        int error = take_format(reader);
        if (error != 0)
            return error;
    }
    for (size_t i = 0; i < array_count(keys); i++) {
        if (json_object_get(reader->object, keys[i]) == NULL)
            return distrust(reader, "\"%s\" is missing", keys[i]);
    }
    if (json_object_size(reader->object) != array_count(keys))
        return distrust(reader, "it holds keys that no manifest has");
    return take_format(reader);
}

static int take_all(const struct reader *reader, struct manifest *manifest)
{
    int error = check_keys(reader);
    if (error == 0)
        error = take_name(reader, manifest->name);
    if (error == 0)
        error = take_shape(reader, manifest);
    if (error == 0)
        error = take_sha256(reader, manifest->sha256);
    if (error == 0)
        error = take_digest(reader, "xxh3_128", &manifest->whole);
    if (error == 0)
        error = take_chunks(reader, manifest);
    return error;
}

/* Removes "check" from the object and compares it with the rest. */
static int verify_check(const struct reader *reader, json_t *object)
{
    struct digest written;
    struct digest computed;
    int error = take_digest(reader, "check", &written);
    if (error != 0)
        return error;
    (void)json_object_del(object, "check");
    if (compute_check(object, &computed) != 0) {
        reason_format(reader->reason, "%s: no memory for this manifest; close other programs",
                      reason_path(reader->path));
        return -ENOMEM;
    }
    return digest_equal(written, computed) ? 0 : distrust(reader, "its \"check\" does not match");
}

/* The parser makes an allocation per value, of up to 40 times its text. A manifest is one object
 * with one list, and no text in it may hold these characters. */
static int bound_values(const struct reader *reader, const char *text, size_t length_bytes)
{
    size_t commas = 0;
    size_t openings = 0;

    for (size_t i = 0; i < length_bytes; i++) {
        commas += text[i] == ',';
        openings += text[i] == '[' || text[i] == '{';
    }
    if (commas > MANIFEST_CHUNKS_MAX + array_count(keys) || openings > 2)
        return distrust(reader, "it holds more than a manifest can");
    return 0;
}

int manifest_parse(struct manifest *manifest, const char *text, size_t length_bytes,
                   const char *path, char reason[IMAGE_REASON_BYTES])
{
    struct reader reader = {.path = path, .reason = reason};
    json_error_t where;

    *manifest = (struct manifest){0};
    int error = bound_values(&reader, text, length_bytes);
    if (error != 0)
        return error;
    json_t *object = json_loadb(text, length_bytes, JSON_REJECT_DUPLICATES, &where);
    if (object == NULL)
        return distrust(&reader, "line %d: %.100s", where.line, where.text);
    reader.object = object;
    error = take_all(&reader, manifest);
    if (error == 0)
        error = verify_check(&reader, object);
    if (error != 0)
        manifest_free(manifest);
    json_decref(object);
    return error;
}

int manifest_load(struct manifest *manifest, const char *path, char reason[IMAGE_REASON_BYTES])
{
    struct reader reader = {.path = path, .reason = reason};
    struct stat status;
    int fd = -1;

    *manifest = (struct manifest){0};
    int error = file_open_regular(path, "manifest", &fd, &status, reason);
    if (error != 0)
        return error;
    size_t length_bytes = (size_t)status.st_size;
    char *text = NULL;
    if (length_bytes == 0) {
        error = distrust(&reader, "it is empty");
    } else if (length_bytes > MANIFEST_FILE_BYTES_MAX) {
        error =
            distrust(&reader, "it is larger than %" PRIu64 " MiB", MANIFEST_FILE_BYTES_MAX / MIB);
    } else {
        text = malloc(length_bytes);
        error = text == NULL ? -ENOMEM : file_read(fd, text, length_bytes, 0);
        if (error != 0)
            reason_format(reason, "%s: the manifest cannot be read: %s; try again",
                          reason_path(path), strerror(-error));
    }
    if (error == 0)
        error = manifest_parse(manifest, text, length_bytes, path, reason);
    free(text);
    (void)close(fd);
    return error;
}
