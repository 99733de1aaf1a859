// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef WIRE_SNAPSHOT_H
#define WIRE_SNAPSHOT_H

#include "lib/core/event.h"
#include "lib/core/limits.h"
#include "lib/core/residue.h"
#include "lib/core/slot.h"
#include "lib/core/verdict.h"
#include "lib/wire/field.h"
#include "lib/wire/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Everything about a press at one moment: the params of "status" and "finished". And "transition",
 * one change of one slot. Pure but for the heap; any thread. */

/* A slot and the drive that is in it. Texts are UTF-8; integers are below 2^53. */
struct snapshot_slot {
    char name[WIRE_NAME_BYTES];
    char target[WIRE_PATH_BYTES]; /* device or file; "": none is there */
    uint32_t row;                 /* in the rig, from 1; 0: null */
    uint32_t column;              /* "col" on the wire */
    enum slot_state state;
    enum verdict verdict;         /* VERDICT_NONE: null */
    char image[WIRE_IMAGE_BYTES]; /* "": null */
    uint32_t permille;            /* of the whole pass, verifying included, 0 to 1000;
                                   * "pct" with one decimal on the wire */
    uint64_t bytes_per_s;
    uint64_t eta_s; /* to the end of the pass; WIRE_UNKNOWN: null */
    uint64_t bytes_written;
    uint64_t bytes_verified;
    uint64_t write_ms;
    uint64_t verify_ms;
    uint32_t bad_chunk_count; /* at most BAD_CHUNKS_MAX */
    uint32_t bad_chunks[BAD_CHUNKS_MAX];
    enum residue residue;
    struct {
        char model[64];
        char serial[64];
        uint64_t capacity_bytes; /* 0 while not known */
        bool direct;             /* read from the device and not from a cache */
        char note[WIRE_NOTE_BYTES];
    } drive;
};

struct snapshot {
    char rig[WIRE_NAME_BYTES];
    bool armed; /* false: "armed" is null */
    char armed_image[WIRE_IMAGE_BYTES];
    enum press_mode armed_mode;
    struct verdict_totals totals;
    uint64_t master_bytes_read;
    uint32_t slot_count; /* at most SLOTS_MAX */
    struct snapshot_slot slots[];
};

/* An empty snapshot of as many slots, all zero; NULL for lack of memory. free() ends it. */
struct snapshot *snapshot_create(uint32_t slot_count);

/* A new reference, or NULL for lack of memory. Slots need distinct names. */
json_t *snapshot_encode(const struct snapshot *snapshot);

/* Reads a snapshot; slots in the order of the message. 0, -EBADMSG or -ENOMEM; after success the
 * caller free()s it. */
int snapshot_decode(struct snapshot **snapshot, const json_t *params);

struct transition {
    char slot[WIRE_NAME_BYTES];
    enum slot_state state;
    enum verdict verdict; /* VERDICT_NONE: null */
    char note[WIRE_NOTE_BYTES];
};

/* The params of "transition": a new reference, or NULL for lack of memory; back: 0 or -EBADMSG. */
json_t *transition_encode(const struct transition *transition);
int transition_decode(struct transition *transition, const json_t *params);

#endif
