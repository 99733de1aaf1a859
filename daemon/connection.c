// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/connection.h"

#include "lib/base/check.h"
#include "lib/base/container.h"

#include <stdlib.h>
#include <string.h>

struct outgoing {
    uv_write_t write;
    struct connection *connection;
    char *text;
};

static void lose(struct connection *connection)
{
    if (connection->ended)
        return;
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
    char *text = NULL;
    size_t length_bytes = 0;
    int more = 0;

    if (count == 0)
        return;
    if (count < 0 || wire_line_feed(&connection->line, buffer->base, (size_t)count) != 0) {
        lose(connection);
        return;
    }
    while (!connection->ended &&
           (more = wire_line_next(&connection->line, &text, &length_bytes)) == 1)
        connection->received_line(connection, text, length_bytes);
    if (more < 0) /* a line that is too long: nothing after it can be understood */
        lose(connection);
}

static void on_written(uv_write_t *write, int status)
{
    struct outgoing *outgoing = container_of(write, struct outgoing, write);
    struct connection *connection = outgoing->connection;

    (void)status; /* a client that is gone is seen by its end of file */
    if (connection->deaf && !connection->ended && connection_keeps_up(connection)) {
        connection->deaf = false;
        (void)uv_read_start((uv_stream_t *)&connection->pipe, give_buffer, on_received);
    }
    free(outgoing->text);
    free(outgoing);
}

int connection_init(struct connection *connection, uv_loop_t *loop, size_t line_bytes_max)
{
    connection->deaf = false;
    connection->ended = false;
    connection->closed = false;
    wire_line_init(&connection->line, line_bytes_max);
    int error = uv_pipe_init(loop, &connection->pipe, 0);
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

    if (outgoing == NULL || connection->ended) {
        free(outgoing);
        free(text);
        return;
    }
    outgoing->connection = connection;
    outgoing->text = text;
    uv_buf_t buffer = uv_buf_init(text, (unsigned)strlen(text));
    if (uv_write(&outgoing->write, (uv_stream_t *)&connection->pipe, &buffer, 1, on_written) != 0)
        on_written(&outgoing->write, 0);
    /* Who does not read our answers is not asked for more questions. */
    if (!connection_keeps_up(connection) && !connection->deaf) {
        connection->deaf = true;
        (void)uv_read_stop((uv_stream_t *)&connection->pipe);
    }
}

bool connection_keeps_up(const struct connection *connection)
{
    return connection->pipe.write_queue_size < CONNECTION_QUEUE_BYTES_MAX;
}

void connection_end(struct connection *connection)
{
    if (connection->ended)
        return;
    connection->ended = true;
    (void)uv_read_stop((uv_stream_t *)&connection->pipe);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    wire_line_free(&connection->line);
    if (connection->released != NULL)
        connection->released(connection);
}

void connection_close(struct connection *connection)
{
    check(!connection->closed);
    connection->ended = true;
    connection->closed = true;
    uv_close((uv_handle_t *)&connection->pipe, on_closed);
}
