// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/server.h"

#include "daemon/connection.h"
#include "daemon/log.h"
#include "lib/base/check.h"
#include "lib/base/container.h"
#include "lib/base/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* Happy path: listen, accept, greet, answer line for line until the client has closed its side and
 * has all its answers.
 *
 * Failure modes: a socket that a dead daemon left behind is replaced, under a lock that a living
 * one would hold; clients beyond the limits are turned away with a reason, or without one when
 * there is no memory; a broken request is answered with an error; a client that does not read is
 * dropped. */

enum {
    BACKLOG = 64,
    LOOKS_PER_PATIENCE = 6, /* at what clients have read */
};

struct client {
    struct connection connection;
    struct server *server;
    struct server_client about;
    bool turned_away;
    bool finished;       /* it will not ask any more */
    bool draining;       /* and all is answered: it goes when that is sent */
    unsigned open;       /* requests that are not answered yet */
    size_t unread_bytes; /* when it was looked at */
    uint64_t since_ms;   /* when it had read anything last, uv_now() */
    struct client *next;
};

struct listener {
    uv_pipe_t pipe;
    struct server *server;
    bool may_control;
    bool open;
    bool waiting;                                           /* for the spare pipe */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* "": not ours to remove */
};

enum { LISTENER_CONTROL, LISTENER_STATUS, LISTENER_COUNT };

static const struct {
    const char *name; /* FileDescriptorName= of the unit */
    const char *file;
    mode_t mode;
} sockets[LISTENER_COUNT] = {
    [LISTENER_CONTROL] = {"control", "control.sock", 0660},
    [LISTENER_STATUS] = {"status", "status.sock", 0666},
};

struct server {
    uv_loop_t *loop;
    struct server_events events;
    unsigned handles; /* not closed yet, and the owner until it closes */
    struct listener listeners[LISTENER_COUNT];
    struct client *clients;
    uint64_t client_last;
    uv_timer_t timer; /* looks at what clients have read */
    bool timing;
    uv_pipe_t spare; /* takes clients that there is no memory for, to close them */
    bool spare_taken;
    int lock_fd; /* held while this daemon serves the directory; -1 for passed sockets */
};

__attribute__((format(printf, 2, 3))) static int refuse(char reason[SERVER_REASON_BYTES],
                                                        const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(reason, SERVER_REASON_BYTES, format, arguments);
    va_end(arguments);
    return -1;
}

/* The last one frees the server. */
static void drop_share(struct server *server)
{
    if (--server->handles == 0)
        free(server);
}

/* --- Clients ---------------------------------------------------------------------------------- */

static void on_released(struct connection *connection)
{
    free(container_of(connection, struct client, connection));
}

static void drop_client(struct client *client)
{
    struct server *server = client->server;

    if (client->connection.closed)
        return;
    for (struct client **link = &server->clients; *link != NULL; link = &(*link)->next) {
        if (*link == client) {
            *link = client->next;
            break;
        }
    }
    connection_close(&client->connection);
}

static void on_drained(uv_shutdown_t *shutdown, int status)
{
    struct client *client = shutdown->data;

    (void)status;
    free(shutdown);
    drop_client(client);
}

/* A client that closed its sending side still wants its answers: it goes when all of them are
 * sent. */
static void drop_when_answered(struct client *client)
{
    if (!client->finished || client->open > 0 || client->draining || client->connection.closed)
        return;
    uv_shutdown_t *shutdown = malloc(sizeof(*shutdown));
    client->draining = true;
    if (shutdown != NULL) {
        shutdown->data = client;
        if (uv_shutdown(shutdown, (uv_stream_t *)&client->connection.pipe, on_drained) == 0)
            return;
        free(shutdown);
    }
    drop_client(client);
}

static void on_finished(struct connection *connection)
{
    struct client *client = container_of(connection, struct client, connection);

    client->finished = true;
    drop_when_answered(client);
}

static void on_gone(struct connection *connection)
{
    drop_client(container_of(connection, struct client, connection));
}

static void answer_request(struct client *client, const struct message *message)
{
    struct server *server = client->server;
    bool later = false;
    char *line = server->events.request(server->events.context, &client->about, message, &later);

    if (later)
        client->open++;
    else
        connection_send(&client->connection, line);
}

static void on_line(struct connection *connection, const char *text, size_t length_bytes)
{
    struct client *client = container_of(connection, struct client, connection);
    struct message message;
    enum wire_error error = message_parse(&message, text, length_bytes);

    if (error != WIRE_ERROR_COUNT) {
        connection_send(connection, message_error(message.has_id, message.id, error,
                                                  "send one JSON-RPC 2.0 object per line"));
        return;
    }
    if (message.type != MESSAGE_REQUEST)
        connection_send(connection,
                        message_error(message.has_id, message.id, WIRE_ERROR_BAD_REQUEST,
                                      "only requests are served"));
    else
        answer_request(client, &message);
    message_clear(&message);
}

static void greet(struct client *client)
{
    struct server *server = client->server;
    struct hello hello = {.server = "drivepress/" DRIVEPRESS_VERSION,
                          .protocol_major = WIRE_PROTOCOL_MAJOR,
                          .protocol_minor = WIRE_PROTOCOL_MINOR,
                          .max_request_bytes = SERVER_REQUEST_BYTES_MAX};

    (void)snprintf(hello.role, sizeof(hello.role), "%s",
                   client->about.may_control ? "operator" : "observer");
    (void)snprintf(hello.rig, sizeof(hello.rig), "%s", server->events.rig(server->events.context));
    connection_send(&client->connection,
                    message_notification(WIRE_METHOD_HELLO, hello_encode(&hello)));
}

/* Who is at the other end, as the kernel saw it when it connected. */
static bool ask_credentials(struct client *client)
{
    struct ucred credentials;
    socklen_t length = sizeof(credentials);
    uv_os_fd_t fd;

    if (uv_fileno((uv_handle_t *)&client->connection.pipe, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0)
        return false;
    client->about.pid = credentials.pid;
    client->about.uid = credentials.uid;
    return true;
}

/* Why there is no room for a client, which is in the list already; or NULL. */
static const char *no_room(const struct client *newest)
{
    unsigned on_socket = 0;
    unsigned of_user = 0;

    for (const struct client *client = newest->server->clients; client != NULL;
         client = client->next) {
        if (client->turned_away || client->about.may_control != newest->about.may_control)
            continue;
        on_socket++;
        of_user += client->about.uid == newest->about.uid ? 1 : 0;
    }
    if (!newest->about.may_control && of_user > SERVER_CLIENTS_OF_USER_MAX)
        return "too many clients of one user; close another one and try again";
    if (on_socket > SERVER_CLIENTS_MAX)
        return "too many clients; close another one and try again";
    return NULL;
}

static void welcome(struct client *client)
{
    const char *trouble = no_room(client);

    if (trouble == NULL) {
        greet(client);
        if (connection_start(&client->connection) != 0)
            drop_client(client);
        return;
    }
    client->turned_away = true;
    connection_send(&client->connection, message_error(false, 0, WIRE_ERROR_BUSY, trouble));
    connection_end(&client->connection);
    on_finished(&client->connection);
}

static void accept_client(struct listener *listener, struct client *client)
{
    struct server *server = listener->server;

    client->server = server;
    client->about.id = ++server->client_last;
    client->about.may_control = listener->may_control;
    client->since_ms = uv_now(server->loop);
    client->connection.received_line = on_line;
    client->connection.finished = on_finished;
    client->connection.gone = on_gone;
    client->connection.released = on_released;
    check(connection_init(&client->connection, server->loop, SERVER_REQUEST_BYTES_MAX) == 0);
    client->next = server->clients;
    server->clients = client;
    if (uv_accept((uv_stream_t *)&listener->pipe, (uv_stream_t *)&client->connection.pipe) != 0 ||
        !ask_credentials(client))
        drop_client(client);
    else
        welcome(client);
}

static void on_spare_closed(uv_handle_t *handle);

/* libuv listens no more until a client is accepted. */
static void turn_away_silently(struct listener *listener)
{
    struct server *server = listener->server;

    listener->waiting = server->spare_taken;
    if (server->spare_taken)
        return;
    check(uv_pipe_init(server->loop, &server->spare, 0) == 0);
    server->handles++;
    server->spare.data = server;
    server->spare_taken = true;
    (void)uv_accept((uv_stream_t *)&listener->pipe, (uv_stream_t *)&server->spare);
    uv_close((uv_handle_t *)&server->spare, on_spare_closed);
}

static void on_spare_closed(uv_handle_t *handle)
{
    struct server *server = handle->data;

    server->spare_taken = false;
    for (int which = 0; which < LISTENER_COUNT; which++) {
        struct listener *listener = &server->listeners[which];
        if (listener->open && listener->waiting)
            turn_away_silently(listener);
    }
    drop_share(server);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = container_of((uv_pipe_t *)stream, struct listener, pipe);

    if (status != 0) /* nobody is to be accepted, and it goes on listening */
        return;
    struct client *client = calloc(1, sizeof(*client));
    if (client != NULL)
        accept_client(listener, client);
    else
        turn_away_silently(listener);
}

void server_answer(struct server *server, uint64_t client_id, char *line)
{
    for (struct client *client = server->clients; client != NULL; client = client->next) {
        if (client->about.id == client_id) {
            check(client->open > 0);
            client->open--;
            connection_send(&client->connection, line);
            drop_when_answered(client);
            return;
        }
    }
    free(line);
}

/* Whether something waits for this client that it should have read long ago. Who only thinks, or
 * reads slowly, is let be. */
static bool is_stuck(struct client *client, uint64_t now_ms, uint64_t patience_ms)
{
    size_t unread_bytes = connection_unread_bytes(&client->connection);

    if (unread_bytes == 0 || unread_bytes != client->unread_bytes ||
        !(client->finished || client->connection.deaf))
        client->since_ms = now_ms;
    client->unread_bytes = unread_bytes;
    return now_ms - client->since_ms >= patience_ms;
}

static void on_timer(uv_timer_t *timer)
{
    struct server *server = timer->data;
    struct client *next = NULL;

    for (struct client *client = server->clients; client != NULL; client = next) {
        next = client->next;
        if (is_stuck(client, uv_now(server->loop), server->events.patience_ms))
            drop_client(client);
    }
}

/* --- Sockets ---------------------------------------------------------------------------------- */

/* Takes over the sockets that the service manager passed. The number of them, or -1. */
static int take_passed(int fds[LISTENER_COUNT], char reason[SERVER_REASON_BYTES])
{
    char **names = NULL;
    int count = sd_listen_fds_with_names(1, &names);
    int taken = 0;

    for (int i = 0; i < count; i++) {
        for (int which = 0; which < LISTENER_COUNT; which++) {
            if (names != NULL && strcmp(names[i], sockets[which].name) == 0 && fds[which] < 0 &&
                sd_is_socket_unix(SD_LISTEN_FDS_START + i, SOCK_STREAM, 1, NULL, 0) > 0) {
                fds[which] = SD_LISTEN_FDS_START + i;
                taken++;
            }
        }
    }
    for (int i = 0; names != NULL && i < count; i++)
        free(names[i]);
    free(names);
    if (count > taken)
        return refuse(reason, "the service manager passed a socket that is neither \"control\" nor "
                              "\"status\"; compare the socket units with those of this version");
    return taken;
}

/* Only one daemon serves a directory: it holds this lock, and a dead one's sockets may go. */
static int lock_directory(struct server *server, const char *directory,
                          char reason[SERVER_REASON_BYTES])
{
    char path[PATH_MAX];

    if (mkdir(directory, 0755) != 0 && errno != EEXIST)
        return refuse(reason, "cannot make %s for the sockets: %s; see [paths] runtime", directory,
                      strerror(errno));
    (void)snprintf(path, sizeof(path), "%s/lock", directory);
    server->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (server->lock_fd < 0)
        return refuse(reason, "cannot make %s: %s; see [paths] runtime", path, strerror(errno));
    if (flock(server->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return refuse(reason,
                      "another drivepressd serves %s already; stop it, or set another [paths] "
                      "runtime",
                      directory);
    return 0;
}

static int make_socket(const char *path, mode_t mode, char reason[SERVER_REASON_BYTES])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    check(strlen(path) < sizeof(address.sun_path));
    (void)strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse(reason, "cannot make a socket: %s", strerror(errno));
    (void)unlink(path);
    /* Nobody connects before its mode is right: it does not listen yet. */
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(path, mode) != 0) {
        int error = errno;
        (void)close(fd);
        return refuse(reason, "cannot make the socket %s: %s", path, strerror(error));
    }
    return fd;
}

static int listen_on(struct server *server, int which, int fd, char reason[SERVER_REASON_BYTES])
{
    struct listener *listener = &server->listeners[which];

    listener->server = server;
    listener->may_control = which == LISTENER_CONTROL;
    check(uv_pipe_init(server->loop, &listener->pipe, 0) == 0);
    listener->pipe.data = server;
    listener->open = true;
    server->handles++;
    int error = uv_pipe_open(&listener->pipe, fd);
    if (error == 0)
        error = uv_listen((uv_stream_t *)&listener->pipe, BACKLOG, on_connection);
    if (error != 0)
        return refuse(reason, "cannot listen on the %s socket: %s", sockets[which].name,
                      uv_strerror(error));
    return 0;
}

static int open_sockets(struct server *server, const char *directory,
                        char reason[SERVER_REASON_BYTES])
{
    int fds[LISTENER_COUNT] = {-1, -1};
    int passed = take_passed(fds, reason);

    if (passed < 0 || (passed == 0 && lock_directory(server, directory, reason) != 0))
        return -1;
    for (int which = 0; which < LISTENER_COUNT; which++) {
        struct listener *listener = &server->listeners[which];
        if (passed == 0) {
            (void)snprintf(listener->path, sizeof(listener->path), "%s/%s", directory,
                           sockets[which].file);
            fds[which] = make_socket(listener->path, sockets[which].mode, reason);
            if (fds[which] < 0)
                return -1;
        }
        if (fds[which] >= 0 && listen_on(server, which, fds[which], reason) != 0)
            return -1;
    }
    if (server->listeners[LISTENER_CONTROL].open)
        return 0;
    return refuse(reason, "the service manager passed no \"control\" socket");
}

struct server *server_open(uv_loop_t *loop, const char *directory,
                           const struct server_events *events, char reason[SERVER_REASON_BYTES])
{
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        (void)refuse(reason, "no memory for the sockets");
        return NULL;
    }
    server->loop = loop;
    server->events = *events;
    if (events->patience_ms == 0)
        server->events.patience_ms = SERVER_PATIENCE_MS;
    server->lock_fd = -1;
    server->handles = 1;
    if (open_sockets(server, directory, reason) == 0) {
        uint64_t look_ms = max_u64(server->events.patience_ms / LOOKS_PER_PATIENCE, 1);
        check(uv_timer_init(loop, &server->timer) == 0);
        check(uv_timer_start(&server->timer, on_timer, look_ms, look_ms) == 0);
        server->handles++;
        server->timer.data = server;
        server->timing = true;
        return server;
    }
    server_close(server);
    return NULL;
}

static void on_handle_closed(uv_handle_t *handle)
{
    drop_share(handle->data);
}

void server_close(struct server *server)
{
    while (server->clients != NULL)
        drop_client(server->clients);
    if (server->timing)
        uv_close((uv_handle_t *)&server->timer, on_handle_closed);
    for (int which = 0; which < LISTENER_COUNT; which++) {
        struct listener *listener = &server->listeners[which];
        if (listener->open)
            uv_close((uv_handle_t *)&listener->pipe, on_handle_closed);
        listener->open = false;
        if (listener->path[0] != '\0')
            (void)unlink(listener->path);
    }
    if (server->lock_fd >= 0)
        (void)close(server->lock_fd);
    drop_share(server);
}
