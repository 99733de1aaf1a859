// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/wire/snapshot.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct snapshot *snapshot_create(uint32_t slot_count)
{
    check(slot_count <= SLOTS_MAX);
    struct snapshot *snapshot =
        calloc(1, sizeof(*snapshot) + slot_count * sizeof(snapshot->slots[0]));
    if (snapshot != NULL)
        snapshot->slot_count = slot_count;
    return snapshot;
}

static json_t *bad_chunks_encode(const struct snapshot_slot *slot)
{
    check(slot->bad_chunk_count <= BAD_CHUNKS_MAX);
    json_t *array = json_array();
    for (uint32_t i = 0; i < slot->bad_chunk_count; i++) {
        if (json_array_append_new(array, json_integer(slot->bad_chunks[i])) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *drive_encode(const struct snapshot_slot *slot)
{
    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "model", slot->drive.model);
    field_put_text(&writer, "serial", slot->drive.serial);
    field_put_u64(&writer, "capacity_bytes", slot->drive.capacity_bytes);
    field_put_bool(&writer, "direct", slot->drive.direct);
    field_put_text(&writer, "note", slot->drive.note);
    return writer.object;
}

static json_t *slot_encode(const struct snapshot_slot *slot)
{
    check(slot->permille <= 1000);
    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "target", slot->target);
    field_put_place(&writer, "row", slot->row);
    field_put_place(&writer, "col", slot->column);
    field_put_text(&writer, "state", slot_state_word(slot->state));
    field_put_verdict(&writer, "verdict", slot->verdict);
    field_put_text_or_null(&writer, "image", slot->image);
    field_put(&writer, "pct", json_real((double)slot->permille / 10.0));
    field_put_u64(&writer, "bytes_per_s", slot->bytes_per_s);
    field_put_u64(&writer, "eta_s", slot->eta_s);
    field_put_u64(&writer, "bytes_written", slot->bytes_written);
    field_put_u64(&writer, "bytes_verified", slot->bytes_verified);
    field_put_u64(&writer, "write_ms", slot->write_ms);
    field_put_u64(&writer, "verify_ms", slot->verify_ms);
    field_put(&writer, "bad_chunks", bad_chunks_encode(slot));
    field_put_text(&writer, "residue", residue_word(slot->residue));
    field_put(&writer, "drive", drive_encode(slot));
    return writer.object;
}

static json_t *armed_encode(const struct snapshot *snapshot)
{
    if (!snapshot->armed)
        return json_null();
    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "image", snapshot->armed_image);
    field_put_text(&writer, "mode", press_mode_word(snapshot->armed_mode));
    return writer.object;
}

static json_t *totals_encode(const struct verdict_totals *totals)
{
    struct field_writer writer = field_writer_start();
    field_put_u64(&writer, "passed", totals->passed);
    field_put_u64(&writer, "failed", totals->failed);
    field_put_u64(&writer, "refused", totals->refused);
    field_put_u64(&writer, "aborted", totals->aborted);
    return writer.object;
}

json_t *snapshot_encode(const struct snapshot *snapshot)
{
    struct field_writer slots = field_writer_start();
    for (uint32_t i = 0; i < snapshot->slot_count; i++)
        field_put(&slots, snapshot->slots[i].name, slot_encode(&snapshot->slots[i]));

    struct field_writer master = field_writer_start();
    field_put_u64(&master, "bytes_read", snapshot->master_bytes_read);

    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "rig", snapshot->rig);
    field_put(&writer, "armed", armed_encode(snapshot));
    field_put(&writer, "slots", slots.object);
    field_put(&writer, "totals", totals_encode(&snapshot->totals));
    field_put(&writer, "master", master.object);
    return writer.object;
}

static void permille_decode(struct field_reader *reader, uint32_t *permille)
{
    const json_t *pct = field_get(reader, "pct");
    double value = json_number_value(pct);
    if (!json_is_number(pct) || !(value >= 0.0 && value <= 100.0))
        field_fail(reader, "pct");
    else
        *permille = (uint32_t)(value * 10.0 + 0.5);
}

static void bad_chunks_decode(struct field_reader *reader, struct snapshot_slot *slot)
{
    const json_t *array = field_get(reader, "bad_chunks");
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > BAD_CHUNKS_MAX) {
        field_fail(reader, "bad_chunks");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *chunk = json_array_get(array, i);
        json_int_t number = json_integer_value(chunk);
        if (!json_is_integer(chunk) || number < 0 || number >= (json_int_t)CHUNKS_MAX) {
            field_fail(reader, "bad_chunks");
            return;
        }
        slot->bad_chunks[i] = (uint32_t)number;
    }
    slot->bad_chunk_count = (uint32_t)count;
}

static void drive_decode(struct field_reader *slot_reader, struct snapshot_slot *slot)
{
    struct field_reader reader = field_reader_start(field_get(slot_reader, "drive"), "drive");
    field_text(&reader, "model", slot->drive.model, sizeof(slot->drive.model));
    field_text(&reader, "serial", slot->drive.serial, sizeof(slot->drive.serial));
    field_u64(&reader, "capacity_bytes", &slot->drive.capacity_bytes);
    field_bool(&reader, "direct", &slot->drive.direct);
    field_text(&reader, "note", slot->drive.note, sizeof(slot->drive.note));
    if (reader.bad_key != NULL)
        field_fail(slot_reader, "drive");
}

static int slot_decode(struct snapshot_slot *slot, const char *name, const json_t *object)
{
    if (strlen(name) >= sizeof(slot->name))
        return -EBADMSG;
    memcpy(slot->name, name, strlen(name) + 1);

    struct field_reader reader = field_reader_start(object, "slot");
    field_text(&reader, "target", slot->target, sizeof(slot->target));
    field_place(&reader, "row", &slot->row);
    field_place(&reader, "col", &slot->column);
    field_state(&reader, "state", &slot->state);
    field_verdict(&reader, "verdict", &slot->verdict);
    field_text_or_null(&reader, "image", slot->image, sizeof(slot->image));
    permille_decode(&reader, &slot->permille);
    field_u64(&reader, "bytes_per_s", &slot->bytes_per_s);
    field_u64_or_null(&reader, "eta_s", &slot->eta_s);
    field_u64(&reader, "bytes_written", &slot->bytes_written);
    field_u64(&reader, "bytes_verified", &slot->bytes_verified);
    field_u64(&reader, "write_ms", &slot->write_ms);
    field_u64(&reader, "verify_ms", &slot->verify_ms);
    bad_chunks_decode(&reader, slot);
    field_residue(&reader, "residue", &slot->residue);
    drive_decode(&reader, slot);
    return reader.bad_key == NULL ? 0 : -EBADMSG;
}

static void armed_decode(struct field_reader *reader, struct snapshot *snapshot)
{
    const json_t *armed = field_get(reader, "armed");
    snapshot->armed = !json_is_null(armed);
    if (!snapshot->armed)
        return;
    struct field_reader inner = field_reader_start(armed, "armed");
    field_text(&inner, "image", snapshot->armed_image, sizeof(snapshot->armed_image));
    field_mode(&inner, "mode", &snapshot->armed_mode);
    if (inner.bad_key != NULL)
        field_fail(reader, "armed");
}

static void totals_decode(struct field_reader *reader, struct verdict_totals *totals)
{
    uint32_t counts[4] = {0};
    struct field_reader inner = field_reader_start(field_get(reader, "totals"), "totals");
    field_u32(&inner, "passed", UINT32_MAX, &counts[0]);
    field_u32(&inner, "failed", UINT32_MAX, &counts[1]);
    field_u32(&inner, "refused", UINT32_MAX, &counts[2]);
    field_u32(&inner, "aborted", UINT32_MAX, &counts[3]);
    *totals = (struct verdict_totals){counts[0], counts[1], counts[2], counts[3]};
    if (inner.bad_key != NULL)
        field_fail(reader, "totals");
}

int snapshot_decode(struct snapshot **snapshot, const json_t *params)
{
    struct field_reader reader = field_reader_start(params, "params");
    const json_t *slots = field_get(&reader, "slots");
    if (!json_is_object(slots) || json_object_size(slots) > SLOTS_MAX)
        return -EBADMSG;
    struct snapshot *read = snapshot_create((uint32_t)json_object_size(slots));
    if (read == NULL)
        return -ENOMEM;

    field_text(&reader, "rig", read->rig, sizeof(read->rig));
    armed_decode(&reader, read);
    totals_decode(&reader, &read->totals);
    struct field_reader master = field_reader_start(field_get(&reader, "master"), "master");
    field_u64(&master, "bytes_read", &read->master_bytes_read);
    int error = reader.bad_key == NULL && master.bad_key == NULL ? 0 : -EBADMSG;

    uint32_t i = 0;
    void *at = json_object_iter((json_t *)slots);
    for (; at != NULL && error == 0; at = json_object_iter_next((json_t *)slots, at)) {
        error = slot_decode(&read->slots[i], json_object_iter_key(at), json_object_iter_value(at));
        i++;
    }
    if (error != 0) {
        free(read);
        return error;
    }
    *snapshot = read;
    return 0;
}

json_t *transition_encode(const struct transition *transition)
{
    struct field_writer writer = field_writer_start();
    field_put_text(&writer, "slot", transition->slot);
    field_put_text(&writer, "state", slot_state_word(transition->state));
    field_put_verdict(&writer, "verdict", transition->verdict);
    field_put_text(&writer, "note", transition->note);
    return writer.object;
}

int transition_decode(struct transition *transition, const json_t *params)
{
    *transition = (struct transition){.state = SLOT_EMPTY};
    struct field_reader reader = field_reader_start(params, "params");
    field_text(&reader, "slot", transition->slot, sizeof(transition->slot));
    field_state(&reader, "state", &transition->state);
    field_verdict(&reader, "verdict", &transition->verdict);
    field_text(&reader, "note", transition->note, sizeof(transition->note));
    return reader.bad_key == NULL ? 0 : -EBADMSG;
}
