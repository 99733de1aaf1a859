// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress reload: the daemon reads its configuration again. */
#include "lib/core/verdict.h"
#include "lib/wire/service.h"
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

static int print(const json_t *answer)
{
    struct reload_result result;

    if (reload_result_decode(&result, answer) != 0)
        return service_bad_answer("reload");
    if (result.needs_restart[0] == '\0') {
        (void)puts("The configuration was read again.");
        return EXIT_ALL_PASSED;
    }
    (void)fputs("The configuration was read again. These count only from the daemon's next "
                "start:\n  ",
                stdout);
    text_say(stdout, result.needs_restart);
    (void)puts("\nWhen no drive is being worked on: `systemctl restart drivepressd`.");
    return EXIT_ALL_PASSED;
}

int cmd_reload(int argc, char **argv)
{
    static const struct service_verb verb = {
        .name = "reload", .help = help, .method = WIRE_METHOD_CONFIG_RELOAD, .print = print};
    return service_verb_run(&verb, argc, argv);
}
