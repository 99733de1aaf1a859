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
    EVENT_IMAGE,    /* image number `image.number` is to be known, or forgotten */
    EVENT_POLICY,   /* which drives may be used at all */
    EVENT_ARM,      /* drives that are plugged in from now on are started */
    EVENT_DISARM,   /* no drive is started any more; running passes go on */
    EVENT_ATTACHED, /* a drive appeared in an empty slot, or replaced the one before */
    EVENT_DETACHED, /* the drive was pulled */
    EVENT_CLEARED,  /* the slot, in which no drive is, stands for another place from now on: what is
                     * still on show of a drive that is gone is not of that place */
    EVENT_START,    /* an operator starts the drive in the slot, again or for the first time: it is
                     * opened once it has answered all that it was asked before */
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

    /* For ATTACHED, DETACHED, START, STOP, OPENED, WRITTEN, READ, FLUSHED; of CLEARED the slot. */
    uint32_t slot;
    uint64_t attachment;

    union {
        struct {
            uint32_t number;     /* below IMAGES_MAX; one that press_image_used() says is not */
            struct image *image; /* the caller's until it is forgotten; NULL: forget it */
        } image;
        struct {
            uint64_t capacity_min_bytes; /* smaller drives are refused */
            uint64_t capacity_max_bytes; /* larger ones too; 0: no limit */
        } policy;
        struct {
            enum press_mode mode;
            /* The known images of which each drive gets the largest that fits it: bit N is image
             * number N. One bit is an image chosen by name. */
            uint64_t images;
        } arm;
        struct {
            /* When the port got what is in it, on the clock of now_ns; 0: it was there before
             * anybody looked. Only drives that came after arming start by themselves, and after
             * the drive that was started in the slot before: news of one that is told of anew, with
             * its old time, are no new drive. */
            uint64_t plugged_ns;
            uint64_t capacity_bytes; /* as the kernel tells without opening it; 0: not known */
            bool foreign;            /* it is also something that no drive is, such as a keyboard */
            bool not_in_rig;         /* its port was not given to us */
        } attached;
        struct {
            uint64_t attachment; /* the drive's number from now on: never used before */
        } start;
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
