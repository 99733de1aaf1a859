// SPDX-License-Identifier: GPL-3.0-or-later
/* The client of the service against a daemon that plays a script. */
#include "tools/daemon_client.h"

#include "lib/core/verdict.h"
#include "tests/unit/support.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define HELLO(protocol)                                                                            \
    "{\"jsonrpc\":\"2.0\",\"method\":\"hello\",\"params\":{\"server\":\"drivepress/0\","           \
    "\"protocol\":\"" protocol                                                                     \
    "\",\"role\":\"operator\",\"rig\":\"table\",\"max_request\":65536}}"
#define ERROR(id, word)                                                                            \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":-32000,\"message\":\"do that\","       \
    "\"data\":{\"code\":\"" word "\"}}}"

enum { NOBODY = 65534 };

/* Each line of a script: "<WORD" waits for a line from the client with the word in it, "hang" waits
 * until the client goes, anything else is sent with a newline. At the end the daemon closes. */
struct fixture {
    char directory[64];
    char path[80]; /* of the socket that is listened to */
    int listen_fd;
    const char *const *script;
    pthread_t thread;
    unsigned surprises; /* lines that did not have their word */
};

static void play_line(struct fixture *daemon, int fd, FILE *received, const char *line)
{
    char data[4096];

    if (line[0] == '<') {
        if (fgets(data, sizeof(data), received) == NULL || strstr(data, line + 1) == NULL)
            daemon->surprises++;
    } else if (strcmp(line, "hang") == 0) {
        while (fgets(data, sizeof(data), received) != NULL)
            continue;
    } else {
        (void)send(fd, line, strlen(line), MSG_NOSIGNAL);
        (void)send(fd, "\n", 1, MSG_NOSIGNAL);
    }
}

static void *play(void *argument)
{
    struct fixture *daemon = argument;
    int fd = accept(daemon->listen_fd, NULL, NULL);
    FILE *received = fd >= 0 ? fdopen(fd, "r") : NULL;

    if (received == NULL)
        return NULL;
    for (size_t i = 0; daemon->script[i] != NULL; i++)
        play_line(daemon, fd, received, daemon->script[i]);
    (void)fclose(received);
    return NULL;
}

static void start(struct fixture *daemon, const char *name, const char *const *script)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(daemon->path, sizeof(daemon->path), "%s/%s", daemon->directory, name);
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", daemon->path);
    daemon->script = script;
    daemon->surprises = 0;
    daemon->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(daemon->listen_fd >= 0);
    assert_int_equal(bind(daemon->listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(chmod(daemon->path, 0666), 0);
    assert_int_equal(listen(daemon->listen_fd, 4), 0);
    assert_int_equal(pthread_create(&daemon->thread, NULL, play, daemon), 0);
}

static void finish(struct fixture *daemon)
{
    assert_int_equal(pthread_join(daemon->thread, NULL), 0);
    assert_int_equal(close(daemon->listen_fd), 0);
    assert_int_equal(unlink(daemon->path), 0);
    assert_int_equal(daemon->surprises, 0);
}

static int make_directory(void **state)
{
    struct fixture *daemon = calloc(1, sizeof(*daemon));

    if (daemon == NULL)
        return -1;
    strcpy(daemon->directory, "/tmp/drivepress-client-XXXXXX");
    *state = daemon;
    return mkdtemp(daemon->directory) != NULL && chmod(daemon->directory, 0755) == 0 &&
                   unsetenv("DRIVEPRESS_SOCKET") == 0
               ? 0
               : -1;
}

static int remove_directory(void **state)
{
    struct fixture *daemon = *state;
    int result = rmdir(daemon->directory);

    free(daemon);
    return result;
}

/* Connects and asks once. */
static bool ask(const char *path, uint64_t wait_ms, struct daemon_trouble *trouble, json_t **result)
{
    struct daemon_client_options options = {.socket = path, .wait_ms = wait_ms};
    struct daemon_client client;

    if (!daemon_client_open(&client, &options, trouble))
        return false;
    bool answered = daemon_client_ask(&client, "job.disarm", json_object(), result, trouble);
    daemon_client_close(&client);
    return answered;
}

static void test_questions_get_their_answers(void **state)
{
    struct fixture *daemon = *state;
    static const char *const script[] = {
        HELLO("1.9"), "<\"id\":1,\"method\":\"status.get\"",
        /* What a later version may tell by itself, and an answer to nobody. */
        "{\"jsonrpc\":\"2.0\",\"method\":\"of-a-later-version\",\"params\":{}}",
        "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{\"wrong\":1}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"rig\":\"table\",\"pct\":33.3}}",
        "<\"params\":{\"slot\":\"A01\"}", "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}", "hang",
        NULL};
    struct daemon_client client;
    struct daemon_trouble trouble;
    json_t *result = NULL;

    start(daemon, "control.sock", script);
    const struct daemon_client_options options = {.socket = daemon->path};
    assert_true(daemon_client_open(&client, &options, &trouble));
    assert_string_equal(client.hello.rig, "table");
    assert_true(daemon_client_ask(&client, "status.get", json_object(), &result, &trouble));
    assert_string_equal(json_string_value(json_object_get(result, "rig")), "table");
    json_decref(result);
    assert_true(daemon_client_ask(&client, "job.start", json_pack("{s:s}", "slot", "A01"), &result,
                                  &trouble));
    json_decref(result);
    daemon_client_close(&client);
    finish(daemon);
}

/* The words of errors and the exit codes that scripts rely on. */
static void test_errors_are_handed_on_with_their_exit_codes(void **state)
{
    struct fixture *daemon = *state;
    static const struct {
        const char *line;
        enum wire_error error;
        int exit_code;
    } cases[] = {
        {ERROR("1", "bad-params"), WIRE_ERROR_BAD_PARAMS, EXIT_USAGE},
        {ERROR("1", "no-such-slot"), WIRE_ERROR_NO_SUCH_SLOT, EXIT_USAGE},
        {ERROR("1", "not-armed"), WIRE_ERROR_NOT_ARMED, EXIT_USAGE},
        {ERROR("1", "device-refused"), WIRE_ERROR_DEVICE_REFUSED, EXIT_USAGE},
        {ERROR("1", "busy"), WIRE_ERROR_BUSY, EXIT_USAGE},
        {ERROR("1", "bad-config"), WIRE_ERROR_BAD_CONFIG, EXIT_USAGE},
        {ERROR("1", "image-missing"), WIRE_ERROR_IMAGE_MISSING, EXIT_BAD_IMAGE},
        {ERROR("1", "image-untrusted"), WIRE_ERROR_IMAGE_UNTRUSTED, EXIT_BAD_IMAGE},
        {ERROR("1", "permission-denied"), WIRE_ERROR_PERMISSION_DENIED, EXIT_NO_DAEMON},
        {ERROR("1", "of-a-later-version"), WIRE_ERROR_INTERNAL, EXIT_NO_DAEMON},
        {ERROR("null", "bad-json"), WIRE_ERROR_BAD_JSON, EXIT_NO_DAEMON},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *const script[] = {HELLO("1.0"), "<job.disarm", cases[i].line, "hang", NULL};
        struct daemon_trouble trouble;
        json_t *result = NULL;

        start(daemon, "control.sock", script);
        assert_false(ask(daemon->path, 0, &trouble, &result));
        assert_int_equal(trouble.kind, DAEMON_REFUSED);
        assert_int_equal(trouble.error, cases[i].error);
        assert_string_equal(trouble.reason, "do that");
        assert_int_equal(daemon_trouble_exit_code(&trouble), cases[i].exit_code);
        finish(daemon);
    }
}

static void test_no_daemon_says_how_to_start_one(void **state)
{
    struct fixture *daemon = *state;
    static const char *const nothing[] = {NULL};
    struct daemon_trouble trouble;
    json_t *result = NULL;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/nowhere.sock", daemon->directory);
    assert_false(ask(path, 0, &trouble, &result));
    assert_int_equal(trouble.kind, DAEMON_ABSENT);
    assert_non_null(strstr(trouble.reason, path));
    assert_non_null(strstr(trouble.reason, "systemctl start drivepressd"));
    assert_int_equal(daemon_trouble_exit_code(&trouble), EXIT_NO_DAEMON);

    /* What a daemon left that was killed. */
    start(daemon, "control.sock", nothing);
    assert_false(ask(daemon->path, 0, &trouble, &result));
    assert_int_equal(trouble.kind, DAEMON_LOST);
    assert_int_equal(pthread_join(daemon->thread, NULL), 0);
    assert_int_equal(close(daemon->listen_fd), 0);
    assert_false(ask(daemon->path, 0, &trouble, &result));
    assert_int_equal(trouble.kind, DAEMON_ABSENT);
    assert_int_equal(unlink(daemon->path), 0);
}

static void test_paths_that_cannot_be_are_usage_errors(void **state)
{
    (void)state;
    struct daemon_trouble trouble;
    json_t *result = NULL;
    char path[DAEMON_CLIENT_PATH_BYTES + 1];

    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_false(ask(path, 0, &trouble, &result));
    assert_int_equal(trouble.kind, DAEMON_WRONG);
    assert_int_equal(daemon_trouble_exit_code(&trouble), EXIT_USAGE);
    assert_false(ask("", 0, &trouble, &result));
    assert_int_equal(trouble.kind, DAEMON_WRONG);
}

static void test_the_environment_names_the_socket(void **state)
{
    struct fixture *daemon = *state;
    static const char *const script[] = {
        HELLO("1.0"), "<job.disarm", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", "hang", NULL};
    struct daemon_trouble trouble;
    json_t *result = NULL;

    start(daemon, "other.sock", script);
    assert_int_equal(setenv("DRIVEPRESS_SOCKET", daemon->path, 1), 0);
    assert_true(ask(NULL, 0, &trouble, &result));
    json_decref(result);
    /* What is given wins. */
    assert_false(ask("/nowhere/control.sock", 0, &trouble, &result));
    assert_int_equal(trouble.kind, DAEMON_ABSENT);
    assert_int_equal(unsetenv("DRIVEPRESS_SOCKET"), 0);
    finish(daemon);
}

static void test_daemons_that_make_no_sense_are_lost(void **state)
{
    struct fixture *daemon = *state;
    static const char *const scripts[][5] = {
        {NULL},
        {"not JSON", NULL},
        {HELLO("2.0"), "hang", NULL},
        {HELLO("x"), NULL},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", NULL},
        {HELLO("1.0"), NULL},
        {HELLO("1.0"), "<job.disarm", NULL},
        {HELLO("1.0"), "<job.disarm", "[]", NULL},
        {HELLO("1.0"), "<job.disarm", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":7}", NULL},
    };

    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct daemon_trouble trouble;
        json_t *result = NULL;

        start(daemon, "control.sock", scripts[i]);
        if (ask(daemon->path, 0, &trouble, &result) || trouble.kind != DAEMON_LOST ||
            daemon_trouble_exit_code(&trouble) != EXIT_NO_DAEMON)
            fail_msg("script %zu", i);
        if (i == 2)
            assert_non_null(strstr(trouble.reason, "protocol 2"));
        finish(daemon);
    }
}

static void test_a_silent_daemon_is_not_waited_for_for_ever(void **state)
{
    struct fixture *daemon = *state;
    static const char *const mute[] = {"hang", NULL};
    static const char *const deaf[] = {HELLO("1.0"), "hang", NULL};
    struct daemon_trouble trouble;
    json_t *result = NULL;

    start(daemon, "control.sock", mute);
    assert_false(ask(daemon->path, 50, &trouble, &result));
    assert_int_equal(trouble.kind, DAEMON_LOST);
    finish(daemon);

    start(daemon, "control.sock", deaf);
    assert_false(ask(daemon->path, 200, &trouble, &result));
    assert_int_equal(trouble.kind, DAEMON_LOST);
    finish(daemon);
}

/* Runs with the rights of nobody, if we have more. */
static bool open_as_nobody(struct daemon_client *client, const char *path, bool reading,
                           struct daemon_trouble *trouble)
{
    const struct daemon_client_options options = {.socket = path, .reading = reading};
    uid_t user = geteuid();

    assert_true(user != 0 || seteuid(NOBODY) == 0);
    bool opened = daemon_client_open(client, &options, trouble);
    assert_true(user != 0 || seteuid(user) == 0);
    return opened;
}

static void test_without_permission_looking_still_works(void **state)
{
    struct fixture *daemon = *state;
    static const char *const script[] = {HELLO("1.0"), "hang", NULL};
    struct fixture control = *daemon;
    struct daemon_client client;
    struct daemon_trouble trouble;

    start(&control, "control.sock", script);
    assert_int_equal(chmod(control.path, 0), 0);
    assert_false(open_as_nobody(&client, control.path, false, &trouble));
    assert_int_equal(trouble.kind, DAEMON_DENIED);
    assert_non_null(strstr(trouble.reason, "usermod -aG drivepress"));
    assert_int_equal(daemon_trouble_exit_code(&trouble), EXIT_NO_DAEMON);

    start(daemon, "status.sock", script);
    assert_true(open_as_nobody(&client, control.path, true, &trouble));
    assert_string_equal(client.path, daemon->path);
    daemon_client_close(&client);
    finish(daemon);

    assert_int_equal(chmod(control.path, 0600), 0);
    const struct daemon_client_options options = {.socket = control.path};
    assert_true(daemon_client_open(&client, &options, &trouble));
    daemon_client_close(&client);
    finish(&control);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)
    const struct CMUnitTest tests[] = {
        TEST(test_questions_get_their_answers),
        TEST(test_errors_are_handed_on_with_their_exit_codes),
        TEST(test_no_daemon_says_how_to_start_one),
        TEST(test_paths_that_cannot_be_are_usage_errors),
        TEST(test_the_environment_names_the_socket),
        TEST(test_daemons_that_make_no_sense_are_lost),
        TEST(test_a_silent_daemon_is_not_waited_for_for_ever),
        TEST(test_without_permission_looking_still_works),
    };
    return cmocka_run_group_tests_name("daemon_client", tests, NULL, NULL);
}
