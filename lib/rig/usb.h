// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef RIG_USB_H
#define RIG_USB_H

#include "lib/rig/census.h"
#include "lib/rig/layout.h"

#include <libudev.h>
#include <stdbool.h>

/* What udev and sysfs tell of USB ports, hubs and the disks behind them. Every call reads anew and
 * keeps nothing; any thread, but one at a time for a udev context. */

/* Fills in a sighting from a block device's event or record: whole disks behind USB (usb-storage
 * and UAS) and whole SD cards (mmcblk, not their boot and rpmb parts). False for everything else,
 * partitions, optical disks and LUNs beyond SLOT_LUN_MAX included. seen_ns is the time of the call,
 * plugged_ns when the USB device or the SD card came. `claimed`: the property DRIVEPRESS_PORT is
 * the disk's port; `processed`: udev has a record of it; `identity` is of what udev's records say
 * of the device; `foreign` is looked up in sysfs: an interface of the USB device, authorised or
 * not, is neither mass storage (class 08, subclasses 01 to 06) nor a hub (09). */
bool usb_sight_disk(struct udev_device *device, struct sighting *sighting);

/* Whether a USB interface in a claimed port, or behind a hub in one, is kept from being used, for
 * it is neither mass storage nor a hub, or a driver of something else took it: udev says so
 * (property DRIVEPRESS_FOREIGN), or its class and sysfs (`authorized`). Then `port` is the claimed
 * port (DRIVEPRESS_PORT, DRIVEPRESS_BEHIND). */
bool usb_foreign(struct udev_device *interface, struct port *port);

/* Whether a USB interface, wherever it is, may be used now and would not be in a claimed port. */
bool usb_unwanted(struct udev_device *interface);

/* The port that a USB device (a hub, a stick) is plugged into, or an interface of it belongs to.
 * False for a root hub. */
bool usb_port(struct udev_device *device, struct port *port);

/* The other face of the same physical port, by sysfs `peer`; false when it has none or the kernel
 * does not know it. */
bool usb_peer(struct udev *udev, const struct port *port, struct port *peer);

/* Fills in a hub from the USB device that is it, with its other face and its number of ports (the
 * larger one of both faces). False for what is no hub, for a root hub, and for a hub that does not
 * know its ports yet: udev tells of it again when its driver is bound. */
bool usb_hub(struct udev_device *device, struct layout_hub *hub);

/* For people: what a USB device calls itself, made fit to be shown, by udev's records: the device's
 * own strings in sysfs cannot be read while the kernel tries to reset it. Never its serial number.
 */
void usb_name(struct udev_device *device, char *text, size_t text_bytes);

#endif
