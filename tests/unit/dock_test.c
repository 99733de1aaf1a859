// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "daemon/dock.h"

#include "tests/unit/image_files.h"

#include <sys/resource.h>
#include <uv.h>

/* The dock on real directories. What it tells is kept as a story, a line per event: "+A01 4096" for
 * a drive that appeared ("start" behind it: from the start; "sim": simulated), "-A01" for one that
 * vanished, "?NAME" for a file that is ignored, "gone" and "back" for the directory. */

enum {
    STORY_LINES_MAX = 16384,
    STORY_LINE_BYTES = 96,
    PATIENCE_MS = 60000, /* only a broken dock needs so long */
    FILE_BYTES = 4096,
};

static uv_loop_t loop;
static uv_timer_t patience;
static bool out_of_patience;
static struct dock *dock;
static char directory[PATH_MAX];
static char (*story)[STORY_LINE_BYTES];
static size_t story_count;
static char last_path[PATH_MAX];
static bool close_at_first_event;

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    va_list arguments;

    assert_true(story_count < STORY_LINES_MAX);
    va_start(arguments, format);
    (void)vsnprintf(story[story_count++], STORY_LINE_BYTES, format, arguments);
    va_end(arguments);
    if (close_at_first_event && dock != NULL) {
        dock_close(dock);
        dock = NULL;
    }
}

static void on_appeared(void *context, const struct dock_drive *drive)
{
    assert_ptr_equal(context, &dock);
    (void)snprintf(last_path, sizeof(last_path), "%s", drive->path);
    tell("+%.40s %llu%s%s", drive->name, (unsigned long long)drive->capacity_bytes,
         drive->simulated ? " sim" : "", drive->from_start ? " start" : "");
}

static void on_vanished(void *context, const char *name)
{
    assert_ptr_equal(context, &dock);
    tell("-%.40s", name);
}

static void on_ignored(void *context, const char *name, const char *reason)
{
    assert_ptr_equal(context, &dock);
    assert_true(reason[0] != '\0');
    tell("?%.40s", name);
}

static void on_directory(void *context, bool there)
{
    assert_ptr_equal(context, &dock);
    tell("%s", there ? "back" : "gone");
}

static void on_patience(uv_timer_t *timer)
{
    (void)timer;
    out_of_patience = true;
}

static void open_dock(void)
{
    const struct dock_events events = {.context = &dock,
                                       .appeared = on_appeared,
                                       .vanished = on_vanished,
                                       .ignored = on_ignored,
                                       .directory = on_directory};
    char reason[256];

    dock = dock_open(&loop, directory, &events, reason);
    assert_non_null(dock);
}

static int setup(void **state)
{
    if (files_setup(state) != 0 || mkdir("dock", 0755) != 0 || mkdir("aside", 0755) != 0 ||
        realpath("dock", directory) == NULL)
        return -1;
    story = calloc(STORY_LINES_MAX, sizeof(*story));
    story_count = 0;
    dock = NULL;
    out_of_patience = false;
    close_at_first_event = false;
    return story != NULL && uv_loop_init(&loop) == 0 && uv_timer_init(&loop, &patience) == 0 &&
                   uv_timer_start(&patience, on_patience, PATIENCE_MS, 0) == 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    size_t told = story_count;

    if (dock != NULL)
        dock_close(dock);
    uv_close((uv_handle_t *)&patience, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    free(story);
    /* Closing tells nothing. */
    return uv_loop_close(&loop) == 0 && story_count == told ? files_teardown(state) : -1;
}

/* Runs the loop until the story has this many lines. */
static void wait_for(size_t lines)
{
    while (story_count < lines && !out_of_patience)
        (void)uv_run(&loop, UV_RUN_ONCE);
    if (story_count < lines)
        fail_msg("line %zu did not come; the last one: %s", lines,
                 story_count > 0 ? story[story_count - 1] : "none");
}

/* The story goes on with these lines and no others, as far as is known when a file comes that was
 * put into the dock just now. When it was linked there, and so has to settle, whatever came before
 * it had its time to settle too. */
static void expect_story(const char *const *lines, int (*put)(const char *from, const char *to))
{
    size_t count = 0;

    while (lines[count] != NULL)
        count++;
    files_write("aside/fence", "x", 1);
    assert_int_equal(put("aside/fence", "dock/fence"), 0);
    while (!out_of_patience &&
           (story_count == 0 || strcmp(story[story_count - 1], "+fence 1") != 0))
        (void)uv_run(&loop, UV_RUN_ONCE);
    for (size_t i = 0; i < count && i < story_count; i++)
        assert_string_equal(story[i], lines[i]);
    if (story_count != count + 1)
        fail_msg("the story has %zu lines, not %zu; line %zu is %s", story_count, count + 1,
                 count + 1, story_count > count ? story[count] : "missing");
    assert_int_equal(unlink("dock/fence"), 0);
    wait_for(count + 2);
    assert_string_equal(story[count + 1], "-fence");
    story_count = 0;
}

#define EXPECT_STORY(...)            expect_story((const char *const[]){__VA_ARGS__, NULL}, rename)
#define EXPECT_STORY_TO_THE_END(...) expect_story((const char *const[]){__VA_ARGS__, NULL}, link)
#define EXPECT_SILENCE()             expect_story((const char *const[]){NULL}, link)

/* Makes a file of FILE_BYTES somewhere. */
static void make_file(const char *path)
{
    static const char data[FILE_BYTES];
    files_write(path, data, sizeof(data));
}

static void move(const char *from, const char *to)
{
    assert_int_equal(rename(from, to), 0);
}

static void files_that_are_there_are_drives_at_once_and_in_order(void **state)
{
    (void)state;
    make_file("dock/A10");
    make_file("dock/A2");
    make_file("dock/sim");
    files_write("dock/A2.sim", "", 0);
    files_write("dock/empty", "", 0);
    open_dock();
    assert_int_equal(story_count, 3);
    EXPECT_STORY("+A2 4096 sim start", "+A10 4096 start", "+sim 4096 start");
}

static void the_path_leads_to_the_file(void **state)
{
    char expected[PATH_MAX + 8];

    (void)state;
    make_file("dock/A01");
    open_dock();
    (void)snprintf(expected, sizeof(expected), "%s/A01", directory);
    assert_string_equal(last_path, expected);
    EXPECT_STORY("+A01 4096 start");
}

static void a_file_that_is_written_and_closed_is_a_drive(void **state)
{
    (void)state;
    open_dock();
    make_file("dock/A01");
    wait_for(1);
    EXPECT_STORY("+A01 4096");
}

static void a_file_that_gets_its_size_in_steps_is_one_drive(void **state)
{
    (void)state;
    open_dock();
    int fd = open("dock/A01", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    EXPECT_SILENCE(); /* empty */
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    /* Nobody closes it: it is a drive when its size does not change any more. */
    wait_for(1);
    EXPECT_STORY("+A01 1048576");
    assert_int_equal(close(fd), 0);
    EXPECT_SILENCE();
}

/* Makes the file grow for a while, so that the dock sees the same size more than once. */
struct growth {
    uv_timer_t timer;
    int fd;
    off_t bytes;
    int steps;
};

static void on_growth(uv_timer_t *timer)
{
    struct growth *growth = timer->data;

    growth->bytes += FILE_BYTES;
    assert_int_equal(ftruncate(growth->fd, growth->bytes), 0);
    if (--growth->steps == 0)
        uv_close((uv_handle_t *)timer, NULL);
}

static void a_file_that_grows_is_no_drive_before_it_settles(void **state)
{
    struct growth growth = {.steps = 5};

    (void)state;
    open_dock();
    growth.fd = open("dock/A01", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(growth.fd >= 0);
    assert_int_equal(uv_timer_init(&loop, &growth.timer), 0);
    growth.timer.data = &growth;
    assert_int_equal(uv_timer_start(&growth.timer, on_growth, 250, 250), 0);
    wait_for(1);
    EXPECT_STORY("+A01 20480");
    assert_int_equal(growth.steps, 0);
    assert_int_equal(close(growth.fd), 0);
}

static void only_its_own_writer_finishes_a_file(void **state)
{
    (void)state;
    make_file("dock/A01");
    open_dock();
    int old_fd = open("dock/A01", O_RDWR | O_CLOEXEC);
    assert_int_equal(unlink("dock/A01"), 0);
    int fd = open("dock/A01", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(old_fd >= 0 && fd >= 0);
    assert_int_equal(ftruncate(fd, 100), 0);
    assert_int_equal(close(old_fd), 0); /* of the file that had this name */
    EXPECT_STORY("+A01 4096 start", "-A01");
    assert_int_equal(close(fd), 0);
    EXPECT_STORY("+A01 100");
}

static void an_empty_file_waits_until_it_has_a_size(void **state)
{
    (void)state;
    files_write("dock/A01", "", 0);
    open_dock();
    files_write("dock/A02", "", 0);
    EXPECT_SILENCE();
    /* By its path: nobody opens or closes it. */
    assert_int_equal(truncate("dock/A01", 10), 0);
    wait_for(1);
    EXPECT_STORY("+A01 10");
}

static void a_file_that_is_moved_or_linked_in_is_a_drive(void **state)
{
    (void)state;
    make_file("aside/one");
    open_dock();
    move("aside/one", "dock/A01");
    wait_for(1);
    assert_int_equal(link("dock/A01", "dock/A02"), 0);
    wait_for(2);
    EXPECT_STORY("+A01 4096", "+A02 4096");
}

static void a_file_that_goes_is_pulled(void **state)
{
    (void)state;
    make_file("dock/A01");
    make_file("dock/A02");
    make_file("dock/A03");
    open_dock();
    /* Also while somebody has it open. */
    int fd = open("dock/A01", O_RDWR | O_CLOEXEC);
    assert_int_equal(unlink("dock/A01"), 0);
    move("dock/A02", "aside/A02");
    move("dock/A03", "dock/A04");
    EXPECT_STORY("+A01 4096 start", "+A02 4096 start", "+A03 4096 start", "-A01", "-A02", "-A03",
                 "+A04 4096");
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(close(fd), 0);
    EXPECT_SILENCE();
}

static void a_file_in_the_place_of_another_is_another_drive(void **state)
{
    (void)state;
    make_file("dock/A01");
    files_write("aside/new", "new", 3);
    open_dock();
    move("aside/new", "dock/A01");
    wait_for(3);
    /* Away and back is another one too: nobody knows what was done to it meanwhile. */
    move("dock/A01", "aside/A01");
    move("aside/A01", "dock/A01");
    wait_for(5);
    /* So it is when the file's number is used again. */
    assert_int_equal(unlink("dock/A01"), 0);
    make_file("dock/A01");
    EXPECT_STORY("+A01 4096 start", "-A01", "+A01 3", "-A01", "+A01 3", "-A01", "+A01 4096");
}

static void what_is_no_regular_file_is_no_drive(void **state)
{
    (void)state;
    make_file("aside/file");
    assert_int_equal(mkdir("dock/B01", 0755), 0);
    open_dock();
    assert_int_equal(symlink("../aside/file", "dock/A01"), 0);
    assert_int_equal(mkfifo("dock/A02", 0644), 0);
    assert_int_equal(mkdir("dock/A03", 0755), 0);
    make_file("dock/A03/file");
    make_file("dock/.A04");
    make_file("dock/A05.sim");
    EXPECT_SILENCE();
}

static void a_link_in_the_place_of_a_drive_pulls_it(void **state)
{
    (void)state;
    make_file("dock/A01");
    assert_int_equal(symlink("A02", "aside/link"), 0);
    open_dock();
    move("aside/link", "dock/A01");
    EXPECT_STORY("+A01 4096 start", "-A01");
}

static void a_description_makes_it_simulated(void **state)
{
    (void)state;
    open_dock();
    make_file("aside/A01");
    files_write("dock/A01.sim", "capacity = 1M\n", 14);
    move("aside/A01", "dock/A01");
    wait_for(1);
    EXPECT_STORY("+A01 4096 sim");
}

static void a_name_that_cannot_be_a_slots_is_told_of_once(void **state)
{
    (void)state;
    make_file("dock/two words");
    open_dock();
    make_file("dock/two words");
    assert_int_equal(truncate("dock/two words", 1 << 20), 0);
    make_file("dock/a#b");
    wait_for(2);
    assert_int_equal(unlink("dock/a#b"), 0);
    EXPECT_STORY_TO_THE_END("?two words", "?a#b");
}

static void our_own_work_on_a_drive_is_no_news(void **state)
{
    (void)state;
    make_file("dock/A01");
    open_dock();
    for (int i = 0; i < 10; i++) {
        int fd = open("dock/A01", O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "data", 4, 100), 4);
        assert_int_equal(fsync(fd), 0);
        assert_int_equal(close(fd), 0);
    }
    EXPECT_STORY_TO_THE_END("+A01 4096 start");
}

static void a_directory_that_goes_takes_its_drives_along(void **state)
{
    (void)state;
    make_file("dock/A01");
    open_dock();
    move("dock", "away");
    wait_for(3);
    make_file("away/A02"); /* not ours any more */
    assert_int_equal(mkdir("dock", 0755), 0);
    wait_for(4);
    make_file("dock/A03");
    wait_for(5);
    EXPECT_STORY("+A01 4096 start", "-A01", "gone", "back", "+A03 4096");

    assert_int_equal(unlink("dock/A03") | rmdir("dock"), 0);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(story_count, 2); /* at once, without a look */
    make_file("away/A04");
    move("away", "dock");
    wait_for(6);
    /* Nobody saw these files come. */
    EXPECT_STORY("-A03", "gone", "back", "+A01 4096 start", "+A02 4096 start", "+A04 4096 start");
}

static void a_directory_whose_parent_was_moved_is_gone(void **state)
{
    (void)state;
    assert_int_equal(mkdir("dock/inner", 0755), 0);
    make_file("dock/inner/A01");
    (void)strcat(directory, "/inner");
    open_dock();
    move("dock", "away");
    wait_for(3);
    assert_string_equal(story[1], "-A01");
    assert_string_equal(story[2], "gone");
    story_count = 0;
    move("away", "dock");
    wait_for(2);
    assert_string_equal(story[0], "back");
    assert_string_equal(story[1], "+A01 4096 start");
}

static void what_was_there_while_it_could_not_be_read_is_from_the_start(void **state)
{
    struct rlimit usual;

    (void)state;
    make_file("dock/A01");
    files_write("dock/empty", "", 0);
    make_file("aside/A02");
    /* Room for one more descriptor: the messages', not the directory's. */
    int next_fd = dup(STDIN_FILENO);
    assert_true(next_fd >= 0 && close(next_fd) == 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    const struct rlimit tight = {.rlim_cur = (rlim_t)next_fd + 1, .rlim_max = usual.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    open_dock();
    assert_int_equal(story_count, 0);
    move("aside/A02", "dock/A02"); /* while it is watched */
    wait_for(1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    wait_for(2);
    assert_int_equal(truncate("dock/empty", 10), 0);
    wait_for(3);
    EXPECT_STORY("+A02 4096", "+A01 4096 start", "+empty 10");
}

static long messages_max(void)
{
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
    char text[32] = "";

    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    (void)fclose(file);
    return strtol(text, NULL, 10);
}

static void lost_messages_lead_to_another_reading(void **state)
{
    (void)state;
    make_file("dock/gone");
    make_file("dock/same");
    make_file("dock/other");
    make_file("aside/file");
    open_dock();
    /* Fills the queue while nobody reads it. */
    for (long i = 0; i <= messages_max() / 2; i++)
        assert_int_equal(link("aside/file", "dock/.x") | unlink("dock/.x"), 0);
    assert_int_equal(unlink("dock/gone"), 0);
    move("aside/file", "dock/other");
    make_file("dock/new");
    wait_for(7);
    EXPECT_STORY("+gone 4096 start", "+other 4096 start", "+same 4096 start", "-other", "-gone",
                 "+new 4096", "+other 4096");
}

static void too_many_files_are_left_out_until_there_is_room(void **state)
{
    enum { MANY = 4100 };
    char path[64];
    size_t drives = 0;
    size_t complaints = 0;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(path, sizeof(path), "dock/%d", i);
        files_write(path, "x", 1);
    }
    open_dock();
    make_file("dock/late");
    for (size_t i = 0; i < story_count; i++) {
        drives += story[i][0] == '+' ? 1 : 0;
        complaints += story[i][0] == '?' ? 1 : 0;
    }
    assert_int_equal(drives, 4096);
    assert_int_equal(complaints, 1);
    story_count = 0;

    for (int i = 0; i < MANY; i++) {
        (void)snprintf(path, sizeof(path), "dock/%d", i);
        assert_int_equal(unlink(path), 0);
    }
    wait_for(4097);
    /* It may have been there all the time. */
    assert_string_equal(story[4096], "+late 4096 start");
    story_count = 0;
    make_file("dock/new");
    EXPECT_STORY("+new 4096");
}

static void it_can_be_closed_from_inside_an_event(void **state)
{
    (void)state;
    open_dock();
    close_at_first_event = true;
    make_file("dock/A01");
    make_file("dock/A02");
    wait_for(1);
    assert_null(dock);
    (void)uv_timer_stop(&patience);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(story_count, 1);
}

static void what_cannot_be_watched_is_refused_with_a_reason(void **state)
{
    const struct dock_events events = {0};
    char reason[256] = "";
    char path[PATH_MAX + 16];

    (void)state;
    (void)snprintf(path, sizeof(path), "%s/none", directory);
    assert_null(dock_open(&loop, path, &events, reason));
    assert_non_null(strstr(reason, "No such file"));
    make_file("dock/file");
    (void)snprintf(path, sizeof(path), "%s/file", directory);
    assert_null(dock_open(&loop, path, &events, reason));
    assert_non_null(strstr(reason, "Not a directory"));
    assert_null(dock_open(&loop, "dock", &events, reason));
    assert_non_null(strstr(reason, "absolute"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    static const struct CMUnitTest tests[] = {
        TEST(files_that_are_there_are_drives_at_once_and_in_order),
        TEST(the_path_leads_to_the_file),
        TEST(a_file_that_is_written_and_closed_is_a_drive),
        TEST(a_file_that_gets_its_size_in_steps_is_one_drive),
        TEST(a_file_that_grows_is_no_drive_before_it_settles),
        TEST(only_its_own_writer_finishes_a_file),
        TEST(an_empty_file_waits_until_it_has_a_size),
        TEST(a_file_that_is_moved_or_linked_in_is_a_drive),
        TEST(a_file_that_goes_is_pulled),
        TEST(a_file_in_the_place_of_another_is_another_drive),
        TEST(what_is_no_regular_file_is_no_drive),
        TEST(a_link_in_the_place_of_a_drive_pulls_it),
        TEST(a_description_makes_it_simulated),
        TEST(a_name_that_cannot_be_a_slots_is_told_of_once),
        TEST(our_own_work_on_a_drive_is_no_news),
        TEST(a_directory_that_goes_takes_its_drives_along),
        TEST(a_directory_whose_parent_was_moved_is_gone),
        TEST(what_was_there_while_it_could_not_be_read_is_from_the_start),
        TEST(lost_messages_lead_to_another_reading),
        TEST(too_many_files_are_left_out_until_there_is_room),
        TEST(it_can_be_closed_from_inside_an_event),
        TEST(what_cannot_be_watched_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
