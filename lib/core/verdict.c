// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/core/verdict.h"

#include "lib/base/check.h"

#include <string.h>

static const struct {
    const char *word;
    const char *advice;
    enum verdict_class class;
} verdicts[VERDICT_COUNT] = {
    [VERDICT_NONE] = {"none", "not finished yet", VERDICT_CLASS_NONE},
    [VERDICT_PASSED] = {"passed", "every byte was read back and matches", VERDICT_CLASS_PASSED},
    [VERDICT_WRITE_ERROR] = {"write-error", "it does not take writes: bin it",
                             VERDICT_CLASS_FAILED},
    [VERDICT_READ_ERROR] = {"read-error", "it cannot be read back: bin it", VERDICT_CLASS_FAILED},
    [VERDICT_MISMATCH] = {"mismatch", "it gives back other data than was written: bin it",
                          VERDICT_CLASS_FAILED},
    [VERDICT_COUNTERFEIT] = {"counterfeit", "it holds less than it claims: bin it",
                             VERDICT_CLASS_FAILED},
    [VERDICT_STALLED] = {"stalled",
                         "it stopped answering: pull it, try another port once, "
                         "else bin it",
                         VERDICT_CLASS_FAILED},
    [VERDICT_TOO_SLOW] = {"too-slow", "it is too slow to be of use: bin it", VERDICT_CLASS_FAILED},
    [VERDICT_UNPLUGGED] = {"unplugged", "it was pulled or lost contact: plug it in again",
                           VERDICT_CLASS_FAILED},
    [VERDICT_INTERRUPTED] = {"interrupted", "its pass was cut off: start it again",
                             VERDICT_CLASS_FAILED},
    [VERDICT_STOPPED] = {"stopped", "stopped by the operator, its content is incomplete",
                         VERDICT_CLASS_FAILED},
    [VERDICT_TOO_SMALL] = {"too-small", "the image does not fit on it", VERDICT_CLASS_REFUSED},
    [VERDICT_TOO_BIG] = {"too-big", "larger than this rig accepts", VERDICT_CLASS_REFUSED},
    [VERDICT_READ_ONLY] = {"read-only", "write-protected: look for its switch",
                           VERDICT_CLASS_REFUSED},
    [VERDICT_IN_USE] = {"in-use", "busy: unmount it, or wait a little and plug it in again",
                        VERDICT_CLASS_REFUSED},
    [VERDICT_NOT_IN_RIG] = {"not-in-rig",
                            "the system does not let us use it: check its "
                            "permissions",
                            VERDICT_CLASS_REFUSED},
    [VERDICT_SYSTEM_DISK] = {"system-disk", "the running system needs this disk",
                             VERDICT_CLASS_REFUSED},
    [VERDICT_NO_MEDIUM] = {"no-medium", "the reader is empty: insert a card",
                           VERDICT_CLASS_REFUSED},
    [VERDICT_POLICY] = {"policy", "not a kind of drive that this image can go on",
                        VERDICT_CLASS_REFUSED},
    [VERDICT_MASTER_ERROR] = {"master-error",
                              "the master image is at fault, not the drive: "
                              "check it and start again",
                              VERDICT_CLASS_ABORTED},
};

const char *verdict_word(enum verdict verdict)
{
    check(verdict < VERDICT_COUNT);
    return verdicts[verdict].word;
}

const char *verdict_advice(enum verdict verdict)
{
    check(verdict < VERDICT_COUNT);
    return verdicts[verdict].advice;
}

enum verdict verdict_from_word(const char *word)
{
    for (unsigned i = 0; i < VERDICT_COUNT; i++) {
        if (strcmp(word, verdicts[i].word) == 0)
            return (enum verdict)i;
    }
    return VERDICT_NONE;
}

enum verdict_class verdict_class(enum verdict verdict)
{
    check(verdict < VERDICT_COUNT);
    return verdicts[verdict].class;
}

void verdict_totals_add(struct verdict_totals *totals, enum verdict verdict)
{
    switch (verdict_class(verdict)) {
    case VERDICT_CLASS_NONE:
        break;
    case VERDICT_CLASS_PASSED:
        totals->passed++;
        break;
    case VERDICT_CLASS_FAILED:
        totals->failed++;
        break;
    case VERDICT_CLASS_REFUSED:
        totals->refused++;
        break;
    case VERDICT_CLASS_ABORTED:
        totals->aborted++;
        break;
    }
}

enum exit_code verdict_totals_exit_code(const struct verdict_totals *totals)
{
    if (totals->failed > 0)
        return EXIT_SOME_FAILED;
    if (totals->aborted > 0)
        return EXIT_BAD_IMAGE;
    if (totals->refused > 0)
        return EXIT_SOME_REFUSED;
    return EXIT_ALL_PASSED;
}
