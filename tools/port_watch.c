// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/port_watch.h"

#include "lib/base/clock.h"
#include "lib/rig/usb.h"

#include <errno.h>
#include <libudev.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for the events of a hub full of drives that is plugged in at once. */
enum { RECEIVE_BYTES = 8 << 20, EVENTS_PER_TURN = 4096, NAME_BYTES = 128 };

const char *port_watch_udevd = "/run/udev/control";

struct port_watch {
    struct udev *udev;
    struct udev_monitor *monitor;
    struct census *census;
    port_watch_plugged *plugged;
    void *context;
    unsigned present;
    bool settled; /* what was there before is known */
};

static void on_appeared(void *context, const struct sighting *sighting, uint64_t plugged_ns)
{
    struct port_watch *watch = context;

    (void)plugged_ns;
    if (watch->settled)
        watch->plugged(watch->context, sighting);
    else
        watch->present++;
}

static void on_vanished(void *context, const struct sighting *sighting)
{
    (void)context;
    (void)sighting;
}

/* Calls `visit` for the devices of a subsystem until it returns true. Returns 1 if it did, 0 if
 * not, or -errno when not all of them can be looked at. */
static int visit_devices(struct port_watch *watch, const char *subsystem, void *context,
                         bool (*visit)(struct port_watch *watch, struct udev_device *device,
                                       void *context))
{
    struct udev_enumerate *all = udev_enumerate_new(watch->udev);
    struct udev_list_entry *entry = NULL;
    int result = all != NULL ? udev_enumerate_add_match_subsystem(all, subsystem) : -ENOMEM;

    if (result >= 0)
        result = udev_enumerate_scan_devices(all);
    if (result < 0) {
        (void)udev_enumerate_unref(all);
        return result;
    }
    result = 0;
    udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(all))
    {
        errno = 0;
        struct udev_device *device =
            udev_device_new_from_syspath(watch->udev, udev_list_entry_get_name(entry));
        if (device != NULL)
            result = visit(watch, device, context);
        else if (errno != ENOENT && errno != ENODEV) /* it was pulled meanwhile */
            result = errno != 0 ? -errno : -EIO;
        (void)udev_device_unref(device);
        if (result != 0)
            break;
    }
    (void)udev_enumerate_unref(all);
    return result;
}

static bool see_device(struct port_watch *watch, struct udev_device *device, void *context)
{
    struct sighting sighting;

    (void)context;
    if (usb_sight_disk(device, &sighting))
        (void)census_see(watch->census, &sighting);
    return false;
}

/* What cannot be seen is not gone: then nothing is concluded. 0 or -errno. */
static int scan(struct port_watch *watch)
{
    census_scan_begin(watch->census);
    int error = visit_devices(watch, "block", NULL, see_device);
    if (error == 0)
        census_scan_end(watch->census, clock_now_ns());
    return error;
}

static int open_monitor(struct port_watch *watch)
{
    watch->monitor = udev_monitor_new_from_netlink(watch->udev, "udev");
    if (watch->monitor == NULL)
        return errno != 0 ? -errno : -ENODEV;
    /* Only root may have more than the system's limit; without it a scan makes up for losses. */
    (void)udev_monitor_set_receive_buffer_size(watch->monitor, RECEIVE_BYTES);
    int error = udev_monitor_filter_add_match_subsystem_devtype(watch->monitor, "block", "disk");
    return error < 0 ? error : udev_monitor_enable_receiving(watch->monitor);
}

int port_watch_open(struct port_watch **watch, port_watch_plugged *plugged, void *context,
                    unsigned *present)
{
    struct port_watch *opened = calloc(1, sizeof(*opened));
    int error = -ENOMEM;

    if (opened == NULL)
        return error;
    const struct census_events events = {
        .context = opened, .appeared = on_appeared, .vanished = on_vanished};
    opened->plugged = plugged;
    opened->context = context;
    opened->udev = udev_new();
    opened->census = census_new(&events);
    if (opened->udev != NULL && opened->census != NULL)
        error = open_monitor(opened);
    if (error >= 0)
        error = scan(opened);
    if (error < 0) {
        port_watch_close(opened);
        return error;
    }
    opened->settled = true;
    *present = opened->present;
    *watch = opened;
    return 0;
}

void port_watch_close(struct port_watch *watch)
{
    if (watch == NULL)
        return;
    census_free(watch->census);
    (void)udev_monitor_unref(watch->monitor);
    (void)udev_unref(watch->udev);
    free(watch);
}

int port_watch_fd(const struct port_watch *watch)
{
    return udev_monitor_get_fd(watch->monitor);
}

static void take_event(struct port_watch *watch, struct udev_device *device)
{
    const char *action = udev_device_get_action(device);

    if (action != NULL && strcmp(action, "remove") == 0)
        census_remove(watch->census, udev_device_get_syspath(device), clock_now_ns());
    else
        (void)see_device(watch, device, NULL);
}

int port_watch_read(struct port_watch *watch)
{
    for (unsigned i = 0; i < EVENTS_PER_TURN; i++) {
        errno = 0;
        struct udev_device *device = udev_monitor_receive_device(watch->monitor);
        if (device != NULL) {
            take_event(watch, device);
            (void)udev_device_unref(device);
            continue;
        }
        if (errno != ENOBUFS)
            return 0;
        int error = scan(watch); /* events were lost */
        if (error != 0)
            return error;
    }
    return 0;
}

void port_watch_name(struct port_watch *watch, const struct sighting *sighting, char *text,
                     size_t text_bytes)
{
    struct udev_device *device = udev_device_new_from_syspath(watch->udev, sighting->path);

    text[0] = '\0';
    if (device != NULL)
        usb_name(device, text, text_bytes);
    (void)udev_device_unref(device);
}

bool port_watch_is_told(void)
{
    return access(port_watch_udevd, F_OK) == 0;
}

unsigned port_watch_faces(struct port_watch *watch, const struct port *port,
                          struct port faces[SLOT_PORTS_MAX])
{
    faces[0] = *port;
    return usb_peer(watch->udev, port, &faces[1]) ? 2 : 1;
}

/* --- Looking at all there is ------------------------------------------------------------------ */

/* What a visitor is called with, by the kind of device. */
struct visitor {
    void *context;
    bool (*disk)(void *context, const struct sighting *sighting);
    bool (*hub)(void *context, const struct layout_hub *hub);
    bool (*foreign)(void *context, const struct port *port, const char *name);
};

static bool visit_disk(struct port_watch *watch, struct udev_device *device, void *context)
{
    const struct visitor *visitor = context;
    struct sighting sighting;

    (void)watch;
    return usb_sight_disk(device, &sighting) && visitor->disk(visitor->context, &sighting);
}

static bool visit_hub(struct port_watch *watch, struct udev_device *device, void *context)
{
    const struct visitor *visitor = context;
    struct layout_hub hub;

    (void)watch;
    return usb_hub(device, &hub) && visitor->hub(visitor->context, &hub);
}

static bool visit_foreign(struct port_watch *watch, struct udev_device *device, void *context)
{
    const struct visitor *visitor = context;
    char name[NAME_BYTES];
    struct port port;

    (void)watch;
    if (!usb_unwanted(device) || !usb_port(device, &port))
        return false;
    usb_name(device, name, sizeof(name));
    return visitor->foreign(visitor->context, &port, name);
}

int port_watch_visit_disks(struct port_watch *watch, void *context,
                           bool (*visit)(void *context, const struct sighting *sighting))
{
    struct visitor visitor = {.context = context, .disk = visit};
    return visit_devices(watch, "block", &visitor, visit_disk);
}

int port_watch_visit_hubs(struct port_watch *watch, void *context,
                          bool (*visit)(void *context, const struct layout_hub *hub))
{
    struct visitor visitor = {.context = context, .hub = visit};
    return visit_devices(watch, "usb", &visitor, visit_hub);
}

int port_watch_visit_foreign(struct port_watch *watch, void *context,
                             bool (*visit)(void *context, const struct port *port,
                                           const char *name))
{
    struct visitor visitor = {.context = context, .foreign = visit};
    return visit_devices(watch, "usb", &visitor, visit_foreign);
}

static bool name_hub(void *context, const struct layout_hub *hub)
{
    (void)layout_name_ports(context, hub);
    return false;
}

int port_watch_name_hubs(struct port_watch *watch, struct layout *layout)
{
    const uint32_t before = layout->count;
    int error = port_watch_visit_hubs(watch, layout, name_hub);

    return error < 0 ? error : (int)(layout->count - before);
}
