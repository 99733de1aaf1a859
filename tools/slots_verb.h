// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_SLOTS_VERB_H
#define TOOLS_SLOTS_VERB_H

#include "lib/config/config.h"

#include <stdbool.h>
#include <stdint.h>

/* What the verbs of `drivepress slots` share. Main thread only. */

struct slots_arguments {
    const char *verb; /* "slots learn" */
    int word_count;   /* as it was typed: "learn", then options */
    char **words;
    const char *config; /* NULL: CONFIG_FILE, which may be missing */
    const char *output; /* NULL: conf.d/50-slots.conf beside the configuration */
    const char *claim;  /* NULL: CLAIM_FILE */
    const char *prefix; /* of new names */
    const char *socket;
    uint32_t columns; /* 0: not told */
    bool replace;
    bool yes;
    bool json;
};

/* Each returns the program's exit code. */
int slots_list(const struct slots_arguments *arguments);
int slots_learn(const struct slots_arguments *arguments);
int slots_claim(const struct slots_arguments *arguments);

/* Reads the configuration, for the caller to free(). NULL: what is wrong with it was said. */
struct config *slots_load(const struct slots_arguments *arguments);

/* Prints a layout as a table: names, places, ports. */
void slots_print(const struct layout *layout);

#endif
