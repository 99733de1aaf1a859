// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/wire/message.h"

#include "lib/base/check.h"
#include "lib/wire/field.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
    int code; /* JSON-RPC 2.0, section 5.1 */
} errors[WIRE_ERROR_COUNT] = {
    [WIRE_ERROR_INTERNAL] = {"internal", -32000},
    [WIRE_ERROR_BAD_JSON] = {"bad-json", -32700},
    [WIRE_ERROR_BAD_REQUEST] = {"bad-request", -32600},
    [WIRE_ERROR_UNKNOWN_METHOD] = {"unknown-method", -32601},
    [WIRE_ERROR_BAD_PARAMS] = {"bad-params", -32602},
    [WIRE_ERROR_BUSY] = {"busy", -32000},
    [WIRE_ERROR_IMAGE_MISSING] = {"image-missing", -32000},
    [WIRE_ERROR_IMAGE_UNTRUSTED] = {"image-untrusted", -32000},
    [WIRE_ERROR_ENGINE_FAILED] = {"engine-failed", -32000},
    [WIRE_ERROR_NO_MEMORY] = {"no-memory", -32000},
    [WIRE_ERROR_PERMISSION_DENIED] = {"permission-denied", -32000},
    [WIRE_ERROR_NO_SUCH_SLOT] = {"no-such-slot", -32000},
    [WIRE_ERROR_DEVICE_REFUSED] = {"device-refused", -32000},
    [WIRE_ERROR_NOT_ARMED] = {"not-armed", -32000},
    [WIRE_ERROR_BAD_CONFIG] = {"bad-config", -32000},
};

const char *wire_error_word(enum wire_error error)
{
    check(error < WIRE_ERROR_COUNT);
    return errors[error].word;
}

static enum wire_error error_from_word(const char *word)
{
    for (unsigned i = 0; word != NULL && i < WIRE_ERROR_COUNT; i++) {
        if (strcmp(word, errors[i].word) == 0)
            return (enum wire_error)i;
    }
    return WIRE_ERROR_INTERNAL;
}

/* Looked at before the parser runs, which recurses once per level. */
static bool depth_allowed(const char *line, size_t length_bytes)
{
    unsigned depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < length_bytes; i++) {
        char c = line[i];
        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '{' || c == '[') && ++depth > WIRE_DEPTH_MAX)
            return false;
        else if (!in_text && (c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return true;
}

static bool read_id(struct message *message)
{
    const json_t *id = json_object_get(message->root, "id");
    if (id == NULL || json_is_null(id))
        return true;
    struct field_reader reader = field_reader_start(message->root, "");
    field_u64(&reader, "id", &message->id);
    message->has_id = reader.bad_key == NULL;
    return message->has_id;
}

static bool read_error(struct message *message, const json_t *error)
{
    struct field_reader reader = field_reader_start(error, "error");
    const char *text = json_string_value(field_get(&reader, "message"));
    if (text == NULL || !json_is_integer(field_get(&reader, "code")))
        return false;
    (void)snprintf(message->reason, sizeof(message->reason), "%s", text);
    const json_t *data = field_get(&reader, "data");
    message->error = error_from_word(json_string_value(json_object_get(data, "code")));
    return true;
}

static bool read_envelope(struct message *message)
{
    struct field_reader reader = field_reader_start(message->root, "");
    const char *version = json_string_value(field_get(&reader, "jsonrpc"));
    if (!read_id(message) || version == NULL || strcmp(version, "2.0") != 0)
        return false;

    const json_t *error = field_get(&reader, "error");
    const json_t *result = field_get(&reader, "result");
    if (field_get(&reader, "method") != NULL) {
        field_text(&reader, "method", message->method, sizeof(message->method));
        message->type = field_get(&reader, "id") != NULL ? MESSAGE_REQUEST : MESSAGE_NOTIFICATION;
        message->body = field_get(&reader, "params");
        if (message->body != NULL && !json_is_object(message->body))
            return false;
        /* An answer to id null could not be told from one to nobody. */
        return reader.bad_key == NULL && message->has_id == (message->type == MESSAGE_REQUEST) &&
               error == NULL && result == NULL;
    }
    if (error != NULL) {
        message->type = MESSAGE_ERROR;
        return result == NULL && read_error(message, error);
    }
    message->type = MESSAGE_RESULT;
    message->body = result;
    return result != NULL && message->has_id;
}

enum wire_error message_parse(struct message *message, const char *line, size_t length_bytes)
{
    *message = (struct message){.type = MESSAGE_NOTIFICATION};
    if (!depth_allowed(line, length_bytes))
        return WIRE_ERROR_BAD_JSON;

    json_error_t trouble;
    message->root = json_loadb(line, length_bytes, JSON_REJECT_DUPLICATES, &trouble);
    if (message->root == NULL) {
        return json_error_code(&trouble) == json_error_out_of_memory ? WIRE_ERROR_NO_MEMORY
                                                                     : WIRE_ERROR_BAD_JSON;
    }
    if (!json_is_object(message->root) || !read_envelope(message)) {
        message_clear(message);
        return WIRE_ERROR_BAD_REQUEST;
    }
    return WIRE_ERROR_COUNT;
}

void message_clear(struct message *message)
{
    json_decref(message->root);
    message->root = NULL;
    message->body = NULL;
}

static json_t *envelope(void)
{
    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "jsonrpc", "2.0");
    return writer.object;
}

/* Takes over the object. The precision suits the only fractions that are sent, per cents with one
 * decimal. */
static char *line_of(json_t *object)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(6);
    char *line = NULL;
    size_t length = object != NULL ? json_dumpb(object, NULL, 0, flags) : 0;

    if (length > 0)
        line = malloc(length + 2);
    if (line != NULL) {
        check(json_dumpb(object, line, length, flags) == length);
        line[length] = '\n';
        line[length + 1] = '\0';
    }
    json_decref(object);
    return line;
}

char *message_request(uint64_t id, const char *method, json_t *params)
{
    struct field_writer writer = {.object = envelope()};
    field_put_u64(&writer, "id", id);
    field_put_text(&writer, "method", method);
    field_put(&writer, "params", params);
    return line_of(writer.object);
}

char *message_notification(const char *method, json_t *params)
{
    struct field_writer writer = {.object = envelope()};
    field_put_text(&writer, "method", method);
    field_put(&writer, "params", params);
    return line_of(writer.object);
}

char *message_result(uint64_t id, json_t *result)
{
    struct field_writer writer = {.object = envelope()};
    field_put_u64(&writer, "id", id);
    field_put(&writer, "result", result);
    return line_of(writer.object);
}

char *message_error(bool has_id, uint64_t id, enum wire_error error, const char *reason)
{
    check(error < WIRE_ERROR_COUNT);
    struct field_writer data = field_writer_start();
    field_put_text(&data, "code", errors[error].word);

    struct field_writer body = field_writer_start();
    field_put(&body, "code", json_integer(errors[error].code));
    field_put_text(&body, "message", reason);
    field_put(&body, "data", data.object);

    struct field_writer writer = {.object = envelope()};
    field_put_u64(&writer, "id", has_id ? id : WIRE_UNKNOWN);
    field_put(&writer, "error", body.object);
    return line_of(writer.object);
}

json_t *hello_encode(const struct hello *hello)
{
    char protocol[32];
    (void)snprintf(protocol, sizeof(protocol), "%" PRIu32 ".%" PRIu32, hello->protocol_major,
                   hello->protocol_minor);
    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "server", hello->server);
    field_put_text(&writer, "protocol", protocol);
    field_put_text(&writer, "role", hello->role);
    field_put_text(&writer, "rig", hello->rig);
    field_put_u64(&writer, "max_request", hello->max_request_bytes);
    return writer.object;
}

/* "MAJOR.MINOR", each of 1 to 6 digits. */
static bool parse_protocol(const char *text, uint32_t *major, uint32_t *minor)
{
    size_t major_digits = strspn(text, "0123456789");
    if (major_digits < 1 || major_digits > 6 || text[major_digits] != '.')
        return false;
    const char *rest = text + major_digits + 1;
    size_t minor_digits = strspn(rest, "0123456789");
    if (minor_digits < 1 || minor_digits > 6 || rest[minor_digits] != '\0')
        return false;
    *major = (uint32_t)strtoul(text, NULL, 10);
    *minor = (uint32_t)strtoul(rest, NULL, 10);
    return true;
}

int hello_decode(struct hello *hello, const json_t *params)
{
    char protocol[32] = "";
    *hello = (struct hello){.max_request_bytes = 0};
    struct field_reader reader = field_reader_start(params, "params");
    field_text(&reader, "server", hello->server, sizeof(hello->server));
    field_text(&reader, "protocol", protocol, sizeof(protocol));
    field_text(&reader, "role", hello->role, sizeof(hello->role));
    field_text(&reader, "rig", hello->rig, sizeof(hello->rig));
    field_u64(&reader, "max_request", &hello->max_request_bytes);
    if (!parse_protocol(protocol, &hello->protocol_major, &hello->protocol_minor))
        field_fail(&reader, "protocol");
    return reader.bad_key == NULL ? 0 : -EBADMSG;
}
