// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_CONNECTION_H
#define DAEMON_CONNECTION_H

#include "lib/wire/line.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/* One client at the other end of a stream socket: lines in, lines out. What a client does not read
 * is bounded by not listening to it any more until it has read, and no client keeps the loop from
 * the others: of many lines that came at once, the rest waits for the next round. Loop thread. */

enum {
    /* More than this waiting to be read by a client: it gets no more progress, and no more of its
     * requests are served, until it has caught up. */
    CONNECTION_QUEUE_BYTES_MAX = 64 * 1024,

    /* Requests of one client in one round of the loop: few, for the drives wait meanwhile. */
    CONNECTION_LINES_PER_ROUND = 4,
};

struct connection {
    uv_pipe_t pipe; /* a stream on the caller's loop */
    uv_idle_t more; /* active while lines wait for the next round */
    unsigned handles;
    struct wire_line line;
    char received[65536];
    bool deaf;   /* lines are left, but the client does not read, so they wait */
    bool ended;  /* nothing more is received */
    bool lost;   /* nothing that is sent arrives */
    bool closed; /* the handles are being closed */

    /* Set by the caller before connection_start(). */
    void *context;
    /* A whole line, without its newline. */
    void (*received_line)(struct connection *connection, const char *text, size_t length_bytes);
    /* The client said all that it will: it closed its side, was lost, or sent a line that is too
     * long. Unless it was lost, answers still reach it. Once, and not after connection_end(). */
    void (*finished)(struct connection *connection);
    /* The client is gone: nothing more reaches it. Once, after or without `finished`. */
    void (*gone)(struct connection *connection);
    /* After connection_close(): the memory is the caller's again. */
    void (*released)(struct connection *connection);
};

/* Makes the handles; connection_close() must follow even if nothing else does. 0 or a libuv error.
 */
int connection_init(struct connection *connection, uv_loop_t *loop, size_t line_bytes_max);

/* Starts to receive, after uv_pipe_open() or uv_accept() on the pipe. 0 or a libuv error. */
int connection_start(struct connection *connection);

/* Sends a line with its newline and frees it; NULL (no memory) is nothing. Also to a client that
 * finished; after connection_close() the line is only freed. */
void connection_send(struct connection *connection, char *text);

/* Whether the client keeps up: what can be left out may be sent. */
bool connection_keeps_up(const struct connection *connection);

/* Bytes that were sent and are not read yet, as far as is known here. */
size_t connection_unread_bytes(const struct connection *connection);

/* Stops receiving; what is sent still goes out. */
void connection_end(struct connection *connection);

/* Closes at once. `released` follows from the loop. */
void connection_close(struct connection *connection);

#endif
