// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/commands.h"
#include "tools/press_command.h"

int cmd_write(int argc, char **argv)
{
    return press_command(MODE_WRITE, argc, argv);
}
