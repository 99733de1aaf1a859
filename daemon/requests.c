// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/log.h"
#include "daemon/service.h"
#include "daemon/status.h"
#include "lib/base/units.h"
#include "lib/wire/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What clients may ask of the service: a method each. Methods that change something are for
 * operators, and who changed what is logged. */

struct request {
    struct service *service;
    const struct server_client *client;
    const struct message *message;
    bool *later; /* as in struct server_events */
};

static char *refuse(const struct request *request, enum wire_error error, const char *reason)
{
    return message_error(true, request->message->id, error, reason);
}

static char *done(const struct request *request)
{
    return message_result(request->message->id, json_object());
}

static void log_change(const struct request *request, const char *subject)
{
    log_message(LOG_LEVEL_INFO, "%s%s%s asked by user %u, process %d", request->message->method,
                subject[0] != '\0' ? " " : "", subject, (unsigned)request->client->uid,
                (int)request->client->pid);
}

/* --- Looking ---------------------------------------------------------------------------------- */

static uint32_t count_slots(const struct roster *roster)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < roster->count; i++)
        count += roster->entries[i].kind != ROSTER_FREE ? 1 : 0;
    return count;
}

/* What ties a drive to who gave it (its serial number, the name of a volume, where it is mounted)
 * is only for who works with the drives. */
static void make_anonymous(struct snapshot_slot *slot)
{
    slot->target[0] = '\0';
    slot->drive.serial[0] = '\0';
    slot->drive.note[0] = '\0';
}

static void fill_slots(struct snapshot *snapshot, const struct request *request)
{
    const struct service *service = request->service;
    uint32_t at = 0;

    for (uint32_t i = 0; i < service->roster.count; i++) {
        const struct roster_entry *entry = &service->roster.entries[i];
        struct snapshot_slot *slot = &snapshot->slots[at];
        if (entry->kind == ROSTER_FREE)
            continue;
        status_fill_slot(slot, &service->shell, i);
        (void)snprintf(slot->name, sizeof(slot->name), "%s", entry->place.name);
        slot->row = entry->place.row;
        slot->column = entry->place.column;
        if (!entry->occupied)
            slot->target[0] = '\0';
        if (!request->client->may_control)
            make_anonymous(slot);
        at++;
    }
}

static char *get_status(const struct request *request)
{
    const struct service *service = request->service;
    struct snapshot *snapshot = snapshot_create(count_slots(&service->roster));

    if (snapshot == NULL)
        return refuse(request, WIRE_ERROR_NO_MEMORY, "no memory for the status; try again");
    (void)snprintf(snapshot->rig, sizeof(snapshot->rig), "%s", service->config->rig);
    snapshot->armed = service->armed;
    (void)snprintf(snapshot->armed_image, sizeof(snapshot->armed_image), "%s",
                   service->armed_image);
    snapshot->armed_mode = service->armed_mode;
    fill_slots(snapshot, request);
    status_fill_totals(snapshot, &service->shell);
    json_t *body = snapshot_encode(snapshot);
    free(snapshot);
    return message_result(request->message->id, body);
}

static void fill_entry(struct slot_entry *slot, const struct service *service, uint32_t number)
{
    const struct layout_slot *place = &service->roster.entries[number].place;
    struct slot_report report;

    shell_report(&service->shell, number, &report);
    (void)snprintf(slot->name, sizeof(slot->name), "%s", place->name);
    for (unsigned i = 0; i < place->port_count; i++) {
        char text[PORT_TEXT_BYTES];
        (void)snprintf(slot->ports[i], sizeof(slot->ports[i]), "%s",
                       port_format(&place->ports[i], text));
    }
    slot->lun = place->lun;
    slot->row = place->row;
    slot->column = place->column;
    slot->automatic = place->automatic;
    slot->state = report.state;
}

static char *list_slots(const struct request *request)
{
    const struct service *service = request->service;
    struct slot_list *list = slot_list_create(count_slots(&service->roster));
    uint32_t at = 0;

    if (list == NULL)
        return refuse(request, WIRE_ERROR_NO_MEMORY, "no memory for the list; try again");
    for (uint32_t i = 0; i < service->roster.count; i++) {
        if (service->roster.entries[i].kind != ROSTER_FREE)
            fill_entry(&list->slots[at++], service, i);
    }
    json_t *body = slot_list_encode(list);
    free(list);
    return message_result(request->message->id, body);
}

/* --- Doing ------------------------------------------------------------------------------------ */

static char *arm(const struct request *request)
{
    struct service *service = request->service;
    struct arm_request wanted;
    char reason[WIRE_REASON_BYTES] = "";

    if (arm_request_decode(&wanted, request->message->body, reason) != 0)
        return refuse(request, WIRE_ERROR_BAD_PARAMS, reason);
    const char *image = wanted.image[0] != '\0' ? wanted.image : service->config->image;
    enum press_mode mode = wanted.has_mode ? wanted.mode : service->config->mode;
    log_change(request, image);
    enum wire_error error =
        arming_arm(service, image, mode, request->client->id, request->message->id, reason);
    *request->later = error == WIRE_ERROR_COUNT;
    return *request->later ? NULL : refuse(request, error, reason);
}

static char *disarm(const struct request *request)
{
    log_change(request, "");
    arming_disarm(request->service);
    return done(request);
}

/* The number of the slot that a request names, or ROSTER_NONE with the refusal in `line`. */
static uint32_t find_slot(const struct request *request, struct slot_request *wanted, char **line)
{
    char reason[WIRE_REASON_BYTES] = "";

    if (slot_request_decode(wanted, request->message->body, reason) != 0) {
        *line = refuse(request, WIRE_ERROR_BAD_PARAMS, reason);
        return ROSTER_NONE;
    }
    if (wanted->slot[0] == '\0')
        return ROSTER_NONE;
    uint32_t number = roster_find(&request->service->roster, wanted->slot);
    if (number == ROSTER_NONE) {
        (void)snprintf(reason, sizeof(reason),
                       "there is no slot \"%s\"; list them with `drivepress slots list`",
                       wanted->slot);
        *line = refuse(request, WIRE_ERROR_NO_SUCH_SLOT, reason);
    }
    return number;
}

static char *refuse_start(const struct request *request, enum press_start may, const char *slot)
{
    static const struct {
        enum wire_error error;
        const char *before; /* the slot's name */
        const char *after;
    } refusals[] = {
        [START_DISARMED] = {WIRE_ERROR_NOT_ARMED, "nothing is armed, so the drive in ",
                            " is not started: say what is to be done with `drivepress arm`"},
        [START_EMPTY] = {WIRE_ERROR_DEVICE_REFUSED, "there is no drive in ", ": plug one in"},
        [START_RUNNING] = {WIRE_ERROR_BUSY, "the drive in ", " is being worked on already"},
        [START_PASSED] = {WIRE_ERROR_DEVICE_REFUSED, "the drive in ",
                          " has passed and is done; pull it, and plug it in again to do it anew"},
    };
    char reason[WIRE_REASON_BYTES];

    (void)snprintf(reason, sizeof(reason), "%s%s%s", refusals[may].before, slot,
                   refusals[may].after);
    return refuse(request, refusals[may].error, reason);
}

static char *start(const struct request *request)
{
    struct slot_request wanted;
    enum press_start may = START_ALLOWED;
    char *line = NULL;
    uint32_t number = find_slot(request, &wanted, &line);

    if (line != NULL)
        return line;
    if (number == ROSTER_NONE)
        return refuse(request, WIRE_ERROR_BAD_PARAMS, "\"slot\" must name a slot");
    if (shell_start(&request->service->shell, number, &may) != 0)
        return refuse(request, WIRE_ERROR_NO_MEMORY, "no memory for the drive; try again");
    if (may != START_ALLOWED)
        return refuse_start(request, may, wanted.slot);
    log_change(request, wanted.slot);
    return done(request);
}

static bool is_busy(const struct service *service, uint32_t number)
{
    struct slot_report report;

    shell_report(&service->shell, number, &report);
    return slot_state_busy(report.state);
}

static char *stop(const struct request *request)
{
    struct service *service = request->service;
    struct slot_request wanted;
    char *line = NULL;
    uint32_t number = find_slot(request, &wanted, &line);

    if (line != NULL)
        return line;
    if (number != ROSTER_NONE && !is_busy(service, number))
        return refuse(request, WIRE_ERROR_DEVICE_REFUSED,
                      "nothing is being done there that could be stopped");
    log_change(request, number == ROSTER_NONE ? "all" : wanted.slot);
    for (uint32_t i = 0; i < service->shell.slot_count; i++) {
        if (number == ROSTER_NONE || number == i)
            shell_stop(&service->shell, i);
    }
    return done(request);
}

static char *reload(const struct request *request)
{
    struct reload_result result = {0};
    char reason[WIRE_REASON_BYTES] = "";

    log_change(request, "");
    if (service_reload(request->service, result.needs_restart, reason) != 0)
        return refuse(request, WIRE_ERROR_BAD_CONFIG, reason);
    return message_result(request->message->id, reload_result_encode(&result));
}

/* --- Which --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool changes;
    char *(*answer)(const struct request *request);
} methods[] = {
    {WIRE_METHOD_STATUS_GET, false, get_status},
    {WIRE_METHOD_SLOT_LIST, false, list_slots},
    {WIRE_METHOD_JOB_ARM, true, arm},
    {WIRE_METHOD_JOB_DISARM, true, disarm},
    {WIRE_METHOD_JOB_START, true, start},
    {WIRE_METHOD_JOB_STOP, true, stop},
    {WIRE_METHOD_CONFIG_RELOAD, true, reload},
};

char *requests_answer(void *context, const struct server_client *client,
                      const struct message *message, bool *later)
{
    struct request request = {
        .service = context, .client = client, .message = message, .later = later};

    if (request.service->stopping)
        return refuse(&request, WIRE_ERROR_BUSY, SERVICE_ENDING);
    for (size_t i = 0; i < array_count(methods); i++) {
        if (strcmp(methods[i].name, message->method) != 0)
            continue;
        if (methods[i].changes && !client->may_control)
            return refuse(&request, WIRE_ERROR_PERMISSION_DENIED,
                          "this socket is for looking only; changes are made through control.sock");
        return methods[i].answer(&request);
    }
    return refuse(&request, WIRE_ERROR_UNKNOWN_METHOD,
                  "the service knows status.get, slot.list, job.arm, job.disarm, job.start, "
                  "job.stop and config.reload");
}
