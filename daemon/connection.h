// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_CONNECTION_H
#define DAEMON_CONNECTION_H

#include "lib/wire/line.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* One client at the other end of a stream socket: lines in, lines out. What a client does not read
 * is bounded by not listening to it any more until it has read. Loop thread. */

/* More than this waiting to be read by a client: it gets no more progress, and no more of its
 * requests are read, until it has caught up. */
enum { CONNECTION_QUEUE_BYTES_MAX = 64 * 1024 };

struct connection {
    uv_pipe_t pipe; /* a stream on the caller's loop */
    struct wire_line line;
    char received[65536];
    bool deaf;   /* the client does not read, so it is not listened to */
    bool ended;  /* `ended` was called, or connection_end() */
    bool closed; /* the pipe's handle is being closed */

    /* Set by the caller before connection_start(). */
    void *context;
    /* A whole line, without its newline. */
    void (*received_line)(struct connection *connection, const char *text, size_t length_bytes);
    /* The client is gone, or sent a line that is too long: nothing more is received or sent. Once.
     */
    void (*gone)(struct connection *connection);
    /* After connection_close(): the memory is the caller's again. */
    void (*released)(struct connection *connection);
};

/* Makes the handle; connection_close() must follow even if nothing else does. 0 or a libuv error.
 */
int connection_init(struct connection *connection, uv_loop_t *loop, size_t line_bytes_max);

/* Starts to receive, after uv_pipe_open() or uv_accept() on the pipe. 0 or a libuv error. */
int connection_start(struct connection *connection);

/* Sends a line with its newline and frees it; NULL (no memory) is nothing. */
void connection_send(struct connection *connection, char *text);

/* Whether the client keeps up: what can be left out may be sent. */
bool connection_keeps_up(const struct connection *connection);

/* Stops receiving; what was sent before still goes out. */
void connection_end(struct connection *connection);

/* Closes at once. `released` follows from the loop. */
void connection_close(struct connection *connection);

#endif
