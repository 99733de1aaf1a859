// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/progress.h"

#include "lib/base/check.h"
#include "lib/base/units.h"
#include "tools/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORD_COLUMNS = 12,   /* "master-error" */
    RATE_COLUMNS = 11,   /* " 999.9 MB/s" */
    LEFT_COLUMNS = 13,   /* " 1:02:03 left" */
    PERCENT_COLUMNS = 6, /* " 100 %" */
    BAR_COLUMNS_MIN = 8,
    BAR_COLUMNS_MAX = 40,
    TARGET_COLUMNS_MIN = 8,
    TARGET_COLUMNS_MAX = 40,
    TARGET_COLUMNS_GOOD = 16, /* enough to tell most targets apart */
    /* What a line needs beside the target to show all but the bar. */
    LINE_REST_COLUMNS = 3 + WORD_COLUMNS + PERCENT_COLUMNS + RATE_COLUMNS + LEFT_COLUMNS,
};

struct layout {
    unsigned width;
    unsigned target;
    unsigned bar; /* 0: none */
    bool rate;
    bool left;
};

const char *progress_symbol(enum slot_state state, bool utf8)
{
    static const struct {
        const char *utf8;
        const char *ascii;
    } symbols[SLOT_STATE_COUNT] = {
        [SLOT_EMPTY] = {"·", "."},   [SLOT_READY] = {"○", "o"},    [SLOT_IDENTIFYING] = {"?", "?"},
        [SLOT_WRITING] = {"▼", ">"}, [SLOT_FLUSHING] = {"≈", "~"}, [SLOT_VERIFYING] = {"▲", "<"},
        [SLOT_PASSED] = {"✔", "+"},  [SLOT_FAILED] = {"✘", "X"},   [SLOT_REFUSED] = {"−", "-"},
        [SLOT_ABORTED] = {"!", "!"},
    };
    check(state < SLOT_STATE_COUNT);
    return utf8 ? symbols[state].utf8 : symbols[state].ascii;
}

const char *progress_word(enum slot_state state, enum verdict verdict)
{
    if (verdict != VERDICT_NONE)
        return verdict_word(verdict);
    return state == SLOT_EMPTY ? "waiting" : slot_state_word(state);
}

const char *progress_advice(enum verdict verdict, enum press_mode mode)
{
    if (mode == MODE_VERIFY && verdict == VERDICT_MISMATCH)
        return "its content is not the image: write it again";
    if (mode == MODE_VERIFY && verdict == VERDICT_STOPPED)
        return "stopped by the operator before all of it was read";
    return verdict_advice(verdict);
}

const char *progress_colour(enum slot_state state, bool colour)
{
    if (!colour)
        return "";
    switch (state) {
    case SLOT_PASSED:
        return "\033[32m";
    case SLOT_FAILED:
        return "\033[1;31m";
    case SLOT_REFUSED:
        return "\033[33m";
    case SLOT_ABORTED:
        return "\033[1;35m";
    case SLOT_READY:
        return "\033[1m";
    case SLOT_EMPTY:
    case SLOT_IDENTIFYING:
    case SLOT_WRITING:
    case SLOT_FLUSHING:
    case SLOT_VERIFYING:
    case SLOT_STATE_COUNT:
        break;
    }
    return "\033[36m";
}

const char *progress_plain(bool colour)
{
    return colour ? "\033[0m" : "";
}

struct progress_totals progress_totals(const struct snapshot *snapshot)
{
    struct progress_totals totals = {.eta_s = WIRE_UNKNOWN};
    uint64_t permille = 0;

    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        const struct snapshot_slot *slot = &snapshot->slots[i];
        verdict_totals_add(&totals.verdicts, slot->verdict);
        if (slot->verdict != VERDICT_NONE) {
            permille += 1000;
            continue;
        }
        totals.running++;
        permille += slot->permille;
        totals.bytes_per_s += slot->bytes_per_s;
        if (slot->eta_s != WIRE_UNKNOWN)
            totals.eta_s =
                totals.eta_s == WIRE_UNKNOWN ? slot->eta_s : max_u64(totals.eta_s, slot->eta_s);
    }
    if (snapshot->slot_count > 0)
        totals.percent = (unsigned)(permille / snapshot->slot_count / 10);
    return totals;
}

void progress_put_counts(FILE *out, const struct progress_totals *totals)
{
    (void)fprintf(out, "%u running, %u passed, %u failed, %u refused", totals->running,
                  totals->verdicts.passed, totals->verdicts.failed, totals->verdicts.refused);
    if (totals->verdicts.aborted > 0)
        (void)fprintf(out, ", %u aborted", totals->verdicts.aborted);
}

static struct layout lay_out(const struct snapshot *snapshot, unsigned width, bool utf8)
{
    struct layout layout = {.width = width};
    unsigned room = width > LINE_REST_COLUMNS ? width - LINE_REST_COLUMNS : 0;
    /* Long names are cut before the bar goes, where both have their room: from 70 columns on. */
    if (room >= TARGET_COLUMNS_GOOD + 1 + BAR_COLUMNS_MIN)
        room -= 1 + BAR_COLUMNS_MIN;
    unsigned target_max = room < TARGET_COLUMNS_MIN   ? TARGET_COLUMNS_MIN
                          : room > TARGET_COLUMNS_MAX ? TARGET_COLUMNS_MAX
                                                      : room;
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        unsigned columns = text_columns(snapshot->slots[i].target, utf8);
        layout.target = columns > layout.target ? columns : layout.target;
    }
    if (layout.target > target_max)
        layout.target = target_max;

    unsigned used = 2 + layout.target + 1 + WORD_COLUMNS + PERCENT_COLUMNS;
    layout.rate = used + RATE_COLUMNS <= width;
    used += layout.rate ? RATE_COLUMNS : 0;
    layout.left = layout.rate && used + LEFT_COLUMNS <= width;
    used += layout.left ? LEFT_COLUMNS : 0;
    unsigned bar = width > used + 1 ? width - used - 1 : 0;
    layout.bar = bar < BAR_COLUMNS_MIN ? 0 : bar > BAR_COLUMNS_MAX ? BAR_COLUMNS_MAX : bar;
    return layout;
}

static void put_bar(FILE *out, unsigned columns, uint32_t permille, bool utf8)
{
    unsigned full = (unsigned)((uint64_t)columns * permille / 1000);
    (void)fputc(' ', out);
    for (unsigned i = 0; i < columns; i++)
        (void)fputs(i < full ? (utf8 ? "█" : "#") : (utf8 ? "░" : "."), out);
}

static void put_left(FILE *out, uint64_t eta_s)
{
    char text[UNITS_TEXT_BYTES];
    if (eta_s == WIRE_UNKNOWN || eta_s > UINT64_MAX / NS_PER_S) {
        (void)fprintf(out, "%*s", LEFT_COLUMNS, "");
        return;
    }
    units_format_duration(text, eta_s * NS_PER_S);
    (void)fprintf(out, "%*s left", LEFT_COLUMNS - 5, text);
}

static void put_running(FILE *out, const struct snapshot_slot *slot, const struct layout *layout,
                        bool utf8)
{
    char text[UNITS_TEXT_BYTES];
    if (!slot_state_busy(slot->state) || slot->state == SLOT_IDENTIFYING)
        return;
    if (layout->bar > 0)
        put_bar(out, layout->bar, slot->permille, utf8);
    if (2 + layout->target + 1 + WORD_COLUMNS + PERCENT_COLUMNS <= layout->width)
        (void)fprintf(out, " %3u %%", slot->permille / 10);
    if (layout->rate && slot->bytes_per_s > 0) {
        units_format_bytes(text, slot->bytes_per_s);
        (void)fprintf(out, " %*s/s", RATE_COLUMNS - 3, text);
    } else if (layout->rate) {
        (void)fprintf(out, "%*s", RATE_COLUMNS, "");
    }
    if (layout->left)
        put_left(out, slot->eta_s);
}

static void put_final(FILE *out, const struct snapshot_slot *slot, const struct layout *layout,
                      enum press_mode mode, bool utf8)
{
    const char *advice = progress_advice(slot->verdict, mode);
    char text[sizeof(slot->drive.note) + 256];
    unsigned used = 2 + layout->target + 1 + WORD_COLUMNS + 1;
    if (used >= layout->width)
        return;
    if (slot->drive.note[0] != '\0' && verdict_class(slot->verdict) != VERDICT_CLASS_PASSED)
        (void)snprintf(text, sizeof(text), " %s (%s)", advice, slot->drive.note);
    else
        (void)snprintf(text, sizeof(text), " %s", advice);
    (void)text_put(out, text, layout->width - used + 1, TEXT_CUT_END, utf8);
}

static void put_slot(FILE *out, const struct snapshot_slot *slot, enum press_mode mode,
                     const struct layout *layout, const struct progress_options *options)
{
    const char *word = progress_word(slot->state, slot->verdict);
    unsigned left = layout->width;

    (void)fputs(progress_colour(slot->state, options->colour), out);
    (void)fputs(progress_symbol(slot->state, options->utf8), out);
    (void)fputs(progress_plain(options->colour), out);
    (void)fputc(' ', out);
    left -= 2;
    unsigned target = layout->target < left ? layout->target : left;
    text_put_padded(out, slot->target, target, TEXT_CUT_MIDDLE, options->utf8);
    left -= target;
    if (left > 1) {
        (void)fputc(' ', out);
        left--;
        (void)fputs(progress_colour(slot->state, options->colour), out);
        text_put_padded(out, word, left < WORD_COLUMNS ? left : WORD_COLUMNS, TEXT_CUT_END,
                        options->utf8);
        (void)fputs(progress_plain(options->colour), out);
    }
    if (slot->verdict == VERDICT_NONE)
        put_running(out, slot, layout, options->utf8);
    else
        put_final(out, slot, layout, mode, options->utf8);
}

/* Builds one line of plain text and prints what fits of it. */
static void put_cut(FILE *out, char *text, unsigned width, bool utf8)
{
    if (text != NULL)
        (void)text_put(out, text, width, TEXT_CUT_END, utf8);
    free(text);
}

static void put_heading(FILE *out, const struct snapshot *snapshot, unsigned width,
                        const struct progress_options *options)
{
    char size[UNITS_TEXT_BYTES];
    char elapsed[UNITS_TEXT_BYTES];
    char *text = NULL;
    bool write = snapshot->armed_mode == MODE_WRITE;

    units_format_bytes(size, options->image_bytes);
    units_format_duration(elapsed, options->elapsed_ms * NS_PER_MS);
    if (asprintf(&text, "%s%s %s (%s) %s %u %s | %s",
                 options->stopping ? "STOPPING (Ctrl-C again ends at once): " : "",
                 write ? "Writing" : "Verifying", snapshot->armed_image, size,
                 write ? "onto" : "on", snapshot->slot_count,
                 snapshot->slot_count == 1 ? "drive" : "drives", elapsed) < 0)
        return;
    put_cut(out, text, width, options->utf8);
}

static void put_totals(FILE *out, const struct snapshot *snapshot, unsigned width,
                       const struct progress_options *options)
{
    struct progress_totals totals = progress_totals(snapshot);
    char rate[UNITS_TEXT_BYTES];
    char master[UNITS_TEXT_BYTES];
    char *text = NULL;
    size_t bytes = 0;
    FILE *line = open_memstream(&text, &bytes);

    if (line == NULL)
        return;
    units_format_bytes(rate, totals.bytes_per_s);
    units_format_bytes(master, snapshot->master_bytes_read);
    progress_put_counts(line, &totals);
    (void)fprintf(line, " | %s/s | master read %s", rate, master);
    if (fclose(line) == 0)
        put_cut(out, text, width, options->utf8);
    else
        free(text);
}

/* Who is shown first when not all fit: what needs a hand, then what moves. */
static unsigned priority(const struct snapshot_slot *slot)
{
    switch (verdict_class(slot->verdict)) {
    case VERDICT_CLASS_FAILED:
    case VERDICT_CLASS_ABORTED:
        return 0;
    case VERDICT_CLASS_NONE:
        return slot->state == SLOT_EMPTY ? 4 : 1;
    case VERDICT_CLASS_REFUSED:
        return 2;
    case VERDICT_CLASS_PASSED:
        break;
    }
    return 3;
}

static void choose(const struct snapshot *snapshot, unsigned lines, bool chosen[SLOTS_MAX])
{
    for (unsigned level = 0; level <= 4; level++) {
        for (uint32_t i = 0; i < snapshot->slot_count && lines > 0; i++) {
            if (priority(&snapshot->slots[i]) == level) {
                chosen[i] = true;
                lines--;
            }
        }
    }
}

static void put_slots(FILE *out, const struct snapshot *snapshot, unsigned width, unsigned lines,
                      const struct progress_options *options)
{
    struct layout layout = lay_out(snapshot, width, options->utf8);
    bool chosen[SLOTS_MAX] = {false};
    unsigned shown = snapshot->slot_count;

    if (shown > lines)
        shown = lines - 1;
    choose(snapshot, shown, chosen);
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        if (chosen[i]) {
            put_slot(out, &snapshot->slots[i], snapshot->armed_mode, &layout, options);
            (void)fputc('\n', out);
        }
    }
    char *more = NULL;
    if (shown < snapshot->slot_count &&
        asprintf(&more, "%s and %u more", options->utf8 ? "…" : "...",
                 snapshot->slot_count - shown) >= 0) {
        put_cut(out, more, width, options->utf8);
        (void)fputc('\n', out);
    }
}

char *progress_render(const struct snapshot *snapshot, unsigned width, unsigned height,
                      const struct progress_options *options)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    if (out == NULL)
        return NULL;
    if (width < 4)
        width = 4;
    if (height >= 4) {
        put_heading(out, snapshot, width, options);
        (void)fputc('\n', out);
    }
    if (height >= 2)
        put_slots(out, snapshot, width, height >= 4 ? height - 2 : height - 1, options);
    put_totals(out, snapshot, width, options);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
