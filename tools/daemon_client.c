// SPDX-License-Identifier: GPL-3.0-or-later
/* The happy path: connect, hello, then a line out and a line back for each question. What can
 * fail: nobody listens, we may not connect, the daemon is silent or ends, sends what is not of the
 * protocol, or answers with an error. */
#include "tools/daemon_client.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/config/config.h"
#include "lib/core/verdict.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { READ_BYTES = 65536 };

int daemon_trouble_exit_code(const struct daemon_trouble *trouble)
{
    if (trouble->kind == DAEMON_WRONG)
        return EXIT_USAGE;
    return trouble->kind == DAEMON_REFUSED ? daemon_error_exit_code(trouble->error)
                                           : EXIT_NO_DAEMON;
}

int daemon_error_exit_code(enum wire_error error)
{
    switch (error) {
    case WIRE_ERROR_BAD_PARAMS:
    case WIRE_ERROR_NO_SUCH_SLOT:
    case WIRE_ERROR_NOT_ARMED:
    case WIRE_ERROR_DEVICE_REFUSED:
    case WIRE_ERROR_BUSY:
    case WIRE_ERROR_BAD_CONFIG:
        return EXIT_USAGE;
    case WIRE_ERROR_IMAGE_MISSING:
    case WIRE_ERROR_IMAGE_UNTRUSTED:
        return EXIT_BAD_IMAGE;
    default:
        return EXIT_NO_DAEMON;
    }
}

/* Returns false, so that a failure is one line. */
__attribute__((format(printf, 3, 4))) static bool fail(struct daemon_trouble *trouble,
                                                       enum daemon_trouble_kind kind,
                                                       const char *format, ...)
{
    va_list arguments;
    trouble->kind = kind;
    trouble->error = WIRE_ERROR_INTERNAL;
    va_start(arguments, format);
    (void)vsnprintf(trouble->reason, sizeof(trouble->reason), format, arguments);
    va_end(arguments);
    return false;
}

static bool no_memory(struct daemon_trouble *trouble)
{
    return fail(trouble, DAEMON_NO_MEMORY,
                "no memory to talk to drivepressd; close other programs");
}

/* --- Where it listens ------------------------------------------------------------------------- */

/* A configuration that cannot be read is the daemon's trouble, and often not our business: then it
 * is where it is by default. */
static bool configured_path(char path[DAEMON_CLIENT_PATH_BYTES], struct daemon_trouble *trouble)
{
    struct config_complaints *complaints = calloc(1, sizeof(*complaints));
    struct config *config = complaints != NULL ? config_load(NULL, complaints) : NULL;

    free(complaints);
    if (config == NULL)
        config = config_defaults();
    if (config == NULL)
        return no_memory(trouble);
    (void)snprintf(path, DAEMON_CLIENT_PATH_BYTES, "%s/%s", config->runtime, DAEMON_CLIENT_CONTROL);
    free(config);
    return true;
}

static bool find_path(char path[DAEMON_CLIENT_PATH_BYTES], const char *given,
                      struct daemon_trouble *trouble)
{
    const char *chosen = given;
    const char *environment = getenv("DRIVEPRESS_SOCKET");

    if (chosen == NULL && environment != NULL && environment[0] != '\0')
        chosen = environment;
    if (chosen == NULL)
        return configured_path(path, trouble);
    if (chosen[0] == '\0' || strlen(chosen) >= DAEMON_CLIENT_PATH_BYTES)
        return fail(trouble, DAEMON_WRONG,
                    "the path of a socket has 1 to %d bytes; this one is no such path: %s",
                    DAEMON_CLIENT_PATH_BYTES - 1, chosen);
    (void)snprintf(path, DAEMON_CLIENT_PATH_BYTES, "%s", chosen);
    return true;
}

/* From DIR/control.sock to DIR/status.sock; false when it is not called so. */
static bool use_status_socket(char path[DAEMON_CLIENT_PATH_BYTES])
{
    const char *slash = strrchr(path, '/');
    size_t directory = slash != NULL ? (size_t)(slash - path) + 1 : 0;

    if (strcmp(path + directory, DAEMON_CLIENT_CONTROL) != 0)
        return false;
    (void)snprintf(path + directory, DAEMON_CLIENT_PATH_BYTES - directory, "%s",
                   DAEMON_CLIENT_STATUS);
    return true;
}

/* 0 or -errno. */
static int connect_to(struct daemon_client *client)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = (time_t)(client->wait_ms / 1000),
                           .tv_usec = (suseconds_t)(client->wait_ms % 1000 * 1000)};

    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        return -errno;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", client->path);
    /* Also bounds connect(), which waits while the daemon's queue is full. */
    if (setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) == 0 &&
        connect(client->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
        return 0;
    int error = -errno;
    (void)close(client->fd);
    client->fd = -1;
    return error;
}

static bool explain_connect(const struct daemon_client *client, int error, bool reading,
                            struct daemon_trouble *trouble)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ECONNREFUSED:
        return fail(trouble, DAEMON_ABSENT,
                    "no daemon answers at %s; start it with `systemctl start drivepressd`, or for "
                    "a trial `drivepressd --config FILE`",
                    client->path);
    case -EACCES:
    case -EPERM:
        return fail(trouble, DAEMON_DENIED,
                    "you may not %s the daemon: join the group drivepress (`sudo usermod -aG "
                    "drivepress $USER`, then log in again)",
                    reading ? "ask" : "control");
    case -EAGAIN:
        return fail(trouble, DAEMON_LOST,
                    "the daemon at %s takes no new connection; see `systemctl status drivepressd`",
                    client->path);
    default:
        return fail(trouble, DAEMON_LOST, "cannot connect to %s: %s", client->path,
                    strerror(-error));
    }
}

static bool connect_daemon(struct daemon_client *client, bool reading,
                           struct daemon_trouble *trouble)
{
    int error = connect_to(client);
    if (error == -EACCES && reading && use_status_socket(client->path))
        error = connect_to(client);
    return error == 0 || explain_connect(client, error, reading, trouble);
}

/* --- Lines ------------------------------------------------------------------------------------ */

/* Waits until the descriptor is ready for `events`, or the time has come. */
static bool wait_for(struct daemon_client *client, short events, uint64_t end_ms,
                     struct daemon_trouble *trouble)
{
    for (;;) {
        uint64_t now_ms = clock_now_ms();
        struct pollfd file = {.fd = client->fd, .events = events};
        int count = now_ms < end_ms ? poll(&file, 1, (int)(end_ms - now_ms)) : 0;
        if (count > 0)
            return true;
        if (count == 0)
            return fail(trouble, DAEMON_LOST,
                        "the daemon does not answer; see `systemctl status drivepressd`");
        if (errno != EINTR)
            return fail(trouble, DAEMON_LOST, "cannot wait for the daemon: %s", strerror(errno));
    }
}

static bool receive_some(struct daemon_client *client, uint64_t end_ms,
                         struct daemon_trouble *trouble)
{
    char data[READ_BYTES];
    ssize_t count = 0;

    do {
        if (!wait_for(client, POLLIN, end_ms, trouble))
            return false;
        count = recv(client->fd, data, sizeof(data), MSG_DONTWAIT);
    } while (count < 0 && (errno == EINTR || errno == EAGAIN));
    if (count <= 0)
        return fail(trouble, DAEMON_LOST,
                    "the daemon went away; see `systemctl status drivepressd`");
    return wire_line_feed(&client->lines, data, (size_t)count) == 0 || no_memory(trouble);
}

/* The next message, for the caller to clear. */
static bool receive(struct daemon_client *client, struct message *message, uint64_t end_ms,
                    struct daemon_trouble *trouble)
{
    char *text = NULL;
    size_t length_bytes = 0;
    int result = 0;

    while ((result = wire_line_next(&client->lines, &text, &length_bytes)) == 0) {
        if (!receive_some(client, end_ms, trouble))
            return false;
    }
    if (result < 0)
        return fail(trouble, DAEMON_LOST, "the daemon sent a line without end");
    enum wire_error error = message_parse(message, text, length_bytes);
    if (error != WIRE_ERROR_COUNT)
        return fail(trouble, DAEMON_LOST, "what answers at %s does not speak the protocol (%s)",
                    client->path, wire_error_word(error));
    return true;
}

static bool send_line(struct daemon_client *client, const char *line, uint64_t end_ms,
                      struct daemon_trouble *trouble)
{
    size_t length = strlen(line);
    size_t sent = 0;

    while (sent < length) {
        if (!wait_for(client, POLLOUT, end_ms, trouble))
            return false;
        ssize_t count = send(client->fd, line + sent, length - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count > 0)
            sent += (size_t)count;
        else if (count < 0 && errno != EINTR && errno != EAGAIN)
            return true; /* its last words, if any, tell more */
    }
    return true;
}

/* --- The conversation ------------------------------------------------------------------------- */

static bool take_hello(struct daemon_client *client, struct daemon_trouble *trouble)
{
    struct message message;

    if (!receive(client, &message, clock_now_ms() + client->wait_ms, trouble))
        return false;
    bool greeted = message.type == MESSAGE_NOTIFICATION &&
                   strcmp(message.method, WIRE_METHOD_HELLO) == 0 &&
                   hello_decode(&client->hello, message.body) == 0;
    if (message.type == MESSAGE_ERROR)
        (void)fail(trouble, DAEMON_LOST, "the daemon sent us away: %s", message.reason);
    else if (!greeted)
        (void)fail(trouble, DAEMON_LOST, "what answers at %s does not greet as drivepressd does",
                   client->path);
    message_clear(&message);
    if (greeted && client->hello.protocol_major != WIRE_PROTOCOL_MAJOR) {
        (void)fail(trouble, DAEMON_LOST,
                   "the daemon speaks protocol %u and this program %d; install both programs from "
                   "one version",
                   client->hello.protocol_major, WIRE_PROTOCOL_MAJOR);
        greeted = false;
    }
    return greeted;
}

bool daemon_client_open(struct daemon_client *client, const struct daemon_client_options *options,
                        struct daemon_trouble *trouble)
{
    *client = (struct daemon_client){
        .fd = -1, .wait_ms = options->wait_ms != 0 ? options->wait_ms : DAEMON_CLIENT_WAIT_MS};
    wire_line_init(&client->lines, WIRE_LINE_BYTES_MAX);
    if (find_path(client->path, options->socket, trouble) &&
        connect_daemon(client, options->reading, trouble) && take_hello(client, trouble))
        return true;
    daemon_client_close(client);
    return false;
}

void daemon_client_close(struct daemon_client *client)
{
    if (client->fd >= 0)
        (void)close(client->fd);
    client->fd = -1;
    wire_line_free(&client->lines);
}

/* Takes an answer apart. */
static bool take_answer(const struct message *message, json_t **result,
                        struct daemon_trouble *trouble)
{
    if (message->type == MESSAGE_ERROR) {
        (void)fail(trouble, DAEMON_REFUSED, "%s", message->reason);
        trouble->error = message->error;
        return false;
    }
    if (!json_is_object(message->body))
        return fail(trouble, DAEMON_LOST, "the daemon gave an answer that makes no sense");
    *result = json_incref((json_t *)message->body);
    return true;
}

bool daemon_client_ask(struct daemon_client *client, const char *method, json_t *params,
                       json_t **result, struct daemon_trouble *trouble)
{
    check(client->fd >= 0);
    uint64_t end_ms = clock_now_ms() + client->wait_ms;
    char *line = message_request(++client->id, method, params);

    if (line == NULL)
        return no_memory(trouble);
    bool sent = send_line(client, line, end_ms, trouble);
    free(line);
    if (!sent)
        return false;
    for (;;) {
        struct message message;
        if (!receive(client, &message, end_ms, trouble))
            return false;
        /* An error without an id is about this request too: there is no other one under way. */
        bool ours =
            (message.type == MESSAGE_RESULT && message.id == client->id) ||
            (message.type == MESSAGE_ERROR && (!message.has_id || message.id == client->id));
        bool answered = ours && take_answer(&message, result, trouble);
        message_clear(&message);
        if (ours)
            return answered;
    }
}
