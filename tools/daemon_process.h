// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_DAEMON_PROCESS_H
#define TOOLS_DAEMON_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

/* A private drivepressd for one press: the child of this program, in a process group of its own so
 * that a terminal's Ctrl-C reaches only us, and with nothing open but its session, its log and
 * /dev/null. It ends by itself when the session is closed. */

struct daemon_process {
    pid_t pid;
    int session_fd; /* the protocol; non-blocking */
    int log_fd;     /* what it says on stderr; non-blocking */
};

enum { DAEMON_REASON_BYTES = 4352 };

/* Starts drivepressd from beside this program, or from ../libexec/drivepress. 0 or -errno with a
 * reason. */
int daemon_process_start(struct daemon_process *daemon, char reason[DAEMON_REASON_BYTES]);

enum daemon_end {
    DAEMON_ENDED,   /* in order */
    DAEMON_CRASHED, /* by a signal or with an error; the reason says which */
    DAEMON_HANGS,   /* still there after a while: a hung drive holds it in the kernel */
};

/* Closes the session and waits at most 2 s. The log stays open. */
enum daemon_end daemon_process_end(struct daemon_process *daemon, char reason[DAEMON_REASON_BYTES]);

#endif
