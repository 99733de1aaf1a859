// SPDX-License-Identifier: GPL-3.0-or-later
/* The table of `drivepress status`, reviewed as text. */
#include "tools/status_table.h"

#include "tests/unit/support.h"

#include <stdlib.h>

static struct snapshot_slot *put(struct snapshot *snapshot, uint32_t index, const char *name,
                                 enum slot_state state, enum verdict verdict)
{
    struct snapshot_slot *slot = &snapshot->slots[index];

    strcpy(slot->name, name);
    slot->state = state;
    slot->verdict = verdict;
    slot->eta_s = WIRE_UNKNOWN;
    return slot;
}

/* An evening: one of each. */
static struct snapshot *evening(void)
{
    struct snapshot *snapshot = snapshot_create(7);

    assert_non_null(snapshot);
    strcpy(snapshot->rig, "table 3");
    snapshot->armed = true;
    strcpy(snapshot->armed_image, "films");
    snapshot->totals = (struct verdict_totals){.passed = 12, .failed = 1};

    struct snapshot_slot *slot = put(snapshot, 0, "A01", SLOT_WRITING, VERDICT_NONE);
    slot->permille = 425;
    slot->bytes_per_s = 22100000;
    slot->eta_s = 190;
    slot->bytes_written = 1;
    strcpy(slot->drive.model, "Acme Stick");
    slot->drive.capacity_bytes = 64000000000;

    slot = put(snapshot, 1, "A02", SLOT_PASSED, VERDICT_PASSED);
    slot->permille = 1000;
    slot->bytes_written = 1;
    slot->residue = RESIDUE_BEYOND_IMAGE;
    slot->drive.capacity_bytes = 8000000000;

    slot = put(snapshot, 2, "A03", SLOT_FAILED, VERDICT_MISMATCH);
    slot->bytes_written = 1;
    slot->residue = RESIDUE_POSSIBLE;
    strcpy(slot->drive.note, "3 chunks\033[2J");

    slot = put(snapshot, 3, "A04", SLOT_READY, VERDICT_NONE);
    slot->drive.capacity_bytes = 16000000000;
    (void)put(snapshot, 4, "A05", SLOT_IDENTIFYING, VERDICT_NONE);
    (void)put(snapshot, 5, "A06", SLOT_EMPTY, VERDICT_NONE);
    (void)put(snapshot, 6, "A07", SLOT_EMPTY, VERDICT_NONE);
    return snapshot;
}

static char *printed(const struct snapshot *snapshot, unsigned width, bool colour)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_non_null(out);
    status_table_print(out, snapshot, width, false, colour);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_every_drive_has_a_line(void **state)
{
    (void)state;
    struct snapshot *snapshot = evening();
    char *text = printed(snapshot, 0, false);

    assert_string_equal(
        text,
        "Rig table 3: ARMED with films, write+verify.\n"
        "Drives that are plugged in are ERASED.\n"
        "> A01 writing       42 %    22.1 MB/s      3:10 left  Acme Stick, 64.0 GB\n"
        "+ A02 passed       every byte was read back and matches; 8.0 GB\n"
        "X A03 mismatch     it gives back other data than was written: bin it (3 chunks?[2J)\n"
        "o A04 ready        16.0 GB\n"
        "? A05 identifying\n"
        "Plugged in before arming: `drivepress start A04`\n"
        "What was behind the image is still there: A02\n"
        "Parts of what was there before may be left: A03\n"
        "2 running at 22.1 MB/s, 1 ready, 12 passed, 1 failed, 0 refused; 2 of 7 slots are "
        "empty\n");
    free(text);
    free(snapshot);
}

static void test_what_is_armed_cannot_be_missed(void **state)
{
    (void)state;
    struct snapshot *snapshot = evening();

    char *text = printed(snapshot, 0, true);
    assert_non_null(strstr(text, "\033[1;31mARMED\033[0m"));
    free(text);

    strcpy(snapshot->armed_image, "auto");
    snapshot->armed_mode = MODE_VERIFY;
    text = printed(snapshot, 0, false);
    assert_non_null(strstr(text, "auto (the largest image that fits), verify.\n"));
    assert_non_null(strstr(text, "nothing is written"));
    assert_null(strstr(text, "ERASED"));
    free(text);

    snapshot->armed = false;
    text = printed(snapshot, 0, false);
    assert_non_null(strstr(text, "disarmed"));
    assert_non_null(strstr(text, "`drivepress arm`, then `drivepress start A04`"));
    free(text);
    free(snapshot);
}

/* A drive that was only read is not to be thrown away for holding something else. */
static void test_advice_fits_what_was_done(void **state)
{
    (void)state;
    struct snapshot *snapshot = evening();

    snapshot->slots[2].bytes_written = 0;
    snapshot->slots[2].residue = RESIDUE_UNTOUCHED;
    char *text = printed(snapshot, 0, false);
    assert_non_null(strstr(text, "its content is not the image: write it again"));
    assert_null(strstr(text, "may be left"));
    free(text);
    free(snapshot);
}

static void test_many_waiting_drives_are_started_together(void **state)
{
    (void)state;
    struct snapshot *snapshot = snapshot_create(64);
    char name[16];

    assert_non_null(snapshot);
    snapshot->armed = true;
    strcpy(snapshot->armed_image, "films");
    for (uint32_t i = 0; i < 64; i++) {
        (void)snprintf(name, sizeof(name), "A%02u", i + 1);
        (void)put(snapshot, i, name, SLOT_READY, VERDICT_NONE);
    }
    char *text = printed(snapshot, 80, false);
    assert_non_null(strstr(text, "`drivepress start --all`"));
    free(text);
    free(snapshot);
}

/* Each is told from its neighbour, and what can be pasted is never cut. */
static void test_long_names_are_shown_whole(void **state)
{
    (void)state;
    struct snapshot *snapshot = snapshot_create(3);

    assert_non_null(snapshot);
    (void)put(snapshot, 0, "table-by-the-window-2-hub-3-p01", SLOT_READY, VERDICT_NONE);
    (void)put(snapshot, 1, "table-by-the-window-3-hub-3-p01", SLOT_READY, VERDICT_NONE);
    struct snapshot_slot *slot =
        put(snapshot, 2, "table-by-the-window-4-hub-3-p01", SLOT_PASSED, VERDICT_PASSED);
    slot->bytes_written = 1;
    slot->residue = RESIDUE_BEYOND_IMAGE;
    char *text = printed(snapshot, 80, false);
    assert_non_null(strstr(text, "o table-by-the-window-2-hub-3-p01 ready"));
    assert_non_null(strstr(text, "o table-by-the-window-3-hub-3-p01 ready"));
    assert_non_null(strstr(text, "`drivepress start table-by-the-window-2-hub-3-p01 "
                                 "table-by-the-window-3-hub-3-p01`"));
    assert_non_null(strstr(text, "still there: table-by-the-window-4-hub-3-p01\n"));
    free(text);

    /* Longer than the rig's own can be: cut alike in the table and below it. */
    memset(slot->name, 'x', sizeof(slot->name) - 1);
    text = printed(snapshot, 80, false);
    assert_non_null(strstr(text, "+ xxxxxxx..xxxxxxxxxxxxxxxxxxxxxx passed"));
    assert_non_null(strstr(text, "still there: xxxxxxx..xxxxxxxxxxxxxxxxxxxxxx\n"));
    free(text);
    free(snapshot);
}

/* A daemon that is not ours could send any name. */
static void test_names_of_strangers_do_nothing_when_they_are_pasted(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *shown;
    } cases[] = {
        {"A01~", "`drivepress start 'A01~'`"},     {"$(reboot)", "`drivepress start '$(reboot)'`"},
        {"it's", "`drivepress start 'it'\\''s'`"}, {"--all", "`drivepress start ./--all`"},
        {"A\n01", "`drivepress start --all`"},     {"A\033[2J", "`drivepress start --all`"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct snapshot *snapshot = snapshot_create(1);
        assert_non_null(snapshot);
        (void)put(snapshot, 0, cases[i].name, SLOT_READY, VERDICT_NONE);
        char *text = printed(snapshot, 0, false);
        if (strstr(text, cases[i].shown) == NULL || strchr(text, '\033') != NULL)
            fail_msg("%s", text);
        free(text);
        free(snapshot);
    }
}

/* A number stays with its unit, and no line is longer than the terminal. */
static void test_lines_fit_the_terminal(void **state)
{
    (void)state;
    struct snapshot *snapshot = evening();

    memset(snapshot->slots[0].drive.model, 'm', sizeof(snapshot->slots[0].drive.model) - 1);
    char *text = printed(snapshot, 80, false);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strlen(line) > 80)
            fail_msg("%zu columns: %s", strlen(line), line);
    }
    free(text);
    free(snapshot);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_drive_has_a_line),
        cmocka_unit_test(test_what_is_armed_cannot_be_missed),
        cmocka_unit_test(test_advice_fits_what_was_done),
        cmocka_unit_test(test_many_waiting_drives_are_started_together),
        cmocka_unit_test(test_long_names_are_shown_whole),
        cmocka_unit_test(test_names_of_strangers_do_nothing_when_they_are_pasted),
        cmocka_unit_test(test_lines_fit_the_terminal),
    };
    return cmocka_run_group_tests_name("status_table", tests, NULL, NULL);
}
