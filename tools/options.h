// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include "lib/wire/run.h"

#include <stdbool.h>
#include <stdint.h>

/* The command line of `write` and `verify`. */

struct press_options {
    enum press_mode mode;
    bool yes;
    bool json;
    bool quiet;
    bool simulate;
    bool no_colour;
    const char *manifest; /* NULL: the one beside the image */
    const char *images;   /* the catalogue's directory; NULL: the usual places */
    uint64_t pool_bytes;  /* 0: the default */
    uint32_t window;
    uint32_t stall_ms;
    enum engine_choice engine;
    const char *image;
    char **targets; /* into argv */
    int target_count;
};

enum options_result {
    OPTIONS_RUN,   /* go on */
    OPTIONS_HELP,  /* help was asked for and printed */
    OPTIONS_WRONG, /* what is wrong was said on stderr */
};

/* Reads the arguments of a verb; argv[0] is the verb. */
enum options_result options_parse(struct press_options *options, enum press_mode mode, int argc,
                                  char **argv);

/* The word that getopt_long() stumbled over when it returned '?' or ':'. `letters` are the short
 * options, and every long one without a letter has a value beyond those of characters. The word is
 * of argv or in `room`. */
const char *options_offender(const char *letters, char **argv, char room[3]);

/* "write" or "verify": what the verb is called, in messages and as "mode" in the JSON. Static. */
const char *options_verb(enum press_mode mode);

/* Prints the help of a verb on stdout. */
void options_help(enum press_mode mode);

#endif
