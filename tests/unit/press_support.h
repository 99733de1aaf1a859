// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef UNIT_PRESS_SUPPORT_H
#define UNIT_PRESS_SUPPORT_H

#include "tests/unit/support.h"

#include "tests/support/core_rig.h"

/* What the tests of the press ask a rig. */

#define MS NS_PER_MS

/* The attachment has this verdict, and was closed if it was opened. */
static inline void expect(const struct rig *rig, uint64_t attachment, enum verdict verdict)
{
    assert_string_equal(verdict_word(rig->lives[attachment].verdict), verdict_word(verdict));
    assert_int_equal(rig->lives[attachment].opened, rig->lives[attachment].closed);
}

static inline void expect_state(const struct rig *rig, uint32_t slot, enum slot_state state)
{
    assert_string_equal(slot_state_word(rig_report(rig, slot).state), slot_state_word(state));
}

#endif
