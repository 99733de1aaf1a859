// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/options.h"

#include "lib/base/units.h"
#include "lib/wire/field.h"
#include "tools/targets.h"
#include "tools/text.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help_write[] =
    "Usage: drivepress write [OPTION]... IMAGE TARGET...\n"
    "\n"
    "Write IMAGE onto every TARGET at once, read every byte back and compare it.\n"
    "ALL DATA ON EVERY TARGET IS LOST.\n"
    "\n"
    "IMAGE is a file, or the name of an image that `drivepress image add` took in.\n"
    "A TARGET is a drive such as /dev/sdb, or a regular file, whose size is kept.\n"
    "\n"
    "  -y, --yes                 do not ask before erasing drives\n";

static const char help_verify[] =
    "Usage: drivepress verify [OPTION]... IMAGE TARGET...\n"
    "\n"
    "Read every TARGET at once and compare every byte with IMAGE. Nothing is written.\n"
    "\n"
    "IMAGE is a file, or the name of an image that `drivepress image add` took in.\n"
    "A TARGET is a drive such as /dev/sdb, or a regular file.\n"
    "\n"
    "  -y, --yes                 accepted, and needless: verify never asks\n";

static const char help_common[] =
    "  -q, --quiet               no progress, only the summary at the end\n"
    "      --json                print one JSON object at the end instead of the summary\n"
    "      --images DIR          where images are kept by name\n"
    "      --manifest FILE       the image's manifest (default: IMAGE.manifest, if it is there)\n"
    "      --pool SIZE           memory shared by all drives, such as 256M\n"
    "      --window N            requests under way per drive, 1 to 4 (default: 2)\n"
    "      --engine NAME         auto, io_uring or threads (default: auto)\n"
    "      --stall-timeout SECONDS  give up on a drive that is silent for so long (default: 30)\n"
    "      --simulate            TARGETs are files that play drives described in TARGET.sim\n"
    "      --no-color            no colours (also when NO_COLOR is set)\n"
    "  -h, --help                this text\n"
    "\n"
    "Exit status: 0 every drive passed, 1 some drive failed, 2 wrong usage,\n"
    "3 none failed but some were refused, 4 the engine could not run or was lost,\n"
    "5 the image is missing, corrupt or untrusted.\n"
    "\n";

const char *options_verb(enum press_mode mode)
{
    return mode == MODE_WRITE ? "write" : "verify";
}

void options_help(enum press_mode mode)
{
    (void)fputs(mode == MODE_WRITE ? help_write : help_verify, stdout);
    (void)fputs(help_common, stdout);
    (void)printf("Example: drivepress %s films-2026.img /dev/sdb /dev/sdc\n", options_verb(mode));
}

#define LETTERS "yqh"

enum {
    OPTION_JSON = 256,
    OPTION_SIMULATE,
    OPTION_MANIFEST,
    OPTION_IMAGES,
    OPTION_POOL,
    OPTION_WINDOW,
    OPTION_ENGINE,
    OPTION_STALL_TIMEOUT,
    OPTION_NO_COLOUR,
};

static const struct option long_options[] = {
    {"yes", no_argument, NULL, 'y'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, OPTION_JSON},
    {"simulate", no_argument, NULL, OPTION_SIMULATE},
    {"manifest", required_argument, NULL, OPTION_MANIFEST},
    {"images", required_argument, NULL, OPTION_IMAGES},
    {"pool", required_argument, NULL, OPTION_POOL},
    {"window", required_argument, NULL, OPTION_WINDOW},
    {"engine", required_argument, NULL, OPTION_ENGINE},
    {"stall-timeout", required_argument, NULL, OPTION_STALL_TIMEOUT},
    {"no-color", no_argument, NULL, OPTION_NO_COLOUR},
    {NULL, 0, NULL, 0},
};

static bool wrong(const struct press_options *options, const char *what, const char *value)
{
    text_complain(options_verb(options->mode), "%s%s", what, value);
    return false;
}

/* A whole number from 1 to max, and nothing else in the text. */
static bool parse_number(const char *text, uint32_t max, uint32_t *number)
{
    uint64_t value = 0;
    if (text[strspn(text, "0123456789")] != '\0' || units_parse_bytes(text, &value) != 0 ||
        value < 1 || value > max)
        return false;
    *number = (uint32_t)value;
    return true;
}

static bool take_images(struct press_options *options, const char *directory)
{
    if (directory[0] == '\0' || strlen(directory) >= PATH_MAX)
        return wrong(options, "--images needs the path of a directory, not: ", directory);
    options->images = directory;
    return true;
}

static bool take_value(struct press_options *options, int option, const char *value)
{
    switch (option) {
    case OPTION_MANIFEST:
        options->manifest = value;
        return true;
    case OPTION_IMAGES:
        return take_images(options, value);
    case OPTION_POOL:
        if (units_parse_bytes(value, &options->pool_bytes) != 0 || options->pool_bytes == 0 ||
            options->pool_bytes > WIRE_INTEGER_MAX)
            return wrong(options, "--pool needs a size such as 256M, not: ", value);
        return true;
    case OPTION_WINDOW:
        if (!parse_number(value, WINDOW_MAX, &options->window))
            return wrong(options, "--window needs a number from 1 to 4, not: ", value);
        return true;
    case OPTION_ENGINE:
        options->engine = engine_choice_from_word(value);
        if (options->engine == ENGINE_CHOICE_COUNT)
            return wrong(options, "--engine needs auto, io_uring or threads, not: ", value);
        return true;
    default:
        if (!parse_number(value, WIRE_STALL_MS_MAX / 1000, &options->stall_ms))
            return wrong(options, "--stall-timeout needs seconds from 1 to 86400, not: ", value);
        options->stall_ms *= 1000;
        return true;
    }
}

const char *options_offender(const char *letters, char **argv, char room[3])
{
    /* Zero for an unknown long option; a known one's value if it is used wrongly. */
    if (optopt <= 0 || optopt > UCHAR_MAX || strchr(letters, optopt) != NULL)
        return argv[optind - 1];
    room[0] = '-';
    room[1] = (char)optopt;
    room[2] = '\0';
    return room;
}

/* False: wrong, and said. */
static bool take_option(struct press_options *options, int option, char **argv, bool *help)
{
    char room[3];

    switch (option) {
    case 'y':
        options->yes = true;
        return true;
    case 'q':
        options->quiet = true;
        return true;
    case 'h':
        *help = true;
        return true;
    case OPTION_JSON:
        options->json = true;
        return true;
    case OPTION_SIMULATE:
        options->simulate = true;
        return true;
    case OPTION_NO_COLOUR:
        options->no_colour = true;
        return true;
    case ':':
        return wrong(options, "a value is missing after ", argv[optind - 1]);
    case '?':
        return wrong(options, "there is no option ", options_offender(LETTERS, argv, room));
    default:
        return take_value(options, option, optarg);
    }
}

static bool take_operands(struct press_options *options, int argc, char **argv)
{
    if (optind >= argc)
        return wrong(options, "no IMAGE given", "");
    options->image = argv[optind];
    options->targets = argv + optind + 1;
    options->target_count = argc - optind - 1;
    if (options->target_count == 0)
        return wrong(options, "no TARGET given: name the drives, for example /dev/sdb", "");
    if (options->target_count > TARGETS_MAX)
        return wrong(options, "at most 256 targets at once", "");
    return true;
}

enum options_result options_parse(struct press_options *options, enum press_mode mode, int argc,
                                  char **argv)
{
    bool help = false;
    bool right = true;

    *options = (struct press_options){.mode = mode,
                                      .window = WINDOW_DEFAULT,
                                      .stall_ms = (uint32_t)(STALL_NS_DEFAULT / NS_PER_MS),
                                      .engine = ENGINE_AUTO};
    opterr = 0;
    optind = 0;
    for (int option = 0; option != -1 && right && !help;) {
        option = getopt_long(argc, argv, ":" LETTERS, long_options, NULL);
        if (option != -1)
            right = take_option(options, option, argv, &help);
    }
    if (help) {
        options_help(mode);
        return OPTIONS_HELP;
    }
    if (!right || !take_operands(options, argc, argv)) {
        (void)fprintf(stderr, "Try: drivepress %s --help\n", options_verb(mode));
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}
