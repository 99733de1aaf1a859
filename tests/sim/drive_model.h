// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef SIM_DRIVE_MODEL_H
#define SIM_DRIVE_MODEL_H

#include "lib/core/event.h"
#include "tests/sim/random.h"

#include <stdbool.h>
#include <stdint.h>

/* A drive in memory: its true bytes, its pace, and the ways in which it is bad. It knows nothing of
 * slots, the core or other drives; the world carries requests to it. */

enum drive_fault {
    FAULT_WRITE_ERROR,
    FAULT_READ_ERROR,
    FAULT_FLUSH_ERROR,
    FAULT_WRITE_FLIP,    /* a byte of what is stored differs */
    FAULT_READ_FLIP,     /* a bit of what is given back differs */
    FAULT_WRITE_DROPPED, /* acknowledged, but never stored */
    FAULT_CACHE_LOST,    /* can be read back until the flush, which loses it */
    FAULT_WRAPAROUND,    /* counterfeit: fewer bytes than it claims, used again and again */
    FAULT_HANG_OPEN,
    FAULT_HANG_WRITE,
    FAULT_HANG_READ,
    FAULT_HANG_FLUSH,
    FAULT_YANK,        /* leaves the slot at its nth request */
    FAULT_CANCELLED,   /* the shell gives a request up */
    FAULT_OPEN_RESULT, /* open_result tells how */
    FAULT_TOO_SMALL,
    FAULT_READ_ONLY,   /* opens well and tells that it is write-protected */
    FAULT_NO_CAPACITY, /* a reader without a card that opens well */
    FAULT_BLOCK_SIZE,  /* the image does not end at a block of this drive */
    FAULT_SLOW,
    FAULT_COUNT
};

/* The word of a fault in statistics and traces. Static. */
const char *drive_fault_word(enum drive_fault fault);

/* When a fault shows itself. */
struct fault_plan {
    bool armed;
    bool by_chunk; /* at chunk number `at`; else from the at-th request of its kind on */
    bool always;   /* else once */
    uint32_t at;
    uint32_t bit;    /* flips: where in the chunk, modulo its length */
    uint64_t for_ns; /* hangs: how long; FOREVER_NS when it never answers */
    bool stored;     /* WRITE_ERROR: the data reached the flash all the same */
    uint32_t hits;   /* how often it showed itself */
};

struct drive {
    uint8_t *bytes;        /* stored_bytes of them; the world's memory */
    uint32_t stored_bytes; /* what it really holds, as far as an image reaches */
    uint8_t *lost_bytes; /* CACHE_LOST: what its chunk held before; a chunk of the world's memory */
    uint32_t lost_length; /* of lost_bytes; 0 while nothing is to be lost */
    uint32_t lost_offset;

    struct drive_facts facts;
    enum open_result open_result;
    struct fault_plan faults[FAULT_COUNT];

    uint64_t write_ns; /* per chunk */
    uint64_t read_ns;
    uint64_t latency_ns; /* of opening, flushing, and on top of each request */
    bool reorders;       /* answers come in any order */
    uint64_t busy_until_ns;

    uint32_t writes; /* requests so far, for `at` */
    uint32_t reads;
    uint32_t requests;
};

/* Whether a fault shows itself at this request, and counts it if so. */
bool drive_fault_hits(struct drive *drive, enum drive_fault fault, uint32_t chunk,
                      uint32_t request);

/* When the drive answers a request that it gets now and that costs it cost_ns. */
uint64_t drive_answers_at_ns(struct drive *drive, struct random *random, uint64_t now_ns,
                             uint64_t cost_ns);

/* Stores a chunk, with the faults of its content. */
void drive_store(struct drive *drive, uint32_t chunk, uint64_t offset, const uint8_t *data,
                 uint32_t length);

/* The flush reached the flash. */
void drive_flush(struct drive *drive);

/* What a read gives back now, with the faults of this read. */
void drive_fetch(struct drive *drive, uint32_t chunk, uint64_t offset, uint8_t *data,
                 uint32_t length);

/* What every read from now on will give back: no fault that comes once. */
void drive_peek(const struct drive *drive, uint32_t chunk, uint64_t offset, uint8_t *data,
                uint32_t length);

#endif
