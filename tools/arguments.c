// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/arguments.h"

#include "lib/base/check.h"
#include "lib/core/verdict.h"
#include "tools/options.h"
#include "tools/text.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

/* Beyond the values of characters, as options_offender() wants it. */
enum { OPTION_FIRST = 256 };

int arguments_wrong(const char *verb, const char *what, const char *which)
{
    text_complain(verb, "%s%s; see `drivepress %s --help`", what, which, verb);
    return EXIT_USAGE;
}

/* getopt's forms of the options: ":h" and the letters, and the long ones with --help. */
static void translate(const struct arguments *arguments, char *letters, struct option *options)
{
    size_t used = 0;

    check(arguments->option_count <= ARGUMENTS_OPTIONS_MAX);
    letters[used++] = ':';
    letters[used++] = 'h';
    options[0] = (struct option){"help", no_argument, NULL, 'h'};
    for (size_t i = 0; i < arguments->option_count; i++) {
        const struct argument_option *option = &arguments->options[i];
        bool flag = option->flag != NULL;
        options[i + 1] =
            (struct option){option->name, flag ? no_argument : required_argument, NULL,
                            option->letter != 0 ? option->letter : OPTION_FIRST + (int)i};
        if (option->letter == 0)
            continue;
        letters[used++] = option->letter;
        if (!flag)
            letters[used++] = ':';
    }
    letters[used] = '\0';
    options[arguments->option_count + 1] = (struct option){NULL, 0, NULL, 0};
}

static void take(const struct arguments *arguments, int found)
{
    for (size_t i = 0; i < arguments->option_count; i++) {
        const struct argument_option *option = &arguments->options[i];
        if (found != (option->letter != 0 ? option->letter : OPTION_FIRST + (int)i))
            continue;
        if (option->flag != NULL)
            *option->flag = true;
        else
            *option->value = optarg;
    }
}

int arguments_parse(const struct arguments *arguments, int argc, char **argv, char ***operands,
                    int *count)
{
    struct option options[ARGUMENTS_OPTIONS_MAX + 2];
    char letters[2 * ARGUMENTS_OPTIONS_MAX + 3];
    char room[3];
    int option = 0;

    translate(arguments, letters, options);
    opterr = 0;
    optind = 0; /* begin anew: the program's own options were parsed before */
    while ((option = getopt_long(argc, argv, letters, options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(arguments->help, stdout);
            return EXIT_ALL_PASSED;
        }
        if (option == ':')
            return arguments_wrong(arguments->verb, "a value is missing after ", argv[optind - 1]);
        if (option == '?')
            return arguments_wrong(arguments->verb, "there is no option ",
                                   options_offender(letters + 1, argv, room));
        take(arguments, option);
    }
    int given = argc - optind;
    if (given > arguments->operands_max)
        return arguments_wrong(arguments->verb,
                               "one too many: ", argv[optind + arguments->operands_max]);
    for (int i = optind; i < argc; i++) {
        if (!text_is_clean(argv[i]) || argv[i][0] == '\0')
            return arguments_wrong(arguments->verb, "no name that can be: ", argv[i]);
    }
    if (operands != NULL) {
        *operands = argv + optind;
        *count = given;
    }
    return -1;
}
