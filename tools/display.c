// SPDX-License-Identifier: GPL-3.0-or-later
/* Each frame goes out in one write: cursor to the frame's first line, every line after an erase,
 * then an erase of what is below. Lines never wrap (they fit, and wrapping is off while
 * drawing), so the frame's height is known. A resize may move lines about: the next frame then
 * starts on a cleared screen. A terminal that takes nothing is ignored: progress is not a result.
 */
#include "tools/display.h"

#include "lib/base/units.h"
#include "tools/terminal.h"
#include "tools/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void write_all(const char *data, size_t length_bytes)
{
    while (length_bytes > 0) {
        ssize_t count = write(STDERR_FILENO, data, length_bytes);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return;
        data += count;
        length_bytes -= (size_t)count;
    }
}

void display_start(struct display *display, bool plain, bool quiet, bool no_colour,
                   uint64_t image_bytes, uint64_t now_ms)
{
    const char *no_color = getenv("NO_COLOR");
    *display = (struct display){.live = terminal_can_draw() && !plain && !quiet,
                                .quiet = quiet,
                                .started_ms = now_ms,
                                .lined_ms = now_ms};
    display->options.utf8 = text_locale_is_utf8();
    display->options.colour = !no_colour && (no_color == NULL || no_color[0] == '\0');
    display->options.image_bytes = image_bytes;
}

static void put_time(FILE *out)
{
    char text[16] = "";
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local) != NULL)
        (void)strftime(text, sizeof(text), "%H:%M:%S", &local);
    (void)fprintf(out, "%s ", text);
}

void display_transition(struct display *display, const struct snapshot *snapshot, uint32_t slot)
{
    const struct snapshot_slot *drive = &snapshot->slots[slot];
    bool utf8 = display->options.utf8;

    display->dirty = true;
    if (display->live || display->quiet)
        return;
    put_time(stderr);
    (void)text_put(stderr, drive->target, UINT16_MAX, TEXT_CUT_END, utf8);
    (void)fprintf(stderr, ": %s", progress_word(drive->state, drive->verdict));
    if (drive->verdict != VERDICT_NONE)
        (void)fprintf(stderr, ", %s", progress_advice(drive->verdict, snapshot->armed_mode));
    bool finished_badly =
        drive->verdict != VERDICT_NONE && verdict_class(drive->verdict) != VERDICT_CLASS_PASSED;
    if (finished_badly && drive->drive.note[0] != '\0') {
        (void)fputs(" (", stderr);
        (void)text_put(stderr, drive->drive.note, UINT16_MAX, TEXT_CUT_END, utf8);
        (void)fputc(')', stderr);
    }
    (void)fputc('\n', stderr);
}

static void put_progress_line(const struct snapshot *snapshot)
{
    struct progress_totals totals = progress_totals(snapshot);
    char text[UNITS_TEXT_BYTES];

    put_time(stderr);
    (void)fprintf(stderr, "%u %%: ", totals.percent);
    progress_put_counts(stderr, &totals);
    units_format_bytes(text, totals.bytes_per_s);
    (void)fprintf(stderr, ", %s/s", text);
    if (totals.eta_s != WIRE_UNKNOWN && totals.eta_s < UINT32_MAX) {
        units_format_duration(text, totals.eta_s * NS_PER_S);
        (void)fprintf(stderr, ", %s left", text);
    }
    (void)fputc('\n', stderr);
}

static void draw(struct display *display, const struct snapshot *snapshot)
{
    unsigned width = 0;
    unsigned height = 0;
    terminal_size(&width, &height);
    char *frame = progress_render(snapshot, width, height, &display->options);
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL || frame == NULL) {
        if (out != NULL)
            (void)fclose(out);
        free(text);
        free(frame);
        return;
    }
    (void)fputs("\033[?7l", out);
    if (display->fresh)
        (void)fputs("\033[H\033[2J", out);
    else if (display->frame_lines > 1)
        (void)fprintf(out, "\r\033[%uA", display->frame_lines - 1);
    else
        (void)fputc('\r', out);

    display->frame_lines = 1;
    for (char *line = frame; line != NULL;) {
        char *newline = strchr(line, '\n');
        if (newline != NULL)
            *newline = '\0';
        /* Erased first: after a full line it would take the last column. */
        (void)fprintf(out, "\033[K%s", line);
        line = newline != NULL ? newline + 1 : NULL;
        if (line != NULL) {
            (void)fputs("\r\n", out);
            display->frame_lines++;
        }
    }
    (void)fputs("\033[J\033[?7h", out);
    if (fclose(out) == 0)
        write_all(text, bytes);
    free(text);
    free(frame);
    display->fresh = false;
}

int display_update(struct display *display, const struct snapshot *snapshot, bool news,
                   uint64_t now_ms)
{
    if (display->quiet)
        return -1;
    if (!display->live) {
        if (now_ms - display->lined_ms >= DISPLAY_PROGRESS_MS) {
            put_progress_line(snapshot);
            display->lined_ms = now_ms;
        }
        return (int)(DISPLAY_PROGRESS_MS - (now_ms - display->lined_ms));
    }
    display->dirty = display->dirty || news;
    uint64_t age_ms = now_ms - display->drawn_ms;
    if (display->frame_lines > 0 && age_ms < DISPLAY_FRAME_MS)
        return display->dirty ? (int)(DISPLAY_FRAME_MS - age_ms) : 1000;
    /* Without news too, once a second: the clock shows that the program lives. */
    if (!display->dirty && age_ms < 1000)
        return (int)(1000 - age_ms);
    display->options.elapsed_ms = now_ms - display->started_ms;
    draw(display, snapshot);
    display->dirty = false;
    display->drawn_ms = now_ms;
    return 1000;
}

void display_resized(struct display *display)
{
    display->fresh = display->frame_lines > 0;
    display->dirty = true;
}

void display_end(struct display *display)
{
    char text[32];
    if (display->frame_lines == 0)
        return;
    if (display->frame_lines > 1)
        (void)snprintf(text, sizeof(text), "\r\033[%uA\033[J", display->frame_lines - 1);
    else
        (void)snprintf(text, sizeof(text), "\r\033[J");
    write_all(text, strlen(text));
    display->frame_lines = 0;
}

void display_note(struct display *display, const char *text)
{
    display_end(display);
    display->dirty = true;
    (void)text_put(stderr, text, UINT16_MAX, TEXT_CUT_END, display->options.utf8);
    (void)fputc('\n', stderr);
}
