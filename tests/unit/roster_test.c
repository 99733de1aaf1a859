// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/rig/roster.h"
#include "tests/unit/support.h"

#include <stdio.h>
#include <stdlib.h>
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

static void enter(struct roster *roster, uint32_t number, const char *who)
{
    assert_int_equal(roster_enter(roster, number, who, false), ROSTER_ENTERED);
}

static int compare(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* The names of all places, in order. */
static void assert_names(const struct roster *roster, const char *expected)
{
    const char *names[SLOTS_MAX];
    char text[512] = "";
    size_t count = 0;

    for (uint32_t i = 0; i < roster->count; i++) {
        if (roster->entries[i].kind != ROSTER_FREE)
            names[count++] = roster->entries[i].place.name;
    }
    qsort(names, count, sizeof(names[0]), compare);
    for (size_t i = 0; i < count; i++)
        (void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", names[i]);
    assert_string_equal(text, expected);
}

#define FIRST      "0000:00:14.0/usb2/2.1"
#define SECOND     "0000:00:14.0/usb2/2.2"
#define THIRD      "0000:00:14.0/usb2/2.3"
#define OTHER_FACE "0000:00:14.0/usb3/2.1"

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
    enter(&roster, first, "x");
    layout.count = 0;
    add(&layout, "A01", SECOND);
    (void)roster_apply(&roster, &layout);
    assert_int_equal(number_of(&roster, FIRST, 0), ROSTER_NONE); /* nothing new comes into it */
    assert_int_not_equal(number_of(&roster, SECOND, 0), first);
    assert_string_equal(roster.entries[first].place.name, "A01~");
    assert_int_not_equal(roster_find(&roster, "A01"), first);
    (void)roster_vacate(&roster, first);
    assert_int_equal(roster.entries[first].kind, ROSTER_FREE);
}

static void test_a_port_that_comes_back_has_its_number_still(void **state)
{
    static struct roster roster;
    static struct layout layout;

    (void)state;
    layout.count = 0;
    roster_init(&roster, 4);
    add(&layout, "A01", FIRST);
    (void)roster_apply(&roster, &layout);
    uint32_t first = number_of(&roster, FIRST, 0);
    uint32_t lun = number_of(&roster, FIRST, 1);
    enter(&roster, first, "x");
    enter(&roster, lun, "y");
    layout.count = 0;
    (void)roster_apply(&roster, &layout);
    add(&layout, "B07", FIRST);
    (void)roster_apply(&roster, &layout);
    assert_int_equal(number_of(&roster, FIRST, 0), first);
    assert_int_equal(number_of(&roster, FIRST, 1), lun);
    assert_string_equal(roster.entries[first].place.name, "B07");
    assert_string_equal(roster.entries[lun].place.name, "B07.1");
    (void)roster_vacate(&roster, first);
    assert_int_equal(number_of(&roster, FIRST, 0), first); /* it stays */
}

static void test_two_slots_that_become_one_leave_nothing_behind(void **state)
{
    static struct roster roster;
    static struct layout layout;

    (void)state;
    for (uint32_t occupied = 0; occupied < 3; occupied++) {
        layout.count = 0;
        roster_init(&roster, 4);
        add(&layout, "Y", OTHER_FACE);
        add(&layout, "X", FIRST);
        (void)roster_apply(&roster, &layout);
        (void)number_of(&roster, FIRST, 1);
        (void)number_of(&roster, OTHER_FACE, 1);
        if (occupied > 0)
            enter(&roster, number_of(&roster, occupied == 1 ? FIRST : OTHER_FACE, 0), "x");
        layout.count = 0;
        struct layout_slot both = slot("Z", FIRST);
        both.ports[both.port_count++] = port(OTHER_FACE);
        assert_int_equal(layout_add(&layout, &both, NULL), LAYOUT_FINE);
        add(&layout, "Y", SECOND);
        assert_int_equal(roster_apply(&roster, &layout), 0);
        uint32_t number = number_of(&roster, FIRST, 0);
        assert_int_equal(number_of(&roster, OTHER_FACE, 0), number);
        assert_int_equal(roster_leave(&roster, "x"), occupied > 0 ? number : ROSTER_NONE);
        assert_int_equal(number_of(&roster, FIRST, 1), number_of(&roster, OTHER_FACE, 1));
        assert_names(&roster, "Y Z Z.1 ");
    }
}

static void test_two_faces_that_become_two_slots_have_two_numbers(void **state)
{
    static struct roster roster;
    static struct layout layout;
    struct layout_slot both = slot("Z", FIRST);

    (void)state;
    layout.count = 0;
    roster_init(&roster, 4);
    both.ports[both.port_count++] = port(OTHER_FACE);
    assert_int_equal(layout_add(&layout, &both, NULL), LAYOUT_FINE);
    (void)roster_apply(&roster, &layout);
    layout.count = 0;
    add(&layout, "X", FIRST);
    add(&layout, "Y", OTHER_FACE);
    assert_int_equal(roster_apply(&roster, &layout), 0);
    assert_names(&roster, "X Y ");
    assert_int_equal(number_of(&roster, FIRST, 0), roster_find(&roster, "X"));
    assert_int_equal(number_of(&roster, OTHER_FACE, 0), roster_find(&roster, "Y"));
}

static void test_places_that_left_have_names_of_their_own(void **state)
{
    static struct roster roster;
    static struct layout layout;
    static const char *const ports[] = {FIRST, SECOND, THIRD};
    static const char longest[] = "1234567890123456789012345678901";

    (void)state;
    roster_init(&roster, 8);
    for (unsigned i = 0; i < 3; i++) {
        layout.count = 0;
        add(&layout, "A01", ports[i]);
        (void)roster_apply(&roster, &layout);
        char who[2] = {(char)('a' + i), '\0'};
        enter(&roster, number_of(&roster, ports[i], 0), who);
    }
    assert_names(&roster, "A01 A01~ A01~2 ");
    layout.count = 0;
    (void)roster_apply(&roster, &layout);
    assert_names(&roster, "A01~ A01~2 A01~3 ");
    roster_init(&roster, 8);
    add(&layout, longest, FIRST);
    (void)roster_apply(&roster, &layout);
    enter(&roster, number_of(&roster, FIRST, 0), "a");
    layout.count = 0;
    (void)roster_apply(&roster, &layout);
    assert_names(&roster, "123456789012345678901234567890~ ");
}

static void test_luns_are_called_after_their_port(void **state)
{
    static struct roster roster;
    static struct layout layout;

    (void)state;
    layout.count = 0;
    roster_init(&roster, 8);
    add(&layout, "A", FIRST);
    add(&layout, "B", SECOND);
    (void)roster_apply(&roster, &layout);
    uint32_t first = number_of(&roster, FIRST, 1);
    uint32_t second = number_of(&roster, SECOND, 1);
    enter(&roster, first, "x");
    layout.count = 0;
    add(&layout, "B", FIRST);
    add(&layout, "A", SECOND);
    (void)roster_apply(&roster, &layout);
    assert_string_equal(roster.entries[first].place.name, "B.1");
    assert_string_equal(roster.entries[second].place.name, "A.1");
    assert_int_equal(number_of(&roster, FIRST, 1), first);
    assert_int_equal(number_of(&roster, SECOND, 1), second);
    /* Another slot or file may have that name. */
    uint32_t file = roster_of_file(&roster, "C.1");
    enter(&roster, file, "C.1");
    layout.count = 0;
    add(&layout, "C", FIRST);
    add(&layout, "D", SECOND);
    add(&layout, "D.1", THIRD);
    (void)roster_apply(&roster, &layout);
    assert_string_equal(roster.entries[first].place.name, "C.1");
    assert_string_equal(roster.entries[file].place.name, "C.1~");
    assert_int_equal(roster_leave(&roster, "C.1"), file);
    assert_string_equal(roster.entries[roster_find(&roster, "D.1")].place.name, "D.1");
    assert_names(&roster, "C C.1 C.1~ D D.1 ");
}

static bool moved_to(struct roster *roster, uint32_t number)
{
    uint32_t moved = ROSTER_NONE;
    return roster_next_moved(roster, &moved) && moved == number &&
           !roster_next_moved(roster, &moved);
}

/* What is still on show there is of the place before. */
static void test_numbers_that_stand_for_another_place_are_told_once(void **state)
{
    static struct roster roster;
    static struct layout layout;
    uint32_t number = ROSTER_NONE;

    (void)state;
    layout.count = 0;
    roster_init(&roster, 2);
    add(&layout, "A01", FIRST);
    (void)roster_apply(&roster, &layout);
    uint32_t first = number_of(&roster, FIRST, 0);
    assert_true(moved_to(&roster, first));
    layout.count = 0;
    add(&layout, "A02", FIRST);
    (void)roster_apply(&roster, &layout); /* another name is no other place */
    assert_false(roster_next_moved(&roster, &number));
    layout.count = 0;
    add(&layout, "A02", SECOND);
    (void)roster_apply(&roster, &layout);
    assert_true(moved_to(&roster, number_of(&roster, SECOND, 0)));
    uint32_t file = roster_of_file(&roster, "one");
    assert_true(moved_to(&roster, file));
    (void)roster_of_file(&roster, "one");
    assert_false(roster_next_moved(&roster, &number));
    uint32_t lun = number_of(&roster, SECOND, 1);
    assert_int_equal(lun, file);
    assert_true(moved_to(&roster, lun));
}

/* --- Who is in it ----------------------------------------------------------------------------- */

static uint32_t begin_with_port(struct roster *roster, struct layout *layout)
{
    layout->count = 0;
    roster_init(roster, 4);
    add(layout, "A01", FIRST);
    add(layout, "A02", SECOND);
    (void)roster_apply(roster, layout);
    return number_of(roster, FIRST, 0);
}

static void test_a_number_is_not_taken_over(void **state)
{
    static struct roster roster;
    static struct layout layout;

    (void)state;
    uint32_t first = begin_with_port(&roster, &layout);
    uint32_t second = number_of(&roster, SECOND, 0);
    assert_int_equal(roster_enter(&roster, first, "x", false), ROSTER_ENTERED);
    assert_int_equal(roster_enter(&roster, first, "x", false), ROSTER_KNOWN);
    assert_int_equal(roster_enter(&roster, second, "x", false), ROSTER_KNOWN);
    assert_false(roster.entries[second].occupied);
    assert_int_equal(roster_enter(&roster, first, "y", false), ROSTER_TURNED_AWAY);
    assert_int_equal(roster_enter(&roster, first, "y", false), ROSTER_KNOWN);
    assert_int_equal(roster_leave(&roster, "y"), ROSTER_NONE);
    assert_int_equal(roster_leave(&roster, "x"), first);
    assert_true(roster_vacate(&roster, first)); /* now it may come in */
    assert_int_equal(roster_leave(&roster, "x"), ROSTER_NONE);
    assert_int_equal(roster_enter(&roster, first, "y", false), ROSTER_ENTERED);
    assert_int_equal(roster_leave(&roster, "y"), first);
    assert_false(roster_vacate(&roster, first));
}

/* A stick that is also a keyboard is told of as a disk and as a keyboard, in any order. */
static void test_what_is_foreign_is_there_until_it_is_gone_by_both_names(void **state)
{
    static struct roster roster;
    static struct layout layout;
    static const char *const names[] = {"disk", "keyboard"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        uint32_t first = begin_with_port(&roster, &layout);
        assert_int_equal(roster_enter(&roster, first, names[i / 2], true), ROSTER_ENTERED);
        assert_int_equal(roster_enter(&roster, first, names[1 - i / 2], true), ROSTER_KNOWN);
        assert_int_equal(roster_enter(&roster, first, "third", true), ROSTER_TURNED_AWAY);
        assert_int_equal(roster_leave(&roster, names[i % 2]), ROSTER_NONE);
        assert_true(roster.entries[first].occupied);
        assert_int_equal(roster_enter(&roster, first, names[i % 2], true), ROSTER_KNOWN);
        assert_int_equal(roster_leave(&roster, names[i % 2]), ROSTER_NONE);
        assert_int_equal(roster_leave(&roster, names[1 - i % 2]), first);
    }
    uint32_t first = begin_with_port(&roster, &layout);
    assert_int_equal(roster_enter(&roster, first, "drive", false), ROSTER_ENTERED);
    assert_int_equal(roster_enter(&roster, first, "keyboard", true), ROSTER_TURNED_AWAY);
    assert_int_equal(roster_leave(&roster, "drive"), first);
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
    enter(&roster, kept, "kept");
    uint32_t fresh = roster_of_file(&roster, "new");
    assert_int_equal(fresh, old);
    assert_int_equal(roster_find(&roster, "old"), ROSTER_NONE);
    enter(&roster, fresh, "new");
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
        cmocka_unit_test(test_a_port_that_comes_back_has_its_number_still),
        cmocka_unit_test(test_two_slots_that_become_one_leave_nothing_behind),
        cmocka_unit_test(test_two_faces_that_become_two_slots_have_two_numbers),
        cmocka_unit_test(test_places_that_left_have_names_of_their_own),
        cmocka_unit_test(test_luns_are_called_after_their_port),
        cmocka_unit_test(test_numbers_that_stand_for_another_place_are_told_once),
        cmocka_unit_test(test_a_number_is_not_taken_over),
        cmocka_unit_test(test_what_is_foreign_is_there_until_it_is_gone_by_both_names),
        cmocka_unit_test(test_more_slots_than_numbers),
        cmocka_unit_test(test_further_luns_get_numbers_when_they_come),
        cmocka_unit_test(test_files_use_numbers_again),
        cmocka_unit_test(test_a_port_goes_before_a_file),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
