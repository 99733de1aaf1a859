// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef WIRE_SERVICE_H
#define WIRE_SERVICE_H

#include "lib/core/event.h"
#include "lib/core/limits.h"
#include "lib/core/slot.h"
#include "lib/wire/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What can be asked of the service, beside status.get, whose answer is a snapshot (snapshot.h); for
 * observers the target, serial number and note of every drive are "" in it. Pure but for the heap;
 * any thread. Encoders return a new reference, or NULL for lack of memory; decoders 0 or -EBADMSG,
 * with a reason that names the member where they have room for one. */

#define WIRE_METHOD_STATUS_GET    "status.get"    /* no params */
#define WIRE_METHOD_SLOT_LIST     "slot.list"     /* no params */
#define WIRE_METHOD_JOB_ARM       "job.arm"       /* struct arm_request; struct arm_result */
#define WIRE_METHOD_JOB_DISARM    "job.disarm"    /* no params; {} */
#define WIRE_METHOD_JOB_START     "job.start"     /* struct slot_request; {} */
#define WIRE_METHOD_JOB_STOP      "job.stop"      /* the same, or no slot for all; {} */
#define WIRE_METHOD_CONFIG_RELOAD "config.reload" /* no params; struct reload_result */

struct arm_request {
    char image[WIRE_IMAGE_BYTES]; /* a name of the catalogue, or "auto"; "" (left out): as
                                     configured */
    bool has_mode;                /* false: as configured */
    enum press_mode mode;         /* "write+verify", "write" (the same) or "verify" */
};

json_t *arm_request_encode(const struct arm_request *request);
int arm_request_decode(struct arm_request *request, const json_t *params,
                       char reason[WIRE_REASON_BYTES]);

struct arm_result {
    char image[WIRE_IMAGE_BYTES]; /* as armed: a name, or "auto" */
    enum press_mode mode;
    uint32_t image_count;   /* to choose from: 1 for a name */
    uint32_t waiting_count; /* drives that were plugged in before: they need a start */
};

json_t *arm_result_encode(const struct arm_result *result);
int arm_result_decode(struct arm_result *result, const json_t *body);

struct slot_request {
    char slot[WIRE_NAME_BYTES]; /* "" (left out): all, where a method allows that */
};

json_t *slot_request_encode(const struct slot_request *request);
int slot_request_decode(struct slot_request *request, const json_t *params,
                        char reason[WIRE_REASON_BYTES]);

struct reload_result {
    char needs_restart[WIRE_NOTE_BYTES]; /* keys that count from the next start; "" */
};

json_t *reload_result_encode(const struct reload_result *result);
int reload_result_decode(struct reload_result *result, const json_t *body);

/* One slot of slot.list: its place in the rig. */
struct slot_entry {
    char name[WIRE_NAME_BYTES];
    char ports[2][WIRE_NAME_BYTES + 32]; /* as in lib/rig/port.h; "" for none */
    uint32_t lun;
    uint32_t row; /* 0: null */
    uint32_t column;
    bool automatic; /* nobody named it */
    enum slot_state state;
};

struct slot_list {
    uint32_t count; /* at most SLOTS_MAX */
    struct slot_entry slots[];
};

struct slot_list *slot_list_create(uint32_t count); /* free() ends it; NULL for lack of memory */
json_t *slot_list_encode(const struct slot_list *list);
int slot_list_decode(struct slot_list **list, const json_t *body); /* also -ENOMEM */

#endif
