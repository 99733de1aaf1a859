// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_TARGETS_H
#define TOOLS_TARGETS_H

#include "lib/wire/run.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* The TARGETs of a command line, looked at before anything is started. Nothing is opened. */

enum { TARGETS_MAX = SLOTS_MAX, TARGETS_REASON_BYTES = 2 * PATH_MAX + 256 };

struct target {
    const char *text; /* as it was typed; the caller's */
    char *path;       /* absolute; the list's */
    struct stat status;
    uint64_t diskseq; /* of a block device; 0: not known */
};

struct target_list {
    uint32_t count;
    struct target *items;
};

/* Checks that each target is there, is a block device or a regular file (with `simulate` only the
 * latter), has a name that is text, and is given once, also through links. Returns 0, or -1 with a
 * reason for people. After success the caller ends with targets_free. */
int targets_open(struct target_list *list, char **texts, uint32_t count, bool simulate,
                 char reason[TARGETS_REASON_BYTES]);
void targets_free(struct target_list *list);

/* Checks that a file that is only to be read is none of the targets; `what` is it, for the reason.
 * A file that is not there is none. 0, or -1 with a reason. */
int targets_exclude(const struct target_list *list, const char *what, const char *path,
                    char reason[TARGETS_REASON_BYTES]);

/* How many are block devices. */
uint32_t targets_device_count(const struct target_list *list);

/* The absolute form of a path, without looking at links. Returns 0 or -errno. */
int path_absolute(char absolute[PATH_MAX], const char *path);

#endif
