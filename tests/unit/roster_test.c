// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/rig/roster.h"
#include "tests/unit/support.h"

#include <stdio.h>
#include <string.h>

/* Which number a place of the rig has, and how long it keeps it. */

static struct layout_slot slot(const char *name, const char *port)
{
    struct layout_slot slot = {.port_count = 1};

    (void)snprintf(slot.name, sizeof(slot.name), "%s", name);
    assert_int_equal(port_parse(&slot.ports[0], port), 0);
    return slot;
}

static void add(struct layout *layout, const char *name, const char *port)
{
    struct layout_slot added = slot(name, port);
    assert_int_equal(layout_add(layout, &added, NULL), LAYOUT_FINE);
}

static struct port port(const char *text)
{
    struct port port;
    assert_int_equal(port_parse(&port, text), 0);
    return port;
}

static uint32_t number_of(struct roster *roster, const char *text, unsigned lun)
{
    struct port at = port(text);
    return roster_of_port(roster, &at, lun);
}

#define FIRST  "0000:00:14.0/usb2/2.1"
#define SECOND "0000:00:14.0/usb2/2.2"
#define THIRD  "0000:00:14.0/usb2/2.3"

static void test_ports_have_numbers(void **state)
{
    static struct roster roster;
    static struct layout layout;

    (void)state;
    layout.count = 0;
    roster_init(&roster, 4);
    add(&layout, "A01", FIRST);
    add(&layout, "A02", SECOND);
    assert_int_equal(roster_apply(&roster, &layout), 0);
    assert_int_equal(number_of(&roster, FIRST, 0), roster_find(&roster, "A01"));
    assert_int_equal(number_of(&roster, SECOND, 0), roster_find(&roster, "A02"));
    assert_int_equal(number_of(&roster, THIRD, 0), ROSTER_NONE);
    assert_int_equal(roster_find(&roster, "A03"), ROSTER_NONE);
}

/* A pass that runs must not notice that its slot is called otherwise. */
static void test_a_renamed_port_keeps_its_number(void **state)
{
    static struct roster roster;
    static struct layout layout;

    (void)state;
    layout.count = 0;
    roster_init(&roster, 4);
    add(&layout, "A01", FIRST);
    add(&layout, "A02", SECOND);
    (void)roster_apply(&roster, &layout);
    uint32_t first = number_of(&roster, FIRST, 0);
    uint32_t second = number_of(&roster, SECOND, 0);
    layout.count = 0;
    add(&layout, "A02", FIRST);
    add(&layout, "A01", SECOND);
    (void)roster_apply(&roster, &layout);
    assert_int_equal(number_of(&roster, FIRST, 0), first);
    assert_int_equal(number_of(&roster, SECOND, 0), second);
    assert_int_equal(roster_find(&roster, "A02"), first);
}

static void test_a_port_that_is_taken_away_stays_while_it_is_occupied(void **state)
{
    static struct roster roster;
    static struct layout layout;

    (void)state;
    layout.count = 0;
    roster_init(&roster, 2);
    add(&layout, "A01", FIRST);
    (void)roster_apply(&roster, &layout);
    uint32_t first = number_of(&roster, FIRST, 0);
    roster.entries[first].occupied = true;
    layout.count = 0;
    add(&layout, "A01", SECOND);
    (void)roster_apply(&roster, &layout);
    assert_int_equal(number_of(&roster, FIRST, 0), ROSTER_NONE); /* nothing new comes into it */
    assert_int_not_equal(number_of(&roster, SECOND, 0), first);
    assert_string_equal(roster.entries[first].place.name, "A01~");
    assert_int_not_equal(roster_find(&roster, "A01"), first);
    roster_vacate(&roster, first);
    assert_int_equal(roster.entries[first].kind, ROSTER_FREE);
}

static void test_more_slots_than_numbers(void **state)
{
    static struct roster roster;
    static struct layout layout;

    (void)state;
    layout.count = 0;
    roster_init(&roster, 1);
    add(&layout, "A01", FIRST);
    add(&layout, "A02", SECOND);
    assert_int_equal(roster_apply(&roster, &layout), 1);
    assert_int_equal(number_of(&roster, SECOND, 0), ROSTER_NONE);
}

static void test_further_luns_get_numbers_when_they_come(void **state)
{
    static struct roster roster;
    static struct layout layout;

    (void)state;
    layout.count = 0;
    roster_init(&roster, 3);
    add(&layout, "A01", FIRST);
    (void)roster_apply(&roster, &layout);
    uint32_t lun = number_of(&roster, FIRST, 1);
    assert_int_not_equal(lun, ROSTER_NONE);
    assert_string_equal(roster.entries[lun].place.name, "A01.1");
    assert_int_equal(number_of(&roster, FIRST, 1), lun);
    assert_int_equal(number_of(&roster, SECOND, 1), ROSTER_NONE);
    /* It goes with its port. */
    layout.count = 0;
    (void)roster_apply(&roster, &layout);
    assert_int_equal(roster.entries[lun].kind, ROSTER_FREE);
}

static void test_files_use_numbers_again(void **state)
{
    static struct roster roster;

    (void)state;
    roster_init(&roster, 2);
    uint32_t old = roster_of_file(&roster, "old");
    uint32_t kept = roster_of_file(&roster, "kept");
    assert_int_equal(roster_of_file(&roster, "old"), old);
    roster.entries[kept].occupied = true;
    uint32_t fresh = roster_of_file(&roster, "new");
    assert_int_equal(fresh, old);
    assert_int_equal(roster_find(&roster, "old"), ROSTER_NONE);
    roster.entries[fresh].occupied = true;
    assert_int_equal(roster_of_file(&roster, "one too many"), ROSTER_NONE);
}

static void test_a_port_goes_before_a_file(void **state)
{
    static struct roster roster;
    static struct layout layout;

    (void)state;
    layout.count = 0;
    roster_init(&roster, 1);
    (void)roster_of_file(&roster, "A01");
    add(&layout, "A01", FIRST);
    assert_int_equal(roster_apply(&roster, &layout), 0);
    assert_int_equal(roster.entries[roster_find(&roster, "A01")].kind, ROSTER_PORT);
    assert_int_equal(roster_of_file(&roster, "A01"), ROSTER_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports_have_numbers),
        cmocka_unit_test(test_a_renamed_port_keeps_its_number),
        cmocka_unit_test(test_a_port_that_is_taken_away_stays_while_it_is_occupied),
        cmocka_unit_test(test_more_slots_than_numbers),
        cmocka_unit_test(test_further_luns_get_numbers_when_they_come),
        cmocka_unit_test(test_files_use_numbers_again),
        cmocka_unit_test(test_a_port_goes_before_a_file),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
