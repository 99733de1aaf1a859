// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_PRESS_H
#define CORE_PRESS_H

#include "lib/core/action.h"
#include "lib/core/event.h"
#include "lib/core/residue.h"
#include "lib/core/slot.h"

#include <stddef.h>
#include <stdint.h>

/* The press: every decision of the duplicator, as a pure state machine. A shell (the daemon, the
 * simulator, a replay) feeds it events and carries out the actions that it gets back. There is no
 * system call, clock, heap or global here: the same state and event always give the same actions.
 *
 * One thread at a time. A broken contract of the shell (an answer that nobody asked for, a clock
 * that runs backwards) is a bug and stops the program; whatever a drive or a master does is not. */

struct press;

struct press_config {
    uint32_t slot_count;   /* 1 to SLOTS_MAX */
    uint32_t buffer_count; /* at least press_buffers_min() */
    uint32_t chunk_bytes;  /* of every buffer, and of every image */
    uint32_t window;       /* 1 to WINDOW_MAX requests in flight per drive */
    uint64_t stall_ns;     /* a drive that owes an answer for so long is stalled */
    uint64_t flush_ns;     /* the same for opening and flushing */
    uint64_t master_ns;    /* a master that owes a chunk for so long is a master-error */
    /* An error of a drive is held back for so long, should it be the first sign of its removal;
     * 0 where nobody tells of removals. */
    uint64_t unplug_ns;
};

/* The fewest buffers with which no lane can starve another: a window for every slot, and spare ones
 * for the loads. */
uint32_t press_buffers_min(uint32_t slot_count, uint32_t window);

/* The memory that a press needs, and its start in the caller's memory of that size, aligned for
 * uint64_t. The memory is the caller's and holds everything; there is nothing to free. */
size_t press_memory_bytes(const struct press_config *config);
struct press *press_init(void *memory, const struct press_config *config);

/* Takes in one event and appends to `actions` what is to be done about it. An event causes at most
 * ACTIONS_MAX actions; the caller empties the list between steps. */
void press_step(struct press *press, const struct event *event, struct action_list *actions);

/* What can be told about the drive that is, or was last, in a slot. */
struct slot_report {
    enum slot_state state;
    enum verdict verdict; /* VERDICT_NONE until it has one */
    uint64_t attachment;
    enum press_mode mode;
    uint32_t image;          /* valid while image_bytes is not 0 */
    uint64_t image_bytes;    /* what the drive is to hold; 0 while no image was chosen for it */
    uint64_t capacity_bytes; /* 0 while not known */
    uint64_t written_bytes;  /* acknowledged by the drive */
    uint64_t verified_bytes; /* read back, equal or not */
    uint64_t write_ns;       /* time spent writing and flushing so far */
    uint64_t verify_ns;
    uint64_t bytes_per_s; /* current pace; 0 while not known */
    uint64_t left_ns;     /* estimated to the end of the pass; FOREVER_NS while not known */
    enum residue residue;
    uint32_t bad_chunk_count;   /* chunks that mismatched or could not be read or written */
    const uint32_t *bad_chunks; /* the press's; valid until the next step */
};

/* Fills in a report. now_ns as in events. */
void press_report(const struct press *press, uint32_t slot, uint64_t now_ns,
                  struct slot_report *report);

/* Whether EVENT_START would start the drive in a slot, and if not, why. */
enum press_start {
    START_ALLOWED,
    START_DISARMED, /* nobody said what to do with it */
    START_EMPTY,
    START_RUNNING,
    START_PASSED, /* done; it is not worn out by doing it again before it was pulled */
};

/* The reason that lies in the slot goes before the one that lies in the rig. */
enum press_start press_may_start(const struct press *press, uint32_t slot);

/* Whether anything still needs an image that was given: it is armed, or a drive's pass, a load or a
 * write in flight belongs to it. Only an image that is not used may be forgotten or replaced. */
bool press_image_used(const struct press *press, uint32_t number);

/* No drive is without its verdict: the shell need not send EVENT_TICK. */
bool press_idle(const struct press *press);

/* Chunks that were asked of the master so far, repeats included. */
uint64_t press_master_loads(const struct press *press);

#endif
