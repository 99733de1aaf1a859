// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_DAEMON_CLIENT_H
#define TOOLS_DAEMON_CLIENT_H

#include "lib/wire/line.h"
#include "lib/wire/message.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

/* A conversation with the service: connect, take its greeting, ask and get an answer. Every wait is
 * bounded. One thread at a time. */

enum {
    /* For the connection, the greeting and each answer: the daemon answers from memory, or after a
     * look at files that it has on its own disk. */
    DAEMON_CLIENT_WAIT_MS = 10000,
    DAEMON_CLIENT_PATH_BYTES = sizeof(((struct sockaddr_un *)0)->sun_path),
    DAEMON_CLIENT_REASON_BYTES = WIRE_PATH_BYTES + WIRE_REASON_BYTES,
};

#define DAEMON_CLIENT_CONTROL "control.sock"
#define DAEMON_CLIENT_STATUS  "status.sock"

enum daemon_trouble_kind {
    DAEMON_ABSENT,   /* nobody listens there */
    DAEMON_WRONG,    /* the socket cannot be meant: a usage error */
    DAEMON_DENIED,   /* this user may not connect */
    DAEMON_LOST,     /* it is silent, went away, or speaks another protocol */
    DAEMON_REFUSED,  /* it answered with an error */
    DAEMON_NO_MEMORY /* here */
};

/* Why a conversation came to nothing. */
struct daemon_trouble {
    enum daemon_trouble_kind kind;
    enum wire_error error;                   /* with REFUSED */
    char reason[DAEMON_CLIENT_REASON_BYTES]; /* for people, with what to do next */
};

/* 2 for bad-params, no-such-slot, not-armed, device-refused, busy and bad-config; 5 for errors
 * about the image; 4 otherwise. */
int daemon_error_exit_code(enum wire_error error);

/* The same when it refused; 2 for a socket that cannot be, 4 otherwise. */
int daemon_trouble_exit_code(const struct daemon_trouble *trouble);

struct daemon_client_options {
    const char *socket; /* NULL: $DRIVEPRESS_SOCKET, else control.sock of the configuration */
    bool reading;       /* without permission for control.sock, the status.sock beside it will do */
    uint64_t wait_ms;   /* 0: DAEMON_CLIENT_WAIT_MS */
};

struct daemon_client {
    int fd;
    uint64_t wait_ms;
    uint64_t id; /* of the last request */
    struct wire_line lines;
    struct hello hello;
    char path[DAEMON_CLIENT_PATH_BYTES]; /* of the socket */
};

/* Returns true, and the caller ends with daemon_client_close(); else `trouble` tells why not. */
bool daemon_client_open(struct daemon_client *client, const struct daemon_client_options *options,
                        struct daemon_trouble *trouble);
void daemon_client_close(struct daemon_client *client);

/* Asks, and waits for the answer. `params` passes to the function; NULL is no memory. On success
 * *result is a new reference to an object; else `trouble` tells why not. After REFUSED more may be
 * asked. */
bool daemon_client_ask(struct daemon_client *client, const char *method, json_t *params,
                       json_t **result, struct daemon_trouble *trouble);

#endif
