// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_GATE_H
#define CORE_GATE_H

#include "lib/core/event.h"
#include "lib/core/image.h"
#include "lib/core/verdict.h"

/* Which drives may be used at all: as in EVENT_POLICY. */
struct gate_policy {
    uint64_t capacity_min_bytes;
    uint64_t capacity_max_bytes; /* 0: no limit */
};

/* May this drive be used for this image? VERDICT_NONE: it may. Otherwise the reason: a refusal, or
 * a failure when the drive was lost or answered with an error while it was opened. `image` is the
 * one that fits best, or the smallest that there is; not looked at unless the result is OPEN_OK.
 * Pure. */
enum verdict gate_judge(enum open_result result, const struct drive_facts *facts,
                        const struct gate_policy *policy, enum press_mode mode,
                        const struct image *image);

#endif
