// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* What is told goes to a socket in the place of stderr, which keeps apart what was written at once;
 * and to a journal of our own, which takes the place of libsystemd's. */

int sd_journal_sendv(const struct iovec *fields, int count);

static int told_fd;
static int kept_stderr;
static char journal[4096]; /* the fields of the last entry, a line each */
static int journal_entries;
static int journal_answer;

int sd_journal_sendv(const struct iovec *fields, int count)
{
    size_t used = 0;

    for (int i = 0; i < count; i++)
        used += (size_t)snprintf(journal + used, sizeof(journal) - used, "%.*s\n",
                                 (int)fields[i].iov_len, (const char *)fields[i].iov_base);
    journal_entries++;
    return journal_answer;
}

static int setup(void **state)
{
    int fds[2];

    (void)state;
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds) != 0)
        return -1;
    told_fd = fds[0];
    kept_stderr = dup(STDERR_FILENO);
    (void)fflush(stderr);
    journal[0] = '\0';
    journal_entries = 0;
    journal_answer = 0;
    return dup2(fds[1], STDERR_FILENO) == STDERR_FILENO && close(fds[1]) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    (void)unsetenv("JOURNAL_STREAM");
    log_open();
    (void)dup2(kept_stderr, STDERR_FILENO);
    return close(kept_stderr) | close(told_fd);
}

/* What was written on stderr at once, and before anything else that is not read yet. */
static const char *told(void)
{
    static char text[4096];
    ssize_t length = recv(told_fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    if (length < 0) {
        assert_int_equal(errno, EAGAIN);
        return "(nothing)";
    }
    text[length] = '\0';
    return text;
}

/* Makes stderr what $JOURNAL_STREAM says, or nearly. */
static void connect_journal(ino_t more)
{
    struct stat status;
    char stream[64];

    assert_int_equal(fstat(STDERR_FILENO, &status), 0);
    (void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev,
                   (uintmax_t)(status.st_ino + more));
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_open();
}

static void messages_are_lines_on_stderr(void **state)
{
    (void)state;
    log_message(LOG_LEVEL_WARNING, "%d drives, %s", 3, "one bad");
    log_message(LOG_LEVEL_INFO, "next");
    assert_string_equal(told(), "drivepressd: 3 drives, one bad\n");
    assert_string_equal(told(), "drivepressd: next\n");
    assert_string_equal(told(), "(nothing)");
    assert_int_equal(journal_entries, 0);
}

static void slots_are_lines_for_people(void **state)
{
    (void)state;
    log_slot("A01", SLOT_PASSED, VERDICT_PASSED, "films", "");
    assert_string_equal(told(), "drivepressd: A01: passed (films)\n");
    log_slot("A01", SLOT_FAILED, VERDICT_MISMATCH, "films", "2 chunks are not as written");
    assert_string_equal(
        told(), "drivepressd: A01: failed: mismatch (films): 2 chunks are not as written\n");
    log_slot("A01", SLOT_REFUSED, VERDICT_TOO_SMALL, "", "");
    assert_string_equal(told(), "drivepressd: A01: refused: too-small\n");
    log_slot("A01", SLOT_WRITING, VERDICT_NONE, "films", "");
    assert_string_equal(told(), "drivepressd: A01: writing (films)\n");
    log_slot("A01", SLOT_EMPTY, VERDICT_NONE, "", "");
    assert_string_equal(told(), "drivepressd: A01: empty\n");
}

static void what_a_terminal_obeys_is_taken_out(void **state)
{
    (void)state;
    log_message(LOG_LEVEL_INFO, "%s", "a\nb\033[2J\xFF");
    assert_string_equal(told(), "drivepressd: a?b?[2J?\n");
    log_slot("A01", SLOT_FAILED, VERDICT_READ_ERROR, "x\ny", "\r");
    assert_string_equal(told(), "drivepressd: A01: failed: read-error (x?y): ?\n");
    connect_journal(0);
    log_slot("A\n1", SLOT_FAILED, VERDICT_READ_ERROR, "x\ny", "\r");
    assert_non_null(strstr(journal, "\nDRIVEPRESS_SLOT=A?1\n"));
    assert_non_null(strstr(journal, "\nDRIVEPRESS_IMAGE=x?y\n"));
    assert_non_null(strstr(journal, "\nDRIVEPRESS_NOTE=?\n"));
}

static void long_messages_are_cut(void **state)
{
    char text[2048];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_message(LOG_LEVEL_INFO, "%s", text);
    const char *line = told();
    assert_int_equal(strlen(line), strlen("drivepressd: ") + 1023 + 1);
    assert_int_equal(line[strlen(line) - 1], '\n');
}

static void the_journal_gets_fields(void **state)
{
    (void)state;
    connect_journal(0);
    log_slot("A01", SLOT_FAILED, VERDICT_MISMATCH, "films", "a note");
    assert_string_equal(journal, "MESSAGE=A01: failed: mismatch (films): a note\n"
                                 "PRIORITY=5\n"
                                 "SYSLOG_IDENTIFIER=drivepressd\n"
                                 "DRIVEPRESS_SLOT=A01\n"
                                 "DRIVEPRESS_STATE=failed\n"
                                 "DRIVEPRESS_VERDICT=mismatch\n"
                                 "DRIVEPRESS_IMAGE=films\n"
                                 "DRIVEPRESS_NOTE=a note\n");
    log_slot("A01", SLOT_WRITING, VERDICT_NONE, "", "");
    assert_string_equal(journal, "MESSAGE=A01: writing\n"
                                 "PRIORITY=6\n"
                                 "SYSLOG_IDENTIFIER=drivepressd\n"
                                 "DRIVEPRESS_SLOT=A01\n"
                                 "DRIVEPRESS_STATE=writing\n");
    log_slot("A01", SLOT_ABORTED, VERDICT_MASTER_ERROR, "films", "");
    assert_non_null(strstr(journal, "\nPRIORITY=4\n"));
    log_message(LOG_LEVEL_ERROR, "no %s", "memory");
    assert_string_equal(journal, "MESSAGE=no memory\nPRIORITY=3\nSYSLOG_IDENTIFIER=drivepressd\n");
    assert_int_equal(journal_entries, 4);
    assert_string_equal(told(), "(nothing)");
}

static void a_redirected_stderr_is_not_the_journal(void **state)
{
    (void)state;
    connect_journal(1);
    log_message(LOG_LEVEL_INFO, "here");
    assert_int_equal(journal_entries, 0);
    assert_string_equal(told(), "drivepressd: here\n");
}

static void what_the_journal_does_not_take_goes_to_stderr(void **state)
{
    (void)state;
    connect_journal(0);
    journal_answer = -ENOBUFS;
    log_message(LOG_LEVEL_INFO, "here");
    assert_int_equal(journal_entries, 1);
    assert_string_equal(told(), "drivepressd: here\n");
}

/* Fills the pipe that stderr is, as somebody does who does not read it. */
static void fill(void)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    static const char page[4096];

    while (poll(&room, 1, 0) == 1)
        assert_int_equal(write(STDERR_FILENO, page, sizeof(page)), sizeof(page));
}

static void a_stderr_that_nobody_reads_holds_up_nobody(void **state)
{
    static char text[1 << 16];
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_true(fcntl(fds[0], F_SETPIPE_SZ, 4096) >= 4096);
    assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
    assert_int_equal(close(fds[1]), 0);
    fill();
    (void)alarm(60); /* ends the test instead of hanging */
    log_message(LOG_LEVEL_INFO, "lost");
    log_slot("A01", SLOT_PASSED, VERDICT_PASSED, "films", "");
    (void)alarm(0);
    assert_true(read(fds[0], text, sizeof(text)) > 0);
    log_message(LOG_LEVEL_INFO, "heard");
    ssize_t length = read(fds[0], text, sizeof(text) - 1);
    assert_true(length > 0);
    log_message(LOG_LEVEL_INFO, "next");
    length += read(fds[0], text + length, sizeof(text) - 1 - (size_t)length);
    text[length] = '\0';
    assert_string_equal(text, "drivepressd: 2 messages were lost, for nobody read them\n"
                              "drivepressd: heard\n"
                              "drivepressd: next\n");
    assert_int_equal(close(fds[0]), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        TEST(messages_are_lines_on_stderr),
        TEST(slots_are_lines_for_people),
        TEST(what_a_terminal_obeys_is_taken_out),
        TEST(long_messages_are_cut),
        TEST(the_journal_gets_fields),
        TEST(a_redirected_stderr_is_not_the_journal),
        TEST(what_the_journal_does_not_take_goes_to_stderr),
        TEST(a_stderr_that_nobody_reads_holds_up_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
