// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/rig/usb.h"

#include "lib/base/clock.h"
#include "lib/base/text.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <xxhash.h>

/* Interface classes (usb.org, Defined Class Codes), and the subclasses of mass storage that drives
 * have (Mass Storage Class Specification Overview 1.4, table 1). */
enum { CLASS_MASS_STORAGE = 0x08, CLASS_HUB = 0x09, SUBCLASS_RBC = 0x01, SUBCLASS_SCSI = 0x06 };

enum {
    SECTOR_BYTES = 512, /* the unit of sysfs `size`, whatever the drive's own is */
    NAME_BYTES = 256,
    LINK_BYTES = 512,
    /* Entries of a device's directory in sysfs that are looked at: it has a hundred. */
    ENTRIES_MAX = 4096
};

static bool is_type(struct udev_device *device, const char *subsystem, const char *devtype)
{
    const char *its_subsystem = udev_device_get_subsystem(device);
    const char *its_devtype = udev_device_get_devtype(device);

    return its_subsystem != NULL && its_devtype != NULL && strcmp(its_subsystem, subsystem) == 0 &&
           strcmp(its_devtype, devtype) == 0;
}

/* Whether a name is a prefix, then digits only. */
static bool is_numbered(const char *name, const char *prefix)
{
    size_t length = strlen(prefix);

    return name != NULL && strncmp(name, prefix, length) == 0 && name[length] != '\0' &&
           name[length + strspn(name + length, "0123456789")] == '\0';
}

/* The number of an attribute, or `otherwise`. */
static uint64_t read_number(struct udev_device *device, const char *name, int base,
                            uint64_t otherwise)
{
    const char *text = udev_device_get_sysattr_value(device, name);
    char *end = NULL;
    unsigned long long number = text != NULL ? strtoull(text, &end, base) : 0;

    return text != NULL && end != text ? number : otherwise;
}

/* The USB device that the device is or belongs to; NULL if there is none. It is device's. */
static struct udev_device *usb_device_of(struct udev_device *device)
{
    if (is_type(device, "usb", "usb_device"))
        return device;
    return udev_device_get_parent_with_subsystem_devtype(device, "usb", "usb_device");
}

static struct udev_device *root_hub_of(struct udev_device *device)
{
    struct udev_device *at = usb_device_of(device);

    while (at != NULL && !is_numbered(udev_device_get_sysname(at), "usb"))
        at = udev_device_get_parent_with_subsystem_devtype(at, "usb", "usb_device");
    return at;
}

/* `version` is such as " 3.00". */
static bool is_superspeed(struct udev_device *root_hub)
{
    return read_number(root_hub, "version", 10, 0) >= 3;
}

bool usb_port(struct udev_device *device, struct port *port)
{
    struct udev_device *root_hub = root_hub_of(device);

    return root_hub != NULL &&
           port_of_path(port, udev_device_get_syspath(device), is_superspeed(root_hub)) == 0 &&
           port->bus != PORT_MMC;
}

/* --- Disks -------------------------------------------------------------------------------------- */

/* Whole disks that can be drives: no optical ones, and no special parts of an SD card. */
static bool is_drive(struct udev_device *device)
{
    const char *name = udev_device_get_sysname(device);

    if (!is_type(device, "block", "disk"))
        return false;
    return strncmp(name, "mmcblk", 6) == 0 ? is_numbered(name, "mmcblk") : !is_numbered(name, "sr");
}

/* Calls `visit` for the entries of a device's directory until it is true. */
static bool visit_entries(struct udev_device *device, void *context,
                          bool (*visit)(struct udev_device *device, const char *name,
                                        void *context))
{
    DIR *directory = opendir(udev_device_get_syspath(device));
    bool found = false;

    if (directory == NULL)
        return false;
    for (unsigned count = 0; count < ENTRIES_MAX && !found; count++) {
        const struct dirent *entry = readdir(directory);
        if (entry == NULL)
            break;
        found = visit(device, entry->d_name, context);
    }
    (void)closedir(directory);
    return found;
}

/* Whether an entry is an interface of the device, such as "1-2.3:1.0" of 1-2.3. */
static bool is_interface(struct udev_device *device, const char *name)
{
    const char *of = udev_device_get_sysname(device);
    size_t length = strlen(of);

    return strncmp(name, of, length) == 0 && name[length] == ':';
}

/* As 59-drivepress.rules has it. `prefix` leads from the device to the interface: "1-2.3:1.0/", or
 * "" for itself. */
static bool is_foreign_class(struct udev_device *device, const char *prefix)
{
    char attribute[NAME_BYTES + 32];

    (void)snprintf(attribute, sizeof(attribute), "%sbInterfaceClass", prefix);
    uint64_t class_code = read_number(device, attribute, 16, CLASS_MASS_STORAGE);
    (void)snprintf(attribute, sizeof(attribute), "%sbInterfaceSubClass", prefix);
    uint64_t subclass = read_number(device, attribute, 16, SUBCLASS_SCSI);
    if (class_code == CLASS_MASS_STORAGE)
        return subclass < SUBCLASS_RBC || subclass > SUBCLASS_SCSI;
    return class_code != CLASS_HUB;
}

static bool visit_interface(struct udev_device *device, const char *name, void *context)
{
    char prefix[NAME_BYTES + 2];

    (void)context;
    if (!is_interface(device, name))
        return false;
    (void)snprintf(prefix, sizeof(prefix), "%s/", name);
    return is_foreign_class(device, prefix);
}

/* When udev first saw a device; `now_ns` while it has not. */
static uint64_t initialized_ns(struct udev_device *device, uint64_t now_ns)
{
    uint64_t age_us = udev_device_get_usec_since_initialized(device);

    return age_us > now_ns / NS_PER_US ? 0 : now_ns - age_us * NS_PER_US;
}

/* When a USB device was plugged in: as the kernel knows, and no later than when udev saw it. (The
 * kernel's count is of milliseconds in 32 bits, and not there without power management.) */
static uint64_t connected_ns(struct udev_device *usb_device, uint64_t now_ns)
{
    uint64_t age_ms = read_number(usb_device, "power/connected_duration", 10, 0);
    uint64_t connected = age_ms > now_ns / NS_PER_MS ? 0 : now_ns - age_ms * NS_PER_MS;

    return min_u64(connected, initialized_ns(usb_device, now_ns));
}

/* The number in a SCSI address such as "0:0:0:1"; 0 for a disk that has none. */
static unsigned long read_lun(struct udev_device *device)
{
    struct udev_device *scsi =
        udev_device_get_parent_with_subsystem_devtype(device, "scsi", "scsi_device");
    const char *lun = scsi != NULL ? strrchr(udev_device_get_sysname(scsi), ':') : NULL;

    return lun != NULL ? strtoul(lun + 1, NULL, 10) : 0;
}

/* What a USB device or an SD card calls itself. The serial number in it belongs to nobody's log:
 * only this hash goes on. */
static uint64_t read_identity(struct udev_device *device)
{
    static const char *const names[] = {"ID_VENDOR_ID", "ID_MODEL_ID",     "ID_VENDOR_ENC",
                                        "ID_MODEL_ENC", "ID_SERIAL_SHORT", "ID_SERIAL",
                                        "ID_NAME"};
    uint64_t identity = 0;

    for (size_t i = 0; i < array_count(names); i++) {
        const char *text = udev_device_get_property_value(device, names[i]);
        if (text != NULL)
            identity = XXH3_64bits_withSeed(text, strlen(text), identity);
    }
    return identity;
}

static bool copy_text(char *to, size_t to_bytes, const char *from)
{
    size_t length = from != NULL ? strlen(from) : 0;

    if (length == 0 || length >= to_bytes)
        return false;
    memcpy(to, from, length + 1);
    return true;
}

/* The port of a disk. `card` is the SD card, `usb_device` what is plugged in, where there are. */
static bool find_port(struct udev_device *device, struct udev_device **card,
                      struct udev_device **usb_device, struct port *port)
{
    *card = udev_device_get_parent_with_subsystem_devtype(device, "mmc", NULL);
    *usb_device = usb_device_of(device);
    if (*usb_device != NULL)
        return usb_port(device, port);
    return *card != NULL && port_of_path(port, udev_device_get_syspath(device), false) == 0;
}

bool usb_sight_disk(struct udev_device *device, struct sighting *sighting)
{
    struct sighting seen = {.seen_ns = clock_now_ns()};
    struct udev_device *card = NULL;
    struct udev_device *usb_device = NULL;
    dev_t number = udev_device_get_devnum(device);
    char text[PORT_TEXT_BYTES];
    unsigned long lun = read_lun(device);

    if (lun > SLOT_LUN_MAX || !is_drive(device) ||
        !find_port(device, &card, &usb_device, &seen.port) ||
        !copy_text(seen.path, sizeof(seen.path), udev_device_get_syspath(device)) ||
        !copy_text(seen.node, sizeof(seen.node), udev_device_get_devnode(device)))
        return false;
    seen.lun = (unsigned)lun;
    seen.major = major(number);
    seen.minor = minor(number);
    seen.diskseq = read_number(device, "diskseq", 10, 0);
    uint64_t sectors = read_number(device, "size", 10, 0);
    seen.capacity_bytes = sectors > UINT64_MAX / SECTOR_BYTES ? 0 : sectors * SECTOR_BYTES;
    /* A card in a reader came by itself. */
    seen.plugged_ns =
        card != NULL ? initialized_ns(card, seen.seen_ns) : connected_ns(usb_device, seen.seen_ns);
    seen.identity = read_identity(usb_device != NULL ? usb_device : device);
    seen.processed = udev_device_get_is_initialized(device) != 0;
    const char *mark = udev_device_get_property_value(device, "DRIVEPRESS_PORT");
    seen.claimed = mark != NULL && strcmp(mark, port_format(&seen.port, text)) == 0;
    seen.foreign = usb_device != NULL && visit_entries(usb_device, NULL, visit_interface);
    *sighting = seen;
    return true;
}

bool usb_foreign(struct udev_device *interface, struct port *port)
{
    const char *refused = udev_device_get_property_value(interface, "DRIVEPRESS_FOREIGN");
    const char *mark = udev_device_get_property_value(interface, "DRIVEPRESS_PORT");

    if (mark == NULL)
        mark = udev_device_get_property_value(interface, "DRIVEPRESS_BEHIND");
    return is_type(interface, "usb", "usb_interface") && mark != NULL &&
           ((refused != NULL && strcmp(refused, "1") == 0) ||
            (is_foreign_class(interface, "") &&
             read_number(interface, "authorized", 10, 1) == 0)) &&
           port_parse(port, mark) == 0;
}

/* As 59-drivepress.rules has it. */
static bool is_foreign_driver(const char *driver)
{
    return driver != NULL && strcmp(driver, "usb-storage") != 0 && strcmp(driver, "uas") != 0 &&
           strncmp(driver, "ums-", 4) != 0 && strcmp(driver, "hub") != 0;
}

bool usb_unwanted(struct udev_device *interface)
{
    return is_type(interface, "usb", "usb_interface") &&
           (is_foreign_class(interface, "") ||
            is_foreign_driver(udev_device_get_driver(interface))) &&
           read_number(interface, "authorized", 10, 1) != 0;
}

/* --- Hubs --------------------------------------------------------------------------------------- */

static bool is_hub(struct udev_device *device)
{
    return is_type(device, "usb", "usb_device") &&
           read_number(device, "bDeviceClass", 16, 0) == CLASS_HUB;
}

/* The hub itself as a port, of which port_of_hub() gives those of the hub. */
static bool port_of_any_hub(struct udev_device *hub, struct port *port)
{
    struct udev_device *controller = udev_device_get_parent(hub);

    if (usb_port(hub, port))
        return true;
    *port = (struct port){.bus = is_superspeed(hub) ? PORT_USB3 : PORT_USB2};
    return controller != NULL && is_numbered(udev_device_get_sysname(hub), "usb") &&
           copy_text(port->controller, sizeof(port->controller),
                     udev_device_get_sysname(controller));
}

/* Whether a device is the hub that a port belongs to. */
static bool is_hub_of(struct udev_device *device, const struct port *port)
{
    struct port hub;
    struct port child;

    return is_hub(device) && port_of_any_hub(device, &hub) &&
           port_of_hub(&hub, port_number(port), &child) && port_equal(&child, port);
}

/* The hub that a port belongs to, for udev_device_unref(); NULL if it is not there. */
static struct udev_device *find_hub(struct udev *udev, const struct port *port)
{
    struct udev_enumerate *all = udev_enumerate_new(udev);
    struct udev_device *found = NULL;
    struct udev_list_entry *entry;

    if (all == NULL || udev_enumerate_add_match_subsystem(all, "usb") < 0 ||
        udev_enumerate_scan_devices(all) < 0)
        goto done;
    udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(all))
    {
        struct udev_device *device =
            udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));
        if (device != NULL && is_hub_of(device, port)) {
            found = device;
            break;
        }
        (void)udev_device_unref(device);
    }
done:
    (void)udev_enumerate_unref(all);
    return found;
}

/* A port's directory is in that of an interface of its hub: usb1/1-2/1-2:1.0/1-2-port3, of a root
 * hub usb1/1-0:1.0/usb1-port2. */
struct peer_search {
    unsigned number;
    char link[LINK_BYTES]; /* what its `peer` leads to */
};

static bool visit_peer(struct udev_device *hub, const char *name, void *context)
{
    struct peer_search *search = context;
    const char *hub_name = udev_device_get_sysname(hub);
    char path[LINK_BYTES + 2 * NAME_BYTES];

    /* An interface of a root hub has the number of the bus in its name, then port 0. */
    if (strchr(name, ':') == NULL)
        return false;
    int length = snprintf(path, sizeof(path), "%s/%s/%s-port%u/peer", udev_device_get_syspath(hub),
                          name, hub_name, search->number);
    if (length < 0 || (size_t)length >= sizeof(path))
        return false;
    ssize_t used = readlink(path, search->link, sizeof(search->link) - 1);
    if (used <= 0)
        return false;
    search->link[used] = '\0';
    return true;
}

/* A port as its hub has it. */
struct place {
    struct port port;
    char device[2 * NAME_BYTES]; /* the name of a device in it */
};

/* The place that "…/1-2:1.0/1-2-port3" or "…/1-0:1.0/usb1-port2" stands for. */
static bool find_place(struct udev *udev, const char *link, struct place *place)
{
    static const char separator[] = "-port";
    const char *last = strrchr(link, '/');
    char name[NAME_BYTES];
    struct port hub;

    if (!copy_text(name, sizeof(name), last != NULL ? last + 1 : link))
        return false;
    char *at = strstr(name, separator);
    if (at == NULL)
        return false;
    *at = '\0';
    unsigned number = (unsigned)strtoul(at + strlen(separator), NULL, 10);
    struct udev_device *device = udev_device_new_from_subsystem_sysname(udev, "usb", name);
    bool found =
        device != NULL && port_of_any_hub(device, &hub) && port_of_hub(&hub, number, &place->port);
    (void)udev_device_unref(device);
    bool is_root = is_numbered(name, "usb");
    (void)snprintf(place->device, sizeof(place->device), "%s%c%u", is_root ? name + 3 : name,
                   is_root ? '-' : '.', number);
    return found;
}

/* The other face of a hub's port. */
static bool find_peer(struct udev_device *hub, unsigned number, struct place *peer)
{
    struct peer_search search = {.number = number};

    return visit_entries(hub, &search, visit_peer) &&
           find_place(udev_device_get_udev(hub), search.link, peer);
}

bool usb_peer(struct udev *udev, const struct port *port, struct port *peer)
{
    struct place place;
    struct udev_device *hub = port->bus != PORT_MMC ? find_hub(udev, port) : NULL;
    bool found = hub != NULL && find_peer(hub, port_number(port), &place);

    if (found)
        *peer = place.port;
    (void)udev_device_unref(hub);
    return found;
}

/* Marks the ports of a hub that hold hubs: "1-2.3" in the directory of 1-2 is in port 3. */
static bool visit_child(struct udev_device *device, const char *name, void *context)
{
    struct layout_hub *hub = context;
    const char *of = udev_device_get_sysname(device);
    size_t length = strlen(of);
    char attribute[NAME_BYTES + 32];

    if (strncmp(name, of, length) != 0 || name[length] != '.' || !is_numbered(name + length, "."))
        return false;
    unsigned long number = strtoul(name + length + 1, NULL, 10);
    (void)snprintf(attribute, sizeof(attribute), "%s/bDeviceClass", name);
    if (number <= PORT_NUMBER_MAX && read_number(device, attribute, 16, 0) == CLASS_HUB)
        hub->hub_in_port[number / 8] |= (uint8_t)(1U << (number % 8));
    return false;
}

static void read_ports(struct udev_device *device, struct layout_hub *hub)
{
    uint64_t count = min_u64(read_number(device, "maxchild", 10, 0), PORT_NUMBER_MAX);

    if (count > hub->port_count)
        hub->port_count = (unsigned)count;
    (void)visit_entries(device, hub, visit_child);
}

bool usb_hub(struct udev_device *device, struct layout_hub *hub)
{
    struct layout_hub found = {.face_count = 1};
    struct place peer;

    if (!is_hub(device) || !usb_port(device, &found.faces[0]))
        return false;
    read_ports(device, &found);
    /* Of a hub that shows only one face the other one is known all the same: its ports are where
     * they are, and the other face may only be late. */
    struct udev_device *behind =
        udev_device_get_parent_with_subsystem_devtype(device, "usb", "usb_device");
    if (behind != NULL && find_peer(behind, port_number(&found.faces[0]), &peer)) {
        struct udev_device *other = udev_device_new_from_subsystem_sysname(
            udev_device_get_udev(device), "usb", peer.device);
        found.faces[found.face_count++] = peer.port;
        if (other != NULL && is_hub(other))
            read_ports(other, &found);
        (void)udev_device_unref(other);
    }
    *hub = found;
    return found.port_count > 0;
}

/* --- Names -------------------------------------------------------------------------------------- */

/* udev writes what is no usual character of a file's name as "\x20". */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0';) {
        unsigned value = 0;
        if (from[0] == '\\' && from[1] == 'x' && sscanf(from + 2, "%2x", &value) == 1 &&
            isxdigit((unsigned char)from[2]) && isxdigit((unsigned char)from[3]) && value != 0) {
            *to++ = (char)value;
            from += 4;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

/* The name of a device's maker or model ("VENDOR", "MODEL"): its own, else that of udev's list of
 * devices, else "". udev writes the number where the device has no name. */
static void read_name(struct udev_device *device, const char *what, char name[NAME_BYTES])
{
    static const char *const suffixes[] = {"_ENC", "", "_FROM_DATABASE"};
    char property[NAME_BYTES];

    (void)snprintf(property, sizeof(property), "ID_%s_ID", what);
    const char *number = udev_device_get_property_value(device, property);
    name[0] = '\0';
    for (size_t i = 0; i < array_count(suffixes) && name[0] == '\0'; i++) {
        (void)snprintf(property, sizeof(property), "ID_%s%s", what, suffixes[i]);
        const char *value = udev_device_get_property_value(device, property);
        if (value != NULL && (number == NULL || strcmp(value, number) != 0))
            (void)snprintf(name, NAME_BYTES, "%s", value);
    }
    unescape(name);
}

void usb_name(struct udev_device *device, char *text, size_t text_bytes)
{
    struct udev_device *usb_device = usb_device_of(device);
    char maker[NAME_BYTES] = "";
    char model[NAME_BYTES] = "";

    if (usb_device != NULL) {
        read_name(usb_device, "VENDOR", maker);
        read_name(usb_device, "MODEL", model);
    }
    const char *blank = maker[0] != '\0' && model[0] != '\0' ? " " : "";
    if (usb_device != NULL && maker[0] == '\0' && model[0] == '\0')
        (void)snprintf(text, text_bytes, "USB device %04x:%04x",
                       (unsigned)read_number(usb_device, "idVendor", 16, 0) & 0xFFFF,
                       (unsigned)read_number(usb_device, "idProduct", 16, 0) & 0xFFFF);
    else
        (void)snprintf(text, text_bytes, "%s%s%s", maker, blank, model);
    text_clean(text);
}
