// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_PRESS_COMMAND_H
#define TOOLS_PRESS_COMMAND_H

#include "lib/wire/run.h"

/* What `write` and `verify` have in common, which is all but the mode: checks everything that can
 * be wrong before anything is started, asks, runs the press, and sums it up. Returns the program's
 * exit code. */
int press_command(enum press_mode mode, int argc, char **argv);

#endif
