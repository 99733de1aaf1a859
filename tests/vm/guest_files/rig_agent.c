// SPDX-License-Identifier: GPL-3.0-or-later
// Runs in a guest the commands that the host sends through a virtio-serial port. A request is a
// line "ID SECONDS COMMAND", where \\ and \n stand for a backslash and a newline of COMMAND. The
// answer is a line "ID STATUS LENGTH", then what the command printed. Commands run beside each
// other, by bash; one that takes longer than SECONDS is killed, and its status is 124.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT           "/dev/virtio-ports/rig.agent"
#define LOCK           "/run/rig-agent.lock"
#define LINE_BYTES_MAX (4 << 20)
#define STATUS_TIME_UP 124 // as of timeout(1)

static void fail(const char *what)
{
    perror(what);
    _exit(126);
}

static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '\\' && from[1]) {
            from++;
            *to++ = *from == 'n' ? '\n' : *from;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
}

static void run_command(const char *command, int output)
{
    int null = open("/dev/null", O_RDONLY);
    sigset_t none;
    sigemptyset(&none);
    // A session of its own: its end is the end of all that it has started.
    if (setsid() < 0 || null < 0 || dup2(null, 0) < 0 || dup2(output, 1) < 0 ||
        dup2(output, 2) < 0 || sigprocmask(SIG_SETMASK, &none, NULL) < 0) {
        fail("prepare");
    }
    execl("/bin/bash", "bash", "-c", command, (char *)NULL);
    fail("bash");
}

// Waits for the end of a child, and kills its group when its time is up.
static int wait_for_end(pid_t child, long seconds)
{
    sigset_t child_ended;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    struct timespec patience = {.tv_sec = seconds};
    bool time_up = sigtimedwait(&child_ended, NULL, &patience) < 0;
    if (time_up) {
        kill(-child, SIGKILL);
    }
    int status = 0;
    if (waitpid(child, &status, 0) < 0) {
        fail("waitpid");
    }
    if (time_up) {
        return STATUS_TIME_UP;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void write_all(int port, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t written = write(port, data, length);
        if (written < 0 && errno != EINTR) {
            fail("write");
        }
        if (written > 0) {
            data += written;
            length -= (size_t)written;
        }
    }
}

static void answer(int port, long id, int status, int output)
{
    struct stat facts;
    // A lock of a file that each opens by itself: answers take turns at the port.
    int lock = open(LOCK, O_RDWR | O_CREAT, 0600);
    if (lock < 0 || flock(lock, LOCK_EX) < 0 || fstat(output, &facts) < 0) {
        fail(LOCK);
    }
    size_t length = (size_t)facts.st_size;
    char header[64];
    int header_length = snprintf(header, sizeof(header), "%ld %d %zu\n", id, status, length);
    write_all(port, header, (size_t)header_length);
    if (length > 0) {
        const char *data = mmap(NULL, length, PROT_READ, MAP_SHARED, output, 0);
        if (data == MAP_FAILED) {
            fail("mmap");
        }
        write_all(port, data, length);
    }
}

// One request, in a process of its own.
static void serve(int port, char *line)
{
    sigset_t child_ended;
    sigemptyset(&child_ended);
    sigaddset(&child_ended, SIGCHLD);
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR || sigprocmask(SIG_BLOCK, &child_ended, NULL) < 0) {
        fail("signals");
    }
    char *command = NULL;
    long id = strtol(line, &command, 10);
    long seconds = strtol(command, &command, 10);
    command += *command == ' ';
    unescape(command);
    int output = memfd_create("output", MFD_CLOEXEC);
    pid_t child = output < 0 ? -1 : fork();
    if (child < 0) {
        fail("fork");
    }
    if (child == 0) {
        run_command(command, output);
    }
    answer(port, id, wait_for_end(child, seconds), output);
    _exit(0);
}

int main(void)
{
    static char line[LINE_BYTES_MAX];
    size_t length = 0;
    int port = open(PORT, O_RDWR | O_CLOEXEC);
    // Nobody waits for the processes that serve.
    if (port < 0 || signal(SIGCHLD, SIG_IGN) == SIG_ERR) {
        fail(PORT);
    }
    for (;;) {
        ssize_t got = read(port, line + length, sizeof(line) - length);
        if (got <= 0) {
            // While nobody is there on the host's side, the port is at its end.
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
            continue;
        }
        length += (size_t)got;
        char *end = NULL;
        while ((end = memchr(line, '\n', length)) != NULL) {
            *end = '\0';
            pid_t server = fork();
            if (server == 0) {
                serve(port, line);
            }
            length -= (size_t)(end + 1 - line);
            memmove(line, end + 1, length);
        }
    }
}
