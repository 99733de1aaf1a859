// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_SESSION_H
#define DAEMON_SESSION_H

/* One client on one socket, and the one pass that it asks for: what `drivepress write` and
 * `drivepress verify` start. Requests come in as lines (lib/wire), states go out as notifications.
 * The end of the client's stream stops every drive. */

/* Serves the client on a connected stream socket until it is gone and its drives are closed, or
 * cannot be. Returns the process's exit status: 0, or 1 when the session could not be served. */
int session_run(int fd);

#endif
