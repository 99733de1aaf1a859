// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_COMMANDS_H
#define TOOLS_COMMANDS_H

/* The verbs of the command line, one file each (cmd_<verb>.c). argv[0] is the verb itself and the
 * return value is the exit code (enum exit_code of lib/core/verdict.h). Main thread only. */

int cmd_arm(int argc, char **argv);
int cmd_disarm(int argc, char **argv);
int cmd_image(int argc, char **argv);
int cmd_reload(int argc, char **argv);
int cmd_slots(int argc, char **argv);
int cmd_start(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_write(int argc, char **argv);

#endif
