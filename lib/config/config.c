// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/config/config_parser.h"

#include "lib/base/check.h"
#include "lib/base/text.h"
#include "lib/base/units.h"
#include "lib/image/catalogue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Finds the files and reads them one after the other into the parser. */

#define DROP_IN_DIRECTORY "conf.d"
#define DROP_IN_SUFFIX    ".conf"

enum {
    SLOTS_DEFAULT = 64,
    FILE_SHOWN_BYTES = 160, /* of a path in a complaint: its end */
};

void config_complain(struct config_complaints *complaints, const char *file, unsigned line,
                     const char *format, ...)
{
    char number[16] = "";
    size_t length = strlen(file);
    const char *shown = length > FILE_SHOWN_BYTES ? file + (length - FILE_SHOWN_BYTES) : file;
    va_list arguments;

    if (complaints->count++ >= CONFIG_COMPLAINTS_MAX)
        return;
    char *text = complaints->items[complaints->count - 1];
    if (line != 0)
        (void)snprintf(number, sizeof(number), ":%u", line);
    int used = snprintf(text, CONFIG_COMPLAINT_BYTES, "%s%s: ", shown, number);
    va_start(arguments, format);
    (void)vsnprintf(text + used, (size_t)(CONFIG_COMPLAINT_BYTES - used), format, arguments);
    va_end(arguments);
    text_clean(text);
}

static void name_rig(char rig[64])
{
    if (gethostname(rig, 63) != 0)
        rig[0] = '\0';
    rig[63] = '\0';
    text_clean(rig);
    if (rig[0] == '\0')
        (void)snprintf(rig, 64, "drivepress");
}

struct config *config_defaults(void)
{
    struct config *config = calloc(1, sizeof(*config));

    if (config == NULL)
        return NULL;
    (void)snprintf(config->state, sizeof(config->state), "/var/lib/drivepress");
    (void)snprintf(config->runtime, sizeof(config->runtime), "/run/drivepress");
    (void)snprintf(config->images, sizeof(config->images), CATALOGUE_SYSTEM_DIRECTORY);
    (void)snprintf(config->image, sizeof(config->image), "auto");
    name_rig(config->rig);
    config->slots_max = SLOTS_DEFAULT;
    config->mode = MODE_WRITE;
    config->stall_ms = (uint32_t)(STALL_NS_DEFAULT / NS_PER_MS);
    config->window = WINDOW_DEFAULT;
    config->engine = ENGINE_AUTO;
    return config;
}

/* --- The parser ------------------------------------------------------------------------------- */

struct config_parser *config_parser_new(struct config_complaints *complaints)
{
    struct config_parser *parser = calloc(1, sizeof(*parser));

    complaints->count = 0;
    if (parser != NULL) {
        parser->complaints = complaints;
        parser->config = config_defaults();
    }
    if (parser == NULL || parser->config == NULL) {
        config_complain(complaints, "configuration", 0, "no memory to read it");
        free(parser);
        return NULL;
    }
    return parser;
}

void config_parser_read(struct config_parser *parser, const char *file, const char *text,
                        size_t text_bytes)
{
    check(parser->file_count < array_count(parser->files));
    char *name = strdup(file);

    if (name == NULL) {
        config_complain(parser->complaints, file, 0, "no memory to read it");
        return;
    }
    parser->files[parser->file_count++] = name;
    config_lines_read(parser, name, text, text_bytes);
}

struct config *config_parser_finish(struct config_parser *parser)
{
    struct config *config = parser->config;

    config_keys_finish(parser);
    config_slots_finish(parser);
    if (parser->complaints->count > 0) {
        free(config);
        config = NULL;
    }
    for (unsigned i = 0; i < parser->file_count; i++)
        free(parser->files[i]);
    free(parser);
    return config;
}

/* --- Files ------------------------------------------------------------------------------------ */

/* Reads a file into text, which has room for a byte more than a file may have. Its length, or
 * -errno. */
static ssize_t read_all(int fd, char *text)
{
    size_t length = 0;
    ssize_t got = 1;

    while (got > 0 && length <= CONFIG_FILE_BYTES_MAX) {
        got = read(fd, text + length, CONFIG_FILE_BYTES_MAX + 1 - length);
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got < 0)
            return -errno;
        else
            length += (size_t)got;
    }
    return length > CONFIG_FILE_BYTES_MAX ? -EFBIG : (ssize_t)length;
}

/* Opens a regular file and never waits for a FIFO. The descriptor, or -errno. */
static int open_regular(const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return -errno;
    int error = fstat(fd, &status) != 0 ? -errno : S_ISREG(status.st_mode) ? 0 : -EINVAL;
    if (error == 0)
        return fd;
    (void)close(fd);
    return error;
}

/* `optional`: that there is no such file is no complaint. */
static void read_file(struct config_parser *parser, const char *path, bool optional)
{
    char *text = malloc(CONFIG_FILE_BYTES_MAX + 1);
    ssize_t length = -ENOMEM;
    int fd = text == NULL ? -ENOMEM : open_regular(path);

    if (text != NULL)
        length = fd < 0 ? fd : read_all(fd, text);
    if (fd >= 0)
        (void)close(fd);
    if (length == -EFBIG)
        config_complain(parser->complaints, path, 0, "this file is too large; allowed: %d bytes",
                        CONFIG_FILE_BYTES_MAX);
    else if (length == -EINVAL)
        config_complain(parser->complaints, path, 0, "this is not a regular file");
    else if (length < 0 && !(optional && length == -ENOENT))
        config_complain(parser->complaints, path, 0, "this file cannot be read: %s",
                        strerror((int)-length));
    else if (length >= 0)
        config_parser_read(parser, path, text, (size_t)length);
    free(text);
}

static int compare_names(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static bool is_drop_in(const char *name)
{
    size_t length = strlen(name);
    size_t suffix = sizeof(DROP_IN_SUFFIX) - 1;
    return name[0] != '.' && length > suffix && strcmp(name + length - suffix, DROP_IN_SUFFIX) == 0;
}

/* Lists the drop-ins by name. Returns how many; the caller frees the names. */
static size_t list_drop_ins(struct config_parser *parser, const char *path,
                            char *names[CONFIG_DROP_INS_MAX])
{
    size_t count = 0;
    DIR *directory = opendir(path);

    if (directory == NULL) {
        if (errno != ENOENT && errno != ENOTDIR)
            config_complain(parser->complaints, path, 0, "this directory cannot be read: %s",
                            strerror(errno));
        return 0;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(directory)) != NULL) {
        if (!is_drop_in(entry->d_name))
            continue;
        char *name = count < CONFIG_DROP_INS_MAX ? strdup(entry->d_name) : NULL;
        if (name == NULL) {
            config_complain(parser->complaints, path, 0,
                            count < CONFIG_DROP_INS_MAX ? "no memory to read it"
                                                        : "there are too many files; allowed: %d",
                            CONFIG_DROP_INS_MAX);
            break;
        }
        names[count++] = name;
    }
    (void)closedir(directory);
    qsort(names, count, sizeof(names[0]), compare_names);
    return count;
}

static void read_drop_ins(struct config_parser *parser, const char *main_file)
{
    char *names[CONFIG_DROP_INS_MAX] = {NULL};
    char directory[PATH_MAX];
    char path[PATH_MAX + NAME_MAX + 2];
    const char *slash = strrchr(main_file, '/');
    int length = (int)(slash != NULL ? slash + 1 - main_file : 0);

    if (snprintf(directory, sizeof(directory), "%.*s%s", length, main_file, DROP_IN_DIRECTORY) >=
        (int)sizeof(directory)) {
        config_complain(parser->complaints, main_file, 0, "its path is too long");
        return;
    }
    size_t count = list_drop_ins(parser, directory, names);
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        read_file(parser, path, false);
        free(names[i]);
    }
}

struct config *config_load(const char *file, struct config_complaints *complaints)
{
    struct config_parser *parser = config_parser_new(complaints);
    const char *main_file = file != NULL ? file : CONFIG_FILE;

    if (parser == NULL)
        return NULL;
    read_file(parser, main_file, file == NULL);
    read_drop_ins(parser, main_file);
    return config_parser_finish(parser);
}
