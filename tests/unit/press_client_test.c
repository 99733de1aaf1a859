// SPDX-License-Identifier: GPL-3.0-or-later
/* The client of a press against a daemon that plays a script. */
#include "tools/press_client.h"

#include "lib/base/units.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Each line of a script: "<WORD" waits for a line from the client with the word in it, "!" gives
 * the client a signal, "hang" waits until the client goes, anything else is sent with a newline.
 * At the end the daemon closes. */
struct daemon {
    const char *const *script;
    int fd;
    int signal_fd;
    FILE *received;
    unsigned surprises; /* lines that did not have their word */
};

#define HELLO                                                                                      \
    "{\"jsonrpc\":\"2.0\",\"method\":\"hello\",\"params\":{\"server\":\"drivepress/0\","           \
    "\"protocol\":\"1.9\",\"role\":\"operator\",\"rig\":\"\",\"max_request\":65536}}"
#define ANSWER                                                                                     \
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"image\":{\"name\":\"films\",\"path\":\"/f\","     \
    "\"size_bytes\":1000,\"padded_bytes\":1024,\"chunk_bytes\":1048576,\"sha256\":null,"           \
    "\"manifest\":false},\"engine\":\"threads\",\"engine_note\":\"\",\"pool_bytes\":4096}}"
#define TRANSITION(slot, state, verdict)                                                           \
    "{\"jsonrpc\":\"2.0\",\"method\":\"transition\",\"params\":{\"slot\":\"" slot                  \
    "\",\"state\":\"" state "\",\"verdict\":" verdict ",\"note\":\"\"}}"
#define SLOT(slot, state, verdict)                                                                 \
    "\"" slot "\":{\"target\":\"/x\",\"row\":null,\"col\":null,\"state\":\"" state                 \
    "\",\"verdict\":" verdict                                                                      \
    ",\"image\":\"films\",\"pct\":100,\"bytes_per_s\":0,\"eta_s\":null,\"bytes_written\":1024,"    \
    "\"bytes_verified\":1024,\"write_ms\":1,\"verify_ms\":1,\"bad_chunks\":[],"                    \
    "\"residue\":\"none\",\"drive\":{\"model\":\"M\",\"serial\":\"S\",\"capacity_bytes\":1024,"    \
    "\"direct\":true,\"note\":\"\"}}"
#define SNAPSHOT(method, slots)                                                                    \
    "{\"jsonrpc\":\"2.0\",\"method\":\"" method                                                    \
    "\",\"params\":{\"rig\":\"\",\"armed\":null,\"slots\":{" slots                                 \
    "},\"totals\":{\"passed\":0,\"failed\":0,\"refused\":0,\"aborted\":0},"                        \
    "\"master\":{\"bytes_read\":77}}}"

static void play_line(struct daemon *daemon, const char *line)
{
    char data[65536];

    if (line[0] == '<') {
        if (fgets(data, sizeof(data), daemon->received) == NULL || strstr(data, line + 1) == NULL)
            daemon->surprises++;
    } else if (line[0] == '!') {
        struct signalfd_siginfo info = {.ssi_signo = SIGINT};
        if (write(daemon->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
            daemon->surprises++;
    } else if (strcmp(line, "hang") == 0) {
        while (fgets(data, sizeof(data), daemon->received) != NULL)
            continue;
    } else {
        (void)send(daemon->fd, line, strlen(line), MSG_NOSIGNAL);
        (void)send(daemon->fd, "\n", 1, MSG_NOSIGNAL);
    }
}

static void *play(void *argument)
{
    struct daemon *daemon = argument;
    for (size_t i = 0; daemon->script[i] != NULL; i++)
        play_line(daemon, daemon->script[i]);
    (void)fclose(daemon->received);
    return NULL;
}

/* Runs a press onto "a" and "b" with a scripted daemon. The snapshot is the caller's. */
static void press(struct press_outcome *outcome, const char *const *script)
{
    static char a[] = "a";
    static char b[] = "b";
    static char path_a[] = "/tmp/a";
    static char path_b[] = "/tmp/b";
    static char *names[] = {a, b};
    static struct run_target targets[] = {{.path = path_a}, {.path = path_b}};
    struct run_request request = {.mode = MODE_WRITE,
                                  .image = "/f",
                                  .images = "/i",
                                  .window = 2,
                                  .stall_ms = 1000,
                                  .target_count = 2,
                                  .targets = targets};
    struct display display;
    int session[2];
    int signals[2];
    pthread_t thread;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, session), 0);
    assert_int_equal(pipe2(signals, O_CLOEXEC | O_NONBLOCK), 0);
    struct daemon daemon = {.script = script, .fd = session[1], .signal_fd = signals[1]};
    daemon.received = fdopen(session[1], "r");
    assert_non_null(daemon.received);
    assert_int_equal(pthread_create(&thread, NULL, play, &daemon), 0);

    display_start(&display, true, true, true, 1024, 0);
    struct press_client_files files = {
        .session_fd = session[0], .signal_fd = signals[0], .log_fd = -1};
    press_client_run(&files, &request, names, &display, outcome);

    assert_int_equal(close(session[0]), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(daemon.surprises, 0);
    assert_int_equal(close(signals[0]), 0);
    assert_int_equal(close(signals[1]), 0);
    assert_non_null(outcome->snapshot);
    assert_int_equal(outcome->snapshot->slot_count, 2);
}

static void test_a_press_runs_to_its_end(void **state)
{
    (void)state;
    static const char *const script[] = {
        HELLO,
        "<\"path\":\"/tmp/b\"",
        ANSWER,
        TRANSITION("1", "identifying", "null"),
        TRANSITION("1", "refused", "\"in-use\""),
        SNAPSHOT("status", SLOT("2", "writing", "null")),
        "{\"jsonrpc\":\"2.0\",\"method\":\"of-a-later-version\",\"params\":{}}",
        SNAPSHOT("finished",
                 SLOT("2", "passed", "\"passed\"") "," SLOT("1", "refused", "\"in-use\"")),
        NULL};
    struct press_outcome outcome;

    press(&outcome, script);
    assert_int_equal(outcome.end, CLIENT_FINISHED);
    assert_true(outcome.running);
    assert_false(outcome.stopped);
    assert_string_equal(outcome.result.engine, "threads");
    assert_string_equal(outcome.snapshot->slots[0].target, "a");
    assert_int_equal(outcome.snapshot->slots[0].verdict, VERDICT_IN_USE);
    assert_string_equal(outcome.snapshot->slots[1].target, "b");
    assert_int_equal(outcome.snapshot->slots[1].verdict, VERDICT_PASSED);
    assert_int_equal(outcome.snapshot->master_bytes_read, 77);
    free(outcome.snapshot);
}

static void test_a_refusal_is_handed_on(void **state)
{
    (void)state;
    static const char *const script[] = {
        HELLO, "<press.run",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"add it again\","
        "\"data\":{\"code\":\"image-untrusted\"}}}",
        "hang", NULL};
    struct press_outcome outcome;

    press(&outcome, script);
    assert_int_equal(outcome.end, CLIENT_REFUSED);
    assert_int_equal(outcome.error, WIRE_ERROR_IMAGE_UNTRUSTED);
    assert_string_equal(outcome.reason, "add it again");
    assert_false(outcome.running);
    free(outcome.snapshot);
}

/* A drive that was not heard of to the end is never passed, and never called untouched. */
static void test_a_lost_daemon_interrupts_drives(void **state)
{
    (void)state;
    static const char *const script[] = {
        HELLO, "<press.run", ANSWER,
        SNAPSHOT("status", SLOT("1", "passed", "\"passed\"") "," SLOT("2", "verifying", "null")),
        NULL};
    struct press_outcome outcome;

    press(&outcome, script);
    assert_int_equal(outcome.end, CLIENT_LOST);
    assert_non_null(strstr(outcome.reason, "went away"));
    assert_int_equal(outcome.snapshot->slots[0].verdict, VERDICT_PASSED);
    assert_int_equal(outcome.snapshot->slots[1].verdict, VERDICT_INTERRUPTED);
    assert_int_equal(outcome.snapshot->slots[1].state, SLOT_FAILED);
    assert_int_equal(outcome.snapshot->slots[1].residue, RESIDUE_POSSIBLE);
    free(outcome.snapshot);
}

static void test_nonsense_ends_the_session(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "not JSON",
        SNAPSHOT("status", SLOT("3", "writing", "null")),
        SNAPSHOT("status", SLOT("01", "writing", "null")),
        TRANSITION("0", "writing", "null"),
        TRANSITION("1", "flying", "null"),
        TRANSITION("1", "failed", "\"ugly\""),
        "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":{}}",
    };
    for (size_t i = 0; i < array_count(lines); i++) {
        const char *const script[] = {HELLO, "<press.run", ANSWER, lines[i], "hang", NULL};
        struct press_outcome outcome;
        press(&outcome, script);
        if (outcome.end != CLIENT_LOST || outcome.reason[0] == '\0')
            fail_msg("%s", lines[i]);
        assert_int_equal(outcome.snapshot->slots[0].verdict, VERDICT_INTERRUPTED);
        free(outcome.snapshot);
    }
}

static void test_another_protocol_is_refused(void **state)
{
    (void)state;
    static const char *const greetings[] = {
        "{\"jsonrpc\":\"2.0\",\"method\":\"hello\",\"params\":{\"server\":\"drivepress/9\","
        "\"protocol\":\"2.0\",\"role\":\"operator\",\"rig\":\"\",\"max_request\":65536}}",
        "{\"jsonrpc\":\"2.0\",\"method\":\"welcome\",\"params\":{}}",
    };
    for (size_t i = 0; i < array_count(greetings); i++) {
        const char *const script[] = {greetings[i], "hang", NULL};
        struct press_outcome outcome;
        press(&outcome, script);
        assert_int_equal(outcome.end, CLIENT_LOST);
        assert_non_null(strstr(outcome.reason, "one version"));
        assert_false(outcome.running);
        free(outcome.snapshot);
    }
}

static void test_a_signal_stops_the_drives(void **state)
{
    (void)state;
    static const char *const script[] = {
        HELLO,
        "<press.run",
        ANSWER,
        "!",
        "<press.stop",
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}",
        SNAPSHOT("finished",
                 SLOT("1", "failed", "\"stopped\"") "," SLOT("2", "failed", "\"stopped\"")),
        NULL};
    struct press_outcome outcome;

    press(&outcome, script);
    assert_int_equal(outcome.end, CLIENT_FINISHED);
    assert_true(outcome.stopped);
    assert_int_equal(outcome.snapshot->slots[1].verdict, VERDICT_STOPPED);
    free(outcome.snapshot);
}

static void test_a_second_signal_ends_at_once(void **state)
{
    (void)state;
    static const char *const script[] = {HELLO,         "<press.run", ANSWER, "!",
                                         "<press.stop", "!",          "hang", NULL};
    struct press_outcome outcome;

    press(&outcome, script);
    assert_int_equal(outcome.end, CLIENT_GIVEN_UP);
    assert_int_equal(outcome.snapshot->slots[0].verdict, VERDICT_INTERRUPTED);
    free(outcome.snapshot);
}

/* What was asked for may have been begun, whether it was answered or not. */
static void test_a_request_without_an_answer_is_told_of(void **state)
{
    (void)state;
    static const char *const script[] = {HELLO, "<press.run", "!", "<press.stop",
                                         "!",   "hang",       NULL};
    struct press_outcome outcome;

    press(&outcome, script);
    assert_int_equal(outcome.end, CLIENT_GIVEN_UP);
    assert_true(outcome.asked);
    assert_false(outcome.running);
    assert_int_equal(outcome.snapshot->slots[1].verdict, VERDICT_INTERRUPTED);
    assert_int_equal(outcome.snapshot->slots[1].residue, RESIDUE_POSSIBLE);
    free(outcome.snapshot);
}

static void test_a_stop_before_the_request_touches_nothing(void **state)
{
    (void)state;
    static const char *const script[] = {"!", "hang", NULL};
    struct press_outcome outcome;

    press(&outcome, script);
    assert_int_equal(outcome.end, CLIENT_GIVEN_UP);
    assert_false(outcome.asked);
    free(outcome.snapshot);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_press_runs_to_its_end),
        cmocka_unit_test(test_a_refusal_is_handed_on),
        cmocka_unit_test(test_a_lost_daemon_interrupts_drives),
        cmocka_unit_test(test_nonsense_ends_the_session),
        cmocka_unit_test(test_another_protocol_is_refused),
        cmocka_unit_test(test_a_signal_stops_the_drives),
        cmocka_unit_test(test_a_second_signal_ends_at_once),
        cmocka_unit_test(test_a_request_without_an_answer_is_told_of),
        cmocka_unit_test(test_a_stop_before_the_request_touches_nothing),
    };
    return cmocka_run_group_tests_name("press_client", tests, NULL, NULL);
}
