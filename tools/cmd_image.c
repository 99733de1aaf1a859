// SPDX-License-Identifier: GPL-3.0-or-later
/* drivepress image VERB: its help and its arguments; and list and show, what masters there are. */
#include "lib/base/text.h"
#include "lib/base/units.h"
#include "lib/core/verdict.h"
#include "lib/image/catalogue.h"
#include "lib/image/hash.h"
#include "lib/image/source.h"
#include "tools/commands.h"
#include "tools/image_verb.h"
#include "tools/options.h"
#include "tools/text.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char image_help[] =
    "Usage: drivepress image add FILE      copy an image into the catalogue, with its manifest\n"
    "       drivepress image list          show all images of the catalogue\n"
    "       drivepress image show IMAGE    tell what is known of one: a name of the catalogue, or "
    "a "
    "file\n"
    "       drivepress image verify IMAGE  read one and compare it with its manifest\n"
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
    "  --images DIR     where to keep it (default: $DRIVEPRESS_IMAGES, else\n"
    "                   " CATALOGUE_SYSTEM_DIRECTORY " if it can be written, else your own\n"
    "                   ~/.local/share/drivepress/images, where root does not look)\n"
    "  --manifest-only  copy nothing; write FILE" MANIFEST_SUFFIX " beside FILE\n"
    "  --json           print one JSON object when done\n"
    "\n"
    "Exit code: 0 added, 2 usage or the name is taken, 5 the image was not added.\n";

static const char list_help[] =
    "Usage: drivepress image list [--images DIR] [--json]\n"
    "\n"
    "Shows every image of the catalogue, and what is wrong with those that cannot be used.\n"
    "\n"
    "  --images DIR     only this directory (default: $DRIVEPRESS_IMAGES, else\n"
    "                   " CATALOGUE_SYSTEM_DIRECTORY ", then\n"
    "                   ~/.local/share/drivepress/images; of two images of one name, the one\n"
    "                   that is shown first is used)\n"
    "  --json           print one JSON object\n"
    "\n"
    "Exit code: 0 all are good, 2 usage, 5 some image cannot be used.\n";

static const char show_help[] =
    "Usage: drivepress image show [--images DIR] [--json] NAME|FILE\n"
    "\n"
    "Shows one image: its size, its chunks, where it is, and the digests that its manifest tells.\n"
    "It does not read the image; `drivepress image verify` does.\n"
    "\n"
    "  --images DIR     look for NAME only there\n"
    "  --json           print one JSON object\n"
    "\n"
    "Exit code: 0 shown, 2 usage, 5 it is missing, or its manifest cannot be trusted.\n";

static const char verify_help[] =
    "Usage: drivepress image verify [--images DIR] [--json] NAME|FILE\n"
    "\n"
    "Reads one image to its end and compares it with its manifest, chunk by chunk and as a whole.\n"
    "\n"
    "  --images DIR     look for NAME only there\n"
    "  --json           print one JSON object when done\n"
    "\n"
    "Exit code: 0 it matches, 2 usage, 5 it does not match, has no manifest, or is missing.\n";

struct verb {
    const char *name;
    const char *help;
    const char *operand; /* what it needs one of; NULL for nothing */
    bool adds;           /* takes --name and --manifest-only */
    int (*run)(const struct image_arguments *arguments);
};

/* --- Output ----------------------------------------------------------------------------------- */

int image_fail(const struct image_arguments *arguments, const char *reason, int exit_code)
{
    char who[32];
    (void)snprintf(who, sizeof(who), "image %s", arguments->verb);
    text_complain(who, "%s", reason);
    return exit_code;
}

static json_t *digest_to_json(struct digest digest)
{
    char text[DIGEST_TEXT_BYTES];
    hash_format(text, digest);
    return json_string(text);
}

json_t *image_to_json(const char *name, const char *path, const struct manifest *manifest)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:o}", "name", name, "path", path,
                     "size_bytes", (json_int_t)manifest->size_bytes, "chunk_bytes",
                     (json_int_t)manifest->chunk_bytes, "chunk_count",
                     (json_int_t)manifest->chunk_count, "sha256", manifest->sha256, "xxh3_128",
                     digest_to_json(manifest->whole));
}

int image_print_json(const struct image_arguments *arguments, json_t *object, int exit_code)
{
    if (object == NULL)
        return image_fail(arguments, "no memory for the answer; close other programs",
                          EXIT_BAD_IMAGE);
    int failed = json_dumpf(object, stdout, 0);
    json_decref(object);
    if (failed != 0 || putchar('\n') == EOF)
        return image_fail(arguments, "cannot write the answer to the standard output",
                          EXIT_BAD_IMAGE);
    return exit_code;
}

/* --- list ------------------------------------------------------------------------------------- */

struct listing {
    struct catalogue_places places;
    struct catalogue catalogues[CATALOGUE_PLACES_MAX]; /* one for each place */
};

static json_t *entry_to_json(const struct catalogue_entry *entry, const char *directory)
{
    char path[PATH_MAX];
    if (catalogue_image_path(directory, entry->name, path, sizeof(path)) != 0)
        return NULL;
    if (entry->error != 0)
        return json_pack("{s:s, s:s, s:s}", "name", entry->name, "path", path, "error",
                         entry->reason);
    return image_to_json(entry->name, path, &entry->manifest);
}

/* Returns NULL without memory. */
static json_t *listing_to_json(const struct listing *listing)
{
    json_t *images = json_array();
    json_t *directories = json_array();
    int failed = 0;

    for (unsigned i = 0; i < listing->places.count; i++) {
        const struct catalogue *catalogue = &listing->catalogues[i];
        const char *path = listing->places.paths[i];
        failed |= json_array_append_new(directories, json_string(path));
        for (size_t j = 0; j < catalogue->count && !failed; j++)
            failed = json_array_append_new(images, entry_to_json(&catalogue->entries[j], path));
    }
    json_t *object = json_pack("{s:o, s:o}", "directories", directories, "images", images);
    if (failed) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void print_entries(const struct catalogue *catalogue)
{
    size_t width = 0;

    for (size_t i = 0; i < catalogue->count; i++)
        width = (size_t)max_u64(width, strlen(catalogue->entries[i].name));
    for (size_t i = 0; i < catalogue->count; i++) {
        const struct catalogue_entry *entry = &catalogue->entries[i];
        char size[UNITS_TEXT_BYTES];
        if (entry->error != 0) {
            (void)printf("%-*s  BAD: ", (int)width, entry->name);
            text_say(stdout, entry->reason);
            (void)putchar('\n');
            continue;
        }
        units_format_bytes(size, entry->manifest.size_bytes);
        (void)printf("%-*s  %9s  SHA-256 %.16s...\n", (int)width, entry->name, size,
                     entry->manifest.sha256);
    }
}

static void print_listing(const struct listing *listing, const char *chosen)
{
    char text[CATALOGUE_PLACES_MAX * PATH_MAX];
    char word[2 * PATH_MAX];
    size_t count = 0;

    for (unsigned i = 0; i < listing->places.count; i++) {
        if (listing->catalogues[i].count == 0)
            continue;
        count += listing->catalogues[i].count;
        (void)fputs("In ", stdout);
        text_say(stdout, listing->places.paths[i]);
        (void)fputs(":\n", stdout);
        print_entries(&listing->catalogues[i]);
    }
    if (count > 0)
        return;
    (void)fputs("No images in ", stdout);
    text_say(stdout, catalogue_places_text(&listing->places, text, sizeof(text)));
    (void)fputs(". Add one with `drivepress image add ", stdout);
    if (chosen != NULL) {
        (void)fputs("--images ", stdout);
        text_say(stdout, text_shell_word(word, sizeof(word), chosen, "DIR"));
        (void)fputc(' ', stdout);
    }
    (void)fputs("FILE`.\n", stdout);
}

int image_list(const struct image_arguments *arguments)
{
    char reason[IMAGE_REASON_BYTES];
    struct listing listing = {.places.count = 0};
    int exit_code = EXIT_ALL_PASSED;

    catalogue_places_find(&listing.places, arguments->images);
    if (listing.places.count == 0)
        return image_fail(arguments, "no directory for images is known; name one with --images",
                          EXIT_USAGE);
    for (unsigned i = 0; i < listing.places.count; i++) {
        struct catalogue *catalogue = &listing.catalogues[i];
        /* The others are shown all the same. */
        if (catalogue_list(catalogue, listing.places.paths[i], reason) != 0)
            exit_code = image_fail(arguments, reason, EXIT_BAD_IMAGE);
        for (size_t j = 0; j < catalogue->count; j++) {
            if (catalogue->entries[j].error != 0)
                exit_code = EXIT_BAD_IMAGE;
        }
    }
    if (arguments->json)
        exit_code = image_print_json(arguments, listing_to_json(&listing), exit_code);
    else
        print_listing(&listing, arguments->images);
    for (unsigned i = 0; i < listing.places.count; i++)
        catalogue_free(&listing.catalogues[i]);
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
    char word[2 * PATH_MAX];
    uint64_t padding_bytes = source->image.size_bytes - source->file_bytes;

    units_format_bytes(size, source->file_bytes);
    hash_format(whole, source->whole);
    (void)printf("name      %s\npath      ", source->name);
    text_say(stdout, source->path);
    (void)printf("\nsize      %s (%" PRIu64 " bytes)\n", size, source->file_bytes);
    if (source->compression != NULL)
        (void)printf(
            "WARNING   it looks like a %s file; drives would hold that, not what is in it\n",
            source->compression);
    if (padding_bytes > 0)
        (void)printf("padding   %" PRIu64 " zero bytes, to a whole sector of %d\n", padding_bytes,
                     IMAGE_SECTOR_BYTES);
    (void)printf("chunks    %" PRIu32 " of %" PRIu32 " bytes\n", source->image.chunk_count,
                 source->image.chunk_bytes);
    if (source->has_manifest) {
        (void)printf("SHA-256   %s\nXXH3-128  %s\n", source->sha256, whole);
        return;
    }
    (void)fputs("manifest  none; make one with `drivepress image add --manifest-only ", stdout);
    text_say(stdout, text_shell_word(word, sizeof(word), source->path, "FILE"));
    (void)fputs("`\n", stdout);
}

int image_show(const struct image_arguments *arguments)
{
    char reason[IMAGE_REASON_BYTES];
    struct source source;
    int exit_code = EXIT_ALL_PASSED;

    if (source_open(&source, arguments->operands[0], arguments->images, NULL, reason) != 0)
        return image_fail(arguments, reason, EXIT_BAD_IMAGE);
    if (arguments->json)
        exit_code = image_print_json(arguments, source_to_json(&source), exit_code);
    else
        print_source(&source);
    source_close(&source);
    return exit_code;
}

/* --- The verb --------------------------------------------------------------------------------- */

static const struct verb verbs[] = {
    {"add", add_help, "FILE", true, image_add},
    {"list", list_help, NULL, false, image_list},
    {"show", show_help, "NAME or FILE", false, image_show},
    {"verify", verify_help, "NAME or FILE", false, image_verify},
};

static int usage(const char *verb, const char *what, const char *which)
{
    char who[32];
    (void)snprintf(who, sizeof(who), "image%s%s", verb[0] != '\0' ? " " : "", verb);
    text_complain(who, "%s%s; see `drivepress %s --help`", what, which, who);
    return EXIT_USAGE;
}

/* A text that cannot be shown as it is cannot be told of either. */
static int check_texts(const struct verb *verb, const struct image_arguments *arguments)
{
    static const char advice[] = " is not UTF-8 text or has control characters in it: ";
    struct catalogue_places places;

    if (arguments->images != NULL && arguments->images[0] == '\0')
        return usage(verb->name, "the directory is empty: ", "--images");
    if (verb->operand != NULL && !text_is_clean(arguments->operands[0])) {
        text_complain("image", "the name of the file%srename it", advice);
        return EXIT_USAGE;
    }
    catalogue_places_find(&places, arguments->images);
    for (unsigned i = 0; i < places.count; i++) {
        if (!text_is_clean(places.paths[i])) {
            text_complain("image",
                          "the name of the directory of images%schoose another with "
                          "--images",
                          advice);
            return EXIT_USAGE;
        }
    }
    return -1;
}

/* Returns -1 to go on, else the exit code. */
static int parse(const struct verb *verb, struct image_arguments *arguments, int argc, char **argv)
{
    enum { HELP = 'h', IMAGES = 256, JSON, NAME, MANIFEST_ONLY };
    static const struct option options[] = {
        {"help", no_argument, NULL, HELP},
        {"images", required_argument, NULL, IMAGES},
        {"json", no_argument, NULL, JSON},
        {"name", required_argument, NULL, NAME},
        {"manifest-only", no_argument, NULL, MANIFEST_ONLY},
        {NULL, 0, NULL, 0},
    };
    char room[3];
    int option = 0;

    opterr = 0;
    optind = 0; /* begin anew: the program's own options were parsed before */
    while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
        if (option == HELP) {
            (void)fputs(verb->help, stdout);
            return EXIT_ALL_PASSED;
        }
        if (option == ':')
            return usage(verb->name, "a value is missing after ", argv[optind - 1]);
        if (option == '?')
            return usage(verb->name, "there is no option ", options_offender("h", argv, room));
        if ((option == NAME || option == MANIFEST_ONLY) && !verb->adds)
            return usage(verb->name, "there is no option ",
                         option == NAME ? "--name" : "--manifest-only");
        if (option == IMAGES)
            arguments->images = optarg;
        if (option == NAME)
            arguments->name = optarg;
        arguments->json |= option == JSON;
        arguments->manifest_only |= option == MANIFEST_ONLY;
    }
    arguments->operands = argv + optind;
    int count = argc - optind;
    int wanted = verb->operand != NULL ? 1 : 0;
    if (count < wanted || (wanted > 0 && arguments->operands[0][0] == '\0'))
        return usage(verb->name, "it needs one ", verb->operand);
    if (count > wanted)
        return usage(verb->name, "one too many: ", arguments->operands[wanted]);
    return check_texts(verb, arguments);
}

int cmd_image(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        (void)fputs(image_help, stdout);
        return EXIT_ALL_PASSED;
    }
    for (size_t i = 0; i < array_count(verbs); i++) {
        struct image_arguments arguments = {.verb = verbs[i].name};
        if (strcmp(name, verbs[i].name) != 0)
            continue;
        int exit_code = parse(&verbs[i], &arguments, argc - 1, argv + 1);
        if (exit_code < 0)
            exit_code = verbs[i].run(&arguments);
        if (fflush(stdout) != 0)
            exit_code =
                image_fail(&arguments, "cannot write to the standard output", EXIT_BAD_IMAGE);
        return exit_code;
    }
    return usage("", name[0] != '\0' ? "there is no verb " : "say add, list, show or verify", name);
}
