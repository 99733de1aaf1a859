// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_SLOTS_FILES_H
#define TOOLS_SLOTS_FILES_H

#include "tools/slots_verb.h"

#include <limits.h>
#include <stdbool.h>

/* What `slots learn` and `slots claim` write. Both say on stderr what is wrong. */

/* Where the slots go: --output, or the drop-in of the configuration. False when it is too long. */
bool slots_output_path(const struct slots_arguments *arguments, char path[PATH_MAX]);
const char *slots_claim_path(const struct slots_arguments *arguments);

/* Whether a file can be written there, or made with its directory; asked before somebody plugs in
 * thirty drives. It says why not, and how to be allowed to. */
bool slots_may_write(const struct slots_arguments *arguments, const char *path);

/* Writes the slots, which must make a configuration that can be read; else all is as it was. An
 * exit code. */
int slots_write_layout(const struct slots_arguments *arguments, const struct layout *layout);

/* Writes the claim, and has udev read it, or says when it will. An exit code. */
int slots_write_claim(const struct slots_arguments *arguments, const struct layout *layout);

#endif
