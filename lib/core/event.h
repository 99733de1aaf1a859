// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_EVENT_H
#define CORE_EVENT_H

#include "lib/base/digest.h"
#include "lib/core/image.h"

#include <stdbool.h>
#include <stdint.h>

/* What happened: the only input of the core. Plain values that the shell fills in and keeps.
 *
 * Everything about a drive carries the slot and its attachment: the number, never 0 and never used
 * twice, that the shell gives to each appearance of a drive. Ports are used again, and a late
 * completion of the drive before must never touch the drive that is in the slot now. */

enum press_mode {
    MODE_WRITE,  /* write the image, flush, read every byte back */
    MODE_VERIFY, /* only read; the drive is never opened for writing */
};

/* How a request to a drive or to the master ended. */
enum io_result {
    IO_OK,
    IO_ERROR, /* the device reported an error */
    IO_GONE,  /* the device is not there any more */
    IO_CANCELLED,
};

/* How opening a drive ended. */
enum open_result {
    OPEN_OK,
    OPEN_BUSY,        /* mounted, held or locked by somebody else */
    OPEN_SYSTEM_DISK, /* the running system uses it; it was not opened */
    OPEN_READ_ONLY,
    OPEN_NO_MEDIUM,
    OPEN_DENIED,     /* the kernel does not let us */
    OPEN_UNSUITABLE, /* not a kind of device that can be a drive */
    OPEN_GONE,
    OPEN_ERROR,     /* it is there and answers with an error */
    OPEN_OUR_FAULT, /* this machine or the daemon lacks something: it says nothing of the drive */
};

/* What opening a drive told about it. */
struct drive_facts {
    uint64_t capacity_bytes;
    uint32_t logical_block_bytes;
    bool read_only;
};

enum event_type {
    EVENT_TICK,     /* time passes: sent every TICK_NS while any slot is busy */
    EVENT_IMAGE,    /* image number `image.number` is to be known */
    EVENT_ARM,      /* drives that are attached from now on are started */
    EVENT_ATTACHED, /* a drive appeared in an empty slot, or replaced the one before */
    EVENT_DETACHED, /* the drive was pulled */
    EVENT_STOP,     /* an operator stops the slot's pass */
    EVENT_OPENED,   /* answer to ACTION_OPEN */
    EVENT_LOADED,   /* answer to ACTION_LOAD */
    EVENT_WRITTEN,  /* answer to ACTION_WRITE */
    EVENT_READ,     /* answer to ACTION_READ, the data hashed */
    EVENT_FLUSHED,  /* answer to ACTION_FLUSH */
    EVENT_TYPE_COUNT
};

struct event {
    enum event_type type;
    uint64_t now_ns; /* a monotonic clock; never less than in the event before */

    /* For ATTACHED, DETACHED, STOP, OPENED, WRITTEN, READ, FLUSHED. */
    uint32_t slot;
    uint64_t attachment;

    union {
        struct {
            uint32_t number;     /* below IMAGES_MAX and not given before */
            struct image *image; /* the caller's, for as long as the press lives */
        } image;
        struct {
            enum press_mode mode;
            uint32_t image;
        } arm;
        struct {
            enum open_result result;
            struct drive_facts facts; /* valid with OPEN_OK */
        } opened;
        struct {
            enum io_result result;
            uint32_t buffer;
            uint32_t chunk; /* the drive's chunk for WRITTEN and READ, the master's for LOADED */
            struct digest
                digest; /* of what was loaded or read; valid with IO_OK; not for WRITTEN */
        } transfer;     /* LOADED, WRITTEN, READ */
        enum io_result flushed;
    };
};

#endif
