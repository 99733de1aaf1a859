// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_GATE_H
#define CORE_GATE_H

#include "lib/core/event.h"
#include "lib/core/image.h"
#include "lib/core/verdict.h"

/* May this drive be used for this image? VERDICT_NONE: it may. Otherwise the reason: a refusal, or
 * a failure when the drive was lost or answered with an error while it was opened. Pure. */
enum verdict gate_judge(enum open_result result, const struct drive_facts *facts,
                        enum press_mode mode, const struct image *image);

#endif
