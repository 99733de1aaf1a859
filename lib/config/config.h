// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "lib/core/event.h"
#include "lib/image/manifest.h"
#include "lib/rig/layout.h"
#include "lib/wire/run.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

/* The configuration of the daemon: INI files, read by inih. The file itself comes first, then the
 * drop-ins *.conf of the directory conf.d beside it, sorted by name (bytes); of a key that is given
 * twice the last one counts, and a slot that is given twice in different files is replaced as a
 * whole. A missing main file is an error when it was named by the user, else an empty one.
 *
 *   [paths]   state     /var/lib/drivepress       absolute directory
 *             runtime   /run/drivepress           absolute; holds control.sock and status.sock
 *             images    STATE/images              absolute; the catalogue
 *   [rig]     name      the host's name           1 to 63 bytes of UTF-8
 *             dock      none                      absolute directory whose files are drives
 *             slots     64                        1 to SLOTS_MAX: the most drives at once
 *   [pool]    size      auto                      such as 512M or 2G
 *   [policy]  arm_on_start   no                   yes or no
 *             image     auto                      a name of the catalogue, or auto
 *             mode      write+verify              write+verify, write (the same) or verify
 *             min_size  0                         drives smaller than this are refused
 *             max_size  none                      larger ones too; a size or none
 *             stall_timeout  30                   seconds, 1 to 86400
 *             window    2                         requests in flight per drive, 1 to WINDOW_MAX
 *             engine    auto                      auto, io_uring or threads
 *   [slot NAME]  usb    one or two ports of port.h, separated by blanks; or
 *                mmc    the controller of an SD slot
 *                lun    0                         0 to SLOT_LUN_MAX
 *                row, col   not told              1 to SLOT_PLACE_MAX; both or none
 */

#define CONFIG_FILE "/etc/drivepress/drivepress.conf"

enum {
    CONFIG_COMPLAINT_BYTES = 512,
    CONFIG_COMPLAINTS_MAX = 32, /* further ones are counted only */
    CONFIG_FILE_BYTES_MAX = 1 << 20,
    CONFIG_DROP_INS_MAX = 256,
    /* inih cuts what is longer (INI_MAX_LINE 200 with its final zero): such a line is an error. */
    CONFIG_LINE_BYTES_MAX = 198,
    /* Room for "/control.sock" in a socket's address. */
    CONFIG_RUNTIME_BYTES = sizeof(((struct sockaddr_un *)0)->sun_path) - 16,
};

struct config {
    char state[PATH_MAX];
    char runtime[CONFIG_RUNTIME_BYTES];
    char images[PATH_MAX];

    char rig[64];
    char dock[PATH_MAX]; /* "": none */
    uint32_t slots_max;

    uint64_t pool_bytes; /* 0: auto */

    bool arm_on_start;
    char image[MANIFEST_NAME_BYTES]; /* "auto", or a name */
    enum press_mode mode;
    uint64_t capacity_min_bytes;
    uint64_t capacity_max_bytes; /* 0: none */
    uint32_t stall_ms;
    uint32_t window;
    enum engine_choice engine;

    struct layout layout; /* slots in the order in which they were named */
};

/* What is wrong, each "FILE:LINE: …" naming section, key, value and what is allowed; a line for
 * each. */
struct config_complaints {
    unsigned count; /* may be more than are kept */
    char items[CONFIG_COMPLAINTS_MAX][CONFIG_COMPLAINT_BYTES];
};

/* Reads `file` (NULL: CONFIG_FILE, which may be missing) and its drop-ins. Returns the
 * configuration, for the caller to free(), or NULL when there is any complaint: a configuration
 * that is half understood is not used. Any thread. */
struct config *config_load(const char *file, struct config_complaints *complaints);

/* The defaults alone: for tests and for tools without a file. NULL for lack of memory. */
struct config *config_defaults(void);

/* Which of the keys that a running daemon cannot change differ ("[rig] dock, [pool] size"): they
 * count from its next start. An empty text when there are none. */
void config_needs_restart(const struct config *running, const struct config *loaded, char *text,
                          size_t text_bytes);

/* Gives these keys the values that the running daemon has, whatever was loaded. */
void config_keep_fixed(struct config *loaded, const struct config *running);

/* Writes the slots of a layout as a drop-in: readable INI with a head that says who wrote it, for
 * the caller to free(); NULL for lack of memory. Automatic slots are written like the others. */
char *config_slots_text(const struct layout *layout);

#endif
