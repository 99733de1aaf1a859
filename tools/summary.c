// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/summary.h"

#include "lib/base/units.h"
#include "tools/options.h"
#include "tools/progress.h"
#include "tools/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    WORD_COLUMNS = 12,
    TARGET_COLUMNS_MAX = 48,
    BAD_CHUNKS_SHOWN = 5,  /* the rest is in the JSON */
    TARGETS_NAMED_MAX = 8, /* in a sentence; more are counted */
};

struct style {
    unsigned width;
    unsigned target_columns;
    bool utf8;
    bool colour;
};

struct verdict_totals summary_totals(const struct snapshot *snapshot)
{
    struct verdict_totals totals = {0};
    for (uint32_t i = 0; i < snapshot->slot_count; i++)
        verdict_totals_add(&totals, snapshot->slots[i].verdict);
    return totals;
}

static void put_amount(FILE *out, const char *what, uint64_t bytes, uint64_t time_ms)
{
    char size[UNITS_TEXT_BYTES];
    char time[UNITS_TEXT_BYTES];
    units_format_bytes(size, bytes);
    /* Tenths tell short times apart, which tests and small images have. */
    if (time_ms < 10000)
        (void)snprintf(time, sizeof(time), "%u.%u s", (unsigned)time_ms / 1000,
                       (unsigned)time_ms / 100 % 10);
    else
        units_format_duration(time, time_ms * NS_PER_MS);
    (void)fprintf(out, "%s %s in %s", what, size, time);
}

/* "wrote 4.0 GB in 1:20, read back 4.0 GB in 0:45"; empty for a drive that was not touched. */
static void put_work(FILE *out, const struct snapshot_slot *slot, enum press_mode mode)
{
    if (slot->bytes_written > 0)
        put_amount(out, "wrote", slot->bytes_written, slot->write_ms);
    if (slot->bytes_verified > 0)
        put_amount(out,
                   slot->bytes_written > 0 ? ", read back"
                   : mode == MODE_WRITE    ? "read back"
                                           : "read",
                   slot->bytes_verified, slot->verify_ms);
}

static void put_bad_chunks(FILE *out, const struct snapshot_slot *slot)
{
    (void)fprintf(out, "; bad %s", slot->bad_chunk_count == 1 ? "chunk" : "chunks");
    for (uint32_t i = 0; i < slot->bad_chunk_count && i < BAD_CHUNKS_SHOWN; i++)
        (void)fprintf(out, "%s %u", i > 0 ? "," : "", slot->bad_chunks[i]);
    if (slot->bad_chunk_count > BAD_CHUNKS_SHOWN)
        (void)fprintf(out, " and %u more", slot->bad_chunk_count - BAD_CHUNKS_SHOWN);
}

/* The drive has a note that no other one has; those that several share are told once. */
static bool own_note(const struct snapshot *snapshot, const struct snapshot_slot *slot)
{
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        const struct snapshot_slot *other = &snapshot->slots[i];
        if (other != slot && strcmp(other->drive.note, slot->drive.note) == 0)
            return false;
    }
    return slot->drive.note[0] != '\0';
}

/* What the verdict means and what to do. */
static void put_meaning(FILE *out, const struct summary *summary, const struct snapshot_slot *slot,
                        bool utf8)
{
    (void)fputs(progress_advice(slot->verdict, summary->mode), out);
    if (slot->bad_chunk_count > 0)
        put_bad_chunks(out, slot);
    if (own_note(summary->snapshot, slot)) {
        (void)fputs(" (", out);
        (void)text_put(out, slot->drive.note, UINT16_MAX, TEXT_CUT_END, utf8);
        (void)fputc(')', out);
    }
}

/* What became of a drive, as one line. NULL without memory. */
static char *story_of(const struct summary *summary, const struct snapshot_slot *slot, bool utf8)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    if (out == NULL)
        return NULL;
    put_meaning(out, summary, slot, utf8);
    if (slot->bytes_written > 0 || slot->bytes_verified > 0) {
        (void)fputs("; ", out);
        put_work(out, slot, summary->mode);
    }
    (void)fclose(out);
    return text;
}

static void put_drive(FILE *out, const struct summary *summary, const struct snapshot_slot *slot,
                      const struct style *style)
{
    char *story = story_of(summary, slot, style->utf8);
    unsigned begin = 2 + style->target_columns + 1 + WORD_COLUMNS + 1;
    bool fits = style->width == 0 ||
                (story != NULL && begin + text_columns(story, style->utf8) <= style->width);

    (void)fprintf(out, "%s%s%s ", progress_colour(slot->state, style->colour),
                  progress_symbol(slot->state, style->utf8), progress_plain(style->colour));
    text_put_padded(out, slot->target, style->target_columns, TEXT_CUT_MIDDLE, style->utf8);
    (void)fputc(' ', out);
    (void)fputs(progress_colour(slot->state, style->colour), out);
    (void)fprintf(out, "%-*s", WORD_COLUMNS, verdict_word(slot->verdict));
    (void)fputs(progress_plain(style->colour), out);
    (void)fputc(' ', out);
    /* What passed means is in the totals, for all of them. */
    const char *work = story != NULL ? strstr(story, "; ") : NULL;
    if (!fits && slot->verdict == VERDICT_PASSED && work != NULL &&
        !own_note(summary->snapshot, slot))
        memmove(story, work + 2, strlen(work + 2) + 1);
    text_put_broken(out, story, begin, style->width, style->utf8);
    free(story);
}

static void put_names(FILE *out, const struct snapshot *snapshot, const bool named[SLOTS_MAX],
                      unsigned count, bool utf8)
{
    if (count == snapshot->slot_count && count > 1) {
        (void)fprintf(out, "all %u drives", count);
        return;
    }
    if (count > TARGETS_NAMED_MAX) {
        (void)fprintf(out, "%u drives", count);
        return;
    }
    const char *separator = "";
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        if (!named[i])
            continue;
        (void)fputs(separator, out);
        (void)text_put(out, snapshot->slots[i].target, TARGET_COLUMNS_MAX, TEXT_CUT_MIDDLE, utf8);
        separator = ", ";
    }
}

/* What a residue means after a press; NULL where there is nothing to warn of. */
static const char *residue_sentence(enum residue residue, enum press_mode mode)
{
    switch (residue) {
    case RESIDUE_BEYOND_IMAGE:
        return mode == MODE_WRITE ? "What was behind the image is still there"
                                  : "What lies behind the image was not looked at";
    case RESIDUE_POSSIBLE:
        return "Parts of what was there before may be left";
    case RESIDUE_UNTOUCHED:
        return mode == MODE_WRITE ? "Nothing was erased" : NULL;
    case RESIDUE_NONE:
    case RESIDUE_COUNT:
        break;
    }
    return NULL;
}

static void put_residues(FILE *out, const struct summary *summary, bool utf8)
{
    static const enum residue order[] = {RESIDUE_BEYOND_IMAGE, RESIDUE_POSSIBLE, RESIDUE_UNTOUCHED};
    for (size_t i = 0; i < array_count(order); i++) {
        const char *sentence = residue_sentence(order[i], summary->mode);
        bool named[SLOTS_MAX] = {false};
        unsigned count = 0;
        for (uint32_t j = 0; j < summary->snapshot->slot_count; j++) {
            named[j] = summary->snapshot->slots[j].residue == order[i];
            count += named[j];
        }
        if (sentence == NULL || count == 0)
            continue;
        (void)fprintf(out, "%s: ", sentence);
        put_names(out, summary->snapshot, named, count, utf8);
        (void)fputc('\n', out);
    }
}

/* Once for all drives that have the same. */
static void put_shared_notes(FILE *out, const struct snapshot *snapshot, bool utf8)
{
    bool told[SLOTS_MAX] = {false};
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        const char *note = snapshot->slots[i].drive.note;
        bool named[SLOTS_MAX] = {false};
        unsigned count = 0;
        if (told[i] || note[0] == '\0' || own_note(snapshot, &snapshot->slots[i]))
            continue;
        for (uint32_t j = i; j < snapshot->slot_count; j++) {
            named[j] = strcmp(snapshot->slots[j].drive.note, note) == 0;
            told[j] = told[j] || named[j];
            count += named[j];
        }
        (void)text_put(out, note, UINT16_MAX, TEXT_CUT_END, utf8);
        (void)fputs(": ", out);
        put_names(out, snapshot, named, count, utf8);
        (void)fputc('\n', out);
    }
}

static void put_totals(FILE *out, const struct summary *summary)
{
    struct verdict_totals totals = summary_totals(summary->snapshot);
    char master[UNITS_TEXT_BYTES];
    char elapsed[UNITS_TEXT_BYTES];

    units_format_bytes(master, summary->snapshot->master_bytes_read);
    units_format_duration(elapsed, summary->elapsed_ms * NS_PER_MS);
    (void)fprintf(out, "%u passed", totals.passed);
    if (totals.passed > 0)
        (void)fprintf(out, " (%s)", verdict_advice(VERDICT_PASSED));
    (void)fprintf(out, ", %u failed, %u refused", totals.failed, totals.refused);
    if (totals.aborted > 0)
        (void)fprintf(out, ", %u aborted through no fault of theirs", totals.aborted);
    (void)fprintf(out, "\n%s in all, %s read from the master\n", elapsed, master);
}

/* What is told of many drives at once. */
static void put_end(FILE *out, const struct summary *summary, const struct style *style)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *lines = open_memstream(&text, &bytes);

    if (lines == NULL)
        return;
    put_shared_notes(lines, summary->snapshot, style->utf8);
    put_residues(lines, summary, style->utf8);
    put_totals(lines, summary);
    if (fclose(lines) == 0) {
        for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
            text_put_broken(out, line, 0, style->width, style->utf8);
    }
    free(text);
}

void summary_print(FILE *out, const struct summary *summary, unsigned width, bool utf8, bool colour)
{
    const struct snapshot *snapshot = summary->snapshot;
    struct style style = {.width = width, .utf8 = utf8, .colour = colour};
    unsigned target_max = width == 0 ? UINT16_MAX : TARGET_COLUMNS_MAX;

    if (width > 0 && width / 3 < target_max)
        target_max = width / 3;
    for (uint32_t i = 0; i < snapshot->slot_count; i++) {
        unsigned columns = text_columns(snapshot->slots[i].target, utf8);
        if (columns > style.target_columns)
            style.target_columns = columns;
    }
    if (style.target_columns > target_max)
        style.target_columns = target_max;
    for (uint32_t i = 0; i < snapshot->slot_count; i++)
        put_drive(out, summary, &snapshot->slots[i], &style);
    put_end(out, summary, &style);
}

static json_t *drive_json(const struct snapshot_slot *slot)
{
    json_t *chunks = json_array();
    for (uint32_t i = 0; i < slot->bad_chunk_count; i++)
        (void)json_array_append_new(chunks, json_integer(slot->bad_chunks[i]));
    if (json_array_size(chunks) != slot->bad_chunk_count) {
        json_decref(chunks);
        return NULL;
    }
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:I, s:I, s:s, s:I, s:s, s:s, s:s}", //
                     "target", slot->target,                                         //
                     "verdict", verdict_word(slot->verdict),                         //
                     "bytes_written", (json_int_t)slot->bytes_written,               //
                     "bytes_verified", (json_int_t)slot->bytes_verified,             //
                     "bad_chunks", chunks,                                           //
                     "write_ms", (json_int_t)slot->write_ms,                         //
                     "verify_ms", (json_int_t)slot->verify_ms,                       //
                     "residue", residue_word(slot->residue),                         //
                     "capacity_bytes", (json_int_t)slot->drive.capacity_bytes,       //
                     "model", slot->drive.model,                                     //
                     "serial", slot->drive.serial,                                   //
                     "note", slot->drive.note);
}

int summary_print_json(FILE *out, const struct summary *summary)
{
    struct verdict_totals totals = summary_totals(summary->snapshot);
    /* The image, the engine and the pool are told in the words of the protocol. */
    json_t *root = run_result_encode(summary->result);
    json_t *rest = json_pack("{s:s, s:[], s:i, s:i, s:i, s:i, s:I, s:I}",      //
                             "mode", options_verb(summary->mode),              //
                             "drives",                                         //
                             "passed", (int)totals.passed,                     //
                             "failed", (int)totals.failed,                     //
                             "refused", (int)totals.refused,                   //
                             "aborted", (int)totals.aborted,                   //
                             "master_bytes_read",                              //
                             (json_int_t)summary->snapshot->master_bytes_read, //
                             "elapsed_ms", (json_int_t)summary->elapsed_ms);
    json_t *drives = json_object_get(rest, "drives");
    int error = json_object_update(root, rest) == 0 && drives != NULL ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < summary->snapshot->slot_count && error == 0; i++) {
        if (json_array_append_new(drives, drive_json(&summary->snapshot->slots[i])) != 0)
            error = -ENOMEM;
    }
    char *text = error == 0 ? json_dumps(root, JSON_INDENT(2)) : NULL;
    if (text != NULL)
        (void)fprintf(out, "%s\n", text);
    else
        error = -ENOMEM;
    free(text);
    json_decref(rest);
    json_decref(root);
    return error;
}
