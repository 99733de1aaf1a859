// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/connection.h"

#include "lib/base/check.h"
#include "lib/base/container.h"

#include <stdlib.h>
#include <string.h>

/* Happy path: bytes come, whole lines are handed on, some a round, and nothing more is read before
 * all of them are; answers are written as fast as the client reads.
 *
 * Failure modes: a client that does not read is not served until it does; one that closed its side
 * still gets what is sent; of one whose connection broke nothing is waited for. */

struct outgoing {
    uv_write_t write;
    struct connection *connection;
    char *text;
};

static void take_lines(struct connection *connection);

static void finish(struct connection *connection)
{
    if (connection->ended)
        return;
    connection_end(connection);
    connection->finished(connection);
}

static void lose(struct connection *connection)
{
    if (connection->lost || connection->closed)
        return;
    connection->lost = true;
    connection_end(connection);
    connection->gone(connection);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct connection *connection = handle->data;

    (void)suggested;
    *buffer = uv_buf_init(connection->received, sizeof(connection->received));
}

static void on_received(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct connection *connection = stream->data;

    if (count == 0)
        return;
    if (count == UV_EOF)
        finish(connection);
    else if (count < 0 || wire_line_feed(&connection->line, buffer->base, (size_t)count) != 0)
        lose(connection);
    else
        take_lines(connection);
}

static void on_more(uv_idle_t *idle)
{
    take_lines(idle->data);
}

/* Hands on some lines, and goes on in the next round if there may be more. */
static void take_lines(struct connection *connection)
{
    char *text = NULL;
    size_t length_bytes = 0;
    int more = 1;

    for (int i = 0; i < CONNECTION_LINES_PER_ROUND && more == 1; i++) {
        if (connection->ended || !connection_keeps_up(connection))
            break;
        more = wire_line_next(&connection->line, &text, &length_bytes);
        if (more == 1)
            connection->received_line(connection, text, length_bytes);
    }
    if (connection->ended)
        return;
    if (more < 0) { /* a line that is too long: nothing after it can be understood */
        finish(connection);
        return;
    }
    if (more == 0) {
        connection->deaf = false;
        (void)uv_idle_stop(&connection->more);
        (void)uv_read_start((uv_stream_t *)&connection->pipe, give_buffer, on_received);
        return;
    }
    /* Who does not read our answers is not served before it does. */
    (void)uv_read_stop((uv_stream_t *)&connection->pipe);
    connection->deaf = !connection_keeps_up(connection);
    if (connection->deaf)
        (void)uv_idle_stop(&connection->more);
    else
        (void)uv_idle_start(&connection->more, on_more);
}

static void on_written(uv_write_t *write, int status)
{
    struct outgoing *outgoing = container_of(write, struct outgoing, write);
    struct connection *connection = outgoing->connection;

    free(outgoing->text);
    free(outgoing);
    if (status < 0) /* libuv sends nothing any more, and does not tell */
        lose(connection);
    else if (connection->deaf && !connection->ended && connection_keeps_up(connection))
        (void)uv_idle_start(&connection->more, on_more);
}

int connection_init(struct connection *connection, uv_loop_t *loop, size_t line_bytes_max)
{
    connection->deaf = false;
    connection->ended = false;
    connection->lost = false;
    connection->closed = false;
    wire_line_init(&connection->line, line_bytes_max);
    check(uv_idle_init(loop, &connection->more) == 0);
    connection->handles = 1;
    connection->more.data = connection;
    int error = uv_pipe_init(loop, &connection->pipe, 0);
    if (error == 0)
        connection->handles++;
    connection->pipe.data = connection;
    return error;
}

int connection_start(struct connection *connection)
{
    return uv_read_start((uv_stream_t *)&connection->pipe, give_buffer, on_received);
}

void connection_send(struct connection *connection, char *text)
{
    struct outgoing *outgoing = text == NULL ? NULL : malloc(sizeof(*outgoing));

    if (outgoing == NULL || connection->lost || connection->closed) {
        free(outgoing);
        free(text);
        return;
    }
    outgoing->connection = connection;
    outgoing->text = text;
    uv_buf_t buffer = uv_buf_init(text, (unsigned)strlen(text));
    if (uv_write(&outgoing->write, (uv_stream_t *)&connection->pipe, &buffer, 1, on_written) != 0) {
        free(text);
        free(outgoing);
    }
}

size_t connection_unread_bytes(const struct connection *connection)
{
    return connection->pipe.write_queue_size;
}

bool connection_keeps_up(const struct connection *connection)
{
    return connection_unread_bytes(connection) < CONNECTION_QUEUE_BYTES_MAX;
}

void connection_end(struct connection *connection)
{
    if (connection->ended)
        return;
    connection->ended = true;
    (void)uv_idle_stop(&connection->more);
    (void)uv_read_stop((uv_stream_t *)&connection->pipe);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    if (--connection->handles > 0)
        return;
    wire_line_free(&connection->line);
    if (connection->released != NULL)
        connection->released(connection);
}

void connection_close(struct connection *connection)
{
    check(!connection->closed);
    connection->ended = true;
    connection->closed = true;
    uv_close((uv_handle_t *)&connection->more, on_closed);
    uv_close((uv_handle_t *)&connection->pipe, on_closed);
}
