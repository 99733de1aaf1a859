// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/summary.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct run_result result = {
    .image = {.name = "films",
              .path = "/i/films.img",
              .size_bytes = 1000,
              .padded_bytes = 1024,
              .chunk_bytes = 1048576,
              .sha256 = "abc",
              .manifest = true},
    .engine = "threads",
    .engine_note = "no io_uring here",
    .pool_bytes = 4096,
};

static struct snapshot_slot *add(struct snapshot *snapshot, uint32_t index, const char *target,
                                 enum slot_state state, enum verdict verdict)
{
    struct snapshot_slot *slot = &snapshot->slots[index];
    strcpy(slot->target, target);
    slot->state = state;
    slot->verdict = verdict;
    return slot;
}

/* One drive of each kind, and one that did not begin. */
static struct snapshot *evening(void)
{
    struct snapshot *snapshot = snapshot_create(4);
    assert_non_null(snapshot);
    snapshot->master_bytes_read = 4000000000;
    struct snapshot_slot *slot = add(snapshot, 0, "/dev/sdc", SLOT_PASSED, VERDICT_PASSED);
    slot->bytes_written = slot->bytes_verified = 4000000000;
    slot->write_ms = 80000;
    slot->verify_ms = 40400;
    slot->residue = RESIDUE_BEYOND_IMAGE;
    slot->drive.capacity_bytes = 8000000000;
    strcpy(slot->drive.model, "Acme Stick");
    strcpy(slot->drive.serial, "0042");

    slot = add(snapshot, 1, "/dev/sdb", SLOT_FAILED, VERDICT_MISMATCH);
    slot->bytes_written = slot->bytes_verified = 4000000000;
    slot->write_ms = 9950;
    slot->verify_ms = 1000;
    slot->residue = RESIDUE_POSSIBLE;
    slot->bad_chunk_count = 7;
    for (uint32_t i = 0; i < slot->bad_chunk_count; i++)
        slot->bad_chunks[i] = 10 + i;

    slot = add(snapshot, 2, "/dev/sdd", SLOT_REFUSED, VERDICT_IN_USE);
    slot->residue = RESIDUE_UNTOUCHED;
    strcpy(slot->drive.note, "mounted on /mnt");

    slot = add(snapshot, 3, "/dev/sde", SLOT_ABORTED, VERDICT_MASTER_ERROR);
    slot->residue = RESIDUE_UNTOUCHED;
    return snapshot;
}

static char *printed(const struct summary *summary, unsigned width)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    assert_non_null(out);
    summary_print(out, summary, width, false, false);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void test_every_drive_is_told_plainly(void **state)
{
    (void)state;
    struct snapshot *snapshot = evening();
    struct summary summary = {MODE_WRITE, &result, snapshot, 125000};
    char *text = printed(&summary, 0);

    assert_string_equal(
        text, "+ /dev/sdc passed       every byte was read back and matches; wrote 4.0 GB in 1:20, "
              "read back 4.0 GB in 40 s\n"
              "X /dev/sdb mismatch     it gives back other data than was written: bin it; bad "
              "chunks 10, 11, 12, 13, 14 and 2 more; wrote 4.0 GB in 9.9 s, read back 4.0 GB in "
              "1.0 s\n"
              "- /dev/sdd in-use       busy: unmount it, or wait a little and plug it in again "
              "(mounted on /mnt)\n"
              "! /dev/sde master-error the master image is at fault, not the drive: check it and "
              "start again\n"
              "What was behind the image is still there: /dev/sdc\n"
              "Parts of what was there before may be left: /dev/sdb\n"
              "Nothing was erased: /dev/sdd, /dev/sde\n"
              "1 passed (every byte was read back and matches), 1 failed, 1 refused, 1 aborted "
              "through no fault of theirs\n"
              "2:05 in all, 4.0 GB read from the master\n");
    free(text);
    free(snapshot);
}

static void test_narrow_lines_are_broken_in_two(void **state)
{
    (void)state;
    struct snapshot *snapshot = evening();
    struct summary summary = {MODE_WRITE, &result, snapshot, 125000};
    char *text = printed(&summary, 80);

    assert_non_null(strstr(text, "+ /dev/sdc passed       wrote 4.0 GB in 1:20, read back 4.0 GB "
                                 "in 40 s\n"));
    assert_non_null(strstr(text, "X /dev/sdb mismatch     it gives back other data than was "
                                 "written: bin it;\n"
                                 "    bad chunks 10, 11, 12, 13, 14 and 2 more; wrote 4.0 GB in "
                                 "9.9 s,\n    read back 4.0 GB in 1.0 s\n"));
    assert_non_null(strstr(text, "1 passed (every byte was read back and matches), 1 failed, "
                                 "1 refused,\n    1 aborted"));
    free(text);
    /* At no width is a number parted from its unit. */
    for (unsigned width = 20; width < 120; width++) {
        text = printed(&summary, width);
        for (const char *end = text; (end = strchr(end, '\n')) != NULL; end++)
            assert_false(end > text && end[1] == ' ' && strchr(",; ", end[-1]) == NULL);
        free(text);
    }
    free(snapshot);
}

/* After verify nothing is said that would only be true after writing. */
static void test_verify_speaks_of_reading(void **state)
{
    (void)state;
    struct snapshot *snapshot = snapshot_create(2);
    struct summary summary = {MODE_VERIFY, &result, snapshot, 1000};
    struct snapshot_slot *slot = add(snapshot, 0, "a", SLOT_FAILED, VERDICT_MISMATCH);
    slot->bytes_verified = 1024;
    slot->residue = RESIDUE_UNTOUCHED;
    add(snapshot, 1, "b", SLOT_PASSED, VERDICT_PASSED)->residue = RESIDUE_BEYOND_IMAGE;
    char *text = printed(&summary, 0);

    assert_non_null(strstr(text, "its content is not the image"));
    assert_non_null(strstr(text, "; read 1.0 kB in 0.0 s"));
    assert_non_null(strstr(text, "What lies behind the image was not looked at: b\n"));
    assert_null(strstr(text, "written"));
    assert_null(strstr(text, "erased"));
    free(text);
    free(snapshot);
}

static void test_a_note_of_many_is_told_once(void **state)
{
    (void)state;
    struct snapshot *snapshot = snapshot_create(12);
    struct summary summary = {MODE_WRITE, &result, snapshot, 1000};
    for (uint32_t i = 0; i < 12; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "disk%u", i);
        struct snapshot_slot *slot = add(snapshot, i, name, SLOT_PASSED, VERDICT_PASSED);
        slot->residue = RESIDUE_NONE;
        if (i > 0)
            strcpy(slot->drive.note, i < 10 ? "no direct I/O" : "odd");
    }
    char *text = printed(&summary, 0);

    assert_non_null(strstr(text, "\nno direct I/O: 9 drives\nodd: disk10, disk11\n12 passed"));
    assert_null(strstr(text, "(no direct I/O)"));
    free(text);
    free(snapshot);
}

static void test_json_has_every_member(void **state)
{
    (void)state;
    struct snapshot *snapshot = evening();
    struct summary summary = {MODE_WRITE, &result, snapshot, 125000};
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    assert_int_equal(summary_print_json(out, &summary), 0);
    assert_int_equal(fclose(out), 0);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    json_t *expected =
        json_pack("{s:s, s:s, s:I, s:I, s:[i,i,i,i,i,i,i], s:i, s:i, s:s, s:i, s:s, s:s, s:s}",
                  "target", "/dev/sdb", "verdict", "mismatch", "bytes_written",
                  (json_int_t)4000000000, "bytes_verified", (json_int_t)4000000000, "bad_chunks",
                  10, 11, 12, 13, 14, 15, 16, "write_ms", 9950, "verify_ms", 1000, "residue",
                  "possible", "capacity_bytes", 0, "model", "", "serial", "", "note", "");
    json_t *drives = json_object_get(root, "drives");
    assert_int_equal(json_array_size(drives), 4);
    assert_true(json_equal(json_array_get(drives, 1), expected));
    json_decref(expected);

    expected =
        json_pack("{s:{s:s, s:s, s:i, s:i, s:i, s:s, s:b}, s:s, s:s, s:i, s:s, s:O, s:i, "
                  "s:i, s:i, s:i, s:I, s:i}",
                  "image", "name", "films", "path", "/i/films.img", "size_bytes", 1000,
                  "padded_bytes", 1024, "chunk_bytes", 1048576, "sha256", "abc", "manifest", 1,
                  "engine", "threads", "engine_note", "no io_uring here", "pool_bytes", 4096,
                  "mode", "write", "drives", drives, "passed", 1, "failed", 1, "refused", 1,
                  "aborted", 1, "master_bytes_read", (json_int_t)4000000000, "elapsed_ms", 125000);
    assert_true(json_equal(root, expected));
    json_decref(expected);
    json_decref(root);
    free(text);
    free(snapshot);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_drive_is_told_plainly),
        cmocka_unit_test(test_narrow_lines_are_broken_in_two),
        cmocka_unit_test(test_verify_speaks_of_reading),
        cmocka_unit_test(test_a_note_of_many_is_told_once),
        cmocka_unit_test(test_json_has_every_member),
    };
    return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
