// SPDX-License-Identifier: GPL-3.0-or-later
/* The claim covers all ports of an external hub of which one has a slot, and on them 59-drivepress
 * switches off what is neither a drive nor a hub, also behind further hubs. */
#include "tools/slots_reach.h"

#include "tools/disk_use.h"
#include "tools/text.h"

#include <stdio.h>

struct search {
    const struct slots_arguments *arguments;
    const struct layout *layout;
    bool found;
};

/* Whether the claim covers a port: it is a slot's, or on the hub of one. */
static bool is_claimed(const struct layout *layout, const struct port *port)
{
    struct port hub;
    struct port other;
    bool on_hub = port_hub(port, &hub);

    for (uint32_t i = 0; i < layout->count; i++) {
        const struct layout_slot *slot = &layout->slots[i];
        for (unsigned j = 0; j < slot->port_count; j++) {
            if (port_equal(&slot->ports[j], port) ||
                (on_hub && port_hub(&slot->ports[j], &other) && port_equal(&hub, &other)))
                return true;
        }
    }
    return false;
}

/* Whether a port is claimed, or behind a hub that is in a claimed port. */
static bool is_behind(const struct layout *layout, const struct port *port)
{
    struct port at = *port;
    struct port hub;

    while (!is_claimed(layout, &at)) {
        if (!port_hub(&at, &hub))
            return false;
        at = hub;
    }
    return true;
}

/* --- What is in the way ----------------------------------------------------------------------- */

static bool check_disk(void *context, const struct sighting *sighting)
{
    struct search *search = context;
    char use[DISK_USE_BYTES];
    char text[PORT_TEXT_BYTES];

    if (!is_claimed(search->layout, &sighting->port) ||
        !disk_use_find(sighting->path, &disk_use_system, use))
        return false;
    text_complain(search->arguments->verb,
                  "%s is plugged into a port of the rig (%s), and %s: unmount it, or plug it in "
                  "elsewhere",
                  sighting->node, port_format(&sighting->port, text), use);
    search->found = true;
    return false;
}

static bool check_foreign(void *context, const struct port *port, const char *name)
{
    struct search *search = context;
    char text[PORT_TEXT_BYTES];

    if (!is_behind(search->layout, port))
        return false;
    text_complain(search->arguments->verb,
                  "%s is plugged into a port of the rig (%s), and is neither a drive nor a hub: it "
                  "would be switched off; plug it in elsewhere",
                  name, port_format(port, text));
    search->found = true;
    return false;
}

int slots_check_ports(const struct slots_arguments *arguments, struct port_watch *watch,
                      const struct layout *layout)
{
    struct search search = {.arguments = arguments, .layout = layout};

    int error = port_watch_visit_disks(watch, &search, check_disk);
    if (error >= 0)
        error = port_watch_visit_foreign(watch, &search, check_foreign);
    return error < 0 ? error : search.found;
}

/* --- Ports that nobody named ------------------------------------------------------------------ */

/* One external hub at a time: where it is plugged in, and what it is if it is there now. */
struct hub_search {
    struct layout_hub hub;
    bool known;
};

static bool has_face(const struct layout_hub *hub, const struct port *face)
{
    for (unsigned i = 0; i < hub->face_count; i++) {
        if (port_equal(&hub->faces[i], face))
            return true;
    }
    return false;
}

static bool find_hub(void *context, const struct layout_hub *hub)
{
    struct hub_search *search = context;

    for (unsigned i = 0; i < search->hub.face_count && !search->known; i++)
        search->known = has_face(hub, &search->hub.faces[i]);
    if (search->known)
        search->hub = *hub;
    return search->known;
}

/* The hub of a slot's ports as far as the slot tells. False for ports of the computer itself. */
static bool hub_of(const struct layout_slot *slot, struct layout_hub *hub)
{
    *hub = (struct layout_hub){.face_count = 0};
    for (unsigned i = 0; i < slot->port_count; i++) {
        if (port_hub(&slot->ports[i], &hub->faces[hub->face_count]))
            hub->face_count++;
    }
    return hub->face_count > 0;
}

static bool is_named(const struct layout *layout, const struct layout_hub *hub, unsigned number)
{
    struct port port;

    for (uint32_t i = 0; i < layout->count; i++) {
        for (unsigned j = 0; j < hub->face_count; j++) {
            if (!layout->slots[i].automatic && port_of_hub(&hub->faces[j], number, &port) &&
                layout_slot_has_port(&layout->slots[i], &port))
                return true;
        }
    }
    return false;
}

static void print_hub(const struct layout *layout, const struct hub_search *search)
{
    const struct layout_hub *hub = &search->hub;
    unsigned further = 0;
    char text[PORT_TEXT_BYTES];

    for (unsigned number = 1; number <= hub->port_count; number++)
        further += !is_named(layout, hub, number);
    if (search->known && further == 0)
        return;
    if (search->known)
        (void)printf("Also claimed: %u more %s of the hub in ", further,
                     further == 1 ? "port" : "ports");
    else
        (void)fputs("Also claimed: all other ports of the hub (not there now) in ", stdout);
    (void)fputs(port_format(&hub->faces[0], text), stdout);
    if (hub->face_count > 1)
        (void)printf(" and %s", port_format(&hub->faces[1], text));
    (void)puts(".");
}

/* Whether a slot before is on the same hub. */
static bool is_told(const struct layout *layout, uint32_t slot, const struct layout_hub *hub)
{
    struct layout_hub other;

    for (uint32_t before = 0; before < slot; before++) {
        if (!hub_of(&layout->slots[before], &other))
            continue;
        for (unsigned i = 0; i < other.face_count; i++) {
            if (has_face(hub, &other.faces[i]))
                return true;
        }
    }
    return false;
}

int slots_print_further(struct port_watch *watch, const struct layout *layout)
{
    int error = 0;

    for (uint32_t i = 0; i < layout->count && error >= 0; i++) {
        struct hub_search search = {.known = false};
        if (!hub_of(&layout->slots[i], &search.hub) || is_told(layout, i, &search.hub))
            continue;
        error = port_watch_visit_hubs(watch, &search, find_hub);
        /* Now with both faces. */
        if (error >= 0 && !is_told(layout, i, &search.hub))
            print_hub(layout, &search);
    }
    return error < 0 ? error : 0;
}
