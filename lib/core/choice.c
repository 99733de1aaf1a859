// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/choice.h"

#include "lib/base/check.h"

uint32_t choice_pick(struct image *const images[IMAGES_MAX], uint64_t set, uint64_t capacity_bytes,
                     uint32_t *smallest)
{
    uint32_t largest = CHOICE_NONE;
    uint32_t least = CHOICE_NONE;

    for (uint32_t number = 0; number < IMAGES_MAX; number++) {
        if ((set >> number & 1) == 0)
            continue;
        const struct image *image = images[number];
        check(image != NULL);
        if (image->fault != IMAGE_SOUND)
            continue;
        if (least == CHOICE_NONE || image->size_bytes < images[least]->size_bytes)
            least = number;
        if (image->size_bytes <= capacity_bytes &&
            (largest == CHOICE_NONE || image->size_bytes > images[largest]->size_bytes))
            largest = number;
    }
    if (smallest != NULL)
        *smallest = least;
    return largest;
}
