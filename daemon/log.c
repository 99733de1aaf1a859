// SPDX-License-Identifier: GPL-3.0-or-later
/* The journal would show the place in this file, which is always the same. */
#define SD_JOURNAL_SUPPRESS_LOCATION

#include "daemon/log.h"

#include "lib/base/check.h"
#include "lib/base/text.h"

#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

/* Happy path: an entry is put together and given to the journal, or written as one line.
 *
 * Failure modes: what the journal does not take goes to stderr. What that does not take at once (a
 * full pipe, a terminal that was stopped) is dropped and counted, and the next line that it takes
 * tells how many were: a daemon must not stop working because nobody listens. Two waits are left. A
 * terminal may have room, but not for a whole line. And libsystemd sends to the journal with a
 * blocking call, which waits while journald lives and does not read. */

#define PROGRAM "drivepressd"

enum {
    MESSAGE_BYTES = 1024, /* longer ones are cut */
    FIELD_BYTES = 640,    /* a note has up to 511 bytes */
    FIELDS_MAX = 8,
};

/* What is to be told: the message for people, and the journal's other fields as FIELD=value. */
struct entry {
    char message[MESSAGE_BYTES];
    char fields[FIELDS_MAX][FIELD_BYTES];
    size_t count; /* of fields */
};

static atomic_bool to_journal;

/* Held for one line, which never waits; so nobody else of us takes the room that one of us saw. */
static pthread_mutex_t stderr_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long lost_count; /* messages that stderr did not take */

/* Whether stderr is what $JOURNAL_STREAM, "DEVICE:INODE", says that it is: somebody may have
 * redirected it since. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char actual[64];
    struct stat status;

    if (stream == NULL || fstat(STDERR_FILENO, &status) != 0)
        return false;
    (void)snprintf(actual, sizeof(actual), "%" PRIuMAX ":%" PRIuMAX, (uintmax_t)status.st_dev,
                   (uintmax_t)status.st_ino);
    return strcmp(stream, actual) == 0;
}

void log_open(void)
{
    to_journal = stderr_is_journal();
}

/* --- Entries ---------------------------------------------------------------------------------- */

static void entry_start(struct entry *entry, enum log_level level)
{
    entry->message[0] = '\0';
    (void)snprintf(entry->fields[0], FIELD_BYTES, "PRIORITY=%d", (int)level);
    (void)snprintf(entry->fields[1], FIELD_BYTES, "SYSLOG_IDENTIFIER=" PROGRAM);
    entry->count = 2;
}

static void entry_add(struct entry *entry, const char *name, const char *value)
{
    check(entry->count < FIELDS_MAX);
    char *text = entry->fields[entry->count++];
    (void)snprintf(text, FIELD_BYTES, "%s=%s", name, value);
    text_clean(text);
}

static enum log_level slot_level(enum slot_state state)
{
    if (state == SLOT_ABORTED)
        return LOG_LEVEL_WARNING; /* a fault of ours */
    return slot_state_final(state) ? LOG_LEVEL_NOTICE : LOG_LEVEL_INFO;
}

static void entry_slot(struct entry *entry, const char *slot, enum slot_state state,
                       enum verdict verdict, const char *image, const char *note)
{
    const char *state_word = slot_state_word(state);
    const char *word = verdict == VERDICT_NONE ? state_word : verdict_word(verdict);

    entry_start(entry, slot_level(state));
    entry_add(entry, "DRIVEPRESS_SLOT", slot);
    entry_add(entry, "DRIVEPRESS_STATE", state_word);
    if (verdict != VERDICT_NONE)
        entry_add(entry, "DRIVEPRESS_VERDICT", word);
    if (image[0] != '\0')
        entry_add(entry, "DRIVEPRESS_IMAGE", image);
    if (note[0] != '\0')
        entry_add(entry, "DRIVEPRESS_NOTE", note);

    /* "A01: failed: mismatch (films): note", but "A01: passed (films)" */
    bool more = strcmp(word, state_word) != 0;
    (void)snprintf(entry->message, sizeof(entry->message), "%s: %s%s%s%s%s%s%s%s", slot, state_word,
                   more ? ": " : "", more ? word : "", image[0] != '\0' ? " (" : "", image,
                   image[0] != '\0' ? ")" : "", note[0] != '\0' ? ": " : "", note);
}

/* --- Telling ---------------------------------------------------------------------------------- */

static bool send_to_journal(const struct entry *entry)
{
    char message[MESSAGE_BYTES + 16];
    struct iovec fields[FIELDS_MAX + 1];
    int length = snprintf(message, sizeof(message), "MESSAGE=%s", entry->message);

    fields[0] = (struct iovec){message, (size_t)length};
    for (size_t i = 0; i < entry->count; i++)
        fields[i + 1] =
            (struct iovec){(void *)(uintptr_t)entry->fields[i], strlen(entry->fields[i])};
    return sd_journal_sendv(fields, (int)entry->count + 1) == 0;
}

/* Whether stderr would take some text now. A pipe then takes PIPE_BUF bytes, which is more than our
 * lines have. */
static bool stderr_has_room(void)
{
    struct pollfd room = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0;
}

/* In one piece, so that lines of several processes do not mix. */
static void send_to_stderr(const struct entry *entry)
{
    char text[MESSAGE_BYTES + 128];
    int length = 0;
    ssize_t written = -1;

    _Static_assert(sizeof(text) <= PIPE_BUF, "a pipe takes it in one piece");
    check(pthread_mutex_lock(&stderr_lock) == 0);
    if (lost_count > 0)
        length = snprintf(text, sizeof(text),
                          PROGRAM ": %lu messages were lost, for nobody read them\n", lost_count);
    length +=
        snprintf(text + length, sizeof(text) - (size_t)length, PROGRAM ": %s\n", entry->message);
    if (stderr_has_room())
        written = write(STDERR_FILENO, text, (size_t)length);
    lost_count = written < 0 ? lost_count + 1 : 0;
    check(pthread_mutex_unlock(&stderr_lock) == 0);
}

static void entry_send(struct entry *entry)
{
    text_clean(entry->message);
    if (!to_journal || !send_to_journal(entry))
        send_to_stderr(entry);
}

void log_message(enum log_level level, const char *format, ...)
{
    struct entry entry;
    va_list arguments;

    entry_start(&entry, level);
    va_start(arguments, format);
    (void)vsnprintf(entry.message, sizeof(entry.message), format, arguments);
    va_end(arguments);
    entry_send(&entry);
}

void log_slot(const char *slot, enum slot_state state, enum verdict verdict, const char *image,
              const char *note)
{
    struct entry entry;

    entry_slot(&entry, slot, state, verdict, image, note);
    entry_send(&entry);
}
