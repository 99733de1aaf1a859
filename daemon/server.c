// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/server.h"

#include "daemon/connection.h"
#include "daemon/log.h"
#include "lib/base/check.h"
#include "lib/base/container.h"

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

/* Happy path: listen, accept, greet, answer line for line until the client closes.
 *
 * Failure modes: a socket that a dead daemon left behind is replaced, under a lock that a living
 * one would hold; clients beyond the limit are turned away with a reason; a broken request is
 * answered with an error. */

enum { BACKLOG = 64 };

struct client {
    struct connection connection;
    struct server *server;
    struct server_client about;
    struct client *next;
};

struct listener {
    uv_pipe_t pipe;
    struct server *server;
    bool may_control;
    bool open;
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
    struct listener listeners[LISTENER_COUNT];
    struct client *clients;
    unsigned client_count;
    uint64_t client_last;
    int lock_fd; /* held while this daemon serves the directory; -1 for passed sockets */
};

__attribute__((format(printf, 2, 3))) static int refuse(char reason[512], const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(reason, 512, format, arguments);
    va_end(arguments);
    return -1;
}

/* --- Clients ---------------------------------------------------------------------------------- */

static void on_released(struct connection *connection)
{
    free(container_of(connection, struct client, connection));
}

static void drop_client(struct client *client)
{
    struct server *server = client->server;

    if (client->connection.closed) /* the server itself was closed meanwhile */
        return;
    for (struct client **link = &server->clients; *link != NULL; link = &(*link)->next) {
        if (*link == client) {
            *link = client->next;
            server->client_count--;
            break;
        }
    }
    connection_close(&client->connection);
}

/* A client that closed its sending side still wants its answers: what is queued goes out first. */
static void on_drained(uv_shutdown_t *shutdown, int status)
{
    struct client *client = shutdown->data;

    (void)status;
    free(shutdown);
    drop_client(client);
}

static void on_gone(struct connection *connection)
{
    struct client *client = container_of(connection, struct client, connection);
    uv_shutdown_t *shutdown = malloc(sizeof(*shutdown));

    if (shutdown != NULL) {
        shutdown->data = client;
        if (uv_shutdown(shutdown, (uv_stream_t *)&connection->pipe, on_drained) == 0)
            return;
        free(shutdown);
    }
    drop_client(client);
}

static void on_line(struct connection *connection, const char *text, size_t length_bytes)
{
    struct client *client = container_of(connection, struct client, connection);
    struct server *server = client->server;
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
        connection_send(connection,
                        server->events.request(server->events.context, &client->about, &message));
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

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = container_of((uv_pipe_t *)stream, struct listener, pipe);
    struct server *server = listener->server;
    struct client *client = status == 0 ? calloc(1, sizeof(*client)) : NULL;

    if (client == NULL)
        return;
    client->server = server;
    client->about.id = ++server->client_last;
    client->about.may_control = listener->may_control;
    client->connection.received_line = on_line;
    client->connection.gone = on_gone;
    client->connection.released = on_released;
    check(connection_init(&client->connection, server->loop, SERVER_REQUEST_BYTES_MAX) == 0);
    client->next = server->clients;
    server->clients = client;
    server->client_count++;
    if (uv_accept(stream, (uv_stream_t *)&client->connection.pipe) != 0 ||
        !ask_credentials(client)) {
        drop_client(client);
        return;
    }
    if (server->client_count > SERVER_CLIENTS_MAX) {
        connection_send(&client->connection,
                        message_error(false, 0, WIRE_ERROR_BUSY,
                                      "too many clients; close another one and try again"));
        connection_end(&client->connection);
        on_gone(&client->connection);
        return;
    }
    greet(client);
    if (connection_start(&client->connection) != 0)
        drop_client(client);
}

void server_answer(struct server *server, uint64_t client_id, char *line)
{
    for (struct client *client = server->clients; client != NULL; client = client->next) {
        if (client->about.id == client_id) {
            connection_send(&client->connection, line);
            return;
        }
    }
    free(line);
}

/* --- Sockets ---------------------------------------------------------------------------------- */

/* Takes over the sockets that the service manager passed. The number of them, or -1. */
static int take_passed(int fds[LISTENER_COUNT], char reason[512])
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
static int lock_directory(struct server *server, const char *directory, char reason[512])
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

static int make_socket(const char *path, mode_t mode, char reason[512])
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

static int listen_on(struct server *server, int which, int fd, char reason[512])
{
    struct listener *listener = &server->listeners[which];

    listener->server = server;
    listener->may_control = which == LISTENER_CONTROL;
    check(uv_pipe_init(server->loop, &listener->pipe, 0) == 0);
    listener->open = true;
    int error = uv_pipe_open(&listener->pipe, fd);
    if (error == 0)
        error = uv_listen((uv_stream_t *)&listener->pipe, BACKLOG, on_connection);
    if (error != 0)
        return refuse(reason, "cannot listen on the %s socket: %s", sockets[which].name,
                      uv_strerror(error));
    return 0;
}

static int open_sockets(struct server *server, const char *directory, char reason[512])
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
                           const struct server_events *events, char reason[512])
{
    struct server *server = calloc(1, sizeof(*server));

    if (server == NULL) {
        (void)refuse(reason, "no memory for the sockets");
        return NULL;
    }
    server->loop = loop;
    server->events = *events;
    server->lock_fd = -1;
    if (open_sockets(server, directory, reason) == 0)
        return server;
    server_close(server);
    return NULL;
}

/* The listener's memory is the server's, which goes with the process or the loop. */
void server_close(struct server *server)
{
    while (server->clients != NULL)
        drop_client(server->clients);
    for (int which = 0; which < LISTENER_COUNT; which++) {
        struct listener *listener = &server->listeners[which];
        if (listener->open)
            uv_close((uv_handle_t *)&listener->pipe, NULL);
        listener->open = false;
        if (listener->path[0] != '\0')
            (void)unlink(listener->path);
    }
    if (server->lock_fd >= 0)
        (void)close(server->lock_fd);
    server->lock_fd = -1;
}
