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

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* The shell around the core: it stamps events with the time, steps the press, and carries out the
 * actions. The one place where core and world meet; it decides nothing. Loop thread. */

struct shell_config {
    uint32_t slot_count;
    uint32_t window;
    enum engine_choice engine;
    uint64_t pool_bytes; /* 0: SHELL_POOL_BYTES_MAX or a quarter of memory, at most the image */
    uint64_t stall_ns;
};

/* The default pool is a quarter of the memory, but no more than this: beyond it only drives that
 * lag by more than a gigabyte gain, while a first touch of all that memory delays the start. */
#define SHELL_POOL_BYTES_MAX (UINT64_C(1) << 30)

enum { SHELL_REASON_BYTES = 512 };

/* What the shell keeps about a slot beside the press. */
struct shell_slot {
    struct drive *drives;            /* the present one, and earlier ones that are not closed yet */
    struct medium_identity identity; /* of the drive that is or was last in the slot */
};

struct shell {
    uv_loop_t *loop;
    struct source *source;
    uint64_t attachment_last;
    struct shell_slot *slots;
    uint32_t slot_count;
    uint32_t drives_open;

    struct pool pool;
    void *press_memory;
    struct press *press;
    struct action_list *actions;
    bool stepping;
    uint64_t alive_ns; /* when the loop was last seen running, by uv_hrtime() */
    uint64_t lost_ns;  /* for how long it was not: time that the press is not told of */

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
    /* Every change of a slot's state, as it happens. */
    void (*changed)(void *context, uint32_t slot, enum slot_state state, enum verdict verdict);
    /* All drives of the shell are closed; may come more than once. */
    void (*quiet)(void *context);
};

/* Starts engine, workers and press for one image. The source stays the caller's and must outlive
 * the shell. `loop`, `context`, `changed` and `quiet` are set by the caller before. 0, or -errno
 * with a reason that says what to do: a process that has no working shell then has nothing else to
 * do, so what was set up goes with it. */
int shell_open(struct shell *shell, const struct shell_config *config, struct source *source,
               char reason[SHELL_REASON_BYTES]);

/* Drives that are attached from now on are started in this mode. */
void shell_arm(struct shell *shell, enum press_mode mode);

/* Makes ready for the drive that is in the slot, to be opened by its path if that leads to what is
 * expected. 0, or -errno with a reason when there is no memory or no thread for it. */
int shell_add_drive(struct shell *shell, uint32_t slot, const char *path,
                    const struct medium_expected *expected, bool simulated,
                    char reason[SHELL_REASON_BYTES]);

/* Tells the press of the drive that was added to the slot last. */
void shell_attach(struct shell *shell, uint32_t slot);

/* Stops the pass of every slot that has one. */
void shell_stop(struct shell *shell);

void shell_report(const struct shell *shell, uint32_t slot, struct slot_report *report);

const char *shell_engine_name(const struct shell *shell);

#endif
