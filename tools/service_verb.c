// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/service_verb.h"

#include "lib/core/verdict.h"
#include "tools/arguments.h"
#include "tools/text.h"

#include <stdio.h>

int service_fail(const char *verb, const struct daemon_trouble *trouble)
{
    text_complain(verb, "%s", trouble->reason);
    return daemon_trouble_exit_code(trouble);
}

int service_bad_answer(const char *verb)
{
    text_complain(verb, "the daemon gave an answer that makes no sense; install drivepress and "
                        "drivepressd from one version");
    return EXIT_NO_DAEMON;
}

bool service_open(const char *verb, struct daemon_client *client, const char *socket, bool reading,
                  int *exit_code)
{
    struct daemon_client_options options = {.socket = socket, .reading = reading};
    struct daemon_trouble trouble;

    if (daemon_client_open(client, &options, &trouble))
        return true;
    *exit_code = service_fail(verb, &trouble);
    return false;
}

int service_ask(const char *verb, const char *socket, bool reading, const char *method,
                json_t *params, json_t **result)
{
    struct daemon_client client;
    struct daemon_trouble trouble;
    int exit_code = EXIT_ALL_PASSED;

    if (!service_open(verb, &client, socket, reading, &exit_code)) {
        json_decref(params);
        return exit_code;
    }
    if (!daemon_client_ask(&client, method, params, result, &trouble))
        exit_code = service_fail(verb, &trouble);
    daemon_client_close(&client);
    return exit_code;
}

int service_verb_run(const struct service_verb *verb, int argc, char **argv)
{
    const char *socket = NULL;
    bool json = false;
    const struct argument_option options[] = {
        {"socket", 0, NULL, &socket},
        {"json", 0, &json, NULL},
    };
    const struct arguments arguments = {
        .verb = verb->name, .help = verb->help, .options = options, .option_count = 2};
    json_t *answer = NULL;

    int exit_code = arguments_parse(&arguments, argc, argv, NULL, NULL);
    if (exit_code >= 0)
        return exit_code;
    exit_code = service_ask(verb->name, socket, false, verb->method, json_object(), &answer);
    if (exit_code != EXIT_ALL_PASSED)
        return exit_code;
    exit_code = json ? service_print_json(verb->name, json_incref(answer), EXIT_ALL_PASSED)
                     : verb->print(answer);
    json_decref(answer);
    return service_flush(verb->name, exit_code);
}

int service_print_json(const char *verb, json_t *object, int exit_code)
{
    if (object == NULL) {
        text_complain(verb, "no memory for the answer; close other programs");
        return EXIT_NO_DAEMON;
    }
    /* 15 digits give every decimal fraction back as it was sent. */
    int failed = json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(object);
    if (failed == 0)
        (void)putchar('\n');
    return exit_code;
}

int service_flush(const char *verb, int exit_code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return exit_code;
    text_complain(verb, "cannot write to the standard output");
    return exit_code != EXIT_ALL_PASSED ? exit_code : EXIT_NO_DAEMON;
}
