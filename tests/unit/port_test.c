// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/units.h"
#include "lib/rig/port.h"

#include <errno.h>

#define CONTROLLER "/devices/pci0000:00/0000:00:14.0/"

static struct port parsed(const char *text)
{
    struct port port;
    assert_int_equal(port_parse(&port, text), 0);
    return port;
}

/* The port in a path as text, "" if there is none. */
static const char *found_in(const char *path, bool superspeed)
{
    static char text[PORT_TEXT_BYTES];
    struct port port;
    int error = port_of_path(&port, path, superspeed);
    if (error == 0)
        return port_format(&port, text);
    assert_int_equal(error, -ENOENT);
    return "";
}

static void what_is_written_reads_back(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0000:00:14.0/usb2/2.3",
        "xhci-hcd.1.auto/usb3/255.255.255.255.255.255",
        "0000:00:1f.0/mmc",
        "dummy_hcd.0/usb2/1",
        "7/usb3/12",
    };
    for (size_t i = 0; i < array_count(texts); i++) {
        char text[PORT_TEXT_BYTES];
        struct port port = parsed(texts[i]);
        assert_string_equal(port_format(&port, text), texts[i]);
    }
}

static void the_longest_port_fits(void **state)
{
    (void)state;
    char text[PORT_TEXT_BYTES] = "";
    char again[PORT_TEXT_BYTES];
    memset(text, 'c', PORT_CONTROLLER_BYTES - 1);
    strcpy(text + PORT_CONTROLLER_BYTES - 1, "/usb3/255.255.255.255.255.255");
    struct port port = parsed(text);
    assert_string_equal(port_format(&port, again), text);
}

static void other_text_is_no_port(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "/",
        "0000:00:14.0",
        "0000:00:14.0/",
        "0000:00:14.0/usb2",
        "0000:00:14.0/usb2/",
        "0000:00:14.0/usb4/1",
        "0000:00:14.0/usb2/0",
        "0000:00:14.0/usb2/256",
        "0000:00:14.0/usb2/01",
        "0000:00:14.0/usb2/1.",
        "0000:00:14.0/usb2/.1",
        "0000:00:14.0/usb2/1..2",
        "0000:00:14.0/usb2/1.2.3.4.5.6.7",
        "0000:00:14.0/usb2/99999999999999999999",
        "0000:00:14.0/usb2/1 ",
        " 0000:00:14.0/usb2/1",
        "0000:00:14.0/usb2/1:1.0",
        "0000:00:14.0/usb2/-1",
        "0000:00:14.0/usb2/*",
        "0000:00:14.0/mmc/1",
        "0000:00:14.0/mmcx",
        "/usb2/1",
        "../usb2/1",
        "-x/usb2/1",
        "a*/usb2/1",
        "a\"b/usb2/1",
        "a b/usb2/1",
        "a\nb/usb2/1",
        "$env/usb2/1",
        "a|b/usb2/1",
        "a[0]/usb2/1",
        "\xc3\xa4/usb2/1",
        "a234567890123456789012345678901234567890123456789012345678901234/usb2/1",
    };
    for (size_t i = 0; i < array_count(texts); i++) {
        struct port port = {.chain = "untouched"};
        assert_int_equal(port_parse(&port, texts[i]), -EINVAL);
        assert_string_equal(port.chain, "untouched");
    }
}

static void a_path_leads_to_the_port_of_the_last_device_in_it(void **state)
{
    (void)state;
    assert_string_equal(found_in(CONTROLLER "usb1/1-2", false), "0000:00:14.0/usb2/2");
    assert_string_equal(found_in(CONTROLLER "usb1/1-2/1-2.3", false), "0000:00:14.0/usb2/2.3");
    assert_string_equal(found_in(CONTROLLER "usb1/1-2/1-2.3/1-2.3:1.0", false),
                        "0000:00:14.0/usb2/2.3");
    assert_string_equal(found_in(CONTROLLER "usb12/12-2/12-2.3/12-2.3:1.0/host0/target0:0:0/"
                                            "0:0:0:0/block/sda/sda1",
                                 true),
                        "0000:00:14.0/usb3/2.3");
    assert_string_equal(found_in(CONTROLLER "usb1/1-2/1-2.3/1-2.3.1/1-2.3.1:1.0/host0", false),
                        "0000:00:14.0/usb2/2.3.1");
    assert_string_equal(found_in("/sys/devices/platform/soc/fe980000.usb/usb1/1-1", false),
                        "fe980000.usb/usb2/1");
}

static void an_sd_slot_is_known_by_its_controller(void **state)
{
    (void)state;
    assert_string_equal(found_in("/sys/devices/pci0000:00/0000:00:1f.0/mmc_host/mmc0/mmc0:aaaa/"
                                 "block/mmcblk0",
                                 false),
                        "0000:00:1f.0/mmc");
    assert_string_equal(found_in(CONTROLLER "usb1/1-4/1-4:1.0/rtsx_usb_sdmmc.1.auto/mmc_host/mmc1/"
                                            "mmc1:aaaa/block/mmcblk1",
                                 false),
                        "0000:00:14.0/usb2/4");
}

static void a_path_without_a_port_leads_nowhere(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "",
        "/",
        "usb1/1-2",
        "/devices/virtual/block/loop0",
        "/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0:0:0/0:0:0:0/block/sda",
        CONTROLLER "usb1",
        CONTROLLER "usb1/1-0:1.0",
        CONTROLLER "usb1/1-0:1.0/usb1-port2",
        CONTROLLER "usb1/2-2/2-2:1.0",
        CONTROLLER "usb1/11-2",
        CONTROLLER "usb11/1-2",
        CONTROLLER "usbx/x-2",
        CONTROLLER "usb1/1-",
        CONTROLLER "usb1/1-0",
        CONTROLLER "usb1/1-02",
        CONTROLLER "usb1/1-256",
        CONTROLLER "usb1/1-2.3",
        CONTROLLER "usb1/1-2x",
        CONTROLLER "usb1/112",
        "/devices/evil*/usb1/1-2",
        "/mmc_host/mmc0",
    };
    for (size_t i = 0; i < array_count(paths); i++)
        assert_string_equal(found_in(paths[i], false), "");
}

/* Names that look like a device further down, but are of something else, end the chain. */
static void the_chain_ends_where_the_devices_end(void **state)
{
    (void)state;
    static const char *const paths[] = {
        CONTROLLER "usb1/1-2/1-2:1.0/i2c-1/1-2.4",
        CONTROLLER "usb1/1-2/1-3",
        CONTROLLER "usb1/1-2/1-23",
        CONTROLLER "usb1/1-2/1-234",
        CONTROLLER "usb1/1-2/1-3.2",
        CONTROLLER "usb1/1-2/1-2.3.4",
        CONTROLLER "usb1/1-2/1-2.03",
        CONTROLLER "usb1/1-2/1-2",
        CONTROLLER "usb1/1-2/1-2.3x/1-2.3",
        CONTROLLER "usb1/1-2/1-2:1.0/1-2-port3",
    };
    for (size_t i = 0; i < array_count(paths); i++)
        assert_string_equal(found_in(paths[i], false), "0000:00:14.0/usb2/2");
}

static void what_is_behind_a_controller_behind_usb_has_a_port_of_that(void **state)
{
    (void)state;
    assert_string_equal(found_in(CONTROLLER "usb1/1-2/1-2:1.0/u132_hcd.0/usb5/5-1/5-1:1.0", false),
                        "u132_hcd.0/usb2/1");
}

static void ports_are_equal_in_all_or_not_at_all(void **state)
{
    (void)state;
    struct port port = parsed("0000:00:14.0/usb2/2.3");
    struct port same = parsed("0000:00:14.0/usb2/2.3");
    struct port face = parsed("0000:00:14.0/usb3/2.3");
    struct port chain = parsed("0000:00:14.0/usb2/2.31");
    struct port controller = parsed("0000:00:15.0/usb2/2.3");
    assert_true(port_equal(&port, &same));
    assert_false(port_equal(&port, &face));
    assert_false(port_equal(&port, &chain));
    assert_false(port_equal(&port, &controller));
}

static void a_port_is_a_number_on_its_hub(void **state)
{
    (void)state;
    struct port port = parsed("0000:00:14.0/usb3/2.3.14");
    struct port hub = {0};
    char text[PORT_TEXT_BYTES];
    assert_true(port_hub(&port, &hub));
    assert_string_equal(port_format(&hub, text), "0000:00:14.0/usb3/2.3");
    assert_int_equal(port_number(&port), 14);
    assert_int_equal(port_number(&hub), 3);
    struct port again = {0};
    assert_true(port_of_hub(&hub, 14, &again));
    assert_true(port_equal(&again, &port));
}

static void ports_of_the_computer_itself_have_no_hub(void **state)
{
    (void)state;
    struct port root = parsed("0000:00:14.0/usb3/2");
    struct port slot = parsed("0000:00:1f.0/mmc");
    struct port hub;
    assert_false(port_hub(&root, &hub));
    assert_int_equal(port_number(&root), 2);
    assert_false(port_hub(&slot, &hub));
    assert_int_equal(port_number(&slot), 0);
}

static void a_hub_has_only_ports_that_can_be(void **state)
{
    (void)state;
    struct port slot = parsed("0000:00:1f.0/mmc");
    struct port deep = parsed("0000:00:14.0/usb2/1.2.3.4.5");
    struct port root_hub = {.bus = PORT_USB2, .controller = "0000:00:14.0"};
    struct port port;
    char text[PORT_TEXT_BYTES];
    assert_false(port_of_hub(&slot, 1, &port));
    assert_false(port_of_hub(&deep, 0, &port));
    assert_false(port_of_hub(&deep, PORT_NUMBER_MAX + 1, &port));
    assert_true(port_of_hub(&deep, PORT_NUMBER_MAX, &port));
    deep = port;
    assert_false(port_of_hub(&deep, 1, &port));
    assert_true(port_of_hub(&root_hub, 7, &port));
    assert_string_equal(port_format(&port, text), "0000:00:14.0/usb2/7");
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(the_longest_port_fits),
        cmocka_unit_test(other_text_is_no_port),
        cmocka_unit_test(a_path_leads_to_the_port_of_the_last_device_in_it),
        cmocka_unit_test(an_sd_slot_is_known_by_its_controller),
        cmocka_unit_test(a_path_without_a_port_leads_nowhere),
        cmocka_unit_test(the_chain_ends_where_the_devices_end),
        cmocka_unit_test(what_is_behind_a_controller_behind_usb_has_a_port_of_that),
        cmocka_unit_test(ports_are_equal_in_all_or_not_at_all),
        cmocka_unit_test(a_port_is_a_number_on_its_hub),
        cmocka_unit_test(ports_of_the_computer_itself_have_no_hub),
        cmocka_unit_test(a_hub_has_only_ports_that_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
