// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/units.h"
#include "lib/core/slot.h"

#include <stdlib.h>

/* The table as people read it: one line per state, with the states that may follow. */
static void print_diagram(FILE *out)
{
    for (unsigned from = 0; from < SLOT_STATE_COUNT; from++) {
        (void)fprintf(out, "%-12s ->", slot_state_word((enum slot_state)from));
        for (unsigned to = 0; to < SLOT_STATE_COUNT; to++) {
            if (slot_move_allowed((enum slot_state)from, (enum slot_state)to))
                (void)fprintf(out, " %s", slot_state_word((enum slot_state)to));
        }
        (void)fprintf(out, "\n");
    }
}

/* Copies the diagram out of the comment in slot.h: the lines with an arrow. */
static void copy_diagram(FILE *out)
{
    static const char margin[] = " *   ";
    char line[200];
    FILE *header = fopen("lib/core/slot.h", "r");

    assert_non_null(header); /* the tests run in the root of the tree */
    while (fgets(line, sizeof(line), header) != NULL) {
        if (strncmp(line, margin, strlen(margin)) == 0 && strstr(line, " -> ") != NULL)
            (void)fputs(line + strlen(margin), out);
    }
    (void)fclose(header);
}

static void the_table_is_the_diagram_in_the_header(void **state)
{
    (void)state;
    char *printed = NULL;
    char *documented = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&printed, &bytes);
    print_diagram(out);
    (void)fclose(out);
    out = open_memstream(&documented, &bytes);
    copy_diagram(out);
    (void)fclose(out);

    assert_string_equal(printed, documented);
    free(printed);
    free(documented);
}

static void a_drive_passes_only_out_of_verifying(void **state)
{
    (void)state;
    for (unsigned from = 0; from < SLOT_STATE_COUNT; from++)
        assert_int_equal(slot_move_allowed((enum slot_state)from, SLOT_PASSED),
                         from == SLOT_VERIFYING);
}

static void every_state_is_empty_ready_busy_or_final(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SLOT_STATE_COUNT; i++) {
        enum slot_state slot = (enum slot_state)i;
        bool waits = slot == SLOT_EMPTY || slot == SLOT_READY;
        assert_int_equal(waits + slot_state_busy(slot) + slot_state_final(slot), 1);
        /* Out of a busy state everything can go wrong, out of a final one nothing can. */
        assert_int_equal(slot_move_allowed(slot, SLOT_FAILED), slot_state_busy(slot));
        assert_int_equal(slot_move_allowed(slot, SLOT_ABORTED), slot_state_busy(slot));
        assert_int_equal(slot_move_allowed(slot, SLOT_EMPTY),
                         slot_state_final(slot) || slot == SLOT_READY);
        /* A pass begins where none goes on; what is done well is not done again. */
        assert_int_equal(slot_move_allowed(slot, SLOT_IDENTIFYING),
                         !slot_state_busy(slot) && slot != SLOT_PASSED);
    }
}

static void words_are_read_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SLOT_STATE_COUNT; i++)
        assert_int_equal(slot_state_from_word(slot_state_word((enum slot_state)i)), i);
    static const char *const others[] = {"", "Passed", "passed ", "pass", "42"};
    for (size_t i = 0; i < array_count(others); i++)
        assert_int_equal(slot_state_from_word(others[i]), SLOT_STATE_COUNT);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_the_diagram_in_the_header),
        cmocka_unit_test(a_drive_passes_only_out_of_verifying),
        cmocka_unit_test(every_state_is_empty_ready_busy_or_final),
        cmocka_unit_test(words_are_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
