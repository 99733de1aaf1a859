// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/units.h"
#include "lib/rig/layout.h"

#define HUB "0000:00:14.0/usb2/2"

static struct layout layout;

static int empty_layout(void **state)
{
    (void)state;
    memset(&layout, 0, sizeof(layout));
    return 0;
}

static struct port parsed(const char *text)
{
    struct port port;
    assert_int_equal(port_parse(&port, text), 0);
    return port;
}

static struct layout_slot slot_at(const char *name, const char *port)
{
    struct layout_slot slot = {.port_count = 1, .ports = {parsed(port)}};
    (void)snprintf(slot.name, sizeof(slot.name), "%s", name);
    return slot;
}

static void add_slot(const char *name, const char *port)
{
    struct layout_slot slot = slot_at(name, port);
    assert_int_equal(layout_add(&layout, &slot, NULL), LAYOUT_FINE);
}

static void add_place(const char *name, const char *port, unsigned row, unsigned column)
{
    struct layout_slot slot = slot_at(name, port);
    slot.row = row;
    slot.column = column;
    assert_int_equal(layout_add(&layout, &slot, NULL), LAYOUT_FINE);
}

static struct layout_hub hub_at(const char *port, unsigned port_count)
{
    return (struct layout_hub){.faces = {parsed(port)}, .face_count = 1, .port_count = port_count};
}

/* The name of the slot of a port, "" if there is none. */
static const char *name_at(const char *text)
{
    struct port port = parsed(text);
    const struct layout_slot *slot = layout_find(&layout, &port, 0);
    return slot != NULL ? slot->name : "";
}

/* --- Slots -------------------------------------------------------------------------------------- */

static void names_are_short_words_of_plain_characters(void **state)
{
    (void)state;
    static const char *const good[] = {
        "A", "A01", "left-1", "7", "a.b", "C++_-.", "1234567890123456789012345678901"};
    static const char *const bad[] = {
        "",      " ",   "A 1", "A\t", "A/1",  "A\\",      "[A",
        "A]",    "A\"", "A;",  "A#",  "A=1",  "A~",       "-A",
        "--all", ".A",  "_",   "+1",  "$(A)", "A`",       "A$B",
        "A*",    "A'",  "A&B", "A|B", "A>B",  "A!",       "A:1",
        "A,1",   "A@",  "A%",  "A\n", "\x7f", "\xc3\xa4", "12345678901234567890123456789012"};
    for (size_t i = 0; i < array_count(good); i++)
        assert_true(layout_name_valid(good[i]));
    for (size_t i = 0; i < array_count(bad); i++)
        assert_false(layout_name_valid(bad[i]));
}

static void a_slot_is_found_by_either_face_by_lun_and_by_name(void **state)
{
    (void)state;
    struct layout_slot slot = slot_at("A01", HUB ".1");
    slot.ports[slot.port_count++] = parsed("0000:00:14.0/usb3/2.1");
    slot.lun = 2;
    assert_int_equal(layout_add(&layout, &slot, NULL), LAYOUT_FINE);
    for (unsigned i = 0; i < 2; i++) {
        assert_ptr_equal(layout_find(&layout, &slot.ports[i], 2), &layout.slots[0]);
        assert_null(layout_find(&layout, &slot.ports[i], 0));
    }
    struct port other = parsed(HUB ".2");
    assert_null(layout_find(&layout, &other, 2));
    assert_ptr_equal(layout_find_name(&layout, "A01"), &layout.slots[0]);
    assert_null(layout_find_name(&layout, "A0"));
}

static void no_two_slots_have_the_same_name_or_the_same_place(void **state)
{
    (void)state;
    const struct layout_slot *other = NULL;
    add_slot("A01", HUB ".1");
    struct layout_slot slot = slot_at("A01", HUB ".2");
    assert_int_equal(layout_add(&layout, &slot, &other), LAYOUT_NAME_TAKEN);
    assert_ptr_equal(other, &layout.slots[0]);
    slot = slot_at("A02", HUB ".2");
    slot.ports[slot.port_count++] = parsed(HUB ".1");
    assert_int_equal(layout_add(&layout, &slot, &other), LAYOUT_PORT_TAKEN);
    assert_ptr_equal(other, &layout.slots[0]);
    slot.lun = 1;
    assert_int_equal(layout_add(&layout, &slot, &other), LAYOUT_FINE);
    assert_null(other);
    slot = slot_at("A 3", HUB ".3");
    assert_int_equal(layout_add(&layout, &slot, &other), LAYOUT_NAME_BAD);
    assert_null(other);
    assert_int_equal(layout.count, 2);
}

static void a_full_layout_takes_no_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        char name[16];
        char port[64];
        (void)snprintf(name, sizeof(name), "N%u", i);
        (void)snprintf(port, sizeof(port), "0000:00:14.0/usb2/%u.%u", i / 16 + 1, i % 16 + 1);
        add_slot(name, port);
    }
    struct layout_slot slot = slot_at("more", "0000:00:15.0/usb2/1");
    assert_int_equal(layout_add(&layout, &slot, NULL), LAYOUT_FULL);
    struct layout_hub hub = hub_at("0000:00:14.0/usb2/1", 20);
    assert_int_equal(layout_name_ports(&layout, &hub), 0);
}

static void further_luns_are_named_after_their_slot(void **state)
{
    (void)state;
    char name[SLOT_NAME_BYTES];
    assert_true(layout_lun_name("A05", 1, name));
    assert_string_equal(name, "A05.1");
    assert_true(layout_lun_name("12345678901234567890123456789", 1, name));
    assert_false(layout_lun_name("12345678901234567890123456789", 15, name));
}

/* --- Names for the ports of a hub --------------------------------------------------------------- */

static void ports_that_nobody_named_get_the_free_numbers_in_order(void **state)
{
    (void)state;
    struct layout_hub hub = hub_at(HUB, 5);
    add_slot("A03", HUB ".4");
    add_slot("A01", HUB ".1");
    assert_int_equal(layout_name_ports(&layout, &hub), 3);
    assert_string_equal(name_at(HUB ".1"), "A01");
    assert_string_equal(name_at(HUB ".2"), "A02");
    assert_string_equal(name_at(HUB ".3"), "A04");
    assert_string_equal(name_at(HUB ".4"), "A03");
    assert_string_equal(name_at(HUB ".5"), "A05");
    assert_true(layout_find_name(&layout, "A02")->automatic);
    assert_false(layout_find_name(&layout, "A01")->automatic);
    assert_int_equal(layout_name_ports(&layout, &hub), 0);
}

static void numbers_that_another_hub_uses_are_not_free(void **state)
{
    (void)state;
    struct layout_hub hub = hub_at(HUB, 3);
    add_slot("A01", "0000:00:14.0/usb2/3.1");
    add_slot("A03", "0000:00:14.0/usb2/3.2");
    add_slot("A10", HUB ".2");
    assert_int_equal(layout_name_ports(&layout, &hub), 2);
    assert_string_equal(name_at(HUB ".1"), "A02");
    assert_string_equal(name_at(HUB ".3"), "A04");
}

static void the_first_slot_of_a_hub_is_the_pattern(void **state)
{
    (void)state;
    struct layout_hub hub = hub_at(HUB, 3);
    add_slot("B10", HUB ".1");
    add_slot("B9", HUB ".2");
    assert_int_equal(layout_name_ports(&layout, &hub), 1);
    assert_string_equal(name_at(HUB ".3"), "B1");
}

static void a_name_without_a_number_is_counted_from_two(void **state)
{
    (void)state;
    struct layout_hub hub = hub_at(HUB, 3);
    add_slot("left", HUB ".2");
    assert_int_equal(layout_name_ports(&layout, &hub), 2);
    assert_string_equal(name_at(HUB ".1"), "left-2");
    assert_string_equal(name_at(HUB ".3"), "left-3");
}

static void a_name_that_would_be_too_long_is_not_given(void **state)
{
    (void)state;
    struct layout_hub hub = hub_at(HUB, 3);
    struct layout_hub other = hub_at("0000:00:14.0/usb2/3", 2);
    add_slot("abcdefghijklmnopqrstuvwxyzabcd", HUB ".1");
    assert_int_equal(layout_name_ports(&layout, &hub), 0);
    add_slot("abcdefghijklmnopqrstuvwxyzabc", "0000:00:14.0/usb2/3.1");
    assert_int_equal(layout_name_ports(&layout, &other), 1);
    assert_string_equal(name_at("0000:00:14.0/usb2/3.2"), "abcdefghijklmnopqrstuvwxyzabc-2");
}

static void new_slots_have_both_faces(void **state)
{
    (void)state;
    struct layout_hub hub = hub_at(HUB, 2);
    hub.faces[hub.face_count++] = parsed("0000:00:14.0/usb3/7");
    add_slot("A01", "0000:00:14.0/usb3/7.1");
    assert_int_equal(layout_name_ports(&layout, &hub), 1);
    assert_string_equal(name_at(HUB ".2"), "A02");
    assert_string_equal(name_at("0000:00:14.0/usb3/7.2"), "A02");
    assert_string_equal(name_at(HUB ".1"), "");
}

static void ports_that_hold_hubs_are_no_slots(void **state)
{
    (void)state;
    struct layout_hub hub = hub_at(HUB, 12);
    add_slot("A01", HUB ".1");
    hub.hub_in_port[0] = 1 << 3;
    hub.hub_in_port[1] = 1 << 2;
    assert_int_equal(layout_name_ports(&layout, &hub), 9);
    assert_string_equal(name_at(HUB ".3"), "");
    assert_string_equal(name_at(HUB ".4"), "A03");
    assert_string_equal(name_at(HUB ".10"), "");
}

static void only_hubs_that_somebody_named_a_port_of_are_known(void **state)
{
    (void)state;
    struct layout_hub root = {.faces = {{.bus = PORT_USB2, .controller = "0000:00:14.0"}},
                              .face_count = 1,
                              .port_count = 4};
    struct layout_hub other = hub_at("0000:00:14.0/usb2/3", 4);
    struct layout_hub hub = hub_at(HUB, 4);
    add_slot("A01", "0000:00:14.0/usb2/1");
    assert_int_equal(layout_name_ports(&layout, &root), 0);
    assert_int_equal(layout_name_ports(&layout, &other), 0);
    struct layout_slot lun = slot_at("A02", HUB ".1");
    lun.lun = 1;
    assert_int_equal(layout_add(&layout, &lun, NULL), LAYOUT_FINE);
    assert_int_equal(layout_name_ports(&layout, &hub), 0);
}

static void new_slots_go_on_in_the_row(void **state)
{
    (void)state;
    struct layout_hub hub = hub_at(HUB, 3);
    add_place("A01", HUB ".1", 2, 1);
    add_place("A07", "0000:00:14.0/usb2/3.1", 2, 4);
    add_place("B01", "0000:00:14.0/usb2/4.1", 1, 8);
    assert_int_equal(layout_name_ports(&layout, &hub), 2);
    assert_int_equal(layout_find_name(&layout, "A02")->row, 2);
    assert_int_equal(layout_find_name(&layout, "A02")->column, 5);
    assert_int_equal(layout_find_name(&layout, "A03")->column, 6);
}

static void a_row_that_is_full_gives_no_places(void **state)
{
    (void)state;
    struct layout_hub hub = hub_at(HUB, 3);
    add_place("A01", HUB ".1", 2, SLOT_PLACE_MAX - 1);
    assert_int_equal(layout_name_ports(&layout, &hub), 2);
    assert_int_equal(layout_find_name(&layout, "A02")->column, SLOT_PLACE_MAX);
    assert_int_equal(layout_find_name(&layout, "A03")->row, 0);
    assert_int_equal(layout_find_name(&layout, "A03")->column, 0);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define on_empty(test) cmocka_unit_test_setup(test, empty_layout)
    const struct CMUnitTest tests[] = {
        on_empty(names_are_short_words_of_plain_characters),
        on_empty(a_slot_is_found_by_either_face_by_lun_and_by_name),
        on_empty(no_two_slots_have_the_same_name_or_the_same_place),
        on_empty(a_full_layout_takes_no_more),
        on_empty(further_luns_are_named_after_their_slot),
        on_empty(ports_that_nobody_named_get_the_free_numbers_in_order),
        on_empty(numbers_that_another_hub_uses_are_not_free),
        on_empty(the_first_slot_of_a_hub_is_the_pattern),
        on_empty(a_name_without_a_number_is_counted_from_two),
        on_empty(a_name_that_would_be_too_long_is_not_given),
        on_empty(new_slots_have_both_faces),
        on_empty(ports_that_hold_hubs_are_no_slots),
        on_empty(only_hubs_that_somebody_named_a_port_of_are_known),
        on_empty(new_slots_go_on_in_the_row),
        on_empty(a_row_that_is_full_gives_no_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
