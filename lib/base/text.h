// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Text of strangers: what is a character, what may be shown, and what a shell reads back as it was.
 * Pure; any thread. */

/* Reads the UTF-8 character at the start of a text (RFC 3629; Unicode 15, table 3-7). Returns its
 * length and its code point, or 0 if the first byte begins none; a zero byte is a character. */
size_t text_decode(const char *text, uint32_t *point);

/* A control character, C0, DEL or C1: a terminal may obey it. */
bool text_is_control(uint32_t point);

/* Neither a control character nor one that is not seen but changes how others are. */
bool text_is_showable(uint32_t point);

/* Replaces all that is not a showable character of UTF-8 by '?', in place; never longer. */
void text_clean(char *text);

/* Writes a path or name as one word of a shell's command line that no program takes for an option:
 * quoted if it must be, "./" before a leading '-'. Writes `otherwise` if it does not fit or could
 * not be shown as it is. Returns word. */
const char *text_shell_word(char *word, size_t word_bytes, const char *text, const char *otherwise);

#endif
