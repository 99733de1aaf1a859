// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/rig/layout.h"

#include "lib/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool layout_name_valid(const char *name)
{
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    size_t length = strnlen(name, SLOT_NAME_BYTES);

    if (length == 0 || length == SLOT_NAME_BYTES || strchr(first, name[0]) == NULL)
        return false;
    for (size_t i = 1; i < length; i++) {
        if (strchr(first, name[i]) == NULL && strchr("._+-", name[i]) == NULL)
            return false;
    }
    return true;
}

bool layout_slot_has_port(const struct layout_slot *slot, const struct port *port)
{
    for (unsigned i = 0; i < slot->port_count; i++) {
        if (port_equal(&slot->ports[i], port))
            return true;
    }
    return false;
}

const struct layout_slot *layout_find(const struct layout *layout, const struct port *port,
                                      unsigned lun)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        if (layout->slots[i].lun == lun && layout_slot_has_port(&layout->slots[i], port))
            return &layout->slots[i];
    }
    return NULL;
}

const struct layout_slot *layout_find_name(const struct layout *layout, const char *name)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        if (strcmp(layout->slots[i].name, name) == 0)
            return &layout->slots[i];
    }
    return NULL;
}

enum layout_trouble layout_add(struct layout *layout, const struct layout_slot *slot,
                               const struct layout_slot **other)
{
    const struct layout_slot *found = NULL;

    check(slot->port_count <= SLOT_PORTS_MAX);
    if (other != NULL)
        *other = NULL;
    if (!layout_name_valid(slot->name))
        return LAYOUT_NAME_BAD;
    found = layout_find_name(layout, slot->name);
    if (found != NULL) {
        if (other != NULL)
            *other = found;
        return LAYOUT_NAME_TAKEN;
    }
    for (unsigned i = 0; i < slot->port_count && found == NULL; i++)
        found = layout_find(layout, &slot->ports[i], slot->lun);
    if (found != NULL) {
        if (other != NULL)
            *other = found;
        return LAYOUT_PORT_TAKEN;
    }
    if (layout->count == SLOTS_MAX)
        return LAYOUT_FULL;
    layout->slots[layout->count++] = *slot;
    return LAYOUT_FINE;
}

/* The slot with LUN 0 of a port of the hub, by any of its faces. */
static const struct layout_slot *find_on_hub(const struct layout *layout,
                                             const struct layout_hub *hub, unsigned number)
{
    for (unsigned i = 0; i < hub->face_count; i++) {
        struct port port;
        const struct layout_slot *slot = NULL;
        if (port_of_hub(&hub->faces[i], number, &port))
            slot = layout_find(layout, &port, 0);
        if (slot != NULL)
            return slot;
    }
    return NULL;
}

/* By name as people count: "A9" is before "A10". */
static const struct layout_slot *first_of_hub(const struct layout *layout,
                                              const struct layout_hub *hub)
{
    const struct layout_slot *first = NULL;

    for (unsigned number = 1; number <= hub->port_count; number++) {
        const struct layout_slot *slot = find_on_hub(layout, hub, number);
        if (slot != NULL && (first == NULL || strverscmp(slot->name, first->name) < 0))
            first = slot;
    }
    return first;
}

static unsigned last_column(const struct layout *layout, unsigned row)
{
    unsigned last = 0;

    for (uint32_t i = 0; i < layout->count; i++) {
        if (layout->slots[i].row == row && layout->slots[i].column > last)
            last = layout->slots[i].column;
    }
    return last;
}

/* The name after the pattern of another that is free; false when it would be too long. */
static bool next_name(const struct layout *layout, const char *pattern, char name[SLOT_NAME_BYTES])
{
    size_t length = strlen(pattern);
    size_t stem = length;

    while (stem > 0 && pattern[stem - 1] >= '0' && pattern[stem - 1] <= '9')
        stem--;
    bool numbered = stem < length;
    /* Every slot can have taken one number. */
    for (uint32_t number = numbered ? 1 : 2; number <= layout->count + 2; number++) {
        char text[SLOT_NAME_BYTES + 16];
        int used = snprintf(text, sizeof(text), "%.*s%s%0*u", (int)stem, pattern,
                            numbered ? "" : "-", (int)(length - stem), number);
        if (used >= SLOT_NAME_BYTES)
            return false;
        if (layout_find_name(layout, text) == NULL) {
            memcpy(name, text, (size_t)used + 1);
            return true;
        }
    }
    return false;
}

/* A hub that can have slots: its faces are ports that it is plugged into. */
static bool is_external(const struct layout_hub *hub)
{
    check(hub->face_count <= SLOT_PORTS_MAX && hub->port_count <= PORT_NUMBER_MAX);
    for (unsigned i = 0; i < hub->face_count; i++) {
        if (hub->faces[i].bus == PORT_MMC || hub->faces[i].chain[0] == '\0')
            return false;
    }
    return hub->face_count > 0;
}

static bool holds_hub(const struct layout_hub *hub, unsigned number)
{
    return (hub->hub_in_port[number / 8] >> (number % 8) & 1) != 0;
}

unsigned layout_name_ports(struct layout *layout, const struct layout_hub *hub)
{
    const uint32_t before = layout->count;
    const struct layout_slot *first = is_external(hub) ? first_of_hub(layout, hub) : NULL;

    if (first == NULL)
        return 0;
    const struct layout_slot pattern = *first;
    for (unsigned number = 1; number <= hub->port_count; number++) {
        struct layout_slot slot = {.automatic = true};
        if (holds_hub(hub, number) || find_on_hub(layout, hub, number) != NULL)
            continue;
        for (unsigned i = 0; i < hub->face_count; i++) {
            if (port_of_hub(&hub->faces[i], number, &slot.ports[slot.port_count]))
                slot.port_count++;
        }
        if (slot.port_count == 0 || !next_name(layout, pattern.name, slot.name))
            break;
        unsigned column = pattern.row != 0 ? last_column(layout, pattern.row) + 1 : 0;
        if (column > 0 && column <= SLOT_PLACE_MAX) {
            slot.row = pattern.row;
            slot.column = column;
        }
        if (layout_add(layout, &slot, NULL) != LAYOUT_FINE)
            break;
    }
    return layout->count - before;
}

bool layout_lun_name(const char *name, unsigned lun, char lun_name[SLOT_NAME_BYTES])
{
    int length = snprintf(lun_name, SLOT_NAME_BYTES, "%s.%u", name, lun);

    return length > 0 && length < SLOT_NAME_BYTES;
}
