// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/wire/run.h"

#include "lib/base/check.h"
#include "lib/wire/field.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const engine_words[ENGINE_CHOICE_COUNT] = {
    [ENGINE_AUTO] = "auto",
    [ENGINE_IO_URING] = "io_uring",
    [ENGINE_THREADS] = "threads",
};

const char *engine_choice_word(enum engine_choice choice)
{
    check(choice < ENGINE_CHOICE_COUNT);
    return engine_words[choice];
}

enum engine_choice engine_choice_from_word(const char *word)
{
    for (unsigned i = 0; i < ENGINE_CHOICE_COUNT; i++) {
        if (strcmp(word, engine_words[i]) == 0)
            return (enum engine_choice)i;
    }
    return ENGINE_CHOICE_COUNT;
}

static json_t *targets_encode(const struct run_request *request)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < request->target_count; i++) {
        const struct run_target *target = &request->targets[i];
        struct field_writer writer = field_writer_start();
        /* A path that is not UTF-8 must not become another path: the command line refuses it. */
        field_put(&writer, "path", json_string(target->path));
        field_put_bool(&writer, "block", target->block);
        field_put_u64(&writer, "major", target->major);
        field_put_u64(&writer, "minor", target->minor);
        field_put_u64(&writer, "diskseq", target->diskseq);
        if (json_array_append_new(array, writer.object) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

json_t *run_request_encode(const struct run_request *request)
{
    check(request->target_count >= 1 && request->target_count <= SLOTS_MAX);
    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "mode", press_mode_word(request->mode));
    field_put_text(&writer, "image", request->image);
    field_put_text(&writer, "images", request->images);
    field_put_text_or_null(&writer, "manifest", request->manifest);
    field_put(&writer, "targets", targets_encode(request));
    field_put_bool(&writer, "simulate", request->simulate);
    field_put_text(&writer, "engine", engine_choice_word(request->engine));
    field_put_u64(&writer, "pool_bytes", request->pool_bytes);
    field_put_u64(&writer, "window", request->window);
    field_put_u64(&writer, "stall_ms", request->stall_ms);
    return writer.object;
}

static int target_decode(struct run_target *target, const json_t *object)
{
    struct field_reader reader = field_reader_start(object, "targets");
    const json_t *path = field_get(&reader, "path");
    size_t length = json_string_length(path);

    field_bool(&reader, "block", &target->block);
    field_u32(&reader, "major", UINT32_MAX, &target->major);
    field_u32(&reader, "minor", UINT32_MAX, &target->minor);
    field_u64(&reader, "diskseq", &target->diskseq);
    if (!json_is_string(path) || length < 1 || length >= WIRE_PATH_BYTES || reader.bad_key != NULL)
        return -EBADMSG;
    target->path = strdup(json_string_value(path));
    return target->path == NULL ? -ENOMEM : 0;
}

static int targets_decode(struct run_request *request, struct field_reader *reader)
{
    const json_t *array = field_get(reader, "targets");
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count < 1 || count > SLOTS_MAX) {
        field_fail(reader, "targets");
        return 0;
    }
    request->targets = calloc(count, sizeof(request->targets[0]));
    if (request->targets == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        int error = target_decode(&request->targets[i], json_array_get(array, i));
        if (error == -ENOMEM)
            return error;
        if (error != 0) {
            field_fail(reader, "targets");
            return 0;
        }
        request->target_count++;
    }
    return 0;
}

static void settings_decode(struct run_request *request, struct field_reader *reader)
{
    char engine[WIRE_NAME_BYTES] = "";
    field_text(reader, "engine", engine, sizeof(engine));
    request->engine = engine_choice_from_word(engine);
    if (request->engine == ENGINE_CHOICE_COUNT)
        field_fail(reader, "engine");
    field_bool(reader, "simulate", &request->simulate);
    field_u64(reader, "pool_bytes", &request->pool_bytes);
    field_u32(reader, "window", WINDOW_MAX, &request->window);
    if (request->window < 1)
        field_fail(reader, "window");
    field_u32(reader, "stall_ms", WIRE_STALL_MS_MAX, &request->stall_ms);
    if (request->stall_ms < 1)
        field_fail(reader, "stall_ms");
}

int run_request_decode(struct run_request *request, const json_t *params,
                       char reason[WIRE_REASON_BYTES])
{
    *request = (struct run_request){.target_count = 0};
    struct field_reader reader = field_reader_start(params, "params");
    field_mode(&reader, "mode", &request->mode);
    field_text(&reader, "image", request->image, sizeof(request->image));
    field_text(&reader, "images", request->images, sizeof(request->images));
    field_text_or_null(&reader, "manifest", request->manifest, sizeof(request->manifest));
    if (request->image[0] == '\0')
        field_fail(&reader, "image");
    if (request->images[0] == '\0')
        field_fail(&reader, "images");
    settings_decode(request, &reader);

    int error = targets_decode(request, &reader);
    if (error == -ENOMEM)
        (void)snprintf(reason, WIRE_REASON_BYTES, "not enough memory for the request");
    else
        error = field_explain(&reader, reason, WIRE_REASON_BYTES);
    if (error != 0)
        run_request_free(request);
    return error;
}

void run_request_free(struct run_request *request)
{
    for (uint32_t i = 0; i < request->target_count; i++)
        free(request->targets[i].path);
    free(request->targets);
    request->targets = NULL;
    request->target_count = 0;
}

json_t *run_result_encode(const struct run_result *result)
{
    struct field_writer image = field_writer_start();
    field_put_text(&image, "name", result->image.name);
    field_put_text(&image, "path", result->image.path);
    field_put_u64(&image, "size_bytes", result->image.size_bytes);
    field_put_u64(&image, "padded_bytes", result->image.padded_bytes);
    field_put_u64(&image, "chunk_bytes", result->image.chunk_bytes);
    field_put_text_or_null(&image, "sha256", result->image.sha256);
    field_put_bool(&image, "manifest", result->image.manifest);

    struct field_writer writer = field_writer_start();
    field_put(&writer, "image", image.object);
    field_put_text(&writer, "engine", result->engine);
    field_put_text(&writer, "engine_note", result->engine_note);
    field_put_u64(&writer, "pool_bytes", result->pool_bytes);
    return writer.object;
}

int run_result_decode(struct run_result *result, const json_t *body)
{
    *result = (struct run_result){.pool_bytes = 0};
    struct field_reader reader = field_reader_start(body, "result");
    struct field_reader image = field_reader_start(field_get(&reader, "image"), "image");
    field_text(&image, "name", result->image.name, sizeof(result->image.name));
    field_text(&image, "path", result->image.path, sizeof(result->image.path));
    field_u64(&image, "size_bytes", &result->image.size_bytes);
    field_u64(&image, "padded_bytes", &result->image.padded_bytes);
    field_u32(&image, "chunk_bytes", UINT32_MAX, &result->image.chunk_bytes);
    field_text_or_null(&image, "sha256", result->image.sha256, sizeof(result->image.sha256));
    field_bool(&image, "manifest", &result->image.manifest);

    field_text(&reader, "engine", result->engine, sizeof(result->engine));
    field_text(&reader, "engine_note", result->engine_note, sizeof(result->engine_note));
    field_u64(&reader, "pool_bytes", &result->pool_bytes);
    return reader.bad_key == NULL && image.bad_key == NULL ? 0 : -EBADMSG;
}
