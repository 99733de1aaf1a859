// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/units.h"
#include "lib/config/config.h"

#include "tests/unit/image_files.h"

/* The configuration as an administrator meets it: files in a directory, and what is said of
 * mistakes. Each test has an empty directory; its files are main.conf and conf.d/. */

#define MAIN "main.conf"

static struct config_complaints complaints;

static void write_text(const char *path, const char *text)
{
    files_write(path, text, strlen(text));
}

static void write_drop_in(const char *name, const char *text)
{
    char path[64];

    (void)mkdir("conf.d", 0755);
    (void)snprintf(path, sizeof(path), "conf.d/%s", name);
    write_text(path, text);
}

/* Loads main.conf, which must be without a mistake. */
static struct config *load(void)
{
    struct config *config = config_load(MAIN, &complaints);

    if (config == NULL)
        print_message("# %s\n", complaints.items[0]);
    assert_non_null(config);
    assert_int_equal(complaints.count, 0);
    return config;
}

static struct config *load_text(const char *text)
{
    write_text(MAIN, text);
    return load();
}

static bool was_said(const char *complaint)
{
    for (unsigned i = 0; i < complaints.count && i < CONFIG_COMPLAINTS_MAX; i++) {
        if (strcmp(complaints.items[i], complaint) == 0)
            return true;
    }
    return false;
}

/* What is on disk is refused, with this complaint among others. */
static void expect_complaint(const char *complaint)
{
    assert_null(config_load(MAIN, &complaints));
    if (!was_said(complaint)) {
        print_message("# not said: %s\n", complaint);
        for (unsigned i = 0; i < complaints.count && i < CONFIG_COMPLAINTS_MAX; i++)
            print_message("#     said: %s\n", complaints.items[i]);
        fail();
    }
}

/* A text is refused with exactly this complaint. */
static void expect_only(const char *text, const char *complaint)
{
    write_text(MAIN, text);
    expect_complaint(complaint);
    assert_int_equal(complaints.count, 1);
}

static void an_empty_file_gives_the_defaults(void **state)
{
    (void)state;
    struct config *config = load_text("# nothing\n\n; at all\n");
    struct config *defaults = config_defaults();
    char restart[256];
    char host[64] = "";

    assert_string_equal(config->state, "/var/lib/drivepress");
    assert_string_equal(config->runtime, "/run/drivepress");
    assert_string_equal(config->images, "/var/lib/drivepress/images");
    assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
    assert_string_equal(config->rig, host);
    assert_string_equal(config->dock, "");
    assert_int_equal(config->slots_max, 64);
    assert_int_equal(config->pool_bytes, 0);
    assert_false(config->arm_on_start);
    assert_string_equal(config->image, "auto");
    assert_int_equal(config->mode, MODE_WRITE);
    assert_int_equal(config->capacity_min_bytes, 0);
    assert_int_equal(config->capacity_max_bytes, 0);
    assert_int_equal(config->stall_ms, 30000);
    assert_int_equal(config->window, 2);
    assert_int_equal(config->engine, ENGINE_AUTO);
    assert_int_equal(config->layout.count, 0);
    config_needs_restart(config, defaults, restart, sizeof(restart));
    assert_string_equal(restart, "");
    free(config);
    free(defaults);
}

static void every_key_is_read(void **state)
{
    (void)state;
    struct config *config = load_text("[paths]\n"
                                      "state = /srv/press/\n"
                                      "runtime = /tmp//press\n"
                                      "[rig] # comment\n"
                                      "name = Großer Tisch ; the one by the window\n"
                                      "dock = /srv/dock\n"
                                      "  slots: 256\n"
                                      "[pool] ; comment\r\n"
                                      "size = 512M\r\n"
                                      "[policy]\n"
                                      "arm_on_start=yes\n"
                                      "image = films-2026\n"
                                      "mode = verify\n"
                                      "min_size = 1GB\n"
                                      "max_size = 64GB\n"
                                      "stall_timeout = 86400\n"
                                      "window = 4\n"
                                      "engine = threads");
    assert_string_equal(config->state, "/srv/press");
    assert_string_equal(config->runtime, "/tmp/press");
    assert_string_equal(config->images, "/srv/press/images");
    assert_string_equal(config->rig, "Großer Tisch");
    assert_string_equal(config->dock, "/srv/dock");
    assert_int_equal(config->slots_max, 256);
    assert_int_equal(config->pool_bytes, 512 * MIB);
    assert_true(config->arm_on_start);
    assert_string_equal(config->image, "films-2026");
    assert_int_equal(config->mode, MODE_VERIFY);
    assert_int_equal(config->capacity_min_bytes, 1000000000);
    assert_int_equal(config->capacity_max_bytes, UINT64_C(64000000000));
    assert_int_equal(config->stall_ms, 86400000);
    assert_int_equal(config->window, 4);
    assert_int_equal(config->engine, ENGINE_THREADS);
    free(config);
}

static void words_mean_the_defaults(void **state)
{
    (void)state;
    write_text(MAIN, "[paths]\nimages = /srv/images\n[rig]\ndock = /srv/dock\n[pool]\nsize = 1G\n"
                     "[policy]\nmax_size = 1G\nimage = films\nmode = verify\nengine = threads\n");
    write_drop_in("90-back.conf", "[rig]\ndock = none\n[pool]\nsize = auto\n[policy]\n"
                                  "max_size = none\nimage = auto\nmode = write\nengine = auto\n");
    struct config *config = load();
    assert_string_equal(config->images, "/srv/images");
    assert_string_equal(config->dock, "");
    assert_int_equal(config->pool_bytes, 0);
    assert_int_equal(config->capacity_max_bytes, 0);
    assert_string_equal(config->image, "auto");
    assert_int_equal(config->mode, MODE_WRITE);
    assert_int_equal(config->engine, ENGINE_AUTO);
    free(config);
}

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

static void drop_ins_are_read_by_name_and_the_last_one_counts(void **state)
{
    (void)state;
    write_text(MAIN, "[rig]\nname = main\nslots = 1\n[policy]\nwindow = 1\n");
    write_drop_in("10-b.conf", "[rig]\nname = b\n");
    write_drop_in("10-a.conf", "[rig]\nname = a\nslots = 2\n");
    static const char order[] = "hcagebdf";
    for (size_t i = 0; i < strlen(order); i++) {
        char name[16];
        char text[64];
        (void)snprintf(name, sizeof(name), "50-%c.conf", order[i]);
        (void)snprintf(text, sizeof(text), "[slot %c]\nusb = %c/usb2/1\n", order[i], order[i]);
        write_drop_in(name, text);
    }
    write_drop_in(".hidden.conf", "[nonsense]\n");
    write_drop_in("20-old.conf~", "[nonsense]\n");
    struct config *config = load();
    assert_string_equal(config->rig, "b");
    assert_int_equal(config->slots_max, 2);
    assert_int_equal(config->window, 1);
    assert_int_equal(config->layout.count, strlen(order));
    for (size_t i = 0; i < strlen(order); i++)
        assert_int_equal(config->layout.slots[i].name[0], "abcdefgh"[i]);
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

static void a_missing_main_file_is_an_error_only_if_it_was_named(void **state)
{
    (void)state;
    expect_complaint("main.conf: this file cannot be read: No such file or directory");
    assert_int_equal(complaints.count, 1);
}

static void only_regular_files_of_a_bounded_size_are_read(void **state)
{
    (void)state;
    write_text(MAIN, "");
    assert_int_equal(mkdir("conf.d", 0755), 0);
    assert_int_equal(mkdir("conf.d/a.conf", 0755), 0);
    assert_int_equal(mkfifo("conf.d/b.conf", 0644), 0);
    char *large = malloc(CONFIG_FILE_BYTES_MAX + 1);
    assert_non_null(large);
    memset(large, '\n', CONFIG_FILE_BYTES_MAX + 1);
    files_write("conf.d/c.conf", large, CONFIG_FILE_BYTES_MAX + 1);
    expect_complaint("conf.d/a.conf: this is not a regular file");
    expect_complaint("conf.d/b.conf: this is not a regular file");
    expect_complaint("conf.d/c.conf: this file is too large; allowed: 1048576 bytes");
    assert_int_equal(complaints.count, 3);

    assert_int_equal(remove("conf.d/a.conf") | remove("conf.d/b.conf"), 0);
    files_write("conf.d/c.conf", large, CONFIG_FILE_BYTES_MAX);
    free(large);
    free(load());
}

static void too_many_drop_ins_are_refused(void **state)
{
    (void)state;
    write_text(MAIN, "");
    for (int i = 0; i < CONFIG_DROP_INS_MAX; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "%03d.conf", i);
        write_drop_in(name, "[rig]\nslots = 3\n");
    }
    free(load());
    write_drop_in("one-more.conf", "");
    expect_complaint("conf.d: there are too many files; allowed: 256");
}

static void unknown_sections_and_keys_are_named_with_what_is_allowed(void **state)
{
    (void)state;
    expect_only("\n[police]\nwindow = 3\n",
                "main.conf:2: [police]: there is no such section; allowed: [paths], [rig], [pool], "
                "[policy], [slot NAME]");
    expect_only("[rig]\n\ndok = /x\n",
                "main.conf:3: [rig] dok: there is no such key; allowed: name, dock, slots");
    expect_only("[slot A01]\nusb = a/usb2/1\ncolumn = 2\n",
                "main.conf:3: [slot A01] column: there is no such key; allowed: usb, mmc, lun, "
                "row, col");
    expect_only("window = 3\n", "main.conf:1: window: keys belong into a section; allowed: "
                                "[paths], [rig], [pool], [policy], [slot NAME]");
}

static void bad_values_are_named_with_what_is_allowed(void **state)
{
    (void)state;
    expect_only("[policy]\nmode = erase\n",
                "main.conf:2: [policy] mode: \"erase\" is not a mode; allowed: write+verify, write "
                "(the same), verify");
    expect_only("[policy]\nwindow = 5\n",
                "main.conf:2: [policy] window: \"5\" is not a number in range; allowed: 1 to 4");
    expect_only("[policy]\nstall_timeout = 30s\n",
                "main.conf:2: [policy] stall_timeout: \"30s\" is not a number of seconds; allowed: "
                "1 to 86400");
    expect_only("[policy]\narm_on_start = true\n",
                "main.conf:2: [policy] arm_on_start: \"true\" is not an answer; allowed: yes, no");
    expect_only("[policy]\nengine = uring\n",
                "main.conf:2: [policy] engine: \"uring\" is not an engine; allowed: auto, "
                "io_uring, threads");
    expect_only("[pool]\nsize = 2 GB\n",
                "main.conf:2: [pool] size: \"2 GB\" is not a size; allowed: auto, or bytes such as "
                "4096, 512M, 2GiB or 8GB");
    expect_only("[policy]\nimage = ../x\n",
                "main.conf:2: [policy] image: \"../x\" is not an image; allowed: auto, or a name "
                "of the catalogue (letters, digits and ._-, not beginning with . or -)");
    expect_only("[rig]\nname =\n",
                "main.conf:2: [rig] name: \"\" is not a name; allowed: 1 to 63 bytes that can be "
                "shown");
}

/* Each of these values of a key is refused. */
static void refuse_values(const char *section, const char *key, const char *const *values)
{
    for (; *values != NULL; values++) {
        char text[512];
        (void)snprintf(text, sizeof(text), "[%s]\n%s = %s\n", section, key, *values);
        write_text(MAIN, text);
        if (config_load(MAIN, &complaints) != NULL)
            fail_msg("accepted: %s", text);
    }
}

static void limits_of_values_hold(void **state)
{
    (void)state;
    static const char *const directories[] = {
        "", "srv/dock", "/srv/../etc", "/srv/./x", "/srv/dock # comment", NULL};
    static const char *const counts[] = {"0", "257", "-1", "+1", "1K", "0x10", "1.5", "", NULL};
    static const char *const sizes[] = {"0",         "none", "-1", "18446744073709551616",
                                        "16777216T", NULL};
    static const char *const runtimes[] = {
        "/0123456789012345678901234567890123456789012345678901234567890123456789"
        "0123456789012345678901",
        NULL};
    static const char *const rigs[] = {
        "a\xE2\x80\xAE"
        "b",
        "0123456789012345678901234567890123456789012345678901234567890123", NULL};

    refuse_values("paths", "state", directories);
    refuse_values("rig", "dock", directories);
    refuse_values("rig", "slots", counts);
    refuse_values("pool", "size", sizes);
    refuse_values("paths", "runtime", runtimes);
    refuse_values("rig", "name", rigs);
    /* A byte less fits a socket's address. */
    free(load_text("[paths]\nruntime = /012345678901234567890123456789012345678901234567890123456"
                   "789012345678901234567890123456789\n"));
}

static void sizes_of_drives_must_leave_something(void **state)
{
    (void)state;
    write_text(MAIN, "[policy]\nmin_size = 8GB\nmax_size = 4GB\n");
    expect_complaint("main.conf:3: [policy] max_size: 4000000000 is not as much as min_size; "
                     "allowed: none, or at least 8000000000");
    free(load_text("[policy]\nmin_size = 8GB\nmax_size = 8GB\n"));
}

static void a_key_is_given_once_in_a_file(void **state)
{
    (void)state;
    expect_only("[rig]\nname = a\n[policy]\n[rig]\nname = a\n",
                "main.conf:5: [rig] name: \"a\" is given twice in this file; allowed: once (see "
                "line 2)");
    expect_only("[slot A01]\nlun = 1\nlun = 2\nusb = a/usb2/1\n",
                "main.conf:3: [slot A01] lun: \"2\" is given twice in this file; allowed: once "
                "(see line 2)");
    expect_only("[slot A01]\nusb = a/usb2/1\n\n[slot A01]\nusb = a/usb2/2\n",
                "main.conf:4: [slot A01]: it is given twice in this file; allowed: once (see line "
                "1)");
}

static void lines_that_are_not_understood_are_named(void **state)
{
    (void)state;
    expect_only("[rig]\nname = a\nwhat\nslots = 3\n",
                "main.conf:3: not a line of the form key = value");
    expect_only("[rig\nname = a\n",
                "main.conf:1: \"[rig\" is not a section; allowed: [NAME], alone on its line");
    expect_only("[rig] name = a\n",
                "main.conf:1: \"[rig] name = a\" is not a section; allowed: [NAME], alone on its "
                "line");
    expect_only("[rig]\nname = one\n two\n", "main.conf:3: not a line of the form key = value");
    write_text(MAIN, "nonsense\n[rig]\nalso nonsense\n[x\n");
    assert_null(config_load(MAIN, &complaints));
    assert_int_equal(complaints.count, 3);
}

static void a_line_that_inih_would_cut_is_refused(void **state)
{
    (void)state;
    char text[512];
    char comment[CONFIG_LINE_BYTES_MAX + 2];

    memset(comment, '#', sizeof(comment));
    (void)snprintf(text, sizeof(text), "\n%.*s\n[rig]\nwindow = 1\n", CONFIG_LINE_BYTES_MAX + 1,
                   comment);
    write_text(MAIN, text);
    expect_complaint("main.conf:2: the line is longer than 198 bytes");
    /* The lines behind it keep their numbers. */
    expect_complaint("main.conf:4: [rig] window: there is no such key; allowed: name, dock, slots");
    (void)snprintf(text, sizeof(text), "%.*s\n[rig]\nslots = 3\n", CONFIG_LINE_BYTES_MAX, comment);
    free(load_text(text));
}

static void only_text_is_read(void **state)
{
    (void)state;
    expect_only("[rig]\nname = Gro\xDF\x65r Tisch\n",
                "main.conf:2: name: \"Gro?er Tisch\" is not text; allowed: UTF-8 without control "
                "characters");
    expect_only("[rig]\nname = \033[31mred\n", "main.conf:2: name: \"?[31mred\" is not text; "
                                               "allowed: UTF-8 without control characters");
    files_write(MAIN, "[rig]\nname = a\0b\n", 17);
    expect_complaint("main.conf:2: the line has a zero byte: this is no text");
    free(load_text("\xEF\xBB\xBF[rig]\n# Gro\xDF\nname = a\n"));
}

static void every_complaint_is_collected_and_the_further_ones_counted(void **state)
{
    (void)state;
    char text[1024] = "[rig]\n";

    write_text(MAIN, "[rig]\nslots = 0\n[policy]\nmode = x\n");
    write_drop_in("a.conf", "[pool]\nsize = x\n");
    assert_null(config_load(MAIN, &complaints));
    assert_int_equal(complaints.count, 3);
    assert_true(strncmp(complaints.items[0], "main.conf:2: ", 13) == 0);
    assert_true(strncmp(complaints.items[1], "main.conf:4: ", 13) == 0);
    assert_true(strncmp(complaints.items[2], "conf.d/a.conf:2: ", 17) == 0);

    for (int i = 0; i < 100; i++)
        (void)strcat(text, "x = 1\n");
    write_text("conf.d/a.conf", text);
    assert_null(config_load(MAIN, &complaints));
    assert_int_equal(complaints.count, 102);
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
    expect_only("[slot A/1]\nusb = a/usb2/1\n",
                "main.conf:1: [slot A/1]: \"A/1\" is not a slot's name; allowed: 1 to 31 printable "
                "ASCII characters without blanks and /\\[]\";#=");
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

static void the_dock_holds_nothing_of_ours(void **state)
{
    (void)state;
    static const char allowed[] = "allowed: a directory that holds nothing else, for what is in it "
                                  "is erased";
    char text[2 * PATH_MAX + 64];
    char complaint[CONFIG_COMPLAINT_BYTES];

    (void)snprintf(complaint, sizeof(complaint),
                   "main.conf:4: [rig] dock: \"/srv/p/images/x\" is not apart from [paths] images "
                   "(/srv/p/images); %s",
                   allowed);
    expect_only("[paths]\nstate = /srv/p\n[rig]\ndock = /srv/p/images//x/\n", complaint);
    (void)snprintf(complaint, sizeof(complaint),
                   "main.conf:4: [rig] dock: \"/srv/p\" is not apart from [paths] state (/srv/p); "
                   "%s",
                   allowed);
    expect_only("[rig]\n\n\ndock = /srv/p\n[paths]\nstate = /srv/p/\n", complaint);
    /* Beside the images is well. */
    free(load_text("[paths]\nstate = /srv/p\n[rig]\ndock = /srv/p/images-dock\n"));

    /* Also when a link leads there. */
    char here[PATH_MAX];
    assert_non_null(realpath(".", here));
    assert_int_equal(mkdir("images", 0755), 0);
    assert_int_equal(symlink("images", "dock"), 0);
    (void)snprintf(text, sizeof(text), "[paths]\nimages = %s/images\n[rig]\ndock = %s/dock\n", here,
                   here);
    write_text(MAIN, text);
    assert_null(config_load(MAIN, &complaints));
    assert_int_equal(complaints.count, 1);
}

static void keys_that_need_a_restart_are_told(void **state)
{
    (void)state;
    struct config *running = load_text("");
    struct config *loaded = load_text("[rig]\nname = x\n[policy]\narm_on_start = yes\nimage = x\n"
                                      "mode = verify\nmin_size = 1\nmax_size = 2\n"
                                      "[slot A]\nusb = a/usb2/1\n");
    char text[512];

    config_needs_restart(running, loaded, text, sizeof(text));
    assert_string_equal(text, "");
    free(loaded);
    loaded = load_text("[paths]\nstate = /a\nruntime = /b\n[rig]\ndock = /c\nslots = 3\n"
                       "[pool]\nsize = 1G\n[policy]\nstall_timeout = 3\nwindow = 1\n"
                       "engine = threads\n");
    config_needs_restart(running, loaded, text, sizeof(text));
    assert_string_equal(text,
                        "[paths] state, [paths] runtime, [paths] images, [rig] dock, [rig] slots, "
                        "[pool] size, [policy] stall_timeout, [policy] window, [policy] engine");
    config_needs_restart(running, loaded, text, 20);
    assert_string_equal(text, "[paths] state, [pat");
    free(loaded);
    free(running);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, files_setup, files_teardown)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        TEST(an_empty_file_gives_the_defaults),
        TEST(every_key_is_read),
        TEST(words_mean_the_defaults),
        TEST(slots_are_in_the_order_of_their_names_in_the_files),
        TEST(drop_ins_are_read_by_name_and_the_last_one_counts),
        TEST(a_slot_of_a_later_file_replaces_the_one_before_as_a_whole),
        TEST(a_missing_main_file_is_an_error_only_if_it_was_named),
        TEST(only_regular_files_of_a_bounded_size_are_read),
        TEST(too_many_drop_ins_are_refused),
        TEST(unknown_sections_and_keys_are_named_with_what_is_allowed),
        TEST(bad_values_are_named_with_what_is_allowed),
        TEST(limits_of_values_hold),
        TEST(sizes_of_drives_must_leave_something),
        TEST(a_key_is_given_once_in_a_file),
        TEST(lines_that_are_not_understood_are_named),
        TEST(a_line_that_inih_would_cut_is_refused),
        TEST(only_text_is_read),
        TEST(every_complaint_is_collected_and_the_further_ones_counted),
        TEST(slots_with_trouble_are_named_with_both_places),
        TEST(slots_must_be_whole),
        TEST(there_are_as_many_slots_as_a_rig_can_have),
        TEST(the_dock_holds_nothing_of_ours),
        TEST(keys_that_need_a_restart_are_told),
        TEST(slots_are_read_back_as_they_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
