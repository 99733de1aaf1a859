// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/config/config_parser.h"

#include "lib/base/check.h"
#include "lib/base/text.h"
#include "lib/base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The keys of every section but the slots': one table names them all. */

enum value_kind {
    VALUE_DIRECTORY,
    VALUE_DIRECTORY_OR_NONE, /* none is "" */
    VALUE_NAME,
    VALUE_IMAGE,
    VALUE_COUNT,
    VALUE_SECONDS, /* kept as milliseconds */
    VALUE_SIZE,
    VALUE_SIZE_OR_AUTO, /* auto is 0 */
    VALUE_SIZE_OR_NONE, /* none is 0 */
    VALUE_YES,
    VALUE_MODE,
    VALUE_ENGINE,
};

struct key {
    const char *section;
    const char *name;
    enum value_kind kind;
    bool needs_restart;
    size_t offset; /* of its member in struct config */
    size_t bytes;
    uint32_t least; /* VALUE_COUNT and VALUE_SECONDS */
    uint32_t most;
};

#define MEMBER(name) offsetof(struct config, name), sizeof(((struct config *)0)->name)

enum {
    STALL_SECONDS_MAX = WIRE_STALL_MS_MAX / 1000,
    MILLISECONDS = 1000, /* of a second */
};

enum key_number {
    KEY_STATE,
    KEY_RUNTIME,
    KEY_IMAGES,
    KEY_RIG,
    KEY_DOCK,
    KEY_SLOTS,
    KEY_POOL,
    KEY_ARM_ON_START,
    KEY_IMAGE,
    KEY_MODE,
    KEY_MIN_SIZE,
    KEY_MAX_SIZE,
    KEY_STALL_TIMEOUT,
    KEY_WINDOW,
    KEY_ENGINE,
    KEY_COUNT
};

_Static_assert((int)KEY_COUNT <= (int)CONFIG_KEYS_MAX, "a parser has room for every key");

/* clang-format off: a table */
static const struct key keys[KEY_COUNT] = {
    [KEY_STATE] = {"paths", "state", VALUE_DIRECTORY, true, MEMBER(state), 0, 0},
    [KEY_RUNTIME] = {"paths", "runtime", VALUE_DIRECTORY, true, MEMBER(runtime), 0, 0},
    [KEY_IMAGES] = {"paths", "images", VALUE_DIRECTORY, true, MEMBER(images), 0, 0},
    [KEY_RIG] = {"rig", "name", VALUE_NAME, false, MEMBER(rig), 0, 0},
    [KEY_DOCK] = {"rig", "dock", VALUE_DIRECTORY_OR_NONE, true, MEMBER(dock), 0, 0},
    [KEY_SLOTS] = {"rig", "slots", VALUE_COUNT, true, MEMBER(slots_max), 1, SLOTS_MAX},
    [KEY_POOL] = {"pool", "size", VALUE_SIZE_OR_AUTO, true, MEMBER(pool_bytes), 0, 0},
    [KEY_ARM_ON_START] = {"policy", "arm_on_start", VALUE_YES, false, MEMBER(arm_on_start), 0, 0},
    [KEY_IMAGE] = {"policy", "image", VALUE_IMAGE, false, MEMBER(image), 0, 0},
    [KEY_MODE] = {"policy", "mode", VALUE_MODE, false, MEMBER(mode), 0, 0},
    [KEY_MIN_SIZE] = {"policy", "min_size", VALUE_SIZE, false, MEMBER(capacity_min_bytes), 0, 0},
    [KEY_MAX_SIZE] = {"policy", "max_size", VALUE_SIZE_OR_NONE, false, MEMBER(capacity_max_bytes),
                      0, 0},
    [KEY_STALL_TIMEOUT] = {"policy", "stall_timeout", VALUE_SECONDS, true, MEMBER(stall_ms), 1,
                           STALL_SECONDS_MAX},
    [KEY_WINDOW] = {"policy", "window", VALUE_COUNT, true, MEMBER(window), 1, WINDOW_MAX},
    [KEY_ENGINE] = {"policy", "engine", VALUE_ENGINE, true, MEMBER(engine), 0, 0},
};
/* clang-format on */

bool config_parse_number(const char *value, uint64_t least, uint64_t most, uint64_t *number)
{
    return strspn(value, "0123456789") == strlen(value) && units_parse_bytes(value, number) == 0 &&
           *number >= least && *number <= most;
}

/* Copies an absolute path without its superfluous slashes. A path with "." or ".." is refused, so
 * that two texts name the same place only if they are equal; so is " #", which is most likely a
 * comment that inih does not know as one. */
static bool parse_directory(const char *value, char *path, size_t path_bytes)
{
    size_t used = 0;

    if (value[0] != '/' || strstr(value, " #") != NULL || strlen(value) >= path_bytes)
        return false;
    while (*value != '\0') {
        value += strspn(value, "/");
        size_t length = strcspn(value, "/");
        if (length == 0)
            break;
        if (value[0] == '.' && (length == 1 || (length == 2 && value[1] == '.')))
            return false;
        path[used++] = '/';
        memcpy(path + used, value, length);
        used += length;
        value += length;
    }
    if (used == 0)
        path[used++] = '/';
    path[used] = '\0';
    return true;
}

/* UTF-8 that can be shown; copied if it fits. */
static bool parse_name(const char *value, char *name, size_t name_bytes)
{
    size_t length = strlen(value);

    if (length == 0 || length >= name_bytes)
        return false;
    memcpy(name, value, length + 1);
    text_clean(name);
    return strcmp(name, value) == 0;
}

static bool parse_image(const char *value, char *image, size_t image_bytes)
{
    if (!manifest_name_valid(value))
        return false;
    (void)snprintf(image, image_bytes, "%s", value);
    return true;
}

/* A size above `least`, or the word that stands for 0. */
static bool parse_size(const char *value, const char *word, uint64_t least, uint64_t *bytes)
{
    if (word != NULL && strcmp(value, word) == 0) {
        *bytes = 0;
        return true;
    }
    return units_parse_bytes(value, bytes) == 0 && *bytes >= least;
}

static bool parse_count(const struct key *key, const char *value, uint32_t unit, uint32_t *count)
{
    uint64_t number = 0;

    if (!config_parse_number(value, key->least, key->most, &number))
        return false;
    *count = (uint32_t)number * unit;
    return true;
}

static bool parse_mode(const char *value, enum press_mode *mode)
{
    *mode = strcmp(value, "verify") == 0 ? MODE_VERIFY : MODE_WRITE;
    return *mode == MODE_VERIFY || strcmp(value, "write+verify") == 0 ||
           strcmp(value, "write") == 0;
}

/* Stores a value in its member, which is anything after a failure. */
static bool parse_value(const struct key *key, const char *value, void *member)
{
    switch (key->kind) {
    case VALUE_DIRECTORY:
        return parse_directory(value, member, key->bytes);
    case VALUE_DIRECTORY_OR_NONE:
        if (strcmp(value, "none") != 0)
            return parse_directory(value, member, key->bytes);
        *(char *)member = '\0';
        return true;
    case VALUE_NAME:
        return parse_name(value, member, key->bytes);
    case VALUE_IMAGE:
        return parse_image(value, member, key->bytes);
    case VALUE_COUNT:
        return parse_count(key, value, 1, member);
    case VALUE_SECONDS:
        return parse_count(key, value, MILLISECONDS, member);
    case VALUE_SIZE:
        return parse_size(value, NULL, 0, member);
    case VALUE_SIZE_OR_AUTO:
        return parse_size(value, "auto", 1, member);
    case VALUE_SIZE_OR_NONE:
        return parse_size(value, "none", 1, member);
    case VALUE_YES:
        *(bool *)member = strcmp(value, "yes") == 0;
        return *(bool *)member || strcmp(value, "no") == 0;
    case VALUE_MODE:
        return parse_mode(value, member);
    case VALUE_ENGINE:
        *(enum engine_choice *)member = engine_choice_from_word(value);
        return *(enum engine_choice *)member != ENGINE_CHOICE_COUNT;
    }
    check_never("a key has one of the kinds above");
}

/* What a bad value is not, and what it might be. */
static void describe_kind(const struct key *key, char *text, size_t text_bytes)
{
    switch (key->kind) {
    case VALUE_DIRECTORY:
    case VALUE_DIRECTORY_OR_NONE:
        (void)snprintf(text, text_bytes,
                       "a directory; allowed: %san absolute path of up to %zu bytes without \".\", "
                       "\"..\" and \" #\"",
                       key->kind == VALUE_DIRECTORY ? "" : "none, or ", key->bytes - 1);
        return;
    case VALUE_NAME:
        (void)snprintf(text, text_bytes, "a name; allowed: 1 to %zu bytes that can be shown",
                       key->bytes - 1);
        return;
    case VALUE_IMAGE:
        (void)snprintf(text, text_bytes,
                       "an image; allowed: auto, or a name of the catalogue (letters, digits and "
                       "._-, not beginning with . or -)");
        return;
    case VALUE_COUNT:
    case VALUE_SECONDS:
        (void)snprintf(text, text_bytes, "a number %s; allowed: %" PRIu32 " to %" PRIu32,
                       key->kind == VALUE_COUNT ? "in range" : "of seconds", key->least, key->most);
        return;
    case VALUE_SIZE:
    case VALUE_SIZE_OR_AUTO:
    case VALUE_SIZE_OR_NONE:
        (void)snprintf(text, text_bytes, "a size; allowed: %sbytes such as 4096, 512M, 2GiB or 8GB",
                       key->kind == VALUE_SIZE           ? ""
                       : key->kind == VALUE_SIZE_OR_AUTO ? "auto, or "
                                                         : "none, or ");
        return;
    case VALUE_YES:
        (void)snprintf(text, text_bytes, "an answer; allowed: yes, no");
        return;
    case VALUE_MODE:
        (void)snprintf(text, text_bytes, "a mode; allowed: write+verify, write (the same), verify");
        return;
    case VALUE_ENGINE:
        (void)snprintf(text, text_bytes, "an engine; allowed: auto, io_uring, threads");
        return;
    }
}

bool config_is_section(const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].section, name) == 0)
            return true;
    }
    return false;
}

static void complain_unknown(struct config_parser *parser, const struct config_place *place,
                             const char *name)
{
    char list[CONFIG_COMPLAINT_BYTES] = "";
    size_t used = 0;

    for (size_t i = 0; i < KEY_COUNT && used < sizeof(list); i++) {
        if (strcmp(keys[i].section, parser->section_name) == 0)
            used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used > 0 ? ", " : "",
                                     keys[i].name);
    }
    config_complain(parser->complaints, place->file, place->line,
                    "[%s] %s: there is no such key; allowed: %s", parser->section_name, name, list);
}

void config_keys_take(struct config_parser *parser, const struct config_place *place,
                      const char *name, const char *value)
{
    size_t i = 0;

    while (i < KEY_COUNT &&
           (strcmp(keys[i].section, parser->section_name) != 0 || strcmp(keys[i].name, name) != 0))
        i++;
    if (i == KEY_COUNT) {
        complain_unknown(parser, place, name);
        return;
    }
    const struct key *key = &keys[i];
    /* File names are the parser's, one for each file. */
    if (parser->keys[i].file == place->file) {
        config_complain(parser->complaints, place->file, place->line,
                        "[%s] %s: \"%s\" is given twice in this file; allowed: once (see line %u)",
                        key->section, name, value, parser->keys[i].line);
        return;
    }
    parser->keys[i] = *place;
    if (!parse_value(key, value, (char *)parser->config + key->offset)) {
        char kind[CONFIG_COMPLAINT_BYTES];
        describe_kind(key, kind, sizeof(kind));
        config_complain(parser->complaints, place->file, place->line, "[%s] %s: \"%s\" is not %s",
                        key->section, name, value, kind);
    }
}

/* The directory as the kernel finds it, or as it is told when it is not there (yet). */
static void resolve(const char *path, char resolved[PATH_MAX])
{
    if (realpath(path, resolved) == NULL)
        (void)snprintf(resolved, PATH_MAX, "%s", path);
}

static bool is_inside(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && path[length] == '/';
}

/* What is in the dock is erased: nothing of ours may be there. */
static void check_dock(struct config_parser *parser)
{
    const struct config *config = parser->config;
    const struct {
        const char *key;
        const char *path;
        bool whole; /* also what is beneath it */
    } ours[] = {
        {"state", config->state, false},
        {"runtime", config->runtime, false},
        {"images", config->images, true},
    };
    char dock[PATH_MAX];
    char other[PATH_MAX];

    if (config->dock[0] == '\0')
        return;
    resolve(config->dock, dock);
    for (size_t i = 0; i < array_count(ours); i++) {
        resolve(ours[i].path, other);
        if (strcmp(dock, other) != 0 && !(ours[i].whole && is_inside(dock, other)))
            continue;
        config_complain(parser->complaints, parser->keys[KEY_DOCK].file,
                        parser->keys[KEY_DOCK].line,
                        "[rig] dock: \"%s\" is not apart from [paths] %s (%s); allowed: a "
                        "directory that holds nothing else, for what is in it is erased",
                        config->dock, ours[i].key, ours[i].path);
    }
}

void config_keys_finish(struct config_parser *parser)
{
    struct config *config = parser->config;

    if (parser->keys[KEY_IMAGES].line == 0) {
        /* A line is far shorter than a path may be. */
        int length = snprintf(config->images, sizeof(config->images), "%s%s",
                              strcmp(config->state, "/") == 0 ? "" : config->state, "/images");
        check(length > 0 && (size_t)length < sizeof(config->images));
    }
    check_dock(parser);
    if (config->capacity_max_bytes != 0 &&
        config->capacity_min_bytes > config->capacity_max_bytes) {
        const struct config_place *place = parser->keys[KEY_MAX_SIZE].line != 0
                                               ? &parser->keys[KEY_MAX_SIZE]
                                               : &parser->keys[KEY_MIN_SIZE];
        config_complain(parser->complaints, place->file, place->line,
                        "[policy] max_size: %" PRIu64 " is not as much as min_size; allowed: "
                        "none, or at least %" PRIu64,
                        config->capacity_max_bytes, config->capacity_min_bytes);
    }
}

static bool is_text(const struct key *key)
{
    return key->kind == VALUE_DIRECTORY || key->kind == VALUE_DIRECTORY_OR_NONE ||
           key->kind == VALUE_NAME || key->kind == VALUE_IMAGE;
}

void config_needs_restart(const struct config *running, const struct config *loaded, char *text,
                          size_t text_bytes)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < KEY_COUNT && used < text_bytes; i++) {
        const struct key *key = &keys[i];
        const char *one = (const char *)running + key->offset;
        const char *other = (const char *)loaded + key->offset;
        bool same = is_text(key) ? strcmp(one, other) == 0 : memcmp(one, other, key->bytes) == 0;
        if (key->needs_restart && !same)
            used += (size_t)snprintf(text + used, text_bytes - used, "%s[%s] %s",
                                     used > 0 ? ", " : "", key->section, key->name);
    }
}

void config_keep_fixed(struct config *loaded, const struct config *running)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct key *key = &keys[i];
        if (key->needs_restart)
            memcpy((char *)loaded + key->offset, (const char *)running + key->offset, key->bytes);
    }
}
