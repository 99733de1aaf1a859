// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/gate.h"

#include "lib/base/check.h"

static enum verdict judge_open(enum open_result result)
{
    switch (result) {
    case OPEN_OK:
        return VERDICT_NONE;
    case OPEN_BUSY:
        return VERDICT_IN_USE;
    case OPEN_SYSTEM_DISK:
        return VERDICT_SYSTEM_DISK;
    case OPEN_READ_ONLY:
        return VERDICT_READ_ONLY;
    case OPEN_NO_MEDIUM:
        return VERDICT_NO_MEDIUM;
    case OPEN_DENIED:
        /* The rig's udev rules give us its drives; what the kernel denies is not in the rig. */
        return VERDICT_NOT_IN_RIG;
    case OPEN_UNSUITABLE:
        return VERDICT_POLICY;
    case OPEN_GONE:
        return VERDICT_UNPLUGGED;
    case OPEN_ERROR:
        return VERDICT_READ_ERROR;
    case OPEN_OUR_FAULT:
        return VERDICT_INTERRUPTED;
    }
    check_never("an open_result that the gate does not know");
}

enum verdict gate_judge(enum open_result result, const struct drive_facts *facts,
                        const struct gate_policy *policy, enum press_mode mode,
                        const struct image *image)
{
    enum verdict verdict = judge_open(result);

    if (verdict != VERDICT_NONE)
        return verdict;
    if (facts->capacity_bytes == 0)
        return VERDICT_NO_MEDIUM;
    if (mode == MODE_WRITE && facts->read_only)
        return VERDICT_READ_ONLY;
    if (facts->capacity_bytes < policy->capacity_min_bytes ||
        facts->capacity_bytes < image->size_bytes)
        return VERDICT_TOO_SMALL;
    if (policy->capacity_max_bytes != 0 && facts->capacity_bytes > policy->capacity_max_bytes)
        return VERDICT_TOO_BIG;
    /* A request would begin or end inside one of the drive's blocks. */
    if (facts->logical_block_bytes == 0 || image->size_bytes % facts->logical_block_bytes != 0 ||
        (image->chunk_count > 1 && image->chunk_bytes % facts->logical_block_bytes != 0))
        return VERDICT_POLICY;
    return VERDICT_NONE;
}
