// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/press_command.h"

#include "lib/base/clock.h"
#include "lib/base/text.h"
#include "lib/base/units.h"
#include "lib/core/verdict.h"
#include "lib/image/source.h"
#include "tools/confirm.h"
#include "tools/daemon_client.h"
#include "tools/daemon_process.h"
#include "tools/options.h"
#include "tools/press_client.h"
#include "tools/summary.h"
#include "tools/targets.h"
#include "tools/text.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/sysmacros.h>
#include <unistd.h>

struct press_command {
    struct press_options options;
    struct target_list targets;
    struct run_request request;
    uint64_t image_bytes;
    struct display display;
    struct press_outcome outcome;
    struct run_result unanswered; /* stands in for the daemon's answer if there was none */
};

__attribute__((format(printf, 2, 3))) static void complain(const struct press_command *press,
                                                           const char *format, ...)
{
    char text[TARGETS_REASON_BYTES + 256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text_complain(options_verb(press->options.mode), "%s", text);
}

/* An image of the catalogue goes by its name, for more is asked of those; a file by its path. */
static int fill_in_image(struct press_command *press, const struct source *source)
{
    const char *images = press->options.images != NULL ? press->options.images : "";
    char place[PATH_MAX];
    int error = 0;

    if (source->in_catalogue) {
        /* The place where it was found is the only one that the daemon looks at. */
        const char *slash = strrchr(source->path, '/');
        (void)snprintf(press->request.image, sizeof(press->request.image), "%s", source->name);
        (void)snprintf(place, sizeof(place), "%.*s", (int)(slash - source->path), source->path);
        images = place;
    } else {
        error = path_absolute(press->request.image, press->options.image);
    }
    if (error == 0 && press->options.manifest != NULL)
        error = path_absolute(press->request.manifest, press->options.manifest);
    if (error == 0)
        error = path_absolute(press->request.images, images);
    if (error != 0)
        complain(press, "a path has no absolute form: %s", strerror(-error));
    return error == 0 ? EXIT_ALL_PASSED : EXIT_USAGE;
}

/* What is known of the image without the daemon, for a summary that it has no part in. */
static void note_image(struct press_command *press, const struct source *source)
{
    struct run_result *result = &press->unanswered;

    (void)snprintf(result->image.name, sizeof(result->image.name), "%s", source->name);
    (void)path_absolute(result->image.path, source->path);
    result->image.size_bytes = source->file_bytes;
    result->image.padded_bytes = source->image.size_bytes;
    result->image.chunk_bytes = source->image.chunk_bytes;
    (void)snprintf(result->image.sha256, sizeof(result->image.sha256), "%s", source->sha256);
    result->image.manifest = source->has_manifest;
}

/* The image and its manifest must not be overwritten by themselves. */
static int keep_image_apart(struct press_command *press, const struct source *source)
{
    char reason[TARGETS_REASON_BYTES];
    char manifest[PATH_MAX + sizeof(MANIFEST_SUFFIX)];
    if (press->options.manifest != NULL)
        (void)snprintf(manifest, sizeof(manifest), "%s", press->options.manifest);
    else
        (void)snprintf(manifest, sizeof(manifest), "%s%s", source->path, MANIFEST_SUFFIX);
    if (targets_exclude(&press->targets, "the IMAGE", source->path, reason) == 0 &&
        targets_exclude(&press->targets, "the image's manifest", manifest, reason) == 0)
        return EXIT_ALL_PASSED;
    complain(press, "%s", reason);
    return EXIT_USAGE;
}

static void tell_about_image(const struct press_command *press, const struct source *source)
{
    uint64_t padding_bytes = source->image.size_bytes - source->file_bytes;
    char word[2 * PATH_MAX];
    if (source->compression != NULL)
        complain(press, SOURCE_COMPRESSED_WARNING, press->options.image, source->compression);
    if (press->options.quiet)
        return;
    if (!source->has_manifest)
        complain(press,
                 "note: the image has no manifest; `drivepress image add --manifest-only %s` makes "
                 "one, for a stronger check",
                 text_shell_word(word, sizeof(word), press->options.image, "IMAGE"));
    if (padding_bytes > 0)
        complain(press,
                 "note: the image is no multiple of %d bytes: it is padded with %" PRIu64
                 " zero bytes, which are verified too",
                 IMAGE_SECTOR_BYTES, padding_bytes);
}

/* The daemon opens the image again; this look is for a clear message before anything happens. */
static int check_image(struct press_command *press)
{
    char reason[IMAGE_REASON_BYTES] = "";
    struct source *source = malloc(sizeof(*source));
    if (source == NULL) {
        complain(press, "no memory to look at the image");
        return EXIT_NO_DAEMON;
    }
    int code = EXIT_BAD_IMAGE;
    if (!text_is_clean(press->options.image) ||
        (press->options.manifest != NULL && !text_is_clean(press->options.manifest)) ||
        (press->options.images != NULL && !text_is_clean(press->options.images))) {
        complain(press, "a path is not UTF-8 text or has control characters in it: rename it");
        code = EXIT_USAGE;
    } else if (source_open(source, press->options.image, press->options.images,
                           press->options.manifest, reason) != 0) {
        complain(press, "%s", reason);
    } else {
        note_image(press, source);
        code = keep_image_apart(press, source);
        if (code == EXIT_ALL_PASSED)
            code = fill_in_image(press, source);
        if (code == EXIT_ALL_PASSED)
            tell_about_image(press, source);
        press->image_bytes = source->image.size_bytes;
        source_close(source);
    }
    free(source);
    return code;
}

/* What the daemon is to open: this drive, whatever its path leads to by then. */
static struct run_target target_chosen(const struct target *target)
{
    struct run_target chosen = {.path = target->path, .block = S_ISBLK(target->status.st_mode)};

    if (chosen.block) {
        chosen.major = major(target->status.st_rdev);
        chosen.minor = minor(target->status.st_rdev);
        chosen.diskseq = target->diskseq;
    }
    return chosen;
}

static int check_targets(struct press_command *press)
{
    char reason[TARGETS_REASON_BYTES];
    struct run_request *request = &press->request;
    const struct press_options *options = &press->options;

    if (targets_open(&press->targets, options->targets, (uint32_t)options->target_count,
                     options->simulate, reason) != 0) {
        complain(press, "%s", reason);
        return EXIT_USAGE;
    }
    request->targets = calloc(press->targets.count, sizeof(request->targets[0]));
    if (request->targets == NULL) {
        complain(press, "no memory for the list of TARGETs");
        return EXIT_NO_DAEMON;
    }
    for (uint32_t i = 0; i < press->targets.count; i++)
        request->targets[i] = target_chosen(&press->targets.items[i]);
    request->target_count = press->targets.count;
    request->mode = options->mode;
    request->simulate = options->simulate;
    request->engine = options->engine;
    request->pool_bytes = options->pool_bytes;
    request->window = options->window;
    request->stall_ms = options->stall_ms;
    return EXIT_ALL_PASSED;
}

static int ask(const struct press_command *press)
{
    if (press->options.mode != MODE_WRITE || press->options.yes ||
        targets_device_count(&press->targets) == 0)
        return EXIT_ALL_PASSED;
    if (press->options.json || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        complain(press, "this erases drives and there is nobody to ask%s: add --yes if you mean it",
                 press->options.json ? " with --json" : "");
        return EXIT_USAGE;
    }
    return confirm_erase(&press->targets, text_locale_is_utf8()) ? EXIT_ALL_PASSED : EXIT_USAGE;
}

/* From here on signals are read from a descriptor. Those that nohup or a shell had us ignore stay
 * ignored: they would be delivered if they were blocked. */
static int open_signals(void)
{
    static const int stopping[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < array_count(stopping); i++) {
        struct sigaction action;
        if (sigaction(stopping[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            (void)sigaddset(&set, stopping[i]);
    }
    (void)sigaddset(&set, SIGWINCH);
    (void)sigaddset(&set, SIGCONT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int run(struct press_command *press)
{
    char reason[DAEMON_REASON_BYTES] = "";
    struct daemon_process daemon;
    int signal_fd = open_signals();

    if (daemon_process_start(&daemon, reason) != 0) {
        complain(press, "%s", reason);
        if (signal_fd >= 0)
            (void)close(signal_fd);
        return EXIT_NO_DAEMON;
    }
    display_start(&press->display, press->options.json, press->options.quiet,
                  press->options.no_colour, press->image_bytes, clock_now_ms());
    struct press_client_files files = {
        .session_fd = daemon.session_fd, .signal_fd = signal_fd, .log_fd = daemon.log_fd};
    press_client_run(&files, &press->request, press->options.targets, &press->display,
                     &press->outcome);

    if (press->outcome.end == CLIENT_REFUSED || press->outcome.end == CLIENT_LOST)
        complain(press, "%s", press->outcome.reason);
    if (press->outcome.end == CLIENT_GIVEN_UP) {
        /* Closing its session is what tells the daemon to end; nobody wants to wait any more. */
        complain(press, "ended without waiting for the drives");
        (void)close(daemon.session_fd);
    } else if (daemon_process_end(&daemon, reason) != DAEMON_ENDED) {
        complain(press, "%s", reason);
    }
    (void)close(daemon.log_fd);
    if (signal_fd >= 0)
        (void)close(signal_fd);
    return EXIT_ALL_PASSED;
}

static int print_summary(const struct press_command *press)
{
    struct summary summary = {.mode = press->options.mode,
                              .result = press->outcome.running ? &press->outcome.result
                                                               : &press->unanswered,
                              .snapshot = press->outcome.snapshot,
                              .elapsed_ms = press->outcome.elapsed_ms};
    struct winsize size = {0};
    bool terminal = isatty(STDOUT_FILENO) != 0;
    int error = 0;

    if (press->options.json) {
        error = summary_print_json(stdout, &summary);
    } else {
        if (terminal)
            (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        summary_print(stdout, &summary, size.ws_col, press->display.options.utf8,
                      terminal && press->display.options.colour);
    }
    if (error == 0 && (fflush(stdout) != 0 || ferror(stdout) != 0))
        error = -EIO;
    if (error != 0)
        complain(press, "the summary could not be written to standard output");
    return error;
}

static int finish(const struct press_command *press)
{
    const struct press_outcome *outcome = &press->outcome;
    if (outcome->end == CLIENT_REFUSED)
        return daemon_error_exit_code(outcome->error);
    /* Nothing can have begun: there is nothing to sum up. */
    if (!outcome->asked)
        return outcome->stopped ? EXIT_SOME_FAILED : EXIT_NO_DAEMON;
    int error = print_summary(press);
    struct verdict_totals totals = summary_totals(outcome->snapshot);
    int code = (int)verdict_totals_exit_code(&totals);
    if (outcome->end == CLIENT_LOST)
        return EXIT_NO_DAEMON;
    return code == EXIT_ALL_PASSED && error != 0 ? EXIT_NO_DAEMON : code;
}

int press_command(enum press_mode mode, int argc, char **argv)
{
    struct press_command *press = calloc(1, sizeof(*press));
    if (press == NULL) {
        (void)fputs("drivepress: no memory\n", stderr);
        return EXIT_NO_DAEMON;
    }
    /* A closed stdout is an error of writing, not the end of drives. */
    (void)signal(SIGPIPE, SIG_IGN);
    int code = EXIT_ALL_PASSED;
    switch (options_parse(&press->options, mode, argc, argv)) {
    case OPTIONS_HELP:
        free(press);
        return EXIT_ALL_PASSED;
    case OPTIONS_WRONG:
        free(press);
        return EXIT_USAGE;
    case OPTIONS_RUN:
        break;
    }
    code = check_targets(press);
    if (code == EXIT_ALL_PASSED)
        code = check_image(press);
    if (code == EXIT_ALL_PASSED)
        code = ask(press);
    if (code == EXIT_ALL_PASSED)
        code = run(press);
    if (code == EXIT_ALL_PASSED)
        code = finish(press);
    free(press->outcome.snapshot);
    free(press->request.targets);
    targets_free(&press->targets);
    free(press);
    return code;
}
