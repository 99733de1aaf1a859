// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_CONFIRM_H
#define TOOLS_CONFIRM_H

#include "tools/targets.h"

#include <stdbool.h>

/* The question before drives are erased: shows what they are, on stderr, and takes only the whole
 * word "yes" from stdin. True if the answer was yes and each path still leads to the drive that
 * was shown; else it has said why not. */
bool confirm_erase(const struct target_list *targets, bool utf8);

#endif
