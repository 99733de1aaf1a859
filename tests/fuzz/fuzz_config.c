// SPDX-License-Identifier: GPL-3.0-or-later
/* Any bytes as configuration files, a 0xFF between two of them. They are refused with complaints
 * that can be printed, or give a configuration that keeps its promises and whose slots survive
 * being written and read again. */
#include "lib/base/check.h"
#include "lib/base/text.h"
#include "lib/config/config_parser.h"

#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 4, SEPARATOR = 0xFF };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_complaints(const struct config_complaints *complaints)
{
    check(complaints->count > 0);
    for (unsigned i = 0; i < complaints->count && i < CONFIG_COMPLAINTS_MAX; i++) {
        char text[CONFIG_COMPLAINT_BYTES];
        check(strncmp(complaints->items[i], "fuzz", 4) == 0);
        check(strnlen(complaints->items[i], sizeof(text)) < sizeof(text));
        memcpy(text, complaints->items[i], sizeof(text));
        text_clean(text);
        check(strcmp(text, complaints->items[i]) == 0);
    }
}

static void check_directory(const char *path)
{
    size_t length = strlen(path);
    check(path[0] == '/' && strstr(path, "//") == NULL && strstr(path, "/../") == NULL);
    check(length == 1 || path[length - 1] != '/');
}

static void check_values(const struct config *config)
{
    check_directory(config->state);
    check_directory(config->runtime);
    check_directory(config->images);
    if (config->dock[0] != '\0') {
        check_directory(config->dock);
        check(strcmp(config->dock, config->images) != 0);
    }
    check(config->rig[0] != '\0' && config->slots_max >= 1 && config->slots_max <= SLOTS_MAX);
    check(config->window >= 1 && config->window <= WINDOW_MAX);
    check(config->stall_ms >= 1000 && config->stall_ms <= WIRE_STALL_MS_MAX);
    check(config->mode == MODE_WRITE || config->mode == MODE_VERIFY);
    check(config->engine < ENGINE_CHOICE_COUNT && manifest_name_valid(config->image));
    check(config->capacity_max_bytes == 0 ||
          config->capacity_min_bytes <= config->capacity_max_bytes);
}

static void check_slots(const struct layout *layout)
{
    static struct config_complaints complaints;
    struct config_parser *parser = config_parser_new(&complaints);
    char *text = config_slots_text(layout);

    check(parser != NULL && text != NULL);
    config_parser_read(parser, "fuzz", text, strlen(text));
    struct config *again = config_parser_finish(parser);
    check(again != NULL && again->layout.count == layout->count);
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct layout_slot *one = &layout->slots[i];
        const struct layout_slot *other = &again->layout.slots[i];
        check(strcmp(one->name, other->name) == 0 && one->port_count == other->port_count);
        for (unsigned k = 0; k < one->port_count; k++)
            check(port_equal(&one->ports[k], &other->ports[k]));
        check(one->lun == other->lun && one->row == other->row && one->column == other->column);
    }
    free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config_complaints complaints;
    struct config_parser *parser = config_parser_new(&complaints);

    check(parser != NULL);
    for (int i = 0; i < FILES_MAX; i++) {
        const uint8_t *end = size == 0 ? NULL : memchr(data, SEPARATOR, size);
        size_t length = end == NULL ? size : (size_t)(end - data);
        config_parser_read(parser, "fuzz", (const char *)data, length);
        if (end == NULL)
            break;
        data += length + 1;
        size -= length + 1;
    }
    struct config *config = config_parser_finish(parser);
    if (config == NULL) {
        check_complaints(&complaints);
        return 0;
    }
    check(complaints.count == 0);
    check_values(config);
    check_slots(&config->layout);
    free(config);
    return 0;
}
