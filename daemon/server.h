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
    SERVER_CLIENTS_MAX = 64,
    SERVER_REQUEST_BYTES_MAX = 65536,
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
    /* A request of a client. Returns the answer as a line, or NULL when it follows later by
     * server_answer(). */
    char *(*request)(void *context, const struct server_client *client,
                     const struct message *message);
    /* The rig's name, for the greeting. */
    const char *(*rig)(void *context);
};

struct server;

/* Listens. The sockets are made in `directory`, which is made if it is missing, unless the service
 * manager passed them. -EADDRINUSE when another daemon answers there. NULL with a reason that says
 * what to do. */
struct server *server_open(uv_loop_t *loop, const char *directory,
                           const struct server_events *events, char reason[512]);

/* Sends a line, which is freed, to a client, if it is still there. */
void server_answer(struct server *server, uint64_t client_id, char *line);

/* Listens no more, ends all clients and removes the sockets that it made. */
void server_close(struct server *server);

#endif
