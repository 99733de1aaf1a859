// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/trace.h"

#include "lib/base/check.h"
#include "lib/base/units.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SET_TEXT_BYTES = 128, /* at most 121 characters: "0-1,3-4," and so on to "60-61,63" */
    TIME_TEXT_BYTES = 32,
    WHO_TEXT_BYTES = 32,
    PLUGGED_TEXT_BYTES = TIME_TEXT_BYTES + 8,
    CAPACITY_TEXT_BYTES = 32,
    OUTCOME_TEXT_BYTES = 64,
};

const char *trace_io_word(enum io_result result)
{
    switch (result) {
    case IO_OK:
        return "ok";
    case IO_ERROR:
        return "error";
    case IO_GONE:
        return "gone";
    case IO_CANCELLED:
        return "cancelled";
    }
    check_never("an io_result without a word");
}

const char *trace_open_word(enum open_result result)
{
    switch (result) {
    case OPEN_OK:
        return "ok";
    case OPEN_BUSY:
        return "busy";
    case OPEN_SYSTEM_DISK:
        return "system-disk";
    case OPEN_READ_ONLY:
        return "read-only";
    case OPEN_NO_MEDIUM:
        return "no-medium";
    case OPEN_DENIED:
        return "denied";
    case OPEN_UNSUITABLE:
        return "unsuitable";
    case OPEN_GONE:
        return "gone";
    case OPEN_ERROR:
        return "error";
    case OPEN_OUR_FAULT:
        return "our-fault";
    }
    check_never("an open_result without a word");
}

const char *trace_mode_word(enum press_mode mode)
{
    switch (mode) {
    case MODE_WRITE:
        return "write+verify";
    case MODE_VERIFY:
        return "verify";
    }
    check_never("a mode without a word");
}

void trace_digest(char text[DIGEST_TEXT_BYTES], struct digest digest)
{
    (void)snprintf(text, DIGEST_TEXT_BYTES, "%016" PRIx64 "%016" PRIx64, digest.high, digest.low);
}

/* Seconds with three, six or nine decimals: as many as it takes to lose nothing. */
static void format_time(char text[TIME_TEXT_BYTES], uint64_t now_ns)
{
    uint64_t seconds = now_ns / NS_PER_S;
    uint64_t rest_ns = now_ns % NS_PER_S;

    if (rest_ns % NS_PER_MS == 0)
        (void)snprintf(text, TIME_TEXT_BYTES, "%5" PRIu64 ".%03" PRIu64, seconds,
                       rest_ns / NS_PER_MS);
    else if (rest_ns % NS_PER_US == 0)
        (void)snprintf(text, TIME_TEXT_BYTES, "%5" PRIu64 ".%06" PRIu64, seconds,
                       rest_ns / NS_PER_US);
    else
        (void)snprintf(text, TIME_TEXT_BYTES, "%5" PRIu64 ".%09" PRIu64, seconds, rest_ns);
}

static const char *skip_spaces(const char *text)
{
    while (*text == ' ')
        text++;
    return text;
}

static void format_who(char text[WHO_TEXT_BYTES], uint32_t slot, uint64_t attachment)
{
    (void)snprintf(text, WHO_TEXT_BYTES, "%" PRIu32 "#%" PRIu64, slot, attachment);
}

/* How a request ended, and what it read if that is worth a word. */
static void format_outcome(char text[OUTCOME_TEXT_BYTES], const struct event *event)
{
    const char *word = trace_io_word(event->transfer.result);
    char digest[DIGEST_TEXT_BYTES];

    trace_digest(digest, event->transfer.digest);
    if (event->transfer.result == IO_OK && event->type != EVENT_WRITTEN)
        (void)snprintf(text, OUTCOME_TEXT_BYTES, "%s %s", word, digest);
    else
        (void)snprintf(text, OUTCOME_TEXT_BYTES, "%s", word);
}

/* The end of what a drive or the master was asked for. */
static void trace_answer(char line[TRACE_LINE_BYTES], const char *time, const char *who,
                         const struct event *event)
{
    const struct drive_facts *facts = &event->opened.facts;
    bool read = event->type == EVENT_READ;
    char outcome[OUTCOME_TEXT_BYTES];

    if (event->type == EVENT_FLUSHED) {
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < flushed %s %s", time, who,
                       trace_io_word(event->flushed));
    } else if (event->type == EVENT_OPENED && event->opened.result == OPEN_OK) {
        (void)snprintf(line, TRACE_LINE_BYTES,
                       "%s s < opened %s ok capacity %" PRIu64 " block %" PRIu32 " %s", time, who,
                       facts->capacity_bytes, facts->logical_block_bytes,
                       facts->read_only ? "read-only" : "writable");
    } else if (event->type == EVENT_OPENED) {
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < opened %s %s", time, who,
                       trace_open_word(event->opened.result));
    } else if (event->type == EVENT_LOADED) {
        format_outcome(outcome, event);
        (void)snprintf(line, TRACE_LINE_BYTES,
                       "%s s < loaded chunk %" PRIu32 " into buffer %" PRIu32 " %s", time,
                       event->transfer.chunk, event->transfer.buffer, outcome);
    } else {
        format_outcome(outcome, event);
        (void)snprintf(line, TRACE_LINE_BYTES,
                       "%s s < %s %s chunk %" PRIu32 " %s buffer %" PRIu32 " %s", time,
                       read ? "read" : "written", who, event->transfer.chunk,
                       read ? "into" : "from", event->transfer.buffer, outcome);
    }
}

static void trace_image(char line[TRACE_LINE_BYTES], const char *time, const struct event *event)
{
    const struct image *image = event->image.image;

    if (image == NULL) {
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < image %" PRIu32 " forgotten", time,
                       event->image.number);
        return;
    }
    (void)snprintf(line, TRACE_LINE_BYTES,
                   "%s s < image %" PRIu32 " (%" PRIu64 " bytes in chunks of %" PRIu32 ", %" PRIu32
                   " of %" PRIu32 " digests known)",
                   time, event->image.number, image->size_bytes, image->chunk_bytes,
                   image->known_count, image->chunk_count);
}

/* The numbers in a set, runs of them shortened: "0,3-7". */
static void format_set(char text[SET_TEXT_BYTES], uint64_t set)
{
    size_t at = 0;

    text[0] = '\0';
    for (uint32_t first = 0; first < 64; first++) {
        if ((set >> first & 1) == 0)
            continue;
        uint32_t last = first;
        while (last < 63 && (set >> (last + 1) & 1) != 0)
            last++;
        const char *comma = at > 0 ? "," : "";
        int length = first == last
                         ? snprintf(text + at, SET_TEXT_BYTES - at, "%s%" PRIu32, comma, first)
                         : snprintf(text + at, SET_TEXT_BYTES - at, "%s%" PRIu32 "-%" PRIu32, comma,
                                    first, last);
        at += (size_t)length;
        first = last;
    }
}

static void trace_attached(char line[TRACE_LINE_BYTES], const char *time, const char *who,
                           const struct event *event)
{
    const char *foreign = event->attached.foreign ? " foreign" : "";
    const char *not_in_rig = event->attached.not_in_rig ? " not-in-rig" : "";
    char plugged[PLUGGED_TEXT_BYTES];
    char since[TIME_TEXT_BYTES];
    char capacity[CAPACITY_TEXT_BYTES] = "";

    format_time(since, event->attached.plugged_ns);
    if (event->attached.plugged_ns != 0)
        (void)snprintf(plugged, sizeof(plugged), "at %s s", skip_spaces(since));
    else
        (void)snprintf(plugged, sizeof(plugged), "before");
    if (event->attached.capacity_bytes != 0)
        (void)snprintf(capacity, sizeof(capacity), " capacity %" PRIu64,
                       event->attached.capacity_bytes);
    (void)snprintf(line, TRACE_LINE_BYTES, "%s s < attached %s plugged %s%s%s%s", time, who,
                   plugged, capacity, foreign, not_in_rig);
}

/* What is to be done with drives, and with which. */
static void trace_setting(char line[TRACE_LINE_BYTES], const char *time, const struct event *event)
{
    char set[SET_TEXT_BYTES];

    if (event->type == EVENT_ARM) {
        format_set(set, event->arm.images);
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < arm %s images %s", time,
                       trace_mode_word(event->arm.mode), set);
    } else if (event->type == EVENT_DISARM) {
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < disarm", time);
    } else if (event->policy.capacity_max_bytes == 0) {
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < policy capacity from %" PRIu64, time,
                       event->policy.capacity_min_bytes);
    } else {
        (void)snprintf(line, TRACE_LINE_BYTES,
                       "%s s < policy capacity from %" PRIu64 " to %" PRIu64, time,
                       event->policy.capacity_min_bytes, event->policy.capacity_max_bytes);
    }
}

void trace_event(char line[TRACE_LINE_BYTES], const struct event *event)
{
    char time[TIME_TEXT_BYTES];
    char who[WHO_TEXT_BYTES];

    format_time(time, event->now_ns);
    format_who(who, event->slot, event->attachment);
    switch (event->type) {
    case EVENT_TICK:
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < tick", time);
        return;
    case EVENT_IMAGE:
        trace_image(line, time, event);
        return;
    case EVENT_POLICY:
    case EVENT_ARM:
    case EVENT_DISARM:
        trace_setting(line, time, event);
        return;
    case EVENT_ATTACHED:
        trace_attached(line, time, who, event);
        return;
    case EVENT_DETACHED:
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < detached %s", time, who);
        return;
    case EVENT_CLEARED:
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < cleared %" PRIu32, time, event->slot);
        return;
    case EVENT_START:
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < start %s as #%" PRIu64, time, who,
                       event->start.attachment);
        return;
    case EVENT_STOP:
        (void)snprintf(line, TRACE_LINE_BYTES, "%s s < stop %s", time, who);
        return;
    case EVENT_OPENED:
    case EVENT_LOADED:
    case EVENT_WRITTEN:
    case EVENT_READ:
    case EVENT_FLUSHED:
        trace_answer(line, time, who, event);
        return;
    case EVENT_TYPE_COUNT:
        break;
    }
    check_never("an event has a type");
}

/* As wide as the time of an event, so that the arrows stand in one column. */
#define MARGIN "           "

static void trace_transfer(char line[TRACE_LINE_BYTES], const char *verb, const char *who,
                           const char *preposition, const struct action *action)
{
    (void)snprintf(line, TRACE_LINE_BYTES,
                   MARGIN " > %s %s chunk %" PRIu32 " %s buffer %" PRIu32 " (%" PRIu32
                          " bytes at %" PRIu64 ")",
                   verb, who, action->transfer.chunk, preposition, action->transfer.buffer,
                   action->transfer.length_bytes, action->transfer.offset_bytes);
}

static void trace_state(char line[TRACE_LINE_BYTES], const char *who, const struct action *action)
{
    bool judged = action->state.verdict != VERDICT_NONE;

    (void)snprintf(line, TRACE_LINE_BYTES, MARGIN " > state %s %s -> %s%s%s", who,
                   slot_state_word(action->state.from), slot_state_word(action->state.to),
                   judged ? " " : "", judged ? verdict_word(action->state.verdict) : "");
}

void trace_action(char line[TRACE_LINE_BYTES], const struct action *action)
{
    char who[WHO_TEXT_BYTES];

    format_who(who, action->slot, action->attachment);
    switch (action->type) {
    case ACTION_OPEN:
        (void)snprintf(line, TRACE_LINE_BYTES, MARGIN " > open %s to %s", who,
                       action->open.for_writing ? "write" : "read");
        return;
    case ACTION_LOAD:
        /* A load is nobody's: it names the image in place of a drive. */
        (void)snprintf(who, sizeof(who), "image %" PRIu32, action->transfer.image);
        trace_transfer(line, "load", who, "into", action);
        return;
    case ACTION_WRITE:
        trace_transfer(line, "write", who, "from", action);
        return;
    case ACTION_READ:
        trace_transfer(line, "read", who, "into", action);
        return;
    case ACTION_FLUSH:
        (void)snprintf(line, TRACE_LINE_BYTES, MARGIN " > flush %s", who);
        return;
    case ACTION_CLOSE:
        (void)snprintf(line, TRACE_LINE_BYTES, MARGIN " > close %s", who);
        return;
    case ACTION_STATE:
        trace_state(line, who, action);
        return;
    case ACTION_TYPE_COUNT:
        break;
    }
    check_never("an action has a type");
}
