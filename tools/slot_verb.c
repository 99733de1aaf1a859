// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/slot_verb.h"

#include "lib/core/verdict.h"
#include "lib/wire/service.h"
#include "lib/wire/snapshot.h"
#include "tools/arguments.h"
#include "tools/service_verb.h"
#include "tools/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slot_run {
    const struct slot_verb *verb;
    struct daemon_client client;
    uint32_t count;
    char names[SLOTS_MAX][WIRE_NAME_BYTES]; /* that it is about */
    json_t *done;                           /* arrays of what became of them */
    json_t *failed;
    int exit_code;
};

/* One failure does not keep the other slots from their turn; the first one is the exit code. */
static void note_failure(struct slot_run *run, const char *slot, const struct daemon_trouble *why)
{
    bool named = strstr(why->reason, slot) != NULL;
    text_complain(run->verb->name, "%s%s%s", named ? "" : slot, named ? "" : ": ", why->reason);
    if (run->exit_code == EXIT_ALL_PASSED)
        run->exit_code = daemon_trouble_exit_code(why);
    (void)json_array_append_new(
        run->failed, json_pack("{s:s, s:s?, s:s}", "slot", slot, "code",
                               why->kind == DAEMON_REFUSED ? wire_error_word(why->error) : NULL,
                               "message", why->reason));
}

/* Fills in the names of all slots that the verb concerns. */
static bool find_slots(struct slot_run *run)
{
    struct daemon_trouble trouble;
    struct snapshot *snapshot = NULL;
    json_t *answer = NULL;

    if (!daemon_client_ask(&run->client, WIRE_METHOD_STATUS_GET, json_object(), &answer,
                           &trouble)) {
        note_failure(run, "", &trouble);
        return false;
    }
    int error = snapshot_decode(&snapshot, answer);
    json_decref(answer);
    if (error != 0) {
        run->exit_code = service_bad_answer(run->verb->name);
        return false;
    }
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        if (run->verb->concerns(snapshot->slots[i].state))
            memcpy(run->names[run->count++], snapshot->slots[i].name, WIRE_NAME_BYTES);
    }
    free(snapshot);
    return true;
}

/* Asks for one slot, or with "" for all of them. False: there is no use in going on. */
static bool ask(struct slot_run *run, const char *slot)
{
    struct slot_request request = {.slot = ""};
    struct daemon_trouble trouble;
    json_t *answer = NULL;

    (void)snprintf(request.slot, sizeof(request.slot), "%s", slot);
    if (daemon_client_ask(&run->client, run->verb->method, slot_request_encode(&request), &answer,
                          &trouble)) {
        json_decref(answer);
        if (slot[0] != '\0')
            (void)json_array_append_new(run->done, json_string(slot));
        return true;
    }
    note_failure(run, slot, &trouble);
    return trouble.kind == DAEMON_REFUSED;
}

static void ask_all(struct slot_run *run)
{
    if (!find_slots(run))
        return;
    if (run->verb->all_at_once) {
        if (!ask(run, "") || run->exit_code != EXIT_ALL_PASSED)
            return;
        for (uint32_t i = 0; i < run->count; i++)
            (void)json_array_append_new(run->done, json_string(run->names[i]));
        return;
    }
    for (uint32_t i = 0; i < run->count; i++) {
        if (!ask(run, run->names[i]))
            return;
    }
}

static int print(const struct slot_run *run, bool json)
{
    const char *separator = ": ";
    size_t index = 0;
    json_t *slot = NULL;

    if (json)
        return service_print_json(
            run->verb->name,
            json_pack("{s:O, s:O}", run->verb->done_key, run->done, "failed", run->failed),
            run->exit_code);
    if (json_array_size(run->done) == 0) {
        if (run->exit_code == EXIT_ALL_PASSED)
            (void)puts(run->verb->nothing);
        return run->exit_code;
    }
    (void)fputs(run->verb->done, stdout);
    json_array_foreach(run->done, index, slot)
    {
        (void)fputs(separator, stdout);
        text_say(stdout, json_string_value(slot));
        separator = ", ";
    }
    (void)putchar('\n');
    return run->exit_code;
}

static int wrong_slots(const struct slot_verb *verb, bool all, int count, char **names)
{
    if (all && count > 0)
        return arguments_wrong(verb->name, "give slots or --all, not both: ", names[0]);
    if (!all && count == 0)
        return arguments_wrong(verb->name, "it needs a SLOT, such as A01, or --all", "");
    for (int i = 0; i < count; i++) {
        if (strlen(names[i]) >= WIRE_NAME_BYTES)
            return arguments_wrong(verb->name, "no slot has such a long name: ", names[i]);
    }
    return -1;
}

int slot_verb_run(const struct slot_verb *verb, int argc, char **argv)
{
    const char *socket = NULL;
    bool json = false;
    bool all = false;
    char **names = NULL;
    int count = 0;
    const struct argument_option options[] = {
        {"socket", 0, NULL, &socket},
        {"json", 0, &json, NULL},
        {"all", 0, &all, NULL},
    };
    const struct arguments arguments = {.verb = verb->name,
                                        .help = verb->help,
                                        .options = options,
                                        .option_count = 3,
                                        .operand = "SLOT",
                                        .operands_max = SLOTS_MAX};

    int exit_code = arguments_parse(&arguments, argc, argv, &names, &count);
    if (exit_code < 0)
        exit_code = wrong_slots(verb, all, count, names);
    if (exit_code >= 0)
        return exit_code;

    struct slot_run *run = calloc(1, sizeof(*run));
    if (run == NULL)
        return service_print_json(verb->name, NULL, EXIT_NO_DAEMON);
    run->verb = verb;
    run->done = json_array();
    run->failed = json_array();
    if (service_open(verb->name, &run->client, socket, false, &run->exit_code)) {
        if (all)
            ask_all(run);
        for (int i = 0; i < count && ask(run, names[i]); i++)
            continue;
        daemon_client_close(&run->client);
        exit_code = service_flush(verb->name, print(run, json));
    } else {
        exit_code = run->exit_code;
    }
    json_decref(run->done);
    json_decref(run->failed);
    free(run);
    return exit_code;
}
