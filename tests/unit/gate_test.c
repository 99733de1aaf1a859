// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/units.h"
#include "lib/core/gate.h"

/* The gate, and the image that it judges by. */

static struct digest digests[3];
static uint8_t known[1];

/* Two whole chunks and a half one. */
static struct image some_image(void)
{
    memset(known, 0, sizeof(known));
    return (struct image){
        .size_bytes = 2 * MIB + MIB / 2,
        .chunk_bytes = MIB,
        .chunk_count = 3,
        .digests = digests,
        .known = known,
    };
}

static const struct gate_policy no_limits;

static void expect(enum press_mode mode, enum open_result result, struct drive_facts facts,
                   enum verdict verdict)
{
    struct image image = some_image();
    assert_string_equal(verdict_word(gate_judge(result, &facts, &no_limits, mode, &image)),
                        verdict_word(verdict));
}

static void a_drive_that_fits_may_be_used(void **state)
{
    (void)state;
    struct drive_facts exact = {.capacity_bytes = 2 * MIB + MIB / 2, .logical_block_bytes = 512};
    struct drive_facts large = {.capacity_bytes = 64 * GIB, .logical_block_bytes = 4096};
    expect(MODE_WRITE, OPEN_OK, exact, VERDICT_NONE);
    expect(MODE_WRITE, OPEN_OK, large, VERDICT_NONE);
    expect(MODE_VERIFY, OPEN_OK, exact, VERDICT_NONE);
}

static void a_drive_that_did_not_open_is_not_judged_by_its_facts(void **state)
{
    (void)state;
    struct drive_facts none = {0};
    expect(MODE_WRITE, OPEN_BUSY, none, VERDICT_IN_USE);
    expect(MODE_WRITE, OPEN_SYSTEM_DISK, none, VERDICT_SYSTEM_DISK);
    expect(MODE_WRITE, OPEN_READ_ONLY, none, VERDICT_READ_ONLY);
    expect(MODE_WRITE, OPEN_NO_MEDIUM, none, VERDICT_NO_MEDIUM);
    expect(MODE_WRITE, OPEN_DENIED, none, VERDICT_NOT_IN_RIG);
    expect(MODE_WRITE, OPEN_UNSUITABLE, none, VERDICT_POLICY);
    expect(MODE_WRITE, OPEN_GONE, none, VERDICT_UNPLUGGED);
    expect(MODE_WRITE, OPEN_ERROR, none, VERDICT_READ_ERROR);
    expect(MODE_WRITE, OPEN_OUR_FAULT, none, VERDICT_INTERRUPTED);
}

static void a_drive_must_hold_the_image(void **state)
{
    (void)state;
    struct drive_facts small = {.capacity_bytes = 2 * MIB, .logical_block_bytes = 512};
    struct drive_facts empty = {.capacity_bytes = 0, .logical_block_bytes = 512};
    expect(MODE_WRITE, OPEN_OK, small, VERDICT_TOO_SMALL);
    expect(MODE_VERIFY, OPEN_OK, small, VERDICT_TOO_SMALL);
    expect(MODE_WRITE, OPEN_OK, empty, VERDICT_NO_MEDIUM);
}

static void a_drive_must_lie_in_the_rigs_window(void **state)
{
    (void)state;
    struct image image = some_image();
    struct gate_policy policy = {.capacity_min_bytes = 4 * MIB, .capacity_max_bytes = 8 * MIB};
    struct gate_policy no_maximum = {.capacity_min_bytes = 4 * MIB};
    static const struct {
        uint64_t capacity_bytes;
        enum verdict verdict;
        enum verdict without_maximum;
    } cases[] = {
        {3 * MIB, VERDICT_TOO_SMALL, VERDICT_TOO_SMALL}, /* though the image fits */
        {4 * MIB - 1, VERDICT_TOO_SMALL, VERDICT_TOO_SMALL},
        {4 * MIB, VERDICT_NONE, VERDICT_NONE},
        {8 * MIB, VERDICT_NONE, VERDICT_NONE},
        {8 * MIB + 1, VERDICT_TOO_BIG, VERDICT_NONE},
    };
    for (size_t i = 0; i < array_count(cases); i++) {
        struct drive_facts facts = {cases[i].capacity_bytes, 512, false};
        assert_int_equal(gate_judge(OPEN_OK, &facts, &policy, MODE_WRITE, &image),
                         cases[i].verdict);
        assert_int_equal(gate_judge(OPEN_OK, &facts, &policy, MODE_VERIFY, &image),
                         cases[i].verdict);
        assert_int_equal(gate_judge(OPEN_OK, &facts, &no_maximum, MODE_WRITE, &image),
                         cases[i].without_maximum);
    }
}

static void a_read_only_drive_can_be_verified(void **state)
{
    (void)state;
    struct drive_facts locked = {
        .capacity_bytes = GIB, .logical_block_bytes = 512, .read_only = true};
    expect(MODE_WRITE, OPEN_OK, locked, VERDICT_READ_ONLY);
    expect(MODE_VERIFY, OPEN_OK, locked, VERDICT_NONE);
}

static void requests_must_fall_on_the_drives_blocks(void **state)
{
    (void)state;
    struct drive_facts unknown = {.capacity_bytes = GIB, .logical_block_bytes = 0};
    struct drive_facts larger_than_chunk = {.capacity_bytes = GIB, .logical_block_bytes = 5 << 19};
    struct drive_facts larger_than_rest = {.capacity_bytes = GIB, .logical_block_bytes = 1 << 20};
    expect(MODE_WRITE, OPEN_OK, unknown, VERDICT_POLICY);
    expect(MODE_WRITE, OPEN_OK, larger_than_chunk, VERDICT_POLICY);
    expect(MODE_WRITE, OPEN_OK, larger_than_rest, VERDICT_POLICY);
}

static void only_the_last_chunk_is_shorter(void **state)
{
    (void)state;
    struct image image = some_image();
    assert_int_equal(image_chunk_length(&image, 0), MIB);
    assert_int_equal(image_chunk_length(&image, 1), MIB);
    assert_int_equal(image_chunk_length(&image, 2), MIB / 2);
    image.size_bytes = 3 * MIB;
    assert_int_equal(image_chunk_length(&image, 2), MIB);
}

static void digests_are_learnt_one_by_one(void **state)
{
    (void)state;
    struct image image = some_image();
    assert_false(image_digest_known(&image, 1));
    image_learn(&image, 1, (struct digest){5, 6});
    assert_true(image_digest_known(&image, 1));
    assert_false(image_digest_known(&image, 0));
    assert_false(image_digest_known(&image, 2));
    assert_int_equal(image.known_count, 1);
    assert_true(digest_equal(image.digests[1], (struct digest){5, 6}));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drive_that_fits_may_be_used),
        cmocka_unit_test(a_drive_that_did_not_open_is_not_judged_by_its_facts),
        cmocka_unit_test(a_drive_must_hold_the_image),
        cmocka_unit_test(a_drive_must_lie_in_the_rigs_window),
        cmocka_unit_test(a_read_only_drive_can_be_verified),
        cmocka_unit_test(requests_must_fall_on_the_drives_blocks),
        cmocka_unit_test(only_the_last_chunk_is_shorter),
        cmocka_unit_test(digests_are_learnt_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
