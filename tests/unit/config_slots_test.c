// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "tests/unit/config_files.h"

/* The sections [slot NAME] of the configuration, read and written. */

static void slots_are_in_the_order_of_their_names_in_the_files(void **state)
{
    (void)state;
    struct config *config = load_text("[slot B01]\n"
                                      "usb = 0000:00:14.0/usb2/2.3   0000:00:14.0/usb3/2.3\n"
                                      "row = 2\n"
                                      "col = 1\n"
                                      "[slot A01]\n"
                                      "usb = 0000:00:14.0/usb3/4\n"
                                      "lun = 15\n"
                                      "[ slot  A.2 ]\n"
                                      "usb = 0000:00:14.0/usb3/4\n"
                                      "[slot SD]\n"
                                      "mmc = 0000:00:1f.0\n");
    const struct layout_slot *slots = config->layout.slots;
    char text[PORT_TEXT_BYTES];

    assert_int_equal(config->layout.count, 4);
    assert_string_equal(slots[0].name, "B01");
    assert_int_equal(slots[0].port_count, 2);
    assert_string_equal(port_format(&slots[0].ports[0], text), "0000:00:14.0/usb2/2.3");
    assert_string_equal(port_format(&slots[0].ports[1], text), "0000:00:14.0/usb3/2.3");
    assert_int_equal(slots[0].row, 2);
    assert_int_equal(slots[0].column, 1);
    assert_string_equal(slots[1].name, "A01");
    assert_int_equal(slots[1].lun, 15);
    assert_int_equal(slots[1].row, 0);
    assert_string_equal(slots[2].name, "A.2");
    assert_string_equal(slots[3].name, "SD");
    assert_string_equal(port_format(&slots[3].ports[0], text), "0000:00:1f.0/mmc");
    assert_false(slots[3].automatic);
    free(config);
}

static void a_slot_of_a_later_file_replaces_the_one_before_as_a_whole(void **state)
{
    (void)state;
    write_text(MAIN, "[slot A01]\nusb = a/usb2/1\nrow = 3\ncol = 4\n[slot A02]\nusb = a/usb2/2\n");
    write_drop_in("s.conf", "[slot A01]\nusb = a/usb2/7\nlun = 1\n");
    struct config *config = load();
    assert_int_equal(config->layout.count, 2);
    assert_string_equal(config->layout.slots[0].name, "A01");
    assert_string_equal(config->layout.slots[0].ports[0].chain, "7");
    assert_int_equal(config->layout.slots[0].lun, 1);
    assert_int_equal(config->layout.slots[0].row, 0);
    free(config);
}

static void slots_with_trouble_are_named_with_both_places(void **state)
{
    (void)state;
    write_text(MAIN, "[slot A01]\nusb = a/usb2/1.2 a/usb3/1.2\n");
    write_drop_in("s.conf", "[slot B01]\nlun = 0\nusb = a/usb3/1.2\n");
    expect_complaint("conf.d/s.conf:3: [slot B01]: \"a/usb3/1.2\" with LUN 0 is not free; allowed: "
                     "what is not slot A01 (main.conf:1)");
    /* The same port with another LUN is free. */
    write_drop_in("s.conf", "[slot B01]\nlun = 1\nusb = a/usb3/1.2\n");
    free(load());
}

static void slots_must_be_whole(void **state)
{
    (void)state;
    static const char *const usb[] = {"",
                                      "a",
                                      "a/usb2",
                                      "a/usb2/",
                                      "a/usb2/0",
                                      "a/usb2/1,a/usb3/1",
                                      "a/mmc",
                                      "a/usb2/1 a/usb2/2",
                                      "a/usb2/1 a/usb3/1 b/usb2/1",
                                      NULL};
    static const char *const mmc[] = {"", "a b", "a/usb2/1", "a/mmc/mmc", NULL};

    expect_only("\n[slot A01]\nlun = 1\n",
                "main.conf:2: [slot A01]: it has no port; allowed: either usb or mmc");
    expect_only("[slot A01]\nusb = a/usb2/1\nmmc = a\n",
                "main.conf:1: [slot A01]: it has usb and mmc; allowed: either usb or mmc");
    expect_only("[slot A01]\nusb = a/usb2/1\nrow = 1\n",
                "main.conf:1: [slot A01]: it has only one of row and col; allowed: both or none");
    expect_only("[slot A01]\nusb = 1-2.3\n",
                "main.conf:2: [slot A01] usb: \"1-2.3\" is not a USB port; allowed: such as "
                "0000:00:14.0/usb2/2.3, or one of usb2 and one of usb3 with a blank between");
    expect_only("[slot A01]\nusb = a/usb2/1\nlun = 16\n",
                "main.conf:3: [slot A01] lun: \"16\" is not a number in range; allowed: 0 to 15");
    expect_only(
        "[slot A/1]\nusb = a/usb2/1\n",
        "main.conf:1: [slot A/1]: \"A/1\" is not a slot's name; allowed: " LAYOUT_NAME_FORM);
    refuse_values("slot A01", "usb", usb);
    refuse_values("slot A01", "mmc", mmc);
}

static void there_are_as_many_slots_as_a_rig_can_have(void **state)
{
    (void)state;
    char text[SLOTS_MAX * 64];
    size_t used = 0;

    for (int i = 0; i < SLOTS_MAX; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "[slot %d]\nusb = c%d/usb2/1\n",
                                 i, i);
    struct config *config = load_text(text);
    assert_int_equal(config->layout.count, SLOTS_MAX);
    free(config);
    write_drop_in("one-more.conf", "[slot 7]\nusb = x/usb2/1\n[slot X]\nusb = x/usb2/2\n");
    expect_complaint("conf.d/one-more.conf:3: [slot X]: there are too many slots; allowed: 256");
    assert_int_equal(complaints.count, 1);
}

static void slots_are_read_back_as_they_were_written(void **state)
{
    (void)state;
    static const char controller[] = "012345678901234567890123456789012345678901234567890123456789"
                                     "012";
    struct config *config = load_text("[slot A01]\nusb = 0000:00:14.0/usb3/2.3 a/usb2/2.3\n"
                                      "row = 1\ncol = 99\n"
                                      "[slot A01.1]\nusb = 0000:00:14.0/usb3/2.3\nlun = 1\n"
                                      "[slot SD]\nmmc = 0000:00:1f.0\n");
    struct layout_slot longest = {.name = "1234567890123456789012345678901", .port_count = 2};
    longest.ports[0].bus = PORT_USB2;
    longest.ports[1].bus = PORT_USB3;
    for (int i = 0; i < 2; i++) {
        (void)snprintf(longest.ports[i].controller, sizeof(longest.ports[i].controller), "%s",
                       controller);
        (void)snprintf(longest.ports[i].chain, sizeof(longest.ports[i].chain),
                       "255.255.255.255.255.255");
    }
    assert_int_equal(layout_add(&config->layout, &longest, NULL), LAYOUT_FINE);

    char *text = config_slots_text(&config->layout);
    assert_non_null(text);
    assert_true(strncmp(text, "# ", 2) == 0);
    struct config *again = load_text(text);
    assert_int_equal(again->layout.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        const struct layout_slot *one = &config->layout.slots[i];
        const struct layout_slot *other = &again->layout.slots[i];
        assert_string_equal(one->name, other->name);
        assert_int_equal(one->port_count, other->port_count);
        for (unsigned k = 0; k < one->port_count; k++)
            assert_true(port_equal(&one->ports[k], &other->ports[k]));
        assert_int_equal(one->lun, other->lun);
        assert_int_equal(one->row, other->row);
        assert_int_equal(one->column, other->column);
    }
    free(text);
    free(again);
    free(config);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        TEST(slots_are_in_the_order_of_their_names_in_the_files),
        TEST(a_slot_of_a_later_file_replaces_the_one_before_as_a_whole),
        TEST(slots_with_trouble_are_named_with_both_places),
        TEST(slots_must_be_whole),
        TEST(there_are_as_many_slots_as_a_rig_can_have),
        TEST(slots_are_read_back_as_they_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
