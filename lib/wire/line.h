// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef WIRE_LINE_H
#define WIRE_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Cuts a stream of bytes into lines of bounded length: the frame of the protocol, one JSON object
 * per line. One thread at a time. */

/* The longest line of a private session, without its newline. The largest message is a snapshot or
 * request of SLOTS_MAX targets of PATH_MAX bytes without control characters, each byte escaped to
 * two at most: 2 MiB, and some. */
enum { WIRE_LINE_BYTES_MAX = 4 << 20 };

struct wire_line {
    char *data;
    size_t capacity_bytes;
    size_t begin;   /* of the first line not yet taken */
    size_t scanned; /* no newline between begin and here */
    size_t end;
    size_t line_bytes_max;
};

/* Starts an empty splitter; it allocates only as much as lines need. */
void wire_line_init(struct wire_line *line, size_t line_bytes_max);
void wire_line_free(struct wire_line *line);

/* Adds received bytes. The caller takes all lines between two calls, so that no more than one line
 * and one feed is held. 0 or -ENOMEM. */
int wire_line_feed(struct wire_line *line, const void *data, size_t length_bytes);

/* Takes the next line. Returns 1 with its text, without the newline, ended by a zero and valid
 * until the next feed; 0 if there is no whole line; -EMSGSIZE if the line is longer than allowed:
 * the stream is then of no more use. */
int wire_line_next(struct wire_line *line, char **text, size_t *length_bytes);

#endif
