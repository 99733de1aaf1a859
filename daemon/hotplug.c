// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/hotplug.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/rig/usb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The monitor listens before everything is scanned, so that nothing is missed in between; what is
 * told twice the census drops. The socket of the monitor can overflow: then receiving fails with
 * ENOBUFS and everything is scanned again, once the flood is over or SCAN_DELAY_MS later. libuv
 * stops polling a socket that has an error, so polling is started anew. */

enum {
    /* What one turn of the loop receives: a rig of 64 drives that is switched on sends about a
     * thousand events, and a pass must go on meanwhile. Each reads files of sysfs and udev: 32 took
     * more than a second on a slow machine. */
    RECEIVE_MAX = 8,
    RECEIVE_BUFFER_BYTES = 8 << 20,
    /* Losses follow each other while a flood lasts. */
    SCAN_DELAY_MS = 100,
    /* Devices that no drive is, at once. */
    FOREIGN_MAX = 256,
    NAME_BYTES = 128,
};

/* A device in a claimed port that was told of as foreign. */
struct foreign {
    char path[CENSUS_PATH_BYTES]; /* of the USB device */
    char name[NAME_BYTES];
    struct port port;
    bool seen; /* in the scan that goes on */
};

struct hotplug {
    struct hotplug_events events;
    struct udev *udev;
    struct udev_monitor *monitor;
    struct census *census;
    uv_poll_t poll;
    uv_timer_t scan_timer;
    unsigned open_handles;
    bool closed;
    unsigned foreign_count;
    struct foreign foreign[FOREIGN_MAX];
};

/* --- Foreign devices ---------------------------------------------------------------------------- */

static struct foreign *find_foreign(struct hotplug *hotplug, const char *path)
{
    for (unsigned i = 0; i < hotplug->foreign_count; i++) {
        if (strcmp(hotplug->foreign[i].path, path) == 0)
            return &hotplug->foreign[i];
    }
    return NULL;
}

static void tell_foreign(struct hotplug *hotplug, const struct foreign *foreign, bool there)
{
    if (!hotplug->closed)
        hotplug->events.foreign(hotplug->events.context, &foreign->port, foreign->name, there);
}

static void see_interface(struct hotplug *hotplug, struct udev_device *interface)
{
    struct port port;
    struct udev_device *device = udev_device_get_parent(interface);
    const char *path = device != NULL ? udev_device_get_syspath(device) : NULL;

    if (path == NULL || strlen(path) >= CENSUS_PATH_BYTES || !usb_foreign(interface, &port))
        return;
    struct foreign *foreign = find_foreign(hotplug, path);
    if (foreign != NULL) {
        foreign->seen = true;
        return;
    }
    if (hotplug->foreign_count == FOREIGN_MAX)
        return;
    foreign = &hotplug->foreign[hotplug->foreign_count++];
    *foreign = (struct foreign){.port = port, .seen = true};
    (void)snprintf(foreign->path, sizeof(foreign->path), "%s", path);
    usb_name(device, foreign->name, sizeof(foreign->name));
    tell_foreign(hotplug, foreign, true);
}

static void forget_foreign(struct hotplug *hotplug, struct foreign *foreign)
{
    const struct foreign gone = *foreign;

    *foreign = hotplug->foreign[--hotplug->foreign_count];
    tell_foreign(hotplug, &gone, false);
}

/* --- What was seen ------------------------------------------------------------------------------ */

static bool is_devtype(struct udev_device *device, const char *devtype)
{
    const char *its_devtype = udev_device_get_devtype(device);

    return its_devtype != NULL && strcmp(its_devtype, devtype) == 0;
}

static void see_hub(struct hotplug *hotplug, struct udev_device *device)
{
    struct layout_hub hub;

    if (usb_hub(device, &hub) && !hotplug->closed)
        hotplug->events.hub(hotplug->events.context, &hub);
}

static void see_disk(struct hotplug *hotplug, struct udev_device *device)
{
    struct sighting sighting;

    if (usb_sight_disk(device, &sighting))
        (void)census_see(hotplug->census, &sighting);
}

static void see_device(struct hotplug *hotplug, struct udev_device *device)
{
    if (is_devtype(device, "disk"))
        see_disk(hotplug, device);
    else if (is_devtype(device, "usb_device"))
        see_hub(hotplug, device);
    else if (is_devtype(device, "usb_interface"))
        see_interface(hotplug, device);
}

static void miss_device(struct hotplug *hotplug, struct udev_device *device)
{
    const char *path = udev_device_get_syspath(device);
    struct foreign *foreign = find_foreign(hotplug, path);

    census_remove(hotplug->census, path, clock_now_ns());
    if (foreign != NULL)
        forget_foreign(hotplug, foreign);
}

/* --- Scanning ----------------------------------------------------------------------------------- */

/* All devices of a subsystem, a hub before what is behind it, for udev_enumerate_unref(); NULL when
 * they cannot be told. */
static struct udev_enumerate *list_devices(struct hotplug *hotplug, const char *subsystem)
{
    struct udev_enumerate *list = udev_enumerate_new(hotplug->udev);

    if (list != NULL && udev_enumerate_add_match_subsystem(list, subsystem) >= 0 &&
        udev_enumerate_scan_devices(list) >= 0)
        return list;
    (void)udev_enumerate_unref(list);
    return NULL;
}

static void see_all(struct hotplug *hotplug, struct udev_enumerate *list)
{
    struct udev_list_entry *entry;

    udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(list))
    {
        struct udev_device *device =
            udev_device_new_from_syspath(hotplug->udev, udev_list_entry_get_name(entry));
        if (device != NULL)
            see_device(hotplug, device);
        (void)udev_device_unref(device);
    }
}

/* Hubs first: what is plugged into them can then be told by name. */
static void see_everything(struct hotplug *hotplug, struct udev_enumerate *usb,
                           struct udev_enumerate *block)
{
    for (unsigned i = 0; i < hotplug->foreign_count; i++)
        hotplug->foreign[i].seen = false;
    see_all(hotplug, usb);
    for (unsigned i = hotplug->foreign_count; i-- > 0;) {
        if (!hotplug->foreign[i].seen)
            forget_foreign(hotplug, &hotplug->foreign[i]);
    }
    census_scan_begin(hotplug->census);
    see_all(hotplug, block);
    census_scan_end(hotplug->census, clock_now_ns());
}

/* False when nothing could be seen; then nothing is taken for gone either. */
static bool scan(struct hotplug *hotplug)
{
    struct udev_enumerate *usb = list_devices(hotplug, "usb");
    struct udev_enumerate *block = list_devices(hotplug, "block");
    bool listed = usb != NULL && block != NULL;

    if (listed)
        see_everything(hotplug, usb, block);
    (void)udev_enumerate_unref(usb);
    (void)udev_enumerate_unref(block);
    return listed;
}

static void scan_when_due(uv_timer_t *timer);

static void schedule_scan(struct hotplug *hotplug)
{
    if (!hotplug->closed && uv_is_active((const uv_handle_t *)&hotplug->scan_timer) == 0)
        check(uv_timer_start(&hotplug->scan_timer, scan_when_due, SCAN_DELAY_MS, 0) == 0);
}

static void scan_when_due(uv_timer_t *timer)
{
    struct hotplug *hotplug = timer->data;

    if (!scan(hotplug))
        schedule_scan(hotplug);
    else if (!hotplug->closed)
        hotplug->events.rescanned(hotplug->events.context);
}

void hotplug_scan(struct hotplug *hotplug)
{
    if (!scan(hotplug))
        schedule_scan(hotplug);
}

/* --- Receiving ---------------------------------------------------------------------------------- */

static void receive_device(struct hotplug *hotplug, struct udev_device *device)
{
    const char *action = udev_device_get_action(device);

    if (action != NULL && strcmp(action, "remove") == 0)
        miss_device(hotplug, device);
    else
        see_device(hotplug, device);
}

static void receive(uv_poll_t *poll, int status, int events)
{
    struct hotplug *hotplug = poll->data;

    (void)events;
    for (unsigned i = 0; i < RECEIVE_MAX && !hotplug->closed; i++) {
        errno = 0;
        struct udev_device *device = udev_monitor_receive_device(hotplug->monitor);
        int error = errno;
        if (device != NULL)
            receive_device(hotplug, device);
        else if (error == ENOBUFS)
            schedule_scan(hotplug);
        else if (error == EAGAIN)
            break;
        (void)udev_device_unref(device);
    }
    if (status < 0 && !hotplug->closed) {
        schedule_scan(hotplug);
        (void)uv_poll_start(&hotplug->poll, UV_READABLE, receive);
    }
}

/* --- Opening and closing ------------------------------------------------------------------------ */

static void appeared(void *context, const struct sighting *sighting, uint64_t plugged_ns)
{
    struct hotplug *hotplug = context;

    if (!hotplug->closed)
        hotplug->events.appeared(hotplug->events.context, sighting, plugged_ns);
}

static void vanished(void *context, const struct sighting *sighting)
{
    struct hotplug *hotplug = context;

    if (!hotplug->closed)
        hotplug->events.vanished(hotplug->events.context, sighting);
}

static void free_hotplug(struct hotplug *hotplug)
{
    (void)udev_monitor_unref(hotplug->monitor);
    (void)udev_unref(hotplug->udev);
    census_free(hotplug->census);
    free(hotplug);
}

static void on_closed(uv_handle_t *handle)
{
    struct hotplug *hotplug = handle->data;

    if (--hotplug->open_handles == 0)
        free_hotplug(hotplug);
}

static bool listen_to_udev(struct hotplug *hotplug)
{
    struct udev_monitor *monitor = udev_monitor_new_from_netlink(hotplug->udev, "udev");

    hotplug->monitor = monitor;
    if (monitor == NULL)
        return false;
    /* Not all may have so much; a flood is then met by scanning. */
    (void)udev_monitor_set_receive_buffer_size(monitor, RECEIVE_BUFFER_BYTES);
    return udev_monitor_filter_add_match_subsystem_devtype(monitor, "block", "disk") >= 0 &&
           udev_monitor_filter_add_match_subsystem_devtype(monitor, "usb", "usb_device") >= 0 &&
           udev_monitor_filter_add_match_subsystem_devtype(monitor, "usb", "usb_interface") >= 0 &&
           udev_monitor_enable_receiving(monitor) >= 0;
}

/* Everything up to the handles of the loop, which can only be given back through it. */
static struct hotplug *new_hotplug(const struct hotplug_events *events)
{
    struct census_events told = {.appeared = appeared, .vanished = vanished};
    struct hotplug *hotplug = calloc(1, sizeof(*hotplug));

    if (hotplug == NULL)
        return NULL;
    hotplug->events = *events;
    hotplug->udev = udev_new();
    told.context = hotplug;
    hotplug->census = census_new(&told);
    if (hotplug->udev != NULL && hotplug->census != NULL && listen_to_udev(hotplug))
        return hotplug;
    int error = errno;
    free_hotplug(hotplug);
    errno = error;
    return NULL;
}

struct hotplug *hotplug_open(uv_loop_t *loop, const struct hotplug_events *events, char reason[256])
{
    struct hotplug *hotplug = new_hotplug(events);

    if (hotplug == NULL) {
        (void)snprintf(reason, 256, "cannot listen to udev: %s", strerror(errno));
        return NULL;
    }
    int error = uv_poll_init(loop, &hotplug->poll, udev_monitor_get_fd(hotplug->monitor));
    if (error != 0) {
        (void)snprintf(reason, 256, "cannot listen to udev: %s", uv_strerror(error));
        free_hotplug(hotplug);
        return NULL;
    }
    check(uv_timer_init(loop, &hotplug->scan_timer) == 0);
    hotplug->open_handles = 2;
    hotplug->poll.data = hotplug;
    hotplug->scan_timer.data = hotplug;
    error = uv_poll_start(&hotplug->poll, UV_READABLE, receive);
    if (error != 0 || !scan(hotplug)) {
        (void)snprintf(reason, 256, "cannot see the devices of this machine: %s",
                       error != 0 ? uv_strerror(error) : "sysfs cannot be read");
        hotplug_close(hotplug);
        return NULL;
    }
    return hotplug;
}

void hotplug_repeat(struct hotplug *hotplug)
{
    census_repeat(hotplug->census);
}

void hotplug_close(struct hotplug *hotplug)
{
    hotplug->closed = true;
    uv_close((uv_handle_t *)&hotplug->poll, on_closed);
    uv_close((uv_handle_t *)&hotplug->scan_timer, on_closed);
}
