// SPDX-License-Identifier: GPL-3.0-or-later
/* Learning slots: the names that ports get, and which disks keep their port from getting one. */
#include "lib/config/config.h"
#include "lib/rig/claim.h"
#include "tools/disk_use.h"
#include "tools/learn.h"

#include "tests/unit/support.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* --- Learning --------------------------------------------------------------------------------- */

static const struct layout none;

static struct port port(const char *text)
{
    struct port parsed;
    assert_int_equal(port_parse(&parsed, text), 0);
    return parsed;
}

static enum learn_result take(struct learn *learn, const char *text, unsigned lun,
                              const struct layout_slot **slot)
{
    struct port face = port(text);
    return learn_take(learn, &face, 1, lun, slot);
}

/* Ports 1 to count of a hub. */
static void take_hub(struct learn *learn, unsigned hub, unsigned count)
{
    char text[PORT_TEXT_BYTES];

    for (unsigned i = 1; i <= count; i++) {
        (void)snprintf(text, sizeof(text), "0000:00:14.0/usb2/%u.%u", hub, i);
        assert_int_equal(take(learn, text, 0, NULL), LEARN_ADDED);
    }
}

static void test_ports_get_names_in_the_order_of_drives(void **state)
{
    (void)state;
    struct learn learn;
    char name[SLOT_NAME_BYTES];

    assert_true(learn_start(&learn, &none, "A", 0));
    assert_true(learn_next_name(&learn, name));
    assert_string_equal(name, "A01");
    take_hub(&learn, 2, 12);
    assert_string_equal(learn.layout.slots[0].name, "A01");
    assert_string_equal(learn.layout.slots[11].name, "A12");
    assert_int_equal(learn.layout.slots[0].row, 0);
    assert_true(learn_next_name(&learn, name));
    assert_string_equal(name, "A13");
}

static void test_both_faces_are_one_slot(void **state)
{
    (void)state;
    struct learn learn;
    const struct layout_slot *slot = NULL;
    const struct port faces[] = {port("0000:00:14.0/usb3/3.1"), port("0000:00:14.0/usb2/4.1")};

    assert_true(learn_start(&learn, &none, "A", 0));
    assert_int_equal(learn_take(&learn, faces, 2, 0, &slot), LEARN_ADDED);
    assert_int_equal(slot->port_count, 2);
    /* A USB 2 drive in the same port. */
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/4.1", 0, &slot), LEARN_KNOWN);
    assert_string_equal(slot->name, "A01");
    assert_int_equal(learn.layout.count, 1);

    /* The slot was written by hand, with one face only; the drive came in by the other one. */
    assert_true(learn_start(&learn, &none, "A", 0));
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/4.1", 0, NULL), LEARN_ADDED);
    assert_int_equal(learn_take(&learn, faces, 2, 0, &slot), LEARN_KNOWN);
    assert_int_equal(learn.layout.count, 1);
}

static void test_columns_begin_new_rows(void **state)
{
    (void)state;
    struct learn learn;

    assert_true(learn_start(&learn, &none, "A", 4));
    take_hub(&learn, 1, 10);
    const struct layout_slot *slots = learn.layout.slots;
    assert_string_equal(slots[3].name, "A04");
    assert_string_equal(slots[4].name, "B01");
    assert_int_equal(slots[4].row, 2);
    assert_int_equal(slots[4].column, 1);
    assert_string_equal(slots[9].name, "C02");
    assert_int_equal(slots[9].row, 3);
    assert_int_equal(slots[9].column, 2);

    assert_true(learn_start(&learn, &none, "rack", 2));
    take_hub(&learn, 1, 3);
    assert_string_equal(slots[0].name, "rack1-01");
    assert_string_equal(slots[2].name, "rack2-01");
}

static void test_names_go_on_behind_what_is_there(void **state)
{
    (void)state;
    struct learn learn;
    struct layout before;
    const struct layout_slot *slot = NULL;

    assert_true(learn_start(&learn, &none, "A", 3));
    take_hub(&learn, 1, 4); /* A01 A02 A03 B01 */
    before = learn.layout;

    assert_true(learn_start(&learn, &before, "A", 3));
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/1.2", 0, &slot), LEARN_KNOWN);
    assert_string_equal(slot->name, "A02");
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/5.1", 0, &slot), LEARN_ADDED);
    assert_string_equal(slot->name, "B02");
    assert_int_equal(learn.before, 4);
    assert_int_equal(learn.layout.count, 5);

    /* A gap is somebody's plan. */
    strcpy(before.slots[3].name, "A09");
    assert_true(learn_start(&learn, &before, "A", 0));
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/5.1", 0, &slot), LEARN_ADDED);
    assert_string_equal(slot->name, "A10");

    /* Names of another kind are not counted. */
    assert_true(learn_start(&learn, &before, "Z", 0));
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/5.1", 0, &slot), LEARN_ADDED);
    assert_string_equal(slot->name, "Z01");
}

static void test_undo_forgets_only_what_was_learned(void **state)
{
    (void)state;
    struct learn learn;
    struct layout before;
    char name[SLOT_NAME_BYTES];

    assert_true(learn_start(&learn, &none, "A", 0));
    take_hub(&learn, 1, 1);
    before = learn.layout;
    assert_true(learn_start(&learn, &before, "A", 0));
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/9", 0, NULL), LEARN_ADDED);
    assert_true(learn_undo(&learn, name));
    assert_string_equal(name, "A02");
    assert_false(learn_undo(&learn, name));
    assert_int_equal(learn.layout.count, 1);
    /* The name is free again, and so is the port. */
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/9", 0, NULL), LEARN_ADDED);
    assert_string_equal(learn.layout.slots[1].name, "A02");
}

static void test_a_reader_has_a_slot_for_each_lun(void **state)
{
    (void)state;
    struct learn learn;
    const struct layout_slot *slot = NULL;

    assert_true(learn_start(&learn, &none, "A", 10));
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/1", 2, &slot), LEARN_ADDED);
    assert_string_equal(slot->name, "A01");
    assert_int_equal(slot->lun, 2);
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/1", 0, &slot), LEARN_ADDED);
    assert_string_equal(slot->name, "A01.0");
    assert_int_equal(slot->row, 0);
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/1", 2, &slot), LEARN_KNOWN);
    /* The next port is not behind the LUNs. */
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/2", 0, &slot), LEARN_ADDED);
    assert_string_equal(slot->name, "A02");
    assert_int_equal(slot->column, 2);
}

static void test_names_and_slots_run_out(void **state)
{
    (void)state;
    struct learn learn;
    char name[SLOT_NAME_BYTES];
    char text[PORT_TEXT_BYTES];

    assert_true(learn_start(&learn, &none, "Y", 1));
    take_hub(&learn, 1, 2);
    assert_string_equal(learn.layout.slots[1].name, "Z01");
    assert_false(learn_next_name(&learn, name));
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/2.1", 0, NULL), LEARN_NO_NAMES);

    assert_true(learn_start(&learn, &none, "A", 0));
    for (unsigned i = 0; i < SLOTS_MAX; i++) {
        (void)snprintf(text, sizeof(text), "0000:00:14.0/usb2/%u.%u", i / 250 + 1, i % 250 + 1);
        assert_int_equal(take(&learn, text, 0, NULL), LEARN_ADDED);
    }
    assert_string_equal(learn.layout.slots[SLOTS_MAX - 1].name, "A256");
    assert_int_equal(take(&learn, "0000:00:14.0/usb2/9.1", 0, NULL), LEARN_FULL);
}

static void test_prefixes_that_cannot_begin_a_name_are_refused(void **state)
{
    (void)state;
    struct learn learn;

    assert_false(learn_start(&learn, &none, "", 0));
    assert_false(learn_start(&learn, &none, "a b", 0));
    assert_false(learn_start(&learn, &none, "a]", 10));
    assert_false(learn_start(&learn, &none, "0123456789012345678901234567890", 0));
    assert_true(learn_start(&learn, &none, "hub-", 0));
}

/* What is learned is what the daemon reads, and what udev gives to it. */
static void test_learned_slots_become_configuration_and_claim(void **state)
{
    (void)state;
    char directory[] = "/tmp/drivepress-slots-XXXXXX";
    char path[64];
    struct learn learn;
    struct config_complaints complaints;

    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof(path), "%s/drivepress.conf", directory);
    assert_true(learn_start(&learn, &none, "A", 2));
    take_hub(&learn, 2, 3);
    char *text = config_slots_text(&learn.layout);
    assert_non_null(text);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(text);

    struct config *config = config_load(path, &complaints);
    if (config == NULL)
        fail_msg("%s", complaints.items[0]);
    assert_int_equal(config->layout.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct layout_slot *learned = &learn.layout.slots[i];
        const struct layout_slot *read = layout_find_name(&config->layout, learned->name);
        assert_non_null(read);
        assert_true(port_equal(&read->ports[0], &learned->ports[0]));
        assert_int_equal(read->row, learned->row);
        assert_int_equal(read->column, learned->column);
    }
    free(config);

    text = claim_rules(&learn.layout);
    assert_non_null(text);
    assert_non_null(strstr(text, "A01: 0000:00:14.0/usb2/2.1"));
    free(text);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* --- Disks in use ----------------------------------------------------------------------------- */

/* A disk as sysfs shows it, with one partition, and the kernel's tables. */
struct machine {
    char directory[64];
    char disk[96];
    char mountinfo[96];
    char swaps[96];
    char btrfs[96];
    char udev[96];
    struct disk_use_places places;
    char use[DISK_USE_BYTES];
};

static void put(const char *directory, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make(const char *directory, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static int make_machine(void **state)
{
    struct machine *machine = calloc(1, sizeof(*machine));

    if (machine == NULL)
        return -1;
    strcpy(machine->directory, "/tmp/drivepress-disk-XXXXXX");
    if (mkdtemp(machine->directory) == NULL)
        return -1;
#define IN(name)                                                                                   \
    (void)snprintf(machine->name, sizeof(machine->name), "%s/" #name, machine->directory)
    IN(disk);
    IN(mountinfo);
    IN(swaps);
    IN(btrfs);
    IN(udev);
    machine->places =
        (struct disk_use_places){machine->mountinfo, machine->swaps, machine->btrfs, machine->udev};
    make(machine->directory, "disk");
    make(machine->disk, "holders");
    put(machine->disk, "dev", "240:16\n");
    make(machine->disk, "disk1");
    put(machine->disk, "disk1/dev", "240:17\n");
    put(machine->disk, "disk1/partition", "1\n");
    make(machine->disk, "disk1/holders");
    put(machine->directory, "mountinfo",
        "22 1 240:1 / / rw,relatime shared:1 - ext4 /dev/nosuch1 rw\n"
        "23 22 0:5 / /proc rw - proc proc rw\n");
    put(machine->directory, "swaps", "Filename Type Size Used Priority\n");
    *state = machine;
    return 0;
}

static int remove_machine(void **state)
{
    struct machine *machine = *state;
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -r %s", machine->directory);
    int result = system(command);
    free(machine);
    return result;
}

static bool in_use(struct machine *machine)
{
    return disk_use_find(machine->disk, &machine->places, machine->use);
}

static void test_a_disk_that_nobody_uses_is_free(void **state)
{
    assert_false(in_use(*state));
}

static void test_mounted_disks_and_partitions_are_in_use(void **state)
{
    struct machine *machine = *state;

    put(machine->directory, "mountinfo", "30 22 240:17 / /media/stick rw - vfat /dev/x1 rw\n");
    assert_true(in_use(machine));
    assert_non_null(strstr(machine->use, "/media/stick"));
    put(machine->directory, "mountinfo", "30 22 240:16 / /media/stick rw - vfat /dev/x rw\n");
    assert_true(in_use(machine));
    /* Its neighbour is not it. */
    put(machine->directory, "mountinfo", "30 22 240:18 / /media/stick rw - vfat /dev/x2 rw\n");
    assert_false(in_use(machine));
}

static void test_devices_built_on_it_are_users(void **state)
{
    struct machine *machine = *state;

    make(machine->disk, "disk1/holders/dm-3");
    assert_true(in_use(machine));
    assert_non_null(strstr(machine->use, "dm-3"));
}

static void test_members_of_a_btrfs_are_in_use(void **state)
{
    struct machine *machine = *state;

    make(machine->directory, "btrfs");
    make(machine->directory, "btrfs/1234");
    make(machine->directory, "btrfs/1234/devices");
    make(machine->directory, "btrfs/1234/devices/other");
    assert_false(in_use(machine));
    make(machine->directory, "btrfs/1234/devices/disk1");
    assert_true(in_use(machine));
}

static void test_members_of_a_zfs_pool_are_in_use(void **state)
{
    struct machine *machine = *state;

    make(machine->directory, "udev");
    put(machine->udev, "b240:18", "E:ID_FS_TYPE=zfs_member\n");
    put(machine->udev, "b240:17", "I:1\nE:ID_FS_TYPE=ext4\n");
    assert_false(in_use(machine));
    put(machine->udev, "b240:17", "I:1\nE:ID_FS_TYPE=zfs_member\nE:ID_FS_USAGE=filesystem\n");
    assert_true(in_use(machine));
    assert_non_null(strstr(machine->use, "ZFS"));
}

/* Tables that name a node: there is hardly a machine without loop or null devices. */
static void test_nodes_in_the_tables_are_looked_at(void **state)
{
    struct machine *machine = *state;
    char node[128];
    char line[256];

    (void)snprintf(node, sizeof(node), "%s/my disk", machine->directory);
    if (mknod(node, S_IFBLK | 0600, makedev(240, 17)) != 0)
        skip(); /* only root makes nodes */
    (void)snprintf(line, sizeof(line), "Filename Type\n%s/my\\040disk partition 1 0 -2\n",
                   machine->directory);
    put(machine->directory, "swaps", line);
    assert_true(in_use(machine));
    assert_non_null(strstr(machine->use, "swap"));
    put(machine->directory, "swaps", "Filename Type\n");
    assert_false(in_use(machine));
    (void)snprintf(line, sizeof(line), "30 22 0:40 / /data rw - btrfs %s/my\\040disk rw\n",
                   machine->directory);
    put(machine->directory, "mountinfo", line);
    assert_true(in_use(machine));
    assert_non_null(strstr(machine->use, "/data"));
}

/* Where it cannot be told, it is not given away. */
static void test_what_is_not_known_is_in_use(void **state)
{
    struct machine *machine = *state;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/dev", machine->disk);
    assert_int_equal(unlink(path), 0);
    assert_true(in_use(machine));
    put(machine->disk, "dev", "240:16\n");
    assert_false(in_use(machine));
    /* A table that is not there: without swap that is so, but something is always mounted. */
    machine->places.swaps = "/nowhere/swaps";
    assert_false(in_use(machine));
    machine->places.mountinfo = "/nowhere/mountinfo";
    assert_true(in_use(machine));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define ON_MACHINE(name) cmocka_unit_test_setup_teardown(name, make_machine, remove_machine)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ports_get_names_in_the_order_of_drives),
        cmocka_unit_test(test_both_faces_are_one_slot),
        cmocka_unit_test(test_columns_begin_new_rows),
        cmocka_unit_test(test_names_go_on_behind_what_is_there),
        cmocka_unit_test(test_undo_forgets_only_what_was_learned),
        cmocka_unit_test(test_a_reader_has_a_slot_for_each_lun),
        cmocka_unit_test(test_names_and_slots_run_out),
        cmocka_unit_test(test_prefixes_that_cannot_begin_a_name_are_refused),
        cmocka_unit_test(test_learned_slots_become_configuration_and_claim),
        ON_MACHINE(test_a_disk_that_nobody_uses_is_free),
        ON_MACHINE(test_mounted_disks_and_partitions_are_in_use),
        ON_MACHINE(test_devices_built_on_it_are_users),
        ON_MACHINE(test_members_of_a_btrfs_are_in_use),
        ON_MACHINE(test_members_of_a_zfs_pool_are_in_use),
        ON_MACHINE(test_nodes_in_the_tables_are_looked_at),
        ON_MACHINE(test_what_is_not_known_is_in_use),
    };
    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
