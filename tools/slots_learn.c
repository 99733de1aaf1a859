// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress slots learn. The happy path: a drive appears in one port after the other and each gets
 * its name, Enter ends that, the ports of known hubs are named, the slots are shown and written
 * after a "yes". What can fail: udev, the question, the files; until the end nothing is written. No
 * disk is opened. */
#include "lib/core/verdict.h"
#include "tools/disk_use.h"
#include "tools/learn.h"
#include "tools/slots_files.h"
#include "tools/slots_reach.h"
#include "tools/slots_verb.h"
#include "tools/text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_BYTES = 64, DRIVE_NAME_BYTES = 128 };

struct session {
    const struct slots_arguments *arguments;
    struct learn learn;
    struct port_watch *watch;
    char input[ANSWER_BYTES]; /* of the line that is being typed */
    size_t input_bytes;
    bool input_ended;
};

/* --- What is typed ---------------------------------------------------------------------------- */

/* Takes the next whole line out of the input, cut to its room. */
static bool take_line(struct session *session, char line[ANSWER_BYTES])
{
    char *newline = memchr(session->input, '\n', session->input_bytes);
    size_t length = newline != NULL ? (size_t)(newline - session->input) : session->input_bytes;

    if (newline == NULL && !(session->input_ended && length > 0) && length < ANSWER_BYTES)
        return false;
    memcpy(line, session->input, length < ANSWER_BYTES ? length : ANSWER_BYTES - 1);
    line[length < ANSWER_BYTES ? length : ANSWER_BYTES - 1] = '\0';
    size_t taken = newline != NULL ? length + 1 : length;
    session->input_bytes -= taken;
    memmove(session->input, session->input + taken, session->input_bytes);
    return true;
}

static void read_input(struct session *session)
{
    ssize_t count = read(STDIN_FILENO, session->input + session->input_bytes,
                         sizeof(session->input) - session->input_bytes);
    if (count > 0)
        session->input_bytes += (size_t)count;
    else if (count == 0 || errno != EINTR)
        session->input_ended = true;
}

/* Waits for a line. False at the end of the input. */
static bool ask(struct session *session, const char *question, char answer[ANSWER_BYTES])
{
    (void)fputs(question, stdout);
    (void)fflush(stdout);
    while (!take_line(session, answer)) {
        if (session->input_ended) {
            (void)putchar('\n');
            return false;
        }
        read_input(session);
    }
    return true;
}

/* --- Learning --------------------------------------------------------------------------------- */

static void put_next(const struct session *session)
{
    char name[SLOT_NAME_BYTES];

    if (learn_next_name(&session->learn, name))
        (void)printf("Plug a drive into the port of slot %s. (Enter: done, u: undo)\n", name);
    else
        (void)puts("There is no name for a further slot. (Enter: done, u: undo)");
}

static void put_learned(const struct layout_slot *slot, const char *drive, const char *what)
{
    char text[PORT_TEXT_BYTES];

    (void)printf("%s  %s%s%s", slot->name, what, port_format(&slot->ports[0], text),
                 slot->port_count > 1 ? " and " : "");
    if (slot->port_count > 1)
        (void)fputs(port_format(&slot->ports[1], text), stdout);
    if (slot->lun > 0)
        (void)printf(", LUN %u", slot->lun);
    if (drive[0] != '\0') {
        (void)fputs("  (", stdout);
        text_say(stdout, drive);
        (void)putchar(')');
    }
    (void)putchar('\n');
}

static void take_port(struct session *session, const struct sighting *sighting, const char *drive)
{
    struct port faces[SLOT_PORTS_MAX];
    const struct layout_slot *slot = NULL;
    unsigned count = port_watch_faces(session->watch, &sighting->port, faces);

    switch (learn_take(&session->learn, faces, count, sighting->lun, &slot)) {
    case LEARN_ADDED:
        put_learned(slot, drive, "");
        (void)fputs("Pull it. ", stdout);
        break;
    case LEARN_KNOWN:
        put_learned(slot, drive, "is known already: ");
        break;
    case LEARN_FULL:
        (void)printf("A rig has at most %d slots. ", SLOTS_MAX);
        break;
    case LEARN_NO_NAMES:
        (void)fputs("This port gets no slot: the names have run out; begin again with another "
                    "--prefix or more --columns. ",
                    stdout);
        break;
    }
}

static void on_plugged(void *context, const struct sighting *sighting)
{
    struct session *session = context;
    char drive[DRIVE_NAME_BYTES];
    char use[DISK_USE_BYTES];

    port_watch_name(session->watch, sighting, drive, sizeof(drive));
    if (disk_use_find(sighting->path, &disk_use_system, use))
        text_complain(session->arguments->verb,
                      "%s is a disk of the running system (%s): its port gets no slot",
                      sighting->node, use);
    else
        take_port(session, sighting, drive);
    put_next(session);
}

/* True: done. */
static bool take_command(struct session *session, const char *line)
{
    char name[SLOT_NAME_BYTES];

    if (line[0] == '\0')
        return true;
    if (strcmp(line, "u") != 0)
        (void)puts("Press Enter alone when all ports are learned, or type u to undo the last one.");
    else if (learn_undo(&session->learn, name))
        (void)printf("%s is forgotten.\n", name);
    else
        (void)puts("There is nothing to undo.");
    put_next(session);
    return false;
}

/* Until the operator is done. 0 or -errno. */
static int learn(struct session *session)
{
    char line[ANSWER_BYTES];
    bool done = false;

    while (!done) {
        (void)fflush(stdout);
        struct pollfd files[] = {{.fd = port_watch_fd(session->watch), .events = POLLIN},
                                 {.fd = STDIN_FILENO, .events = POLLIN}};
        if (poll(files, 2, -1) < 0 && errno != EINTR)
            return -errno;
        /* What was plugged in before Enter belongs to it. */
        int error = port_watch_read(session->watch);
        if (error != 0)
            return error;
        if (files[1].revents != 0)
            read_input(session);
        while (!done && take_line(session, line))
            done = take_command(session, line);
        done = done || session->input_ended;
    }
    return 0;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static bool confirm(struct session *session, const char *path)
{
    char answer[ANSWER_BYTES];

    if (session->arguments->yes)
        return true;
    (void)fputs("From then on the daemon may ERASE what is plugged into these ports.\nWrite them "
                "to ",
                stdout);
    text_say(stdout, path);
    (void)fputs("\nand ", stdout);
    text_say(stdout, slots_claim_path(session->arguments));
    return ask(session, "? Type yes: ", answer) && strcmp(answer, "yes") == 0;
}

static int complain_ports(const struct session *session, int error)
{
    text_complain(session->arguments->verb, "the ports of this machine cannot be watched: %s",
                  strerror(-error));
    return EXIT_NO_DAEMON;
}

/* The system may have mounted a drive meanwhile; that can be put right. An exit code. */
static int check_ports(struct session *session)
{
    const struct slots_arguments *arguments = session->arguments;
    char answer[ANSWER_BYTES];

    for (;;) {
        int result = slots_check_ports(arguments, session->watch, &session->learn.layout);
        if (result == 0)
            return EXIT_ALL_PASSED;
        if (result < 0)
            return complain_ports(session, result);
        if (arguments->yes ||
            !ask(session, "Press Enter when that is done, Ctrl-C to give up: ", answer))
            return EXIT_USAGE;
    }
}

/* Both files or none of them, as far as Ctrl-C goes. */
static int write_files(const struct slots_arguments *arguments, const struct layout *layout)
{
    sigset_t signals;
    sigset_t before;

    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &signals, &before);
    int exit_code = slots_write_layout(arguments, layout);
    if (exit_code == EXIT_ALL_PASSED)
        exit_code = slots_write_claim(arguments, layout);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return exit_code;
}

static int finish(struct session *session, const char *path)
{
    struct layout *layout = &session->learn.layout;
    uint32_t learned = layout->count - session->learn.before;

    if (learned == 0) {
        (void)puts("No port was learned. Nothing was written.");
        return EXIT_USAGE;
    }
    int named = port_watch_name_hubs(session->watch, layout);
    if (named < 0)
        return complain_ports(session, named);
    slots_print(layout);
    (void)printf("%u %s learned", learned, learned == 1 ? "slot was" : "slots were");
    if (named > 0)
        (void)printf(", and %d more are ports of the same hubs", named);
    (void)puts(".");
    int exit_code = slots_print_further(session->watch, layout);
    (void)fflush(stdout); /* before what is wrong with it */
    exit_code = exit_code < 0 ? complain_ports(session, exit_code) : check_ports(session);
    if (exit_code == EXIT_ALL_PASSED && !confirm(session, path))
        exit_code = EXIT_USAGE;
    if (exit_code != EXIT_ALL_PASSED) {
        (void)puts("Nothing was written.");
        return exit_code;
    }
    exit_code = write_files(session->arguments, layout);
    if (exit_code == EXIT_ALL_PASSED)
        (void)puts("Written. The claim counts for drives that are plugged in from now on.\n"
                   "`drivepress reload` tells the daemon of the slots.");
    return exit_code;
}

/* Before somebody plugs in thirty drives. An exit code. */
static int start(struct session *session, char path[PATH_MAX])
{
    static const struct layout none;
    const struct slots_arguments *arguments = session->arguments;

    if (!slots_output_path(arguments, path))
        return EXIT_USAGE;
    if (!slots_may_write(arguments, path) ||
        !slots_may_write(arguments, slots_claim_path(arguments)))
        return EXIT_NO_DAEMON;
    if (!port_watch_is_told()) {
        text_complain(arguments->verb,
                      "udev does not run here, and without it nobody tells of drives: start "
                      "systemd-udevd, on the machine itself and not in a container");
        return EXIT_NO_DAEMON;
    }
    struct config *config = slots_load(arguments);
    if (config == NULL)
        return EXIT_USAGE;
    bool right = learn_start(&session->learn, arguments->replace ? &none : &config->layout,
                             arguments->prefix, arguments->columns);
    free(config);
    if (!right)
        text_complain(arguments->verb, "no slot's name can begin with: %s", arguments->prefix);
    return right ? EXIT_ALL_PASSED : EXIT_USAGE;
}

static int run(struct session *session, const char *path)
{
    unsigned present = 0;
    int error = port_watch_open(&session->watch, on_plugged, session, &present);

    if (error != 0)
        return complain_ports(session, error);
    if (present > 0)
        (void)printf("%u %s plugged in already; to learn such a port, pull its drive and plug it "
                     "in again.\n",
                     present, present == 1 ? "drive is" : "drives are");
    put_next(session);
    error = learn(session);
    return error != 0 ? complain_ports(session, error) : finish(session, path);
}

int slots_learn(const struct slots_arguments *arguments)
{
    struct session *session = calloc(1, sizeof(*session));
    char path[PATH_MAX];

    if (session == NULL) {
        text_complain(arguments->verb, "no memory; close other programs");
        return EXIT_NO_DAEMON;
    }
    session->arguments = arguments;
    int exit_code = start(session, path);
    if (exit_code == EXIT_ALL_PASSED)
        exit_code = run(session, path);
    port_watch_close(session->watch);
    free(session);
    return exit_code;
}
