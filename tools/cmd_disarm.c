// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress disarm: no drive is started any more. */
#include "lib/core/verdict.h"
#include "lib/wire/service.h"
#include "tools/commands.h"
#include "tools/service_verb.h"

#include <stdio.h>

static const char help[] =
    "Usage: drivepress disarm [OPTION]...\n"
    "\n"
    "Drives that are plugged in from now on are not touched. Those that are being worked on go on\n"
    "to their end; `drivepress stop --all` ends them.\n"
    "\n"                      //
    SERVICE_HELP_JSON         //
        SERVICE_HELP_SOCKET   //
            SERVICE_HELP_HELP //
                SERVICE_HELP_EXIT;

static int print(const json_t *answer)
{
    (void)answer;
    (void)puts(
        "Disarmed. Drives that are plugged in from now on are not touched. Passes that were\n"
        "begun go on; `drivepress stop --all` ends them.");
    return EXIT_ALL_PASSED;
}

int cmd_disarm(int argc, char **argv)
{
    static const struct service_verb verb = {
        .name = "disarm", .help = help, .method = WIRE_METHOD_JOB_DISARM, .print = print};
    return service_verb_run(&verb, argc, argv);
}
