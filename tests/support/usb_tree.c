// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/usb_tree.h"

#include "lib/base/check.h"

#include <dirent.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <umockdev.h>
#include <unistd.h>

#if defined(__has_feature)
#define WITH_THREAD_SANITIZER __has_feature(thread_sanitizer)
#else
#define WITH_THREAD_SANITIZER 0
#endif

enum {
    PATH_BYTES = 512,
    TEXT_BYTES = 4096,
    DEVICES_MAX = 128,
    CLAIMED_MAX = 64,
    ROOT_PORTS = 4,
    MAJOR_NUMBER = 61, /* for local use, as the kernel's list of devices says */
};

#define CONTROLLERS "/sys/devices/pci0000:00/"

struct bus {
    const char *number;
    const char *controller;
    const char *peer; /* the bus of the other faces of its ports */
    const char *version;
    unsigned ports;
};

static const struct bus buses[] = {
    {"61", "0000:00:14.0", "62", " 2.00", ROOT_PORTS},
    {"62", "0000:00:14.0", "61", " 3.10", ROOT_PORTS},
    {"63", "0000:00:15.0", NULL, " 2.00", 2},
};

struct usb_tree {
    UMockdevTestbed *testbed;
    void (*told)(void);
    unsigned device_count;
    char *devices[DEVICES_MAX]; /* paths, parents first; NULL: pulled */
    unsigned claimed_count;
    char claimed[CLAIMED_MAX][32];
    unsigned host_count;
    unsigned disk_count;
    char path[PATH_BYTES];
};

/* --- Running under libumockdev ------------------------------------------------------------------ */

struct library {
    const char *name;
    char path[PATH_BYTES]; /* "" while it was not found */
};

static int visit_library(struct dl_phdr_info *info, size_t size, void *context)
{
    struct library *library = context;

    (void)size;
    if (strstr(info->dlpi_name, library->name) == NULL)
        return 0;
    (void)snprintf(library->path, sizeof(library->path), "%s", info->dlpi_name);
    return 1;
}

/* The path of a library that the program was started with; "" if it was not. */
static struct library find_library(const char *name)
{
    struct library library = {.name = name};

    (void)dl_iterate_phdr(visit_library, &library);
    return library;
}

static _Noreturn void skip_all(const char *why)
{
    printf("1..0 # SKIP %s\n", why);
    exit(0);
}

void usb_tree_enter(char **argv)
{
    static const char again[] = "DRIVEPRESS_TEST_IN_USB_TREE";
    char preload[PATH_BYTES + 64];

#if defined(__SANITIZE_THREAD__) || WITH_THREAD_SANITIZER
    skip_all("the thread sanitizer knows nothing of libumockdev's own threads");
#endif
    if (find_library("/libumockdev-preload.so").path[0] != '\0')
        return;
    if (getenv(again) == NULL) {
        /* A sanitizer's library must be the very first one. */
        struct library sanitizer = find_library("/libasan.so");
        (void)snprintf(preload, sizeof(preload), "%s libumockdev-preload.so.0", sanitizer.path);
        check(setenv("LD_PRELOAD", preload, 1) == 0 && setenv(again, "1", 1) == 0);
        (void)execv("/proc/self/exe", argv);
    }
    skip_all("libumockdev-preload.so.0 is not there (Debian package umockdev)");
}

/* --- Names and paths ---------------------------------------------------------------------------- */

static const struct bus *find_bus(const char *name)
{
    for (size_t i = 0; i < sizeof(buses) / sizeof(buses[0]); i++) {
        size_t length = strlen(buses[i].number);
        if (strncmp(name, buses[i].number, length) == 0 && name[length] == '-')
            return &buses[i];
    }
    check_never("a name begins with one of the buses");
}

static const char *chain_of(const char *name)
{
    return strchr(name, '-') + 1;
}

const char *usb_tree_path(struct usb_tree *tree, const char *name)
{
    const struct bus *bus = find_bus(name);
    int used =
        snprintf(tree->path, PATH_BYTES, CONTROLLERS "%s/usb%s", bus->controller, bus->number);

    for (const char *dot = chain_of(name); dot != NULL;) {
        dot = strchr(dot, '.');
        int length = dot != NULL ? (int)(dot - name) : (int)strlen(name);
        used += snprintf(tree->path + used, (size_t)(PATH_BYTES - used), "/%.*s", length, name);
        dot = dot != NULL ? dot + 1 : NULL;
    }
    return tree->path;
}

/* --- Making devices ----------------------------------------------------------------------------- */

static void call_told(struct usb_tree *tree)
{
    if (tree->told != NULL)
        tree->told();
}

static const char *add(struct usb_tree *tree, const char *path, const char *text)
{
    GError *error = NULL;

    check(tree->device_count < DEVICES_MAX);
    if (!umockdev_testbed_add_from_string(tree->testbed, text, &error))
        check_failed(error->message, __FILE__, __LINE__, __func__);
    char *kept = strdup(path);
    check(kept != NULL);
    tree->devices[tree->device_count++] = kept;
    call_told(tree);
    return kept;
}

/* Adds a device from the lines of its description that follow its path. */
__attribute__((format(printf, 3, 4))) static const char *add_device(struct usb_tree *tree,
                                                                    const char *path,
                                                                    const char *format, ...)
{
    char text[TEXT_BYTES];
    va_list arguments;
    int used = snprintf(text, sizeof(text), "P: %s\n", path + strlen("/sys"));

    va_start(arguments, format);
    used += vsnprintf(text + used, sizeof(text) - (size_t)used, format, arguments);
    va_end(arguments);
    check((size_t)used < sizeof(text));
    return add(tree, path, text);
}

static bool is_claimed(const struct usb_tree *tree, const char *name)
{
    for (unsigned i = 0; i < tree->claimed_count; i++) {
        if (strcmp(tree->claimed[i], name) == 0)
            return true;
    }
    return false;
}

/* The line that udev's rules add for a device in a claimed port. */
static const char *mark(const struct usb_tree *tree, const char *name, char line[PATH_BYTES])
{
    line[0] = '\0';
    if (!is_claimed(tree, name))
        return line;
    if (strcmp(name, "mmc61") == 0) {
        (void)snprintf(line, PATH_BYTES, "E: DRIVEPRESS_PORT=0000:00:1f.0/mmc\n");
    } else {
        const struct bus *bus = find_bus(name);
        (void)snprintf(line, PATH_BYTES, "E: DRIVEPRESS_PORT=%s/usb%c/%s\n", bus->controller,
                       bus->version[1], chain_of(name));
    }
    return line;
}

/* The ports of a hub: `interface` is where they are, `hub` what their names begin with. They are
 * directories only: the kernel tells nothing of them, for they are of no subsystem. */
static void add_ports(struct usb_tree *tree, const char *interface, const char *hub,
                      const char *peer_interface, const char *peer_hub, unsigned ports)
{
    char *root = umockdev_testbed_get_root_dir(tree->testbed);

    for (unsigned number = 1; number <= ports; number++) {
        char path[3 * PATH_BYTES];
        char peer[PATH_BYTES];
        size_t used =
            (size_t)snprintf(path, sizeof(path), "%s%s/%s-port%u", root, interface, hub, number);
        check(mkdir(path, 0755) == 0);
        if (peer_hub[0] == '\0')
            continue;
        (void)snprintf(path + used, sizeof(path) - used, "/peer");
        (void)snprintf(peer, sizeof(peer), "../../%s/%s-port%u", peer_interface, peer_hub, number);
        check(symlink(peer, path) == 0);
    }
    g_free(root);
}

static void add_root_hub(struct usb_tree *tree, const struct bus *bus)
{
    char path[PATH_BYTES];
    char interface[PATH_BYTES + 32];
    char hub[16];
    char peer_interface[64] = "";
    char peer_hub[16] = "";

    (void)snprintf(path, sizeof(path), CONTROLLERS "%s/usb%s", bus->controller, bus->number);
    (void)add_device(tree, path,
                     "E: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\nA: version=%s\\n\nA: devpath=0\\n\n"
                     "A: bDeviceClass=09\\n\nA: maxchild=%u\\n\n",
                     bus->version, bus->ports);
    (void)snprintf(interface, sizeof(interface), "%s/%s-0:1.0", path, bus->number);
    (void)add_device(tree, interface,
                     "E: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\nA: bInterfaceClass=09\\n\n");
    (void)snprintf(hub, sizeof(hub), "usb%s", bus->number);
    if (bus->peer != NULL) {
        (void)snprintf(peer_hub, sizeof(peer_hub), "usb%s", bus->peer);
        (void)snprintf(peer_interface, sizeof(peer_interface), "../%s/%s-0:1.0", peer_hub,
                       bus->peer);
    }
    add_ports(tree, interface, hub, peer_interface, peer_hub, bus->ports);
}

struct usb_tree *usb_tree_new(void)
{
    struct usb_tree *tree = calloc(1, sizeof(*tree));

    check(tree != NULL);
    tree->testbed = umockdev_testbed_new();
    (void)add_device(tree, CONTROLLERS "0000:00:14.0", "E: SUBSYSTEM=pci\n");
    (void)add_device(tree, CONTROLLERS "0000:00:15.0", "E: SUBSYSTEM=pci\n");
    (void)add_device(tree, CONTROLLERS "0000:00:1f.0", "E: SUBSYSTEM=pci\n");
    (void)add_device(tree, CONTROLLERS "0000:00:1f.0/mmc_host/mmc61", "E: SUBSYSTEM=mmc_host\n");
    for (size_t i = 0; i < sizeof(buses) / sizeof(buses[0]); i++)
        add_root_hub(tree, &buses[i]);
    return tree;
}

void usb_tree_free(struct usb_tree *tree)
{
    for (unsigned i = 0; i < tree->device_count; i++)
        free(tree->devices[i]);
    g_object_unref(tree->testbed);
    free(tree);
}

void usb_tree_listen(struct usb_tree *tree, void (*told)(void))
{
    tree->told = told;
}

void usb_tree_claim(struct usb_tree *tree, const char *name)
{
    check(tree->claimed_count < CLAIMED_MAX);
    (void)snprintf(tree->claimed[tree->claimed_count++], sizeof(tree->claimed[0]), "%s", name);
}

/* --- Plugging in -------------------------------------------------------------------------------- */

static void plug(struct usb_tree *tree, const char *name, const char *attributes)
{
    char line[PATH_BYTES];

    (void)add_device(tree, usb_tree_path(tree, name),
                     "E: SUBSYSTEM=usb\nE: DEVTYPE=usb_device\n%sA: version=%s\\n\n"
                     "A: devpath=%s\\n\nA: idVendor=46f4\\n\nA: idProduct=0001\\n\n%s",
                     mark(tree, name, line), find_bus(name)->version, chain_of(name), attributes);
}

void usb_tree_hub(struct usb_tree *tree, const char *name, unsigned ports)
{
    const struct bus *bus = find_bus(name);
    char attributes[128];
    char interface[PATH_BYTES + 64];
    char peer_interface[PATH_BYTES] = "";
    char peer_name[64] = "";

    (void)snprintf(attributes, sizeof(attributes), "A: bDeviceClass=09\\n\nA: maxchild=%u\\n\n",
                   ports);
    plug(tree, name, attributes);
    usb_tree_interface(tree, name, 0, 0x09);
    if (bus->peer != NULL) {
        (void)snprintf(peer_name, sizeof(peer_name), "%s-%s", bus->peer, chain_of(name));
        /* Only the end of such a link is looked at. */
        (void)snprintf(peer_interface, sizeof(peer_interface), "../../usb%s/%s/%s:1.0", bus->peer,
                       peer_name, peer_name);
    }
    (void)snprintf(interface, sizeof(interface), "%s/%s:1.0", usb_tree_path(tree, name), name);
    add_ports(tree, interface, name, peer_interface, peer_name, ports);
}

void usb_tree_device(struct usb_tree *tree, const char *name)
{
    plug(tree, name, "A: bDeviceClass=00\\n\nA: maxchild=0\\n\n");
}

void usb_tree_interface(struct usb_tree *tree, const char *name, unsigned number,
                        unsigned class_code)
{
    char path[PATH_BYTES + 64];
    char line[PATH_BYTES];
    bool refused = is_claimed(tree, name) && class_code != 0x08 && class_code != 0x09;

    (void)snprintf(path, sizeof(path), "%s/%s:1.%u", usb_tree_path(tree, name), name, number);
    (void)add_device(tree, path,
                     "E: SUBSYSTEM=usb\nE: DEVTYPE=usb_interface\n%s%sA: bInterfaceClass=%02x\\n\n"
                     "A: authorized=%d\\n\n",
                     mark(tree, name, line), refused ? "E: DRIVEPRESS_FOREIGN=1\n" : "", class_code,
                     refused ? 0 : 1);
}

static const char *add_block(struct usb_tree *tree, const char *path, const char *devtype,
                             const char *node, const char *line, uint64_t capacity_bytes)
{
    unsigned number = ++tree->disk_count;

    return add_device(tree, path,
                      "N: %s\nE: SUBSYSTEM=block\nE: DEVTYPE=%s\nE: DEVNAME=/dev/%s\nE: MAJOR=%d\n"
                      "E: MINOR=%u\n%sA: size=%llu\\n\nA: diskseq=%u\\n\nA: dev=%d:%u\\n\n",
                      node, devtype, node, MAJOR_NUMBER, number, line,
                      (unsigned long long)(capacity_bytes / 512), number, MAJOR_NUMBER, number);
}

const char *usb_tree_disk(struct usb_tree *tree, const char *name, unsigned lun, const char *node,
                          uint64_t capacity_bytes)
{
    char scsi[PATH_BYTES + 128];
    char path[PATH_BYTES + 256];
    char line[PATH_BYTES];

    /* Each disk has a host of its own, so that no two have the same name. */
    unsigned host = ++tree->host_count;
    (void)snprintf(scsi, sizeof(scsi), "%s/%s:1.0/host%u/target%u:0:0/%u:0:0:%u",
                   usb_tree_path(tree, name), name, host, host, host, lun);
    (void)add_device(tree, scsi, "E: SUBSYSTEM=scsi\nE: DEVTYPE=scsi_device\n");
    (void)snprintf(path, sizeof(path), "%s/block/%s", scsi, node);
    return add_block(tree, path, "disk", node, mark(tree, name, line), capacity_bytes);
}

const char *usb_tree_stick(struct usb_tree *tree, const char *name, const char *node,
                           uint64_t capacity_bytes)
{
    usb_tree_device(tree, name);
    usb_tree_interface(tree, name, 0, 0x08);
    return usb_tree_disk(tree, name, 0, node, capacity_bytes);
}

void usb_tree_keyboard(struct usb_tree *tree, const char *name)
{
    usb_tree_device(tree, name);
    usb_tree_property(tree, usb_tree_path(tree, name), "ID_MODEL_ENC", "Quiet\\x20Keys");
    usb_tree_interface(tree, name, 0, 0x03);
    usb_tree_interface(tree, name, 1, 0x03);
}

const char *usb_tree_partition(struct usb_tree *tree, const char *disk, const char *node)
{
    char path[2 * PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%s/%s", disk, node);
    return add_block(tree, path, "partition", node, "", 1 << 20);
}

const char *usb_tree_card(struct usb_tree *tree, const char *node, uint64_t capacity_bytes)
{
    static const char card[] = CONTROLLERS "0000:00:1f.0/mmc_host/mmc61/mmc61:aaaa";
    char path[PATH_BYTES];
    char line[PATH_BYTES];

    (void)add_device(tree, card, "E: SUBSYSTEM=mmc\nA: type=SD\\n\n");
    (void)snprintf(path, sizeof(path), "%s/block/%s", card, node);
    return add_block(tree, path, "disk", node, mark(tree, "mmc61", line), capacity_bytes);
}

const char *usb_tree_block(struct usb_tree *tree, const char *parent, const char *node,
                           uint64_t capacity_bytes)
{
    char path[2 * PATH_BYTES];

    (void)snprintf(path, sizeof(path), "%s/%s", parent, node);
    return add_block(tree, path, "disk", node, "", capacity_bytes);
}

/* --- Changing and pulling ----------------------------------------------------------------------- */

/* libumockdev leaves the links to a device that it removes. */
static void remove_links(struct usb_tree *tree, const char *path)
{
    static const char *const directories[] = {"class/block", "block", "bus/usb/devices"};
    const char *name = strrchr(path, '/') + 1;
    char *root = umockdev_testbed_get_sys_dir(tree->testbed);

    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        char link[2 * PATH_BYTES];
        (void)snprintf(link, sizeof(link), "%s/%s/%s", root, directories[i], name);
        (void)unlink(link);
    }
    g_free(root);
}

void usb_tree_pull(struct usb_tree *tree, const char *name)
{
    char top[PATH_BYTES];
    size_t length = (size_t)snprintf(top, sizeof(top), "%s",
                                     strcmp(name, "mmc61") == 0 ? CONTROLLERS
                                         "0000:00:1f.0/mmc_host/mmc61/mmc61:aaaa"
                                                                : usb_tree_path(tree, name));

    for (unsigned i = tree->device_count; i-- > 0;) {
        char *path = tree->devices[i];
        if (path == NULL || strncmp(path, top, length) != 0 ||
            (path[length] != '\0' && path[length] != '/'))
            continue;
        /* Adding tells by itself, removing does not. */
        usb_tree_send(tree, path, "remove");
        umockdev_testbed_remove_device(tree->testbed, path);
        remove_links(tree, path);
        free(path);
        tree->devices[i] = NULL;
    }
}

void usb_tree_attribute(struct usb_tree *tree, const char *path, const char *attribute,
                        const char *value)
{
    umockdev_testbed_set_attribute(tree->testbed, path, attribute, value);
}

void usb_tree_property(struct usb_tree *tree, const char *path, const char *property,
                       const char *value)
{
    umockdev_testbed_set_property(tree->testbed, path, property, value);
}

void usb_tree_medium(struct usb_tree *tree, const char *disk, uint64_t capacity_bytes,
                     uint64_t diskseq)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%llu\n", (unsigned long long)(capacity_bytes / 512));
    usb_tree_attribute(tree, disk, "size", text);
    (void)snprintf(text, sizeof(text), "%llu\n", (unsigned long long)diskseq);
    usb_tree_attribute(tree, disk, "diskseq", text);
    usb_tree_send(tree, disk, "change");
}

void usb_tree_send(struct usb_tree *tree, const char *path, const char *action)
{
    umockdev_testbed_uevent(tree->testbed, path, action);
    call_told(tree);
}
