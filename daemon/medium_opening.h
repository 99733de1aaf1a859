// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_MEDIUM_OPENING_H
#define DAEMON_MEDIUM_OPENING_H

#include "daemon/identify.h"
#include "daemon/medium.h"

/* What the kernel's cache is to a file without direct I/O. */
enum file_cache {
    CACHE_NONE,    /* with direct I/O */
    CACHE_DROPPED, /* writes are durable at once, and a flush leaves nothing in it */
    CACHE_KEPT,    /* the medium itself: a file in memory, or the inside of a simulated drive */
};

/* One attempt to open a path. */
struct opening {
    const char *path;
    bool for_writing;
    const struct identify_host *host;
    const struct medium_file_options *options;
    int fd;
    bool block;
    enum file_cache cache;
    struct block_device device;
    struct drive_facts facts;
    struct medium_identity *identity;
};

/* Opens the path. What it found is in the opening, whatever the result, and its descriptor, unless
 * -1, is the caller's to close. */
enum open_result medium_opening_try(struct opening *opening);

/* What an error of the system means for an opening, with a note. */
enum open_result medium_refuse_errno(struct medium_identity *identity, int error);

#endif
