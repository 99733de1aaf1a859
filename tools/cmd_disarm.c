// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress disarm: no drive is started any more. */
#include "lib/core/verdict.h"
#include "lib/wire/service.h"
#include "tools/arguments.h"
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

int cmd_disarm(int argc, char **argv)
{
    const char *socket = NULL;
    bool json = false;
    const struct argument_option options[] = {
        {"socket", 0, NULL, &socket},
        {"json", 0, &json, NULL},
    };
    const struct arguments arguments = {
        .verb = "disarm", .help = help, .options = options, .option_count = 2};
    json_t *answer = NULL;

    int exit_code = arguments_parse(&arguments, argc, argv, NULL, NULL);
    if (exit_code >= 0)
        return exit_code;
    exit_code =
        service_ask("disarm", socket, false, WIRE_METHOD_JOB_DISARM, json_object(), &answer);
    if (exit_code != EXIT_ALL_PASSED)
        return exit_code;
    if (json)
        return service_flush("disarm", service_print_json("disarm", answer, EXIT_ALL_PASSED));
    json_decref(answer);
    (void)puts(
        "Disarmed. Drives that are plugged in from now on are not touched. Passes that were\n"
        "begun go on; `drivepress stop --all` ends them.");
    return service_flush("disarm", EXIT_ALL_PASSED);
}
