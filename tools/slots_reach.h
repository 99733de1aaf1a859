// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_SLOTS_REACH_H
#define TOOLS_SLOTS_REACH_H

#include "tools/port_watch.h"
#include "tools/slots_verb.h"

/* What the claim of a layout reaches on this computer, as `slots learn` and `slots claim` tell
 * somebody before it is written. Main thread only. */

/* Looks at what is plugged into the ports that the claim would give away: no disk that the running
 * system uses may be there, nor anything that is neither a drive nor a hub, for that would be
 * switched off; what is off already does not count. Returns 0, 1 after saying on stderr what is in
 * the way, or -errno. */
int slots_check_ports(const struct slots_arguments *arguments, struct port_watch *watch,
                      const struct layout *layout);

/* Says on stdout which ports are claimed that nobody named: the others of each external hub. 0 or
 * -errno. */
int slots_print_further(struct port_watch *watch, const struct layout *layout);

#endif
