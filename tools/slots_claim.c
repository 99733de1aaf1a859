// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress slots claim: what the daemon may erase, as root says. */
#include "lib/core/verdict.h"
#include "tools/slots_files.h"
#include "tools/slots_verb.h"
#include "tools/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ignore_drive(void *context, const struct sighting *sighting)
{
    (void)context;
    (void)sighting;
}

/* Hubs that are there now, so that the disks on their other ports are looked at too. */
static int claim(const struct slots_arguments *arguments, const struct layout *layout)
{
    struct port_watch *watch = NULL;
    unsigned present = 0;
    int error = port_watch_open(&watch, ignore_drive, NULL, &present);

    if (error != 0) {
        text_complain(arguments->verb, "the ports of this machine cannot be looked at: %s",
                      strerror(-error));
        return EXIT_NO_DAEMON;
    }
    bool free_of_use = slots_check_use(arguments, watch, layout);
    port_watch_close(watch);
    return free_of_use ? slots_write_claim(arguments, layout) : EXIT_USAGE;
}

int slots_claim(const struct slots_arguments *arguments)
{
    struct config *config = slots_load(arguments);

    if (config == NULL)
        return EXIT_USAGE;
    int exit_code = claim(arguments, &config->layout);
    if (exit_code == EXIT_ALL_PASSED) {
        slots_print(&config->layout);
        (void)fputs("Claimed in ", stdout);
        text_say(stdout, slots_claim_path(arguments));
        (void)puts(". udev reads it by itself: it counts for drives that are plugged\nin from now "
                   "on. `drivepress reload` tells the daemon of the slots.");
    }
    free(config);
    return exit_code;
}
