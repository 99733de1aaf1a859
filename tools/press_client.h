// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_PRESS_CLIENT_H
#define TOOLS_PRESS_CLIENT_H

#include "lib/wire/run.h"
#include "lib/wire/snapshot.h"
#include "tools/display.h"

#include <stdbool.h>

/* One press as its client sees it: greets, sends press.run, follows the drives until all have
 * their verdicts, and stops them when a signal asks for it. One thread, poll(). */

enum press_client_end {
    CLIENT_FINISHED, /* every drive has the verdict that the daemon gave it */
    CLIENT_REFUSED,  /* the daemon answered with an error: nothing was done */
    CLIENT_LOST,     /* the daemon went away, or speaks another protocol */
    CLIENT_GIVEN_UP, /* stopped, without waiting for the daemon any longer */
};

struct press_client_files {
    int session_fd; /* the protocol, non-blocking */
    int signal_fd;  /* a signalfd, or -1 */
    int log_fd;     /* lines of the daemon for people, non-blocking, or -1 */
};

struct press_outcome {
    enum press_client_end end;
    enum wire_error error;          /* with REFUSED */
    char reason[WIRE_REASON_BYTES]; /* with REFUSED and LOST */
    bool asked;                     /* the request was sent: drives may have been touched */
    bool running;                   /* the daemon took the request on: `result` is filled in */
    bool stopped;                   /* a signal asked to stop */
    struct run_result result;
    uint64_t elapsed_ms;
    struct snapshot *snapshot; /* a slot per target; the caller free()s it; NULL for no memory */
};

/* Runs a request to its end. `names` are the targets as people know them, one per target of the
 * request; `display` was started. After anything but FINISHED, drives without
 * a verdict get `interrupted`, and a residue that errs on the side of caution. */
void press_client_run(const struct press_client_files *files, const struct run_request *request,
                      char *const *names, struct display *display, struct press_outcome *outcome);

#endif
