// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_SERVICE_VERB_H
#define TOOLS_SERVICE_VERB_H

#include "tools/daemon_client.h"

#include <jansson.h>
#include <stdbool.h>

/* What the verbs that talk to the service share. Main thread only. */

/* Lines of help that are the same for all of them. */
#define SERVICE_HELP_SOCKET                                                                        \
    "      --socket PATH  the daemon's socket (default: $DRIVEPRESS_SOCKET, else control.sock "    \
    "of\n"                                                                                         \
    "                     the configuration, /run/drivepress/control.sock)\n"
#define SERVICE_HELP_JSON "      --json         print one JSON object\n"
#define SERVICE_HELP_HELP "  -h, --help         this text\n"
#define SERVICE_HELP_EXIT                                                                          \
    "\n"                                                                                           \
    "Exit status: 0 done, 2 wrong usage, or the daemon's state does not allow it,\n"               \
    "4 there is no daemon or it was lost, 5 the image is missing, corrupt or untrusted.\n"

/* Says on stderr what is wrong and returns the exit code. */
int service_fail(const char *verb, const struct daemon_trouble *trouble);

/* The daemon's answer could not be understood. */
int service_bad_answer(const char *verb);

/* Connects; false: why not was said, and *exit_code tells it. */
bool service_open(const char *verb, struct daemon_client *client, const char *socket, bool reading,
                  int *exit_code);

/* Connects, asks one question and closes. Returns 0 with the answer, a new reference in *result, or
 * the exit code after saying what is wrong. `params` passes to the function. */
int service_ask(const char *verb, const char *socket, bool reading, const char *method,
                json_t *params, json_t **result);

/* A verb that takes no more than --json and --socket, and asks one question without params. */
struct service_verb {
    const char *name;
    const char *help;
    const char *method;
    int (*print)(const json_t *answer); /* tells people of it; returns the exit code */
};

/* Runs it: argv[0] is the verb. Returns the exit code. */
int service_verb_run(const struct service_verb *verb, int argc, char **argv);

/* Prints an object as the daemon sent it, in one line, and frees it; NULL is no memory. Returns the
 * exit code. */
int service_print_json(const char *verb, json_t *object, int exit_code);

/* All that the verb printed is out: the exit code, or another one after saying that it is not. */
int service_flush(const char *verb, int exit_code);

#endif
