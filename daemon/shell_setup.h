// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_SHELL_SETUP_H
#define DAEMON_SHELL_SETUP_H

#include "daemon/shell.h"

/* Memory, threads and engines of a shell. For shell.c alone. */

/* Gets everything that a shell works with: its pool, press, engines, mailbox and hashing threads.
 * 0, or -errno with a reason. */
int shell_set_up(struct shell *shell, const struct shell_config *config,
                 char reason[SHELL_REASON_BYTES]);

/* Writes "WHAT: the error's text" and returns the error, which is -errno. */
int shell_fail(char reason[SHELL_REASON_BYTES], int error, const char *what);

#endif
