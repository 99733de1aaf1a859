// SPDX-License-Identifier: GPL-3.0-or-later
/* A true netlink socket that overflows: libuv then reports an error and stops polling, and libudev
 * says ENOBUFS. For that the program is the root of a network of its own, where it may send what
 * udev sends. */
#include "tests/unit/support.h"

#include "daemon/hotplug.h"

#include <linux/netlink.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    UDEV_GROUP = 2,           /* of libudev's monitor "udev" */
    RECEIVE_BUFFER_BYTES = 1, /* the kernel takes the least that it allows */
    MESSAGES = 200,
    WAIT_MS = 20000,
};

static uv_loop_t loop;
static unsigned rescan_count;

static void on_disk(void *context, const struct sighting *sighting, uint64_t plugged_ns)
{
    (void)context;
    (void)sighting;
    (void)plugged_ns;
}

static void on_vanished(void *context, const struct sighting *sighting)
{
    (void)context;
    (void)sighting;
}

static void on_hub(void *context, const struct layout_hub *hub)
{
    (void)context;
    (void)hub;
}

static void on_foreign(void *context, const struct port *port, const char *name, bool there)
{
    (void)context;
    (void)port;
    (void)name;
    (void)there;
}

static void on_rescanned(void *context)
{
    (void)context;
    rescan_count++;
}

static void shrink(uv_handle_t *handle, void *context)
{
    int bytes = RECEIVE_BUFFER_BYTES;
    int fd = -1;

    (void)context;
    if (handle->type == UV_POLL && uv_fileno(handle, &fd) == 0)
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)), 0);
}

/* What nobody can read; more of it than any receiver here has room for. */
static void flood(void)
{
    struct sockaddr_nl udev = {.nl_family = AF_NETLINK, .nl_groups = UDEV_GROUP};
    char message[1024] = "not from udev";
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

    assert_true(fd >= 0);
    for (unsigned i = 0; i < MESSAGES; i++)
        (void)sendto(fd, message, sizeof(message), 0, (struct sockaddr *)&udev, sizeof(udev));
    (void)close(fd);
}

static void late(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happens after %u scans", rescan_count);
}

static void a_flood_ends_in_a_new_look_each_time(void **state)
{
    (void)state;
    static const struct hotplug_events events = {.appeared = on_disk,
                                                 .vanished = on_vanished,
                                                 .hub = on_hub,
                                                 .foreign = on_foreign,
                                                 .rescanned = on_rescanned};
    char reason[256];
    uv_timer_t deadline;

    assert_int_equal(uv_loop_init(&loop), 0);
    struct hotplug *hotplug = hotplug_open(&loop, &events, reason);
    assert_non_null(hotplug);
    uv_walk(&loop, shrink, NULL);
    assert_int_equal(uv_timer_init(&loop, &deadline), 0);
    assert_int_equal(uv_timer_start(&deadline, late, WAIT_MS, 0), 0);
    for (unsigned round = 1; round <= 3; round++) {
        flood();
        while (rescan_count < round)
            (void)uv_run(&loop, UV_RUN_ONCE);
        assert_int_equal(rescan_count, round);
    }
    hotplug_close(hotplug);
    uv_close((uv_handle_t *)&deadline, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static bool write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

static bool enter_own_network(void)
{
    char user[64];

    (void)snprintf(user, sizeof(user), "0 %u 1", geteuid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && write_file("/proc/self/uid_map", user);
}

int main(void)
{
    if (!enter_own_network()) {
        puts("1..0 # SKIP a network of one's own is not allowed here");
        return 0;
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_ends_in_a_new_look_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
