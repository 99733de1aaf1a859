// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

#include "lib/wire/message.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

/* The daemon's two sockets and their clients: control.sock for operators (0660) and status.sock for
 * everybody (0666). A client's role is that of its socket. They come from the service manager
 * (sd_listen_fds(3), by the names "control" and "status") or are made in a directory. Loop thread.
 */

enum {
    SERVER_CLIENTS_MAX = 64,         /* on each socket: who looks takes no operator's place */
    SERVER_CLIENTS_OF_USER_MAX = 16, /* of one uid on the status socket, which is open to all */
    SERVER_REQUEST_BYTES_MAX = 65536,
    SERVER_REASON_BYTES = 512,

    /* A client that owes us this long to read anything of what waits for it, and that is not served
     * before it does or will not ask any more, is dropped. */
    SERVER_PATIENCE_MS = 30000,
};

/* Who asks. The kernel vouches for pid and uid (SO_PEERCRED). */
struct server_client {
    uint64_t id; /* never used twice */
    bool may_control;
    pid_t pid;
    uid_t uid;
};

struct server_events {
    void *context;
    /* A request of a client. Returns the answer as a line, NULL for lack of memory; or NULL with
     * *later set, and the answer follows by server_answer(). */
    char *(*request)(void *context, const struct server_client *client,
                     const struct message *message, bool *later);
    /* The rig's name, for the greeting. */
    const char *(*rig)(void *context);
    uint64_t patience_ms; /* 0: SERVER_PATIENCE_MS */
};

struct server;

/* Listens. The sockets are made in `directory`, which is made if it is missing, unless the service
 * manager passed them. NULL with a reason that says what to do; also when another daemon serves the
 * directory. */
struct server *server_open(uv_loop_t *loop, const char *directory,
                           const struct server_events *events, char reason[SERVER_REASON_BYTES]);

/* Answers a request that was to be answered later: sends a line (NULL: no memory), which is freed,
 * to its client, if that is still there. Once for each such request: a client that closed its side
 * lives until then. */
void server_answer(struct server *server, uint64_t client_id, char *line);

/* Listens no more, ends all clients and removes the sockets that it made. The loop must run once
 * more before it is closed. */
void server_close(struct server *server);

#endif
