// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/session.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* drivepressd: the daemon. Happy path: parse the options, serve the session, leave. */

static const char help[] =
    "Usage: drivepressd --session-fd N\n"
    "Duplicate a master image onto drives, for the client at the other end of a socket.\n"
    "\n"
    "      --session-fd N  serve one client on this open socket and end with it\n"
    "      --version       print the version and exit\n"
    "  -h, --help          print this help and exit\n"
    "\n"
    "`drivepress write` and `drivepress verify` start it by themselves.\n";

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

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"session-fd", required_argument, NULL, 's'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int session_fd = -1;
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
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
    if (optind < argc || session_fd < 0)
        return usage_error("it needs --session-fd and nothing else");
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on file sizes ends one target's pass, not all */
    raise_descriptor_limit();
    int status = session_run(session_fd);
    (void)fflush(NULL);
    /* Threads may still hang in the kernel on dying drives: leave without waiting for them. */
    _exit(status);
}
