// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress slots claim: what the daemon may erase, as root says. The happy path: the slots and
 * what else is claimed are shown, and after a "yes" the claim is written. What can fail: the
 * configuration, udev, something in the ports that must not be given away, the file. */
#include "lib/core/verdict.h"
#include "tools/slots_files.h"
#include "tools/slots_reach.h"
#include "tools/slots_verb.h"
#include "tools/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void ignore_drive(void *context, const struct sighting *sighting)
{
    (void)context;
    (void)sighting;
}

static int complain_ports(const struct slots_arguments *arguments, int error)
{
    text_complain(arguments->verb, "the ports of this machine cannot be looked at: %s",
                  strerror(-error));
    return EXIT_NO_DAEMON;
}

/* An exit code; 0: somebody said yes. */
static int confirm(const struct slots_arguments *arguments)
{
    char answer[16];

    if (arguments->yes)
        return EXIT_ALL_PASSED;
    if (isatty(STDIN_FILENO) == 0) {
        text_complain(arguments->verb, "without a terminal nobody can be asked: it needs --yes");
        return EXIT_USAGE;
    }
    (void)fputs("From then on the daemon may ERASE what is plugged into these ports.\nWrite the "
                "claim to ",
                stdout);
    text_say(stdout, slots_claim_path(arguments));
    (void)fputs("? Type yes: ", stdout);
    (void)fflush(stdout);
    if (fgets(answer, sizeof(answer), stdin) != NULL && strcmp(answer, "yes\n") == 0)
        return EXIT_ALL_PASSED;
    (void)puts("Nothing was written.");
    return EXIT_USAGE;
}

/* The hubs, disks and other devices that are there now. An exit code. */
static int claim(const struct slots_arguments *arguments, const struct layout *layout,
                 struct port_watch *watch)
{
    slots_print(layout);
    int result = slots_print_further(watch, layout);
    (void)fflush(stdout); /* before what is wrong with it */
    if (result == 0)
        result = slots_check_ports(arguments, watch, layout);
    if (result < 0)
        return complain_ports(arguments, result);
    if (result > 0) {
        (void)puts("Nothing was written.");
        return EXIT_USAGE;
    }
    int exit_code = confirm(arguments);
    return exit_code == EXIT_ALL_PASSED ? slots_write_claim(arguments, layout) : exit_code;
}

static int look_and_claim(const struct slots_arguments *arguments, const struct layout *layout)
{
    struct port_watch *watch = NULL;
    unsigned present = 0;
    int error = port_watch_open(&watch, ignore_drive, NULL, &present);

    if (error != 0)
        return complain_ports(arguments, error);
    int exit_code = claim(arguments, layout, watch);
    port_watch_close(watch);
    if (exit_code == EXIT_ALL_PASSED) {
        (void)fputs("Claimed in ", stdout);
        text_say(stdout, slots_claim_path(arguments));
        (void)puts(". It counts for drives that are plugged in from now on.\n`drivepress reload` "
                   "tells the daemon of the slots.");
    }
    return exit_code;
}

/* Gives nothing away: nobody has to be asked. */
static int claim_nothing(const struct slots_arguments *arguments, const struct layout *layout)
{
    int exit_code = slots_write_claim(arguments, layout);
    if (exit_code == EXIT_ALL_PASSED)
        (void)puts("The configuration has no slots: all claims end. The daemon may erase no drive "
                   "that is\nplugged in from now on.");
    return exit_code;
}

int slots_claim(const struct slots_arguments *arguments)
{
    struct config *config = slots_load(arguments);
    int exit_code = EXIT_NO_DAEMON;

    if (config == NULL)
        return EXIT_USAGE;
    if (slots_may_write(arguments, slots_claim_path(arguments)))
        exit_code = config->layout.count > 0 ? look_and_claim(arguments, &config->layout)
                                             : claim_nothing(arguments, &config->layout);
    free(config);
    return exit_code;
}
