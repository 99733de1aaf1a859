// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "lib/base/units.h"

#include "tests/unit/config_files.h"

/* The configuration as an administrator meets it: files, and what is said of mistakes. */

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

    /* What is kept is all of these and nothing else. */
    loaded->capacity_min_bytes = 7;
    config_keep_fixed(loaded, running);
    config_needs_restart(running, loaded, text, sizeof(text));
    assert_string_equal(text, "");
    assert_int_equal(loaded->capacity_min_bytes, 7);
    free(loaded);
    free(running);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        TEST(an_empty_file_gives_the_defaults),
        TEST(every_key_is_read),
        TEST(words_mean_the_defaults),
        TEST(drop_ins_are_read_by_name_and_the_last_one_counts),
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
        TEST(the_dock_holds_nothing_of_ours),
        TEST(keys_that_need_a_restart_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
