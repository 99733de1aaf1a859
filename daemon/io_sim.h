// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_IO_SIM_H
#define DAEMON_IO_SIM_H

#include "daemon/medium.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* clang-format off: the table of keys keeps its shape */
/* A simulated drive: a regular file with the rates and faults of bad drives, for the demo, tests
 * and rehearsals. It is a medium (medium_sim_open) over the file PATH, described by the INI file
 * PATH.sim beside it. A block device is never simulated.
 *
 * The description has lines "key = value", not indented, of at most 198 bytes, comments after ';'
 * or a leading '#', and no sections. Every key may be left out, and be given once. Sizes and
 * offsets are bytes or carry a unit ("64M", units_parse_bytes); RANGES are "64M-65M", from the
 * first byte to before the last one, several with commas between; yes/no keys are "no" by default.
 * "Transferred" counts bytes written and read, "written" bytes written, of all requests that
 * succeeded since it was opened.
 *
 *   capacity = SIZE            what the drive claims; default: the file's size
 *   real_capacity = SIZE       what it has, at most the file's size, which is the default. Accesses
 *                              beyond it wrap around: a counterfeit when capacity is larger
 *   model = TEXT               default "simulated"
 *   serial = TEXT              default none
 *
 *   read_rate = SIZE           bytes per second, on average within 1 %; default: as fast as can be
 *   write_rate = SIZE
 *   latency_ms = N             added to every request and flush
 *   pause_every = SIZE         after each so many bytes transferred, the drive pauses
 *   pause_ms = N               for so long
 *
 *   write_error_at = RANGES    requests that touch them fail (EIO) and transfer nothing
 *   read_error_at = RANGES
 *   write_error_after = SIZE   once so much was written, every write fails (EIO)
 *   flip_write_at = OFFSET     this byte is stored with its lowest bit wrong, on every write
 *   flip_read_at = OFFSET      this byte is read with its lowest bit wrong, always
 *   flip_read_once_at = OFFSET the same, the first time only
 *   drop_writes_from = OFFSET  writes from there on are acknowledged and dropped
 *   drop_writes_after = SIZE   once so much was written, writes are acknowledged and dropped
 *
 *   hang_after = SIZE          the request that would transfer more than this does not return
 *   hang_at_open = yes         opening does not return
 *   hang_at_flush = yes        flushing does not return
 *   hang_ms = N                every hang ends after this time and all goes on, and hang_after
 *                              hangs only once; default: hangs last for ever
 *   yank_after = SIZE          the request that would transfer more than this finds the drive gone
 *                              (ENODEV), and so does everything after it
 *
 *   read_only = yes            it is write-protected
 *   busy = yes                 opening it ends as if it were mounted
 *   no_medium = yes            opening it ends as a card reader's without a card
 *   open_error = yes           opening it ends with an input/output error
 *
 * A hang for ever keeps its thread until the process ends, and does not keep the process from
 * ending. */
/* clang-format on */

enum {
    SIM_RANGES_MAX = 16,
    SIM_FILE_BYTES_MAX = 64 * 1024,
    SIM_LINE_BYTES_MAX = 198, /* inih cuts lines at 200 bytes with newline and final zero */
};

/* A size, offset or time that was not given. */
#define SIM_NEVER UINT64_MAX

struct sim_range {
    uint64_t begin_bytes;
    uint64_t end_bytes; /* before this one */
};

struct sim_ranges {
    struct sim_range items[SIM_RANGES_MAX];
    size_t count;
};

/* A description, as read. What was not given is SIM_NEVER, empty or false; rates and pause_every
 * are never 0. */
struct sim_config {
    uint64_t capacity_bytes;
    uint64_t real_capacity_bytes;
    char model[MEDIUM_NAME_BYTES];
    char serial[MEDIUM_NAME_BYTES];

    uint64_t read_bytes_per_s;
    uint64_t write_bytes_per_s;
    uint64_t latency_ms;
    uint64_t pause_every_bytes;
    uint64_t pause_ms;

    struct sim_ranges write_errors;
    struct sim_ranges read_errors;
    uint64_t write_error_after_bytes;
    uint64_t flip_write_at_bytes;
    uint64_t flip_read_at_bytes;
    uint64_t flip_read_once_at_bytes;
    uint64_t drop_writes_from_bytes;
    uint64_t drop_writes_after_bytes;

    uint64_t hang_after_bytes;
    bool hang_at_open;
    bool hang_at_flush;
    uint64_t hang_ms;
    uint64_t yank_after_bytes;

    bool read_only;
    bool busy;
    bool no_medium;
    bool open_error;
};

/* Reads a description from a text; `name` is the file's, for the note. 0, or -EINVAL with the line,
 * the key and what is allowed in the identity's note. */
int sim_config_parse(struct sim_config *config, const char *text, const char *name,
                     struct medium_identity *identity);

/* The same from a file. 0 or -errno, always with a note. */
int sim_config_load(struct sim_config *config, const char *path, struct medium_identity *identity);

/* When a drive is free for its next request. */
struct sim_pace {
    uint64_t free_at_ns;
    uint64_t until_pause_bytes; /* still to be transferred before the next pause */
};

/* Counts a request of length_bytes that came at now_ns, and returns when it ends. A caller that
 * comes a little late, because a thread wakes up late, does not lose the time: the average stays
 * exact. `bytes_per_s` may be SIM_NEVER. */
uint64_t sim_pace_request(struct sim_pace *pace, const struct sim_config *config, uint64_t now_ns,
                          uint32_t length_bytes, uint64_t bytes_per_s);

#endif
