// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_IMAGE_PROGRESS_H
#define TOOLS_IMAGE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* The progress of reading one image: a line on a terminal's stderr that is drawn over itself, and
 * nothing where that is not a terminal that can be drawn on. One thread. */
struct image_progress {
    const char *name; /* the caller's, as is last */
    const char *last; /* what goes on after all was read */
    bool on_terminal;
    uint64_t started_ns;
    uint64_t shown_ns;
};

void image_progress_begin(struct image_progress *progress, const char *name, const char *last);

/* Redraws the line if it is due. */
void image_progress_show(struct image_progress *progress, uint64_t done_bytes, uint64_t size_bytes);

/* Removes the line. Returns the time since image_progress_begin. */
uint64_t image_progress_end(const struct image_progress *progress);

/* A rate in bytes per second. */
uint64_t image_progress_rate(uint64_t bytes, uint64_t duration_ns);

#endif
