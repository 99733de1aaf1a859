// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_LOG_H
#define DAEMON_LOG_H

#include "lib/core/slot.h"
#include "lib/core/verdict.h"

/* What the daemon tells its administrator. In the journal, where that is what stderr is connected
 * to ($JOURNAL_STREAM, systemd.exec(5)), as structured entries; elsewhere plain lines on stderr,
 * "drivepressd: A01: passed (films)". Lines that stderr does not take at once are lost, and how
 * many is told as soon as it takes one again. No serial number and nothing of a drive's contents is
 * ever logged, nor where it was mounted: a log may fall into wrong hands. Any thread. */

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6
};

/* Finds out where messages go. Before it is called they go to stderr. */
void log_open(void);

__attribute__((format(printf, 2, 3))) void log_message(enum log_level level, const char *format,
                                                       ...);

/* What became of a slot: MESSAGE for people, and the fields DRIVEPRESS_SLOT, DRIVEPRESS_STATE,
 * DRIVEPRESS_VERDICT (only with a verdict), DRIVEPRESS_IMAGE and DRIVEPRESS_NOTE (only if not
 * empty). A failed drive is a notice, not an error: bad drives are ordinary. */
void log_slot(const char *slot, enum slot_state state, enum verdict verdict, const char *image,
              const char *note);

#endif
