// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/config/config_parser.h"

#include "lib/base/check.h"
#include "lib/base/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The sections [slot NAME]: read, put into the layout, and written. */

static const char *const key_names[CONFIG_SLOT_KEY_COUNT] = {
    [CONFIG_SLOT_USB] = "usb", [CONFIG_SLOT_MMC] = "mmc", [CONFIG_SLOT_LUN] = "lun",
    [CONFIG_SLOT_ROW] = "row", [CONFIG_SLOT_COL] = "col",
};

static const char mmc_suffix[] = "/mmc";

void config_slots_begin(struct config_parser *parser, const struct config_place *place,
                        const char *name)
{
    struct config_slot *slot = NULL;

    parser->section = CONFIG_SECTION_BAD;
    if (!layout_name_valid(name)) {
        config_complain(parser->complaints, place->file, place->line,
                        "[slot %s]: \"%s\" is not a slot's name; allowed: " LAYOUT_NAME_FORM, name,
                        name);
        return;
    }
    for (unsigned i = 0; i < parser->slot_count && slot == NULL; i++) {
        if (strcmp(parser->slots[i].slot.name, name) == 0)
            slot = &parser->slots[i];
    }
    if (slot != NULL && slot->place.file == place->file) {
        config_complain(parser->complaints, place->file, place->line,
                        "[slot %s]: it is given twice in this file; allowed: once (see line %u)",
                        name, slot->place.line);
        return;
    }
    if (slot == NULL && parser->slot_count == SLOTS_MAX) {
        config_complain(parser->complaints, place->file, place->line,
                        "[slot %s]: there are too many slots; allowed: %d", name, SLOTS_MAX);
        return;
    }
    if (slot == NULL)
        slot = &parser->slots[parser->slot_count++];
    *slot = (struct config_slot){.place = *place};
    (void)snprintf(slot->slot.name, sizeof(slot->slot.name), "%s", name);
    parser->section = CONFIG_SECTION_SLOT;
    parser->slot = slot;
}

/* One or two ports with blanks between; two are the two faces of one. */
static bool parse_usb(const char *value, struct layout_slot *slot)
{
    slot->port_count = 0;
    for (;;) {
        char text[PORT_TEXT_BYTES];
        value += strspn(value, " \t");
        size_t length = strcspn(value, " \t");
        if (length == 0)
            break;
        if (length >= sizeof(text) || slot->port_count == SLOT_PORTS_MAX)
            return false;
        memcpy(text, value, length);
        text[length] = '\0';
        struct port *port = &slot->ports[slot->port_count++];
        if (port_parse(port, text) != 0 || port->bus == PORT_MMC)
            return false;
        value += length;
    }
    return slot->port_count == 1 ||
           (slot->port_count == 2 && slot->ports[0].bus != slot->ports[1].bus);
}

static bool parse_mmc(const char *value, struct layout_slot *slot)
{
    char text[PORT_TEXT_BYTES];

    slot->port_count = 1;
    return snprintf(text, sizeof(text), "%s%s", value, mmc_suffix) < (int)sizeof(text) &&
           port_parse(&slot->ports[0], text) == 0 && slot->ports[0].bus == PORT_MMC;
}

static bool parse_small(const char *value, uint64_t least, uint64_t most, unsigned *number)
{
    uint64_t parsed = 0;

    if (!config_parse_number(value, least, most, &parsed))
        return false;
    *number = (unsigned)parsed;
    return true;
}

static bool parse_value(enum config_slot_key key, const char *value, struct layout_slot *slot)
{
    switch (key) {
    case CONFIG_SLOT_USB:
        return parse_usb(value, slot);
    case CONFIG_SLOT_MMC:
        return parse_mmc(value, slot);
    case CONFIG_SLOT_LUN:
        return parse_small(value, 0, SLOT_LUN_MAX, &slot->lun);
    case CONFIG_SLOT_ROW:
        return parse_small(value, 1, SLOT_PLACE_MAX, &slot->row);
    case CONFIG_SLOT_COL:
        return parse_small(value, 1, SLOT_PLACE_MAX, &slot->column);
    case CONFIG_SLOT_KEY_COUNT:
        break;
    }
    check_never("a slot's key has a number");
}

/* What a bad value is not, and what it might be. */
static void describe_key(enum config_slot_key key, char *text, size_t text_bytes)
{
    if (key == CONFIG_SLOT_USB)
        (void)snprintf(text, text_bytes,
                       "a USB port; allowed: such as 0000:00:14.0/usb2/2.3, or one of usb2 and one "
                       "of usb3 with a blank between");
    else if (key == CONFIG_SLOT_MMC)
        (void)snprintf(text, text_bytes,
                       "the controller of an SD slot; allowed: such as 0000:00:1f.0");
    else
        (void)snprintf(text, text_bytes, "a number in range; allowed: %d to %d",
                       key == CONFIG_SLOT_LUN ? 0 : 1,
                       key == CONFIG_SLOT_LUN ? SLOT_LUN_MAX : SLOT_PLACE_MAX);
}

void config_slots_take(struct config_parser *parser, const struct config_place *place,
                       const char *name, const char *value)
{
    struct config_slot *slot = parser->slot;
    unsigned key = 0;

    while (key < CONFIG_SLOT_KEY_COUNT && strcmp(key_names[key], name) != 0)
        key++;
    if (key == CONFIG_SLOT_KEY_COUNT) {
        config_complain(parser->complaints, place->file, place->line,
                        "[slot %s] %s: there is no such key; allowed: usb, mmc, lun, row, col",
                        slot->slot.name, name);
        return;
    }
    if (slot->keys[key].line != 0) {
        config_complain(parser->complaints, place->file, place->line,
                        "[slot %s] %s: \"%s\" is given twice in this file; allowed: once (see line "
                        "%u)",
                        slot->slot.name, name, value, slot->keys[key].line);
        return;
    }
    slot->keys[key] = *place;
    if (!parse_value((enum config_slot_key)key, value, &slot->slot)) {
        char kind[CONFIG_COMPLAINT_BYTES];
        describe_key((enum config_slot_key)key, kind, sizeof(kind));
        slot->bad = true;
        config_complain(parser->complaints, place->file, place->line,
                        "[slot %s] %s: \"%s\" is not %s", slot->slot.name, name, value, kind);
    }
}

static bool is_given(const struct config_slot *slot, enum config_slot_key key)
{
    return slot->keys[key].line != 0;
}

/* A slot has one port, and both or none of row and column. */
static bool is_whole(struct config_parser *parser, const struct config_slot *slot)
{
    const struct config_place *place = &slot->place;

    if (is_given(slot, CONFIG_SLOT_USB) == is_given(slot, CONFIG_SLOT_MMC)) {
        config_complain(parser->complaints, place->file, place->line,
                        "[slot %s]: it has %s; allowed: either usb or mmc", slot->slot.name,
                        is_given(slot, CONFIG_SLOT_USB) ? "usb and mmc" : "no port");
        return false;
    }
    if (is_given(slot, CONFIG_SLOT_ROW) != is_given(slot, CONFIG_SLOT_COL)) {
        config_complain(parser->complaints, place->file, place->line,
                        "[slot %s]: it has only one of row and col; allowed: both or none",
                        slot->slot.name);
        return false;
    }
    return true;
}

static const struct port *shared_port(const struct layout_slot *slot,
                                      const struct layout_slot *other)
{
    for (unsigned i = 0; i < slot->port_count; i++) {
        for (unsigned k = 0; k < other->port_count; k++) {
            if (port_equal(&slot->ports[i], &other->ports[k]))
                return &slot->ports[i];
        }
    }
    return &slot->ports[0];
}

static const struct config_place *place_of(const struct config_parser *parser, const char *name)
{
    for (unsigned i = 0; i < parser->slot_count; i++) {
        if (strcmp(parser->slots[i].slot.name, name) == 0)
            return &parser->slots[i].place;
    }
    check_never("a slot of the layout was told");
}

/* Two slots cannot be one place: names both. */
static void complain_taken(struct config_parser *parser, const struct config_slot *slot,
                           const struct layout_slot *other)
{
    const struct config_place *there = place_of(parser, other->name);
    char text[PORT_TEXT_BYTES];
    const struct config_place *place =
        &slot->keys[is_given(slot, CONFIG_SLOT_USB) ? CONFIG_SLOT_USB : CONFIG_SLOT_MMC];

    config_complain(parser->complaints, place->file, place->line,
                    "[slot %s]: \"%s\" with LUN %u is not free; allowed: what is not slot %s "
                    "(%s:%u)",
                    slot->slot.name, port_format(shared_port(&slot->slot, other), text),
                    slot->slot.lun, other->name, there->file, there->line);
}

void config_slots_finish(struct config_parser *parser)
{
    for (unsigned i = 0; i < parser->slot_count; i++) {
        struct config_slot *slot = &parser->slots[i];
        const struct layout_slot *other = NULL;
        if (!is_whole(parser, slot) || slot->bad)
            continue;
        switch (layout_add(&parser->config->layout, &slot->slot, &other)) {
        case LAYOUT_FINE:
            break;
        case LAYOUT_PORT_TAKEN:
            check(other != NULL);
            complain_taken(parser, slot, other);
            break;
        case LAYOUT_FULL:
        case LAYOUT_NAME_TAKEN:
        case LAYOUT_NAME_BAD:
            check_never("names and their number were judged when the section began");
        }
    }
}

char *config_slots_text(const struct layout *layout)
{
    static const char head[] =
        "# Which physical port is which slot: written by `drivepress slots learn`, which replaces\n"
        "# this file when it is run again. It may be edited; see drivepress.conf(5).\n";
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *stream = open_memstream(&text, &text_bytes);

    if (stream == NULL)
        return NULL;
    (void)fputs(head, stream);
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct layout_slot *slot = &layout->slots[i];
        char port[PORT_TEXT_BYTES];
        check(slot->port_count >= 1 && slot->port_count <= SLOT_PORTS_MAX);
        (void)fprintf(stream, "\n[slot %s]\n", slot->name);
        if (slot->ports[0].bus == PORT_MMC) {
            (void)fprintf(stream, "mmc = %s\n", slot->ports[0].controller);
        } else {
            (void)fprintf(stream, "usb = %s", port_format(&slot->ports[0], port));
            if (slot->port_count > 1)
                (void)fprintf(stream, " %s", port_format(&slot->ports[1], port));
            (void)fputs("\n", stream);
        }
        if (slot->lun != 0)
            (void)fprintf(stream, "lun = %u\n", slot->lun);
        if (slot->row != 0)
            (void)fprintf(stream, "row = %u\ncol = %u\n", slot->row, slot->column);
    }
    bool failed = ferror(stream) != 0;
    if (fclose(stream) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
