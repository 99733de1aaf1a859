// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/identify.h"
#include "daemon/log.h"
#include "daemon/service.h"

#include <stdio.h>
#include <sys/sysmacros.h>

/* What comes and goes in the rig, put into slots.
 *
 * Happy path: a disk appears at a port that has a slot, or a file in the dock; the press is told,
 * and told again when it vanishes.
 *
 * Failure modes: a disk in a port that has no slot is none of ours and is not even named; one whose
 * port was not claimed is shown as not-in-rig; without udev there is only the dock. */

static const char foreign_note[] =
    "is not only a drive but also something else, such as a keyboard; unplug it and do not use it";
static const char unclaimed_note[] =
    "the system did not give us this port: run `sudo drivepress slots claim`, then plug it in "
    "again";

/* --- Slots ------------------------------------------------------------------------------------ */

/* What is still on show where another place is now is not of that place. */
static void clear_moved(struct service *service)
{
    uint32_t number = 0;

    while (roster_next_moved(&service->roster, &number))
        shell_clear(&service->shell, number);
}

/* Returns whether it is a new drive in its slot. */
static bool enter(struct service *service, uint32_t number, const char *who,
                  const struct shell_drive *drive)
{
    const struct roster_entry *entry = &service->roster.entries[number];

    clear_moved(service);
    switch (roster_enter(&service->roster, number, who, drive->foreign)) {
    case ROSTER_ENTERED:
        if (shell_attach(&service->shell, number, drive) != 0)
            log_message(LOG_LEVEL_ERROR, "%s: no memory for the drive in it; pull it and try again",
                        entry->place.name);
        return true;
    case ROSTER_TURNED_AWAY:
        log_message(LOG_LEVEL_WARNING,
                    "%s: what is plugged in shows a second drive or device, which is not used",
                    entry->place.name);
        return false;
    case ROSTER_KNOWN:
        break;
    }
    return false;
}

static void leave(struct service *service, const char *who)
{
    uint32_t number = roster_leave(&service->roster, who);

    if (number == ROSTER_NONE)
        return;
    shell_detach(&service->shell, number);
    if (roster_vacate(&service->roster, number) && service->hotplug != NULL)
        hotplug_repeat(service->hotplug);
}

/* --- USB and SD ------------------------------------------------------------------------------- */

static void name_drive(struct service *service, uint32_t number, const struct sighting *sighting)
{
    struct medium_identity *identity = &service->shell.slots[number].identity;
    struct block_device device;

    if (identity->model[0] == '\0' &&
        identify_device(&identify_this_host, makedev(sighting->major, sighting->minor), &device) ==
            0)
        identify_names(&identify_this_host, &device, identity->model, sizeof(identity->model),
                       identity->serial, sizeof(identity->serial));
}

static void on_appeared(void *context, const struct sighting *sighting, uint64_t plugged_ns)
{
    struct service *service = context;
    uint32_t number = roster_of_port(&service->roster, &sighting->port, sighting->lun);
    struct shell_drive drive = {
        .path = sighting->node,
        .expected = {.block = true,
                     .number = makedev(sighting->major, sighting->minor),
                     .diskseq = sighting->diskseq},
        .plugged_ns = plugged_ns,
        .capacity_bytes = sighting->capacity_bytes,
        .foreign = sighting->foreign,
        .not_in_rig = !sighting->claimed,
        .note = sighting->foreign   ? foreign_note
                : sighting->claimed ? ""
                                    : unclaimed_note,
    };

    if (number == ROSTER_NONE || !enter(service, number, sighting->path, &drive))
        return;
    name_drive(service, number, sighting);
    if (uv_is_active((uv_handle_t *)&service->settle))
        (void)uv_timer_again(&service->settle);
}

static void on_vanished(void *context, const struct sighting *sighting)
{
    leave(context, sighting->path);
}

/* A keyboard that pretends to be a stick has no disk that could appear. */
static void on_foreign(void *context, const struct port *port, const char *name, bool there)
{
    struct service *service = context;
    char who[PORT_TEXT_BYTES + sizeof("foreign ")];
    char text[PORT_TEXT_BYTES];
    char note[MEDIUM_NOTE_BYTES];

    (void)snprintf(who, sizeof(who), "foreign %s", port_format(port, text));
    if (!there) {
        leave(service, who);
        return;
    }
    uint32_t number = roster_of_port(&service->roster, port, 0);
    (void)snprintf(note, sizeof(note), "%s is no drive and was switched off; unplug it", name);
    struct shell_drive drive = {.path = "", .foreign = true, .note = note};
    if (number != ROSTER_NONE && enter(service, number, who, &drive))
        identify_text(service->shell.slots[number].identity.model,
                      sizeof(service->shell.slots[number].identity.model), name);
}

/* --- Hubs and the layout ---------------------------------------------------------------------- */

static bool same_hub(const struct layout_hub *one, const struct layout_hub *other)
{
    for (unsigned i = 0; i < one->face_count; i++) {
        for (unsigned k = 0; k < other->face_count; k++) {
            if (port_equal(&one->faces[i], &other->faces[k]))
                return true;
        }
    }
    return false;
}

static void apply_layout(struct service *service)
{
    uint32_t without = roster_apply(&service->roster, &service->layout);

    clear_moved(service);
    if (without > 0)
        log_message(LOG_LEVEL_WARNING,
                    "%u slots of the rig are beyond the %u of [rig] slots and are not used",
                    without, service->roster.count);
}

static void on_hub(void *context, const struct layout_hub *hub)
{
    struct service *service = context;
    uint32_t i = 0;

    while (i < service->hub_count && !same_hub(&service->hubs[i], hub))
        i++;
    if (i == SERVICE_HUBS_MAX)
        return;
    service->hubs[i] = *hub;
    if (i == service->hub_count)
        service->hub_count++;
    if (layout_name_ports(&service->layout, hub) > 0)
        apply_layout(service);
}

static void on_rescanned(void *context)
{
    (void)context;
    log_message(LOG_LEVEL_WARNING,
                "the kernel had more news of devices than could be heard; looked at all again");
}

void rig_reload(struct service *service)
{
    service->layout = service->config->layout;
    for (uint32_t i = 0; i < service->hub_count; i++)
        (void)layout_name_ports(&service->layout, &service->hubs[i]);
    apply_layout(service);
    /* Drives in ports that were not ours before. */
    if (service->hotplug != NULL)
        hotplug_repeat(service->hotplug);
}

/* --- The dock --------------------------------------------------------------------------------- */

static void on_file_appeared(void *context, const struct dock_drive *file)
{
    struct service *service = context;
    uint32_t number = roster_of_file(&service->roster, file->name);
    struct shell_drive drive = {.path = file->path,
                                .simulated = file->simulated,
                                .plugged_ns = file->from_start ? 0 : uv_hrtime(),
                                .capacity_bytes = file->capacity_bytes};

    if (number == ROSTER_NONE)
        log_message(LOG_LEVEL_WARNING,
                    "%s in the dock is not used: a port has its name, or all %u of [rig] slots are "
                    "taken",
                    file->name, service->roster.count);
    else
        (void)enter(service, number, file->name, &drive);
}

static void on_file_vanished(void *context, const char *name)
{
    leave(context, name);
}

static void on_file_ignored(void *context, const char *name, const char *reason)
{
    (void)context;
    log_message(LOG_LEVEL_INFO, "%s in the dock is not a drive: %s", name, reason);
}

static void on_dock(void *context, bool there)
{
    struct service *service = context;

    if (there)
        log_message(LOG_LEVEL_NOTICE, "the dock %s is back", service->config->dock);
    else
        log_message(LOG_LEVEL_WARNING, "the dock %s is gone; make it again", service->config->dock);
}

/* --- Setting up ------------------------------------------------------------------------------- */

int rig_open(struct service *service, char reason[SERVER_REASON_BYTES])
{
    struct hotplug_events plugs = {.context = service,
                                   .appeared = on_appeared,
                                   .vanished = on_vanished,
                                   .hub = on_hub,
                                   .foreign = on_foreign,
                                   .rescanned = on_rescanned};
    struct dock_events files = {.context = service,
                                .appeared = on_file_appeared,
                                .vanished = on_file_vanished,
                                .ignored = on_file_ignored,
                                .directory = on_dock};
    char why[256] = "";

    roster_init(&service->roster, service->config->slots_max);
    service->layout = service->config->layout;
    apply_layout(service);
    service->hotplug = hotplug_open(&service->loop, &plugs, why);
    if (service->hotplug == NULL && service->config->dock[0] == '\0') {
        (void)snprintf(reason, SERVER_REASON_BYTES, "%s", why);
        return -1;
    }
    if (service->hotplug == NULL)
        log_message(LOG_LEVEL_WARNING, "there is only the dock: %s", why);
    if (service->config->dock[0] == '\0')
        return 0;
    service->dock = dock_open(&service->loop, service->config->dock, &files, why);
    if (service->dock != NULL)
        return 0;
    (void)snprintf(reason, SERVER_REASON_BYTES, "%s", why);
    return -1;
}

void rig_close(struct service *service)
{
    if (service->hotplug != NULL)
        hotplug_close(service->hotplug);
    if (service->dock != NULL)
        dock_close(service->dock);
    service->hotplug = NULL;
    service->dock = NULL;
}
