// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/base/text.h"

#include <stdio.h>
#include <string.h>

size_t text_decode(const char *text, uint32_t *point)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = bytes[0] < 0x80   ? 1
                    : bytes[0] < 0xC0 ? 0
                    : bytes[0] < 0xE0 ? 2
                    : bytes[0] < 0xF0 ? 3
                    : bytes[0] < 0xF8 ? 4
                                      : 0;
    if (length == 0)
        return 0;
    uint32_t value = length == 1 ? bytes[0] : bytes[0] & (0x7FU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3FU);
    }
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *point = value;
    return length;
}

bool text_is_control(uint32_t point)
{
    return point < 0x20 || (point >= 0x7F && point <= 0x9F);
}

bool text_is_showable(uint32_t point)
{
    return !text_is_control(point) && point != 0xAD && point != 0x61C &&
           !(point >= 0x200B && point <= 0x200F) && !(point >= 0x2028 && point <= 0x202E) &&
           !(point >= 0x2060 && point <= 0x206F) && point != 0xFEFF &&
           !(point >= 0xFFF9 && point <= 0xFFFB) && !(point >= 0xE0000 && point <= 0xE0FFF) &&
           (point & 0xFFFE) != 0xFFFE;
}

void text_clean(char *text)
{
    char *to = text;

    while (*text != '\0') {
        uint32_t point = 0;
        size_t length = text_decode(text, &point);
        if (length == 0 || !text_is_showable(point)) {
            *to++ = '?';
            text += length > 0 ? length : 1;
            continue;
        }
        memmove(to, text, length);
        to += length;
        text += length;
    }
    *to = '\0';
}

static bool needs_quotes(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._-/+:@%,";
    return text[0] == '\0' || text[strspn(text, plain)] != '\0';
}

static bool is_showable_text(const char *text)
{
    while (*text != '\0') {
        uint32_t point = 0;
        size_t length = text_decode(text, &point);
        if (length == 0 || !text_is_showable(point))
            return false;
        text += length;
    }
    return true;
}

const char *text_shell_word(char *word, size_t word_bytes, const char *text, const char *otherwise)
{
    /* The last one is for the final quote. */
    const char *const end = word + word_bytes - 1;
    bool quotes = needs_quotes(text);
    bool showable = is_showable_text(text);
    const char *prefix = text[0] == '-' ? "./" : "";
    int used = snprintf(word, word_bytes, "%s%s", quotes ? "'" : "", prefix);
    char *at = word + used;

    while (showable && *text != '\0' && at + 5 < end) {
        if (*text != '\'') {
            *at++ = *text++;
            continue;
        }
        memcpy(at, "'\\''", 4);
        at += 4;
        text++;
    }
    if (*text != '\0') {
        (void)snprintf(word, word_bytes, "%s", otherwise);
        return word;
    }
    if (quotes)
        *at++ = '\'';
    *at = '\0';
    return word;
}
