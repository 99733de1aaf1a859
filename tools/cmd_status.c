// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress status: the rig at this moment. */
#include "lib/core/verdict.h"
#include "lib/wire/service.h"
#include "lib/wire/snapshot.h"
#include "tools/arguments.h"
#include "tools/commands.h"
#include "tools/service_verb.h"
#include "tools/status_table.h"
#include "tools/text.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const char help[] =
    "Usage: drivepress status [OPTION]...\n"
    "\n"
    "Show what the rig is armed with, every drive in it, and the totals.\n"
    "\n"
    "      --json         print one JSON object, as the daemon sends it\n" //
    SERVICE_HELP_SOCKET                                                    //
    "      --no-color     no colours (also when NO_COLOR is set)\n"        //
    SERVICE_HELP_HELP                                                      //
    "\n"
    "Exit status: 0 the daemon answered, 2 wrong usage, 4 there is no daemon or it was lost.\n";

static int print_table(const json_t *answer, bool no_colour)
{
    struct snapshot *snapshot = NULL;
    struct winsize size = {0};
    const char *environment = getenv("NO_COLOR");
    bool terminal = isatty(STDOUT_FILENO) != 0;

    int error = snapshot_decode(&snapshot, answer);
    if (error == -ENOMEM)
        return service_print_json("status", NULL, EXIT_ALL_PASSED);
    if (error != 0)
        return service_bad_answer("status");
    if (terminal)
        (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    bool colour = terminal && !no_colour && (environment == NULL || environment[0] == '\0');
    status_table_print(stdout, snapshot, size.ws_col, text_locale_is_utf8(), colour);
    free(snapshot);
    return EXIT_ALL_PASSED;
}

int cmd_status(int argc, char **argv)
{
    const char *socket = NULL;
    bool json = false;
    bool no_colour = false;
    const struct argument_option options[] = {
        {"socket", 0, NULL, &socket},
        {"json", 0, &json, NULL},
        {"no-color", 0, &no_colour, NULL},
    };
    const struct arguments arguments = {
        .verb = "status", .help = help, .options = options, .option_count = 3};
    json_t *answer = NULL;

    int exit_code = arguments_parse(&arguments, argc, argv, NULL, NULL);
    if (exit_code >= 0)
        return exit_code;
    exit_code = service_ask("status", socket, true, WIRE_METHOD_STATUS_GET, json_object(), &answer);
    if (exit_code != EXIT_ALL_PASSED)
        return exit_code;
    if (json)
        return service_flush("status", service_print_json("status", answer, EXIT_ALL_PASSED));
    exit_code = print_table(answer, no_colour);
    json_decref(answer);
    return service_flush("status", exit_code);
}
