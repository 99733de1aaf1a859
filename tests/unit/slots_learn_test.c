// SPDX-License-Identifier: GPL-3.0-or-later
/* `drivepress slots learn` and `slots claim` as somebody uses them: drives go into ports, lines are
 * typed. The command runs in a process of its own, on a made-up computer. */
#include "tools/slots_verb.h"

#include "lib/base/units.h"
#include "lib/core/verdict.h"
#include "tests/support/usb_tree.h"
#include "tests/unit/support.h"
#include "tools/commands.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_BYTES = 65536, WAIT_MS = 20000, PATH_BYTES = 160 };

/* An operator at a computer. */
struct table {
    struct usb_tree *tree;
    char directory[64];
    char config[PATH_BYTES];
    char slots[PATH_BYTES];
    char claim[PATH_BYTES];
    pid_t pid;
    int typed_fd;
    int shown_fd;
    char shown[OUTPUT_BYTES];
    size_t shown_bytes;
    size_t read_bytes; /* of that, waited for already */
};

static struct table table;

/* --- The command ------------------------------------------------------------------------------ */

static void begin(const char *verb, const char *option, const char *value)
{
    int typed[2];
    int shown[2];

    assert_int_equal(pipe(typed), 0);
    assert_int_equal(pipe(shown), 0);
    table.shown_bytes = table.read_bytes = 0;
    table.pid = fork();
    assert_true(table.pid >= 0);
    if (table.pid == 0) {
        /* getopt_long() wants to reorder them. */
        char words[8][PATH_BYTES];
        const char *given[] = {"slots",   verb,        "--config", table.config,
                               "--claim", table.claim, option,     value};
        char *arguments[9] = {NULL};
        int count = 0;
        while (count < 8 && given[count] != NULL) {
            (void)snprintf(words[count], sizeof(words[count]), "%s", given[count]);
            arguments[count] = words[count];
            count++;
        }
        if (dup2(typed[0], STDIN_FILENO) < 0 || dup2(shown[1], STDOUT_FILENO) < 0 ||
            dup2(shown[1], STDERR_FILENO) < 0)
            _exit(99);
        (void)close(typed[1]);
        (void)close(shown[0]);
        int exit_code = cmd_slots(count, arguments);
        (void)fflush(stdout);
        _exit(exit_code);
    }
    assert_int_equal(close(typed[0]), 0);
    assert_int_equal(close(shown[1]), 0);
    table.typed_fd = typed[1];
    table.shown_fd = shown[0];
}

/* Reads on. False at the end. */
static bool read_more(void)
{
    struct pollfd file = {.fd = table.shown_fd, .events = POLLIN};

    if (poll(&file, 1, WAIT_MS) <= 0)
        fail_msg("nothing happens; shown so far:\n%s", table.shown);
    ssize_t count = read(table.shown_fd, table.shown + table.shown_bytes,
                         sizeof(table.shown) - table.shown_bytes - 1);
    if (count <= 0)
        return false;
    table.shown_bytes += (size_t)count;
    table.shown[table.shown_bytes] = '\0';
    return true;
}

/* Waits until a text is shown behind what was waited for before. */
static void await(const char *text)
{
    char *found = NULL;

    table.shown[table.shown_bytes] = '\0';
    while ((found = strstr(table.shown + table.read_bytes, text)) == NULL) {
        if (!read_more())
            fail_msg("it ended without \"%s\":\n%s", text, table.shown);
    }
    table.read_bytes = (size_t)(found - table.shown) + strlen(text);
}

static void type(const char *text)
{
    assert_int_equal(write(table.typed_fd, text, strlen(text)), strlen(text));
}

static void assert_ends(int exit_code)
{
    int status = 0;

    while (read_more())
        continue;
    assert_int_equal(close(table.typed_fd), 0);
    assert_int_equal(close(table.shown_fd), 0);
    assert_int_equal(waitpid(table.pid, &status, 0), table.pid);
    table.pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != exit_code)
        fail_msg("status %x:\n%s", (unsigned)status, table.shown);
}

/* --- Files ------------------------------------------------------------------------------------ */

static bool file_has(const char *path, const char *text)
{
    char content[OUTPUT_BYTES];
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return false;
    size_t length = fread(content, 1, sizeof(content) - 1, file);
    content[length] = '\0';
    assert_int_equal(fclose(file), 0);
    return strstr(content, text) != NULL;
}

static void put_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_nothing_written(void)
{
    assert_int_not_equal(access(table.slots, F_OK), 0);
    assert_int_not_equal(access(table.claim, F_OK), 0);
}

static int sit_down(void **state)
{
    (void)state;
    memset(&table, 0, sizeof(table));
    table.tree = usb_tree_new();
    strcpy(table.directory, "/tmp/drivepress-learn-XXXXXX");
    if (mkdtemp(table.directory) == NULL)
        return -1;
    (void)snprintf(table.config, PATH_BYTES, "%s/drivepress.conf", table.directory);
    (void)snprintf(table.slots, PATH_BYTES, "%s/conf.d/50-slots.conf", table.directory);
    (void)snprintf(table.claim, PATH_BYTES, "%s/ports.rules", table.directory);
    put_file(table.config, "[rig]\nname = table\n");
    return 0;
}

static int stand_up(void **state)
{
    char command[128];

    (void)state;
    if (table.pid > 0) {
        (void)kill(table.pid, SIGKILL);
        (void)waitpid(table.pid, NULL, 0);
    }
    usb_tree_free(table.tree);
    (void)snprintf(command, sizeof(command), "rm -r %s", table.directory);
    return system(command);
}

/* --- Tests ------------------------------------------------------------------------------------ */

/* A USB 3 hub of four ports, of which two are shown to the computer. */
static void ports_are_learned_by_plugging_drives_in(void **state)
{
    (void)state;
    usb_tree_hub(table.tree, "61-2", 4);
    usb_tree_hub(table.tree, "62-2", 4);
    begin("learn", NULL, NULL);
    await("port of slot A01");
    (void)usb_tree_stick(table.tree, "62-2.3", "sdrig1", GIB);
    await("A01  0000:00:14.0/usb3/2.3 and 0000:00:14.0/usb2/2.3  (USB device 46f4:0001)\n");
    await("port of slot A02");
    usb_tree_pull(table.tree, "62-2.3");
    (void)usb_tree_stick(table.tree, "61-2.1", "sdrig2", GIB);
    await("A02  0000:00:14.0/usb2/2.1 and 0000:00:14.0/usb3/2.1");
    await("port of slot A03");
    assert_nothing_written();
    type("\n");
    await("2 slots were learned, and 2 more are ports of the same hubs");
    await("ERASE");
    await("Type yes: ");
    type("yes\n");
    assert_ends(EXIT_ALL_PASSED);

    assert_true(file_has(table.slots, "[slot A01]"));
    assert_true(file_has(table.slots, "[slot A04]"));
    assert_true(file_has(table.claim, "DRIVEPRESS_PORT"));
    assert_true(file_has(table.claim, "A03: 0000:00:14.0/usb2/2.2"));
    struct stat status;
    assert_int_equal(stat(table.slots, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0644);

    struct config_complaints complaints;
    struct config *config = config_load(table.config, &complaints);
    assert_non_null(config);
    assert_int_equal(config->layout.count, 4);
    free(config);
}

static void nothing_is_written_without_a_yes(void **state)
{
    (void)state;
    static const char *const answers[] = {"no\n", "\n", "y\n"};

    for (size_t i = 0; i < array_count(answers); i++) {
        begin("learn", NULL, NULL);
        await("port of slot A01");
        (void)usb_tree_stick(table.tree, "61-1", "sdrig1", GIB);
        await("port of slot A02");
        type("\n");
        await("Type yes: ");
        type(answers[i]);
        await("Nothing was written");
        assert_ends(EXIT_USAGE);
        usb_tree_pull(table.tree, "61-1");
        assert_nothing_written();
    }
}

static void nothing_is_written_after_ctrl_c_or_without_a_port(void **state)
{
    (void)state;
    begin("learn", NULL, NULL);
    await("port of slot A01");
    (void)usb_tree_stick(table.tree, "61-1", "sdrig1", GIB);
    await("port of slot A02");
    assert_int_equal(kill(table.pid, SIGINT), 0);
    int status = 0;
    assert_int_equal(waitpid(table.pid, &status, 0), table.pid);
    assert_true(WIFSIGNALED(status));
    table.pid = 0;
    assert_int_equal(close(table.typed_fd), 0);
    assert_int_equal(close(table.shown_fd), 0);
    assert_nothing_written();

    begin("learn", "--yes", NULL);
    await("1 drive is plugged in already");
    await("port of slot A01");
    type("\n");
    await("No port was learned");
    assert_ends(EXIT_USAGE);
    assert_nothing_written();
}

static void the_last_port_can_be_undone(void **state)
{
    (void)state;
    begin("learn", "--yes", NULL);
    await("port of slot A01");
    (void)usb_tree_stick(table.tree, "63-1", "sdrig1", GIB);
    await("port of slot A02");
    (void)usb_tree_stick(table.tree, "61-1", "sdrig2", GIB);
    await("port of slot A03");
    type("u\n");
    await("A02 is forgotten");
    await("port of slot A02");
    (void)usb_tree_stick(table.tree, "61-2", "sdrig3", GIB);
    await("A02  0000:00:14.0/usb2/2");
    type("\n");
    assert_ends(EXIT_ALL_PASSED);
    assert_true(file_has(table.slots, "usb2/2"));
    assert_false(file_has(table.slots, "0000:00:14.0/usb2/1"));
    assert_false(file_has(table.claim, "0000:00:14.0/usb2/1"));
}

/* Slots go on behind those that the configuration has, which are kept. */
static void known_ports_are_told_and_kept(void **state)
{
    (void)state;
    put_file(table.config, "[slot A01]\nusb = 0000:00:15.0/usb2/1\n");
    begin("learn", "--yes", NULL);
    await("port of slot A02");
    (void)usb_tree_stick(table.tree, "63-1", "sdrig1", GIB);
    await("A01  is known already");
    await("port of slot A02");
    (void)usb_tree_stick(table.tree, "63-2", "sdrig2", GIB);
    await("A02  0000:00:15.0/usb2/2");
    type("\n");
    assert_ends(EXIT_ALL_PASSED);
    assert_true(file_has(table.slots, "[slot A01]"));
    assert_true(file_has(table.slots, "[slot A02]"));
}

static void media_in_a_card_reader_are_slots(void **state)
{
    (void)state;
    usb_tree_device(table.tree, "63-1");
    usb_tree_interface(table.tree, "63-1", 0, 0x08);
    (void)usb_tree_disk(table.tree, "63-1", 0, "sdrig1", 0);
    const char *second = usb_tree_disk(table.tree, "63-1", 1, "sdrig2", 0);
    begin("learn", "--yes", NULL);
    await("port of slot A01");
    usb_tree_medium(table.tree, second, GIB, 90);
    await("A01  0000:00:15.0/usb2/1, LUN 1");
    await("port of slot A02");
    (void)usb_tree_card(table.tree, "mmcblk61", GIB);
    await("A02  0000:00:1f.0/mmc");
    type("\n");
    assert_ends(EXIT_ALL_PASSED);
    assert_true(file_has(table.slots, "lun = 1"));
    assert_true(file_has(table.slots, "mmc = 0000:00:1f.0"));
}

/* What the system has built on a disk, as sysfs shows it. */
static void hold(const char *disk)
{
    char path[1024];

    (void)snprintf(path, sizeof(path), "%s%s/holders", getenv("UMOCKDEV_DIR"), disk);
    assert_int_equal(mkdir(path, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s%s/holders/dm-0", getenv("UMOCKDEV_DIR"), disk);
    assert_int_equal(mkdir(path, 0755), 0);
}

/* On the same hub as a learned port, it would be given away with it. */
static void disks_of_the_system_are_never_given_away(void **state)
{
    (void)state;
    usb_tree_hub(table.tree, "61-2", 4);
    hold(usb_tree_stick(table.tree, "61-2.4", "sdrig1", GIB));
    begin("learn", "--yes", NULL);
    await("port of slot A01");
    (void)usb_tree_stick(table.tree, "61-2.1", "sdrig2", GIB);
    await("port of slot A02");
    type("\n");
    await("/dev/sdrig1 is plugged into a port of the rig (0000:00:14.0/usb2/2.4)");
    await("Nothing was written");
    assert_ends(EXIT_USAGE);
    assert_nothing_written();

    put_file(table.config, "[slot A01]\nusb = 0000:00:14.0/usb2/2.1\n");
    begin("claim", NULL, NULL);
    await("/dev/sdrig1 is plugged into a port of the rig");
    assert_ends(EXIT_USAGE);
    assert_nothing_written();
}

static void the_port_of_a_disk_in_use_gets_no_slot(void **state)
{
    (void)state;
    usb_tree_device(table.tree, "63-1");
    usb_tree_interface(table.tree, "63-1", 0, 0x08);
    const char *disk = usb_tree_disk(table.tree, "63-1", 0, "sdrig1", 0);
    hold(disk);
    begin("learn", "--yes", NULL);
    await("port of slot A01");
    usb_tree_medium(table.tree, disk, GIB, 90);
    await("/dev/sdrig1 is a disk of the running system (dm-0 is built on it)");
    await("port of slot A01");
    type("\n");
    await("No port was learned");
    assert_ends(EXIT_USAGE);
    assert_nothing_written();
}

static void slots_of_a_configuration_are_claimed(void **state)
{
    (void)state;
    put_file(table.config, "[slot left]\nusb = 0000:00:15.0/usb2/1\n");
    begin("claim", NULL, NULL);
    await("left");
    await("Claimed in");
    assert_ends(EXIT_ALL_PASSED);
    assert_true(file_has(table.claim, "0000:00:15.0/usb2/1"));

    put_file(table.config, "[slot left]\nusb = nowhere\n");
    begin("claim", NULL, NULL);
    await("drivepress.conf:2");
    assert_ends(EXIT_USAGE);
    assert_true(file_has(table.claim, "0000:00:15.0/usb2/1"));
}

/* The old slot is in the main file, where --replace cannot take it from: two slots of one port. */
static void slots_that_break_the_configuration_are_taken_back(void **state)
{
    (void)state;
    put_file(table.config, "[slot old]\nusb = 0000:00:15.0/usb2/1\n");
    begin("learn", "--yes", "--replace");
    await("port of slot A01");
    (void)usb_tree_stick(table.tree, "63-1", "sdrig1", GIB);
    await("port of slot A02");
    type("\n");
    await("is as it was before");
    assert_ends(EXIT_USAGE);
    assert_nothing_written();
    struct config_complaints complaints;
    struct config *config = config_load(table.config, &complaints);
    assert_non_null(config);
    free(config);
}

int main(int argc, char **argv)
{
    (void)argc;
    usb_tree_enter(argv);
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define at_table(test) cmocka_unit_test_setup_teardown(test, sit_down, stand_up)
    const struct CMUnitTest tests[] = {
        at_table(ports_are_learned_by_plugging_drives_in),
        at_table(nothing_is_written_without_a_yes),
        at_table(nothing_is_written_after_ctrl_c_or_without_a_port),
        at_table(the_last_port_can_be_undone),
        at_table(known_ports_are_told_and_kept),
        at_table(media_in_a_card_reader_are_slots),
        at_table(disks_of_the_system_are_never_given_away),
        at_table(the_port_of_a_disk_in_use_gets_no_slot),
        at_table(slots_of_a_configuration_are_claimed),
        at_table(slots_that_break_the_configuration_are_taken_back),
    };
    return cmocka_run_group_tests_name("slots_learn", tests, NULL, NULL);
}
