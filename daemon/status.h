// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_STATUS_H
#define DAEMON_STATUS_H

#include "daemon/shell.h"
#include "lib/wire/snapshot.h"

/* What the shell knows, in the words of the protocol. Loop thread. */

/* Fills in what is known of a slot; its name and its place in the rig are left empty. */
void status_fill_slot(struct snapshot_slot *slot, const struct shell *shell, uint32_t number);

/* Fills in what concerns all slots but the name of the rig and what is armed. */
void status_fill_totals(struct snapshot *snapshot, const struct shell *shell);

#endif
