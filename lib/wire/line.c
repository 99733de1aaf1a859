// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/wire/line.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void wire_line_init(struct wire_line *line, size_t line_bytes_max)
{
    check(line_bytes_max > 0);
    *line = (struct wire_line){.line_bytes_max = line_bytes_max};
}

void wire_line_free(struct wire_line *line)
{
    free(line->data);
    *line = (struct wire_line){.line_bytes_max = line->line_bytes_max};
}

/* Moves what is not yet taken to the front and makes room for more behind it. */
static int make_room(struct wire_line *line, size_t length_bytes)
{
    if (line->begin > 0) {
        memmove(line->data, line->data + line->begin, line->end - line->begin);
        line->scanned -= line->begin;
        line->end -= line->begin;
        line->begin = 0;
    }
    size_t needed = 0;
    if (__builtin_add_overflow(line->end, length_bytes, &needed))
        return -ENOMEM;
    if (needed <= line->capacity_bytes)
        return 0;
    /* Doubling keeps a line that arrives in small pieces linear. */
    size_t capacity_bytes = needed > line->capacity_bytes * 2 ? needed : line->capacity_bytes * 2;
    char *data = realloc(line->data, capacity_bytes);
    if (data == NULL)
        return -ENOMEM;
    line->data = data;
    line->capacity_bytes = capacity_bytes;
    return 0;
}

int wire_line_feed(struct wire_line *line, const void *data, size_t length_bytes)
{
    if (length_bytes == 0)
        return 0;
    int error = make_room(line, length_bytes);
    if (error != 0)
        return error;
    memcpy(line->data + line->end, data, length_bytes);
    line->end += length_bytes;
    return 0;
}

int wire_line_next(struct wire_line *line, char **text, size_t *length_bytes)
{
    if (line->begin == line->end)
        return 0;
    char *newline = memchr(line->data + line->scanned, '\n', line->end - line->scanned);
    size_t end = newline != NULL ? (size_t)(newline - line->data) : line->end;
    if (end - line->begin > line->line_bytes_max)
        return -EMSGSIZE;
    if (newline == NULL) {
        line->scanned = line->end;
        return 0;
    }
    *newline = '\0';
    *text = line->data + line->begin;
    *length_bytes = end - line->begin;
    line->begin = end + 1;
    line->scanned = line->begin;
    return 1;
}
