// SPDX-License-Identifier: GPL-3.0-or-later
#include "tools/port_watch.h"

#include "lib/base/clock.h"

#include "lib/rig/usb.h"

#include <errno.h>
#include <libudev.h>
#include <stdlib.h>
#include <string.h>

/* Room for the events of a hub full of drives that is plugged in at once. */
enum { RECEIVE_BYTES = 8 << 20, EVENTS_PER_TURN = 4096 };

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

/* Calls `visit` for the devices of a subsystem until it returns true. Returns whether it did. */
static bool visit_devices(struct port_watch *watch, const char *subsystem, void *context,
                          bool (*visit)(struct port_watch *watch, struct udev_device *device,
                                        void *context))
{
    struct udev_enumerate *all = udev_enumerate_new(watch->udev);
    struct udev_list_entry *entry = NULL;
    bool found = false;

    if (all == NULL || udev_enumerate_add_match_subsystem(all, subsystem) < 0 ||
        udev_enumerate_scan_devices(all) < 0) {
        (void)udev_enumerate_unref(all);
        return false;
    }
    udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(all))
    {
        struct udev_device *device =
            udev_device_new_from_syspath(watch->udev, udev_list_entry_get_name(entry));
        found = device != NULL && visit(watch, device, context);
        (void)udev_device_unref(device);
        if (found)
            break;
    }
    (void)udev_enumerate_unref(all);
    return found;
}

static bool see_device(struct port_watch *watch, struct udev_device *device, void *context)
{
    struct sighting sighting;

    (void)context;
    if (usb_sight_disk(device, &sighting))
        (void)census_see(watch->census, &sighting);
    return false;
}

static void scan(struct port_watch *watch)
{
    census_scan_begin(watch->census);
    (void)visit_devices(watch, "block", NULL, see_device);
    census_scan_end(watch->census, clock_now_ns());
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
    if (error < 0) {
        port_watch_close(opened);
        return error;
    }
    scan(opened);
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

void port_watch_read(struct port_watch *watch)
{
    for (unsigned i = 0; i < EVENTS_PER_TURN; i++) {
        errno = 0;
        struct udev_device *device = udev_monitor_receive_device(watch->monitor);
        if (device != NULL) {
            take_event(watch, device);
            (void)udev_device_unref(device);
            continue;
        }
        if (errno == ENOBUFS) /* events were lost */
            scan(watch);
        else
            return;
    }
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

unsigned port_watch_faces(struct port_watch *watch, const struct port *port,
                          struct port faces[SLOT_PORTS_MAX])
{
    faces[0] = *port;
    return usb_peer(watch->udev, port, &faces[1]) ? 2 : 1;
}

struct naming {
    struct layout *layout;
    unsigned count;
};

static bool name_hub(struct port_watch *watch, struct udev_device *device, void *context)
{
    struct naming *naming = context;
    struct layout_hub hub;

    (void)watch;
    if (usb_hub(device, &hub))
        naming->count += layout_name_ports(naming->layout, &hub);
    return false;
}

unsigned port_watch_name_hubs(struct port_watch *watch, struct layout *layout)
{
    struct naming naming = {.layout = layout};

    (void)visit_devices(watch, "usb", &naming, name_hub);
    return naming.count;
}

struct disk_visit {
    void *context;
    bool (*visit)(void *context, const struct sighting *sighting);
};

static bool visit_disk(struct port_watch *watch, struct udev_device *device, void *context)
{
    const struct disk_visit *disk = context;
    struct sighting sighting;

    (void)watch;
    return usb_sight_disk(device, &sighting) && disk->visit(disk->context, &sighting);
}

bool port_watch_visit_disks(struct port_watch *watch, void *context,
                            bool (*visit)(void *context, const struct sighting *sighting))
{
    struct disk_visit disk = {.context = context, .visit = visit};

    return visit_devices(watch, "block", &disk, visit_disk);
}
