// SPDX-License-Identifier: GPL-3.0-or-later
/* What can be asked of the service, on the wire. */
#include "lib/wire/service.h"

#include "tests/unit/support.h"

#include <errno.h>
#include <stdlib.h>

static void assert_json(json_t *value, const char *expected)
{
    char *text = json_dumps(value, JSON_COMPACT);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static json_t *parsed(const char *text)
{
    json_t *value = json_loads(text, 0, NULL);
    assert_non_null(value);
    return value;
}

static void test_arm_says_only_what_was_chosen(void **state)
{
    (void)state;
    struct arm_request request = {.has_mode = false};
    struct arm_request read;
    char reason[WIRE_REASON_BYTES];

    json_t *params = arm_request_encode(&request);
    assert_json(params, "{}");
    assert_int_equal(arm_request_decode(&read, params, reason), 0);
    assert_string_equal(read.image, "");
    assert_false(read.has_mode);
    json_decref(params);
    /* Requests without params are of the same kind. */
    assert_int_equal(arm_request_decode(&read, NULL, reason), 0);

    request = (struct arm_request){.image = "films", .has_mode = true, .mode = MODE_WRITE};
    params = arm_request_encode(&request);
    assert_json(params, "{\"image\":\"films\",\"mode\":\"write+verify\"}");
    assert_int_equal(arm_request_decode(&read, params, reason), 0);
    assert_string_equal(read.image, "films");
    assert_true(read.has_mode);
    assert_int_equal(read.mode, MODE_WRITE);
    json_decref(params);

    params = parsed("{\"mode\":\"verify\",\"of-a-later-version\":[]}");
    assert_int_equal(arm_request_decode(&read, params, reason), 0);
    assert_int_equal(read.mode, MODE_VERIFY);
    json_decref(params);
}

/* A script that lost a variable sends null or "": that must not be taken for "all". */
static void test_bad_requests_name_their_member(void **state)
{
    (void)state;
    static const char *const arms[][2] = {
        {"{\"image\":\"\"}", "image"},    {"{\"image\":null}", "image"}, {"{\"image\":1}", "image"},
        {"{\"mode\":\"erase\"}", "mode"}, {"{\"mode\":null}", "mode"},   {"[]", "params"},
    };
    static const char *const slots[][2] = {
        {"{\"slot\":\"\"}", "slot"},
        {"{\"slot\":null}", "slot"},
        {"{\"slot\":[\"A01\"]}", "slot"},
        {"\"A01\"", "params"},
    };
    char reason[WIRE_REASON_BYTES];

    for (size_t i = 0; i < sizeof(arms) / sizeof(arms[0]); i++) {
        struct arm_request request;
        json_t *params = json_loads(arms[i][0], JSON_DECODE_ANY, NULL);
        reason[0] = '\0';
        if (arm_request_decode(&request, params, reason) != -EBADMSG ||
            strstr(reason, arms[i][1]) == NULL)
            fail_msg("%s: %s", arms[i][0], reason);
        json_decref(params);
    }
    for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
        struct slot_request request;
        json_t *params = json_loads(slots[i][0], JSON_DECODE_ANY, NULL);
        reason[0] = '\0';
        if (slot_request_decode(&request, params, reason) != -EBADMSG ||
            strstr(reason, slots[i][1]) == NULL)
            fail_msg("%s: %s", slots[i][0], reason);
        json_decref(params);
    }
}

static void test_too_long_names_are_refused(void **state)
{
    (void)state;
    char name[WIRE_IMAGE_BYTES + 1];
    char reason[WIRE_REASON_BYTES];
    struct arm_request arm;
    struct slot_request slot;

    memset(name, 'x', sizeof(name));
    name[WIRE_IMAGE_BYTES] = '\0';
    json_t *params = json_pack("{s:s, s:s}", "image", name, "slot", name);
    assert_int_equal(arm_request_decode(&arm, params, reason), -EBADMSG);
    assert_int_equal(slot_request_decode(&slot, params, reason), -EBADMSG);
    json_decref(params);
    name[WIRE_IMAGE_BYTES - 1] = '\0';
    params = json_pack("{s:s}", "image", name);
    assert_int_equal(arm_request_decode(&arm, params, reason), 0);
    json_decref(params);
}

static void test_slot_or_all(void **state)
{
    (void)state;
    struct slot_request request = {.slot = "A01"};
    struct slot_request read;
    char reason[WIRE_REASON_BYTES];

    json_t *params = slot_request_encode(&request);
    assert_json(params, "{\"slot\":\"A01\"}");
    assert_int_equal(slot_request_decode(&read, params, reason), 0);
    assert_string_equal(read.slot, "A01");
    json_decref(params);

    request.slot[0] = '\0';
    params = slot_request_encode(&request);
    assert_json(params, "{}");
    assert_int_equal(slot_request_decode(&read, params, reason), 0);
    assert_string_equal(read.slot, "");
    json_decref(params);
}

static void test_answers_come_back(void **state)
{
    (void)state;
    struct arm_result arm = {
        .image = "auto", .mode = MODE_VERIFY, .image_count = 3, .waiting_count = 2};
    struct reload_result reload = {.needs_restart = "[rig] dock"};
    struct arm_result arm_read;
    struct reload_result reload_read;

    json_t *body = arm_result_encode(&arm);
    assert_int_equal(arm_result_decode(&arm_read, body), 0);
    assert_string_equal(arm_read.image, "auto");
    assert_int_equal(arm_read.mode, MODE_VERIFY);
    assert_int_equal(arm_read.image_count, 3);
    assert_int_equal(arm_read.waiting_count, 2);
    json_object_del(body, "waiting");
    assert_int_equal(arm_result_decode(&arm_read, body), -EBADMSG);
    json_decref(body);
    assert_int_equal(arm_result_decode(&arm_read, NULL), -EBADMSG);

    body = reload_result_encode(&reload);
    assert_int_equal(reload_result_decode(&reload_read, body), 0);
    assert_string_equal(reload_read.needs_restart, "[rig] dock");
    json_object_del(body, "needs_restart");
    assert_int_equal(reload_result_decode(&reload_read, body), -EBADMSG);
    json_decref(body);
}

static struct slot_list *sample(void)
{
    struct slot_list *list = slot_list_create(2);

    assert_non_null(list);
    strcpy(list->slots[0].name, "A01");
    strcpy(list->slots[0].ports[0], "0000:00:14.0/usb2/2.3");
    strcpy(list->slots[0].ports[1], "0000:00:14.0/usb3/2.3");
    list->slots[0].row = 1;
    list->slots[0].column = 7;
    list->slots[0].state = SLOT_READY;
    strcpy(list->slots[1].name, "A01.1");
    strcpy(list->slots[1].ports[0], "0000:00:1f.0/mmc");
    list->slots[1].lun = 1;
    list->slots[1].automatic = true;
    return list;
}

static void test_slot_list_comes_back(void **state)
{
    (void)state;
    struct slot_list *list = sample();
    struct slot_list *read = NULL;
    json_t *body = slot_list_encode(list);

    assert_json(body,
                "{\"slots\":[{\"name\":\"A01\",\"ports\":[\"0000:00:14.0/usb2/2.3\","
                "\"0000:00:14.0/usb3/2.3\"],\"lun\":0,\"row\":1,\"col\":7,\"automatic\":false,"
                "\"state\":\"ready\"},{\"name\":\"A01.1\",\"ports\":[\"0000:00:1f.0/mmc\"],"
                "\"lun\":1,\"row\":null,\"col\":null,\"automatic\":true,\"state\":\"empty\"}]}");
    assert_int_equal(slot_list_decode(&read, body), 0);
    assert_int_equal(read->count, 2);
    assert_memory_equal(read->slots, list->slots, 2 * sizeof(list->slots[0]));
    free(read);
    free(list);
    json_decref(body);
}

static void test_every_member_of_a_listed_slot_is_required(void **state)
{
    (void)state;
    struct slot_list *list = sample();
    json_t *body = slot_list_encode(list);
    json_t *slot = json_array_get(json_object_get(body, "slots"), 1);
    json_t *members = json_copy(slot);
    struct slot_list *read = NULL;
    const char *key = NULL;
    json_t *value = NULL;
    unsigned tried = 0;

    json_object_foreach(members, key, value)
    {
        json_object_del(slot, key);
        if (slot_list_decode(&read, body) != -EBADMSG)
            fail_msg("without %s", key);
        json_object_set_new(slot, key, json_real(0.5));
        if (slot_list_decode(&read, body) != -EBADMSG)
            fail_msg("%s of a wrong type", key);
        json_object_set(slot, key, value);
        tried++;
    }
    assert_int_equal(tried, 7);
    json_object_set_new(slot, "ports", json_pack("[s,s,s]", "a", "b", "c"));
    assert_int_equal(slot_list_decode(&read, body), -EBADMSG);
    json_object_set_new(slot, "ports", json_pack("[s]", ""));
    assert_int_equal(slot_list_decode(&read, body), -EBADMSG);
    json_object_set_new(slot, "ports", json_array());
    assert_int_equal(slot_list_decode(&read, body), 0);
    free(read);
    json_decref(members);
    json_decref(body);
    free(list);
}

static void test_slot_list_is_bounded(void **state)
{
    (void)state;
    struct slot_list *list = sample();
    json_t *body = slot_list_encode(list);
    json_t *slots = json_object_get(body, "slots");
    struct slot_list *read = NULL;

    while (json_array_size(slots) < SLOTS_MAX)
        json_array_append(slots, json_array_get(slots, 0));
    assert_int_equal(slot_list_decode(&read, body), 0);
    assert_int_equal(read->count, SLOTS_MAX);
    free(read);
    json_array_append(slots, json_array_get(slots, 0));
    assert_int_equal(slot_list_decode(&read, body), -EBADMSG);
    json_decref(body);
    free(list);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arm_says_only_what_was_chosen),
        cmocka_unit_test(test_bad_requests_name_their_member),
        cmocka_unit_test(test_too_long_names_are_refused),
        cmocka_unit_test(test_slot_or_all),
        cmocka_unit_test(test_answers_come_back),
        cmocka_unit_test(test_slot_list_comes_back),
        cmocka_unit_test(test_every_member_of_a_listed_slot_is_required),
        cmocka_unit_test(test_slot_list_is_bounded),
    };
    return cmocka_run_group_tests_name("service", tests, NULL, NULL);
}
