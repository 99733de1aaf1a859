// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_MEDIUM_H
#define DAEMON_MEDIUM_H

#include "lib/core/event.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A drive as something that can be opened, read, written and flushed by calls that block. There
 * are two kinds: a real one (medium_file.c: a block device or a regular file) and a decorator
 * that gives a regular file the faults of bad drives (io_sim.c). All calls of one medium
 * are made by that drive's own thread, one at a time. */

/* Room for one sentence with a path in it, or for the list of what io_sim.h allows. */
enum { MEDIUM_NOTE_BYTES = 512, MEDIUM_NAME_BYTES = 64 };

/* What is known of an opened drive beyond what the core needs. Texts are valid UTF-8 without
 * control characters, whatever the device says. */
struct medium_identity {
    char model[MEDIUM_NAME_BYTES];  /* vendor and model, "" while not known */
    char serial[MEDIUM_NAME_BYTES]; /* "" while not known */
    /* For people: why it was not opened, or what is special (for example "no direct I/O"). */
    char note[MEDIUM_NOTE_BYTES];
    /* Reads come from the device and not from a cache (O_DIRECT). Of a simulated drive: the
     * simulated medium's own reads, whatever is beneath. */
    bool direct;
};

struct medium;

struct medium_ops {
    /* Transfers all of it or returns -errno; never a short count. -ENODEV: the drive is gone. */
    int (*read)(struct medium *medium, void *data, uint32_t length_bytes, uint64_t offset_bytes);
    int (*write)(struct medium *medium, const void *data, uint32_t length_bytes,
                 uint64_t offset_bytes);
    /* Makes everything written durable and drops what the kernel caches of it. 0 or -errno;
     * -EBUSY: some of it stays in the cache, for another program has it mapped. */
    int (*flush)(struct medium *medium);
    /* Whether the drive is still there, asked after an error. */
    bool (*present)(struct medium *medium);
    /* Closes and frees it. */
    void (*close)(struct medium *medium);
};

struct medium {
    const struct medium_ops *ops;
    /* Descriptor for an engine that submits to the kernel itself; -1 if there is none and the ops
     * must be used. The medium's. */
    int fd;
    /* It is a file among others: when it has no room, the file system is full and no drive bad. */
    bool on_file_system;
    /* Direct I/O: every transfer is a whole number of such blocks, in memory too. 0: through the
     * kernel's cache; each write then is to be made durable by itself (RWF_DSYNC), or a flush would
     * have all the work to do and look like a stall. */
    uint32_t direct_block_bytes;
};

/* Opens a block device or a regular file: exclusively, for direct I/O where it can, never creating
 * it, never for writing unless for_writing (DESIGN section 5, open order). Fills in facts and
 * identity. On OPEN_OK *medium is the caller's to close; otherwise it is NULL, the facts are 0 and
 * identity->note says why. May block for as long as the drive makes it.
 *
 * A shortage of our own (descriptors, memory), a machine whose mounts cannot be read and errors
 * that are not known to be a drive's are OPEN_OUR_FAULT with a note, which blames no drive.
 *
 * A regular file that is not opened for direct I/O is read through the kernel's cache, from which
 * it is thrown out at opening and at each flush; if some of it stays there, it is OPEN_BUSY, and
 * the flush ends with -EBUSY, which is not the drive's fault. On a file system in memory the cache
 * is the medium and stays. */
enum open_result medium_file_open(const char *path, bool for_writing, struct medium **medium,
                                  struct drive_facts *facts, struct medium_identity *identity);

struct identify_host;

/* What a path led to when it was chosen: nothing else may be opened by it. */
struct medium_expected {
    bool block;       /* a block device, else a regular file */
    dev_t number;     /* of a block device: st_rdev */
    uint64_t diskseq; /* and its diskseq; 0 where the kernel has none (before Linux 5.15) */
};

/* How medium_file_open_with differs from medium_file_open, which uses all zero. */
struct medium_file_options {
    const struct identify_host *host; /* where to look what is in use (identify.h); NULL: here */
    const struct medium_expected *expected; /* OPEN_GONE for anything else; NULL: anything goes */
    bool regular_only;                      /* OPEN_UNSUITABLE for a block device */
    /* A regular file stands for the inside of a simulated drive: any length and offset, nothing is
     * made durable, and what the kernel caches of it stays. */
    bool inside;
};

enum open_result medium_file_open_with(const char *path, bool for_writing,
                                       const struct medium_file_options *options,
                                       struct medium **medium, struct drive_facts *facts,
                                       struct medium_identity *identity);

/* The same for a regular file with a description of a simulated drive beside it, in
 * PATH.sim (io_sim.h). OPEN_UNSUITABLE for a block device, and for a description that is missing
 * or wrong. */
enum open_result medium_sim_open(const char *path, bool for_writing, struct medium **medium,
                                 struct drive_facts *facts, struct medium_identity *identity);

/* Stops the program for a transfer that a real disk would refuse; loop devices would take it. */
void medium_check_aligned(const struct medium *medium, const void *data, uint32_t length_bytes,
                          uint64_t offset_bytes);

/* Sets identity->note, made fit to be shown (identify_text). */
__attribute__((format(printf, 2, 3))) void medium_note(struct medium_identity *identity,
                                                       const char *format, ...);

#endif
