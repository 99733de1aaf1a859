// SPDX-License-Identifier: GPL-3.0-or-later
/* Bytes as names of ports and slots from a configuration file, and as a path from the kernel. What
 * is taken for a port is safe in udev rules, where it is written as it is, and survives being
 * written and read back. */
#include "lib/base/check.h"
#include "lib/rig/layout.h"
#include "lib/rig/port.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_port(const struct port *port)
{
    static const char safe[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._-/";
    char text[PORT_TEXT_BYTES];
    struct port again;
    struct port hub;

    check(strlen(port_format(port, text)) < PORT_TEXT_BYTES);
    check(text[strspn(text, safe)] == '\0' && text[0] != '.' && text[0] != '-');
    check(port_parse(&again, text) == 0 && port_equal(port, &again));
    if (port_hub(port, &hub)) {
        check(port_of_hub(&hub, port_number(port), &again));
        check(port_equal(port, &again));
    }
    if (port_of_hub(port, PORT_NUMBER_MAX, &again)) {
        check(port_hub(&again, &hub) && port_equal(port, &hub));
        check(port_number(&again) == PORT_NUMBER_MAX);
    }
}

static void check_path(const char *text, bool superspeed)
{
    struct port port;
    int error = port_of_path(&port, text, superspeed);

    check(error == 0 || error == -ENOENT);
    if (error != 0)
        return;
    check(port.bus == PORT_MMC || port.bus == (superspeed ? PORT_USB3 : PORT_USB2));
    check_port(&port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct port port;
    char *text = malloc(size + 1);

    check(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    int error = port_parse(&port, text);
    check(error == 0 || error == -EINVAL);
    if (error == 0) {
        char again[PORT_TEXT_BYTES];
        check(strcmp(port_format(&port, again), text) == 0);
        check_port(&port);
    }
    check_path(text, false);
    check_path(text, true);
    if (layout_name_valid(text))
        check(strlen(text) < SLOT_NAME_BYTES && strpbrk(text, " \n\"\\#") == NULL);
    free(text);
    return 0;
}
