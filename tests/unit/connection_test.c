// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "daemon/connection.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Two clients at socket pairs, whose lines are answered at length. */

enum {
    CLIENTS = 2,
    ANSWER_BYTES = 24 * 1024,
    LINES = 1000,
    PATIENCE_MS = 60000, /* only a broken connection needs so long */
};

struct client {
    struct connection connection;
    int fd; /* the client's end */
    unsigned lines;
    unsigned finished;
    unsigned gone;
    bool released;
    bool silent; /* its lines are not answered */
    size_t unread_bytes_max;
};

static uv_loop_t loop;
static uv_timer_t patience;
static bool out_of_patience;
static struct client clients[CLIENTS];

static char *make_answer(void)
{
    char *text = malloc(ANSWER_BYTES + 1);

    assert_non_null(text);
    memset(text, 'x', ANSWER_BYTES);
    text[ANSWER_BYTES - 1] = '\n';
    text[ANSWER_BYTES] = '\0';
    return text;
}

static void on_line(struct connection *connection, const char *text, size_t length_bytes)
{
    struct client *client = connection->context;

    assert_int_equal(length_bytes, 1);
    assert_string_equal(text, "q");
    assert_true(connection_keeps_up(connection));
    client->lines++;
    if (!client->silent)
        connection_send(connection, make_answer());
    size_t unread_bytes = connection_unread_bytes(connection);
    if (unread_bytes > client->unread_bytes_max)
        client->unread_bytes_max = unread_bytes;
}

static void on_finished(struct connection *connection)
{
    ((struct client *)connection->context)->finished++;
}

static void on_gone(struct connection *connection)
{
    ((struct client *)connection->context)->gone++;
}

static void on_released(struct connection *connection)
{
    ((struct client *)connection->context)->released = true;
}

static void on_patience(uv_timer_t *timer)
{
    (void)timer;
    out_of_patience = true;
}

static int setup(void **state)
{
    (void)state;
    out_of_patience = false;
    (void)signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    if (uv_loop_init(&loop) != 0 || uv_timer_init(&loop, &patience) != 0 ||
        uv_timer_start(&patience, on_patience, PATIENCE_MS, 0) != 0)
        return -1;
    for (int i = 0; i < CLIENTS; i++) {
        struct client *client = &clients[i];
        const int small_bytes = 4096; /* the kernel keeps little for who does not read */
        int fds[2];
        memset(client, 0, sizeof(*client));
        client->connection.context = client;
        client->connection.received_line = on_line;
        client->connection.finished = on_finished;
        client->connection.gone = on_gone;
        client->connection.released = on_released;
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0 ||
            setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small_bytes, sizeof(small_bytes)) != 0 ||
            connection_init(&client->connection, &loop, 100) != 0 ||
            uv_pipe_open(&client->connection.pipe, fds[1]) != 0 ||
            connection_start(&client->connection) != 0)
            return -1;
        client->fd = fds[0];
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        connection_close(&clients[i].connection);
        if (clients[i].fd >= 0)
            (void)close(clients[i].fd);
    }
    uv_close((uv_handle_t *)&patience, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return clients[0].released && clients[1].released ? uv_loop_close(&loop) : -1;
}

static void ask(struct client *client, unsigned count)
{
    char lines[2 * LINES];

    for (unsigned i = 0; i < count; i++)
        memcpy(lines + (size_t)2 * i, "q\n", 2);
    assert_int_equal(send(client->fd, lines, (size_t)2 * count, MSG_DONTWAIT), 2 * count);
}

/* What came for the client until now. */
static size_t take(struct client *client)
{
    static char data[1 << 16];
    size_t taken_bytes = 0;
    ssize_t length = 0;

    while ((length = recv(client->fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
        taken_bytes += (size_t)length;
    return taken_bytes;
}

static void turn(void)
{
    assert_false(out_of_patience);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
}

static void who_asks_much_and_reads_nothing_is_not_served(void **state)
{
    struct client *client = &clients[0];
    size_t taken_bytes = 0;
    unsigned lines = 0;
    int still = 0;

    (void)state;
    ask(client, LINES);
    while (still < 10) { /* until nothing is served any more */
        turn();
        still = client->lines == lines ? still + 1 : 0;
        lines = client->lines;
    }
    assert_true(client->lines < LINES);
    assert_true(client->unread_bytes_max < CONNECTION_QUEUE_BYTES_MAX + ANSWER_BYTES);
    /* When it reads, it gets everything. */
    while (taken_bytes < (size_t)LINES * ANSWER_BYTES) {
        taken_bytes += take(client);
        turn();
    }
    assert_int_equal(client->lines, LINES);
    assert_true(client->unread_bytes_max < CONNECTION_QUEUE_BYTES_MAX + ANSWER_BYTES);
    ask(client, 1);
    while (client->lines == LINES)
        turn();
    assert_int_equal(client->gone + client->finished, 0);
}

static void nobody_waits_for_all_that_another_asked(void **state)
{
    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i].silent = true;
        ask(&clients[i], LINES);
    }
    while (clients[0].lines < LINES || clients[1].lines < LINES) {
        unsigned before[CLIENTS] = {clients[0].lines, clients[1].lines};
        turn();
        for (int i = 0; i < CLIENTS; i++)
            assert_true(clients[i].lines - before[i] <= 2 * CONNECTION_LINES_PER_ROUND);
    }
}

static void a_client_that_closed_its_side_still_gets_answers(void **state)
{
    struct client *client = &clients[0];

    (void)state;
    ask(client, 20);
    assert_int_equal(shutdown(client->fd, SHUT_WR), 0);
    size_t taken_bytes = 0;
    while (client->finished == 0) {
        turn();
        taken_bytes += take(client);
    }
    assert_int_equal(client->lines, 20);
    connection_send(&client->connection, make_answer());
    while (taken_bytes < (size_t)21 * ANSWER_BYTES) {
        turn();
        taken_bytes += take(client);
    }
    assert_int_equal(client->finished, 1);
    assert_int_equal(client->gone, 0);
}

static void one_that_goes_while_answers_wait_is_gone(void **state)
{
    struct client *client = &clients[0];

    (void)state;
    ask(client, LINES);
    while (connection_keeps_up(&client->connection))
        turn();
    for (int i = 0; i < 20; i++)
        connection_send(&client->connection, make_answer());
    assert_int_equal(close(client->fd), 0);
    client->fd = -1;
    while (client->gone == 0)
        turn();
    connection_send(&client->connection, make_answer());
    for (int i = 0; i < 10; i++)
        turn();
    assert_int_equal(client->gone, 1);
}

static void a_line_that_is_too_long_ends_it(void **state)
{
    struct client *client = &clients[0];
    char line[200];

    (void)state;
    memset(line, 'x', sizeof(line));
    ask(client, 1);
    assert_int_equal(send(client->fd, line, sizeof(line), MSG_DONTWAIT), sizeof(line));
    while (client->finished == 0)
        turn();
    assert_int_equal(client->lines, 1);
    for (size_t taken_bytes = 0; taken_bytes < ANSWER_BYTES;) {
        turn();
        taken_bytes += take(client);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        TEST(who_asks_much_and_reads_nothing_is_not_served),
        TEST(nobody_waits_for_all_that_another_asked),
        TEST(a_client_that_closed_its_side_still_gets_answers),
        TEST(one_that_goes_while_answers_wait_is_gone),
        TEST(a_line_that_is_too_long_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
