// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/text.h"

#include <langinfo.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

/* Longer texts are shown up to here; a path has at most 4095 bytes. */
enum { CHARACTERS_MAX = 4096 };

struct character {
    uint32_t point;
    unsigned columns;
};

#define NOT_A_CHARACTER UINT32_MAX

/* Reads one character of UTF-8 (RFC 3629) and returns its length; a byte that is none gives
 * NOT_A_CHARACTER. */
static size_t decode(const char *text, uint32_t *point)
{
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = 0;

    *point = bytes[0];
    if (bytes[0] < 0x80)
        return 1;
    if (bytes[0] >= 0xC2 && bytes[0] <= 0xDF)
        length = 2;
    else if (bytes[0] >= 0xE0 && bytes[0] <= 0xEF)
        length = 3;
    else if (bytes[0] >= 0xF0 && bytes[0] <= 0xF4)
        length = 4;
    *point = length > 0 ? bytes[0] & (0x7FU >> length) : 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            length = 0;
        else
            *point = *point << 6 | (bytes[i] & 0x3FU);
    }
    bool overlong = (length == 3 && *point < 0x800) || (length == 4 && *point < 0x10000);
    if (length == 0 || overlong || *point > 0x10FFFF || (*point >= 0xD800 && *point <= 0xDFFF)) {
        *point = NOT_A_CHARACTER;
        return 1;
    }
    return length;
}

static bool is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point < 0xA0);
}

/* Characters that turn the reading order round could show one path as another. */
static bool is_direction_mark(uint32_t point)
{
    return point == 0x200E || point == 0x200F || (point >= 0x2028 && point <= 0x202E) ||
           (point >= 0x2066 && point <= 0x2069);
}

bool text_is_clean(const char *text)
{
    while (*text != '\0') {
        uint32_t point = 0;
        text += decode(text, &point);
        if (point == NOT_A_CHARACTER || is_control(point))
            return false;
    }
    return true;
}

static struct character shown(uint32_t point, bool utf8)
{
    if (point == NOT_A_CHARACTER || is_control(point) || is_direction_mark(point) ||
        (!utf8 && point > 0x7E))
        return (struct character){'?', 1};
    int columns = point < 0x80 ? 1 : wcwidth((wchar_t)point);
    return (struct character){point, columns < 0 ? 1 : (unsigned)columns};
}

static size_t characters_of(const char *text, bool utf8, struct character *characters)
{
    size_t count = 0;
    while (*text != '\0' && count < CHARACTERS_MAX) {
        uint32_t point = 0;
        text += decode(text, &point);
        characters[count++] = shown(point, utf8);
    }
    return count;
}

static void put_character(FILE *out, uint32_t point)
{
    if (point < 0x80) {
        (void)fputc((int)point, out);
        return;
    }
    if (point < 0x800) {
        (void)fputc((int)(0xC0 | point >> 6), out);
    } else if (point < 0x10000) {
        (void)fputc((int)(0xE0 | point >> 12), out);
        (void)fputc((int)(0x80 | (point >> 6 & 0x3F)), out);
    } else {
        (void)fputc((int)(0xF0 | point >> 18), out);
        (void)fputc((int)(0x80 | (point >> 12 & 0x3F)), out);
        (void)fputc((int)(0x80 | (point >> 6 & 0x3F)), out);
    }
    (void)fputc((int)(0x80 | (point & 0x3F)), out);
}

static unsigned columns_of(const struct character *characters, size_t count)
{
    unsigned columns = 0;
    for (size_t i = 0; i < count; i++)
        columns += characters[i].columns;
    return columns;
}

unsigned text_columns(const char *text, bool utf8)
{
    struct character characters[CHARACTERS_MAX];
    return columns_of(characters, characters_of(text, utf8, characters));
}

/* Prints characters from the front while they fit. Returns the columns used. */
static unsigned put_front(FILE *out, const struct character *characters, size_t count,
                          unsigned columns)
{
    unsigned used = 0;
    for (size_t i = 0; i < count && used + characters[i].columns <= columns; i++) {
        put_character(out, characters[i].point);
        used += characters[i].columns;
    }
    return used;
}

unsigned text_put(FILE *out, const char *text, unsigned columns, enum text_cut cut, bool utf8)
{
    struct character characters[CHARACTERS_MAX];
    size_t count = characters_of(text, utf8, characters);

    if (columns_of(characters, count) <= columns)
        return put_front(out, characters, count, columns);
    const char *dots = utf8 ? "\xE2\x80\xA6" : "..";
    unsigned dots_columns = utf8 ? 1 : 2;
    if (columns < dots_columns + 2)
        return put_front(out, characters, count, columns);

    unsigned room = columns - dots_columns;
    /* The end of a path says more than its beginning. */
    unsigned tail_columns = cut == TEXT_CUT_MIDDLE ? (3 * room + 3) / 4 : 0;
    size_t tail = count;
    unsigned tail_used = 0;
    while (tail > 0 && tail_used + characters[tail - 1].columns <= tail_columns)
        tail_used += characters[--tail].columns;
    unsigned used = put_front(out, characters, tail, room - tail_used);
    (void)fputs(dots, out);
    used += put_front(out, characters + tail, count - tail, tail_used);
    return used + dots_columns;
}

void text_put_padded(FILE *out, const char *text, unsigned columns, enum text_cut cut, bool utf8)
{
    unsigned used = text_put(out, text, columns, cut, utf8);
    (void)fprintf(out, "%*s", (int)(columns - used), "");
}

bool text_locale_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
