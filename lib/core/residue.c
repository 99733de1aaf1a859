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

enum residue residue_of(enum press_mode mode, enum verdict verdict, uint64_t written_bytes,
                        uint64_t image_bytes, uint64_t capacity_bytes)
{
    if (mode == MODE_VERIFY && verdict == VERDICT_PASSED)
        return capacity_bytes > image_bytes ? RESIDUE_BEYOND_IMAGE : RESIDUE_NONE;
    if (mode == MODE_VERIFY || written_bytes == 0)
        return RESIDUE_UNTOUCHED;
    if (verdict != VERDICT_PASSED)
        return RESIDUE_POSSIBLE;
    return capacity_bytes > image_bytes ? RESIDUE_BEYOND_IMAGE : RESIDUE_NONE;
}
