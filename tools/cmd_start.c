// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress start: drives that are in already, or are to be done again. */
#include "lib/wire/service.h"
#include "tools/commands.h"
#include "tools/service_verb.h"
#include "tools/slot_verb.h"

static const char help[] =
    "Usage: drivepress start [OPTION]... SLOT...\n"
    "       drivepress start [OPTION]... --all\n"
    "\n"
    "Start the drives in these slots with what the rig is armed with: those that were in before "
    "it\n"
    "was armed, and those that failed, to try them again. ALL DATA ON THESE DRIVES IS LOST, "
    "unless\n"
    "the mode is verify. A drive that passed is not done again before it was pulled.\n"
    "\n"
    "      --all          every drive that was plugged in before the rig was armed\n" //
    SERVICE_HELP_JSON                                                                 //
        SERVICE_HELP_SOCKET                                                           //
            SERVICE_HELP_HELP                                                         //
                SERVICE_HELP_EXIT "\n"
    "Example: drivepress start A01 A02\n";

static bool waits(enum slot_state state)
{
    return state == SLOT_READY;
}

int cmd_start(int argc, char **argv)
{
    static const struct slot_verb verb = {.name = "start",
                                          .help = help,
                                          .method = WIRE_METHOD_JOB_START,
                                          .concerns = waits,
                                          .done = "Started",
                                          .done_key = "started",
                                          .nothing = "No drive waits for a start."};
    return slot_verb_run(&verb, argc, argv);
}
