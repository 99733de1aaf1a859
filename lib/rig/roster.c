// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/rig/roster.h"

#include "lib/base/check.h"

#include <string.h>

void roster_init(struct roster *roster, uint32_t count)
{
    check(count >= 1 && count <= SLOTS_MAX);
    memset(roster, 0, sizeof(*roster));
    roster->count = count;
}

static void release(struct roster_entry *entry)
{
    memset(entry, 0, sizeof(*entry));
}

/* The drive in it stays until it is pulled, and its name may be another's from now on. */
static void leave(struct roster_entry *entry)
{
    size_t length = strlen(entry->place.name);

    if (!entry->leaving && length + 1 < sizeof(entry->place.name))
        (void)strcpy(entry->place.name + length, "~");
    entry->leaving = true;
}

/* A number that stands for nothing, else that of the file that is gone for the longest time. */
static uint32_t take_number(struct roster *roster)
{
    uint32_t best = ROSTER_NONE;

    for (uint32_t i = 0; i < roster->count; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        if (entry->kind == ROSTER_FREE)
            return i;
        if ((entry->kind == ROSTER_FILE || entry->kind == ROSTER_LUN) && !entry->occupied &&
            (best == ROSTER_NONE || entry->used < roster->entries[best].used))
            best = i;
    }
    if (best != ROSTER_NONE)
        release(&roster->entries[best]);
    return best;
}

static bool has_port(const struct layout_slot *place, const struct port *port, unsigned lun)
{
    for (unsigned i = 0; i < place->port_count; i++) {
        if (place->lun == lun && port_equal(&place->ports[i], port))
            return true;
    }
    return false;
}

static uint32_t find_port(const struct roster *roster, const struct port *port, unsigned lun)
{
    for (uint32_t i = 0; i < roster->count; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        if (entry->kind != ROSTER_FREE && !entry->leaving && has_port(&entry->place, port, lun))
            return i;
    }
    return ROSTER_NONE;
}

/* The number that a slot of a layout had before, under whatever name. */
static uint32_t find_place(const struct roster *roster, const struct layout_slot *slot)
{
    for (unsigned i = 0; i < slot->port_count; i++) {
        uint32_t number = find_port(roster, &slot->ports[i], slot->lun);
        if (number != ROSTER_NONE)
            return number;
    }
    return ROSTER_NONE;
}

static bool in_layout(const struct layout *layout, const struct layout_slot *place, unsigned lun)
{
    for (unsigned i = 0; i < place->port_count; i++) {
        if (layout_find(layout, &place->ports[i], lun) != NULL)
            return true;
    }
    return false;
}

/* Ports that the layout has no more go, and with them what hangs on them or bears a name that is
 * another's now. */
static void drop_others(struct roster *roster, const struct layout *layout)
{
    for (uint32_t i = 0; i < roster->count; i++) {
        struct roster_entry *entry = &roster->entries[i];
        bool stays = true;
        if (entry->kind == ROSTER_PORT)
            stays = in_layout(layout, &entry->place, entry->place.lun);
        else if (entry->kind == ROSTER_LUN)
            stays = in_layout(layout, &entry->place, 0) &&
                    layout_find_name(layout, entry->place.name) == NULL;
        else if (entry->kind == ROSTER_FILE)
            stays = layout_find_name(layout, entry->place.name) == NULL;
        if (stays)
            continue;
        if (entry->occupied)
            leave(entry);
        else
            release(entry);
    }
}

uint32_t roster_apply(struct roster *roster, const struct layout *layout)
{
    uint32_t without = 0;

    drop_others(roster, layout);
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct layout_slot *slot = &layout->slots[i];
        uint32_t number = find_place(roster, slot);
        if (number == ROSTER_NONE)
            number = take_number(roster);
        if (number == ROSTER_NONE) {
            without++;
            continue;
        }
        roster->entries[number].kind = ROSTER_PORT;
        roster->entries[number].place = *slot;
    }
    return without;
}

static uint32_t add(struct roster *roster, enum roster_kind kind, const struct layout_slot *place)
{
    uint32_t number = take_number(roster);

    if (number != ROSTER_NONE) {
        roster->entries[number].kind = kind;
        roster->entries[number].place = *place;
        roster->entries[number].used = ++roster->calls;
    }
    return number;
}

uint32_t roster_of_port(struct roster *roster, const struct port *port, unsigned lun)
{
    uint32_t number = find_port(roster, port, lun);

    if (number != ROSTER_NONE || lun == 0) {
        if (number != ROSTER_NONE)
            roster->entries[number].used = ++roster->calls;
        return number;
    }
    uint32_t first = find_port(roster, port, 0);
    if (first == ROSTER_NONE)
        return ROSTER_NONE;
    struct layout_slot place = roster->entries[first].place;
    place.lun = lun;
    place.automatic = true;
    /* Its place in the rig is the first LUN's alone. */
    place.row = 0;
    place.column = 0;
    if (!layout_lun_name(roster->entries[first].place.name, lun, place.name) ||
        roster_find(roster, place.name) != ROSTER_NONE)
        return ROSTER_NONE;
    return add(roster, ROSTER_LUN, &place);
}

uint32_t roster_of_file(struct roster *roster, const char *name)
{
    uint32_t number = roster_find(roster, name);

    if (number != ROSTER_NONE) {
        if (roster->entries[number].kind != ROSTER_FILE)
            return ROSTER_NONE;
        roster->entries[number].used = ++roster->calls;
        return number;
    }
    struct layout_slot place = {.automatic = true};
    check(strlen(name) < sizeof(place.name));
    memcpy(place.name, name, strlen(name) + 1);
    return add(roster, ROSTER_FILE, &place);
}

uint32_t roster_find(const struct roster *roster, const char *name)
{
    for (uint32_t i = 0; i < roster->count; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        if (entry->kind != ROSTER_FREE && strcmp(entry->place.name, name) == 0)
            return i;
    }
    return ROSTER_NONE;
}

void roster_vacate(struct roster *roster, uint32_t number)
{
    check(number < roster->count);
    struct roster_entry *entry = &roster->entries[number];
    entry->occupied = false;
    if (entry->leaving)
        release(entry);
}
