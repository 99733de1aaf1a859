// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef RIG_CENSUS_H
#define RIG_CENSUS_H

#include "lib/base/units.h"
#include "lib/rig/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The census: which disks are there, kept right from single sightings and from whole scans. Turns
 * what the kernel tells, which may repeat itself or lose messages, into drives that appear and
 * vanish exactly once. A disk without a medium (an empty card reader) is no drive. Pure; one thread
 * at a time. */

enum {
    CENSUS_DISKS_MAX = 1024, /* card readers have several disks a slot */
    CENSUS_PATH_BYTES = 512, /* a sysfs path: 7 tiers of hubs need about 250 */
    CENSUS_NODE_BYTES = 64,  /* "/dev/sdb" */
    CENSUS_PLACES_MAX = CENSUS_DISKS_MAX,
};

/* A drive that is missing for less than this is not taken for another one that looks the same: a
 * stick or hub that drops off the bus is back in tenths of a second (100 ms until the port is
 * steady, drivers/usb/core/hub.c; then up to some resets). To pull a drive and plug in the next one
 * takes longer. */
#define CENSUS_RETURN_NS NS_PER_S

/* The same for a medium, from when it was seen missing until it is seen again: a reader is asked
 * every 2 s (udev-rules/59-drivepress.rules). */
#define CENSUS_MEDIUM_RETURN_NS (2 * NS_PER_S)

/* A disk as it was seen. */
struct sighting {
    char path[CENSUS_PATH_BYTES]; /* its sysfs path: who it is */
    char node[CENSUS_NODE_BYTES];
    struct port port;
    unsigned lun;
    uint32_t major;
    uint32_t minor;
    uint64_t diskseq;        /* 0: the kernel has none */
    uint64_t capacity_bytes; /* 0: it has no medium */
    /* A hash of what the USB device or the card calls itself, its serial number with it; of one
     * that says nothing it is as of any other such. Never to be shown or logged. */
    uint64_t identity;
    /* CLOCK_MONOTONIC: when the device that is plugged into the port was first seen by udev, and
     * when this sighting was. */
    uint64_t plugged_ns;
    uint64_t seen_ns;
    bool processed; /* udev had done its work on it, and what it says of it is its word */
    bool claimed;   /* udev gave it to us */
    bool foreign;   /* its device is also something that no drive is */
};

struct census_events {
    void *context;
    /* A drive is there. plugged_ns: when it came, CLOCK_MONOTONIC; 0 when it was there before the
     * first scan ended, or in doubt:
     *  - it is back at its port and LUN, of the same identity and size, after less than
     *    CENSUS_RETURN_NS, or by its time never left it (its driver was unbound, udev told anew);
     *  - it, or its medium, was changed without having been seen missing, and looks the same;
     *  - it never went, and only what was told of it holds no longer. */
    void (*appeared)(void *context, const struct sighting *sighting, uint64_t plugged_ns);
    /* It is there no more; as it was seen last. */
    void (*vanished)(void *context, const struct sighting *sighting);
};

struct census;

/* NULL for lack of memory; events are called from inside the calls below. */
struct census *census_new(const struct census_events *events);
void census_free(struct census *census);

/* A disk was seen, by itself or in a scan. A disk of another number, or with another diskseq, at a
 * known path is another one: the one before vanishes first. Beyond CENSUS_DISKS_MAX disks are not
 * taken in, and it returns false. */
bool census_see(struct census *census, const struct sighting *sighting);

/* A disk was removed, at this time of CLOCK_MONOTONIC. */
void census_remove(struct census *census, const char *path, uint64_t now_ns);

/* Tells of every drive that is there once more, by `appeared` with plugged_ns 0. */
void census_repeat(struct census *census);

/* A scan of all disks: those that are not seen between the two calls are gone. The first scan finds
 * what was there before. What appeared is told at the end, after what vanished: a new drive may be
 * in the port of one whose removal was missed. */
void census_scan_begin(struct census *census);
void census_scan_end(struct census *census, uint64_t now_ns);

#endif
