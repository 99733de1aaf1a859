// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/wire/service.h"

#include "lib/base/check.h"
#include "lib/wire/field.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The members of a request that may be left out. Null is not that: a script that lost the name of
 * its slot must not stop all of them. */
static struct field_reader params_start(const json_t *params)
{
    struct field_reader reader = field_reader_start(params, "params");
    if (params == NULL)
        reader.bad_key = NULL;
    return reader;
}

static void optional_text(struct field_reader *reader, const char *key, char *text,
                          size_t text_bytes)
{
    if (field_get(reader, key) == NULL)
        return;
    field_text(reader, key, text, text_bytes);
    if (text[0] == '\0')
        field_fail(reader, key);
}

json_t *arm_request_encode(const struct arm_request *request)
{
    struct field_writer writer = field_writer_start();
    if (request->image[0] != '\0')
        field_put_text(&writer, "image", request->image);
    if (request->has_mode)
        field_put_text(&writer, "mode", press_mode_word(request->mode));
    return writer.object;
}

int arm_request_decode(struct arm_request *request, const json_t *params,
                       char reason[WIRE_REASON_BYTES])
{
    *request = (struct arm_request){.has_mode = false};
    struct field_reader reader = params_start(params);
    optional_text(&reader, "image", request->image, sizeof(request->image));
    request->has_mode = field_get(&reader, "mode") != NULL;
    if (request->has_mode)
        field_mode(&reader, "mode", &request->mode);
    return field_explain(&reader, reason, WIRE_REASON_BYTES);
}

json_t *arm_result_encode(const struct arm_result *result)
{
    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "image", result->image);
    field_put_text(&writer, "mode", press_mode_word(result->mode));
    field_put_u64(&writer, "images", result->image_count);
    field_put_u64(&writer, "waiting", result->waiting_count);
    return writer.object;
}

int arm_result_decode(struct arm_result *result, const json_t *body)
{
    *result = (struct arm_result){.image_count = 0};
    struct field_reader reader = field_reader_start(body, "result");
    field_text(&reader, "image", result->image, sizeof(result->image));
    field_mode(&reader, "mode", &result->mode);
    field_u32(&reader, "images", UINT32_MAX, &result->image_count);
    field_u32(&reader, "waiting", UINT32_MAX, &result->waiting_count);
    return reader.bad_key == NULL ? 0 : -EBADMSG;
}

json_t *slot_request_encode(const struct slot_request *request)
{
    struct field_writer writer = field_writer_start();
    if (request->slot[0] != '\0')
        field_put_text(&writer, "slot", request->slot);
    return writer.object;
}

int slot_request_decode(struct slot_request *request, const json_t *params,
                        char reason[WIRE_REASON_BYTES])
{
    *request = (struct slot_request){.slot = ""};
    struct field_reader reader = params_start(params);
    optional_text(&reader, "slot", request->slot, sizeof(request->slot));
    return field_explain(&reader, reason, WIRE_REASON_BYTES);
}

json_t *reload_result_encode(const struct reload_result *result)
{
    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "needs_restart", result->needs_restart);
    return writer.object;
}

int reload_result_decode(struct reload_result *result, const json_t *body)
{
    *result = (struct reload_result){.needs_restart = ""};
    struct field_reader reader = field_reader_start(body, "result");
    field_text(&reader, "needs_restart", result->needs_restart, sizeof(result->needs_restart));
    return reader.bad_key == NULL ? 0 : -EBADMSG;
}

struct slot_list *slot_list_create(uint32_t count)
{
    check(count <= SLOTS_MAX);
    struct slot_list *list = calloc(1, sizeof(*list) + count * sizeof(list->slots[0]));
    if (list != NULL)
        list->count = count;
    return list;
}

static json_t *ports_encode(const struct slot_entry *entry)
{
    json_t *ports = json_array();
    for (size_t i = 0; i < sizeof(entry->ports) / sizeof(entry->ports[0]); i++) {
        if (entry->ports[i][0] == '\0')
            continue;
        if (json_array_append_new(ports, json_string(entry->ports[i])) != 0) {
            json_decref(ports);
            return NULL;
        }
    }
    return ports;
}

static json_t *entry_encode(const struct slot_entry *entry)
{
    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "name", entry->name);
    field_put(&writer, "ports", ports_encode(entry));
    field_put_u64(&writer, "lun", entry->lun);
    field_put_place(&writer, "row", entry->row);
    field_put_place(&writer, "col", entry->column);
    field_put_bool(&writer, "automatic", entry->automatic);
    field_put_text(&writer, "state", slot_state_word(entry->state));
    return writer.object;
}

json_t *slot_list_encode(const struct slot_list *list)
{
    json_t *slots = json_array();
    for (uint32_t i = 0; i < list->count; i++) {
        if (json_array_append_new(slots, entry_encode(&list->slots[i])) != 0) {
            json_decref(slots);
            slots = NULL;
            break;
        }
    }
    struct field_writer writer = field_writer_start();
    field_put(&writer, "slots", slots);
    return writer.object;
}

static void ports_decode(struct field_reader *reader, struct slot_entry *entry)
{
    const json_t *ports = field_get(reader, "ports");
    size_t count = json_array_size(ports);

    if (!json_is_array(ports) || count > sizeof(entry->ports) / sizeof(entry->ports[0])) {
        field_fail(reader, "ports");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *port = json_array_get(ports, i);
        if (json_string_length(port) < 1 || json_string_length(port) >= sizeof(entry->ports[i])) {
            field_fail(reader, "ports");
            return;
        }
        memcpy(entry->ports[i], json_string_value(port), json_string_length(port) + 1);
    }
}

static int entry_decode(struct slot_entry *entry, const json_t *object)
{
    struct field_reader reader = field_reader_start(object, "slot");
    field_text(&reader, "name", entry->name, sizeof(entry->name));
    ports_decode(&reader, entry);
    field_u32(&reader, "lun", UINT32_MAX, &entry->lun);
    field_place(&reader, "row", &entry->row);
    field_place(&reader, "col", &entry->column);
    field_bool(&reader, "automatic", &entry->automatic);
    field_state(&reader, "state", &entry->state);
    return reader.bad_key == NULL ? 0 : -EBADMSG;
}

int slot_list_decode(struct slot_list **list, const json_t *body)
{
    struct field_reader reader = field_reader_start(body, "result");
    const json_t *slots = field_get(&reader, "slots");
    size_t count = json_array_size(slots);

    if (!json_is_array(slots) || count > SLOTS_MAX)
        return -EBADMSG;
    struct slot_list *read = slot_list_create((uint32_t)count);
    if (read == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (entry_decode(&read->slots[i], json_array_get(slots, i)) != 0) {
            free(read);
            return -EBADMSG;
        }
    }
    *list = read;
    return 0;
}
