// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress stop: passes end now, each with its verdict. */
#include "lib/wire/service.h"
#include "tools/commands.h"
#include "tools/service_verb.h"
#include "tools/slot_verb.h"

static const char help[] =
    "Usage: drivepress stop [OPTION]... SLOT...\n"
    "       drivepress stop [OPTION]... --all\n"
    "\n"
    "End the passes of these slots now. Each drive gets the verdict stopped; its content is\n"
    "incomplete. The rig stays armed: `drivepress disarm` changes that.\n"
    "\n"
    "      --all          every drive that is being worked on\n" //
    SERVICE_HELP_JSON                                            //
        SERVICE_HELP_SOCKET                                      //
            SERVICE_HELP_HELP                                    //
                SERVICE_HELP_EXIT "\n"
    "Example: drivepress stop A01\n";

int cmd_stop(int argc, char **argv)
{
    static const struct slot_verb verb = {.name = "stop",
                                          .help = help,
                                          .method = WIRE_METHOD_JOB_STOP,
                                          .concerns = slot_state_busy,
                                          .all_at_once = true,
                                          .done = "Stopped",
                                          .done_key = "stopped",
                                          .nothing = "No drive is being worked on."};
    return slot_verb_run(&verb, argc, argv);
}
