// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/base/units.h"
#include "lib/core/verdict.h"
#include "tools/commands.h"
#include "tools/text.h"

#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "Usage: drivepress VERB [OPTION]... [ARGUMENT]...\n"
    "\n"
    "Write one image onto many drives at once, and verify every byte of every copy.\n"
    "\n"
    "  write IMAGE TARGET...    write IMAGE onto drives or files and verify them\n"
    "  verify IMAGE TARGET...   compare drives or files with IMAGE; writes nothing\n"
    "  image VERB ...           keep images by name, each with a manifest for a strong check:\n"
    "                           add, list, show or verify\n"
    "\n"
    "With the daemon of a rig, which knows its slots:\n"
    "\n"
    "  status                   show the rig and every drive in it\n"
    "  arm                      start every drive that is plugged in from now on\n"
    "  disarm                   start no drive any more\n"
    "  start SLOT...|--all      start drives that are in already, or once more\n"
    "  stop SLOT...|--all       end passes now\n"
    "  slots VERB ...           which port is which slot: list, learn or claim\n"
    "  reload                   have the daemon read its configuration again\n"
    "\n"
    "  drivepress help VERB     what a verb does and its options, also `help image add`\n"
    "  drivepress --version     the version of this program\n"
    "\n"
    "Example: drivepress write films-2026.img /dev/sdb /dev/sdc\n";

static const struct {
    const char *verb;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"write", cmd_write}, {"verify", cmd_verify}, {"image", cmd_image}, {"status", cmd_status},
    {"arm", cmd_arm},     {"disarm", cmd_disarm}, {"start", cmd_start}, {"stop", cmd_stop},
    {"slots", cmd_slots}, {"reload", cmd_reload},
};

/* Descriptors 0 to 2 must exist, or files that we open would be taken for them. */
static int fill_standard_files(void)
{
    int fd = 0;
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 ? close(fd) : -1;
}

static int run_verb(int argc, char **argv)
{
    for (size_t i = 0; i < array_count(commands); i++) {
        if (strcmp(argv[0], commands[i].verb) == 0)
            return commands[i].run(argc, argv);
    }
    text_complain("", "there is no verb \"%s\"; try: drivepress --help", argv[0]);
    return EXIT_USAGE;
}

/* `drivepress help image add` is `drivepress image add --help`. */
static int print_help(int argc, char **argv)
{
    static char option[] = "--help";
    if (argc < 2) {
        (void)fputs(help, stdout);
        return EXIT_ALL_PASSED;
    }
    char *arguments[] = {argv[1], argc > 2 ? argv[2] : option, argc > 2 ? option : NULL, NULL};
    return run_verb(argc > 2 ? 3 : 2, arguments);
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        (void)fputs(help, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help(1, NULL);
    if (strcmp(argv[1], "help") == 0)
        return print_help(argc - 1, argv + 1);
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts("drivepress " DRIVEPRESS_VERSION);
        return EXIT_ALL_PASSED;
    }
    return run_verb(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    if (fill_standard_files() != 0)
        return EXIT_NO_DAEMON;
    (void)setlocale(LC_CTYPE, "");
    int code = run(argc, argv);
    /* The verbs tell of what they could not print; this is for the help. */
    if (code == EXIT_ALL_PASSED && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
        text_complain("", "cannot write to the standard output");
        return EXIT_NO_DAEMON;
    }
    return code;
}
