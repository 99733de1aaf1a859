// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/progress.h"

#include "lib/base/text.h"
#include "lib/base/units.h"
#include "tools/text.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A press of as many drives, all writing at 20 MB/s. */
static struct snapshot *press_of(uint32_t drives)
{
    struct snapshot *snapshot = snapshot_create(drives);
    assert_non_null(snapshot);
    snapshot->armed = true;
    snapshot->armed_mode = MODE_WRITE;
    strcpy(snapshot->armed_image, "films");
    snapshot->master_bytes_read = 5000000000;
    for (uint32_t i = 0; i < drives; i++) {
        struct snapshot_slot *slot = &snapshot->slots[i];
        (void)snprintf(slot->name, sizeof(slot->name), "%u", i + 1);
        (void)snprintf(slot->target, sizeof(slot->target), "/dev/sd%u", i + 1);
        slot->state = SLOT_WRITING;
        slot->permille = 432;
        slot->bytes_per_s = 20000000;
        slot->eta_s = 125;
    }
    return snapshot;
}

static void finish(struct snapshot_slot *slot, enum slot_state state, enum verdict verdict)
{
    slot->state = state;
    slot->verdict = verdict;
    slot->bytes_per_s = 0;
    slot->eta_s = WIRE_UNKNOWN;
}

static const struct progress_options ascii = {.elapsed_ms = 65000, .image_bytes = 4000000000};

static void assert_frame(const struct snapshot *snapshot, unsigned width, unsigned height,
                         const struct progress_options *options, const char *expected)
{
    char *frame = progress_render(snapshot, width, height, options);
    assert_non_null(frame);
    assert_string_equal(frame, expected);
    free(frame);
}

static void test_each_drive_has_its_line(void **state)
{
    (void)state;
    struct snapshot *snapshot = press_of(5);
    snapshot->slots[0].state = SLOT_EMPTY;
    snapshot->slots[2].state = SLOT_VERIFYING;
    snapshot->slots[2].permille = 1000;
    finish(&snapshot->slots[3], SLOT_PASSED, VERDICT_PASSED);
    finish(&snapshot->slots[4], SLOT_FAILED, VERDICT_MISMATCH);

    assert_frame(
        snapshot, 80, 24, &ascii,
        "Writing films (4.0 GB) onto 5 drives | 1:05\n"
        ". /dev/sd1 waiting     \n"
        "> /dev/sd2 writing      ###########...............  43 %  20.0 MB/s    2:05 left\n"
        "< /dev/sd3 verifying    ########################## 100 %  20.0 MB/s    2:05 left\n"
        "+ /dev/sd4 passed       every byte was read back and matches\n"
        "X /dev/sd5 mismatch     it gives back other data than was written: bin it\n"
        "3 running, 1 passed, 1 failed, 0 refused | 60.0 MB/s | master read 5.0 GB");
    free(snapshot);
}

static void test_utf8_and_colour_only_add(void **state)
{
    (void)state;
    struct snapshot *snapshot = press_of(1);
    struct progress_options options = ascii;

    options.utf8 = true;
    options.colour = true;
    finish(&snapshot->slots[0], SLOT_REFUSED, VERDICT_IN_USE);
    strcpy(snapshot->slots[0].drive.note, "mounted on /mnt");
    assert_frame(
        snapshot, 100, 24, &options,
        "Writing films (4.0 GB) onto 1 drive | 1:05\n"
        "\033[33m−\033[0m /dev/sd1 \033[33min-use      \033[0m busy: unmount it, or wait a "
        "little and plug it in again (mounted on /mnt)\n"
        "0 running, 0 passed, 0 failed, 1 refused | 0 B/s | master read 5.0 GB");
    free(snapshot);
}

/* The words stay that a volunteer needs, whatever goes for lack of room. */
static void test_narrow_terminals_lose_the_bar_first(void **state)
{
    (void)state;
    struct snapshot *snapshot = press_of(1);

    assert_frame(snapshot, 60, 24, &ascii,
                 "Writing films (4.0 GB) onto 1 drive | 1:05\n"
                 "> /dev/sd1 writing       43 %  20.0 MB/s    2:05 left\n"
                 "1 running, 0 passed, 0 failed, 0 refused | 20.0 MB/s | mas..");
    assert_frame(snapshot, 42, 24, &ascii,
                 "Writing films (4.0 GB) onto 1 drive | 1:05\n"
                 "> /dev/sd1 writing       43 %  20.0 MB/s\n"
                 "1 running, 0 passed, 0 failed, 0 refused..");
    assert_frame(snapshot, 24, 24, &ascii,
                 "Writing films (4.0 GB)..\n"
                 "> /dev/sd1 writing     \n"
                 "1 running, 0 passed, 0..");
    free(snapshot);
}

/* At 80 columns no name takes the bar away. */
static void test_a_long_name_leaves_room_for_the_bar(void **state)
{
    (void)state;
    struct snapshot *snapshot = press_of(1);
    strcpy(snapshot->slots[0].target, "/dev/disk/by-id/usb-SanDisk_Ultra_4C530001120101-0:0");
    char *frame = progress_render(snapshot, 80, 24, &ascii);

    assert_non_null(strstr(frame, " ###..... "));
    assert_non_null(strstr(frame, "2:05 left"));
    free(frame);
    free(snapshot);
}

static unsigned lines_of(const char *text)
{
    unsigned lines = 1;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

static void test_no_frame_exceeds_the_terminal(void **state)
{
    (void)state;
    struct snapshot *snapshot = press_of(40);
    struct progress_options options = ascii;

    finish(&snapshot->slots[7], SLOT_FAILED, VERDICT_STALLED);
    strcpy(snapshot->slots[7].drive.note, "日本語 with a note that is too long for any terminal");
    finish(&snapshot->slots[8], SLOT_ABORTED, VERDICT_MASTER_ERROR);
    strcpy(snapshot->slots[9].target, "/dev/disk/by-id/usb-日本語日本語日本語日本語日本語-0:0");
    strcpy(snapshot->armed_image, "日本語日本語日本語日本語日本語日本語");
    options.stopping = true;
    for (unsigned utf8 = 0; utf8 <= 1; utf8++) {
        options.utf8 = utf8 == 1;
        for (unsigned width = 4; width <= 200; width++) {
            for (unsigned height = 1; height <= 45; height += 3) {
                char *frame = progress_render(snapshot, width, height, &options);
                assert_non_null(frame);
                assert_true(lines_of(frame) <= height);
                for (char *line = strtok(frame, "\n"); line != NULL; line = strtok(NULL, "\n")) {
                    if (text_columns(line, options.utf8) > width)
                        fail_msg("%u columns: %s", width, line);
                }
                free(frame);
            }
        }
    }
    free(snapshot);
}

static void test_what_needs_a_hand_is_shown_first(void **state)
{
    (void)state;
    struct snapshot *snapshot = press_of(9);
    for (uint32_t i = 0; i < 6; i++)
        finish(&snapshot->slots[i], SLOT_PASSED, VERDICT_PASSED);
    finish(&snapshot->slots[6], SLOT_REFUSED, VERDICT_TOO_SMALL);
    finish(&snapshot->slots[8], SLOT_FAILED, VERDICT_COUNTERFEIT);

    assert_frame(snapshot, 60, 5, &ascii,
                 "Writing films (4.0 GB) onto 9 drives | 1:05\n"
                 "> /dev/sd8 writing       43 %  20.0 MB/s    2:05 left\n"
                 "X /dev/sd9 counterfeit  it holds less than it claims: bin it\n"
                 "... and 7 more\n"
                 "1 running, 6 passed, 1 failed, 1 refused | 20.0 MB/s | mas..");
    assert_frame(snapshot, 60, 1, &ascii,
                 "1 running, 6 passed, 1 failed, 1 refused | 20.0 MB/s | mas..");
    free(snapshot);
}

static void test_totals_are_of_all_drives(void **state)
{
    (void)state;
    struct snapshot *snapshot = press_of(4);
    struct progress_totals totals;

    snapshot->slots[0].eta_s = 300;
    snapshot->slots[1].eta_s = WIRE_UNKNOWN;
    finish(&snapshot->slots[3], SLOT_FAILED, VERDICT_UNPLUGGED);
    totals = progress_totals(snapshot);
    assert_int_equal(totals.running, 3);
    assert_int_equal(totals.verdicts.failed, 1);
    assert_int_equal(totals.percent, (3 * 432 + 1000) / 4 / 10);
    assert_int_equal(totals.bytes_per_s, 60000000);
    assert_int_equal(totals.eta_s, 300);
    free(snapshot);
}

/* A drive's own texts must not be able to speak to the terminal. */
static void test_hostile_text_is_harmless(void **state)
{
    (void)state;
    struct snapshot *snapshot = press_of(1);
    struct progress_options options = ascii;

    finish(&snapshot->slots[0], SLOT_FAILED, VERDICT_STALLED);
    strcpy(snapshot->slots[0].target, "a\033[2Jb\nc\xff\xE2\x80\xAE");
    options.utf8 = true;
    char *frame = progress_render(snapshot, 120, 24, &options);
    assert_non_null(strstr(frame, "✘ a?[2Jb?c?? stalled"));
    assert_null(strchr(frame, '\033'));
    free(frame);
    free(snapshot);
}

static void assert_cut(const char *text, unsigned columns, enum text_cut cut, bool utf8,
                       const char *expected)
{
    char *shown = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&shown, &bytes);
    unsigned used = text_put(out, text, columns, cut, utf8);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(shown, expected);
    assert_true(used <= columns);
    assert_int_equal(used, text_columns(shown, utf8));
    free(shown);
}

static void test_text_is_cut_to_its_room(void **state)
{
    (void)state;
    assert_cut("/dev/sdb", 8, TEXT_CUT_MIDDLE, true, "/dev/sdb");
    assert_cut("/dev/disk/by-id/usb-12345", 12, TEXT_CUT_MIDDLE, true, "/d…usb-12345");
    assert_cut("/dev/disk/by-id/usb-12345", 12, TEXT_CUT_MIDDLE, false, "/d..sb-12345");
    assert_cut("unmount it first", 10, TEXT_CUT_END, true, "unmount i…");
    assert_cut("unmount it first", 2, TEXT_CUT_END, true, "un");
    assert_cut("é日本", 5, TEXT_CUT_END, true, "é日本");
    assert_cut("é日本", 4, TEXT_CUT_END, true, "é日…");
    assert_cut("é日本", 5, TEXT_CUT_END, false, "???");
    assert_cut("", 0, TEXT_CUT_END, true, "");
}

static void test_clean_text_is_utf8_without_controls(void **state)
{
    (void)state;
    static const char *const dirty[] = {
        "\n",       "a\x7f",        "\xff",         "\xC3",
        "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
        "\xC2\x85"};
    assert_true(text_is_clean("/dev/sdb"));
    assert_true(text_is_clean("é日本\xF0\x9F\x92\xBE"));
    for (size_t i = 0; i < array_count(dirty); i++)
        assert_false(text_is_clean(dirty[i]));
}

static void test_a_shell_reads_a_word_back(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *word;
    } cases[] = {
        {"films-2026.img", "films-2026.img"},
        {"/a/b c", "'/a/b c'"},
        {"it's", "'it'\\''s'"},
        {"-n", "./-n"},
        {"- n", "'./- n'"},
        {"", "''"},
        {"$(x)`y`", "'$(x)`y`'"},
        {"~", "'~'"},
        {"a\x1b[2J", "FILE"},
        {"\xC2\x9B", "FILE"},
        {"caf\xC3\xA9", "'caf\xC3\xA9'"},
        {"a-name-that-is-longer-than-the-room-for-it", "FILE"},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        char word[32];
        assert_string_equal(text_shell_word(word, sizeof(word), cases[i].text, "FILE"),
                            cases[i].word);
    }
}

static void test_cleaning_keeps_what_is_harmless(void **state)
{
    (void)state;
    char text[] = "caf\xC3\xA9 \x1b[2J \xC2\x9B \xE2\x80\xAE \xFF \xE2\x82";
    text_clean(text);
    assert_string_equal(text, "caf\xC3\xA9 ?[2J ? ? ? ??");
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_drive_has_its_line),
        cmocka_unit_test(test_utf8_and_colour_only_add),
        cmocka_unit_test(test_narrow_terminals_lose_the_bar_first),
        cmocka_unit_test(test_a_long_name_leaves_room_for_the_bar),
        cmocka_unit_test(test_no_frame_exceeds_the_terminal),
        cmocka_unit_test(test_what_needs_a_hand_is_shown_first),
        cmocka_unit_test(test_totals_are_of_all_drives),
        cmocka_unit_test(test_hostile_text_is_harmless),
        cmocka_unit_test(test_text_is_cut_to_its_room),
        cmocka_unit_test(test_clean_text_is_utf8_without_controls),
        cmocka_unit_test(test_a_shell_reads_a_word_back),
        cmocka_unit_test(test_cleaning_keeps_what_is_harmless),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
