// SPDX-License-Identifier: GPL-3.0-or-later
/* `drivepress slots learn` and `slots claim` as somebody uses them: drives go into ports, lines are
 * typed. The command runs in a process of its own, on a made-up computer. */
#include "tools/slots_verb.h"

#include "lib/base/units.h"
#include "lib/core/verdict.h"
#include "tests/support/usb_tree.h"
#include "tests/unit/support.h"
#include "tools/commands.h"
#include "tools/port_watch.h"

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_BYTES = 65536, WAIT_MS = 20000, PATH_BYTES = 160, WORDS = 8, NOBODY = 65534 };

/* An operator at a computer. */
struct table {
    struct usb_tree *tree;
    char directory[64];
    char config[PATH_BYTES];
    char slots[PATH_BYTES];
    char claim[PATH_BYTES];
    char udevd[PATH_BYTES];
    pid_t pid;
    bool as_nobody;
    bool terminal; /* what is typed comes from one, else from a pipe */
    int typed_fd;
    int shown_fd;
    char shown[OUTPUT_BYTES];
    size_t shown_bytes;
    size_t read_bytes; /* of that, waited for already */
};

static struct table table;

/* --- The command ------------------------------------------------------------------------------ */

static void open_typed(int typed[2])
{
    if (!table.terminal) {
        assert_int_equal(pipe(typed), 0);
        return;
    }
    assert_int_equal(openpty(&typed[1], &typed[0], NULL, NULL, NULL), 0);
}

static void begin(const char *verb, const char *option, const char *value)
{
    int typed[2];
    int shown[2];

    open_typed(typed);
    assert_int_equal(pipe(shown), 0);
    table.shown_bytes = table.read_bytes = 0;
    table.pid = fork();
    assert_true(table.pid >= 0);
    if (table.pid == 0) {
        /* getopt_long() wants to reorder them. */
        char words[WORDS][PATH_BYTES];
        const char *given[WORDS] = {"slots",   verb,        "--config", table.config,
                                    "--claim", table.claim, option,     value};
        char *arguments[WORDS + 1] = {NULL};
        int count = 0;
        while (count < WORDS && given[count] != NULL) {
            (void)snprintf(words[count], sizeof(words[count]), "%s", given[count]);
            arguments[count] = words[count];
            count++;
        }
        if (dup2(typed[0], STDIN_FILENO) < 0 || dup2(shown[1], STDOUT_FILENO) < 0 ||
            dup2(shown[1], STDERR_FILENO) < 0)
            _exit(99);
        (void)close(typed[1]);
        (void)close(shown[0]);
        if (table.as_nobody && geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0)
            _exit(99);
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
    (void)snprintf(table.udevd, PATH_BYTES, "%s/udevd", table.directory);
    put_file(table.udevd, "");
    port_watch_udevd = table.udevd;
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
    begin("claim", "--yes", NULL);
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

/* They would be switched off, and their owner would wonder. */
static void keyboards_and_the_like_are_never_claimed(void **state)
{
    (void)state;
    put_file(table.config, "[slot A01]\nusb = 0000:00:14.0/usb2/2.1\n");
    usb_tree_hub(table.tree, "61-2", 4);
    usb_tree_keyboard(table.tree, "61-2.4");
    usb_tree_keyboard(table.tree, "61-3");
    begin("claim", "--yes", NULL);
    await("Quiet Keys is plugged into a port of the rig (0000:00:14.0/usb2/2.4)");
    await("switched off");
    await("Nothing was written");
    assert_ends(EXIT_USAGE);
    assert_null(strstr(table.shown, "14.0/usb2/3"));
    assert_nothing_written();

    /* What is behind a hub in a claimed port is switched off with it. */
    usb_tree_pull(table.tree, "61-2.4");
    usb_tree_hub(table.tree, "61-2.3", 4);
    usb_tree_keyboard(table.tree, "61-2.3.1");
    begin("claim", "--yes", NULL);
    await("Quiet Keys is plugged into a port of the rig (0000:00:14.0/usb2/2.3.1)");
    assert_ends(EXIT_USAGE);
    assert_nothing_written();

    begin("learn", "--yes", NULL);
    await("port of slot A02");
    (void)usb_tree_stick(table.tree, "61-2.2", "sdrig1", GIB);
    await("port of slot A03");
    type("\n");
    await("Quiet Keys is plugged into a port of the rig");
    assert_ends(EXIT_USAGE);
    assert_nothing_written();

    /* What is off already loses nothing. */
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/61-2.3.1:1.0", usb_tree_path(table.tree, "61-2.3.1"));
    usb_tree_attribute(table.tree, path, "authorized", "0");
    (void)snprintf(path, sizeof(path), "%s/61-2.3.1:1.1", usb_tree_path(table.tree, "61-2.3.1"));
    usb_tree_attribute(table.tree, path, "authorized", "0");
    begin("claim", "--yes", NULL);
    await("Claimed in");
    assert_ends(EXIT_ALL_PASSED);
}

static void slots_of_a_configuration_are_claimed(void **state)
{
    (void)state;
    put_file(table.config, "[slot left]\nusb = 0000:00:15.0/usb2/1\n");
    begin("claim", "--yes", NULL);
    await("left");
    await("Claimed in");
    assert_ends(EXIT_ALL_PASSED);
    assert_null(strstr(table.shown, "Also claimed"));
    assert_true(file_has(table.claim, "0000:00:15.0/usb2/1"));

    put_file(table.config, "[slot left]\nusb = nowhere\n");
    begin("claim", "--yes", NULL);
    await("drivepress.conf:2");
    assert_ends(EXIT_USAGE);
    assert_true(file_has(table.claim, "0000:00:15.0/usb2/1"));

    put_file(table.config, "[rig]\nname = table\n");
    begin("claim", NULL, NULL);
    await("all claims end");
    assert_ends(EXIT_ALL_PASSED);
    assert_false(file_has(table.claim, "0000:00:15.0/usb2/1"));
}

/* A hub's other ports are claimed too, and nobody gives away what was not told. */
static void a_claim_is_shown_and_asked_for(void **state)
{
    (void)state;
    put_file(table.config, "[slot A01]\nusb = 0000:00:14.0/usb2/2.1 0000:00:14.0/usb3/2.1\n"
                           "[slot A02]\nusb = 0000:00:14.0/usb2/2.3\n"
                           "[slot B01]\nusb = 0000:00:15.0/usb2/2.1\n");
    usb_tree_hub(table.tree, "61-2", 4);
    usb_tree_hub(table.tree, "62-2", 4);
    begin("claim", NULL, NULL);
    await("Also claimed: 2 more ports of the hub in 0000:00:14.0/usb2/2 and 0000:00:14.0/usb3/2.");
    await("Also claimed: all other ports of the hub (not there now) in 0000:00:15.0/usb2/2.");
    await("it needs --yes");
    assert_ends(EXIT_USAGE);
    assert_nothing_written();

    table.terminal = true;
    static const char *const answers[] = {"y\n", "\n", "\004", "no yes\n"};
    for (size_t i = 0; i < array_count(answers); i++) {
        begin("claim", NULL, NULL);
        await("ERASE");
        await("Type yes: ");
        type(answers[i]);
        await("Nothing was written");
        assert_ends(EXIT_USAGE);
        assert_nothing_written();
    }
    begin("claim", NULL, NULL);
    await("Type yes: ");
    type("yes\n");
    await("Claimed in");
    assert_ends(EXIT_ALL_PASSED);
    assert_true(file_has(table.claim, "A02"));
}

/* A file in the place of the directory that all disks are in: udev cannot look into it. */
static void nothing_is_claimed_when_the_ports_cannot_be_looked_at(void **state)
{
    (void)state;
    char path[1024];
    char aside[1100];

    (void)usb_tree_stick(table.tree, "63-2", "sdrig1", GIB);
    (void)snprintf(path, sizeof(path), "%s/sys/class", getenv("UMOCKDEV_DIR"));
    (void)snprintf(aside, sizeof(aside), "%s.aside", path);
    begin("learn", "--yes", NULL);
    await("port of slot A01");
    (void)usb_tree_stick(table.tree, "63-1", "sdrig2", GIB);
    await("port of slot A02");
    assert_int_equal(rename(path, aside), 0);
    put_file(path, "");
    type("\n");
    await("cannot be watched");
    assert_ends(EXIT_NO_DAEMON);
    assert_nothing_written();

    put_file(table.config, "[slot A01]\nusb = 0000:00:15.0/usb2/1\n");
    begin("claim", "--yes", NULL);
    await("cannot be looked at");
    assert_ends(EXIT_NO_DAEMON);
    assert_nothing_written();
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rename(aside, path), 0);
}

static void without_udev_nobody_waits_for_drives(void **state)
{
    (void)state;
    assert_int_equal(unlink(table.udevd), 0);
    begin("learn", NULL, NULL);
    await("udev does not run here");
    assert_ends(EXIT_NO_DAEMON);
    assert_nothing_written();
}

/* The advice is the same command, with all that was given. */
static void who_may_not_write_is_told_what_to_type(void **state)
{
    (void)state;
    char command[3 * PATH_BYTES];

    assert_int_equal(chmod(table.directory, geteuid() == 0 ? 0755 : 0555), 0);
    table.as_nobody = true;
    begin("learn", "--prefix", "my rig's-");
    (void)snprintf(command, sizeof(command),
                   "run `sudo drivepress slots learn --config %s --claim %s --prefix "
                   "'my rig'\\''s-'`",
                   table.config, table.claim);
    await(command);
    assert_ends(EXIT_NO_DAEMON);

    begin("claim", "-y", NULL);
    (void)snprintf(command, sizeof(command),
                   "run `sudo drivepress slots claim --config %s --claim %s -y`", table.config,
                   table.claim);
    await(command);
    assert_ends(EXIT_NO_DAEMON);
    assert_int_equal(chmod(table.directory, 0700), 0);
    assert_nothing_written();
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
        at_table(keyboards_and_the_like_are_never_claimed),
        at_table(slots_of_a_configuration_are_claimed),
        at_table(a_claim_is_shown_and_asked_for),
        at_table(nothing_is_claimed_when_the_ports_cannot_be_looked_at),
        at_table(without_udev_nobody_waits_for_drives),
        at_table(who_may_not_write_is_told_what_to_type),
        at_table(slots_that_break_the_configuration_are_taken_back),
    };
    return cmocka_run_group_tests_name("slots_learn", tests, NULL, NULL);
}
