// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/wire/line.h"
#include "lib/wire/message.h"
#include "lib/wire/run.h"
#include "lib/wire/snapshot.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Lines */

static void feed_text(struct wire_line *line, const char *text)
{
    assert_int_equal(wire_line_feed(line, text, strlen(text)), 0);
}

static void test_lines_come_whole_from_pieces(void **state)
{
    (void)state;
    static const char stream[] = "{\"a\":1}\n\n{\"b\":2}\nrest";
    struct wire_line line;
    char *text;
    size_t length;
    unsigned count = 0;
    char all[64] = "";

    wire_line_init(&line, 16);
    for (size_t i = 0; i + 1 < sizeof(stream); i++) {
        assert_int_equal(wire_line_feed(&line, &stream[i], 1), 0);
        while (wire_line_next(&line, &text, &length) == 1) {
            assert_int_equal(strlen(text), length);
            strcat(all, text);
            strcat(all, "|");
            count++;
        }
    }
    assert_int_equal(count, 3);
    assert_string_equal(all, "{\"a\":1}||{\"b\":2}|");
    feed_text(&line, "\n");
    assert_int_equal(wire_line_next(&line, &text, &length), 1);
    assert_string_equal(text, "rest");
    wire_line_free(&line);
}

static void test_too_long_line_is_an_error(void **state)
{
    (void)state;
    struct wire_line line;
    char *text;
    size_t length;

    wire_line_init(&line, 4);
    feed_text(&line, "1234");
    assert_int_equal(wire_line_next(&line, &text, &length), 0);
    feed_text(&line, "\n");
    assert_int_equal(wire_line_next(&line, &text, &length), 1);
    feed_text(&line, "12345");
    assert_int_equal(wire_line_next(&line, &text, &length), -EMSGSIZE);
    wire_line_free(&line);

    wire_line_init(&line, 4);
    feed_text(&line, "1\n12345\n");
    assert_int_equal(wire_line_next(&line, &text, &length), 1);
    assert_int_equal(wire_line_next(&line, &text, &length), -EMSGSIZE);
    wire_line_free(&line);
}

/* Envelopes */

static enum wire_error parse(struct message *message, const char *text)
{
    return message_parse(message, text, strlen(text));
}

static void test_built_lines_are_read_back(void **state)
{
    (void)state;
    struct message message;
    char *line = message_request(7, "press.stop", json_object());

    assert_string_equal(line,
                        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"press.stop\",\"params\":{}}\n");
    line[strlen(line) - 1] = '\0';
    assert_int_equal(parse(&message, line), WIRE_ERROR_COUNT);
    assert_int_equal(message.type, MESSAGE_REQUEST);
    assert_int_equal(message.id, 7);
    assert_string_equal(message.method, "press.stop");
    message_clear(&message);
    free(line);

    line = message_error(true, 7, WIRE_ERROR_IMAGE_UNTRUSTED, "add it again");
    assert_int_equal(parse(&message, line), WIRE_ERROR_COUNT);
    assert_int_equal(message.type, MESSAGE_ERROR);
    assert_int_equal(message.error, WIRE_ERROR_IMAGE_UNTRUSTED);
    assert_string_equal(message.reason, "add it again");
    message_clear(&message);
    free(line);

    line = message_error(false, 0, WIRE_ERROR_BAD_JSON, "not JSON");
    assert_non_null(strstr(line, "\"id\":null"));
    assert_non_null(strstr(line, "-32700"));
    free(line);

    line = message_result(8, json_object());
    assert_int_equal(parse(&message, line), WIRE_ERROR_COUNT);
    assert_int_equal(message.type, MESSAGE_RESULT);
    assert_int_equal(message.id, 8);
    message_clear(&message);
    free(line);

    assert_null(message_result(8, NULL));
}

static void test_every_error_has_a_word_of_its_own(void **state)
{
    (void)state;
    struct message message;

    for (unsigned i = 0; i < WIRE_ERROR_COUNT; i++) {
        char *line = message_error(true, 1, (enum wire_error)i, "do it");
        assert_int_equal(parse(&message, line), WIRE_ERROR_COUNT);
        assert_int_equal(message.error, i);
        message_clear(&message);
        free(line);
    }
    assert_string_equal(wire_error_word(WIRE_ERROR_PERMISSION_DENIED), "permission-denied");
    assert_string_equal(wire_error_word(WIRE_ERROR_NO_SUCH_SLOT), "no-such-slot");
    assert_string_equal(wire_error_word(WIRE_ERROR_NOT_ARMED), "not-armed");
    assert_string_equal(wire_error_word(WIRE_ERROR_BAD_CONFIG), "bad-config");
}

static void test_bad_envelopes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum wire_error error;
    } cases[] = {
        {"", WIRE_ERROR_BAD_JSON},
        {"{", WIRE_ERROR_BAD_JSON},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}", WIRE_ERROR_BAD_JSON},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"method\":\"b\"}", WIRE_ERROR_BAD_JSON},
        {"{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":{\"x\":[[[[[[[[]]]]]]]]}}",
         WIRE_ERROR_BAD_JSON},
        {"[]", WIRE_ERROR_BAD_REQUEST},
        {"{\"method\":\"a\"}", WIRE_ERROR_BAD_REQUEST},
        {"{\"jsonrpc\":\"1.0\",\"method\":\"a\"}", WIRE_ERROR_BAD_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"a\"}", WIRE_ERROR_BAD_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":-1,\"method\":\"a\"}", WIRE_ERROR_BAD_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":9007199254740992,\"method\":\"a\"}", WIRE_ERROR_BAD_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", WIRE_ERROR_BAD_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"params\":5}", WIRE_ERROR_BAD_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":1}", WIRE_ERROR_BAD_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}", WIRE_ERROR_BAD_REQUEST},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1}}", WIRE_ERROR_BAD_REQUEST},
    };
    struct message message;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (parse(&message, cases[i].text) != cases[i].error)
            fail_msg("%s", cases[i].text);
    }
    /* The id of a broken request is kept for the answer. */
    assert_int_equal(parse(&message, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":5}"),
                     WIRE_ERROR_BAD_REQUEST);
    assert_true(message.has_id);
    assert_int_equal(message.id, 3);
}

static void test_unknown_members_are_ignored(void **state)
{
    (void)state;
    struct message message;

    assert_int_equal(parse(&message, "{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"new\":[1]}"),
                     WIRE_ERROR_COUNT);
    assert_int_equal(message.type, MESSAGE_NOTIFICATION);
    message_clear(&message);
}

static void test_hello_tells_the_version(void **state)
{
    (void)state;
    struct hello hello = {.server = "drivepress/9",
                          .protocol_major = 2,
                          .protocol_minor = 13,
                          .role = "operator",
                          .max_request_bytes = 65536};
    struct hello read;
    json_t *params = hello_encode(&hello);

    assert_int_equal(hello_decode(&read, params), 0);
    assert_int_equal(read.protocol_major, 2);
    assert_int_equal(read.protocol_minor, 13);
    assert_string_equal(read.server, "drivepress/9");
    assert_int_equal(read.max_request_bytes, 65536);

    static const char *const bad[] = {"1", "1.", ".1", "1.0x", "-1.0", "1.0.0", "1234567.0", ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_object_set_new(params, "protocol", json_string(bad[i]));
        if (hello_decode(&read, params) != -EBADMSG)
            fail_msg("\"%s\"", bad[i]);
    }
    json_decref(params);
}

/* press.run */

static json_t *run_params(void)
{
    static char first[] = "/dev/sdx";
    static char second[] = "/tmp/d\xC3\xA9j\xC3\xA0";
    static struct run_target targets[] = {
        {.path = first, .block = true, .major = 8, .minor = 16, .diskseq = 9}, {.path = second}};
    struct run_request request = {.mode = MODE_VERIFY,
                                  .image = "films",
                                  .images = "/images",
                                  .simulate = true,
                                  .engine = ENGINE_THREADS,
                                  .pool_bytes = 64 * MIB,
                                  .window = 3,
                                  .stall_ms = 1500,
                                  .target_count = 2,
                                  .targets = targets};
    return run_request_encode(&request);
}

static void test_run_request_comes_back(void **state)
{
    (void)state;
    struct run_request request;
    char reason[WIRE_REASON_BYTES];
    json_t *params = run_params();

    assert_int_equal(run_request_decode(&request, params, reason), 0);
    assert_int_equal(request.mode, MODE_VERIFY);
    assert_string_equal(request.image, "films");
    assert_string_equal(request.images, "/images");
    assert_string_equal(request.manifest, "");
    assert_true(request.simulate);
    assert_int_equal(request.engine, ENGINE_THREADS);
    assert_int_equal(request.pool_bytes, 64 * MIB);
    assert_int_equal(request.window, 3);
    assert_int_equal(request.stall_ms, 1500);
    assert_int_equal(request.target_count, 2);
    assert_string_equal(request.targets[1].path, "/tmp/d\xC3\xA9j\xC3\xA0");
    assert_false(request.targets[1].block);
    assert_true(request.targets[0].block);
    assert_int_equal(request.targets[0].major, 8);
    assert_int_equal(request.targets[0].minor, 16);
    assert_int_equal(request.targets[0].diskseq, 9);
    run_request_free(&request);
    json_decref(params);
}

static void test_every_bad_run_member_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *value; /* JSON in an array of one; NULL: the member is missing */
    } cases[] = {
        {"mode", "[\"erase\"]"},   {"mode", NULL},
        {"image", "[\"\"]"},       {"image", "[null]"},
        {"images", "[1]"},         {"manifest", "[false]"},
        {"targets", "[[]]"},       {"targets", "[[1]]"},
        {"targets", "[[\"\"]]"},   {"targets", "[\"a\"]"},
        {"targets", "[[{}]]"},     {"targets", "[[{\"path\":\"/a\"}]]"},
        {"simulate", "[1]"},       {"engine", "[\"fast\"]"},
        {"pool_bytes", "[-1]"},    {"window", "[0]"},
        {"window", "[5]"},         {"window", "[2.0]"},
        {"stall_ms", "[0]"},       {"stall_ms", "[86400001]"},
        {"pool_bytes", "[\"1\"]"}, {"pool_bytes", "[9007199254740992]"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct run_request request;
        char reason[WIRE_REASON_BYTES] = "";
        json_t *params = run_params();
        if (cases[i].value != NULL) {
            json_t *array = json_loads(cases[i].value, 0, NULL);
            json_object_set(params, cases[i].key, json_array_get(array, 0));
            json_decref(array);
        } else {
            json_object_del(params, cases[i].key);
        }
        if (run_request_decode(&request, params, reason) != -EBADMSG ||
            strstr(reason, cases[i].key) == NULL)
            fail_msg("%s %s: %s", cases[i].key, cases[i].value, reason);
        json_decref(params);
    }
}

static void test_more_targets_than_slots_are_refused(void **state)
{
    (void)state;
    struct run_request request;
    char reason[WIRE_REASON_BYTES];
    json_t *params = run_params();
    json_t *targets = json_object_get(params, "targets");

    while (json_array_size(targets) < SLOTS_MAX)
        json_array_append(targets, json_array_get(targets, 0));
    assert_int_equal(run_request_decode(&request, params, reason), 0);
    assert_int_equal(request.target_count, SLOTS_MAX);
    run_request_free(&request);
    json_array_append(targets, json_array_get(targets, 0));
    assert_int_equal(run_request_decode(&request, params, reason), -EBADMSG);
    json_decref(params);
}

static void test_path_that_is_not_text_is_never_changed(void **state)
{
    (void)state;
    static char path[] = "/tmp/\xff";
    static struct run_target targets[] = {{.path = path}};
    struct run_request request = {.image = "a",
                                  .images = "/i",
                                  .window = 2,
                                  .stall_ms = 1,
                                  .target_count = 1,
                                  .targets = targets};

    assert_null(run_request_encode(&request));
}

static void test_run_result_comes_back(void **state)
{
    (void)state;
    struct run_result result = {.image = {.name = "films",
                                          .path = "/i/films.img",
                                          .size_bytes = 1000,
                                          .padded_bytes = 1024,
                                          .chunk_bytes = 1048576,
                                          .manifest = true},
                                .engine = "io_uring",
                                .engine_note = "",
                                .pool_bytes = MIB};
    struct run_result read;
    json_t *body = run_result_encode(&result);

    assert_true(json_is_null(json_object_get(json_object_get(body, "image"), "sha256")));
    assert_int_equal(run_result_decode(&read, body), 0);
    assert_string_equal(read.image.path, "/i/films.img");
    assert_int_equal(read.image.padded_bytes, 1024);
    assert_true(read.image.manifest);
    assert_string_equal(read.image.sha256, "");
    assert_string_equal(read.engine, "io_uring");
    json_object_del(json_object_get(body, "image"), "size_bytes");
    assert_int_equal(run_result_decode(&read, body), -EBADMSG);
    json_decref(body);
}

/* Snapshots */

static struct snapshot *snapshot_sample(void)
{
    struct snapshot *snapshot = snapshot_create(2);
    assert_non_null(snapshot);
    snapshot->armed = true;
    strcpy(snapshot->armed_image, "films");
    snapshot->armed_mode = MODE_WRITE;
    snapshot->totals = (struct verdict_totals){.failed = 1};
    snapshot->master_bytes_read = 12345678901;

    struct snapshot_slot *slot = &snapshot->slots[0];
    strcpy(slot->name, "1");
    strcpy(slot->target, "/dev/sdx");
    slot->state = SLOT_FAILED;
    slot->verdict = VERDICT_MISMATCH;
    strcpy(slot->image, "films");
    slot->permille = 505;
    slot->bytes_written = 4 * GIB;
    slot->bad_chunk_count = 2;
    slot->bad_chunks[0] = 7;
    slot->bad_chunks[1] = 4095;
    slot->residue = RESIDUE_POSSIBLE;
    strcpy(slot->drive.model, "Acme \"Stick\"");
    slot->drive.capacity_bytes = 8 * GIB;
    slot->drive.direct = true;

    slot = &snapshot->slots[1];
    strcpy(slot->name, "2");
    strcpy(slot->target, "/dev/sdy");
    slot->row = 3;
    slot->column = 12;
    slot->state = SLOT_WRITING;
    slot->eta_s = WIRE_UNKNOWN;
    slot->bytes_per_s = UINT64_MAX - 1;
    return snapshot;
}

static void test_snapshot_comes_back(void **state)
{
    (void)state;
    struct snapshot *snapshot = snapshot_sample();
    struct snapshot *read = NULL;
    struct message message;
    char *line = message_notification(WIRE_METHOD_STATUS, snapshot_encode(snapshot));

    assert_int_equal(parse(&message, line), WIRE_ERROR_COUNT);
    assert_int_equal(snapshot_decode(&read, message.body), 0);
    assert_int_equal(read->slot_count, 2);
    assert_int_equal(read->totals.failed, 1);
    assert_int_equal(read->master_bytes_read, 12345678901);
    assert_string_equal(read->slots[0].target, "/dev/sdx");
    assert_int_equal(read->slots[0].verdict, VERDICT_MISMATCH);
    assert_int_equal(read->slots[0].permille, 505);
    assert_int_equal(read->slots[0].bad_chunk_count, 2);
    assert_int_equal(read->slots[0].bad_chunks[1], 4095);
    assert_int_equal(read->slots[0].residue, RESIDUE_POSSIBLE);
    assert_string_equal(read->slots[0].drive.model, "Acme \"Stick\"");
    assert_true(read->slots[0].drive.direct);
    assert_int_equal(read->slots[1].verdict, VERDICT_NONE);
    assert_true(read->slots[1].eta_s == WIRE_UNKNOWN);
    /* What JSON readers cannot hold is cut. */
    assert_true(read->slots[1].bytes_per_s == WIRE_INTEGER_MAX);
    assert_non_null(strstr(line, "\"pct\":50.5,"));
    /* No place is null, and no row 0 of which somebody makes the first one. */
    assert_non_null(strstr(line, "\"row\":null,\"col\":null"));
    assert_int_equal(read->slots[0].row, 0);
    assert_int_equal(read->slots[1].row, 3);
    assert_int_equal(read->slots[1].column, 12);
    assert_non_null(strstr(line, "\"mode\":\"write+verify\""));
    message_clear(&message);
    free(line);
    free(read);
    free(snapshot);
}

static void test_every_slot_member_is_required_and_typed(void **state)
{
    (void)state;
    struct snapshot *snapshot = snapshot_sample();
    json_t *params = snapshot_encode(snapshot);
    json_t *slot = json_object_get(json_object_get(params, "slots"), "2");
    struct snapshot *read = NULL;
    const char *key;
    json_t *value;
    unsigned tried = 0;

    json_t *members = json_copy(slot);
    json_object_foreach(members, key, value)
    {
        json_object_del(slot, key);
        if (snapshot_decode(&read, params) != -EBADMSG)
            fail_msg("without %s", key);
        json_object_set_new(slot, key, json_true());
        if (snapshot_decode(&read, params) != -EBADMSG)
            fail_msg("%s of a wrong type", key);
        json_object_set(slot, key, value);
        tried++;
    }
    assert_int_equal(tried, 16);
    assert_int_equal(snapshot_decode(&read, params), 0);
    free(read);
    json_decref(members);
    json_decref(params);
    free(snapshot);
}

static void test_snapshot_lists_are_bounded(void **state)
{
    (void)state;
    struct snapshot *snapshot = snapshot_sample();
    json_t *params = snapshot_encode(snapshot);
    json_t *slots = json_object_get(params, "slots");
    json_t *chunks = json_object_get(json_object_get(slots, "1"), "bad_chunks");
    struct snapshot *read = NULL;

    while (json_array_size(chunks) <= BAD_CHUNKS_MAX)
        json_array_append_new(chunks, json_integer(1));
    assert_int_equal(snapshot_decode(&read, params), -EBADMSG);
    json_array_remove(chunks, 0);
    assert_int_equal(snapshot_decode(&read, params), 0);
    free(read);

    char name[32];
    for (unsigned i = 3; i <= SLOTS_MAX + 1; i++) {
        (void)snprintf(name, sizeof(name), "%u", i);
        json_object_set(slots, name, json_object_get(slots, "2"));
    }
    assert_int_equal(snapshot_decode(&read, params), -EBADMSG);
    json_object_del(slots, name);
    assert_int_equal(snapshot_decode(&read, params), 0);
    assert_int_equal(read->slot_count, SLOTS_MAX);
    free(read);
    json_decref(params);
    free(snapshot);
}

static void test_largest_snapshot_fits_a_line(void **state)
{
    (void)state;
    struct snapshot *snapshot = snapshot_create(SLOTS_MAX);
    assert_non_null(snapshot);
    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        struct snapshot_slot *slot = &snapshot->slots[i];
        (void)snprintf(slot->name, sizeof(slot->name), "%u", i + 1);
        memset(slot->target, '"', sizeof(slot->target) - 1);
        memset(slot->image, '"', sizeof(slot->image) - 1);
        memset(slot->drive.note, '"', sizeof(slot->drive.note) - 1);
        memset(slot->drive.model, '"', sizeof(slot->drive.model) - 1);
        memset(slot->drive.serial, '"', sizeof(slot->drive.serial) - 1);
        slot->bad_chunk_count = BAD_CHUNKS_MAX;
        for (uint32_t j = 0; j < BAD_CHUNKS_MAX; j++)
            slot->bad_chunks[j] = CHUNKS_MAX - 1;
    }
    char *line = message_notification(WIRE_METHOD_FINISHED, snapshot_encode(snapshot));
    assert_non_null(line);
    assert_true(strlen(line) <= WIRE_LINE_BYTES_MAX);
    free(line);
    free(snapshot);
}

/* Whoever says write means what is always done: write and verify. */
static void test_words_of_modes(void **state)
{
    (void)state;
    enum press_mode mode = MODE_VERIFY;

    assert_string_equal(press_mode_word(MODE_WRITE), "write+verify");
    assert_string_equal(press_mode_word(MODE_VERIFY), "verify");
    assert_true(press_mode_from_word("write", &mode));
    assert_int_equal(mode, MODE_WRITE);
    assert_true(press_mode_from_word("verify", &mode));
    assert_int_equal(mode, MODE_VERIFY);
    assert_true(press_mode_from_word("write+verify", &mode));
    assert_int_equal(mode, MODE_WRITE);
    assert_false(press_mode_from_word("erase", &mode));
    assert_false(press_mode_from_word("", &mode));
}

static void test_text_that_is_not_utf8_is_mended(void **state)
{
    (void)state;
    struct transition transition = {.slot = "1", .state = SLOT_REFUSED, .verdict = VERDICT_IN_USE};
    struct transition read;

    strcpy(transition.note, "a\xff\xC3\xA9\xC3");
    json_t *params = transition_encode(&transition);
    assert_int_equal(transition_decode(&read, params), 0);
    assert_string_equal(read.note, "a?\xC3\xA9?");
    assert_int_equal(read.state, SLOT_REFUSED);
    assert_int_equal(read.verdict, VERDICT_IN_USE);
    json_decref(params);

    /* Whatever fits its room here fits it there. */
    memset(transition.note, 0xFF, sizeof(transition.note) - 1);
    transition.note[sizeof(transition.note) - 1] = '\0';
    params = transition_encode(&transition);
    assert_int_equal(transition_decode(&read, params), 0);
    assert_int_equal(strlen(read.note), sizeof(read.note) - 1);
    assert_int_equal(strspn(read.note, "?"), sizeof(read.note) - 1);
    json_decref(params);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_come_whole_from_pieces),
        cmocka_unit_test(test_too_long_line_is_an_error),
        cmocka_unit_test(test_built_lines_are_read_back),
        cmocka_unit_test(test_every_error_has_a_word_of_its_own),
        cmocka_unit_test(test_bad_envelopes_are_refused),
        cmocka_unit_test(test_unknown_members_are_ignored),
        cmocka_unit_test(test_hello_tells_the_version),
        cmocka_unit_test(test_run_request_comes_back),
        cmocka_unit_test(test_every_bad_run_member_is_named),
        cmocka_unit_test(test_more_targets_than_slots_are_refused),
        cmocka_unit_test(test_path_that_is_not_text_is_never_changed),
        cmocka_unit_test(test_run_result_comes_back),
        cmocka_unit_test(test_snapshot_comes_back),
        cmocka_unit_test(test_every_slot_member_is_required_and_typed),
        cmocka_unit_test(test_snapshot_lists_are_bounded),
        cmocka_unit_test(test_largest_snapshot_fits_a_line),
        cmocka_unit_test(test_words_of_modes),
        cmocka_unit_test(test_text_that_is_not_utf8_is_mended),
    };
    return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
