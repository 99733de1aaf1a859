// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/clock.h"
#include "lib/rig/usb.h"
#include "tests/support/usb_tree.h"

static struct usb_tree *tree;
static struct udev *udev;

static int build(void **state)
{
    (void)state;
    tree = usb_tree_new();
    udev = udev_new();
    return udev == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    (void)udev_unref(udev);
    usb_tree_free(tree);
    return 0;
}

/* --- What a call says of a path ----------------------------------------------------------------- */

static struct udev_device *device_at(const char *path)
{
    struct udev_device *device = udev_device_new_from_syspath(udev, path);
    assert_non_null(device);
    return device;
}

static bool sight(const char *path, struct sighting *sighting)
{
    struct udev_device *device = device_at(path);
    bool sighted = usb_sight_disk(device, sighting);
    (void)udev_device_unref(device);
    return sighted;
}

static struct sighting sighted(const char *path)
{
    struct sighting sighting;
    assert_true(sight(path, &sighting));
    return sighting;
}

static bool is_foreign(const char *path, struct port *port)
{
    struct udev_device *device = device_at(path);
    bool foreign = usb_foreign(device, port);
    (void)udev_device_unref(device);
    return foreign;
}

static bool find_hub(const char *name, struct layout_hub *hub)
{
    struct udev_device *device = device_at(usb_tree_path(tree, name));
    bool found = usb_hub(device, hub);
    (void)udev_device_unref(device);
    return found;
}

static void assert_port(const struct port *port, const char *expected)
{
    char text[PORT_TEXT_BYTES];
    assert_string_equal(port_format(port, text), expected);
}

static struct port parsed(const char *text)
{
    struct port port;
    assert_int_equal(port_parse(&port, text), 0);
    return port;
}

/* The other face of a port as text, "" if there is none. */
static const char *peer_of(const char *text)
{
    static char peer_text[PORT_TEXT_BYTES];
    struct port port = parsed(text);
    struct port peer;
    return usb_peer(udev, &port, &peer) ? port_format(&peer, peer_text) : "";
}

static const char *name_of(const char *path)
{
    static char name[40];
    struct udev_device *device = device_at(path);
    usb_name(device, name, sizeof(name));
    (void)udev_device_unref(device);
    return name;
}

/* --- Disks -------------------------------------------------------------------------------------- */

static void a_stick_behind_a_hub_is_known_by_its_port(void **state)
{
    (void)state;
    usb_tree_hub(tree, "61-2", 4);
    const char *disk = usb_tree_stick(tree, "61-2.3", "sdrig1", 8 * GIB);
    struct sighting sighting = sighted(disk);
    assert_port(&sighting.port, "0000:00:14.0/usb2/2.3");
    assert_string_equal(sighting.path, disk);
    assert_string_equal(sighting.node, "/dev/sdrig1");
    assert_int_equal(sighting.lun, 0);
    assert_int_equal(sighting.major, 61);
    assert_int_equal(sighting.minor, 1);
    assert_int_equal(sighting.diskseq, 1);
    assert_true(sighting.capacity_bytes == 8 * GIB);
    assert_false(sighting.claimed);
    assert_false(sighting.foreign);
}

static void the_root_hub_tells_which_face_of_a_port_it_is(void **state)
{
    (void)state;
    struct sighting fast = sighted(usb_tree_stick(tree, "62-1", "sdrig1", GIB));
    struct sighting slow = sighted(usb_tree_stick(tree, "63-1", "sdrig2", GIB));
    assert_port(&fast.port, "0000:00:14.0/usb3/1");
    assert_port(&slow.port, "0000:00:15.0/usb2/1");
}

static void a_card_reader_has_a_disk_for_each_lun(void **state)
{
    (void)state;
    usb_tree_device(tree, "61-1");
    usb_tree_interface(tree, "61-1", 0, 0x08);
    struct sighting empty = sighted(usb_tree_disk(tree, "61-1", 0, "sdrig1", 0));
    struct sighting full = sighted(usb_tree_disk(tree, "61-1", 3, "sdrig2", GIB));
    assert_int_equal(empty.lun, 0);
    assert_true(empty.capacity_bytes == 0);
    assert_int_equal(full.lun, 3);
    assert_true(full.capacity_bytes == GIB);
    assert_true(port_equal(&empty.port, &full.port));
}

static void an_sd_card_is_a_disk_but_its_special_parts_are_not(void **state)
{
    (void)state;
    struct sighting sighting;
    usb_tree_claim(tree, "mmc61");
    const char *card = usb_tree_card(tree, "mmcblk61", GIB);
    assert_true(sight(card, &sighting));
    assert_port(&sighting.port, "0000:00:1f.0/mmc");
    assert_true(sighting.claimed);
    assert_false(sight(usb_tree_block(tree, card, "mmcblk61boot0", MIB), &sighting));
    assert_false(sight(usb_tree_block(tree, card, "mmcblk61rpmb", MIB), &sighting));
    assert_false(sight(usb_tree_block(tree, card, "mmcblk61gp0", MIB), &sighting));
}

static void what_is_no_disk_behind_usb_is_no_drive(void **state)
{
    (void)state;
    struct sighting sighting;
    const char *disk = usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    assert_false(sight(usb_tree_partition(tree, disk, "sdrig1p1"), &sighting));
    assert_false(sight(usb_tree_path(tree, "61-1"), &sighting));
    assert_false(sight(usb_tree_disk(tree, "61-1", 1, "sr61", GIB), &sighting));
    assert_false(
        sight(usb_tree_block(tree, "/sys/devices/virtual/block", "loop61", GIB), &sighting));
    assert_false(sight(
        usb_tree_block(tree, "/sys/devices/pci0000:00/0000:00:1f.0/ata61/block", "sdrig9", GIB),
        &sighting));
}

static void only_the_mark_of_its_own_port_claims_a_disk(void **state)
{
    (void)state;
    usb_tree_claim(tree, "61-1");
    const char *disk = usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    assert_true(sighted(disk).claimed);
    usb_tree_property(tree, disk, "DRIVEPRESS_PORT", "0000:00:14.0/usb2/2");
    assert_false(sighted(disk).claimed);
}

static void a_disk_of_a_device_that_is_also_a_keyboard_is_foreign(void **state)
{
    (void)state;
    const char *disk = usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    const char *other = usb_tree_stick(tree, "61-2", "sdrig2", GIB);
    assert_false(sighted(disk).foreign);
    usb_tree_interface(tree, "61-1", 1, 0x03);
    assert_true(sighted(disk).foreign);
    assert_false(sighted(other).foreign);
}

static void the_kernel_tells_since_when_a_stick_is_connected(void **state)
{
    (void)state;
    const char *disk = usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    usb_tree_attribute(tree, usb_tree_path(tree, "61-1"), "power/connected_duration", "1500\n");
    uint64_t before_ns = clock_now_ns();
    struct sighting sighting = sighted(disk);
    uint64_t after_ns = clock_now_ns();
    assert_in_range(sighting.seen_ns, before_ns, after_ns);
    assert_int_equal(sighting.seen_ns - sighting.plugged_ns, 1500 * NS_PER_MS);
}

static void a_stick_that_udev_does_not_know_yet_was_plugged_in_just_now(void **state)
{
    (void)state;
    struct sighting sighting = sighted(usb_tree_stick(tree, "61-1", "sdrig1", GIB));
    assert_int_equal(sighting.plugged_ns, sighting.seen_ns);
}

/* --- Foreign devices ---------------------------------------------------------------------------- */

static void a_keyboard_counts_in_claimed_ports_only(void **state)
{
    (void)state;
    struct port port;
    char path[512];
    usb_tree_claim(tree, "61-2");
    usb_tree_keyboard(tree, "61-1");
    usb_tree_keyboard(tree, "61-2");
    (void)snprintf(path, sizeof(path), "%s/61-1:1.0", usb_tree_path(tree, "61-1"));
    assert_false(is_foreign(path, &port));
    usb_tree_attribute(tree, path, "authorized", "0\n");
    assert_false(is_foreign(path, &port));
    (void)snprintf(path, sizeof(path), "%s/61-2:1.0", usb_tree_path(tree, "61-2"));
    assert_true(is_foreign(path, &port));
    assert_port(&port, "0000:00:14.0/usb2/2");
}

static void an_interface_that_is_in_use_is_not_foreign(void **state)
{
    (void)state;
    struct port port;
    char path[512];
    usb_tree_claim(tree, "61-1");
    usb_tree_keyboard(tree, "61-1");
    (void)snprintf(path, sizeof(path), "%s/61-1:1.0", usb_tree_path(tree, "61-1"));
    usb_tree_property(tree, path, "DRIVEPRESS_FOREIGN", "0");
    assert_true(is_foreign(path, &port));
    usb_tree_attribute(tree, path, "authorized", "1\n");
    assert_false(is_foreign(path, &port));
    usb_tree_property(tree, path, "DRIVEPRESS_FOREIGN", "1");
    assert_true(is_foreign(path, &port));
    /* What says that it is a drive, and another driver took it: that only udev knows. */
    usb_tree_attribute(tree, path, "bInterfaceClass", "08\n");
    assert_true(is_foreign(path, &port));
    usb_tree_property(tree, path, "DRIVEPRESS_FOREIGN", "0");
    usb_tree_attribute(tree, path, "authorized", "0\n");
    assert_false(is_foreign(path, &port));
    usb_tree_attribute(tree, path, "bInterfaceSubClass", "ff\n");
    assert_true(is_foreign(path, &port));
}

static void storage_has_the_commands_of_drives(void **state)
{
    (void)state;
    static const struct {
        const char *subclass;
        bool foreign;
    } cases[] = {{"00\n", true}, {"01\n", false}, {"06\n", false}, {"07\n", true}, {"ff\n", true}};
    char path[512];
    const char *disk = usb_tree_stick(tree, "61-1", "sdrig1", GIB);

    (void)snprintf(path, sizeof(path), "%s/61-1:1.0", usb_tree_path(tree, "61-1"));
    for (size_t i = 0; i < array_count(cases); i++) {
        usb_tree_attribute(tree, path, "bInterfaceSubClass", cases[i].subclass);
        assert_int_equal(sighted(disk).foreign, cases[i].foreign);
    }
}

static void a_keyboard_behind_a_hub_is_in_the_port_of_the_hub(void **state)
{
    (void)state;
    struct port port;
    char path[512];
    usb_tree_claim(tree, "61-1");
    usb_tree_hub(tree, "61-1", 2);
    usb_tree_keyboard(tree, "61-1.2");
    (void)snprintf(path, sizeof(path), "%s/61-1.2:1.0", usb_tree_path(tree, "61-1.2"));
    usb_tree_property(tree, path, "DRIVEPRESS_FOREIGN", "1");
    assert_false(is_foreign(path, &port));
    usb_tree_property(tree, path, "DRIVEPRESS_BEHIND", "0000:00:14.0/usb2/1");
    assert_true(is_foreign(path, &port));
    assert_port(&port, "0000:00:14.0/usb2/1");
}

static void names_are_fit_to_be_shown_and_hold_no_serial_number(void **state)
{
    (void)state;
    char path[512];
    usb_tree_keyboard(tree, "61-1");
    (void)snprintf(path, sizeof(path), "%s", usb_tree_path(tree, "61-1"));
    usb_tree_property(tree, path, "ID_SERIAL", "Quiet_Keys_SECRET1234");
    usb_tree_property(tree, path, "ID_SERIAL_SHORT", "SECRET1234");
    assert_string_equal(name_of(path), "Quiet Keys");
    usb_tree_property(tree, path, "ID_VENDOR", "Evil");
    assert_string_equal(name_of(path), "Evil Quiet Keys");
    usb_tree_property(tree, path, "ID_VENDOR_ENC", "Evil\\x1b[2J\\x5c\\xzz\\x4\\x00");
    assert_string_equal(name_of(path), "Evil?[2J\\\\xzz\\x4\\x00 Quiet Keys");
    usb_tree_property(tree, path, "ID_MODEL_ENC",
                      "a name that is much longer than what there is room for");
    assert_int_equal(strlen(name_of(path)), 39);
    usb_tree_device(tree, "61-2");
    assert_string_equal(name_of(usb_tree_path(tree, "61-2")), "USB device 46f4:0001");
}

/* What they call themselves in sysfs cannot be read while the kernel tries to reset the device. */
static void names_are_never_asked_of_the_device(void **state)
{
    (void)state;
    char path[512];
    usb_tree_device(tree, "61-1");
    (void)snprintf(path, sizeof(path), "%s", usb_tree_path(tree, "61-1"));
    usb_tree_attribute(tree, path, "manufacturer", "Slow\n");
    usb_tree_attribute(tree, path, "product", "Stick\n");
    assert_string_equal(name_of(path), "USB device 46f4:0001");
    /* udev writes the numbers where there are no names. */
    usb_tree_property(tree, path, "ID_VENDOR_ID", "46f4");
    usb_tree_property(tree, path, "ID_VENDOR", "46f4");
    usb_tree_property(tree, path, "ID_VENDOR_ENC", "46f4");
    assert_string_equal(name_of(path), "USB device 46f4:0001");
    usb_tree_property(tree, path, "ID_VENDOR_FROM_DATABASE", "Listed, Inc.");
    assert_string_equal(name_of(path), "Listed, Inc.");
}

/* --- Identities --------------------------------------------------------------------------------- */

static uint64_t identity_with(const char *disk, const char *name, const char *property,
                              const char *value)
{
    usb_tree_property(tree, usb_tree_path(tree, name), property, value);
    return sighted(disk).identity;
}

static void a_stick_is_known_by_its_names_and_its_serial_number(void **state)
{
    (void)state;
    const char *one = usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    const char *other = usb_tree_stick(tree, "61-2", "sdrig2", GIB);
    assert_true(sighted(one).identity == sighted(other).identity);
    uint64_t identity = identity_with(one, "61-1", "ID_VENDOR_ID", "46f4");
    assert_true(identity != sighted(other).identity);
    assert_true(identity == identity_with(other, "61-2", "ID_VENDOR_ID", "46f4"));
    assert_true(identity != identity_with(other, "61-2", "ID_MODEL_ID", "46f4"));
    identity = identity_with(one, "61-1", "ID_SERIAL_SHORT", "1");
    assert_true(identity != identity_with(one, "61-1", "ID_SERIAL_SHORT", "2"));
    assert_true(identity == identity_with(one, "61-1", "ID_SERIAL_SHORT", "1"));
}

static void an_sd_card_is_known_by_its_serial_number(void **state)
{
    (void)state;
    const char *card = usb_tree_card(tree, "mmcblk61", GIB);
    usb_tree_property(tree, card, "ID_SERIAL", "0x1");
    uint64_t identity = sighted(card).identity;
    usb_tree_property(tree, card, "ID_SERIAL", "0x2");
    assert_true(identity != sighted(card).identity);
}

static void a_lun_beyond_those_of_mass_storage_is_no_drive(void **state)
{
    (void)state;
    struct sighting sighting;
    usb_tree_device(tree, "61-1");
    usb_tree_interface(tree, "61-1", 0, 0x08);
    assert_true(sight(usb_tree_disk(tree, "61-1", SLOT_LUN_MAX, "sdrig1", GIB), &sighting));
    assert_false(sight(usb_tree_disk(tree, "61-1", SLOT_LUN_MAX + 1, "sdrig2", GIB), &sighting));
}

/* --- Hubs --------------------------------------------------------------------------------------- */

static void the_faces_of_a_port_know_each_other(void **state)
{
    (void)state;
    usb_tree_hub(tree, "61-2", 4);
    usb_tree_hub(tree, "62-2", 4);
    assert_string_equal(peer_of("0000:00:14.0/usb2/3"), "0000:00:14.0/usb3/3");
    assert_string_equal(peer_of("0000:00:14.0/usb3/3"), "0000:00:14.0/usb2/3");
    assert_string_equal(peer_of("0000:00:14.0/usb2/2.4"), "0000:00:14.0/usb3/2.4");
    assert_string_equal(peer_of("0000:00:14.0/usb3/2.4"), "0000:00:14.0/usb2/2.4");
}

static void a_port_of_one_face_or_that_is_not_there_has_no_other(void **state)
{
    (void)state;
    assert_string_equal(peer_of("0000:00:15.0/usb2/1"), "");
    assert_string_equal(peer_of("0000:00:14.0/usb2/9"), "");
    assert_string_equal(peer_of("0000:00:14.0/usb2/2.1"), "");
    assert_string_equal(peer_of("0000:00:99.0/usb2/1"), "");
    assert_string_equal(peer_of("0000:00:1f.0/mmc"), "");
}

static void a_hub_has_both_faces_and_the_ports_of_the_larger_one(void **state)
{
    (void)state;
    struct layout_hub hub;
    usb_tree_hub(tree, "61-2", 7);
    usb_tree_hub(tree, "62-2", 4);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(find_hub(i == 0 ? "61-2" : "62-2", &hub));
        assert_int_equal(hub.face_count, 2);
        assert_int_equal(hub.port_count, 7);
        assert_port(&hub.faces[i], "0000:00:14.0/usb2/2");
        assert_port(&hub.faces[1 - i], "0000:00:14.0/usb3/2");
    }
}

static void the_other_face_of_a_hub_may_be_late_or_missing(void **state)
{
    (void)state;
    struct layout_hub hub;
    usb_tree_hub(tree, "61-2", 4);
    assert_true(find_hub("61-2", &hub));
    assert_int_equal(hub.face_count, 2);
    assert_port(&hub.faces[1], "0000:00:14.0/usb3/2");
    usb_tree_hub(tree, "63-1", 4);
    assert_true(find_hub("63-1", &hub));
    assert_int_equal(hub.face_count, 1);
    assert_int_equal(hub.port_count, 4);
}

static void ports_that_hold_hubs_are_marked_whichever_face_shows_it(void **state)
{
    (void)state;
    struct layout_hub hub;
    usb_tree_hub(tree, "61-2", 10);
    usb_tree_hub(tree, "62-2", 10);
    usb_tree_hub(tree, "61-2.4", 4);
    usb_tree_hub(tree, "62-2.10", 4);
    (void)usb_tree_stick(tree, "61-2.1", "sdrig1", GIB);
    assert_true(find_hub("61-2", &hub));
    assert_int_equal(hub.hub_in_port[0], 1 << 4);
    assert_int_equal(hub.hub_in_port[1], 1 << (10 - 8));
    assert_true(find_hub("61-2.4", &hub));
    assert_int_equal(hub.hub_in_port[0], 0);
}

static void only_hubs_that_are_plugged_in_and_know_their_ports_are_hubs(void **state)
{
    (void)state;
    struct layout_hub hub;
    (void)usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    usb_tree_hub(tree, "61-2", 4);
    assert_false(find_hub("61-1", &hub));
    usb_tree_attribute(tree, usb_tree_path(tree, "61-2"), "maxchild", "0\n");
    assert_false(find_hub("61-2", &hub));
    struct udev_device *root_hub = device_at("/sys/devices/pci0000:00/0000:00:14.0/usb61");
    assert_false(usb_hub(root_hub, &hub));
    (void)udev_device_unref(root_hub);
}

int main(int argc, char **argv)
{
    (void)argc;
    usb_tree_enter(argv);
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define in_tree(test) cmocka_unit_test_setup_teardown(test, build, tear_down)
    const struct CMUnitTest tests[] = {
        in_tree(a_stick_behind_a_hub_is_known_by_its_port),
        in_tree(the_root_hub_tells_which_face_of_a_port_it_is),
        in_tree(a_card_reader_has_a_disk_for_each_lun),
        in_tree(an_sd_card_is_a_disk_but_its_special_parts_are_not),
        in_tree(what_is_no_disk_behind_usb_is_no_drive),
        in_tree(only_the_mark_of_its_own_port_claims_a_disk),
        in_tree(a_disk_of_a_device_that_is_also_a_keyboard_is_foreign),
        in_tree(the_kernel_tells_since_when_a_stick_is_connected),
        in_tree(a_stick_that_udev_does_not_know_yet_was_plugged_in_just_now),
        in_tree(a_keyboard_counts_in_claimed_ports_only),
        in_tree(an_interface_that_is_in_use_is_not_foreign),
        in_tree(storage_has_the_commands_of_drives),
        in_tree(a_keyboard_behind_a_hub_is_in_the_port_of_the_hub),
        in_tree(names_are_fit_to_be_shown_and_hold_no_serial_number),
        in_tree(names_are_never_asked_of_the_device),
        in_tree(a_stick_is_known_by_its_names_and_its_serial_number),
        in_tree(an_sd_card_is_known_by_its_serial_number),
        in_tree(a_lun_beyond_those_of_mass_storage_is_no_drive),
        in_tree(the_faces_of_a_port_know_each_other),
        in_tree(a_port_of_one_face_or_that_is_not_there_has_no_other),
        in_tree(a_hub_has_both_faces_and_the_ports_of_the_larger_one),
        in_tree(the_other_face_of_a_hub_may_be_late_or_missing),
        in_tree(ports_that_hold_hubs_are_marked_whichever_face_shows_it),
        in_tree(only_hubs_that_are_plugged_in_and_know_their_ports_are_hubs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
