// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef RIG_CLAIM_H
#define RIG_CLAIM_H

#include "lib/rig/layout.h"

/* The claim: a udev rules file that marks the ports of a layout, and no others, as the rig's. What
 * is marked, 59-drivepress.rules gives to the group drivepress and keeps from everybody else; the
 * claim is thus the list of what the daemon may write. Only root can write it, by
 * `drivepress slots`. Pure but for the heap. */

/* Where the claim is; udev reads it by itself when it changes. */
#define CLAIM_FILE "/etc/udev/rules.d/58-drivepress-ports.rules"

/* The text of the file, for the caller to free(), or NULL for lack of memory. It marks
 *  - each slot's ports, with LUN or without, and every LUN of them;
 *  - all ports of an external hub of which a port has a slot, for those get names by themselves
 *    (layout_name_ports());
 * and what is plugged into them directly: not what is behind a further hub. The marks are
 * DRIVEPRESS_PORT=<the port's text> on block devices (disks and partitions), USB devices and USB
 * interfaces. */
char *claim_rules(const struct layout *layout);

#endif
