// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef TOOLS_DISPLAY_H
#define TOOLS_DISPLAY_H

#include "lib/wire/snapshot.h"
#include "tools/progress.h"

#include <stdbool.h>
#include <stdint.h>

/* Progress on stderr while a press runs: on a terminal a picture that is drawn over in place, else
 * a line per transition and one every DISPLAY_PROGRESS_MS. One thread. */

#define DISPLAY_FRAME_MS    200   /* at most 5 frames a second: more is flicker, not news */
#define DISPLAY_PROGRESS_MS 10000 /* between two progress lines of a log */

struct display {
    bool live;
    bool quiet;
    struct progress_options options;
    unsigned frame_lines; /* on the screen now; 0: nothing */
    bool fresh;           /* the screen was resized or used by others: begin at its top */
    bool dirty;
    uint64_t started_ms;
    uint64_t drawn_ms;
    uint64_t lined_ms;
};

/* Times are of a monotonic clock. `plain` asks for lines on a terminal too. */
void display_start(struct display *display, bool plain, bool quiet, bool no_colour,
                   uint64_t image_bytes, uint64_t now_ms);

/* One drive changed its state. */
void display_transition(struct display *display, const struct snapshot *snapshot, uint32_t slot);

/* Shows the news, now or when it is time. Returns the milliseconds until it must be called again,
 * or -1 if only news matter. */
int display_update(struct display *display, const struct snapshot *snapshot, bool news,
                   uint64_t now_ms);

/* The terminal's size changed, or the program was in the background. */
void display_resized(struct display *display);

/* A line for people, which stays; above the picture. */
void display_note(struct display *display, const char *text);

/* Takes the picture away, so that other text can follow. */
void display_end(struct display *display);

#endif
