// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress slots VERB: its help and its arguments. */
#include "lib/base/units.h"
#include "lib/core/verdict.h"
#include "lib/rig/claim.h"
#include "tools/arguments.h"
#include "tools/commands.h"
#include "tools/service_verb.h"
#include "tools/slots_verb.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char slots_help[] =
    "Usage: drivepress slots list    show which port is which slot\n"
    "       drivepress slots learn   name ports by plugging a drive into one after the other\n"
    "       drivepress slots claim   give the ports of the configuration to the daemon\n"
    "\n"
    "`drivepress slots VERB --help` tells more about one of them.\n";

static const char list_help[] =
    "Usage: drivepress slots list [OPTION]...\n"
    "\n"
    "Show every slot of the rig: its name, its place, its ports and its state. Without a daemon,\n"
    "those of the configuration.\n"
    "\n"
    "      --config FILE  ask no daemon, read this configuration\n" //
    SERVICE_HELP_JSON                                               //
        SERVICE_HELP_SOCKET                                         //
            SERVICE_HELP_HELP                                       //
    "\n"
    "Exit status: 0 shown, 2 wrong usage or configuration, 4 the daemon was lost.\n";

static const char learn_help[] =
    "Usage: drivepress slots learn [OPTION]...\n"
    "\n"
    "Name the ports of the rig: plug one drive into one port after the other. At the end the "
    "slots\n"
    "are written as a drop-in of the configuration, and their ports are claimed: from then on the\n"
    "daemon may erase what is plugged into them. The other ports of the same external hubs become\n"
    "slots too, and are claimed with them. It needs root. No drive is opened.\n"
    "Slots that the configuration has already are kept, and the names go on behind them.\n"
    "\n"
    "      --config FILE  the configuration (default: " CONFIG_FILE ")\n"
    "      --output FILE  where the slots go (default: conf.d/50-slots.conf beside it)\n"
    "      --claim FILE   where the claim goes\n"
    "                     (default: " CLAIM_FILE ")\n"
    "      --columns N    the rig has N ports in a row, 1 to 99: A01 A02 ... then B01 B02 ...\n"
    "      --prefix TEXT  what the names begin with (default: A)\n"
    "      --replace      forget the slots that the configuration has\n"
    "  -y, --yes          do not ask before writing\n" //
    SERVICE_HELP_HELP                                  //
    "\n"
    "Exit status: 0 written, 2 wrong usage or configuration, or nothing was written,\n"
    "4 ports cannot be watched, or the files not written.\n";

static const char claim_help[] =
    "Usage: drivepress slots claim [OPTION]...\n"
    "\n"
    "Claim the ports of the slots in the configuration, after it was edited by hand: from then on\n"
    "the daemon may erase what is plugged into them. Of an external hub that has a slot all ports\n"
    "are claimed, for they become slots by themselves; no other port of the computer is. In all\n"
    "these ports, what is neither a drive nor a hub is switched off. It needs root, for the "
    "daemon\n"
    "can never do that by itself.\n"
    "\n"
    "      --config FILE  the configuration (default: " CONFIG_FILE ")\n"
    "      --claim FILE   where the claim goes\n"
    "                     (default: " CLAIM_FILE ")\n"
    "  -y, --yes          do not ask before writing; needed without a terminal\n" //
    SERVICE_HELP_HELP                                                             //
    "\n"
    "Exit status: 0 written, 2 wrong usage or configuration, or a port holds a disk that the\n"
    "system uses or a device that would be switched off, or nobody said yes, 4 the ports cannot "
    "be\n"
    "looked at, or the file not written.\n";

static int columns_of(struct slots_arguments *arguments, const char *text)
{
    uint64_t number = 0;

    if (text == NULL)
        return -1;
    if (text[strspn(text, "0123456789")] != '\0' || units_parse_bytes(text, &number) != 0 ||
        number < 1 || number > SLOT_PLACE_MAX)
        return arguments_wrong(arguments->verb,
                               "--columns needs a number from 1 to 99, not: ", text);
    arguments->columns = (uint32_t)number;
    return -1;
}

/* The daemon and udev read what is written, in directories that may have to be made, whatever
 * root's umask is. */
static void let_daemon_read(void)
{
    (void)umask(S_IWGRP | S_IWOTH);
}

static int run_list(int argc, char **argv)
{
    struct slots_arguments chosen = {.verb = "slots list"};
    const struct argument_option options[] = {
        {"config", 0, NULL, &chosen.config},
        {"socket", 0, NULL, &chosen.socket},
        {"json", 0, &chosen.json, NULL},
    };
    const struct arguments arguments = {
        .verb = chosen.verb, .help = list_help, .options = options, .option_count = 3};
    int exit_code = arguments_parse(&arguments, argc, argv, NULL, NULL);
    return exit_code >= 0 ? exit_code : service_flush(chosen.verb, slots_list(&chosen));
}

static int run_learn(int argc, char **argv)
{
    struct slots_arguments chosen = {
        .verb = "slots learn", .word_count = argc, .words = argv, .prefix = "A"};
    const char *columns = NULL;
    const struct argument_option options[] = {
        {"config", 0, NULL, &chosen.config}, {"output", 0, NULL, &chosen.output},
        {"claim", 0, NULL, &chosen.claim},   {"columns", 0, NULL, &columns},
        {"prefix", 0, NULL, &chosen.prefix}, {"replace", 0, &chosen.replace, NULL},
        {"yes", 'y', &chosen.yes, NULL},
    };
    const struct arguments arguments = {
        .verb = chosen.verb, .help = learn_help, .options = options, .option_count = 7};
    int exit_code = arguments_parse(&arguments, argc, argv, NULL, NULL);
    if (exit_code < 0)
        exit_code = columns_of(&chosen, columns);
    if (exit_code >= 0)
        return exit_code;
    let_daemon_read();
    return service_flush(chosen.verb, slots_learn(&chosen));
}

static int run_claim(int argc, char **argv)
{
    struct slots_arguments chosen = {.verb = "slots claim", .word_count = argc, .words = argv};
    const struct argument_option options[] = {
        {"config", 0, NULL, &chosen.config},
        {"claim", 0, NULL, &chosen.claim},
        {"yes", 'y', &chosen.yes, NULL},
    };
    const struct arguments arguments = {
        .verb = chosen.verb, .help = claim_help, .options = options, .option_count = 3};
    int exit_code = arguments_parse(&arguments, argc, argv, NULL, NULL);
    if (exit_code >= 0)
        return exit_code;
    let_daemon_read();
    return service_flush(chosen.verb, slots_claim(&chosen));
}

int cmd_slots(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } verbs[] = {{"list", run_list}, {"learn", run_learn}, {"claim", run_claim}};
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        (void)fputs(slots_help, stdout);
        return EXIT_ALL_PASSED;
    }
    for (size_t i = 0; i < array_count(verbs); i++) {
        if (strcmp(name, verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    }
    return arguments_wrong(
        "slots", name[0] != '\0' ? "there is no verb " : "say list, learn or claim", name);
}
