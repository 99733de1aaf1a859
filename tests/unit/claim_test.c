// SPDX-License-Identifier: GPL-3.0-or-later
/* The rules are tried by udev itself: `udevadm test` tells what it would record of a device of the
 * made-up tree, with the claim as its only rules. For that the program gets a /run of its own. */
#include "tests/unit/support.h"

#include "lib/base/check.h"
#include "lib/base/units.h"
#include "lib/rig/claim.h"
#include "tests/support/usb_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define RULES_DIRECTORY "/run/udev/rules.d"

enum { PATH_BYTES = 768, LINE_BYTES = 1024 };

static struct usb_tree *tree;
static struct layout layout;

/* --- A udev of our own -------------------------------------------------------------------------- */

static _Noreturn void skip_all(const char *why)
{
    printf("1..0 # SKIP %s\n", why);
    exit(0);
}

static bool write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

/* Root of a namespace of one's own; who is root already may not be allowed that but need it not. */
static bool leave_mounts(void)
{
    char user[64];
    char group[64];

    (void)snprintf(user, sizeof(user), "0 %u 1", geteuid());
    (void)snprintf(group, sizeof(group), "0 %u 1", getegid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return unshare(CLONE_NEWNS) == 0;
    return write_file("/proc/self/setgroups", "deny") && write_file("/proc/self/uid_map", user) &&
           write_file("/proc/self/gid_map", group);
}

static bool hide(const char *directory)
{
    struct stat status;

    if (lstat(directory, &status) != 0 || !S_ISDIR(status.st_mode))
        return true;
    return mount("tmpfs", directory, "tmpfs", 0, NULL) == 0;
}

static void enter_own_udev(void)
{
    if (system("udevadm --version >/dev/null 2>&1") != 0) // NOLINT(cert-env33-c)
        skip_all("udevadm is not there (Debian package udev)");
    if (!leave_mounts() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        !hide("/run") || !hide("/etc/udev/rules.d") || !hide("/usr/lib/udev/rules.d") ||
        !hide("/lib/udev/rules.d"))
        skip_all("a /run of one's own is not allowed here");
    check(mkdir("/run/udev", 0755) == 0 && mkdir(RULES_DIRECTORY, 0755) == 0);
}

static int build(void **state)
{
    (void)state;
    tree = usb_tree_new();
    memset(&layout, 0, sizeof(layout));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    usb_tree_free(tree);
    return 0;
}

static void add_slot(const char *name, const char *port, const char *other, unsigned lun)
{
    struct layout_slot slot = {.lun = lun, .port_count = 1};
    (void)snprintf(slot.name, sizeof(slot.name), "%s", name);
    assert_int_equal(port_parse(&slot.ports[0], port), 0);
    if (other != NULL)
        assert_int_equal(port_parse(&slot.ports[slot.port_count++], other), 0);
    assert_int_equal(layout_add(&layout, &slot, NULL), LAYOUT_FINE);
}

static void claim(void)
{
    char *text = claim_rules(&layout);
    assert_non_null(text);
    assert_true(write_file(RULES_DIRECTORY "/58-drivepress-ports.rules", text));
    free(text);
}

/* The mark that udev gives to a device, "" for none. */
static const char *mark_on(const char *action, const char *path)
{
    static const char key[] = "DRIVEPRESS_PORT=";
    static char mark[LINE_BYTES];
    char line[LINE_BYTES];
    char command[PATH_BYTES + 128];
    bool tested = false;

    (void)snprintf(command, sizeof(command),
                   "ASAN_OPTIONS=detect_leaks=0 udevadm test --action=%s '%s' 2>&1", action, path);
    FILE *output = popen(command, "re"); // NOLINT(cert-env33-c)
    assert_non_null(output);
    mark[0] = '\0';
    while (fgets(line, sizeof(line), output) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "DEVPATH=", 8) == 0)
            tested = true;
        if (strstr(line, "58-drivepress-ports.rules:") != NULL)
            fail_msg("%s", line);
        if (strncmp(line, key, strlen(key)) == 0)
            (void)snprintf(mark, sizeof(mark), "%s", line + strlen(key));
    }
    (void)pclose(output);
    assert_true(tested);
    return mark;
}

static const char *mark_of(const char *path)
{
    return mark_on("add", path);
}

static const char *mark_of_device(const char *name)
{
    return mark_of(usb_tree_path(tree, name));
}

static const char *mark_of_interface(const char *name, unsigned number)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "%s/%s:1.%u", usb_tree_path(tree, name), name, number);
    return mark_of(path);
}

/* --- Tests -------------------------------------------------------------------------------------- */

static void all_of_what_is_plugged_in_is_marked(void **state)
{
    (void)state;
    add_slot("Z1", "0000:00:14.0/usb2/1", NULL, 0);
    claim();
    const char *disk = usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    usb_tree_interface(tree, "61-1", 1, 0x03);
    assert_string_equal(mark_of_device("61-1"), "0000:00:14.0/usb2/1");
    assert_string_equal(mark_of_interface("61-1", 0), "0000:00:14.0/usb2/1");
    assert_string_equal(mark_of_interface("61-1", 1), "0000:00:14.0/usb2/1");
    assert_string_equal(mark_of(disk), "0000:00:14.0/usb2/1");
    assert_string_equal(mark_of(usb_tree_partition(tree, disk, "sdrig1p1")), "0000:00:14.0/usb2/1");
    assert_string_equal(mark_of(usb_tree_disk(tree, "61-1", 3, "sdrig2", GIB)),
                        "0000:00:14.0/usb2/1");
}

static void later_events_do_not_take_the_mark_away(void **state)
{
    (void)state;
    add_slot("Z1", "0000:00:14.0/usb2/1", NULL, 0);
    claim();
    const char *disk = usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    assert_string_equal(mark_on("change", disk), "0000:00:14.0/usb2/1");
    assert_string_equal(mark_on("bind", usb_tree_path(tree, "61-1")), "0000:00:14.0/usb2/1");
}

static void nothing_else_is_marked(void **state)
{
    (void)state;
    add_slot("Z1", "0000:00:14.0/usb2/1", NULL, 0);
    claim();
    assert_string_equal(mark_of("/sys/devices/pci0000:00/0000:00:14.0/usb61"), "");
    assert_string_equal(mark_of("/sys/devices/pci0000:00/0000:00:14.0/usb61/61-0:1.0"), "");
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-2", "sdrig1", GIB)), "");
    assert_string_equal(mark_of(usb_tree_stick(tree, "62-1", "sdrig2", GIB)), "");
    assert_string_equal(mark_of(usb_tree_stick(tree, "63-1", "sdrig3", GIB)), "");
    assert_string_equal(mark_of_device("62-1"), "");
    assert_string_equal(mark_of_interface("63-1", 0), "");
    assert_string_equal(mark_of(usb_tree_card(tree, "mmcblk61", GIB)), "");
    assert_string_equal(
        mark_of(usb_tree_block(tree, "/sys/devices/pci0000:00/0000:00:17.0/ata61", "sdrig4", GIB)),
        "");
}

static void a_port_of_the_computer_is_not_what_is_behind_a_hub_in_it(void **state)
{
    (void)state;
    add_slot("Z1", "0000:00:14.0/usb2/1", NULL, 0);
    claim();
    usb_tree_hub(tree, "61-1", 4);
    assert_string_equal(mark_of_device("61-1"), "0000:00:14.0/usb2/1");
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-1.1", "sdrig1", GIB)), "");
    assert_string_equal(mark_of_device("61-1.1"), "");
    assert_string_equal(mark_of_interface("61-1.1", 0), "");
}

static void all_ports_of_a_hub_are_marked_each_as_itself(void **state)
{
    (void)state;
    add_slot("A01", "0000:00:14.0/usb2/2.3", NULL, 0);
    claim();
    usb_tree_hub(tree, "61-2", 14);
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-2.3", "sdrig1", GIB)),
                        "0000:00:14.0/usb2/2.3");
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-2.1", "sdrig2", GIB)),
                        "0000:00:14.0/usb2/2.1");
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-2.14", "sdrig3", GIB)),
                        "0000:00:14.0/usb2/2.14");
    assert_string_equal(mark_of_interface("61-2.14", 0), "0000:00:14.0/usb2/2.14");
    assert_string_equal(mark_of_device("61-2"), "");
    assert_string_equal(mark_of_interface("61-2", 0), "");
}

static void a_hub_is_not_another_one_whose_name_looks_alike(void **state)
{
    (void)state;
    add_slot("A01", "0000:00:14.0/usb2/2.3", NULL, 0);
    claim();
    usb_tree_hub(tree, "61-2", 4);
    usb_tree_hub(tree, "61-2.3", 4);
    usb_tree_hub(tree, "61-12", 4);
    usb_tree_hub(tree, "62-2", 4);
    usb_tree_hub(tree, "63-2", 4);
    assert_string_equal(mark_of_device("61-2.3"), "0000:00:14.0/usb2/2.3");
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-2.3.1", "sdrig1", GIB)), "");
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-12.3", "sdrig2", GIB)), "");
    assert_string_equal(mark_of(usb_tree_stick(tree, "62-2.3", "sdrig3", GIB)), "");
    assert_string_equal(mark_of(usb_tree_stick(tree, "63-2.3", "sdrig4", GIB)), "");
}

static void both_faces_of_a_slot_are_marked(void **state)
{
    (void)state;
    add_slot("A01", "0000:00:14.0/usb2/2.3", "0000:00:14.0/usb3/1.3", 0);
    add_slot("A02", "0000:00:14.0/usb2/3", "0000:00:14.0/usb3/4", 0);
    claim();
    usb_tree_hub(tree, "61-2", 4);
    usb_tree_hub(tree, "62-1", 4);
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-2.3", "sdrig1", GIB)),
                        "0000:00:14.0/usb2/2.3");
    assert_string_equal(mark_of(usb_tree_stick(tree, "62-1.3", "sdrig2", GIB)),
                        "0000:00:14.0/usb3/1.3");
    assert_string_equal(mark_of(usb_tree_stick(tree, "62-4", "sdrig3", GIB)),
                        "0000:00:14.0/usb3/4");
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-4", "sdrig4", GIB)), "");
}

static void an_sd_slot_is_its_card_and_the_partitions_of_that(void **state)
{
    (void)state;
    add_slot("SD1", "0000:00:1f.0/mmc", NULL, 0);
    claim();
    const char *card = usb_tree_card(tree, "mmcblk61", GIB);
    assert_string_equal(mark_of(card), "0000:00:1f.0/mmc");
    assert_string_equal(mark_of(usb_tree_partition(tree, card, "mmcblk61p1")), "0000:00:1f.0/mmc");
    assert_string_equal(mark_of(usb_tree_block(tree, card, "mmcblk61boot0", MIB)), "");
    assert_string_equal(mark_of(usb_tree_block(tree, card, "mmcblk61rpmb", MIB)), "");
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-1", "sdrig1", GIB)), "");
}

static void what_is_behind_a_controller_that_is_plugged_in_is_not_marked(void **state)
{
    (void)state;
    char parent[PATH_BYTES];
    add_slot("Z1", "0000:00:14.0/usb2/1", NULL, 0);
    claim();
    (void)usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    (void)snprintf(parent, sizeof(parent),
                   "%s/61-1:1.0/u132_hcd.0/usb60/60-1/60-1:1.0/host9/target9:0:0/9:0:0:0/block",
                   usb_tree_path(tree, "61-1"));
    assert_string_equal(mark_of(usb_tree_block(tree, parent, "sdrig2", GIB)), "");
}

static void the_file_names_every_slot_once_for_each_of_its_ports(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "\n# A01: 0000:00:14.0/usb2/2.3\n",
        "\n# A01: 0000:00:14.0/usb3/2.3\n",
        "\n# A01.1: 0000:00:14.0/usb2/2.3, LUN 1\n",
        "\n# SD1: 0000:00:1f.0/mmc\n",
        "\nENV{.DRIVEPRESS_BUS}==\"usb2\"",
        "\nENV{.DRIVEPRESS_BUS}==\"usb3\"",
        "\nENV{.DRIVEPRESS_BUS}==\"\"",
    };
    add_slot("A01", "0000:00:14.0/usb2/2.3", "0000:00:14.0/usb3/2.3", 0);
    add_slot("A01.1", "0000:00:14.0/usb2/2.3", NULL, 1);
    add_slot("SD1", "0000:00:1f.0/mmc", NULL, 0);
    char *text = claim_rules(&layout);
    assert_non_null(text);
    for (size_t i = 0; i < array_count(lines); i++) {
        const char *found = strstr(text, lines[i]);
        assert_non_null(found);
        assert_null(strstr(found + 1, lines[i]));
    }
    free(text);
}

static void an_empty_layout_claims_nothing(void **state)
{
    (void)state;
    claim();
    assert_string_equal(mark_of(usb_tree_stick(tree, "61-1", "sdrig1", GIB)), "");
}

int main(int argc, char **argv)
{
    (void)argc;
    usb_tree_enter(argv);
    enter_own_udev();
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define in_tree(test) cmocka_unit_test_setup_teardown(test, build, tear_down)
    const struct CMUnitTest tests[] = {
        in_tree(all_of_what_is_plugged_in_is_marked),
        in_tree(later_events_do_not_take_the_mark_away),
        in_tree(nothing_else_is_marked),
        in_tree(a_port_of_the_computer_is_not_what_is_behind_a_hub_in_it),
        in_tree(all_ports_of_a_hub_are_marked_each_as_itself),
        in_tree(a_hub_is_not_another_one_whose_name_looks_alike),
        in_tree(both_faces_of_a_slot_are_marked),
        in_tree(an_sd_slot_is_its_card_and_the_partitions_of_that),
        in_tree(what_is_behind_a_controller_that_is_plugged_in_is_not_marked),
        in_tree(the_file_names_every_slot_once_for_each_of_its_ports),
        in_tree(an_empty_layout_claims_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
