// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/identify.h"

#include "lib/base/check.h"
#include "lib/base/text.h"

#include <libudev.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a drive says of itself. It is a stranger's text: it may lie and it may try to break a
 * terminal or a parser. */

/* --- Text fit to be shown --------------------------------------------------------------------- */

void identify_text(char *text, size_t bytes, const char *raw)
{
    const char *from = raw;
    size_t used = 0;
    bool blank = false; /* one is due before the next character */

    check(bytes > 0);
    while (*from != '\0') {
        uint32_t code = 0;
        size_t length = text_decode(from, &code);
        const char *shown = from;
        size_t shown_bytes = length;

        from += length > 0 ? length : 1;
        if (length == 1 && (code == ' ' || code == '\t' || code == '\n' || code == '\r')) {
            blank = used > 0;
            continue;
        }
        if (length == 0 || !text_is_showable(code)) {
            shown = "?";
            shown_bytes = 1;
        }
        if (used + (blank ? 1 : 0) + shown_bytes >= bytes)
            break;
        if (blank)
            text[used++] = ' ';
        blank = false;
        memcpy(text + used, shown, shown_bytes);
        used += shown_bytes;
    }
    text[used] = '\0';
}

/* --- Names ------------------------------------------------------------------------------------ */

enum { RAW_NAME_BYTES = 256 };

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

/* udev writes odd characters of the ..._ENC properties as \xNN. */
static void decode_udev(char raw[RAW_NAME_BYTES], const char *encoded)
{
    size_t used = 0;

    while (*encoded != '\0' && used + 1 < RAW_NAME_BYTES) {
        if (encoded[0] == '\\' && encoded[1] == 'x' && hex_value(encoded[2]) >= 0 &&
            hex_value(encoded[3]) >= 0) {
            char decoded = (char)(hex_value(encoded[2]) * 16 + hex_value(encoded[3]));
            raw[used++] = decoded == '\0' ? '?' : decoded;
            encoded += 4;
        } else {
            raw[used++] = *encoded++;
        }
    }
    raw[used] = '\0';
}

/* The property's decoded form, or the form in which udev replaced blanks by '_'; "" for neither. */
static void read_property(struct udev_device *device, const char *plain, const char *encoded,
                          char raw[RAW_NAME_BYTES])
{
    const char *value = udev_device_get_property_value(device, encoded);

    raw[0] = '\0';
    if (value != NULL) {
        decode_udev(raw, value);
        return;
    }
    value = udev_device_get_property_value(device, plain);
    if (value == NULL)
        return;
    (void)snprintf(raw, RAW_NAME_BYTES, "%s", value);
    for (char *at = raw; (at = strchr(at, '_')) != NULL;)
        *at = ' ';
}

struct raw_names {
    char vendor[RAW_NAME_BYTES];
    char model[RAW_NAME_BYTES];
    char serial[RAW_NAME_BYTES];
};

static void ask_udev(dev_t number, struct raw_names *names)
{
    /* A context of its own: libudev's are not to be shared between threads. */
    struct udev *udev = udev_new();
    struct udev_device *device =
        udev == NULL ? NULL : udev_device_new_from_devnum(udev, 'b', number);

    if (device != NULL) {
        const char *serial = udev_device_get_property_value(device, "ID_SERIAL_SHORT");
        read_property(device, "ID_VENDOR", "ID_VENDOR_ENC", names->vendor);
        read_property(device, "ID_MODEL", "ID_MODEL_ENC", names->model);
        (void)snprintf(names->serial, sizeof(names->serial), "%s", serial != NULL ? serial : "");
        (void)udev_device_unref(device);
    }
    if (udev != NULL)
        (void)udev_unref(udev);
}

static void ask_sysfs(const struct identify_host *host, const char *disk, const char *attribute,
                      char raw[RAW_NAME_BYTES])
{
    char path[PATH_MAX];
    FILE *file = NULL;

    if (raw[0] != '\0' || snprintf(path, sizeof(path), "%s/class/block/%s/device/%s", host->sysfs,
                                   disk, attribute) >= (int)sizeof(path))
        return;
    file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(raw, RAW_NAME_BYTES, file) == NULL)
        raw[0] = '\0';
    (void)fclose(file);
}

void identify_names(const struct identify_host *host, const struct block_device *device,
                    char *model, size_t model_bytes, char *serial, size_t serial_bytes)
{
    struct raw_names names = {.vendor = "", .model = "", .serial = ""};
    char both[2 * RAW_NAME_BYTES];

    /* libudev knows this machine only. */
    if (strcmp(host->sysfs, identify_this_host.sysfs) == 0)
        ask_udev(device->number, &names);
    if (names.vendor[0] == '\0' && names.model[0] == '\0') {
        ask_sysfs(host, device->disk, "vendor", names.vendor);
        ask_sysfs(host, device->disk, "model", names.model);
        ask_sysfs(host, device->disk, "name", names.model); /* an SD card's */
    }
    ask_sysfs(host, device->disk, "serial", names.serial);
    (void)snprintf(both, sizeof(both), "%s %s", names.vendor, names.model);
    identify_text(model, model_bytes, both);
    identify_text(serial, serial_bytes, names.serial);
}
