// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/service.h"
#include "daemon/session.h"

#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* drivepressd: the daemon. Happy path: parse the options, serve the rig or the session, leave. */

static const char help[] =
    "Usage: drivepressd [--config FILE] [--check-config]\n"
    "  or:  drivepressd --session-fd N\n"
    "Duplicate a master image onto the drives that are plugged into a rig.\n"
    "\n"
    "      --config FILE   the configuration; default " CONFIG_FILE "\n"
    "      --check-config  say what is wrong with the configuration, and exit\n"
    "      --session-fd N  serve one client on this open socket and end with it, as\n"
    "                      `drivepress write` and `drivepress verify` have it do\n"
    "      --version       print the version and exit\n"
    "  -h, --help          print this help and exit\n"
    "\n"
    "SIGHUP has it read its configuration again, SIGTERM stops every pass and ends it.\n"
    "See drivepressd(8) and drivepress.conf(5); `drivepress status` shows what it does.\n";

static int usage_error(const char *message)
{
    (void)fprintf(stderr, "drivepressd: %s\nTry `drivepressd --help`.\n", message);
    return 2;
}

static int parse_descriptor(const char *text)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && value >= 0 && value < 1024 ? (int)value : -1;
}

/* Every drive needs some descriptors for a moment, and the usual limit of 1024 is meant for
 * select(): take what may be had. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Every complaint on a line of its own. */
static int check_config(const char *file)
{
    static struct config_complaints complaints;
    struct config *config = config_load(file, &complaints);

    for (unsigned i = 0; i < complaints.count && i < CONFIG_COMPLAINTS_MAX; i++)
        (void)fprintf(stderr, "%s\n", complaints.items[i]);
    if (complaints.count > CONFIG_COMPLAINTS_MAX)
        (void)fprintf(stderr, "and %u more\n", complaints.count - CONFIG_COMPLAINTS_MAX);
    if (config == NULL)
        return 2;
    (void)printf("%s: fine, with %u named slot%s\n", file != NULL ? file : CONFIG_FILE,
                 config->layout.count, config->layout.count == 1 ? "" : "s");
    free(config);
    return 0;
}

static int run(int session_fd, const char *config_file)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes ends one target's pass, not all */
    raise_descriptor_limit();
    int status = session_fd >= 0 ? session_run(session_fd) : service_run(config_file);
    (void)fflush(NULL);
    /* Threads may still hang in the kernel on dying drives: leave without waiting for them. */
    _exit(status);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"check-config", no_argument, NULL, 'k'},
        {"session-fd", required_argument, NULL, 's'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    const char *config_file = NULL;
    bool only_check = false;
    int session_fd = -1;
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            config_file = optarg;
            break;
        case 'k':
            only_check = true;
            break;
        case 's':
            session_fd = parse_descriptor(optarg);
            if (session_fd < 0)
                return usage_error("--session-fd takes the number of an open descriptor");
            break;
        case 'v':
            (void)printf("drivepressd %s\n", DRIVEPRESS_VERSION);
            return 0;
        case 'h':
            (void)fputs(help, stdout);
            return 0;
        default:
            return 2;
        }
    }
    if (optind < argc)
        return usage_error("it takes options only");
    if (session_fd >= 0 && (config_file != NULL || only_check))
        return usage_error("--session-fd goes with no other option");
    return only_check ? check_config(config_file) : run(session_fd, config_file);
}
