// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_CHOICE_H
#define CORE_CHOICE_H

#include "lib/core/image.h"
#include "lib/core/limits.h"

#include <stddef.h>
#include <stdint.h>

/* Which image fits this drive: the largest of a set that the drive can hold; of two of one size the
 * one with the lower number. Pure. */

#define CHOICE_NONE UINT32_MAX

/* `set` has bit N for images[N], which may be NULL only where the bit is not set. Images with a
 * fault are passed over. Returns the image's number, or CHOICE_NONE: then `smallest` (if not NULL)
 * is the number of the smallest sound image, for which the drive is too small, or CHOICE_NONE when
 * all have a fault. */
uint32_t choice_pick(struct image *const images[IMAGES_MAX], uint64_t set, uint64_t capacity_bytes,
                     uint32_t *smallest);

#endif
