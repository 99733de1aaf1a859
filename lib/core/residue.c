// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/residue.h"

#include "lib/base/check.h"

const char *residue_word(enum residue residue)
{
    static const char *const words[RESIDUE_COUNT] = {
        [RESIDUE_UNTOUCHED] = "untouched",
        [RESIDUE_POSSIBLE] = "possible",
        [RESIDUE_BEYOND_IMAGE] = "beyond-image",
        [RESIDUE_NONE] = "none",
    };
    check(residue < RESIDUE_COUNT);
    return words[residue];
}

enum residue residue_of(bool touched, enum verdict verdict, uint64_t image_bytes,
                        uint64_t capacity_bytes)
{
    if (verdict == VERDICT_PASSED)
        return capacity_bytes > image_bytes ? RESIDUE_BEYOND_IMAGE : RESIDUE_NONE;
    return touched ? RESIDUE_POSSIBLE : RESIDUE_UNTOUCHED;
}
