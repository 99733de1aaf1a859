// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "daemon/server.h"

#include "lib/base/units.h"
#include "tests/unit/image_files.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The server with clients of the same thread. It answers a request with its method and much more,
 * but "later" only when it is told to. */

enum {
    ANSWER_BYTES = 1 << 20,
    PATIENCE_MS = 60000, /* only a broken server needs so long */
    SERVER_PATIENCE_MS_TEST = 300,
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WITH_SANITIZER 1
#endif
#endif
#ifndef WITH_SANITIZER
#define WITH_SANITIZER 0
#endif

static uv_loop_t loop;
static uv_timer_t patience;
static bool out_of_patience;
static struct server *server;
static uint64_t later_client;
static volatile bool no_memory; /* for a client */

#if !WITH_SANITIZER
void *calloc(size_t count, size_t size_bytes);

/* A client is by far the largest thing that is allocated here. */
void *calloc(size_t count, size_t size_bytes)
{
    volatile unsigned char *data = NULL;
    size_t bytes = 0;

    if (!__builtin_mul_overflow(count, size_bytes, &bytes) && !(no_memory && bytes > 65536))
        data = malloc(bytes);
    for (size_t i = 0; data != NULL && i < bytes; i++)
        data[i] = 0;
    return (void *)(uintptr_t)data;
}
#endif

static char *on_request(void *context, const struct server_client *client,
                        const struct message *message, bool *later)
{
    assert_ptr_equal(context, &server);
    if (strcmp(message->method, "later") == 0) {
        later_client = client->id;
        *later = true;
        return NULL;
    }
    char *line = malloc(ANSWER_BYTES + 1);
    if (line != NULL) {
        memset(line, 'x', ANSWER_BYTES);
        line[ANSWER_BYTES - 1] = '\n';
        line[ANSWER_BYTES] = '\0';
    }
    return line;
}

static const char *on_rig(void *context)
{
    assert_ptr_equal(context, &server);
    return "table";
}

static void on_patience(uv_timer_t *timer)
{
    (void)timer;
    out_of_patience = true;
}

static int setup(void **state)
{
    const struct server_events events = {.context = &server,
                                         .request = on_request,
                                         .rig = on_rig,
                                         .patience_ms = SERVER_PATIENCE_MS_TEST};
    char reason[SERVER_REASON_BYTES] = "";
    char directory[PATH_MAX];

    out_of_patience = false;
    later_client = 0;
    no_memory = false;
    (void)signal(SIGPIPE, SIG_IGN);
    if (files_setup(state) != 0 || getcwd(directory, sizeof(directory)) == NULL ||
        uv_loop_init(&loop) != 0 || uv_timer_init(&loop, &patience) != 0 ||
        uv_timer_start(&patience, on_patience, PATIENCE_MS, 0) != 0)
        return -1;
    server = server_open(&loop, directory, &events, reason);
    return server != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    server_close(server);
    uv_close((uv_handle_t *)&patience, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop) == 0 ? files_teardown(state) : -1;
}

static void turn(void)
{
    assert_false(out_of_patience);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    (void)poll(NULL, 0, 1);
}

static int dial(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", name);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* The first line that comes; "" when the server closes. */
static const char *read_line(int fd)
{
    static char line[4096];
    size_t length = 0;

    for (;;) {
        ssize_t got = recv(fd, line + length, 1, 0);
        if (got == 1 && line[length++] != '\n')
            continue;
        assert_true(got >= 0 || errno == EAGAIN);
        if (got >= 0)
            break;
        turn();
    }
    line[length] = '\0';
    return line;
}

static void ask(int fd, const char *method)
{
    char line[128];
    int length =
        snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\"}\n", method);
    assert_int_equal(send(fd, line, (size_t)length, 0), length);
}

/* All that comes until the server closes. */
static size_t read_to_the_end(int fd)
{
    static char data[1 << 16];
    size_t bytes = 0;
    ssize_t length = 0;

    while ((length = recv(fd, data, sizeof(data), 0)) != 0) {
        assert_true(length > 0 || errno == EAGAIN);
        bytes += length > 0 ? (size_t)length : 0;
        if (length < 0)
            turn();
    }
    return bytes;
}

/* How many of some clients of a socket are greeted. The others are turned away with `trouble`. */
static unsigned dial_many(const char *name, int *fds, unsigned count, const char *trouble)
{
    unsigned greeted = 0;

    for (unsigned i = 0; i < count; i++) {
        fds[i] = dial(name);
        const char *line = read_line(fds[i]);
        bool is_greeting = strstr(line, "\"hello\"") != NULL;
        greeted += is_greeting ? 1 : 0;
        if (!is_greeting)
            assert_non_null(strstr(line, trouble));
    }
    return greeted;
}

static void hang_up(const int *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(close(fds[i]), 0);
}

static void who_looks_takes_no_place_of_who_commands(void **state)
{
    int observers[20];
    int operators[70];

    (void)state;
    assert_int_equal(dial_many("status.sock", observers, 20, "of one user"),
                     SERVER_CLIENTS_OF_USER_MAX);
    assert_int_equal(dial_many("control.sock", operators, 70, "too many clients;"),
                     SERVER_CLIENTS_MAX);
    hang_up(operators, 70);
    hang_up(observers, 20);
    for (int i = 0; i < 10; i++)
        turn();
    assert_int_equal(dial_many("status.sock", observers, 1, ""), 1);
    assert_int_equal(dial_many("control.sock", operators, 1, ""), 1);
    hang_up(operators, 1);
    hang_up(observers, 1);
}

static void a_client_that_closed_its_side_waits_for_a_late_answer(void **state)
{
    int fd = dial("control.sock");

    (void)state;
    (void)read_line(fd);
    ask(fd, "later");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    /* It owes us nothing, so it may wait as long as it likes. */
    uint64_t until_ns = uv_hrtime() + UINT64_C(2) * SERVER_PATIENCE_MS_TEST * NS_PER_MS;
    while (later_client == 0 || uv_hrtime() < until_ns)
        turn();
    server_answer(server, later_client, strdup("here\n"));
    assert_string_equal(read_line(fd), "here\n");
    assert_string_equal(read_line(fd), "");
    assert_int_equal(close(fd), 0);
}

static void an_answer_for_which_there_is_no_memory_keeps_nobody(void **state)
{
    int fd = dial("control.sock");

    (void)state;
    (void)read_line(fd);
    ask(fd, "later");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    while (later_client == 0)
        turn();
    server_answer(server, later_client, NULL);
    assert_string_equal(read_line(fd), "");
    assert_int_equal(close(fd), 0);
}

static void who_closed_its_side_and_does_not_read_is_dropped(void **state)
{
    int fd = dial("control.sock");
    struct pollfd closed = {.fd = fd, .events = POLLRDHUP};

    (void)state;
    (void)read_line(fd);
    ask(fd, "much");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    while (poll(&closed, 1, 0) == 0 || (closed.revents & POLLRDHUP) == 0)
        turn();
    assert_true(read_to_the_end(fd) < ANSWER_BYTES);
    assert_int_equal(close(fd), 0);
}

static void who_closed_its_side_and_reads_gets_all(void **state)
{
    int fd = dial("control.sock");

    (void)state;
    (void)read_line(fd);
    for (int i = 0; i < 5; i++)
        ask(fd, "much");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_int_equal(read_to_the_end(fd), 5 * ANSWER_BYTES);
    assert_int_equal(close(fd), 0);
}

static void without_memory_clients_are_turned_away_until_there_is_some(void **state)
{
    (void)state;
    if (WITH_SANITIZER)
        skip(); /* they have an allocator of their own */
    no_memory = true;
    for (int i = 0; i < 3; i++) {
        int one = dial("control.sock");
        int other = dial("status.sock");
        assert_string_equal(read_line(one), "");
        assert_string_equal(read_line(other), "");
        assert_int_equal(close(one) | close(other), 0);
    }
    no_memory = false;
    int fd = dial("control.sock");
    assert_non_null(strstr(read_line(fd), "\"hello\""));
    assert_int_equal(close(fd), 0);
}

static void a_second_server_is_told_so(void **state)
{
    const struct server_events events = {.context = &server};
    char reason[SERVER_REASON_BYTES] = "";

    (void)state;
    assert_null(server_open(&loop, files_directory, &events, reason));
    assert_non_null(strstr(reason, "another drivepressd"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        TEST(who_looks_takes_no_place_of_who_commands),
        TEST(a_client_that_closed_its_side_waits_for_a_late_answer),
        TEST(an_answer_for_which_there_is_no_memory_keeps_nobody),
        TEST(who_closed_its_side_and_does_not_read_is_dropped),
        TEST(who_closed_its_side_and_reads_gets_all),
        TEST(without_memory_clients_are_turned_away_until_there_is_some),
        TEST(a_second_server_is_told_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
