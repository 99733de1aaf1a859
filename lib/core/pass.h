// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_PASS_H
#define CORE_PASS_H

#include "lib/core/action.h"
#include "lib/core/feed.h"
#include "lib/core/lane.h"
#include "lib/core/press.h"

/* One drive's pass through a slot, from its attachment to its verdict. Internal to the core: only
 * press.c calls it. Pure. */

struct pass {
    enum slot_state state;
    enum verdict verdict;
    uint64_t attachment; /* 0: nothing was ever in the slot */
    bool touched;        /* it was sent a write */
    bool opened;         /* the shell holds it open and was not told to close it */

    enum press_mode mode;
    uint32_t image_number;
    struct image *image; /* NULL until the drive was started on one */
    struct drive_facts facts;

    /* Requests of this or earlier drives in the slot that the kernel still holds after their pass
     * ended. They keep their buffers, so they count against the slot's window. */
    uint32_t orphans;

    uint64_t since_ns; /* when it entered its state */
    uint64_t write_ns; /* spent in WRITING and FLUSHING before the present state */
    uint64_t verify_ns;
    uint64_t written_bytes;
    uint64_t verified_bytes;
    uint32_t bad_chunk_count;
    uint32_t bad_chunks[BAD_CHUNKS_MAX];
    enum verdict fault; /* what the first bad chunk showed */
};

struct press {
    struct press_config config;
    uint64_t now_ns;
    struct image *images[IMAGES_MAX];
    bool armed;
    enum press_mode armed_mode;
    uint32_t armed_image;
    struct feed feed;
    struct lane *lanes;  /* slot_count; lanes[i] is the walk of passes[i] */
    struct pass *passes; /* slot_count */
};

/* A drive appears in an empty slot: it is opened for the armed pass. */
void pass_begin(struct press *press, uint32_t slot, uint64_t attachment,
                struct action_list *actions);

/* Ends the pass with its verdict: the one place where a drive gets one. */
void pass_end(struct press *press, uint32_t slot, enum verdict verdict,
              struct action_list *actions);

/* The slot is empty again. */
void pass_clear(struct press *press, uint32_t slot, struct action_list *actions);

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
