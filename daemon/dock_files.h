// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_DOCK_FILES_H
#define DAEMON_DOCK_FILES_H

#include "daemon/dock.h"

#include <stdbool.h>
#include <stdint.h>

/* The files in a dock: which there are, which of them are drives yet, and what is told of them.
 * dock.c says what to look at. Internal to the dock. Loop thread. */

enum {
    DOCK_FILES_MAX = 4096, /* names that are looked at; more are left out, and that is told */
    DOCK_LOOK_MS = 100,    /* how often a file that is settling is looked at */
};

/* Which file a path leads to: a number of the file system is used again for another file, which
 * then has another birth, where the file system keeps that. */
struct dock_identity {
    uint32_t device_major;
    uint32_t device_minor;
    uint64_t inode;
    int64_t born_s;
    uint32_t born_ns;
};

bool dock_identity_equal(const struct dock_identity *one, const struct dock_identity *other);

/* What a directory's path leads to, through links too. 0 or -errno. */
int dock_identify_directory(const char *path, struct dock_identity *identity);

/* What is known of how a file came. */
enum dock_arrival {
    DOCK_ARRIVAL_FROM_START, /* it was there when the dock was opened */
    DOCK_ARRIVAL_FOUND,      /* nobody saw it come; somebody may still be at work on it */
    DOCK_ARRIVAL_SEEN,       /* it came just now; the same */
    DOCK_ARRIVAL_FINISHED,   /* moved here or closed */
};

struct dock_entry;

struct dock_files {
    struct dock_events events;
    char directory[PATH_MAX];
    bool closed;        /* nothing is told any more; an event may have led to that */
    bool left_out;      /* there are files in the directory that are not known here */
    bool left_out_told; /* since the directory is there */
    bool read_again;    /* there may be room for them now */
    struct dock_entry *entries[DOCK_FILES_MAX];
    unsigned count;
};

/* A name was told of: the file that has it comes in, unless it is known. */
void dock_files_arrive(struct dock_files *files, const char *name, enum dock_arrival arrival);

/* The file of a name has left; a drive vanishes. */
void dock_files_leave(struct dock_files *files, const char *name);
void dock_files_leave_all(struct dock_files *files);

/* Reads the whole directory: what is known and still there stays, what is not is gone, the rest
 * arrives; as DOCK_ARRIVAL_FOUND instead if there may be files that were there all the time,
 * because the reading before did not take in all of them. */
void dock_files_read(struct dock_files *files, enum dock_arrival arrival);

/* The directory is another one: nothing is known of what is in it. */
void dock_files_start_anew(struct dock_files *files);

/* One more look at the files that are settling: empty ones, and those somebody may be writing. */
void dock_files_look(struct dock_files *files);

/* Whether any file with a size is settling, so that it is to be looked at soon. */
bool dock_files_settling(const struct dock_files *files);

#endif
