// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress slots list: from the daemon, which knows those that got their names by themselves too,
 * else from the configuration. */
#include "lib/core/verdict.h"
#include "lib/wire/service.h"
#include "tools/service_verb.h"
#include "tools/slots_verb.h"
#include "tools/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACE_BYTES = 32 };

struct config *slots_load(const struct slots_arguments *arguments)
{
    struct config_complaints *complaints = calloc(1, sizeof(*complaints));
    struct config *config = complaints != NULL ? config_load(arguments->config, complaints) : NULL;
    unsigned kept = complaints != NULL ? complaints->count : 0;

    if (complaints == NULL)
        text_complain(arguments->verb, "no memory for the configuration; close other programs");
    for (unsigned i = 0; config == NULL && i < kept && i < CONFIG_COMPLAINTS_MAX; i++)
        text_complain(arguments->verb, "%s", complaints->items[i]);
    free(complaints);
    return config;
}

static void put_entry(const struct slot_entry *entry, unsigned name_columns, bool with_state)
{
    char place[PLACE_BYTES] = "-";

    if (entry->row > 0)
        (void)snprintf(place, sizeof(place), "%u,%u", entry->row, entry->column);
    text_put_padded(stdout, entry->name, name_columns, TEXT_CUT_MIDDLE, text_locale_is_utf8());
    (void)printf("  %-7s  ", place);
    if (with_state)
        (void)printf("%-11s  ", slot_state_word(entry->state));
    text_say(stdout, entry->ports[0][0] != '\0' ? entry->ports[0] : "-");
    if (entry->ports[1][0] != '\0') {
        (void)fputs("  ", stdout);
        text_say(stdout, entry->ports[1]);
    }
    if (entry->lun > 0)
        (void)printf("  LUN %u", entry->lun);
    if (entry->automatic && entry->ports[0][0] != '\0')
        (void)fputs("  (named by itself)", stdout);
    (void)putchar('\n');
}

static void put_list(const struct slot_list *list, bool with_state)
{
    unsigned columns = (unsigned)strlen("SLOT");

    for (uint32_t i = 0; i < list->count; i++) {
        unsigned needed = text_columns(list->slots[i].name, text_locale_is_utf8());
        columns = needed > columns ? needed : columns;
    }
    if (list->count == 0) {
        (void)puts("The rig has no slots. `drivepress slots learn` names its ports; a [rig] dock "
                   "needs none.");
        return;
    }
    (void)printf("%-*s  %-7s  ", (int)columns, "SLOT", "ROW,COL");
    if (with_state)
        (void)printf("%-11s  ", "STATE");
    (void)puts("PORTS");
    for (uint32_t i = 0; i < list->count; i++)
        put_entry(&list->slots[i], columns, with_state);
}

/* NULL for lack of memory. */
static struct slot_list *list_of(const struct layout *layout)
{
    struct slot_list *list = slot_list_create(layout->count);

    for (uint32_t i = 0; list != NULL && i < layout->count; i++) {
        const struct layout_slot *slot = &layout->slots[i];
        struct slot_entry *entry = &list->slots[i];
        _Static_assert(sizeof(entry->ports[0]) >= PORT_TEXT_BYTES, "a port's text fits");
        (void)snprintf(entry->name, sizeof(entry->name), "%s", slot->name);
        for (unsigned j = 0; j < slot->port_count; j++)
            (void)port_format(&slot->ports[j], entry->ports[j]);
        entry->lun = slot->lun;
        entry->row = slot->row;
        entry->column = slot->column;
        entry->automatic = slot->automatic;
    }
    return list;
}

void slots_print(const struct layout *layout)
{
    struct slot_list *list = list_of(layout);
    if (list != NULL)
        put_list(list, false);
    free(list);
}

/* The same form as the daemon's, with states that nobody knows. */
static json_t *json_of(const struct layout *layout)
{
    struct slot_list *list = list_of(layout);
    json_t *object = list != NULL ? slot_list_encode(list) : NULL;
    size_t index = 0;
    json_t *slot = NULL;

    json_array_foreach(json_object_get(object, "slots"), index, slot)
    {
        (void)json_object_set_new(slot, "state", json_null());
    }
    free(list);
    return object;
}

static int list_configuration(const struct slots_arguments *arguments)
{
    struct config *config = slots_load(arguments);
    int exit_code = EXIT_ALL_PASSED;

    if (config == NULL)
        return EXIT_USAGE;
    if (arguments->json)
        exit_code = service_print_json(arguments->verb, json_of(&config->layout), exit_code);
    else
        slots_print(&config->layout);
    free(config);
    return exit_code;
}

static int print_answer(const struct slots_arguments *arguments, const json_t *answer)
{
    struct slot_list *list = NULL;
    int error = slot_list_decode(&list, answer);

    if (error == -ENOMEM)
        return service_print_json(arguments->verb, NULL, EXIT_NO_DAEMON);
    if (error != 0)
        return service_bad_answer(arguments->verb);
    put_list(list, true);
    free(list);
    return EXIT_ALL_PASSED;
}

int slots_list(const struct slots_arguments *arguments)
{
    struct daemon_client_options options = {.socket = arguments->socket, .reading = true};
    struct daemon_client client;
    struct daemon_trouble trouble;
    json_t *answer = NULL;
    int exit_code = EXIT_ALL_PASSED;

    if (arguments->config != NULL)
        return list_configuration(arguments);
    if (!daemon_client_open(&client, &options, &trouble)) {
        if (trouble.kind != DAEMON_ABSENT || arguments->socket != NULL)
            return service_fail(arguments->verb, &trouble);
        text_complain(
            arguments->verb,
            "no daemon answers; these are the slots of the configuration in " CONFIG_FILE);
        return list_configuration(arguments);
    }
    if (!daemon_client_ask(&client, WIRE_METHOD_SLOT_LIST, json_object(), &answer, &trouble))
        exit_code = service_fail(arguments->verb, &trouble);
    else if (arguments->json)
        exit_code = service_print_json(arguments->verb, json_incref(answer), EXIT_ALL_PASSED);
    else
        exit_code = print_answer(arguments, answer);
    json_decref(answer);
    daemon_client_close(&client);
    return exit_code;
}
