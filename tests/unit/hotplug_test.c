// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/support.h"

#include "daemon/hotplug.h"
#include "lib/base/clock.h"
#include "tests/support/usb_tree.h"

#include <dlfcn.h>
#include <errno.h>
#include <libudev.h>

/* --- What was told, one word for each event ----------------------------------------------------- */

enum { LOG_BYTES = 8192, WAIT_MS = 20000 };

static struct usb_tree *tree;
static uv_loop_t loop;
static uv_timer_t deadline;
static struct hotplug *hotplug;
static char told[LOG_BYTES];
static unsigned event_count;
static uint64_t last_plugged_ns;
static bool close_at_next;
static bool holding; /* what is told waits to be received */

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    size_t used = strlen(told);
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(told + used, sizeof(told) - used, format, arguments);
    va_end(arguments);
    event_count++;
    if (close_at_next && hotplug != NULL) {
        hotplug_close(hotplug);
        hotplug = NULL;
    }
}

static const char *port_text(const struct port *port)
{
    static char text[PORT_TEXT_BYTES];
    return port_format(port, text);
}

static void on_appeared(void *context, const struct sighting *sighting, uint64_t plugged_ns)
{
    assert_ptr_equal(context, &told);
    last_plugged_ns = plugged_ns;
    tell("+%s@%s%s%s%s\n", sighting->node, port_text(&sighting->port),
         sighting->claimed ? ",ours" : "", sighting->foreign ? ",foreign" : "",
         plugged_ns == 0 ? ",old" : "");
}

static void on_vanished(void *context, const struct sighting *sighting)
{
    (void)context;
    tell("-%s\n", sighting->node);
}

static void on_hub(void *context, const struct layout_hub *hub)
{
    (void)context;
    tell("hub %s:%u\n", port_text(&hub->faces[0]), hub->port_count);
}

static void on_foreign(void *context, const struct port *port, const char *name, bool there)
{
    (void)context;
    tell("%s %s@%s\n", there ? "foreign" : "no", name, port_text(port));
}

static void on_rescanned(void *context)
{
    (void)context;
    tell("rescanned\n");
}

/* --- A loss of messages ------------------------------------------------------------------------- */

/* The monitor's socket is libumockdev's, which holds ten events and never overflows. So what
 * receives from it is replaced: it can drop what there is and say what libudev says then, and it
 * can receive one device again and again. */
static bool lose_all;
static unsigned lost_count;
static struct udev_device *repeated;
static unsigned repeat_count;

struct udev_device *udev_monitor_receive_device(struct udev_monitor *monitor)
{
    static struct udev_device *(*receive)(struct udev_monitor *) = NULL;

    if (repeat_count > 0) {
        repeat_count--;
        return udev_device_ref(repeated);
    }
    if (receive == NULL)
        *(void **)&receive = dlsym(RTLD_NEXT, "udev_monitor_receive_device");
    struct udev_device *device = receive(monitor);
    if (!lose_all || device == NULL)
        return device;
    (void)udev_device_unref(device);
    lost_count++;
    errno = ENOBUFS;
    return NULL;
}

/* --- Running ------------------------------------------------------------------------------------ */

static void late(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happens; told so far:\n%s", told);
}

static int build(void **state)
{
    (void)state;
    tree = usb_tree_new();
    told[0] = '\0';
    event_count = 0;
    lose_all = false;
    lost_count = 0;
    close_at_next = false;
    holding = false;
    return uv_loop_init(&loop) != 0 || uv_timer_init(&loop, &deadline) != 0 ||
           uv_timer_start(&deadline, late, WAIT_MS, 0) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (hotplug != NULL)
        hotplug_close(hotplug);
    hotplug = NULL;
    uv_close((uv_handle_t *)&deadline, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    usb_tree_free(tree);
    return 0;
}

static void receive_told(void)
{
    if (!holding)
        (void)uv_run(&loop, UV_RUN_NOWAIT);
}

/* Starts to listen; from then on the tree tells. */
static void start(void)
{
    static const struct hotplug_events events = {.context = &told,
                                                 .appeared = on_appeared,
                                                 .vanished = on_vanished,
                                                 .hub = on_hub,
                                                 .foreign = on_foreign,
                                                 .rescanned = on_rescanned};
    char reason[256];

    hotplug = hotplug_open(&loop, &events, reason);
    assert_non_null(hotplug);
    usb_tree_listen(tree, receive_told);
}

static void assert_told(const char *expected)
{
    assert_string_equal(told, expected);
    told[0] = '\0';
}

static unsigned count_told(const char *part)
{
    unsigned count = 0;
    for (const char *at = told; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

/* Waits until so much was told that it is as long as what is expected, and compares. */
static void await(const char *expected)
{
    while (strlen(told) < strlen(expected))
        (void)uv_run(&loop, UV_RUN_ONCE);
    assert_told(expected);
}

/* Waits until all that was sent so far has been received, by what is told of a last stick. */
static void await_nothing(void)
{
    (void)usb_tree_stick(tree, "63-2", "sdrig99", GIB);
    await("+/dev/sdrig99@0000:00:15.0/usb2/2\n");
    usb_tree_pull(tree, "63-2");
    await("-/dev/sdrig99\n");
}

/* --- Tests -------------------------------------------------------------------------------------- */

static void what_is_there_at_the_start_is_told_at_once_and_is_old(void **state)
{
    (void)state;
    usb_tree_hub(tree, "61-2", 4);
    (void)usb_tree_stick(tree, "61-2.3", "sdrig1", GIB);
    (void)usb_tree_card(tree, "mmcblk61", GIB);
    start();
    assert_told("hub 0000:00:14.0/usb2/2:4\n"
                "+/dev/sdrig1@0000:00:14.0/usb2/2.3,old\n"
                "+/dev/mmcblk61@0000:00:1f.0/mmc,old\n");
}

static void what_is_plugged_in_later_is_new(void **state)
{
    (void)state;
    start();
    assert_told("");
    usb_tree_claim(tree, "61-1");
    uint64_t before_ns = clock_now_ns();
    (void)usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    await("+/dev/sdrig1@0000:00:14.0/usb2/1,ours\n");
    assert_in_range(last_plugged_ns, before_ns, clock_now_ns());
    (void)usb_tree_card(tree, "mmcblk61", GIB);
    await("+/dev/mmcblk61@0000:00:1f.0/mmc\n");
}

static void plug(const char *node, const char *serial)
{
    usb_tree_device(tree, "61-1");
    usb_tree_property(tree, usb_tree_path(tree, "61-1"), "ID_SERIAL_SHORT", serial);
    usb_tree_interface(tree, "61-1", 0, 0x08);
    (void)usb_tree_disk(tree, "61-1", 0, node, GIB);
}

static void what_is_pulled_vanishes_once_and_another_can_come(void **state)
{
    (void)state;
    plug("sdrig1", "RIG1");
    start();
    await("+/dev/sdrig1@0000:00:14.0/usb2/1,old\n");
    usb_tree_pull(tree, "61-1");
    await("-/dev/sdrig1\n");
    plug("sdrig1", "RIG2");
    await("+/dev/sdrig1@0000:00:14.0/usb2/1\n");
    await_nothing();
}

static void what_drops_off_for_a_moment_is_not_new(void **state)
{
    (void)state;
    plug("sdrig1", "RIG1");
    start();
    await("+/dev/sdrig1@0000:00:14.0/usb2/1,old\n");
    usb_tree_pull(tree, "61-1");
    await("-/dev/sdrig1\n");
    plug("sdrig2", "RIG1");
    await("+/dev/sdrig2@0000:00:14.0/usb2/1,old\n");
}

static void a_hub_with_its_sticks_goes_as_a_whole(void **state)
{
    (void)state;
    start();
    usb_tree_hub(tree, "62-3", 4);
    (void)usb_tree_stick(tree, "62-3.1", "sdrig1", GIB);
    (void)usb_tree_stick(tree, "62-3.2", "sdrig2", GIB);
    await("hub 0000:00:14.0/usb3/3:4\n"
          "+/dev/sdrig1@0000:00:14.0/usb3/3.1\n"
          "+/dev/sdrig2@0000:00:14.0/usb3/3.2\n");
    usb_tree_pull(tree, "62-3");
    await("-/dev/sdrig2\n-/dev/sdrig1\n");
}

static void a_hub_is_told_of_when_it_knows_its_ports(void **state)
{
    (void)state;
    usb_tree_hub(tree, "61-2", 4);
    usb_tree_attribute(tree, usb_tree_path(tree, "61-2"), "maxchild", "0\n");
    start();
    assert_told("");
    usb_tree_attribute(tree, usb_tree_path(tree, "61-2"), "maxchild", "4\n");
    usb_tree_send(tree, usb_tree_path(tree, "61-2"), "bind");
    await("hub 0000:00:14.0/usb2/2:4\n");
}

static void media_come_and_go_in_a_card_reader(void **state)
{
    (void)state;
    usb_tree_device(tree, "61-1");
    usb_tree_interface(tree, "61-1", 0, 0x08);
    const char *left = usb_tree_disk(tree, "61-1", 0, "sdrig1", 0);
    const char *right = usb_tree_disk(tree, "61-1", 1, "sdrig2", GIB);
    start();
    assert_told("+/dev/sdrig2@0000:00:14.0/usb2/1,old\n");
    usb_tree_medium(tree, left, 2 * GIB, 101);
    await("+/dev/sdrig1@0000:00:14.0/usb2/1\n");
    usb_tree_medium(tree, right, 0, 102);
    await("-/dev/sdrig2\n");
    usb_tree_send(tree, left, "change");
    usb_tree_medium(tree, right, GIB, 103); /* it was not read for a moment */
    await("+/dev/sdrig2@0000:00:14.0/usb2/1,old\n");
    usb_tree_medium(tree, right, 0, 104);
    await("-/dev/sdrig2\n");
    usb_tree_medium(tree, right, 2 * GIB, 105);
    await("+/dev/sdrig2@0000:00:14.0/usb2/1\n");
}

static void a_stick_that_udev_marks_later_is_taken_in_then(void **state)
{
    (void)state;
    const char *disk = usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    start();
    assert_told("+/dev/sdrig1@0000:00:14.0/usb2/1,old\n");
    usb_tree_property(tree, disk, "DRIVEPRESS_PORT", "0000:00:14.0/usb2/1");
    usb_tree_send(tree, disk, "change");
    await("-/dev/sdrig1\n+/dev/sdrig1@0000:00:14.0/usb2/1,ours,old\n");
}

static void partitions_and_other_disks_are_nobodys_business(void **state)
{
    (void)state;
    const char *disk = usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    (void)usb_tree_partition(tree, disk, "sdrig1p1");
    start();
    assert_told("+/dev/sdrig1@0000:00:14.0/usb2/1,old\n");
    (void)usb_tree_partition(tree, disk, "sdrig1p2");
    (void)usb_tree_block(tree, "/sys/devices/virtual/block", "loop61", GIB);
    await_nothing();
}

static void a_keyboard_in_a_claimed_port_is_told_of_once(void **state)
{
    (void)state;
    usb_tree_claim(tree, "61-1");
    usb_tree_claim(tree, "61-2");
    usb_tree_keyboard(tree, "61-1");
    start();
    assert_told("foreign Quiet Keys@0000:00:14.0/usb2/1\n");
    usb_tree_keyboard(tree, "61-2");
    usb_tree_keyboard(tree, "61-3");
    await("foreign Quiet Keys@0000:00:14.0/usb2/2\n");
    usb_tree_pull(tree, "61-1");
    await("no Quiet Keys@0000:00:14.0/usb2/1\n");
    hotplug_scan(hotplug);
    await_nothing();
}

static void a_stick_that_is_also_a_keyboard_is_told_of_as_both(void **state)
{
    (void)state;
    start();
    usb_tree_claim(tree, "61-1");
    usb_tree_device(tree, "61-1");
    usb_tree_interface(tree, "61-1", 0, 0x08);
    usb_tree_interface(tree, "61-1", 1, 0x03);
    (void)usb_tree_disk(tree, "61-1", 0, "sdrig1", GIB);
    await("foreign USB device 46f4:0001@0000:00:14.0/usb2/1\n"
          "+/dev/sdrig1@0000:00:14.0/usb2/1,ours,foreign\n");
}

static void what_was_lost_is_found_by_looking_again(void **state)
{
    (void)state;
    usb_tree_claim(tree, "61-1");
    usb_tree_claim(tree, "61-4");
    (void)usb_tree_stick(tree, "61-2", "sdrig1", GIB);
    usb_tree_keyboard(tree, "61-1");
    start();
    assert_told("foreign Quiet Keys@0000:00:14.0/usb2/1\n"
                "+/dev/sdrig1@0000:00:14.0/usb2/2,old\n");
    lose_all = true;
    usb_tree_pull(tree, "61-2");
    (void)usb_tree_stick(tree, "61-2", "sdrig2", 2 * GIB);
    usb_tree_pull(tree, "61-1");
    usb_tree_keyboard(tree, "61-4");
    (void)usb_tree_stick(tree, "61-3", "sdrig3", GIB);
    /* Looking may begin while things still change: in one go or in several, each is told once. */
    while (count_told("+/dev/sdrig3") == 0 || count_told("rescanned") == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
    assert_true(lost_count > 10);
    assert_int_equal(count_told("foreign Quiet Keys@0000:00:14.0/usb2/4\n"), 1);
    assert_int_equal(count_told("no Quiet Keys@0000:00:14.0/usb2/1\n"), 1);
    assert_int_equal(count_told("-/dev/sdrig1\n"), 1);
    assert_int_equal(count_told("+/dev/sdrig2@0000:00:14.0/usb2/2\n"), 1);
    assert_int_equal(count_told("+/dev/sdrig3@0000:00:14.0/usb2/3\n"), 1);
    assert_true(strstr(told, "-/dev/sdrig1") < strstr(told, "+/dev/sdrig2"));
    told[0] = '\0';
    lose_all = false;
    usb_tree_pull(tree, "61-3");
    while (count_told("-/dev/sdrig3\n") == 0)
        (void)uv_run(&loop, UV_RUN_ONCE);
}

static void a_thousand_events_are_received_in_many_turns(void **state)
{
    (void)state;
    enum { EVENTS = 1000, TURN_MAX = 8 };
    struct udev *udev = udev_new();
    usb_tree_hub(tree, "61-2", 4);
    start();
    repeated = udev_device_new_from_syspath(udev, usb_tree_path(tree, "61-2"));
    repeat_count = EVENTS;
    event_count = 0;
    holding = true;
    usb_tree_send(tree, usb_tree_path(tree, "61-2"), "change");
    while (event_count < EVENTS + 1) {
        unsigned before = event_count;
        (void)uv_run(&loop, UV_RUN_ONCE);
        assert_in_range(event_count - before, 1, TURN_MAX);
        told[0] = '\0';
    }
    (void)udev_device_unref(repeated);
    (void)udev_unref(udev);
}

static void nothing_is_told_after_closing(void **state)
{
    (void)state;
    start();
    holding = true;
    (void)usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    (void)usb_tree_stick(tree, "61-2", "sdrig2", GIB);
    close_at_next = true;
    while (hotplug != NULL)
        (void)uv_run(&loop, UV_RUN_ONCE);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_told("+/dev/sdrig1@0000:00:14.0/usb2/1\n");
}

static void nothing_is_told_after_closing_in_a_scan(void **state)
{
    (void)state;
    start();
    holding = true;
    usb_tree_claim(tree, "61-3");
    (void)usb_tree_stick(tree, "61-1", "sdrig1", GIB);
    usb_tree_hub(tree, "61-4", 4);
    usb_tree_keyboard(tree, "61-3");
    close_at_next = true;
    hotplug_scan(hotplug);
    assert_int_equal(event_count, 1);
    assert_null(hotplug);
}

int main(int argc, char **argv)
{
    (void)argc;
    usb_tree_enter(argv);
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define in_tree(test) cmocka_unit_test_setup_teardown(test, build, tear_down)
    const struct CMUnitTest tests[] = {
        in_tree(what_is_there_at_the_start_is_told_at_once_and_is_old),
        in_tree(what_is_plugged_in_later_is_new),
        in_tree(what_is_pulled_vanishes_once_and_another_can_come),
        in_tree(what_drops_off_for_a_moment_is_not_new),
        in_tree(a_hub_with_its_sticks_goes_as_a_whole),
        in_tree(a_hub_is_told_of_when_it_knows_its_ports),
        in_tree(media_come_and_go_in_a_card_reader),
        in_tree(a_stick_that_udev_marks_later_is_taken_in_then),
        in_tree(partitions_and_other_disks_are_nobodys_business),
        in_tree(a_keyboard_in_a_claimed_port_is_told_of_once),
        in_tree(a_stick_that_is_also_a_keyboard_is_told_of_as_both),
        in_tree(what_was_lost_is_found_by_looking_again),
        in_tree(a_thousand_events_are_received_in_many_turns),
        in_tree(nothing_is_told_after_closing),
        in_tree(nothing_is_told_after_closing_in_a_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
