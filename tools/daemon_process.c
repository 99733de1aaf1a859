// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/daemon_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum {
    SESSION_FD = 3,     /* in the child */
    END_WAIT_MS = 2000, /* a healthy one ends in a few milliseconds */
};

static int find_program(char path[PATH_MAX], char reason[DAEMON_REASON_BYTES])
{
    static const char *const places[] = {"drivepressd", "../libexec/drivepress/drivepressd"};
    char directory[PATH_MAX];

    ssize_t length = readlink("/proc/self/exe", directory, sizeof(directory) - 1);
    if (length < 0) {
        int error = errno;
        (void)snprintf(reason, DAEMON_REASON_BYTES, "cannot tell where this program is: %s",
                       strerror(error));
        return -error;
    }
    directory[length] = '\0';
    *strrchr(directory, '/') = '\0';
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int needed = snprintf(path, PATH_MAX, "%s/%s", directory, places[i]);
        if (needed < PATH_MAX && access(path, X_OK) == 0)
            return 0;
    }
    (void)snprintf(reason, DAEMON_REASON_BYTES,
                   "drivepressd is neither in %s nor in ../libexec/drivepress beside it: install "
                   "drivepress again",
                   directory);
    return -ENOENT;
}

/* The child inherits nothing of our signal handling: what we block or ignore is our affair. */
static int spawn(pid_t *pid, const char *program, int session_fd, int log_fd)
{
    char session_text[16];
    char name[] = "drivepressd";
    char option[] = "--session-fd";
    char *arguments[] = {name, option, session_text, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;

    (void)snprintf(session_text, sizeof(session_text), "%d", SESSION_FD);
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return -error;
    error = posix_spawnattr_init(&attributes);
    if (error != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return -error;
    }
    if (error == 0)
        error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, log_fd, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, log_fd, STDERR_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, session_fd, SESSION_FD);
    if (error == 0)
        error = posix_spawnattr_setpgroup(&attributes, 0);
    if (error == 0)
        error = posix_spawnattr_setsigmask(&attributes, &none);
    if (error == 0)
        error = posix_spawnattr_setsigdefault(&attributes, &all);
    if (error == 0)
        error = posix_spawnattr_setflags(
            &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (error == 0)
        error = posix_spawn(pid, program, &actions, &attributes, arguments, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return -error;
}

/* A descriptor numbered above those that the child's are moved to. */
static int move_up(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, SESSION_FD + 1);
    int error = errno;
    (void)close(fd);
    errno = error;
    return moved;
}

static int open_channels(int session[2], int log[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, session) != 0)
        return -errno;
    if (pipe2(log, O_CLOEXEC) != 0) {
        int error = errno;
        (void)close(session[0]);
        (void)close(session[1]);
        return -error;
    }
    session[1] = move_up(session[1]);
    log[1] = move_up(log[1]);
    if (session[1] >= 0 && log[1] >= 0 && fcntl(session[0], F_SETFL, O_NONBLOCK) == 0 &&
        fcntl(log[0], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    int error = errno;
    for (int i = 0; i < 2; i++) {
        if (session[i] >= 0)
            (void)close(session[i]);
        if (log[i] >= 0)
            (void)close(log[i]);
    }
    return -error;
}

int daemon_process_start(struct daemon_process *daemon, char reason[DAEMON_REASON_BYTES])
{
    char program[PATH_MAX];
    int session[2];
    int log[2];

    *daemon = (struct daemon_process){.pid = -1, .session_fd = -1, .log_fd = -1};
    int error = find_program(program, reason);
    if (error != 0)
        return error;
    error = open_channels(session, log);
    if (error != 0) {
        (void)snprintf(reason, DAEMON_REASON_BYTES, "cannot talk to drivepressd: %s",
                       strerror(-error));
        return error;
    }
    error = spawn(&daemon->pid, program, session[1], log[1]);
    (void)close(session[1]);
    (void)close(log[1]);
    if (error != 0) {
        (void)close(session[0]);
        (void)close(log[0]);
        (void)snprintf(reason, DAEMON_REASON_BYTES, "cannot start %.4000s: %s", program,
                       strerror(-error));
        return error;
    }
    daemon->session_fd = session[0];
    daemon->log_fd = log[0];
    return 0;
}

/* True if the child ended within END_WAIT_MS; its status is then in *status. */
static bool wait_for_end(pid_t pid, int *status)
{
    int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pid_fd >= 0) {
        struct pollfd ended = {.fd = pid_fd, .events = POLLIN};
        (void)poll(&ended, 1, END_WAIT_MS);
        (void)close(pid_fd);
        return waitpid(pid, status, WNOHANG) == pid;
    }
    /* Kernels before 5.3 have no such descriptor. */
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    for (int waited_ms = 0; waited_ms < END_WAIT_MS; waited_ms += 20) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return true;
        (void)nanosleep(&pause, NULL);
    }
    return false;
}

enum daemon_end daemon_process_end(struct daemon_process *daemon, char reason[DAEMON_REASON_BYTES])
{
    int status = 0;
    (void)close(daemon->session_fd);
    daemon->session_fd = -1;
    if (!wait_for_end(daemon->pid, &status)) {
        (void)snprintf(reason, DAEMON_REASON_BYTES,
                       "a drive hangs and holds drivepressd (process %d) in the kernel; it ends by "
                       "itself when the drive answers or is pulled",
                       (int)daemon->pid);
        return DAEMON_HANGS;
    }
    if (WIFSIGNALED(status)) {
        (void)snprintf(reason, DAEMON_REASON_BYTES, "drivepressd was ended by signal %d (%s)",
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
        return DAEMON_CRASHED;
    }
    if (WEXITSTATUS(status) != 0) {
        (void)snprintf(reason, DAEMON_REASON_BYTES, "drivepressd ended with status %d",
                       WEXITSTATUS(status));
        return DAEMON_CRASHED;
    }
    return DAEMON_ENDED;
}
