// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_IMAGE_VERB_H
#define TOOLS_IMAGE_VERB_H

#include "lib/image/manifest.h"

#include <jansson.h>
#include <stdbool.h>

/* What the verbs of `drivepress image` share. Main thread only. */

struct image_arguments {
    const char *verb;
    const char *name;   /* --name, or NULL */
    const char *images; /* --images, or NULL */
    bool manifest_only;
    bool json;
    char **operands; /* as many as the verb takes; clean text */
};

/* Each returns the program's exit code. */
int image_add(const struct image_arguments *arguments);
int image_list(const struct image_arguments *arguments);
int image_show(const struct image_arguments *arguments);
int image_verify(const struct image_arguments *arguments);

/* Says on stderr what is wrong and returns the exit code. */
int image_fail(const struct image_arguments *arguments, const char *reason, int exit_code);

/* The members that all verbs tell of an image. Returns NULL without memory. */
json_t *image_to_json(const char *name, const char *path, const struct manifest *manifest);

/* Prints and frees one JSON object; NULL is no memory. Returns the exit code. */
int image_print_json(const struct image_arguments *arguments, json_t *object, int exit_code);

/* A long read of an image that signals stop: begun before and ended after it, with the callback for
 * it in between, whose context is a struct image_progress. A signal that was ignored stays so.
 * image_reading_end() ends the program by the signal that stopped it, if one did and the exit code
 * tells of no success, so that a script's loop ends too; else it returns the exit code. */
void image_reading_begin(void);
int image_reading_step(void *context, uint64_t done_bytes, uint64_t size_bytes);
int image_reading_end(int exit_code);

#endif
