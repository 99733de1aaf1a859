// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/units.h"
#include "lib/core/choice.h"

/* A small, a middle and a large image, under numbers that say nothing of their sizes. */
enum { MIDDLE = 0, LARGE = 5, SMALL = 63 };
#define SET(number) (UINT64_C(1) << (number))
#define ALL         (SET(SMALL) | SET(MIDDLE) | SET(LARGE))

static struct image small, middle, large;
static struct image *images[IMAGES_MAX];

static int fresh_images(void **state)
{
    (void)state;
    small = (struct image){.size_bytes = 1 * MIB};
    middle = (struct image){.size_bytes = 2 * MIB};
    large = (struct image){.size_bytes = 4 * MIB};
    images[SMALL] = &small;
    images[MIDDLE] = &middle;
    images[LARGE] = &large;
    return 0;
}

static void expect(uint64_t set, uint64_t capacity_bytes, uint32_t expected)
{
    assert_int_equal(choice_pick(images, set, capacity_bytes, NULL), expected);
}

static void the_largest_that_fits_is_chosen(void **state)
{
    (void)state;
    expect(ALL, 1 * MIB, SMALL);
    expect(ALL, 2 * MIB - 1, SMALL);
    expect(ALL, 2 * MIB, MIDDLE);
    expect(ALL, 4 * MIB - 1, MIDDLE);
    expect(ALL, 4 * MIB, LARGE);
    expect(ALL, UINT64_MAX, LARGE);
}

static void only_what_is_in_the_set_is_chosen(void **state)
{
    (void)state;
    expect(SET(SMALL) | SET(MIDDLE), UINT64_MAX, MIDDLE);
    expect(SET(SMALL), UINT64_MAX, SMALL);
    expect(SET(LARGE), 2 * MIB, CHOICE_NONE);
    expect(0, UINT64_MAX, CHOICE_NONE);
}

static void of_equals_the_lower_number_is_chosen(void **state)
{
    (void)state;
    middle.size_bytes = large.size_bytes;
    expect(ALL, UINT64_MAX, MIDDLE);
}

static void a_drive_too_small_for_all_is_measured_by_the_smallest(void **state)
{
    (void)state;
    uint32_t smallest = 7;
    assert_int_equal(choice_pick(images, ALL, MIB - 1, &smallest), CHOICE_NONE);
    assert_int_equal(smallest, SMALL);
    assert_int_equal(choice_pick(images, SET(MIDDLE) | SET(LARGE), 0, &smallest), CHOICE_NONE);
    assert_int_equal(smallest, MIDDLE);
    assert_int_equal(choice_pick(images, 0, 0, &smallest), CHOICE_NONE);
    assert_int_equal(smallest, CHOICE_NONE);
}

static void images_with_a_fault_are_passed_over(void **state)
{
    (void)state;
    uint32_t smallest = 7;
    large.fault = IMAGE_UNREADABLE;
    expect(ALL, UINT64_MAX, MIDDLE);
    small.fault = IMAGE_SILENT;
    assert_int_equal(choice_pick(images, ALL, 0, &smallest), CHOICE_NONE);
    assert_int_equal(smallest, MIDDLE);
    middle.fault = IMAGE_DIFFERS;
    assert_int_equal(choice_pick(images, ALL, UINT64_MAX, &smallest), CHOICE_NONE);
    assert_int_equal(smallest, CHOICE_NONE);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_largest_that_fits_is_chosen, fresh_images),
        cmocka_unit_test_setup(only_what_is_in_the_set_is_chosen, fresh_images),
        cmocka_unit_test_setup(of_equals_the_lower_number_is_chosen, fresh_images),
        cmocka_unit_test_setup(a_drive_too_small_for_all_is_measured_by_the_smallest, fresh_images),
        cmocka_unit_test_setup(images_with_a_fault_are_passed_over, fresh_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
