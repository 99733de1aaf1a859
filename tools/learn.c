// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/learn.h"

#include "lib/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 999, LETTERS = 26 };

/* What the names of a row begin with. False when there is no such row. */
static bool row_prefix(const struct learn *learn, uint32_t row, char prefix[SLOT_NAME_BYTES])
{
    char first = learn->prefix[0];
    int length = 0;

    if (learn->columns == 0) {
        length = snprintf(prefix, SLOT_NAME_BYTES, "%s", learn->prefix);
    } else if (learn->prefix[1] == '\0' &&
               ((first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z'))) {
        char last = first >= 'a' ? 'z' : 'Z';
        if (row > LETTERS || (unsigned)(last - first) < row - 1)
            return false;
        length = snprintf(prefix, SLOT_NAME_BYTES, "%c", (char)(first + (char)(row - 1)));
    } else {
        length = snprintf(prefix, SLOT_NAME_BYTES, "%s%u-", learn->prefix, row);
    }
    return length > 0 && length < SLOT_NAME_BYTES;
}

/* The largest number behind a prefix in any name; 0: none. */
static uint32_t last_number(const struct layout *layout, const char *prefix)
{
    size_t length = strlen(prefix);
    uint32_t last = 0;

    for (uint32_t i = 0; i < layout->count; i++) {
        const char *digits = layout->slots[i].name + length;
        if (strncmp(layout->slots[i].name, prefix, length) != 0 || digits[0] == '\0' ||
            strlen(digits) > 3 || digits[strspn(digits, "0123456789")] != '\0')
            continue;
        uint32_t number = (uint32_t)strtoul(digits, NULL, 10);
        last = number > last ? number : last;
    }
    return last;
}

/* Where the next slot goes: behind the last one of the last row that has any. */
static bool next_place(const struct learn *learn, uint32_t *row, uint32_t *number)
{
    uint32_t rows = learn->columns > 0 ? SLOT_PLACE_MAX : 1;
    char prefix[SLOT_NAME_BYTES];

    *row = 1;
    *number = 1;
    for (uint32_t i = 1; i <= rows && row_prefix(learn, i, prefix); i++) {
        uint32_t last = last_number(&learn->layout, prefix);
        if (last > 0) {
            *row = i;
            *number = last + 1;
        }
    }
    if (learn->columns > 0 && *number > learn->columns) {
        *row += 1;
        *number = 1;
    }
    return *row <= rows && *number <= NUMBER_MAX;
}

static bool name_at(const struct learn *learn, uint32_t row, uint32_t number,
                    char name[SLOT_NAME_BYTES])
{
    char prefix[SLOT_NAME_BYTES];
    char text[SLOT_NAME_BYTES + 16];

    if (!row_prefix(learn, row, prefix))
        return false;
    (void)snprintf(text, sizeof(text), "%s%02u", prefix, number);
    if (strlen(text) >= SLOT_NAME_BYTES || !layout_name_valid(text))
        return false;
    memcpy(name, text, strlen(text) + 1);
    return true;
}

bool learn_start(struct learn *learn, const struct layout *before, const char *prefix,
                 uint32_t columns)
{
    char name[SLOT_NAME_BYTES];

    check(columns <= SLOT_PLACE_MAX);
    learn->layout = *before;
    learn->before = before->count;
    learn->prefix = prefix;
    learn->columns = columns;
    return prefix[0] != '\0' && name_at(learn, 1, 1, name);
}

bool learn_next_name(const struct learn *learn, char name[SLOT_NAME_BYTES])
{
    uint32_t row = 0;
    uint32_t number = 0;
    return next_place(learn, &row, &number) && name_at(learn, row, number, name);
}

/* The first slot of one of these ports, whatever its LUN. */
static const struct layout_slot *slot_of_port(const struct layout *layout, const struct port *faces,
                                              unsigned face_count)
{
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct layout_slot *slot = &layout->slots[i];
        for (unsigned j = 0; j < slot->port_count; j++) {
            for (unsigned k = 0; k < face_count; k++) {
                if (port_equal(&slot->ports[j], &faces[k]))
                    return slot;
            }
        }
    }
    return NULL;
}

static const struct layout_slot *known_slot(const struct layout *layout, const struct port *faces,
                                            unsigned face_count, unsigned lun)
{
    const struct layout_slot *slot = NULL;
    for (unsigned i = 0; i < face_count && slot == NULL; i++)
        slot = layout_find(layout, &faces[i], lun);
    return slot;
}

/* Fills in the name and the place. */
static bool name_slot(const struct learn *learn, struct layout_slot *slot)
{
    const struct layout_slot *sibling = slot_of_port(&learn->layout, slot->ports, slot->port_count);
    uint32_t row = 0;
    uint32_t number = 0;

    if (sibling != NULL)
        return layout_lun_name(sibling->name, slot->lun, slot->name);
    if (!next_place(learn, &row, &number) || !name_at(learn, row, number, slot->name))
        return false;
    if (learn->columns > 0) {
        slot->row = row;
        slot->column = number;
    }
    return true;
}

enum learn_result learn_take(struct learn *learn, const struct port *faces, unsigned face_count,
                             unsigned lun, const struct layout_slot **slot)
{
    struct layout_slot added = {.port_count = face_count, .lun = lun};
    const struct layout_slot *known = known_slot(&learn->layout, faces, face_count, lun);

    check(face_count >= 1 && face_count <= SLOT_PORTS_MAX);
    if (slot != NULL)
        *slot = known;
    if (known != NULL)
        return LEARN_KNOWN;
    if (learn->layout.count >= SLOTS_MAX)
        return LEARN_FULL;
    memcpy(added.ports, faces, face_count * sizeof(faces[0]));
    if (!name_slot(learn, &added) || layout_add(&learn->layout, &added, NULL) != LAYOUT_FINE)
        return LEARN_NO_NAMES;
    if (slot != NULL)
        *slot = &learn->layout.slots[learn->layout.count - 1];
    return LEARN_ADDED;
}

bool learn_undo(struct learn *learn, char name[SLOT_NAME_BYTES])
{
    if (learn->layout.count <= learn->before)
        return false;
    learn->layout.count--;
    memcpy(name, learn->layout.slots[learn->layout.count].name, SLOT_NAME_BYTES);
    return true;
}
