// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "lib/core/gate.h"
#include "lib/core/press.h"
#include "tests/sim/drive_model.h"
#include "tests/sim/oracle.h"
#include "tests/sim/random.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One world: a press with drives and masters in memory, and a clock that is a number. It is the
 * core's second shell, beside the daemon: it keeps the contract of lib/core/action.h and makes
 * every misfortune happen that the contract leaves open. One seed decides everything.
 *
 * What happens next is a heap of moments, ordered by time and then by the order in which they were
 * planned. The oracle sees every event before the core does, and every action before it is carried
 * out. */

enum {
    WORLD_SLOTS_MAX = 12,
    WORLD_VISITS_MAX = 48,
    WORLD_STARTS_MAX = 32,
    WORLD_ATTACHMENTS_MAX = WORLD_VISITS_MAX + WORLD_STARTS_MAX,
    WORLD_IMAGES_MAX = 4,
    WORLD_CHUNKS_MAX = 64, /* a bit each in 64-bit sets */
    WORLD_CHUNK_BYTES_MAX = 4096,
    WORLD_BUFFERS_MAX = WORLD_SLOTS_MAX * WINDOW_MAX + SPARE_BUFFERS_MIN + 2 * WORLD_CHUNKS_MAX,
    /* Each attachment opens and flushes once; transfers are bounded by the window of the slot. */
    WORLD_REQUESTS_MAX = 2 * WORLD_ATTACHMENTS_MAX + WORLD_SLOTS_MAX * WINDOW_MAX + LOADS_MAX,
    /* Beyond the requests, with an out-of-date entry or two each: visits, stops, moves, ticks. */
    WORLD_MOMENTS_MAX = 4096,
    /* No world that was seen needs a tenth of this. */
    WORLD_STEPS_MAX = 200000,
};

/* How often and when a fault of the master shows itself: at loads of one chunk, or of all. */
#define EVERY_CHUNK UINT32_MAX
struct master_fault {
    uint32_t chunk;
    uint32_t left; /* times to come; UINT32_MAX for always */
    uint64_t from_ns;
};

struct master {
    struct image image; /* as the core knows it */
    bool known;         /* it does */
    bool manifest;      /* all digests were known from the start */
    uint8_t *bytes;     /* the file */
    uint8_t
        *truth; /* what drives must hold: the file, or without a manifest what was loaded first */
    uint64_t truth_known; /* a bit per chunk */
    uint64_t load_ns;
    struct master_fault error;
    struct master_fault wrong;
    struct master_fault hang;
    uint64_t hang_for_ns;
};

/* One number of a drive in a slot: its index + 1. A drive that is started gets a new one. */
struct attachment {
    uint32_t slot;
    struct drive *drive;
    uint32_t visit; /* index of the first attachment since the drive came; its own if it is that */

    /* Of the visit, and valid only there. */
    uint32_t now;  /* index of its last attachment */
    bool present;  /* still in its slot */
    bool leaves;   /* its departure is planned */
    bool detached; /* the core was told that it is gone */
    uint64_t left_ns;
};

struct request {
    enum action_type type; /* OPEN, LOAD, WRITE, READ or FLUSH */
    bool active;
    uint32_t attachment; /* index; not for LOAD */
    uint32_t image;
    uint32_t buffer;
    uint32_t chunk;
    uint32_t length;
    uint64_t offset;
    uint64_t issued_ns;
    enum io_result result;
    enum open_result open_result;
    bool moves;             /* its bytes are still to be moved */
    uint64_t answer_moment; /* sequence of its answer in the heap; 0 if it is never answered */
    uint64_t move_moment;   /* the same for its bytes */
};

struct buffer_use_count {
    uint32_t readers; /* writes to drives that read it */
    bool writer;      /* a load, or a read from a drive, fills it */
};

enum moment_kind {
    MOMENT_ATTACH, /* index: slot */
    MOMENT_YANK,   /* index: visit; physically */
    MOMENT_DETACH, /* index: visit; the event */
    MOMENT_START,  /* index: attachment, which may be out of date */
    MOMENT_STOP,   /* index: attachment */
    MOMENT_CLEAR,  /* index: slot; it is to stand for another place */
    MOMENT_ARM,
    MOMENT_DISARM,
    MOMENT_IMAGE, /* index: image, to be forgotten or to be another one */
    MOMENT_POLICY,
    MOMENT_TICK,
    MOMENT_MOVE,   /* index: request */
    MOMENT_ANSWER, /* index: request */
};

struct moment {
    uint64_t at_ns;
    uint64_t sequence;
    enum moment_kind kind;
    uint32_t index;
};

/* How this world behaves, beyond its drives' own faults. Percentages. */
struct temper {
    unsigned faulty_drives;
    unsigned yanks; /* at a random time */
    unsigned stops;
    unsigned starts;        /* by an operator, whatever the drive's state */
    unsigned before;        /* drives that were plugged in before anybody looked */
    unsigned slow_news;     /* they were plugged in some time before the event comes */
    unsigned retold;        /* the drive before, told of anew */
    unsigned clears;        /* slots that stand for another place once their drive is gone */
    unsigned strangers;     /* foreign devices, and ports that are not the rig's */
    unsigned errors_first;  /* requests of a drive that was pulled end with errors, not as gone */
    unsigned early_replugs; /* the next drive comes within microseconds */
    unsigned lost_detaches;
    unsigned late_detaches; /* the event comes after the next drive's */
    unsigned moves_apart;   /* bytes move between request and answer */
};

struct world {
    struct random random;
    struct press_config config;
    struct press *press;
    struct action_list *actions;
    uint64_t now_ns;
    uint64_t span_ns; /* about what one pass takes */
    struct temper temper;

    struct master masters[WORLD_IMAGES_MAX];
    uint32_t image_count;
    bool armed;
    enum press_mode armed_mode;
    uint64_t armed_set; /* a bit per image */
    uint64_t armed_ns;
    struct gate_policy policy;

    struct attachment attachments[WORLD_ATTACHMENTS_MAX];
    uint32_t attachment_count;
    uint32_t starts_left;
    uint32_t visits_left[WORLD_SLOTS_MAX];
    uint64_t
        plugged_ns[WORLD_SLOTS_MAX]; /* of the latest visit; 0: none, or before anybody looked */
    struct drive drives[WORLD_VISITS_MAX];
    uint32_t drive_count;

    uint8_t *buffers; /* config.buffer_count of config.chunk_bytes */
    struct buffer_use_count uses[WORLD_BUFFERS_MAX];
    struct request requests[WORLD_REQUESTS_MAX];
    uint32_t request_count; /* high-water mark of requests[] */

    struct moment heap[WORLD_MOMENTS_MAX];
    uint32_t moment_count;
    uint64_t sequence;
    bool tick_planned;
    uint32_t steps;

    uint8_t *arena; /* all bytes of this world; the caller's */
    size_t arena_used;

    struct oracle oracle;
    struct sim_statistics *statistics;
    bool trace; /* print each event and action */
    const char *trace_prefix;
};

enum { WORLD_ARENA_BYTES = 32 << 20 };

/* Runs one world to its end. The memory of `world`, its arena, actions and statistics are the
 * caller's and may be used again; complaints go to sim_complain(). */
void world_run(struct world *world, uint64_t seed);

/* Says what is wrong and does not return: the world is over. In simulator.c. */
_Noreturn void sim_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The parts of a world, for each other. */

/* In scenario.c: decides everything that is known before time begins, and plans the first moments;
 * and a drive for a slot, new or seen before, with what will happen to it. */
void scenario_build(struct world *world);
struct drive *scenario_drive(struct world *world, uint32_t slot);

/* A set of known images to arm, or 0 if there is none; another image for this number; new limits.
 */
uint64_t scenario_set(struct world *world);
void scenario_master(struct world *world, struct master *master);
void scenario_policy(struct world *world);

/* In world.c: zeroed memory until the world's end, the bytes of a buffer, XXH3-128, and the length
 * of a chunk, which is not left to the core's own function. */
void *world_memory(struct world *world, size_t bytes);
uint8_t *world_buffer(const struct world *world, uint32_t buffer);
struct digest world_digest(const uint8_t *data, uint32_t length);
uint32_t world_chunk_length(const struct image *image, uint32_t chunk);

/* In world_time.c: plans a moment and returns its sequence number; takes the next one. */
uint64_t world_plan_at(struct world *world, uint64_t at_ns, enum moment_kind kind, uint32_t index);
void world_plan(struct world *world, uint64_t in_ns, enum moment_kind kind, uint32_t index);
struct moment world_take_moment(struct world *world);

/* In world_requests.c: carries out an action; lets a request's bytes go where it takes them; counts
 * the use of its buffer by +1 or -1; and pulls a drive out of its slot. */
void world_perform(struct world *world, const struct action *action);
void world_move_bytes(struct world *world, struct request *request);
void world_use_buffer(struct world *world, const struct request *request, int change);
void world_leave(struct world *world, uint32_t visit);
struct attachment *world_attachment_of(struct world *world, const struct request *request);

/* The visit to which an attachment belongs. */
struct attachment *world_visit(struct world *world, uint32_t attachment);

#endif
