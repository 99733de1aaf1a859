// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef DAEMON_SHELL_H
#define DAEMON_SHELL_H

#include "daemon/drive.h"
#include "daemon/mailbox.h"
#include "daemon/master.h"
#include "daemon/pool.h"
#include "lib/core/press.h"
#include "lib/image/source.h"
#include "lib/wire/run.h"
#include "lib/wire/snapshot.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* The shell around the core: it stamps events with the time, steps the press, and carries out the
 * actions. The one place where core and world meet; it decides nothing. Loop thread. */

struct shell_config {
    uint32_t slot_count;
    uint32_t window;
    uint32_t chunk_bytes; /* of every image */
    enum engine_choice engine;
    uint64_t pool_bytes; /* 0: SHELL_POOL_BYTES_MAX or a quarter of memory, at most useful_bytes */
    uint64_t useful_bytes; /* a larger default pool would be of no use; FOREVER_NS for no limit */
    uint64_t stall_ns;
    uint64_t unplug_ns; /* as in press_config */
};

/* The default pool is a quarter of the memory, but no more than this: beyond it only drives that
 * lag by more than a gigabyte gain, while a first touch of all that memory delays the start. */
#define SHELL_POOL_BYTES_MAX (UINT64_C(1) << 30)

enum { SHELL_REASON_BYTES = 512 };

/* What appeared in a slot, and how it is to be opened. */
struct shell_drive {
    const char *path; /* copied */
    struct medium_expected expected;
    bool simulated;
    uint64_t plugged_ns; /* uv_hrtime() when it came; 0: it was there before */
    uint64_t capacity_bytes;
    bool foreign;     /* as in EVENT_ATTACHED */
    bool not_in_rig;  /* the same */
    const char *note; /* for people, copied; NULL: none */
};

/* What the shell keeps about a slot beside the press. */
struct shell_slot {
    uint64_t attachment;    /* of the drive that is or was last in the slot */
    struct drive *prepared; /* the present one, while it is not opened; else NULL */
    struct drive *drives;   /* that are open or being opened: the present one, and earlier ones */
    uint64_t
        appearances; /* of drives in the slot so far; a drive that is tried again is the same */
    struct shell_drive last; /* how the present one came; its path is in `path` */
    char path[DRIVE_PATH_BYTES];
    struct medium_identity identity; /* of the drive that is or was last in the slot */
    char image[MANIFEST_NAME_BYTES]; /* the one chosen for it; "" while none was */
    char note[MEDIUM_NOTE_BYTES];    /* why it ended as it did, if that is no word of the drive's */
};

struct shell {
    uv_loop_t *loop;
    uint64_t attachment_last;
    struct shell_slot *slots;
    uint32_t slot_count;
    uint32_t drives_open;
    struct source *sources[IMAGES_MAX]; /* known to the press, by number */
    uint32_t chunk_bytes;
    struct verdict_totals totals; /* of all verdicts since the start */

    struct pool pool;
    void *press_memory;
    struct press *press;
    struct action_list *actions;
    bool stepping;
    uint64_t alive_ns;       /* when the loop was last seen running, by uv_hrtime() */
    uint64_t lost_ns;        /* for how long it was not: time that the press is not told of */
    uint64_t armed_ns;       /* when it was armed last, by uv_hrtime() */
    uint64_t armed_press_ns; /* and on the press's clock */

    struct mailbox mailbox;
    struct io_engine *kernel_engine;
    struct io_engine *thread_engine;
    char engine_note[256]; /* why io_uring is not used although it was wanted; else "" */
    struct worker *hashers;
    struct master master;
    struct drive_host host; /* what the drives share */
    uv_timer_t tick;
    uv_prepare_t kick;

    void *context;
    /* Every change of a slot's state, as it happens, inside a step. */
    void (*changed)(void *context, uint32_t slot, enum slot_state state, enum verdict verdict);
    /* All drives of the shell are closed; may come more than once. */
    void (*quiet)(void *context);
};

/* Starts engine, workers and press. `loop`, `context`, `changed` and `quiet` are set by the caller
 * before. 0, or -errno with a reason that says what to do: a process that has no working shell then
 * has nothing else to do, so what was set up goes with it. */
int shell_open(struct shell *shell, const struct shell_config *config,
               char reason[SHELL_REASON_BYTES]);

/* Makes a source known to the press, under the number that is returned; IMAGES_MAX when none is
 * left. The source must have the shell's chunks, and stays the caller's: it must be open until
 * shell_forget_image(). */
uint32_t shell_add_image(struct shell *shell, struct source *source);

/* Whether an image is in use; one that is not may be forgotten. */
bool shell_image_used(const struct shell *shell, uint32_t number);
void shell_forget_image(struct shell *shell, uint32_t number);

void shell_set_policy(struct shell *shell, uint64_t capacity_min_bytes,
                      uint64_t capacity_max_bytes);

/* Drives that are plugged in from now on are started in this mode, each with the largest of the
 * images (a set, as in EVENT_ARM) that fits it. */
void shell_arm(struct shell *shell, enum press_mode mode, uint64_t images);
void shell_disarm(struct shell *shell);

/* A drive appeared in a slot, or took the place of the one before. 0 or -ENOMEM. */
int shell_attach(struct shell *shell, uint32_t slot, const struct shell_drive *drive);

/* The drive in the slot is gone. */
void shell_detach(struct shell *shell, uint32_t slot);

/* The slot, which is empty, stands for another place from now on: what is still on show of a drive
 * that is gone goes. */
void shell_clear(struct shell *shell, uint32_t slot);

/* Starts the drive in a slot, or starts it again. `may` tells why not, if it was not; 0 or -ENOMEM.
 */
int shell_start(struct shell *shell, uint32_t slot, enum press_start *may);

/* Stops the pass of a slot, if it has one. */
void shell_stop(struct shell *shell, uint32_t slot);

void shell_report(const struct shell *shell, uint32_t slot, struct slot_report *report);

/* Why a slot ended as it did, where there is more to say than its verdict; else "". */
const char *shell_note(const struct shell *shell, uint32_t slot, enum verdict verdict);

const char *shell_engine_name(const struct shell *shell);

#endif
