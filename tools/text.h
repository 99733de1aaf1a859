// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Text of others (paths, what drives say of themselves) on a terminal: nothing in it may move the
 * cursor, and it takes the room that it is given. Pure but for the stream; any thread. */

/* Valid UTF-8 without control characters. */
bool text_is_clean(const char *text);

/* The columns that the text takes on a terminal; without utf8 every character is one. */
unsigned text_columns(const char *text, bool utf8);

enum text_cut {
    TEXT_CUT_END,
    TEXT_CUT_MIDDLE, /* for paths, whose ends tell them apart */
};

/* Prints the text in at most `columns`, cut with dots if it is longer. What a terminal could obey
 * and, without utf8, all that is not ASCII is a question mark. Returns the columns used. */
unsigned text_put(FILE *out, const char *text, unsigned columns, enum text_cut cut, bool utf8);

/* The same, filled up with spaces. */
void text_put_padded(FILE *out, const char *text, unsigned columns, enum text_cut cut, bool utf8);

/* Prints a line that begins at a column, with its newline, and breaks it only behind "; " and ", ":
 * a number stays with its unit. What is too long even so is the terminal's to break; a width of 0
 * breaks nothing. Writes in the text, and leaves it as it was. */
void text_put_broken(FILE *out, char *text, unsigned column, unsigned width, bool utf8);

/* text_put() in the locale's characters, and cut only beyond some thousand of them. */
void text_say(FILE *out, const char *text);

/* Room for two paths and what is wrong with them. */
enum { TEXT_COMPLAINT_BYTES = 2 * PATH_MAX + 512 };

/* Says on stderr, as a line, what is wrong: "drivepress WHO: ...", cleaned. */
void text_complain(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The locale's characters are UTF-8. After setlocale(). */
bool text_locale_is_utf8(void);

#endif
