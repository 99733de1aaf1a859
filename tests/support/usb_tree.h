// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef SUPPORT_USB_TREE_H
#define SUPPORT_USB_TREE_H

#include <stdbool.h>
#include <stdint.h>

/* A computer's USB ports and SD slots as sysfs and udev show them, made up in a directory that
 * libumockdev shows to this program in the place of /sys and /dev. It has
 *
 *   controller 0000:00:14.0   bus 61 (USB 2) and bus 62 (USB 3): four ports with two faces each
 *   controller 0000:00:15.0   bus 63 (USB 2 alone): two ports
 *   controller 0000:00:1f.0   an SD slot, mmc_host/mmc61
 *
 * Devices have the kernel's names: "61-2.3" is in port 3 of the hub in port 2 of bus 61. The
 * numbers are so high that no device of the real computer has them: what udev has recorded of that
 * would count. Trouble in here aborts. One tree at a time, one thread. */

struct usb_tree;

/* Runs the program anew with libumockdev in front of it, unless it is that already; otherwise
 * prints why all tests are skipped and exits. To be called first in main. */
void usb_tree_enter(char **argv);

struct usb_tree *usb_tree_new(void);
void usb_tree_free(struct usb_tree *tree);

/* Whoever listens to udev is told of all that is done. `told` is called each time, to receive it:
 * libumockdev aborts when ten events wait. */
void usb_tree_listen(struct usb_tree *tree, void (*told)(void));

/* What is plugged into this port from now on udev marks as the rig's: "61-2.3" or "mmc61". */
void usb_tree_claim(struct usb_tree *tree, const char *name);

/* Plugs a hub in. Its ports have another face where its own port has one. */
void usb_tree_hub(struct usb_tree *tree, const char *name, unsigned ports);

/* Plugs in a device that has no interfaces yet, and adds one of a class to it. */
void usb_tree_device(struct usb_tree *tree, const char *name);
void usb_tree_interface(struct usb_tree *tree, const char *name, unsigned number,
                        unsigned class_code);

/* A disk: a LUN of the mass storage interface 0 of a device. Returns its path, which is the tree's
 * until it is freed. */
const char *usb_tree_disk(struct usb_tree *tree, const char *name, unsigned lun, const char *node,
                          uint64_t capacity_bytes);

/* All of that for a stick, and for a keyboard. */
const char *usb_tree_stick(struct usb_tree *tree, const char *name, const char *node,
                           uint64_t capacity_bytes);
void usb_tree_keyboard(struct usb_tree *tree, const char *name);

/* A partition of a disk; a card in the SD slot, whose node is "mmcblk61". Return their paths. */
const char *usb_tree_partition(struct usb_tree *tree, const char *disk, const char *node);
const char *usb_tree_card(struct usb_tree *tree, const char *node, uint64_t capacity_bytes);

/* Any other block device, below a device that is there. Returns its path. */
const char *usb_tree_block(struct usb_tree *tree, const char *parent, const char *node,
                           uint64_t capacity_bytes);

/* Pulls a device with everything behind it. */
void usb_tree_pull(struct usb_tree *tree, const char *name);

/* The path of a USB device; the tree's until the next call. */
const char *usb_tree_path(struct usb_tree *tree, const char *name);

/* Changes what a device shows. A property counts when it is told of. */
void usb_tree_attribute(struct usb_tree *tree, const char *path, const char *attribute,
                        const char *value);
void usb_tree_property(struct usb_tree *tree, const char *path, const char *property,
                       const char *value);

/* Changes the medium of a disk, and tells of it as the kernel does. */
void usb_tree_medium(struct usb_tree *tree, const char *disk, uint64_t capacity_bytes,
                     uint64_t diskseq);

/* Sends an event about a device. */
void usb_tree_send(struct usb_tree *tree, const char *path, const char *action);

#endif
