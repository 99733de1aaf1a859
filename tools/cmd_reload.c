// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress reload: the daemon reads its configuration again. */
#include "lib/core/verdict.h"
#include "lib/wire/service.h"
#include "tools/arguments.h"
#include "tools/commands.h"
#include "tools/service_verb.h"
#include "tools/text.h"

#include <stdio.h>

static const char help[] =
    "Usage: drivepress reload [OPTION]...\n"
    "\n"
    "Have the daemon read its configuration again. Drives that are being worked on go on as they\n"
    "are. A configuration with a mistake changes nothing.\n"
    "\n"                      //
    SERVICE_HELP_JSON         //
        SERVICE_HELP_SOCKET   //
            SERVICE_HELP_HELP //
                SERVICE_HELP_EXIT;

int cmd_reload(int argc, char **argv)
{
    const char *socket = NULL;
    bool json = false;
    const struct argument_option options[] = {
        {"socket", 0, NULL, &socket},
        {"json", 0, &json, NULL},
    };
    const struct arguments arguments = {
        .verb = "reload", .help = help, .options = options, .option_count = 2};
    struct reload_result result;
    json_t *answer = NULL;

    int exit_code = arguments_parse(&arguments, argc, argv, NULL, NULL);
    if (exit_code >= 0)
        return exit_code;
    exit_code =
        service_ask("reload", socket, false, WIRE_METHOD_CONFIG_RELOAD, json_object(), &answer);
    if (exit_code != EXIT_ALL_PASSED)
        return exit_code;
    if (json)
        return service_flush("reload", service_print_json("reload", answer, EXIT_ALL_PASSED));
    if (reload_result_decode(&result, answer) != 0) {
        exit_code = service_bad_answer("reload");
    } else if (result.needs_restart[0] == '\0') {
        (void)puts("The configuration was read again.");
    } else {
        (void)fputs("The configuration was read again. These count only from the daemon's next "
                    "start:\n  ",
                    stdout);
        text_say(stdout, result.needs_restart);
        (void)puts("\nWhen no drive is being worked on: `systemctl restart drivepressd`.");
    }
    json_decref(answer);
    return service_flush("reload", exit_code);
}
