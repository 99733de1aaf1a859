// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/rig/claim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What every claim begins with. A rule that looks at parents (KERNELS, ATTRS) takes the nearest one
 * that matches, and its `*` also matches `/`. Names that begin with a dot stay in the rules. An
 * event that is not of removal must set everything anew, "bind" too. */
static const char head[] =
    "# Written by `drivepress slots`, which replaces it as a whole: do not edit.\n"
    "#\n"
    "# The ports of the rig. What is plugged into them 59-drivepress.rules gives to the group\n"
    "# drivepress, whose daemon may erase it.\n"
    "\n"
    "ACTION==\"remove\", GOTO=\"drivepress_ports_end\"\n"
    "SUBSYSTEM!=\"block|usb\", GOTO=\"drivepress_ports_end\"\n"
    "\n"
    "# A USB port is known by its controller, the version of the root hub, and the numbers of the\n"
    "# ports from there. Not by the number of its bus, which may be another after every start.\n"
    "KERNELS==\"usb[0-9]*\", ATTRS{version}==\" [12].*\", ENV{.DRIVEPRESS_BUS}=\"usb2\"\n"
    "KERNELS==\"usb[0-9]*\", ATTRS{version}==\" [3-9].*\", ENV{.DRIVEPRESS_BUS}=\"usb3\"\n"
    "SUBSYSTEMS==\"usb\", ATTRS{devpath}==\"?*\", ENV{.DRIVEPRESS_CHAIN}=\"$attr{devpath}\"\n"
    "# Never what is behind a controller that is itself plugged in.\n"
    "DEVPATH==\"*/usb[0-9]/*:*/usb[0-9]*|*/usb[0-9][0-9]/*:*/usb[0-9]*\", "
    "GOTO=\"drivepress_ports_end\"\n";

static const char foot[] = "\nLABEL=\"drivepress_ports_end\"\n";

static const struct port *port_of(const struct layout *layout, uint32_t slot, unsigned face)
{
    return &layout->slots[slot].ports[face];
}

/* What one rule is about: the hub that a port belongs to, or else the port itself. */
static struct port place_of(const struct port *port, bool *is_hub)
{
    struct port place = *port;

    *is_hub = port_hub(port, &place);
    return place;
}

static bool same_place(const struct port *one, const struct port *other)
{
    bool one_is_hub;
    bool other_is_hub;
    struct port one_place = place_of(one, &one_is_hub);
    struct port other_place = place_of(other, &other_is_hub);

    return one_is_hub == other_is_hub && port_equal(&one_place, &other_place);
}

/* Names every slot in the place of a port. */
static void write_names(FILE *file, const struct layout *layout, const struct port *port)
{
    for (uint32_t slot = 0; slot < layout->count; slot++) {
        for (unsigned face = 0; face < layout->slots[slot].port_count; face++) {
            char text[PORT_TEXT_BYTES];
            const struct port *other = port_of(layout, slot, face);
            if (!same_place(other, port))
                continue;
            (void)fprintf(file, "# %s: %s", layout->slots[slot].name, port_format(other, text));
            if (layout->slots[slot].lun != 0)
                (void)fprintf(file, ", LUN %u", layout->slots[slot].lun);
            (void)fputc('\n', file);
        }
    }
}

static const char *bus_word(const struct port *port)
{
    return port->bus == PORT_USB3 ? "usb3" : "usb2";
}

static void write_hub(FILE *file, const struct port *hub)
{
    const char *chain = hub->chain;

    (void)fprintf(file,
                  "# and all other ports of their hub\n"
                  "ENV{.DRIVEPRESS_BUS}==\"%s\", DEVPATH==\"*/%s/usb[0-9]*\", "
                  "ENV{.DRIVEPRESS_CHAIN}==\"%s.[0-9]|%s.[0-9][0-9]|%s.[0-9][0-9][0-9]\", "
                  "ENV{DRIVEPRESS_PORT}=\"%s/%s/$env{.DRIVEPRESS_CHAIN}\"\n",
                  bus_word(hub), hub->controller, chain, chain, chain, hub->controller,
                  bus_word(hub));
}

static void write_usb_port(FILE *file, const struct port *port)
{
    char text[PORT_TEXT_BYTES];

    (void)fprintf(file,
                  "ENV{.DRIVEPRESS_BUS}==\"%s\", DEVPATH==\"*/%s/usb[0-9]*\", "
                  "ENV{.DRIVEPRESS_CHAIN}==\"%s\", ENV{DRIVEPRESS_PORT}=\"%s\"\n",
                  bus_word(port), port->controller, port->chain, port_format(port, text));
}

/* Not the disks that stand for the boot and other special parts of a card. */
static void write_mmc(FILE *file, const struct port *port)
{
    char text[PORT_TEXT_BYTES];

    (void)fprintf(file,
                  "ENV{.DRIVEPRESS_BUS}==\"\", SUBSYSTEM==\"block\", "
                  "DEVPATH==\"*/%s/mmc_host/mmc[0-9]*/block/mmcblk*\", "
                  "KERNEL!=\"*boot*|*rpmb*|*gp*\", ENV{DRIVEPRESS_PORT}=\"%s\"\n",
                  port->controller, port_format(port, text));
}

static void write_place(FILE *file, const struct layout *layout, const struct port *port)
{
    bool is_hub;
    struct port place = place_of(port, &is_hub);

    (void)fputc('\n', file);
    write_names(file, layout, port);
    if (port->bus == PORT_MMC)
        write_mmc(file, &place);
    else if (is_hub)
        write_hub(file, &place);
    else
        write_usb_port(file, &place);
}

/* Whether no slot before has a port in the same place. */
static bool is_first_of_place(const struct layout *layout, uint32_t slot, unsigned face)
{
    const struct port *port = port_of(layout, slot, face);

    for (uint32_t before = 0; before <= slot; before++) {
        unsigned faces = before < slot ? layout->slots[before].port_count : face;
        for (unsigned i = 0; i < faces; i++) {
            if (same_place(port_of(layout, before, i), port))
                return false;
        }
    }
    return true;
}

char *claim_rules(const struct layout *layout)
{
    char *text = NULL;
    size_t text_bytes = 0;
    FILE *file = open_memstream(&text, &text_bytes);

    if (file == NULL)
        return NULL;
    (void)fputs(head, file);
    for (uint32_t slot = 0; slot < layout->count; slot++) {
        for (unsigned face = 0; face < layout->slots[slot].port_count; face++) {
            if (is_first_of_place(layout, slot, face))
                write_place(file, layout, port_of(layout, slot, face));
        }
    }
    (void)fputs(foot, file);
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
