// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress image verify: is the file still what its manifest says? One pass over it. */
#include "lib/base/text.h"
#include "lib/base/units.h"
#include "lib/core/verdict.h"
#include "lib/image/hash.h"
#include "lib/image/source.h"
#include "tools/image_progress.h"
#include "tools/image_verb.h"
#include "tools/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More tell nobody more. */
enum { CHUNKS_NAMED_MAX = 8 };

struct comparison {
    bool whole_differs;
    uint32_t bad_count;
    uint32_t bad[CHUNKS_NAMED_MAX]; /* the first ones */
};

static struct comparison compare(const struct source *source, const struct manifest *found)
{
    struct comparison result = {
        .whole_differs = !digest_equal(source->whole, found->whole) ||
                         strcmp(source->sha256, found->sha256) != 0,
    };
    for (uint32_t i = 0; i < found->chunk_count; i++) {
        if (digest_equal(source->image.digests[i], found->chunks[i]))
            continue;
        if (result.bad_count < CHUNKS_NAMED_MAX)
            result.bad[result.bad_count] = i;
        result.bad_count++;
    }
    return result;
}

static json_t *comparison_to_json(const struct source *source, const struct manifest *found,
                                  const struct comparison *result)
{
    json_t *object = image_to_json(source->name, source->path, found);
    json_t *chunks = json_array();

    for (uint32_t i = 0; i < result->bad_count && i < CHUNKS_NAMED_MAX; i++)
        (void)json_array_append_new(chunks, json_integer(result->bad[i]));
    json_t *rest =
        json_pack("{s:b, s:I, s:o}", "matches", result->bad_count == 0 && !result->whole_differs,
                  "bad_chunk_count", (json_int_t)result->bad_count, "bad_chunks", chunks);
    if (json_object_update(object, rest) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(rest);
    return object;
}

static int complain(const struct source *source, const struct manifest *found,
                    const struct comparison *result)
{
    char chunks[CHUNKS_NAMED_MAX * 12 + 8] = "";
    size_t used = 0;

    for (uint32_t i = 0; i < result->bad_count && i < CHUNKS_NAMED_MAX; i++)
        used += (size_t)snprintf(chunks + used, sizeof(chunks) - used, "%s%" PRIu32,
                                 i > 0 ? ", " : "", result->bad[i]);
    if (result->bad_count > CHUNKS_NAMED_MAX)
        (void)snprintf(chunks + used, sizeof(chunks) - used, ", ...");
    if (result->bad_count == 0)
        text_complain("image verify",
                      "%s: its chunks match the manifest, but not the digests of the whole: the "
                      "manifest contradicts itself; add the image again from its origin",
                      source->path);
    else
        text_complain("image verify",
                      "%s: %" PRIu32 " of %" PRIu32 " chunks differ from the manifest: %s; copy or "
                      "add the image again from its origin",
                      source->path, result->bad_count, found->chunk_count, chunks);
    return EXIT_BAD_IMAGE;
}

static int report(const struct image_arguments *arguments, const struct source *source,
                  const struct manifest *found, uint64_t duration_ns)
{
    struct comparison result = compare(source, found);
    bool matches = result.bad_count == 0 && !result.whole_differs;
    int exit_code = matches ? EXIT_ALL_PASSED : complain(source, found, &result);
    char size[UNITS_TEXT_BYTES];
    char duration[UNITS_TEXT_BYTES];

    if (arguments->json)
        return image_print_json(arguments, comparison_to_json(source, found, &result), exit_code);
    units_format_bytes(size, found->size_bytes);
    units_format_duration(duration, duration_ns);
    if (matches)
        (void)printf("%s: all %s match the manifest, SHA-256 %s, took %s\n", source->name, size,
                     found->sha256, duration);
    return exit_code;
}

static int read_and_report(const struct image_arguments *arguments, const struct source *source)
{
    char reason[IMAGE_REASON_BYTES];
    struct image_progress progress;
    struct manifest found;

    image_progress_begin(&progress, source->name, "comparing");
    int error =
        manifest_compute_in_chunks(&found, source->name, source->path, source->image.chunk_bytes,
                                   -1, image_reading_step, &progress, reason);
    uint64_t duration_ns = image_progress_end(&progress);
    if (error == -ECANCELED)
        return image_fail(arguments, "stopped before all of it was read", EXIT_BAD_IMAGE);
    if (error != 0)
        return image_fail(arguments, reason, EXIT_BAD_IMAGE);
    int exit_code = EXIT_BAD_IMAGE;
    if (found.chunk_count == source->image.chunk_count && found.size_bytes == source->file_bytes)
        exit_code = report(arguments, source, &found, duration_ns);
    else
        exit_code = image_fail(arguments, "the image was exchanged while it was read; try again",
                               EXIT_BAD_IMAGE);
    manifest_free(&found);
    return exit_code;
}

int image_verify(const struct image_arguments *arguments)
{
    char reason[IMAGE_REASON_BYTES];
    char word[2 * PATH_MAX];
    struct source source;

    if (source_open(&source, arguments->operands[0], arguments->images, NULL, reason) != 0)
        return image_fail(arguments, reason, EXIT_BAD_IMAGE);
    int exit_code = EXIT_BAD_IMAGE;
    if (source.has_manifest) {
        image_reading_begin();
        exit_code = image_reading_end(read_and_report(arguments, &source));
    } else {
        text_complain("image verify",
                      "%s: this image has no manifest to compare it with; if you trust it, make "
                      "one with `drivepress image add --manifest-only %s`",
                      source.path, text_shell_word(word, sizeof(word), source.path, "FILE"));
    }
    source_close(&source);
    return exit_code;
}
