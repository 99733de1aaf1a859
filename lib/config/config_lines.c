// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/config/config_parser.h"

#include "lib/base/check.h"
#include "lib/base/text.h"

#include <ini.h>
#include <string.h>

/* Cuts a text into sections and keys. inih does the keys: it is given one line after the other, and
 * calls back for each key. It tells nothing of sections, and only the first of the lines that it
 * does not understand, so both are seen to here. What inih must not see (a line that it would cut,
 * a section) it gets as an empty line or already judged; so its lines are the file's. Indented
 * lines would continue the value before in inih: they are given without their indentation. */

static const char blanks[] = " \t\r\f\v";

struct reader {
    struct config_parser *parser;
    struct config_place place; /* the line that inih has now */
    const char *text;          /* what follows it */
    size_t left_bytes;
    bool is_key; /* the line should be a key, and none was seen in it */
};

/* The line as it is judged here; false if inih is not to see it. */
static bool take_line(struct reader *reader, const char *line, size_t length, char *copy)
{
    struct config_complaints *complaints = reader->parser->complaints;

    if (length > CONFIG_LINE_BYTES_MAX) {
        config_complain(complaints, reader->place.file, reader->place.line,
                        "the line is longer than %d bytes", CONFIG_LINE_BYTES_MAX);
        return false;
    }
    if (memchr(line, '\0', length) != NULL) {
        config_complain(complaints, reader->place.file, reader->place.line,
                        "the line has a zero byte: this is no text");
        return false;
    }
    memcpy(copy, line, length);
    copy[length] = '\0';
    return true;
}

/* A section's line: "[NAME]", and a comment behind it. */
static void take_section(struct reader *reader, const char *line)
{
    struct config_parser *parser = reader->parser;
    const char *end = strchr(line, ']');
    const char *rest = end == NULL ? "" : end + 1 + strspn(end + 1, blanks);

    parser->section = CONFIG_SECTION_BAD;
    if (end == NULL || (*rest != '\0' && *rest != ';' && *rest != '#')) {
        config_complain(parser->complaints, reader->place.file, reader->place.line,
                        "\"%s\" is not a section; allowed: [NAME], alone on its line", line);
        return;
    }
    const char *name = line + 1 + strspn(line + 1, blanks);
    size_t length = name < end ? (size_t)(end - name) : 0;
    while (length > 0 && strchr(blanks, name[length - 1]) != NULL)
        length--;
    memcpy(parser->section_name, name, length);
    parser->section_name[length] = '\0';
    if (strncmp(parser->section_name, "slot", 4) == 0 &&
        (length == 4 || strchr(blanks, parser->section_name[4]) != NULL)) {
        name = parser->section_name + 4;
        config_slots_begin(parser, &reader->place, name + strspn(name, blanks));
    } else if (config_is_section(parser->section_name)) {
        parser->section = CONFIG_SECTION_KEYS;
    } else {
        config_complain(parser->complaints, reader->place.file, reader->place.line,
                        "[%s]: there is no such section; allowed: [paths], [rig], [pool], "
                        "[policy], [slot NAME]",
                        parser->section_name);
    }
}

/* The line before should have been a key, and inih saw none in it. */
static void finish_line(struct reader *reader)
{
    if (reader->is_key)
        config_complain(reader->parser->complaints, reader->place.file, reader->place.line,
                        "not a line of the form key = value");
    reader->is_key = false;
}

/* Called by inih for the next line, as fgets(3) is. */
static char *give_line(char *string, int room, void *context)
{
    struct reader *reader = context;
    char line[CONFIG_LINE_BYTES_MAX + 1] = "";

    finish_line(reader);
    if (reader->left_bytes == 0)
        return NULL;
    const char *end = memchr(reader->text, '\n', reader->left_bytes);
    size_t length = end == NULL ? reader->left_bytes : (size_t)(end - reader->text);
    size_t taken = length + (end != NULL ? 1 : 0);
    reader->place.line++;
    bool good = take_line(reader, reader->text, length, line);
    reader->text += taken;
    reader->left_bytes -= taken;

    const char *start = line + strspn(line, blanks);
    length = strlen(start);
    if (good && *start == '[')
        take_section(reader, start);
    /* Sections are kept from inih, for it would cut their names. */
    if (*start == '[' || *start == ';' || *start == '#')
        length = 0;
    reader->is_key = length > 0;
    check(room > 0 && length + 2 <= (size_t)room);
    memcpy(string, start, length);
    memcpy(string + length, "\n", 2);
    return string;
}

static bool is_plain_text(const char *text)
{
    while (*text != '\0') {
        uint32_t point = 0;
        size_t length = text_decode(text, &point);
        if (length == 0 || (text_is_control(point) && point != '\t'))
            return false;
        text += length;
    }
    return true;
}

/* Called by inih for a key. */
static int take_key(void *context, const char *section, const char *key, const char *value)
{
    struct reader *reader = context;
    struct config_parser *parser = reader->parser;

    check(section[0] == '\0');
    reader->is_key = false;
    if (parser->section == CONFIG_SECTION_BAD)
        return 1;
    if (!is_plain_text(key) || !is_plain_text(value))
        config_complain(parser->complaints, reader->place.file, reader->place.line,
                        "%s: \"%s\" is not text; allowed: UTF-8 without control characters", key,
                        value);
    else if (parser->section == CONFIG_SECTION_NONE)
        config_complain(parser->complaints, reader->place.file, reader->place.line,
                        "%s: keys belong into a section; allowed: [paths], [rig], [pool], "
                        "[policy], [slot NAME]",
                        key);
    else if (parser->section == CONFIG_SECTION_SLOT)
        config_slots_take(parser, &reader->place, key, value);
    else
        config_keys_take(parser, &reader->place, key, value);
    return 1;
}

void config_lines_read(struct config_parser *parser, const char *file, const char *text,
                       size_t text_bytes)
{
    static const char byte_order_mark[] = "\xEF\xBB\xBF";
    struct reader reader = {
        .parser = parser, .place.file = file, .text = text, .left_bytes = text_bytes};
    size_t mark_bytes = sizeof(byte_order_mark) - 1;

    if (text_bytes >= mark_bytes && memcmp(text, byte_order_mark, mark_bytes) == 0) {
        reader.text += mark_bytes;
        reader.left_bytes -= mark_bytes;
    }
    parser->section = CONFIG_SECTION_NONE;
    int result = ini_parse_stream(give_line, &reader, take_key, &reader);
    finish_line(&reader);
    if (result < 0)
        config_complain(parser->complaints, file, 0, "no memory to read it");
    check(result <= 0 || parser->complaints->count > 0);
}
