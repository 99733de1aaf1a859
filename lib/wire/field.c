// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/wire/field.h"

#include "lib/base/check.h"
#include "lib/base/text.h"
#include "lib/base/units.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct field_writer field_writer_start(void)
{
    return (struct field_writer){.object = json_object()};
}

void field_put(struct field_writer *writer, const char *key, json_t *value)
{
    if (writer->object == NULL) {
        json_decref(value);
        return;
    }
    if (json_object_set_new(writer->object, key, value) != 0) {
        json_decref(writer->object);
        writer->object = NULL;
    }
}

static json_t *text_mended(const char *text)
{
    char *mended = strdup(text);
    if (mended == NULL)
        return NULL;
    for (char *at = mended; *at != '\0';) {
        uint32_t point = 0;
        size_t step = text_decode(at, &point);
        if (step == 0)
            *at = '?';
        at += step > 0 ? step : 1;
    }
    json_t *value = json_string(mended);
    free(mended);
    return value;
}

void field_put_text(struct field_writer *writer, const char *key, const char *text)
{
    json_t *value = json_string(text);
    if (value == NULL)
        value = text_mended(text);
    field_put(writer, key, value);
}

void field_put_text_or_null(struct field_writer *writer, const char *key, const char *text)
{
    if (text[0] == '\0')
        field_put(writer, key, json_null());
    else
        field_put_text(writer, key, text);
}

void field_put_u64(struct field_writer *writer, const char *key, uint64_t value)
{
    if (value == WIRE_UNKNOWN)
        field_put(writer, key, json_null());
    else
        field_put(writer, key, json_integer((json_int_t)min_u64(value, WIRE_INTEGER_MAX)));
}

void field_put_place(struct field_writer *writer, const char *key, uint32_t value)
{
    field_put_u64(writer, key, value == 0 ? WIRE_UNKNOWN : value);
}

void field_put_bool(struct field_writer *writer, const char *key, bool value)
{
    field_put(writer, key, json_boolean(value));
}

void field_put_verdict(struct field_writer *writer, const char *key, enum verdict verdict)
{
    if (verdict == VERDICT_NONE)
        field_put(writer, key, json_null());
    else
        field_put_text(writer, key, verdict_word(verdict));
}

struct field_reader field_reader_start(const json_t *object, const char *name)
{
    return (struct field_reader){.object = object, .bad_key = json_is_object(object) ? NULL : name};
}

void field_fail(struct field_reader *reader, const char *key)
{
    if (reader->bad_key == NULL)
        reader->bad_key = key;
}

int field_explain(const struct field_reader *reader, char *reason, size_t reason_bytes)
{
    if (reader->bad_key == NULL)
        return 0;
    (void)snprintf(reason, reason_bytes,
                   "the request's \"%s\" is missing, of the wrong type or out of range",
                   reader->bad_key);
    return -EBADMSG;
}

const json_t *field_get(const struct field_reader *reader, const char *key)
{
    return json_object_get(reader->object, key);
}

void field_text(struct field_reader *reader, const char *key, char *text, size_t text_bytes)
{
    const json_t *value = field_get(reader, key);
    if (!json_is_string(value) || json_string_length(value) >= text_bytes) {
        field_fail(reader, key);
        return;
    }
    memcpy(text, json_string_value(value), json_string_length(value) + 1);
}

void field_text_or_null(struct field_reader *reader, const char *key, char *text, size_t text_bytes)
{
    check(text_bytes > 0);
    if (json_is_null(field_get(reader, key)))
        text[0] = '\0';
    else
        field_text(reader, key, text, text_bytes);
}

void field_u64(struct field_reader *reader, const char *key, uint64_t *value)
{
    const json_t *member = field_get(reader, key);
    json_int_t number = json_integer_value(member);
    if (!json_is_integer(member) || number < 0 || (uint64_t)number > WIRE_INTEGER_MAX) {
        field_fail(reader, key);
        return;
    }
    *value = (uint64_t)number;
}

void field_u64_or_null(struct field_reader *reader, const char *key, uint64_t *value)
{
    if (json_is_null(field_get(reader, key)))
        *value = WIRE_UNKNOWN;
    else
        field_u64(reader, key, value);
}

void field_u32(struct field_reader *reader, const char *key, uint32_t max, uint32_t *value)
{
    uint64_t number = WIRE_UNKNOWN;
    field_u64(reader, key, &number);
    if (number > max)
        field_fail(reader, key);
    else
        *value = (uint32_t)number;
}

void field_place(struct field_reader *reader, const char *key, uint32_t *value)
{
    if (json_is_null(field_get(reader, key)))
        *value = 0;
    else
        field_u32(reader, key, UINT32_MAX, value);
}

void field_bool(struct field_reader *reader, const char *key, bool *value)
{
    const json_t *member = field_get(reader, key);
    if (json_is_boolean(member))
        *value = json_is_true(member);
    else
        field_fail(reader, key);
}

void field_state(struct field_reader *reader, const char *key, enum slot_state *state)
{
    const char *word = json_string_value(field_get(reader, key));
    enum slot_state found = word != NULL ? slot_state_from_word(word) : SLOT_STATE_COUNT;
    if (found == SLOT_STATE_COUNT)
        field_fail(reader, key);
    else
        *state = found;
}

void field_verdict(struct field_reader *reader, const char *key, enum verdict *verdict)
{
    const json_t *member = field_get(reader, key);
    const char *word = json_string_value(member);
    enum verdict found = word != NULL ? verdict_from_word(word) : VERDICT_NONE;
    if (found == VERDICT_NONE && !json_is_null(member))
        field_fail(reader, key);
    else
        *verdict = found;
}

void field_residue(struct field_reader *reader, const char *key, enum residue *residue)
{
    const char *word = json_string_value(field_get(reader, key));
    for (unsigned i = 0; word != NULL && i < RESIDUE_COUNT; i++) {
        if (strcmp(word, residue_word((enum residue)i)) == 0) {
            *residue = (enum residue)i;
            return;
        }
    }
    field_fail(reader, key);
}

const char *press_mode_word(enum press_mode mode)
{
    check(mode == MODE_WRITE || mode == MODE_VERIFY);
    return mode == MODE_WRITE ? "write+verify" : "verify";
}

bool press_mode_from_word(const char *word, enum press_mode *mode)
{
    if (strcmp(word, press_mode_word(MODE_WRITE)) == 0 || strcmp(word, "write") == 0)
        *mode = MODE_WRITE;
    else if (strcmp(word, press_mode_word(MODE_VERIFY)) == 0)
        *mode = MODE_VERIFY;
    else
        return false;
    return true;
}

void field_mode(struct field_reader *reader, const char *key, enum press_mode *mode)
{
    const char *word = json_string_value(field_get(reader, key));
    if (word == NULL || !press_mode_from_word(word, mode))
        field_fail(reader, key);
}
