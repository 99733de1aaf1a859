// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_ARGUMENTS_H
#define TOOLS_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>

/* The command line of a verb as a table: options and then operands. Main thread only. */

enum { ARGUMENTS_OPTIONS_MAX = 16 };

/* An option: a flag, or one with a value that is used as it stands in argv. */
struct argument_option {
    const char *name; /* without the dashes */
    char letter;      /* 0: none */
    bool *flag;       /* set to true; NULL: it has a value */
    const char **value;
};

struct arguments {
    const char *verb; /* "slots learn": as people type it */
    const char *help; /* printed for -h and --help, which every verb has */
    const struct argument_option *options;
    size_t option_count;
    const char *operand; /* what the operands are called, "SLOT"; NULL: it takes none */
    int operands_max;
};

/* Reads argv, of which argv[0] is the verb itself. Returns -1 to go on, with the operands, at most
 * operands_max of them, in *operands and *count (both may be NULL when there are none); else the
 * exit code: help was printed, or what is wrong was said. */
int arguments_parse(const struct arguments *arguments, int argc, char **argv, char ***operands,
                    int *count);

/* Says what is wrong with the command line, and where help is. Returns the exit code. */
int arguments_wrong(const char *verb, const char *what, const char *which);

#endif
