// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_TRACE_H
#define CORE_TRACE_H

#include "lib/core/action.h"
#include "lib/core/event.h"

/* One line of text for each event and action: what tests compare, people read and a replay reads
 * back. Events begin with their time and `<`, the actions that they cause follow with `>`:
 *
 *      1.250 s < read 2#7 chunk 12 into buffer 3 ok 0123456789abcdef0123456789abcdef
 *              > write 2#7 chunk 13 from buffer 5 (1048576 bytes at 13631488)
 *              > state 2#7 writing -> failed write-error
 *
 * 2#7 is slot 2 with its attachment 7. A time has milliseconds, and micro- and nanoseconds when it
 * is not a whole number of those, so nothing is lost. Of EVENT_IMAGE the digests are not shown.
 * Pure; any thread. */

/* The longest line, with its final zero. There is no newline in it. */
enum { TRACE_LINE_BYTES = 192 };

void trace_event(char line[TRACE_LINE_BYTES], const struct event *event);
void trace_action(char line[TRACE_LINE_BYTES], const struct action *action);

/* The words in these lines, e.g. "cancelled", "system-disk", "verify". Static. */
const char *trace_io_word(enum io_result result);
const char *trace_open_word(enum open_result result);
const char *trace_mode_word(enum press_mode mode);

/* Writes the text form of a digest. */
void trace_digest(char text[DIGEST_TEXT_BYTES], struct digest digest);

#endif
