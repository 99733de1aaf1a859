// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_LANE_H
#define CORE_LANE_H

#include "lib/core/image.h"
#include "lib/core/limits.h"

#include <stdbool.h>
#include <stdint.h>

/* One drive's walk over the image: it ascends from a start chunk, wraps once at the end and ends
 * where it began, with at most a window of requests in flight. Flash wants one ascending stream.
 * A pass has two walks, one that writes and one that verifies. Pure. */

enum lane_phase { LANE_IDLE, LANE_WRITING, LANE_VERIFYING };

struct lane_request {
    uint32_t buffer;
    uint32_t chunk;
    uint64_t issued_ns;
};

struct lane {
    enum lane_phase phase;
    uint32_t image_number;
    const struct image *image; /* the press's; NULL while idle */

    bool halted;        /* nothing more is requested */
    uint32_t start;     /* the walk's first chunk */
    uint32_t issued;    /* chunks requested so far, 0 to chunk_count */
    uint32_t completed; /* of these, how many are done */

    uint32_t in_flight;
    struct lane_request requests[WINDOW_MAX]; /* the first in_flight of them */

    uint64_t owed_since_ns; /* last completion, or first request after a pause */
    uint64_t chunk_ns;      /* smoothed time that the drive needs per chunk */
};

/* Begins a walk. The drive's pace is kept when the lane was walking already: it is the same drive.
 */
void lane_begin(struct lane *lane, enum lane_phase phase, uint32_t image_number,
                const struct image *image, uint32_t start);

/* Back to idle; forgets everything, also requests in flight. */
void lane_reset(struct lane *lane);

/* Ends the walk before its time: the lane requests nothing more and needs nothing of the master.
 * What is in flight still completes. */
void lane_halt(struct lane *lane);

/* Every chunk was requested and is done. */
bool lane_finished(const struct lane *lane);

/* The chunk that the lane requests `distance` steps from now. distance < lane_left(lane). */
uint32_t lane_chunk_ahead(const struct lane *lane, uint32_t distance);

/* How many chunks the lane has still to request; 0 once it is halted. */
uint32_t lane_left(const struct lane *lane);

/* In how many steps the lane requests this chunk, or LANE_NEVER. */
uint32_t lane_distance(const struct lane *lane, uint32_t chunk);
#define LANE_NEVER UINT32_MAX

/* Whether the lane needs the master's copy of a chunk that it has still to request: always to write
 * it, and to verify it only while its digest is not known. */
bool lane_needs_master(const struct lane *lane, uint32_t chunk);

/* Records that the next chunk was requested with this buffer, and returns the chunk. */
uint32_t lane_issue(struct lane *lane, uint32_t buffer, uint64_t now_ns);

/* Records the end of a request and learns the drive's pace. The request must be in flight. */
void lane_complete(struct lane *lane, uint32_t buffer, uint32_t chunk, uint64_t now_ns);

/* What the drive needs per chunk at present, for people: one that is silent, or waits for
 * the master, becomes slower as it is looked at. FOREVER_NS before its first completion. */
uint64_t lane_pace_ns(const struct lane *lane, uint64_t now_ns);

/* Whether the drive has owed an answer for at least stall_ns. */
bool lane_stalled(const struct lane *lane, uint64_t now_ns, uint64_t stall_ns);

#endif
