// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/rig/port.h"

#include "lib/base/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The root hub is USB's first tier, what is plugged into the last one has six numbers. */
enum { CHAIN_NUMBERS_MAX = 6, BUS_DIGITS_MAX = 3 };

static const char *const bus_words[] = {[PORT_USB2] = "usb2", [PORT_USB3] = "usb3"};

static bool is_digit(char letter)
{
    return letter >= '0' && letter <= '9';
}

static bool is_alphanumeric(char letter)
{
    return is_digit(letter) || (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z');
}

/* Takes the name of a controller; false for what is none. */
static bool take_controller(struct port *port, const char *name, size_t length)
{
    if (length == 0 || length >= PORT_CONTROLLER_BYTES || !is_alphanumeric(name[0]))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_alphanumeric(name[i]) && (name[i] == '\0' || strchr(":._-", name[i]) == NULL))
            return false;
    }
    memcpy(port->controller, name, length);
    port->controller[length] = '\0';
    return true;
}

/* The length of a port's number at the start of a text, 1 to PORT_NUMBER_MAX without zeros in
 * front; 0 for anything else. */
static size_t number_length(const char *text, unsigned *number)
{
    size_t length = 0;

    *number = 0;
    if (text[0] == '0')
        return 0;
    while (is_digit(text[length]) && *number <= PORT_NUMBER_MAX)
        *number = *number * 10 + (unsigned)(text[length++] - '0');
    return *number <= PORT_NUMBER_MAX ? length : 0;
}

/* The length of "2.3" at the start of a text; 0 if there is none. */
static size_t chain_length(const char *text)
{
    size_t used = 0;

    for (unsigned count = 0; count < CHAIN_NUMBERS_MAX; count++) {
        unsigned number;
        size_t length = number_length(text + used, &number);
        if (length == 0)
            return 0;
        used += length;
        if (text[used] != '.')
            return used;
        used++;
    }
    return 0;
}

int port_parse(struct port *port, const char *text)
{
    struct port parsed = {0};
    size_t length = strcspn(text, "/");

    if (!take_controller(&parsed, text, length) || text[length] != '/')
        return -EINVAL;
    text += length + 1;
    if (strcmp(text, "mmc") == 0) {
        parsed.bus = PORT_MMC;
    } else {
        if (strncmp(text, "usb2/", 5) != 0 && strncmp(text, "usb3/", 5) != 0)
            return -EINVAL;
        parsed.bus = text[3] == '3' ? PORT_USB3 : PORT_USB2;
        text += 5;
        length = chain_length(text);
        if (length == 0 || text[length] != '\0')
            return -EINVAL;
        memcpy(parsed.chain, text, length);
    }
    *port = parsed;
    return 0;
}

const char *port_format(const struct port *port, char text[PORT_TEXT_BYTES])
{
    int length = port->bus == PORT_MMC ? snprintf(text, PORT_TEXT_BYTES, "%s/mmc", port->controller)
                                       : snprintf(text, PORT_TEXT_BYTES, "%s/%s%s%s",
                                                  port->controller, bus_words[port->bus],
                                                  port->chain[0] != '\0' ? "/" : "", port->chain);
    check(length > 0 && length < PORT_TEXT_BYTES);
    return text;
}

bool port_equal(const struct port *one, const struct port *other)
{
    return one->bus == other->bus && strcmp(one->controller, other->controller) == 0 &&
           strcmp(one->chain, other->chain) == 0;
}

/* One part of a path, between slashes. */
struct part {
    const char *text;
    size_t length;
};

static bool next_part(struct part *part)
{
    const char *at = part->text + part->length;

    at += strspn(at, "/");
    *part = (struct part){.text = at, .length = strcspn(at, "/")};
    return part->length > 0;
}

/* The digits of "usb1"; 0 when it is not a root hub's name. */
static size_t root_hub_digits(const struct part *part)
{
    size_t digits = part->length > 3 ? part->length - 3 : 0;

    if (digits > BUS_DIGITS_MAX || strncmp(part->text, "usb", 3) != 0)
        return 0;
    return strspn(part->text + 3, "0123456789") >= digits ? digits : 0;
}

/* Takes the port from a part such as "1-2.3", if it is one further on than what was taken. */
static bool take_device(struct port *port, const struct part *root_hub, const struct part *part)
{
    size_t digits = root_hub->length - 3;
    size_t before = strlen(port->chain);
    const char *chain = part->text + digits + 1;
    unsigned number;

    if (part->length <= digits + 1 || part->text[digits] != '-' ||
        strncmp(part->text, root_hub->text + 3, digits) != 0)
        return false;
    size_t length = part->length - digits - 1;
    size_t separator = before > 0 ? 1 : 0;
    if (chain_length(chain) != length || length <= before + separator ||
        strncmp(chain, port->chain, before) != 0 || (separator != 0 && chain[before] != '.') ||
        before + separator + number_length(chain + before + separator, &number) != length)
        return false;
    memcpy(port->chain, chain, length);
    port->chain[length] = '\0';
    return true;
}

/* Takes the port below a root hub, and leaves `part` at the last of it. */
static bool take_usb(struct port *port, const struct part *controller, struct part *part,
                     bool superspeed)
{
    const struct part root_hub = *part;
    struct port found = {.bus = superspeed ? PORT_USB3 : PORT_USB2};
    struct part next = *part;

    while (next_part(&next) && take_device(&found, &root_hub, &next))
        *part = next;
    if (found.chain[0] == '\0' || !take_controller(&found, controller->text, controller->length))
        return false;
    *port = found;
    return true;
}

int port_of_path(struct port *port, const char *path, bool superspeed)
{
    static const char mmc_host[] = "mmc_host";
    struct part part = {.text = path};
    struct part before = part;
    struct port found = {0};

    for (; next_part(&part); before = part) {
        if (root_hub_digits(&part) > 0) {
            (void)take_usb(&found, &before, &part, superspeed);
        } else if (part.length == strlen(mmc_host) &&
                   strncmp(part.text, mmc_host, part.length) == 0 && found.controller[0] == '\0') {
            /* An SD slot that is itself behind USB is named by that. */
            found.bus = PORT_MMC;
            (void)take_controller(&found, before.text, before.length);
        }
    }
    if (found.controller[0] == '\0')
        return -ENOENT;
    *port = found;
    return 0;
}

bool port_hub(const struct port *port, struct port *hub)
{
    const char *last = strrchr(port->chain, '.');

    if (port->bus == PORT_MMC || last == NULL)
        return false;
    struct port found = *port;
    found.chain[last - port->chain] = '\0';
    *hub = found;
    return true;
}

unsigned port_number(const struct port *port)
{
    const char *last = strrchr(port->chain, '.');
    unsigned number;

    (void)number_length(last != NULL ? last + 1 : port->chain, &number);
    return number;
}

bool port_of_hub(const struct port *hub, unsigned number, struct port *port)
{
    struct port found = *hub;
    size_t length = strlen(hub->chain);

    if (hub->bus == PORT_MMC || number == 0 || number > PORT_NUMBER_MAX)
        return false;
    int added = snprintf(found.chain + length, sizeof(found.chain) - length, "%s%u",
                         length > 0 ? "." : "", number);
    if ((size_t)added >= sizeof(found.chain) - length || chain_length(found.chain) == 0)
        return false;
    *port = found;
    return true;
}
