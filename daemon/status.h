// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include "daemon/shell.h"
#include "lib/wire/run.h"
#include "lib/wire/snapshot.h"

/* What the shell knows, in the words of the protocol. Loop thread. */

/* Fills in a snapshot of request->target_count slots. */
void status_fill(struct snapshot *snapshot, const struct shell *shell,
                 const struct run_request *request);

/* Why a slot ended as it did, where there is more to say than its verdict; else "". */
void status_note(char note[WIRE_NOTE_BYTES], const struct shell *shell, uint32_t slot,
                 enum verdict verdict);

#endif
