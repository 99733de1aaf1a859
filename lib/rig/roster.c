// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/rig/roster.h"

#include "lib/base/check.h"

#include <stdio.h>
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

static bool is_named(const struct roster_entry *entry, const char *name)
{
    return entry->kind != ROSTER_FREE && strcmp(entry->place.name, name) == 0;
}

static bool is_anothers_name(const struct roster *roster, const struct roster_entry *entry)
{
    for (uint32_t i = 0; i < roster->count; i++) {
        const struct roster_entry *other = &roster->entries[i];
        if (other != entry && is_named(other, entry->place.name))
            return true;
    }
    return false;
}

/* The drive in it stays until it is pulled, and its name may be another's from now on. */
static void leave(struct roster *roster, struct roster_entry *entry)
{
    char name[SLOT_NAME_BYTES];
    unsigned number = 1;

    if (entry->leaving)
        return;
    entry->leaving = true;
    memcpy(name, entry->place.name, sizeof(name));
    do {
        char mark[16] = "~";
        if (number > 1)
            (void)snprintf(mark, sizeof(mark), "~%u", number);
        int room = (int)(sizeof(name) - 1 - strlen(mark));
        (void)snprintf(entry->place.name, sizeof(entry->place.name), "%.*s%s", room, name, mark);
        number++;
    } while (is_anothers_name(roster, entry));
}

/* The layout has its place no more. */
static void drop(struct roster *roster, struct roster_entry *entry)
{
    if (entry->occupied)
        leave(roster, entry);
    else
        release(entry);
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

/* A number begins to stand for a place. */
static void give(struct roster *roster, uint32_t number, enum roster_kind kind,
                 const struct layout_slot *place)
{
    struct roster_entry *entry = &roster->entries[number];

    check(entry->kind == ROSTER_FREE);
    entry->kind = kind;
    entry->place = *place;
    entry->moved = true;
    entry->used = ++roster->calls;
}

/* --- The layout --------------------------------------------------------------------------------- */

static uint32_t find_port(const struct roster *roster, const struct port *port, unsigned lun)
{
    for (uint32_t i = 0; i < roster->count; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        if (entry->kind != ROSTER_FREE && !entry->leaving && entry->place.lun == lun &&
            layout_slot_has_port(&entry->place, port))
            return i;
    }
    return ROSTER_NONE;
}

/* Whether they are the same place, under whatever name. */
static bool is_place(const struct roster_entry *entry, const struct layout_slot *slot)
{
    if (entry->kind == ROSTER_FREE || entry->place.lun != slot->lun)
        return false;
    for (unsigned i = 0; i < slot->port_count; i++) {
        if (layout_slot_has_port(&entry->place, &slot->ports[i]))
            return true;
    }
    return false;
}

/* The number that a slot of a layout had before. Where there are several, two faces became one
 * place: the one with a drive in it. */
static uint32_t find_place(const struct roster *roster, const struct layout_slot *slot)
{
    uint32_t best = ROSTER_NONE;
    unsigned best_rank = 0;

    for (uint32_t i = 0; i < roster->count; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        unsigned rank = (entry->occupied ? 2U : 0U) + (entry->leaving ? 0U : 1U);
        if (is_place(entry, slot) && (best == ROSTER_NONE || rank > best_rank)) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}

/* Whether a further LUN has a place in the layout still, by its port; then it is called after that
 * from now on. */
static bool follow_port(struct roster_entry *entry, const struct layout *layout)
{
    const struct layout_slot *port = NULL;
    char name[SLOT_NAME_BYTES];

    for (unsigned i = 0; i < entry->place.port_count && port == NULL; i++) {
        if (layout_find(layout, &entry->place.ports[i], entry->place.lun) != NULL)
            return false;
        port = layout_find(layout, &entry->place.ports[i], 0);
    }
    if (port == NULL || !layout_lun_name(port->name, entry->place.lun, name) ||
        layout_find_name(layout, name) != NULL)
        return false;
    memcpy(entry->place.name, name, sizeof(name));
    memcpy(entry->place.ports, port->ports, sizeof(port->ports));
    entry->place.port_count = port->port_count;
    entry->leaving = false;
    return true;
}

/* Whether a number before stands for the same place, as where two ports became one. */
static bool is_twice(const struct roster *roster, uint32_t number)
{
    for (uint32_t i = 0; i < number; i++) {
        if (!roster->entries[i].leaving &&
            is_place(&roster->entries[i], &roster->entries[number].place))
            return true;
    }
    return false;
}

/* What is not of the layout any more goes: ports that no slot chose, then what hangs on those, then
 * files that bear the name of another place now. */
static void drop_others(struct roster *roster, const struct layout *layout,
                        const bool chosen[SLOTS_MAX])
{
    for (uint32_t i = 0; i < roster->count; i++) {
        if (roster->entries[i].kind == ROSTER_PORT && !chosen[i])
            drop(roster, &roster->entries[i]);
    }
    for (uint32_t i = 0; i < roster->count; i++) {
        struct roster_entry *entry = &roster->entries[i];
        if (entry->kind == ROSTER_LUN && (!follow_port(entry, layout) || is_twice(roster, i)))
            drop(roster, entry);
    }
    for (uint32_t i = 0; i < roster->count; i++) {
        struct roster_entry *entry = &roster->entries[i];
        if (entry->kind == ROSTER_FILE && (layout_find_name(layout, entry->place.name) != NULL ||
                                           is_anothers_name(roster, entry)))
            drop(roster, entry);
    }
}

uint32_t roster_apply(struct roster *roster, const struct layout *layout)
{
    uint32_t numbers[SLOTS_MAX];
    bool chosen[SLOTS_MAX] = {false};
    uint32_t without = 0;

    for (uint32_t i = 0; i < layout->count; i++) {
        numbers[i] = find_place(roster, &layout->slots[i]);
        if (numbers[i] == ROSTER_NONE)
            continue;
        struct roster_entry *entry = &roster->entries[numbers[i]];
        chosen[numbers[i]] = true;
        entry->kind = ROSTER_PORT;
        entry->place = layout->slots[i];
        entry->leaving = false;
    }
    drop_others(roster, layout, chosen);
    for (uint32_t i = 0; i < layout->count; i++) {
        if (numbers[i] != ROSTER_NONE)
            continue;
        uint32_t number = take_number(roster);
        if (number == ROSTER_NONE)
            without++;
        else
            give(roster, number, ROSTER_PORT, &layout->slots[i]);
    }
    return without;
}

static uint32_t add(struct roster *roster, enum roster_kind kind, const struct layout_slot *place)
{
    uint32_t number = take_number(roster);

    if (number != ROSTER_NONE)
        give(roster, number, kind, place);
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
        if (is_named(&roster->entries[i], name))
            return i;
    }
    return ROSTER_NONE;
}

bool roster_next_moved(struct roster *roster, uint32_t *number)
{
    for (uint32_t i = 0; i < roster->count; i++) {
        if (!roster->entries[i].moved)
            continue;
        roster->entries[i].moved = false;
        *number = i;
        return true;
    }
    return false;
}

/* --- Who is in it ------------------------------------------------------------------------------- */

static uint32_t find_who(const struct roster *roster, const char *who)
{
    for (uint32_t i = 0; i < roster->count; i++) {
        const struct roster_entry *entry = &roster->entries[i];
        if (entry->occupied && (strcmp(entry->who, who) == 0 || strcmp(entry->also, who) == 0))
            return i;
    }
    return ROSTER_NONE;
}

enum roster_entrance roster_enter(struct roster *roster, uint32_t number, const char *who,
                                  bool foreign)
{
    check(number < roster->count && who[0] != '\0' && strlen(who) < ROSTER_WHO_BYTES);
    struct roster_entry *entry = &roster->entries[number];
    check(entry->kind != ROSTER_FREE);

    if (find_who(roster, who) != ROSTER_NONE)
        return ROSTER_KNOWN;
    if (!entry->occupied) {
        entry->occupied = true;
        entry->foreign = foreign;
        (void)strcpy(entry->who, who);
        return ROSTER_ENTERED;
    }
    if (foreign && entry->foreign && entry->also[0] == '\0') {
        (void)strcpy(entry->also, who);
        return ROSTER_KNOWN;
    }
    bool known = entry->turned_away;
    entry->turned_away = true;
    return known ? ROSTER_KNOWN : ROSTER_TURNED_AWAY;
}

uint32_t roster_leave(struct roster *roster, const char *who)
{
    uint32_t number = find_who(roster, who);

    if (number == ROSTER_NONE)
        return ROSTER_NONE;
    struct roster_entry *entry = &roster->entries[number];
    if (entry->also[0] == '\0')
        return number;
    if (strcmp(entry->who, who) == 0)
        memcpy(entry->who, entry->also, sizeof(entry->who));
    entry->also[0] = '\0';
    return ROSTER_NONE;
}

bool roster_vacate(struct roster *roster, uint32_t number)
{
    check(number < roster->count);
    struct roster_entry *entry = &roster->entries[number];
    bool turned_away = entry->turned_away;

    entry->occupied = false;
    entry->foreign = false;
    entry->turned_away = false;
    entry->who[0] = '\0';
    entry->also[0] = '\0';
    if (entry->leaving)
        release(entry);
    return turned_away;
}
