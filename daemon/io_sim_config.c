// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/identify.h"
#include "daemon/io_sim.h"

#include "lib/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads the description of a simulated drive. One table names every key. */

enum value_kind {
    VALUE_BYTES,
    VALUE_RATE,
    VALUE_MILLISECONDS,
    VALUE_RANGES,
    VALUE_YES,
    VALUE_TEXT
};

struct key {
    const char *name;
    enum value_kind kind;
    size_t offset; /* in struct sim_config */
};

#define KEY(name, kind, member)                                                                    \
    {                                                                                              \
        name, kind, offsetof(struct sim_config, member)                                            \
    }

static const struct key keys[] = {
    KEY("capacity", VALUE_BYTES, capacity_bytes),
    KEY("real_capacity", VALUE_BYTES, real_capacity_bytes),
    KEY("model", VALUE_TEXT, model),
    KEY("serial", VALUE_TEXT, serial),
    KEY("read_rate", VALUE_RATE, read_bytes_per_s),
    KEY("write_rate", VALUE_RATE, write_bytes_per_s),
    KEY("latency_ms", VALUE_MILLISECONDS, latency_ms),
    KEY("pause_every", VALUE_RATE, pause_every_bytes),
    KEY("pause_ms", VALUE_MILLISECONDS, pause_ms),
    KEY("write_error_at", VALUE_RANGES, write_errors),
    KEY("read_error_at", VALUE_RANGES, read_errors),
    KEY("write_error_after", VALUE_BYTES, write_error_after_bytes),
    KEY("flip_write_at", VALUE_BYTES, flip_write_at_bytes),
    KEY("flip_read_at", VALUE_BYTES, flip_read_at_bytes),
    KEY("flip_read_once_at", VALUE_BYTES, flip_read_once_at_bytes),
    KEY("drop_writes_from", VALUE_BYTES, drop_writes_from_bytes),
    KEY("drop_writes_after", VALUE_BYTES, drop_writes_after_bytes),
    KEY("hang_after", VALUE_BYTES, hang_after_bytes),
    KEY("hang_at_open", VALUE_YES, hang_at_open),
    KEY("hang_at_flush", VALUE_YES, hang_at_flush),
    KEY("hang_ms", VALUE_MILLISECONDS, hang_ms),
    KEY("yank_after", VALUE_BYTES, yank_after_bytes),
    KEY("read_only", VALUE_YES, read_only),
    KEY("busy", VALUE_YES, busy),
    KEY("no_medium", VALUE_YES, no_medium),
    KEY("open_error", VALUE_YES, open_error),
};

static const char *const allowed[] = {
    [VALUE_BYTES] = "a size such as 4096, 64M or 1GiB",
    [VALUE_RATE] = "a size above 0 such as 20M",
    [VALUE_MILLISECONDS] = "a whole number of milliseconds up to 86400000",
    [VALUE_RANGES] = "up to 16 ranges such as 64M-65M, separated by commas",
    [VALUE_YES] = "yes or no",
    [VALUE_TEXT] = "a text of up to 63 bytes",
};

/* A day: longer than any pass. */
#define MILLISECONDS_MAX UINT64_C(86400000)

struct parser {
    struct sim_config *config;
    bool given[array_count(keys)];
    bool failed;
    char trouble[MEDIUM_NOTE_BYTES]; /* the first one */
};

static int parse_range(const char *text, struct sim_range *range)
{
    const char *dash = strchr(text, '-');
    char begin[32];

    if (dash == NULL || (size_t)(dash - text) >= sizeof(begin))
        return -1;
    memcpy(begin, text, (size_t)(dash - text));
    begin[dash - text] = '\0';
    if (units_parse_bytes(begin, &range->begin_bytes) != 0 ||
        units_parse_bytes(dash + 1, &range->end_bytes) != 0)
        return -1;
    return range->begin_bytes < range->end_bytes ? 0 : -1;
}

static int parse_ranges(const char *value, struct sim_ranges *ranges)
{
    char text[SIM_LINE_BYTES_MAX + 1];
    char *rest = NULL;

    if (snprintf(text, sizeof(text), "%s", value) >= (int)sizeof(text))
        return -1;
    for (char *item = strtok_r(text, ", ", &rest); item != NULL;
         item = strtok_r(NULL, ", ", &rest)) {
        if (ranges->count == SIM_RANGES_MAX ||
            parse_range(item, &ranges->items[ranges->count]) != 0)
            return -1;
        ranges->count++;
    }
    return ranges->count > 0 ? 0 : -1;
}

static int parse_value(enum value_kind kind, const char *value, void *member)
{
    uint64_t number = 0;

    switch (kind) {
    case VALUE_RANGES:
        return parse_ranges(value, member);
    case VALUE_YES:
        *(bool *)member = strcmp(value, "yes") == 0;
        return *(bool *)member || strcmp(value, "no") == 0 ? 0 : -1;
    case VALUE_TEXT:
        identify_text(member, MEDIUM_NAME_BYTES, value);
        return strlen(value) < MEDIUM_NAME_BYTES ? 0 : -1;
    case VALUE_BYTES:
    case VALUE_RATE:
    case VALUE_MILLISECONDS:
        break;
    }
    if (units_parse_bytes(value, &number) != 0 || number == SIM_NEVER ||
        (kind == VALUE_RATE && number == 0))
        return -1;
    if (kind == VALUE_MILLISECONDS &&
        (number > MILLISECONDS_MAX || strspn(value, "0123456789") != strlen(value)))
        return -1;
    *(uint64_t *)member = number;
    return 0;
}

static void list_keys(char *text, size_t bytes)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < array_count(keys) && used < bytes; i++)
        used += (size_t)snprintf(text + used, bytes - used, " %s", keys[i].name);
}

/* Called by inih for each line; 0 makes it remember the first line's number. */
static int take_line(void *context, const char *section, const char *name, const char *value)
{
    struct parser *parser = context;
    size_t i = 0;

    if (parser->failed)
        return 0;
    parser->failed = true;
    while (i < array_count(keys) && strcmp(keys[i].name, name) != 0)
        i++;
    if (section[0] != '\0') {
        (void)snprintf(parser->trouble, sizeof(parser->trouble), "[%s]: no sections are allowed",
                       section);
    } else if (i == array_count(keys)) {
        char list[MEDIUM_NOTE_BYTES - 64];
        list_keys(list, sizeof(list));
        (void)snprintf(parser->trouble, sizeof(parser->trouble), "unknown key %.24s; there are%s",
                       name, list);
    } else if (parser->given[i]) {
        (void)snprintf(parser->trouble, sizeof(parser->trouble), "%s is given twice", name);
    } else if (parse_value(keys[i].kind, value, (char *)parser->config + keys[i].offset) != 0) {
        (void)snprintf(parser->trouble, sizeof(parser->trouble), "%s = %.64s: give %s", name, value,
                       allowed[keys[i].kind]);
    } else {
        parser->given[i] = true;
        parser->failed = false;
    }
    return parser->failed ? 0 : 1;
}

/* inih would cut a longer line and read the rest as another one. Returns its number, or 0. */
static int find_long_line(const char *text)
{
    for (int line = 1; *text != '\0'; line++) {
        size_t length = strcspn(text, "\n");
        if (length > SIM_LINE_BYTES_MAX)
            return line;
        text += length + (text[length] == '\n' ? 1 : 0);
    }
    return 0;
}

int sim_config_parse(struct sim_config *config, const char *text, const char *name,
                     struct medium_identity *identity)
{
    struct parser parser = {.config = config};

    *config = (struct sim_config){.model = "simulated"};
    for (size_t i = 0; i < array_count(keys); i++) {
        if (keys[i].kind == VALUE_BYTES || keys[i].kind == VALUE_RATE)
            *(uint64_t *)(void *)((char *)config + keys[i].offset) = SIM_NEVER;
    }
    config->hang_ms = SIM_NEVER;

    int line = find_long_line(text);
    if (line != 0) {
        medium_note(identity, "%.64s:%d: the line is longer than %d bytes", name, line,
                    SIM_LINE_BYTES_MAX);
        return -EINVAL;
    }
    line = ini_parse_string(text, take_line, &parser);
    if (line == 0)
        return 0;
    medium_note(identity, "%.64s:%d: %s", name, line,
                parser.failed ? parser.trouble : "not a line of the form key = value");
    return -EINVAL;
}

/* Reads the whole file into text, which has room for SIM_FILE_BYTES_MAX + 1. 0 or -errno. */
static int read_description(const char *path, char *text)
{
    struct stat status;
    size_t length = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    int error = fstat(fd, &status) != 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
    while (error == 0 && length <= SIM_FILE_BYTES_MAX &&
           (got = read(fd, text + length, SIM_FILE_BYTES_MAX + 1 - length)) > 0)
        length += (size_t)got;
    if (error == 0 && got < 0)
        error = -errno;
    (void)close(fd);
    if (error != 0)
        return error;
    if (length > SIM_FILE_BYTES_MAX)
        return -EFBIG;
    text[length] = '\0';
    return memchr(text, '\0', length) == NULL ? 0 : -EILSEQ;
}

int sim_config_load(struct sim_config *config, const char *path, struct medium_identity *identity)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    char *text = malloc(SIM_FILE_BYTES_MAX + 1);
    int error = text == NULL ? -ENOMEM : read_description(path, text);

    if (error != 0)
        medium_note(identity, "cannot read the description %.64s: %s", name, strerror(-error));
    else
        error = sim_config_parse(config, text, name, identity);
    free(text);
    return error;
}
