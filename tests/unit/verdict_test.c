// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/units.h"
#include "lib/core/residue.h"
#include "lib/core/verdict.h"

/* Scripts, the ledger and the documentation rely on these words. */
static const struct {
    enum verdict verdict;
    const char *word;
    enum verdict_class class;
} verdicts[] = {
    {VERDICT_NONE, "none", VERDICT_CLASS_NONE},
    {VERDICT_PASSED, "passed", VERDICT_CLASS_PASSED},
    {VERDICT_WRITE_ERROR, "write-error", VERDICT_CLASS_FAILED},
    {VERDICT_READ_ERROR, "read-error", VERDICT_CLASS_FAILED},
    {VERDICT_MISMATCH, "mismatch", VERDICT_CLASS_FAILED},
    {VERDICT_COUNTERFEIT, "counterfeit", VERDICT_CLASS_FAILED},
    {VERDICT_STALLED, "stalled", VERDICT_CLASS_FAILED},
    {VERDICT_TOO_SLOW, "too-slow", VERDICT_CLASS_FAILED},
    {VERDICT_UNPLUGGED, "unplugged", VERDICT_CLASS_FAILED},
    {VERDICT_INTERRUPTED, "interrupted", VERDICT_CLASS_FAILED},
    {VERDICT_STOPPED, "stopped", VERDICT_CLASS_FAILED},
    {VERDICT_TOO_SMALL, "too-small", VERDICT_CLASS_REFUSED},
    {VERDICT_TOO_BIG, "too-big", VERDICT_CLASS_REFUSED},
    {VERDICT_READ_ONLY, "read-only", VERDICT_CLASS_REFUSED},
    {VERDICT_IN_USE, "in-use", VERDICT_CLASS_REFUSED},
    {VERDICT_NOT_IN_RIG, "not-in-rig", VERDICT_CLASS_REFUSED},
    {VERDICT_SYSTEM_DISK, "system-disk", VERDICT_CLASS_REFUSED},
    {VERDICT_NO_MEDIUM, "no-medium", VERDICT_CLASS_REFUSED},
    {VERDICT_POLICY, "policy", VERDICT_CLASS_REFUSED},
    {VERDICT_MASTER_ERROR, "master-error", VERDICT_CLASS_ABORTED},
};

static void every_verdict_has_its_stable_word(void **state)
{
    (void)state;
    assert_int_equal(array_count(verdicts), VERDICT_COUNT);
    for (size_t i = 0; i < array_count(verdicts); i++) {
        assert_string_equal(verdict_word(verdicts[i].verdict), verdicts[i].word);
        assert_int_equal(verdict_from_word(verdicts[i].word), verdicts[i].verdict);
        assert_int_equal(verdict_class(verdicts[i].verdict), verdicts[i].class);
    }
    assert_int_equal(verdict_from_word("Passed"), VERDICT_NONE);
    assert_int_equal(verdict_from_word(""), VERDICT_NONE);
}

static void every_verdict_has_advice_for_a_volunteer(void **state)
{
    (void)state;
    for (size_t i = 0; i < array_count(verdicts); i++) {
        const char *advice = verdict_advice(verdicts[i].verdict);
        assert_in_range(strlen(advice), 10, 79);
        assert_int_not_equal(advice[strlen(advice) - 1], '.');
    }
}

static enum exit_code exit_code_of(enum verdict a, enum verdict b, enum verdict c)
{
    struct verdict_totals totals = {0};
    verdict_totals_add(&totals, a);
    verdict_totals_add(&totals, b);
    verdict_totals_add(&totals, c);
    return verdict_totals_exit_code(&totals);
}

static void exit_codes_name_the_worst_that_happened(void **state)
{
    (void)state;
    enum verdict passed = VERDICT_PASSED;
    assert_int_equal(exit_code_of(passed, passed, passed), 0);
    assert_int_equal(exit_code_of(passed, VERDICT_MISMATCH, passed), 1);
    assert_int_equal(exit_code_of(passed, VERDICT_TOO_SMALL, passed), 3);
    assert_int_equal(exit_code_of(passed, VERDICT_TOO_SMALL, VERDICT_STOPPED), 1);
    assert_int_equal(exit_code_of(passed, VERDICT_TOO_SMALL, VERDICT_MASTER_ERROR), 5);
    assert_int_equal(exit_code_of(VERDICT_UNPLUGGED, VERDICT_TOO_SMALL, VERDICT_MASTER_ERROR), 1);
}

static void totals_count_each_verdict_once(void **state)
{
    (void)state;
    struct verdict_totals totals = {0};
    for (size_t i = 0; i < array_count(verdicts); i++)
        verdict_totals_add(&totals, verdicts[i].verdict);
    assert_int_equal(totals.passed, 1);
    assert_int_equal(totals.failed, 9);
    assert_int_equal(totals.refused, 8);
    assert_int_equal(totals.aborted, 1);
}

static void residue_is_never_glossed_over(void **state)
{
    (void)state;
    static const struct {
        bool touched;
        enum verdict verdict;
        uint64_t capacity_bytes; /* of a drive for an image of 100 */
        enum residue residue;
    } cases[] = {
        {true, VERDICT_PASSED, 100, RESIDUE_NONE},
        {true, VERDICT_PASSED, 101, RESIDUE_BEYOND_IMAGE},
        {true, VERDICT_MISMATCH, 100, RESIDUE_POSSIBLE},
        {true, VERDICT_STOPPED, 100, RESIDUE_POSSIBLE},
        {true, VERDICT_NONE, 100, RESIDUE_POSSIBLE},
        {false, VERDICT_TOO_SMALL, 50, RESIDUE_UNTOUCHED},
        {false, VERDICT_PASSED, 100, RESIDUE_NONE},
        {false, VERDICT_PASSED, 101, RESIDUE_BEYOND_IMAGE},
        {false, VERDICT_MISMATCH, 100, RESIDUE_UNTOUCHED},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        enum residue residue =
            residue_of(cases[i].touched, cases[i].verdict, 100, cases[i].capacity_bytes);
        assert_string_equal(residue_word(residue), residue_word(cases[i].residue));
    }
}

static void residue_has_stable_words(void **state)
{
    (void)state;
    assert_string_equal(residue_word(RESIDUE_UNTOUCHED), "untouched");
    assert_string_equal(residue_word(RESIDUE_POSSIBLE), "possible");
    assert_string_equal(residue_word(RESIDUE_BEYOND_IMAGE), "beyond-image");
    assert_string_equal(residue_word(RESIDUE_NONE), "none");
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verdict_has_its_stable_word),
        cmocka_unit_test(every_verdict_has_advice_for_a_volunteer),
        cmocka_unit_test(exit_codes_name_the_worst_that_happened),
        cmocka_unit_test(totals_count_each_verdict_once),
        cmocka_unit_test(residue_is_never_glossed_over),
        cmocka_unit_test(residue_has_stable_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
