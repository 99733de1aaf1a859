// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef SUPPORT_CORE_RIG_H
#define SUPPORT_CORE_RIG_H

#include "lib/core/action.h"
#include "lib/core/event.h"
#include "lib/core/press.h"

#include <stdio.h>

/* A tiny shell around the pure core, for tests that read like a story: slots with drives of a given
 * pace, a master, and a clock of numbers. It carries out actions one after the other, as a drive
 * does, and answers them when they are due, unless the test gave the drive or the master a fault.
 *
 * At every step it checks the contract between core and shell, and aborts on a breach: allowed
 * moves only, one verdict per attachment, one close per successful open, at most a window of
 * requests per slot, no buffer used for two things or written without the chunk that it should
 * hold, and PASSED only for a drive that holds the image. One thread. */

enum {
    RIG_SLOTS_MAX = 20,
    RIG_IMAGES_MAX = 4,
    RIG_CHUNKS_MAX = 256,
    RIG_BUFFERS_MAX = 128,
    RIG_REQUESTS_MAX = 256,
    RIG_FAULTS_MAX = 80,
    RIG_ATTACHMENTS_MAX = 128,
    RIG_CHUNK_BYTES = 1 << 20,
    RIG_MASTER = RIG_SLOTS_MAX, /* in place of a slot: the master */
    RIG_ANY = -1,               /* in place of a chunk: each */
};

/* When a rig begins: not at 0, for a drive that was plugged in then was there before anybody
 * looked.
 */
#define RIG_BEGIN_NS NS_PER_S

/* How a request is answered. */
enum rig_answer {
    RIG_OK,
    RIG_ERROR,
    RIG_GONE,
    RIG_CANCELLED,
    RIG_WRONG, /* success is reported, and the data is not what it should be */
    RIG_NEVER, /* not before rig_release() */
};

struct rig_fault {
    enum action_type type; /* LOAD, WRITE, READ or FLUSH */
    uint32_t slot;         /* or RIG_MASTER */
    int64_t chunk;         /* or RIG_ANY; RIG_ANY for FLUSH */
    enum rig_answer answer;
    uint32_t times; /* how often still */
};

/* What a slot holds. A test changes the fields before it attaches the drive. */
struct rig_drive {
    uint64_t attachment;       /* 0: none */
    uint64_t attachment_first; /* its number when it came, before it was started again */
    bool plugged_before;       /* it was there before anybody looked */
    bool told_anew;            /* its plugged_ns stays as it is: it came then */
    uint64_t plugged_ns;       /* when the latest came; 0: before anybody looked */
    uint64_t told_bytes;       /* its capacity as the kernel tells; 0: it does not */
    bool foreign;
    bool not_in_rig;
    enum open_result open_result;
    struct drive_facts facts;
    bool never_opens; /* not before rig_release() */
    uint64_t open_ns;
    uint64_t chunk_ns; /* for each chunk written or read */
    uint64_t flush_ns;
    uint64_t busy_until_ns;
    struct digest holds[RIG_CHUNKS_MAX]; /* in place of its bytes */
};

/* What became of an attachment. */
struct rig_life {
    uint32_t slot;
    uint64_t attachment_first; /* of the same drive */
    enum slot_state state;
    enum verdict verdict;
    bool asked; /* to open */
    bool opened;
    bool closed;
    uint32_t first_chunk; /* of the first write or read */
    uint32_t writes;
    uint32_t reads;
};

struct rig_request {
    struct action action;
    enum rig_answer answer;
    uint64_t due_ns; /* FOREVER_NS: never */
};

struct rig_buffer {
    bool filled;
    uint32_t users; /* requests that use it now */
    uint32_t image;
    uint32_t chunk;
};

struct rig {
    struct press *press;
    struct press_config config;
    uint64_t now_ns;
    struct action_list *actions; /* of the last step */
    FILE *trace;                 /* lines of events and actions, if not NULL */

    struct image images[RIG_IMAGES_MAX];
    struct digest digests[RIG_IMAGES_MAX][RIG_CHUNKS_MAX];
    uint8_t known[RIG_IMAGES_MAX][RIG_CHUNKS_MAX / 8];
    uint64_t load_ns; /* for each chunk of the master */
    uint64_t master_busy_until_ns;
    uint64_t late_ns; /* how long the requests of a drive outlive its removal or its close */

    struct rig_drive drives[RIG_SLOTS_MAX];
    struct rig_life lives[RIG_ATTACHMENTS_MAX]; /* by attachment */
    uint64_t attachment_last;
    struct rig_buffer buffers[RIG_BUFFERS_MAX];
    struct rig_request requests[RIG_REQUESTS_MAX]; /* in the order in which they were made */
    uint32_t request_count;
    struct rig_fault faults[RIG_FAULTS_MAX];
    uint32_t fault_count;
    uint64_t loads;
};

/* A rig with the fewest buffers that the core accepts; the limits may be changed in `config` before
 * rig_start(). Drives take 10 ms to open, 20 ms per chunk, 50 ms to flush, the master 2 ms per
 * chunk. Freed with rig_free(). */
struct rig *rig_new(uint32_t slots);
void rig_start(struct rig *rig);
void rig_free(struct rig *rig);

/* Makes an image known to the core: its digests from a manifest, or to be learnt. */
void rig_add_image(struct rig *rig, uint32_t number, uint32_t chunks, bool with_manifest);
void rig_forget_image(struct rig *rig, uint32_t number);

/* `rig_arm` with one image, `rig_arm_auto` with a set of them. */
void rig_arm(struct rig *rig, enum press_mode mode, uint32_t image);
void rig_arm_auto(struct rig *rig, enum press_mode mode, uint64_t images);
void rig_disarm(struct rig *rig);

void rig_policy(struct rig *rig, uint64_t capacity_min_bytes, uint64_t capacity_max_bytes);

/* The usual rig: started, with image 0 and armed. */
struct rig *rig_ready(uint32_t slots, uint32_t chunks, enum press_mode mode, bool with_manifest);

/* Writes the image on the drive that is to come into the slot. */
void rig_fill(struct rig *rig, uint32_t slot, uint32_t image);

/* A drive comes, in the place of the one before if there is one. Returns its attachment. */
uint64_t rig_attach(struct rig *rig, uint32_t slot);

/* The drive is pulled: its requests end with RIG_GONE after late_ns. Its faults go with it. */
void rig_detach(struct rig *rig, uint32_t slot);

/* The slot, in which no drive is, stands for another place from now on. */
void rig_clear(struct rig *rig, uint32_t slot);

void rig_stop(struct rig *rig, uint32_t slot);

/* The operator starts the drive in the slot. Returns its new attachment, or 0 if the core may not
 * start it; the event is sent in any case. */
uint64_t rig_start_drive(struct rig *rig, uint32_t slot);

/* From now on the answer to such a request of that drive or the master is another one. */
void rig_fault(struct rig *rig, enum action_type type, uint32_t slot, int64_t chunk,
               enum rig_answer answer, uint32_t times);

/* What was never to be answered is answered now. */
void rig_release(struct rig *rig);

/* Lets time pass, with all answers and ticks that are due. rig_run() goes on until no drive is
 * without its verdict and nothing is due, and aborts if that takes an hour. */
void rig_pass(struct rig *rig, uint64_t duration_ns);
void rig_run(struct rig *rig);

/* Requests of a slot that are not answered. */
uint32_t rig_in_flight(const struct rig *rig, uint32_t slot, enum action_type type);

/* What the core tells of a slot. */
struct slot_report rig_report(const struct rig *rig, uint32_t slot);

/* The digest of a chunk of the master. */
struct digest rig_master_digest(uint32_t image, uint32_t chunk);

#endif
