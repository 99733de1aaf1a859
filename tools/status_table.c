// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/status_table.h"

#include "lib/base/text.h"
#include "lib/base/units.h"
#include "tools/progress.h"
#include "tools/text.h"

#include <stdlib.h>
#include <string.h>

enum {
    WORD_COLUMNS = 12,     /* "master-error" */
    NAME_COLUMNS_MAX = 31, /* the longest name that a slot can be given (lib/rig/layout.h) */
    RATE_COLUMNS = 13,     /* "999.9 MB/s" and room */
    LEFT_COLUMNS = 15,     /* "1:02:03 left" and room */
    SLOTS_NAMED_MAX = 12,  /* in a sentence; more are counted */
    NAMES_BYTES_MAX = 240, /* and so are names that take more room */
};

struct style {
    unsigned width;
    unsigned name_columns;
    bool utf8;
    bool colour;
};

/* The snapshot does not tell what a finished pass was to do; what it did tells. */
static enum press_mode mode_of(const struct snapshot_slot *slot)
{
    return slot->bytes_written == 0 && slot->residue == RESIDUE_UNTOUCHED ? MODE_VERIFY
                                                                          : MODE_WRITE;
}

/* "Acme Stick, 64.0 GB"; nothing when neither is known. */
static void put_drive(FILE *out, const struct snapshot_slot *slot, const char *before)
{
    char size[UNITS_TEXT_BYTES];

    if (slot->drive.model[0] != '\0') {
        (void)fprintf(out, "%s%s", before, slot->drive.model);
        before = ", ";
    }
    if (slot->drive.capacity_bytes > 0) {
        units_format_bytes(size, slot->drive.capacity_bytes);
        (void)fprintf(out, "%s%s", before, size);
    }
}

static void put_running(FILE *out, const struct snapshot_slot *slot)
{
    char rate[UNITS_TEXT_BYTES];
    char left[UNITS_TEXT_BYTES];
    char text[UNITS_TEXT_BYTES + 8] = "";

    (void)fprintf(out, "%3u %%", slot->permille / 10);
    if (slot->bytes_per_s > 0) {
        units_format_bytes(rate, slot->bytes_per_s);
        (void)snprintf(text, sizeof(text), "%s/s", rate);
    }
    (void)fprintf(out, "%*s", RATE_COLUMNS, text);
    text[0] = '\0';
    if (slot->eta_s != WIRE_UNKNOWN && slot->eta_s <= UINT64_MAX / NS_PER_S) {
        units_format_duration(left, slot->eta_s * NS_PER_S);
        (void)snprintf(text, sizeof(text), "%s left", left);
    }
    (void)fprintf(out, "%*s", LEFT_COLUMNS, text);
    put_drive(out, slot, "  ");
}

/* What is told of a drive behind its state. NULL for lack of memory. */
static char *story_of(const struct snapshot_slot *slot)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    if (out == NULL)
        return NULL;
    if (slot->verdict != VERDICT_NONE) {
        (void)fputs(progress_advice(slot->verdict, mode_of(slot)), out);
        put_drive(out, slot, "; ");
    } else if (slot_state_busy(slot->state) && slot->state != SLOT_IDENTIFYING) {
        put_running(out, slot);
    } else {
        put_drive(out, slot, "");
    }
    if (slot->drive.note[0] != '\0')
        (void)fprintf(out, " (%s)", slot->drive.note);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* Behind the state's word. What a verdict means is told in full. */
static void put_story(FILE *out, const struct snapshot_slot *slot, char *story,
                      const struct style *style)
{
    unsigned word = (unsigned)strlen(progress_word(slot->state, slot->verdict));
    unsigned begin = 2 + style->name_columns + 1 + WORD_COLUMNS + 1;
    unsigned room = style->width == 0      ? UINT16_MAX
                    : style->width > begin ? style->width - begin
                                           : 1;

    (void)fprintf(out, "%*s", (int)(WORD_COLUMNS > word ? WORD_COLUMNS - word : 0) + 1, "");
    if (slot->verdict != VERDICT_NONE) {
        text_put_broken(out, story, begin, style->width, style->utf8);
        return;
    }
    (void)text_put(out, story, room, TEXT_CUT_END, style->utf8);
    (void)fputc('\n', out);
}

static void put_slot(FILE *out, const struct snapshot_slot *slot, const struct style *style)
{
    const char *colour = progress_colour(slot->state, style->colour);
    const char *plain = progress_plain(style->colour);
    char *story = story_of(slot);

    (void)fprintf(out, "%s%s%s ", colour, progress_symbol(slot->state, style->utf8), plain);
    text_put_padded(out, slot->name, style->name_columns, TEXT_CUT_MIDDLE, style->utf8);
    (void)fprintf(out, " %s%s%s", colour, progress_word(slot->state, slot->verdict), plain);
    if (story != NULL && story[0] != '\0')
        put_story(out, slot, story, style);
    else
        (void)fputc('\n', out);
    free(story);
}

static void put_heading(FILE *out, const struct snapshot *snapshot, const struct style *style)
{
    bool automatic = strcmp(snapshot->armed_image, "auto") == 0;
    bool write = snapshot->armed_mode == MODE_WRITE;

    if (snapshot->rig[0] != '\0') {
        (void)fputs("Rig ", out);
        (void)text_put(out, snapshot->rig, UINT16_MAX, TEXT_CUT_END, style->utf8);
        (void)fputs(": ", out);
    }
    if (!snapshot->armed) {
        (void)fputs("disarmed.\nDrives that are plugged in are not touched.\n", out);
        return;
    }
    (void)fprintf(out, "%sARMED%s with ", style->colour ? (write ? "\033[1;31m" : "\033[1m") : "",
                  progress_plain(style->colour));
    (void)text_put(out, snapshot->armed_image, UINT16_MAX, TEXT_CUT_END, style->utf8);
    (void)fprintf(out, "%s, %s.\n%s\n", automatic ? " (the largest image that fits)" : "",
                  press_mode_word(snapshot->armed_mode),
                  write ? "Drives that are plugged in are ERASED."
                        : "Drives that are plugged in are compared; nothing is written.");
}

/* Whether the chosen slots are few and short enough to be named in a sentence. `chosen` has a place
 * for each slot. */
static bool can_be_named(const struct snapshot *snapshot, const bool chosen[SLOTS_MAX])
{
    unsigned count = 0;
    size_t bytes = 0;

    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        count += chosen[i];
        bytes += chosen[i] ? strlen(snapshot->slots[i].name) : 0;
    }
    return count <= SLOTS_NAMED_MAX && bytes <= NAMES_BYTES_MAX;
}

/* "A01, A02", or how many there are. */
static void put_names(FILE *out, const struct snapshot *snapshot, const bool chosen[SLOTS_MAX],
                      unsigned count, bool utf8)
{
    const char *before = "";

    if (!can_be_named(snapshot, chosen)) {
        (void)fprintf(out, "%u %s", count, count == 1 ? "slot" : "slots");
        return;
    }
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        if (!chosen[i])
            continue;
        (void)fputs(before, out);
        (void)text_put(out, snapshot->slots[i].name, NAME_COLUMNS_MAX, TEXT_CUT_MIDDLE, utf8);
        before = ", ";
    }
}

/* " A01 A02", whole, as words for a shell; false when a name cannot be shown as one. */
static bool put_words(FILE *out, const struct snapshot *snapshot, const bool chosen[SLOTS_MAX])
{
    char words[4 * NAMES_BYTES_MAX] = "";
    size_t used = 0;

    if (!can_be_named(snapshot, chosen))
        return false;
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        char word[4 * WIRE_NAME_BYTES];
        if (!chosen[i])
            continue;
        if (text_shell_word(word, sizeof(word), snapshot->slots[i].name, "")[0] == '\0' ||
            strlen(word) + 1 >= sizeof(words) - used)
            return false;
        used += (size_t)snprintf(words + used, sizeof(words) - used, " %s", word);
    }
    (void)fputs(words, out);
    return true;
}

/* Drives that wait for a start, and how to start them. */
static void put_waiting(FILE *out, const struct snapshot *snapshot)
{
    bool chosen[SLOTS_MAX] = {false};
    unsigned count = 0;

    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        chosen[i] = snapshot->slots[i].state == SLOT_READY;
        count += chosen[i];
    }
    if (count == 0)
        return;
    (void)fputs(snapshot->armed ? "Plugged in before arming: `drivepress start"
                                : "Plugged in, not started: `drivepress arm`, then `drivepress "
                                  "start",
                out);
    if (!put_words(out, snapshot, chosen))
        (void)fputs(" --all", out);
    (void)fputs("`\n", out);
}

static void put_residue(FILE *out, const struct snapshot *snapshot, enum residue residue,
                        const char *sentence, bool utf8)
{
    bool chosen[SLOTS_MAX] = {false};
    unsigned count = 0;

    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        const struct snapshot_slot *slot = &snapshot->slots[i];
        chosen[i] =
            slot->verdict != VERDICT_NONE && slot->residue == residue && slot->bytes_written > 0;
        count += chosen[i];
    }
    if (count == 0)
        return;
    (void)fprintf(out, "%s: ", sentence);
    put_names(out, snapshot, chosen, count, utf8);
    (void)fputc('\n', out);
}

static void put_totals(FILE *out, const struct snapshot *snapshot)
{
    unsigned running = 0;
    unsigned ready = 0;
    unsigned empty = 0;
    uint64_t bytes_per_s = 0;
    uint64_t eta_s = 0;
    char text[UNITS_TEXT_BYTES];

    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        const struct snapshot_slot *slot = &snapshot->slots[i];
        ready += slot->state == SLOT_READY;
        empty += slot->state == SLOT_EMPTY;
        if (!slot_state_busy(slot->state))
            continue;
        running++;
        bytes_per_s += slot->bytes_per_s;
        eta_s = slot->eta_s > eta_s ? slot->eta_s : eta_s; /* WIRE_UNKNOWN is the largest */
    }
    (void)fprintf(out, "%u running", running);
    if (bytes_per_s > 0) {
        units_format_bytes(text, bytes_per_s);
        (void)fprintf(out, " at %s/s", text);
    }
    if (running > 0 && eta_s != WIRE_UNKNOWN && eta_s <= UINT64_MAX / NS_PER_S) {
        units_format_duration(text, eta_s * NS_PER_S);
        (void)fprintf(out, " with %s left", text);
    }
    (void)fprintf(out, ", %u ready, %u passed, %u failed, %u refused", ready,
                  snapshot->totals.passed, snapshot->totals.failed, snapshot->totals.refused);
    if (snapshot->totals.aborted > 0)
        (void)fprintf(out, ", %u aborted", snapshot->totals.aborted);
    if (empty > 0)
        (void)fprintf(out, "; %u of %u slots %s empty", empty, snapshot->slot_count,
                      empty == 1 ? "is" : "are");
    (void)fputc('\n', out);
}

/* What is told of many slots at once. */
static void put_end(FILE *out, const struct snapshot *snapshot, const struct style *style)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *lines = open_memstream(&text, &bytes);

    if (lines == NULL)
        return;
    put_waiting(lines, snapshot);
    put_residue(lines, snapshot, RESIDUE_BEYOND_IMAGE, "What was behind the image is still there",
                style->utf8);
    put_residue(lines, snapshot, RESIDUE_POSSIBLE, "Parts of what was there before may be left",
                style->utf8);
    put_totals(lines, snapshot);
    if (fclose(lines) == 0) {
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
            text_put_broken(out, line, 0, style->width, style->utf8);
    }
    free(text);
}

void status_table_print(FILE *out, const struct snapshot *snapshot, unsigned width, bool utf8,
                        bool colour)
{
    struct style style = {.width = width, .utf8 = utf8, .colour = colour};

    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        unsigned columns = text_columns(snapshot->slots[i].name, utf8);
        if (snapshot->slots[i].state != SLOT_EMPTY && columns > style.name_columns)
            style.name_columns = columns < NAME_COLUMNS_MAX ? columns : NAME_COLUMNS_MAX;
    }
    put_heading(out, snapshot, &style);
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        if (snapshot->slots[i].state != SLOT_EMPTY)
            put_slot(out, &snapshot->slots[i], &style);
    }
    put_end(out, snapshot, &style);
}
