// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_VERDICT_H
#define CORE_VERDICT_H

/* The one outcome that every drive gets, with its stable word (used alike in JSON, the ledger and
 * on screen) and what it means for a script's exit code. Pure; any thread. */

enum verdict {
    VERDICT_NONE, /* none yet */
    VERDICT_PASSED,

    /* Faults that this drive showed, or the end of its pass. */
    VERDICT_WRITE_ERROR,
    VERDICT_READ_ERROR,
    VERDICT_MISMATCH,
    VERDICT_COUNTERFEIT,
    VERDICT_STALLED,
    VERDICT_TOO_SLOW,
    VERDICT_UNPLUGGED,
    VERDICT_INTERRUPTED,
    VERDICT_STOPPED,

    /* The drive was not touched. */
    VERDICT_TOO_SMALL,
    VERDICT_TOO_BIG,
    VERDICT_READ_ONLY,
    VERDICT_IN_USE,
    VERDICT_NOT_IN_RIG,
    VERDICT_SYSTEM_DISK,
    VERDICT_NO_MEDIUM,
    VERDICT_POLICY,

    /* Our fault: it says nothing about the drive. */
    VERDICT_MASTER_ERROR,

    VERDICT_COUNT
};

enum verdict_class {
    VERDICT_CLASS_NONE,
    VERDICT_CLASS_PASSED,
    VERDICT_CLASS_FAILED,
    VERDICT_CLASS_REFUSED,
    VERDICT_CLASS_ABORTED, /* ended through a fault of ours */
};

/* The stable word, e.g. "write-error"; "none" for VERDICT_NONE. Static. */
const char *verdict_word(enum verdict verdict);

/* What a volunteer should understand and do, one short sentence without a full stop. Static. */
const char *verdict_advice(enum verdict verdict);

/* The verdict of a word, or VERDICT_NONE for any other text. */
enum verdict verdict_from_word(const char *word);

enum verdict_class verdict_class(enum verdict verdict);

/* Exit codes of the command line (DESIGN section 3). */
enum exit_code {
    EXIT_ALL_PASSED = 0,
    EXIT_SOME_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_SOME_REFUSED = 3,
    EXIT_NO_DAEMON = 4,
    EXIT_BAD_IMAGE = 5,
};

/* How many drives ended in each way. */
struct verdict_totals {
    unsigned passed;
    unsigned failed;
    unsigned refused;
    unsigned aborted;
};

/* Counts one verdict; VERDICT_NONE counts nothing. */
void verdict_totals_add(struct verdict_totals *totals, enum verdict verdict);

/* A failed drive weighs most, for it may be in somebody's hands; then a fault of the master, then a
 * refusal. */
enum exit_code verdict_totals_exit_code(const struct verdict_totals *totals);

#endif
