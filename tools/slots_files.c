// SPDX-License-Identifier: GPL-3.0-or-later
/* Files are written beside their place, made durable and renamed: there is always a whole one. */
#include "tools/slots_files.h"

#include "lib/base/text.h"
#include "lib/core/verdict.h"
#include "lib/image/file.h"
#include "lib/rig/claim.h"
#include "tools/text.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DROP_IN "conf.d/50-slots.conf"
#define NEW     ".new-XXXXXX"
#define BEFORE  ".before"

/* Of a command line that is shown; a longer one is cut between its words. */
enum { COMMAND_BYTES = 2048 };

/* --- Where ------------------------------------------------------------------------------------ */

bool slots_output_path(const struct slots_arguments *arguments, char path[PATH_MAX])
{
    const char *config = arguments->config != NULL ? arguments->config : CONFIG_FILE;
    const char *slash = strrchr(config, '/');
    int directory = slash != NULL ? (int)(slash - config) + 1 : 0;
    /* Room for what is put behind it on the way. */
    int room = PATH_MAX - (int)sizeof(NEW);

    int length = arguments->output != NULL
                     ? snprintf(path, PATH_MAX, "%s", arguments->output)
                     : snprintf(path, PATH_MAX, "%.*s%s", directory, config, DROP_IN);
    if (length > 0 && length < room)
        return true;
    text_complain(arguments->verb, "the path of the file with the slots is empty or too long");
    return false;
}

const char *slots_claim_path(const struct slots_arguments *arguments)
{
    return arguments->claim != NULL ? arguments->claim : CLAIM_FILE;
}

/* The directory of a path, "." for none. False when it is too long. */
static bool directory_of(const char *path, char directory[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int length = slash == path ? 1 : slash != NULL ? (int)(slash - path) : 0;
    return snprintf(directory, PATH_MAX, "%.*s", length != 0 ? length : 1,
                    length != 0 ? path : ".") < PATH_MAX;
}

/* The command line that we were called with, as a shell would read it again. */
static void write_command(const struct slots_arguments *arguments, char *text, size_t text_bytes)
{
    size_t used = (size_t)snprintf(text, text_bytes, "sudo drivepress slots");

    for (int i = 0; i < arguments->word_count; i++) {
        const char *word = arguments->words[i];
        char quoted[PATH_MAX];
        /* Options are what they are; text_shell_word() would make a path of them. */
        size_t dashes = strspn(word, "-");
        const char *rest = word[dashes] != '\0' || dashes == 0
                               ? text_shell_word(quoted, sizeof(quoted), word + dashes, "...")
                               : "";
        int length = snprintf(text + used, text_bytes - used, " %.*s%s", (int)dashes, word, rest);
        if (length < 0 || (size_t)length >= text_bytes - used)
            return;
        used += (size_t)length;
    }
}

bool slots_may_write(const struct slots_arguments *arguments, const char *path)
{
    char command[COMMAND_BYTES];
    char directory[PATH_MAX];
    char parent[PATH_MAX];
    int error = directory_of(path, directory) ? ENOENT : ENAMETOOLONG;

    /* As many levels as make_directory_of() makes. */
    for (unsigned level = 0; level < 3 && error == ENOENT; level++) {
        error = access(directory, W_OK | X_OK) == 0 ? 0 : errno;
        (void)directory_of(directory, parent);
        memcpy(directory, parent, sizeof(directory));
    }
    if (error == 0)
        return true;
    write_command(arguments, command, sizeof(command));
    bool denied = error == EACCES;
    text_complain(arguments->verb, "%s cannot be written: %s%s%s%s", path, strerror(error),
                  denied ? "; run `" : "", denied ? command : "", denied ? "`" : "");
    return false;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* The directory, and the one that it is in. */
static int make_directory_of(const char *path)
{
    char directory[PATH_MAX];
    char parent[PATH_MAX];

    if (!directory_of(path, directory) || !directory_of(directory, parent))
        return -ENAMETOOLONG;
    if (mkdir(directory, 0755) == 0 || errno == EEXIST)
        return 0;
    if (errno != ENOENT || mkdir(parent, 0755) != 0 || mkdir(directory, 0755) != 0)
        return -errno;
    return 0;
}

/* 0 or -errno; on failure the file is as it was. */
static int replace_file(const char *path, const char *text)
{
    char temporary[PATH_MAX + sizeof(NEW)];

    int error = make_directory_of(path);
    if (error != 0)
        return error;
    (void)snprintf(temporary, sizeof(temporary), "%s%s", path, NEW);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return -errno;
    error = file_write(fd, text, strlen(text));
    /* The daemon's user reads it, whatever the umask of root is. */
    if (error == 0 && (fchmod(fd, 0644) != 0 || fsync(fd) != 0))
        error = -errno;
    if (close(fd) != 0 && error == 0)
        error = -errno;
    if (error == 0 && rename(temporary, path) != 0)
        error = -errno;
    if (error != 0)
        (void)unlink(temporary);
    return error != 0 ? error : file_sync_directory_of(path);
}

static int complain_write(const struct slots_arguments *arguments, const char *path, int error)
{
    text_complain(arguments->verb, "%s cannot be written: %s", path, strerror(-error));
    return EXIT_NO_DAEMON;
}

/* Reads the configuration with the new slots in it. Two slots of one port, or one file that is
 * broken, would keep the daemon from starting. */
static bool is_readable(const struct slots_arguments *arguments)
{
    struct config *config = slots_load(arguments);
    free(config);
    return config != NULL;
}

/* Keeps the file that was there as `before`, if there was one. */
static int keep_before(const char *path, const char *before)
{
    (void)unlink(before);
    return link(path, before) == 0 || errno == ENOENT ? 0 : -errno;
}

int slots_write_layout(const struct slots_arguments *arguments, const struct layout *layout)
{
    char path[PATH_MAX];
    char before[PATH_MAX + sizeof(BEFORE)];

    if (!slots_output_path(arguments, path))
        return EXIT_USAGE;
    char *text = config_slots_text(layout);
    if (text == NULL)
        return complain_write(arguments, path, -ENOMEM);
    (void)snprintf(before, sizeof(before), "%s%s", path, BEFORE);
    int error = keep_before(path, before);
    if (error == 0)
        error = replace_file(path, text);
    free(text);
    if (error != 0) {
        (void)unlink(before);
        return complain_write(arguments, path, error);
    }
    /* A file elsewhere is not of the configuration yet. */
    if (arguments->output == NULL && !is_readable(arguments)) {
        if (rename(before, path) != 0)
            (void)unlink(path);
        text_complain(arguments->verb,
                      "with these slots the configuration cannot be used; %s is "
                      "as it was before",
                      path);
        return EXIT_USAGE;
    }
    (void)unlink(before);
    return EXIT_ALL_PASSED;
}

/* Runs udevadm, by no PATH of anybody's: it may be root who runs us. */
static bool run_udevadm(const char *path)
{
    char name[] = "udevadm";
    char verb[] = "control";
    char option[] = "--reload";
    char *arguments[] = {name, verb, option, NULL};
    char *environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    int status = -1;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    if (posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0 &&
        posix_spawn(&pid, path, &actions, NULL, arguments, environment) == 0 &&
        waitpid(pid, &status, 0) != pid)
        status = -1;
    (void)posix_spawn_file_actions_destroy(&actions);
    return status == 0;
}

/* udev looks for new rules every 3 s at most: a drive that is plugged in sooner would be judged by
 * the old ones. */
static void reload_udev(void)
{
    if (!run_udevadm("/usr/bin/udevadm") && !run_udevadm("/bin/udevadm"))
        (void)puts("udev reads the claim within 3 seconds: plug in no drive before.");
}

int slots_write_claim(const struct slots_arguments *arguments, const struct layout *layout)
{
    const char *path = slots_claim_path(arguments);
    char *text = claim_rules(layout);

    if (text == NULL)
        return complain_write(arguments, path, -ENOMEM);
    int error = strlen(path) + sizeof(NEW) < PATH_MAX ? replace_file(path, text) : -ENAMETOOLONG;
    free(text);
    if (error != 0)
        return complain_write(arguments, path, error);
    if (strcmp(path, CLAIM_FILE) == 0)
        reload_udev();
    return EXIT_ALL_PASSED;
}
