// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/image_progress.h"

#include "lib/base/clock.h"
#include "lib/base/units.h"
#include "tools/terminal.h"
#include "tools/text.h"

#include <stdio.h>

uint64_t image_progress_rate(uint64_t bytes, uint64_t duration_ns)
{
    return (uint64_t)((double)bytes * (double)NS_PER_S / (double)max_u64(duration_ns, 1));
}

void image_progress_begin(struct image_progress *progress, const char *name, const char *last)
{
    *progress =
        (struct image_progress){.name = name, .last = last, .on_terminal = terminal_can_draw()};
    progress->started_ns = clock_now_ns();
    progress->shown_ns = progress->started_ns;
}

static void draw(const struct image_progress *progress, uint64_t done_bytes, uint64_t size_bytes)
{
    char done[UNITS_TEXT_BYTES];
    char size[UNITS_TEXT_BYTES];
    char rate[UNITS_TEXT_BYTES];
    char left[UNITS_TEXT_BYTES];
    char line[24 + 4 * UNITS_TEXT_BYTES + 64];
    unsigned width = 0;
    unsigned height = 0;
    uint64_t passed_ns = progress->shown_ns - progress->started_ns;
    uint64_t left_ns = FOREVER_NS;

    if (done_bytes > 0)
        left_ns =
            (uint64_t)((double)passed_ns * (double)(size_bytes - done_bytes) / (double)done_bytes);
    units_format_bytes(done, done_bytes);
    units_format_bytes(size, size_bytes);
    units_format_bytes(rate, image_progress_rate(done_bytes, passed_ns));
    units_format_duration(left, left_ns);
    if (done_bytes == size_bytes)
        (void)snprintf(line, sizeof(line), "%.24s: %s read, %s", progress->name, size,
                       progress->last);
    else
        (void)snprintf(line, sizeof(line), "%.24s: %3u %%, %s of %s, %s/s, %s left", progress->name,
                       (unsigned)(100.0 * (double)done_bytes / (double)size_bytes), done, size,
                       rate, left);
    terminal_size(&width, &height);
    /* The last column stays free: behind it some terminals begin a new line. */
    (void)fputc('\r', stderr);
    (void)text_put(stderr, line, width - 1, TEXT_CUT_END, text_locale_is_utf8());
    (void)fputs("\033[K", stderr);
    (void)fflush(stderr);
}

void image_progress_show(struct image_progress *progress, uint64_t done_bytes, uint64_t size_bytes)
{
    enum { REDRAWS_PER_S = 10 };
    uint64_t at_ns = clock_now_ns();
    bool due = at_ns - progress->shown_ns >= NS_PER_S / REDRAWS_PER_S;

    if (!progress->on_terminal || (!due && done_bytes != size_bytes))
        return;
    progress->shown_ns = at_ns;
    draw(progress, done_bytes, size_bytes);
}

uint64_t image_progress_end(const struct image_progress *progress)
{
    if (progress->on_terminal)
        (void)fprintf(stderr, "\r\033[K");
    return clock_now_ns() - progress->started_ns;
}
