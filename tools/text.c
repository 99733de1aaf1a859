// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/text.h"

#include "lib/base/text.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

/* Longer texts are shown up to here; a path has at most 4095 bytes. */
enum { CHARACTERS_MAX = 4096 };

struct character {
    uint32_t point;
    unsigned columns;
};

bool text_is_clean(const char *text)
{
    while (*text != '\0') {
        uint32_t point = 0;
        size_t length = text_decode(text, &point);
        if (length == 0 || text_is_control(point))
            return false;
        text += length;
    }
    return true;
}

static struct character shown(uint32_t point, bool utf8)
{
    if (!text_is_showable(point) || (!utf8 && point > 0x7E))
        return (struct character){'?', 1};
    int columns = point < 0x80 ? 1 : wcwidth((wchar_t)point);
    return (struct character){point, columns < 0 ? 1 : (unsigned)columns};
}

static size_t characters_of(const char *text, bool utf8, struct character *characters)
{
    size_t count = 0;
    while (*text != '\0' && count < CHARACTERS_MAX) {
        uint32_t point = 0;
        size_t length = text_decode(text, &point);
        characters[count++] = length > 0 ? shown(point, utf8) : (struct character){'?', 1};
        text += length > 0 ? length : 1;
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

void text_say(FILE *out, const char *text)
{
    (void)text_put(out, text, UINT16_MAX, TEXT_CUT_END, text_locale_is_utf8());
}

void text_put_broken(FILE *out, char *text, unsigned column, unsigned width, bool utf8)
{
    static const char indent[] = "    ";
    char *at = text;

    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, ";,");
        while (at[length] != '\0' && at[length + 1] != ' ')
            length += 1 + strcspn(at + length + 1, ";,");
        length += at[length] != '\0'; /* with its comma */
        char next = at[length];
        at[length] = '\0';
        unsigned columns = text_columns(at, utf8);
        unsigned blank = at != text ? 1 : 0;
        if (width > 0 && column > sizeof(indent) - 1 && column + blank + columns > width) {
            (void)fprintf(out, "\n%s", indent);
            column = sizeof(indent) - 1;
        } else {
            (void)fprintf(out, "%*s", (int)blank, "");
            column += blank;
        }
        (void)text_put(out, at, UINT16_MAX, TEXT_CUT_END, utf8);
        column += columns;
        at[length] = next;
        at += length + (next == ' ');
    }
    (void)fputc('\n', out);
}

void text_complain(const char *who, const char *format, ...)
{
    char text[TEXT_COMPLAINT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "drivepress%s%s: ", who[0] != '\0' ? " " : "", who);
    text_say(stderr, text);
    (void)fputc('\n', stderr);
}

bool text_locale_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}
