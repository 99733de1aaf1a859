// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress image add|list|show: what masters there are, and making their manifests. */
#include "lib/base/units.h"
#include "lib/core/verdict.h"
#include "lib/image/catalogue.h"
#include "lib/image/hash.h"
#include "lib/image/source.h"
#include "tools/commands.h"
#include "tools/image_progress.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char image_help[] =
    "Usage: drivepress image add FILE      copy an image into the catalogue, with its manifest\n"
    "       drivepress image list          show all images of the catalogue\n"
    "       drivepress image show IMAGE    show one image: a name of the catalogue, or a file\n"
    "\n"
    "`drivepress image VERB --help` tells more about one of them.\n";

static const char add_help[] =
    "Usage: drivepress image add [--name NAME] [--images DIR] [--json] FILE\n"
    "       drivepress image add --manifest-only [--name NAME] [--json] FILE\n"
    "\n"
    "Reads FILE once, copies it into the catalogue and writes its manifest: the digests that\n"
    "every drive is compared with. Then `drivepress write NAME TARGET...` writes it.\n"
    "\n"
    "  --name NAME      what to call it (default: the file's name without .img, .iso or .raw)\n"
    "  --images DIR     the catalogue's directory\n"
    "  --manifest-only  copy nothing; write FILE" MANIFEST_SUFFIX " beside FILE\n"
    "  --json           print one JSON object when done\n"
    "\n"
    "Exit code: 0 added, 2 usage or the name is taken, 5 the image was not added.\n";

static const char list_help[] =
    "Usage: drivepress image list [--images DIR] [--json]\n"
    "\n"
    "Shows every image of the catalogue, and what is wrong with those that cannot be used.\n"
    "\n"
    "  --images DIR     the catalogue's directory\n"
    "  --json           print one JSON object\n"
    "\n"
    "Exit code: 0 all are good, 2 usage, 5 some image cannot be used.\n";

static const char show_help[] =
    "Usage: drivepress image show [--images DIR] [--json] NAME|FILE\n"
    "\n"
    "Shows one image: its size, its chunks, its digests and where it is.\n"
    "\n"
    "  --images DIR     the catalogue's directory\n"
    "  --json           print one JSON object\n"
    "\n"
    "Exit code: 0 shown, 2 usage, 5 it is missing or cannot be trusted.\n";

struct arguments {
    const char *verb;
    const char *name;
    const char *images;
    bool manifest_only;
    bool json;
    char **operands;
    int operand_count;
};

struct verb {
    const char *name;
    const char *help;
    const char *operand; /* what it needs one of; NULL for nothing */
    bool adds;           /* takes --name and --manifest-only */
    int (*run)(const struct arguments *arguments);
};

/* --- Output ----------------------------------------------------------------------------------- */

static int fail(const struct arguments *arguments, const char *reason, int exit_code)
{
    (void)fprintf(stderr, "drivepress image %s: %s\n", arguments->verb, reason);
    return exit_code;
}

/* A text as JSON. A path need not be UTF-8: what is not becomes '?'. */
static json_t *text_to_json(const char *text)
{
    json_t *json = json_string(text);
    char *copy = json == NULL ? strdup(text) : NULL;

    if (copy == NULL)
        return json;
    for (char *at = copy; *at != '\0'; at++) {
        if ((unsigned char)*at >= 0x80)
            *at = '?';
    }
    json = json_string(copy);
    free(copy);
    return json;
}

static json_t *digest_to_json(struct digest digest)
{
    char text[DIGEST_TEXT_BYTES];
    hash_format(text, digest);
    return json_string(text);
}

/* The fields that add, list and show share. Returns NULL without memory. */
static json_t *image_to_json(const char *name, const char *path, const struct manifest *manifest)
{
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:s, s:o}", "name", name, "path",
                     text_to_json(path), "size_bytes", (json_int_t)manifest->size_bytes,
                     "chunk_bytes", (json_int_t)manifest->chunk_bytes, "chunk_count",
                     (json_int_t)manifest->chunk_count, "sha256", manifest->sha256, "xxh3_128",
                     digest_to_json(manifest->whole));
}

/* Prints and frees one JSON object; NULL is no memory. Returns the exit code. */
static int print_json(const struct arguments *arguments, json_t *object, int exit_code)
{
    if (object == NULL)
        return fail(arguments, "no memory for the answer; close other programs", EXIT_BAD_IMAGE);
    int failed = json_dumpf(object, stdout, 0);
    json_decref(object);
    if (failed != 0 || putchar('\n') == EOF)
        return fail(arguments, "cannot write the answer to the standard output", EXIT_BAD_IMAGE);
    return exit_code;
}

/* Finds the catalogue's directory. Returns NULL after it has said what is wrong. */
static const char *images_directory(const struct arguments *arguments, char path[PATH_MAX])
{
    if (arguments->images != NULL)
        return arguments->images;
    if (catalogue_default_directory(path, PATH_MAX) == 0)
        return path;
    (void)fail(arguments, "no directory for images is known; name one with --images", 0);
    return NULL;
}

/* --- add -------------------------------------------------------------------------------------- */

static volatile sig_atomic_t stop_signal;

static void note_signal(int signal_number)
{
    stop_signal = signal_number;
}

static int show_progress(void *context, uint64_t done_bytes, uint64_t size_bytes)
{
    if (stop_signal != 0)
        return -1;
    image_progress_show(context, done_bytes, size_bytes);
    return 0;
}

static int report_added(const struct arguments *arguments, const struct manifest *manifest,
                        const char *path, uint64_t duration_ns)
{
    char size[UNITS_TEXT_BYTES];
    char duration[UNITS_TEXT_BYTES];
    char rate[UNITS_TEXT_BYTES];
    uint64_t padding_bytes = manifest_padded_bytes(manifest->size_bytes) - manifest->size_bytes;

    if (arguments->json)
        return print_json(arguments, image_to_json(manifest->name, path, manifest),
                          EXIT_ALL_PASSED);
    units_format_bytes(size, manifest->size_bytes);
    units_format_duration(duration, duration_ns);
    units_format_bytes(rate, image_progress_rate(manifest->size_bytes, duration_ns));
    (void)printf("%s: %s, SHA-256 %s, took %s (%s/s)\n", manifest->name, size, manifest->sha256,
                 duration, rate);
    if (padding_bytes > 0)
        (void)printf("Its size is not a multiple of %d bytes: a drive gets %" PRIu64
                     " zero bytes more, which are verified too.\n",
                     IMAGE_SECTOR_BYTES, padding_bytes);
    if (arguments->manifest_only)
        (void)printf("Write it with `drivepress write '%s' TARGET...`\n", path);
    else
        (void)printf("Write it with `drivepress write %s TARGET...`\n", manifest->name);
    return EXIT_ALL_PASSED;
}

/* Copies into the catalogue or only writes the manifest beside the file; path is then where the
 * image is. 0 or -errno with a reason. */
static int add_image(const struct arguments *arguments, const char *directory, const char *name,
                     struct image_progress *progress, struct manifest *manifest,
                     char path[PATH_MAX], char reason[IMAGE_REASON_BYTES])
{
    const char *file = arguments->operands[0];
    char manifest_path[PATH_MAX];

    if (!arguments->manifest_only) {
        int error = catalogue_add(directory, name, file, show_progress, progress, manifest, reason);
        if (error == 0)
            error = catalogue_image_path(directory, name, path, PATH_MAX);
        return error;
    }
    int length = snprintf(manifest_path, PATH_MAX, "%s" MANIFEST_SUFFIX, file);
    if (length < 0 || length >= PATH_MAX) {
        (void)snprintf(reason, IMAGE_REASON_BYTES, "this path is too long; use a shorter one");
        return -ENAMETOOLONG;
    }
    (void)snprintf(path, PATH_MAX, "%s", file);
    int error = manifest_compute(manifest, name, file, -1, show_progress, progress, reason);
    if (error != 0)
        return error;
    error = manifest_save(manifest, manifest_path, reason);
    if (error != 0)
        manifest_free(manifest);
    return error;
}

static int add_and_report(const struct arguments *arguments, const char *directory,
                          const char *name)
{
    struct image_progress progress;
    struct manifest manifest;
    char path[PATH_MAX];
    char reason[IMAGE_REASON_BYTES] = "";

    image_progress_begin(&progress, name);
    int error = add_image(arguments, directory, name, &progress, &manifest, path, reason);
    uint64_t duration_ns = image_progress_end(&progress);
    if (error == -ECANCELED)
        return fail(arguments, "stopped; nothing was added", EXIT_BAD_IMAGE);
    if (error != 0)
        return fail(arguments, reason, error == -EEXIST ? EXIT_USAGE : EXIT_BAD_IMAGE);
    int exit_code = report_added(arguments, &manifest, path, duration_ns);
    manifest_free(&manifest);
    return exit_code;
}

static int run_add(const struct arguments *arguments)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction before[array_count(signals)];
    struct sigaction action = {.sa_handler = note_signal};
    char fallback[PATH_MAX];
    char name[MANIFEST_NAME_BYTES];
    char reason[IMAGE_REASON_BYTES];
    const char *directory = NULL;

    if (arguments->manifest_only && arguments->images != NULL)
        return fail(arguments, "--manifest-only copies nothing; leave out --images", EXIT_USAGE);
    if (arguments->name != NULL && manifest_check_name(arguments->name, reason) != 0)
        return fail(arguments, reason, EXIT_USAGE);
    if (!arguments->manifest_only) {
        directory = images_directory(arguments, fallback);
        if (directory == NULL)
            return EXIT_USAGE;
    }
    manifest_name_from_path(name, arguments->operands[0]);

    stop_signal = 0;
    for (size_t i = 0; i < array_count(signals); i++)
        (void)sigaction(signals[i], &action, &before[i]);
    int exit_code =
        add_and_report(arguments, directory, arguments->name != NULL ? arguments->name : name);
    for (size_t i = 0; i < array_count(signals); i++)
        (void)sigaction(signals[i], &before[i], NULL);
    /* End as the signal would have ended it, so that a script's loop stops too. */
    if (stop_signal != 0 && exit_code != EXIT_ALL_PASSED)
        (void)raise(stop_signal);
    return exit_code;
}

/* --- list ------------------------------------------------------------------------------------- */

static json_t *entry_to_json(const struct catalogue_entry *entry, const char *directory)
{
    char path[PATH_MAX];
    if (entry->error != 0)
        return json_pack("{s:s, s:o}", "name", entry->name, "error", text_to_json(entry->reason));
    if (catalogue_image_path(directory, entry->name, path, sizeof(path)) != 0)
        return NULL;
    return image_to_json(entry->name, path, &entry->manifest);
}

/* Returns NULL without memory. */
static json_t *catalogue_to_json(const struct catalogue *catalogue, const char *directory)
{
    json_t *images = json_array();
    int failed = images == NULL;

    for (size_t i = 0; i < catalogue->count && !failed; i++)
        failed = json_array_append_new(images, entry_to_json(&catalogue->entries[i], directory));
    if (failed) {
        json_decref(images);
        return NULL;
    }
    return json_pack("{s:o, s:o}", "directory", text_to_json(directory), "images", images);
}

static void print_catalogue(const struct catalogue *catalogue, const char *directory)
{
    size_t width = 0;

    if (catalogue->count == 0)
        (void)printf("No images in %s. Add one with `drivepress image add FILE`.\n", directory);
    for (size_t i = 0; i < catalogue->count; i++)
        width = (size_t)max_u64(width, strlen(catalogue->entries[i].name));
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        char size[UNITS_TEXT_BYTES];
        if (entry->error != 0) {
            (void)printf("%-*s  BAD: %s\n", (int)width, entry->name, entry->reason);
            continue;
        }
        units_format_bytes(size, entry->manifest.size_bytes);
        (void)printf("%-*s  %9s  SHA-256 %.16s...\n", (int)width, entry->name, size,
                     entry->manifest.sha256);
    }
}

static int run_list(const struct arguments *arguments)
{
    char fallback[PATH_MAX];
    char reason[IMAGE_REASON_BYTES];
    struct catalogue catalogue;
    const char *directory = images_directory(arguments, fallback);
    int exit_code = EXIT_ALL_PASSED;

    if (directory == NULL)
        return EXIT_USAGE;
    if (catalogue_list(&catalogue, directory, reason) != 0)
        return fail(arguments, reason, EXIT_BAD_IMAGE);
    for (size_t i = 0; i < catalogue.count; i++) {
        if (catalogue.entries[i].error != 0)
            exit_code = EXIT_BAD_IMAGE;
    }
    if (arguments->json)
        exit_code = print_json(arguments, catalogue_to_json(&catalogue, directory), exit_code);
    else
        print_catalogue(&catalogue, directory);
    catalogue_free(&catalogue);
    return exit_code;
}

/* --- show ------------------------------------------------------------------------------------- */

static json_t *source_to_json(const struct source *source)
{
    struct manifest manifest = {.size_bytes = source->file_bytes,
                                .chunk_bytes = source->image.chunk_bytes,
                                .chunk_count = source->image.chunk_count,
                                .whole = source->whole};
    memcpy(manifest.sha256, source->sha256, sizeof(manifest.sha256));
    json_t *object = image_to_json(source->name, source->path, &manifest);
    if (object == NULL || source->has_manifest)
        return object;
    if (json_object_set_new(object, "sha256", json_null()) != 0 ||
        json_object_set_new(object, "xxh3_128", json_null()) != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void print_source(const struct source *source)
{
    char size[UNITS_TEXT_BYTES];
    char whole[DIGEST_TEXT_BYTES];
    uint64_t padding_bytes = source->image.size_bytes - source->file_bytes;

    units_format_bytes(size, source->file_bytes);
    hash_format(whole, source->whole);
    (void)printf("name      %s\npath      %s\nsize      %s (%" PRIu64 " bytes)\n", source->name,
                 source->path, size, source->file_bytes);
    if (padding_bytes > 0)
        (void)printf("padding   %" PRIu64 " zero bytes, to a whole sector of %d\n", padding_bytes,
                     IMAGE_SECTOR_BYTES);
    (void)printf("chunks    %" PRIu32 " of %" PRIu32 " bytes\n", source->image.chunk_count,
                 source->image.chunk_bytes);
    if (source->has_manifest)
        (void)printf("SHA-256   %s\nXXH3-128  %s\n", source->sha256, whole);
    else
        (void)printf("manifest  none; make one with `drivepress image add --manifest-only '%s'`\n",
                     source->path);
}

static int run_show(const struct arguments *arguments)
{
    char reason[IMAGE_REASON_BYTES];
    struct source source;
    int exit_code = EXIT_ALL_PASSED;

    if (source_open(&source, arguments->operands[0], arguments->images, NULL, reason) != 0)
        return fail(arguments, reason, EXIT_BAD_IMAGE);
    if (arguments->json)
        exit_code = print_json(arguments, source_to_json(&source), exit_code);
    else
        print_source(&source);
    source_close(&source);
    return exit_code;
}

/* --- The verb --------------------------------------------------------------------------------- */

static const struct verb verbs[] = {
    {"add", add_help, "FILE", true, run_add},
    {"list", list_help, NULL, false, run_list},
    {"show", show_help, "NAME or FILE", false, run_show},
};

static int usage(const char *verb, const char *what, const char *which)
{
    (void)fprintf(stderr, "drivepress image%s%s: %s%s; see `drivepress image%s%s --help`\n",
                  verb[0] != '\0' ? " " : "", verb, what, which, verb[0] != '\0' ? " " : "", verb);
    return EXIT_USAGE;
}

/* Returns -1 to go on, else the exit code. */
static int parse(const struct verb *verb, struct arguments *arguments, int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'},          {"images", required_argument, NULL, 'i'},
        {"json", no_argument, NULL, 'j'},          {"name", required_argument, NULL, 'n'},
        {"manifest-only", no_argument, NULL, 'm'}, {NULL, 0, NULL, 0},
    };
    int option = 0;

    opterr = 0;
    optind = 0; /* begin anew: the program's own options were parsed before */
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(verb->help, stdout);
            return EXIT_ALL_PASSED;
        }
        if (option == ':')
            return usage(verb->name, "there is no value after ", argv[optind - 1]);
        if (option == '?')
            return usage(verb->name, "unknown option ", argv[optind - 1]);
        if ((option == 'n' || option == 'm') && !verb->adds)
            return usage(verb->name, "unknown option ",
                         option == 'n' ? "--name" : "--manifest-only");
        if (option == 'i')
            arguments->images = optarg;
        if (option == 'n')
            arguments->name = optarg;
        arguments->json |= option == 'j';
        arguments->manifest_only |= option == 'm';
    }
    arguments->operands = argv + optind;
    arguments->operand_count = argc - optind;
    int wanted = verb->operand != NULL ? 1 : 0;
    if (arguments->operand_count < wanted || (wanted > 0 && arguments->operands[0][0] == '\0'))
        return usage(verb->name, "it needs one ", verb->operand);
    if (arguments->operand_count > wanted)
        return usage(verb->name, "one too many: ", arguments->operands[wanted]);
    if (arguments->images != NULL && arguments->images[0] == '\0')
        return usage(verb->name, "the directory is empty: ", "--images");
    return -1;
}

int cmd_image(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        (void)fputs(image_help, stdout);
        return EXIT_ALL_PASSED;
    }
    for (size_t i = 0; i < array_count(verbs); i++) {
        struct arguments arguments = {.verb = verbs[i].name};
        if (strcmp(name, verbs[i].name) != 0)
            continue;
        int exit_code = parse(&verbs[i], &arguments, argc - 1, argv + 1);
        if (exit_code < 0)
            exit_code = verbs[i].run(&arguments);
        if (fflush(stdout) != 0)
            exit_code = fail(&arguments, "cannot write to the standard output", EXIT_BAD_IMAGE);
        return exit_code;
    }
    return usage("", name[0] != '\0' ? "unknown verb " : "say add, list or show", name);
}
