// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_PASS_H
#define CORE_PASS_H

#include "lib/core/action.h"
#include "lib/core/feed.h"
#include "lib/core/gate.h"
#include "lib/core/lane.h"
#include "lib/core/press.h"

/* One drive's pass through a slot, from its start to its verdict. Internal to the core: only
 * press.c calls it. Pure. */

/* What is in the slot, whatever was done with it. */
struct occupant {
    bool present; /* it was not detached */
    bool foreign;
    bool not_in_rig;
    uint64_t capacity_bytes; /* as the kernel told, or later the drive itself; 0: not known */
    uint64_t plugged_ns;     /* when it came; 0: before anybody looked */

    uint64_t attachment_first; /* its number when it was attached; a START gives it another one */
    uint32_t owed; /* answers to requests of its passes that are over. A write among them may still
                    * reach it: nothing new begins before. */
};

struct pass {
    enum slot_state state;
    enum verdict verdict;
    uint64_t attachment; /* 0: nothing was ever in the slot */
    struct occupant drive;

    bool touched; /* it was sent a write */
    bool awaits;  /* the answer to its OPEN or FLUSH */
    bool opened;  /* the shell holds it open and was not told to close it */
    bool lost;    /* its pass ended because it was pulled: that stays on show */

    enum press_mode mode;
    uint64_t set;        /* the images that were armed when it was started */
    struct image *image; /* of these the one that is its own; NULL before it was opened and after
                          * its verdict, for then the image may be forgotten */
    uint32_t image_number;
    uint64_t image_bytes; /* 0: none was ever its own */

    /* Requests of this or earlier drives in the slot that the kernel still holds after their pass
     * ended. They keep their buffers, so they count against the slot's window. */
    uint32_t orphans;

    /* When the latest came of the drives that were started in this slot; 0: none did. */
    uint64_t started_plugged_ns;

    uint64_t since_ns; /* when it entered its state */
    uint64_t write_ns; /* spent in WRITING and FLUSHING before the present state */
    uint64_t verify_ns;
    uint64_t written_bytes;
    uint64_t verified_bytes;
    uint32_t bad_chunk_count;
    uint32_t bad_chunks[BAD_CHUNKS_MAX];
    enum verdict fault; /* what the first bad chunk showed */
    bool mismatched;    /* one of them did not read back what it should hold */

    enum verdict held; /* its verdict, should the drive not turn out to have been pulled */
    uint64_t held_since_ns;
};

struct press {
    struct press_config config;
    uint64_t now_ns;
    struct image *images[IMAGES_MAX];
    struct gate_policy policy;
    bool armed;
    enum press_mode armed_mode;
    uint64_t armed_images; /* a set */
    uint64_t armed_ns;     /* when */
    struct feed feed;
    struct lane *lanes;  /* slot_count; lanes[i] is the walk of passes[i] */
    struct pass *passes; /* slot_count */
};

/* A drive appears in an empty slot: its pass begins, or it waits to be started. */
void pass_attached(struct press *press, uint32_t slot, const struct event *event,
                   struct action_list *actions);

/* The drive is started as it is armed now, and has this number from now on. */
void pass_begin(struct press *press, uint32_t slot, uint64_t attachment,
                struct action_list *actions);

/* Ends the pass with its verdict: the one place where a drive gets one. */
void pass_end(struct press *press, uint32_t slot, enum verdict verdict,
              struct action_list *actions);

/* Ends the pass because its drive is gone. Errors that it showed before may have been its removal;
 * wrong data may not. */
void pass_lose(struct press *press, uint32_t slot, struct action_list *actions);

/* Ends the pass because the operator wants it, with the fault that the drive showed, if any. */
void pass_stop(struct press *press, uint32_t slot, struct action_list *actions);

/* An answer to a request of a pass that is over. */
void pass_answered_late(struct press *press, const struct event *event);

/* The slot is empty again. */
void pass_clear(struct press *press, uint32_t slot, struct action_list *actions);

/* The slot, in which no drive is, begins anew: nothing of the drives before counts or shows. */
void pass_reset(struct press *press, uint32_t slot, struct action_list *actions);

/* The drive was opened, or not. */
void pass_opened(struct press *press, uint32_t slot, const struct event *event,
                 struct action_list *actions);

/* A request of the pass ended. */
void pass_written(struct press *press, uint32_t slot, const struct event *event,
                  struct action_list *actions);
void pass_read(struct press *press, uint32_t slot, const struct event *event,
               struct action_list *actions);
void pass_flushed(struct press *press, uint32_t slot, enum io_result result,
                  struct action_list *actions);

/* Requests as many chunks as the window and the feed allow. */
void pass_advance(struct press *press, uint32_t slot, struct action_list *actions);

/* Ends the pass if the drive has owed something for too long. */
void pass_check_time(struct press *press, uint32_t slot, struct action_list *actions);

/* The pass needs chunks that only the master can give. */
bool pass_needs_master(const struct press *press, uint32_t slot);

#endif
