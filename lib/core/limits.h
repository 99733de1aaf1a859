// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_LIMITS_H
#define CORE_LIMITS_H

#include "lib/base/units.h"

/* Every bound of the core, by name. */
enum {
    /* One xHCI serves about 26 sticks; 256 is a rig of ten of them and keeps every table small. */
    SLOTS_MAX = 256,

    /* Requests in flight per drive. usb-storage takes one command at a time, so two keep it busy
     * and more only hide stalls (DESIGN: window 2 to 4). */
    WINDOW_DEFAULT = 2,
    WINDOW_MAX = 4,

    /* Images that a press knows at once: as many as a set in 64 bits can hold. */
    IMAGES_MAX = 64,

    /* Chunks of the master that are being loaded at once. */
    LOADS_MAX = 8,

    /* How often a chunk of the master is read again before the master is called bad: a cable or
     * memory error is seldom seen twice at one place. */
    LOAD_ATTEMPTS_MAX = 3,

    /* How far ahead of a lane the feed looks for chunks to load. */
    READ_AHEAD_CHUNKS = 8,

    /* Buffers that must exist beyond slots x window, so that a load can always go on. */
    SPARE_BUFFERS_MIN = LOADS_MAX,

    /* Buffers in the pool: 16 TiB of 1 MiB chunks. */
    BUFFERS_MAX = 1 << 24,

    /* Buffers that one search for the chunk to evict looks at. A pool up to this size is searched
     * whole; of a larger one a rotating sample, whose best is among the best 2 % of all on
     * average. */
    EVICTION_SAMPLE = 64,

    /* Bad chunks that a drive's report lists. Nobody needs more: the pass ends there. */
    BAD_CHUNKS_MAX = 64,
};

/* The largest image: 2^31 chunks, so that sums of two chunk numbers fit 32 bits. */
#define CHUNKS_MAX (UINT32_C(1) << 31)

/* What a lane is believed to need per chunk before its first completion: 20 MB/s for 1 MiB. */
#define CHUNK_NS_INITIAL (50 * NS_PER_MS)

/* How often the shell sends EVENT_TICK while any drive is busy. */
#define TICK_NS (250 * NS_PER_MS)

/* A drive that completes nothing for this long while it holds requests is stalled. Linux gives a
 * SCSI command 30 s (drivers/scsi/sd.h, SD_TIMEOUT). */
#define STALL_NS_DEFAULT (30 * NS_PER_S)

/* Opening and flushing may take a drive twice as long: SD_FLUSH_TIMEOUT_MULTIPLIER is 2. */
#define FLUSH_NS_DEFAULT (60 * NS_PER_S)

/* How long an error of a drive may still turn out to be its removal: the kernel reports what failed
 * before it notices that the drive is gone. Seen: 26 to 150 ms on USB; a polled SD slot is looked
 * at once a second (drivers/mmc/core/core.c, mmc_rescan). */
#define UNPLUG_NS_DEFAULT (2 * NS_PER_S)

/* How much later than the drive before a drive must have come into its slot to be another one: the
 * time of one and the same jitters by milliseconds from one look to the next. The kernel wants a
 * port to be steady for 100 ms before there is a drive in it (drivers/usb/core/hub.c,
 * HUB_DEBOUNCE_STABLE). */
#define PLUGGED_JITTER_NS (50 * NS_PER_MS)

/* A master that delivers nothing for this long is a master-error. */
#define MASTER_NS_DEFAULT (60 * NS_PER_S)

#endif
