// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void units_format_bytes(char text[UNITS_TEXT_BYTES], uint64_t bytes)
{
    static const char *const names[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    size_t name = 0;
    uint64_t unit = 1;

    while (name + 1 < array_count(names) && bytes / unit >= 1000) {
        unit *= 1000;
        name++;
    }
    if (name == 0) {
        (void)snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64 " B", bytes);
        return;
    }
    unsigned whole = (unsigned)(bytes / unit);
    unsigned tenths = (unsigned)(bytes % unit / (unit / 10));
    (void)snprintf(text, UNITS_TEXT_BYTES, "%u.%u %s", whole, tenths, names[name]);
}

void units_format_duration(char text[UNITS_TEXT_BYTES], uint64_t duration_ns)
{
    if (duration_ns == FOREVER_NS) {
        (void)snprintf(text, UNITS_TEXT_BYTES, "-");
        return;
    }
    uint64_t seconds = duration_ns / NS_PER_S + (duration_ns % NS_PER_S >= NS_PER_S / 2 ? 1 : 0);
    uint64_t hours = seconds / 3600;
    unsigned minutes = (unsigned)(seconds / 60 % 60);
    unsigned rest = (unsigned)(seconds % 60);

    if (hours > 0)
        (void)snprintf(text, UNITS_TEXT_BYTES, "%" PRIu64 ":%02u:%02u", hours, minutes, rest);
    else if (minutes > 0)
        (void)snprintf(text, UNITS_TEXT_BYTES, "%u:%02u", minutes, rest);
    else
        (void)snprintf(text, UNITS_TEXT_BYTES, "%u s", rest);
}

static int unit_factor(const char *name, uint64_t *factor)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"K", KIB},
        {"KiB", KIB},
        {"KB", 1000},
        {"M", MIB},
        {"MiB", MIB},
        {"MB", 1000000},
        {"G", GIB},
        {"GiB", GIB},
        {"GB", 1000000000},
        {"T", GIB * 1024},
        {"TiB", GIB * 1024},
        {"TB", UINT64_C(1000000000000)},
    };
    for (size_t i = 0; i < array_count(units); i++) {
        if (strcmp(name, units[i].name) == 0) {
            *factor = units[i].factor;
            return 0;
        }
    }
    return -1;
}

int units_parse_bytes(const char *text, uint64_t *bytes)
{
    const char *at = text;
    uint64_t value = 0;

    while (*at >= '0' && *at <= '9') {
        if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return -1;
        at++;
    }
    uint64_t factor = 0;
    if (at == text || unit_factor(at, &factor) != 0 ||
        __builtin_mul_overflow(value, factor, &value))
        return -1;
    *bytes = value;
    return 0;
}
