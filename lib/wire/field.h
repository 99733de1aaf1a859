// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef WIRE_FIELD_H
#define WIRE_FIELD_H

#include "lib/core/event.h"
#include "lib/core/residue.h"
#include "lib/core/slot.h"
#include "lib/core/verdict.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Members of JSON objects, written and read with the first trouble remembered, so that a codec
 * reads as a list of its members. Internal to lib/wire. One thread at a time.
 *
 * Integers are unsigned and below 2^53, for that is what every JSON reader can hold (RFC 8259,
 * section 6): larger ones are written as WIRE_INTEGER_MAX and refused when read. */

#define WIRE_INTEGER_MAX ((UINT64_C(1) << 53) - 1)

/* A number that is not known: null on the wire. */
#define WIRE_UNKNOWN UINT64_MAX

struct field_writer {
    json_t *object; /* NULL as soon as anything failed, which is only for lack of memory */
};

struct field_writer field_writer_start(void);

/* Adds a value, whose reference it takes over; NULL is a failure. */
void field_put(struct field_writer *writer, const char *key, json_t *value);

/* Text that is not UTF-8 is written with '?' in place of each bad byte: as long as it was, so that
 * whoever reads it has room for it. */
void field_put_text(struct field_writer *writer, const char *key, const char *text);
void field_put_text_or_null(struct field_writer *writer, const char *key, const char *text);
void field_put_u64(struct field_writer *writer, const char *key, uint64_t value);
void field_put_place(struct field_writer *writer, const char *key, uint32_t value); /* 0 is null */
void field_put_bool(struct field_writer *writer, const char *key, bool value);
void field_put_verdict(struct field_writer *writer, const char *key, enum verdict verdict);

struct field_reader {
    const json_t *object; /* borrowed */
    const char *bad_key;  /* the first member that was missing or wrong; NULL while all is well */
};

/* A reader of an object; anything but an object is a bad member of this name. */
struct field_reader field_reader_start(const json_t *object, const char *name);
void field_fail(struct field_reader *reader, const char *key);

/* Says for people which member is bad. Returns 0 when none is, else -EBADMSG. */
int field_explain(const struct field_reader *reader, char *reason, size_t reason_bytes);

/* The member, or NULL. */
const json_t *field_get(const struct field_reader *reader, const char *key);

/* Each reads a member that must be there and of its kind; on trouble the value is untouched.
 * Text must fit with its final zero. */
void field_text(struct field_reader *reader, const char *key, char *text, size_t text_bytes);
void field_text_or_null(struct field_reader *reader, const char *key, char *text,
                        size_t text_bytes); /* null is "" */
void field_u64(struct field_reader *reader, const char *key, uint64_t *value);
void field_u64_or_null(struct field_reader *reader, const char *key, uint64_t *value);
void field_u32(struct field_reader *reader, const char *key, uint32_t max, uint32_t *value);
void field_place(struct field_reader *reader, const char *key, uint32_t *value); /* null is 0 */
void field_bool(struct field_reader *reader, const char *key, bool *value);
void field_state(struct field_reader *reader, const char *key, enum slot_state *state);
void field_verdict(struct field_reader *reader, const char *key, enum verdict *verdict);
void field_residue(struct field_reader *reader, const char *key, enum residue *residue);

/* "write+verify" and "verify". What is read may also be "write": there is no writing without
 * reading everything back, for a drive that was not read back could never pass. */
const char *press_mode_word(enum press_mode mode);
bool press_mode_from_word(const char *word, enum press_mode *mode);
void field_mode(struct field_reader *reader, const char *key, enum press_mode *mode);

#endif
