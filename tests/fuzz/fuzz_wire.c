// SPDX-License-Identifier: GPL-3.0-or-later
/* Bytes as from a client or daemon through the whole codec. What is decoded must survive being
 * encoded and decoded again; everything else is for the sanitizers to find.
 * clang -fsanitize=fuzzer,address,undefined */
#include "lib/base/check.h"
#include "lib/wire/line.h"
#include "lib/wire/message.h"
#include "lib/wire/run.h"
#include "lib/wire/service.h"
#include "lib/wire/snapshot.h"

#include <stdlib.h>
#include <string.h>

/* Small, so that the limit is reached. */
enum { LINE_BYTES_MAX = 16384, PIECE_BYTES = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length_bytes);

static void try_run(const json_t *body)
{
    struct run_request request;
    struct run_result result;
    char reason[WIRE_REASON_BYTES];

    if (run_request_decode(&request, body, reason) == 0) {
        struct run_request again;
        json_t *params = run_request_encode(&request);
        check(run_request_decode(&again, params, reason) == 0);
        check(again.target_count == request.target_count && again.window == request.window);
        run_request_free(&again);
        json_decref(params);
        run_request_free(&request);
    }
    if (run_result_decode(&result, body) == 0) {
        json_t *again = run_result_encode(&result);
        check(run_result_decode(&result, again) == 0);
        json_decref(again);
    }
}

static void try_snapshot(const json_t *body)
{
    struct snapshot *snapshot = NULL;
    struct transition transition;
    struct hello hello;

    if (snapshot_decode(&snapshot, body) == 0) {
        struct snapshot *again = NULL;
        json_t *params = snapshot_encode(snapshot);
        check(snapshot_decode(&again, params) == 0);
        check(memcmp(snapshot, again,
                     sizeof(*snapshot) + snapshot->slot_count * sizeof(snapshot->slots[0])) == 0);
        json_decref(params);
        free(again);
        free(snapshot);
    }
    if (transition_decode(&transition, body) == 0) {
        json_t *params = transition_encode(&transition);
        check(transition_decode(&transition, params) == 0);
        json_decref(params);
    }
    if (hello_decode(&hello, body) == 0) {
        json_t *params = hello_encode(&hello);
        check(hello_decode(&hello, params) == 0);
        json_decref(params);
    }
}

static void try_service_requests(const json_t *body)
{
    struct arm_request arm;
    struct slot_request slot;
    char reason[WIRE_REASON_BYTES];

    if (arm_request_decode(&arm, body, reason) == 0) {
        struct arm_request again;
        json_t *params = arm_request_encode(&arm);
        check(arm_request_decode(&again, params, reason) == 0);
        check(strcmp(arm.image, again.image) == 0 && arm.has_mode == again.has_mode);
        json_decref(params);
    }
    if (slot_request_decode(&slot, body, reason) == 0) {
        struct slot_request again;
        json_t *params = slot_request_encode(&slot);
        check(slot_request_decode(&again, params, reason) == 0);
        check(strcmp(slot.slot, again.slot) == 0);
        json_decref(params);
    }
}

static void try_service_results(const json_t *body)
{
    struct arm_result arm;
    struct reload_result reload;
    struct slot_list *list = NULL;

    if (arm_result_decode(&arm, body) == 0) {
        json_t *again = arm_result_encode(&arm);
        check(arm_result_decode(&arm, again) == 0);
        json_decref(again);
    }
    if (reload_result_decode(&reload, body) == 0) {
        json_t *again = reload_result_encode(&reload);
        check(reload_result_decode(&reload, again) == 0);
        json_decref(again);
    }
    if (slot_list_decode(&list, body) == 0) {
        struct slot_list *again = NULL;
        json_t *result = slot_list_encode(list);
        check(slot_list_decode(&again, result) == 0);
        check(again->count == list->count &&
              memcmp(again->slots, list->slots, list->count * sizeof(list->slots[0])) == 0);
        json_decref(result);
        free(again);
        free(list);
    }
}

static void try_line(const char *text, size_t length_bytes)
{
    struct message message;
    if (message_parse(&message, text, length_bytes) != WIRE_ERROR_COUNT)
        return;
    if (message.body != NULL) {
        try_run(message.body);
        try_snapshot(message.body);
        try_service_requests(message.body);
        try_service_results(message.body);
    }
    message_clear(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length_bytes)
{
    struct wire_line line;
    int result = 0;

    wire_line_init(&line, LINE_BYTES_MAX);
    while (length_bytes > 0 && result >= 0) {
        size_t piece = length_bytes < PIECE_BYTES ? length_bytes : PIECE_BYTES;
        char *text = NULL;
        size_t text_bytes = 0;
        check(wire_line_feed(&line, data, piece) == 0);
        while ((result = wire_line_next(&line, &text, &text_bytes)) == 1)
            try_line(text, text_bytes);
        data += piece;
        length_bytes -= piece;
    }
    wire_line_free(&line);
    return 0;
}
