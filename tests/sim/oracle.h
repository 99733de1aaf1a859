// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include "lib/core/press.h"
#include "tests/sim/drive_model.h"

#include <stdbool.h>
#include <stdint.h>

/* What must be true of every world, told from outside: it knows what the world did to the core and
 * what the core asked for, and nothing of the core's own state.
 *
 * - no false PASS: at the verdict the drive's bytes are the image's, each was read back after the
 *   flush, and the drive never answered with a fault
 * - no false blame: a verdict names something that this drive showed in this world
 * - nobody is begun who was not to be: what was plugged in before arming waits for its start, so
 *   does one that was begun and is told of anew, and what passed stays as it is; who is to begin
 *   does so at once
 * - a slot that stands for another place shows nothing of the one before
 * - each drive gets the largest of its images that fits
 * - exactly one verdict per attachment that was begun, in bounded time, and at once when it is due;
 *   what may be a removal is held back for its time
 * - nobody waits for nothing: a drive that could go on has its next chunk loaded at once
 * - the core keeps its side of lib/core/action.h: windows, buffers, opening and closing */

struct world;
struct request;

/* What one attachment showed and got. Sets of chunks and of verdicts have a bit each. */
struct account {
    enum slot_state state;
    uint64_t state_since_ns;
    uint64_t write_ns; /* spent writing and flushing before this state */
    uint64_t verify_ns;
    bool foreign;
    bool not_in_rig;
    uint64_t capacity_bytes; /* as far as the core can know it */
    bool begins;             /* it is to be opened and judged */
    uint64_t begun_ns;
    uint64_t plugged_ns;
    enum press_mode mode;
    uint64_t set;         /* of the images that it may get */
    uint32_t image;       /* or NO_IMAGE */
    uint64_t image_bytes; /* 0 without an image */
    enum verdict verdict;
    uint64_t earned;          /* verdicts for which the drive or the operator gave a reason */
    enum verdict first_fault; /* of its reads */
    bool mismatched;
    bool errors_present; /* it answered with an error while it was in its slot */
    bool lost;           /* its pass ended with its removal */
    enum verdict held;   /* a fault that may be a removal */
    uint64_t held_since_ns;
    bool reported;

    bool open_asked;
    bool open_pending;
    bool opened; /* well */
    bool closed;
    uint32_t outstanding; /* transfers */
    uint64_t owed_since_ns;
    uint64_t waits_since_ns; /* since when it waits for the master; or FOREVER_NS */
    uint32_t next_chunk; /* after the one that was asked for last; UNKNOWN_CHUNK before the first */
    uint64_t write_asked;
    uint64_t written;
    uint64_t read_asked;
    uint64_t read; /* answered, well or not */
    uint64_t bad;
    uint64_t write_bad; /* chunks that could not be written */
    uint64_t acknowledged_bytes;
    uint64_t read_bytes; /* given back, equal or not */
    bool flush_asked;
    bool flush_pending;
    uint64_t flush_asked_ns;
    bool flushed;
};

/* What is known of one master. */
struct master_account {
    uint32_t bad_in_a_row[64];
    uint64_t loaded; /* chunks that were loaded well */
    bool failed;     /* so that it may be said */
    bool broken;     /* so that the core must know */
    bool distrusted; /* what was learnt of it is contradicted: nobody may go on */
};

enum { ORACLE_ACCOUNTS_MAX = 80, ORACLE_SLOTS_MAX = 12, ORACLE_IMAGES_MAX = 4 };

/* Due at once: one of these verdicts for this account. */
struct due {
    uint32_t account;
    uint64_t verdicts;
};

struct oracle {
    struct account accounts[ORACLE_ACCOUNTS_MAX];
    struct master_account masters[ORACLE_IMAGES_MAX];
    uint32_t current[ORACLE_SLOTS_MAX];            /* account of the drive in the slot; or NOBODY */
    uint32_t outstanding[ORACLE_SLOTS_MAX];        /* transfers of all that were ever in the slot */
    uint64_t started_plugged_ns[ORACLE_SLOTS_MAX]; /* the latest of the drives begun; 0: none */
    uint32_t loads;                                /* in flight */
    uint64_t loads_asked;                          /* in all */
    uint64_t bound_ns; /* within which every attachment has its verdict */

    /* What the event of this step makes due: at most for a drive and the one that replaces it. */
    struct due dues[2];
    uint32_t due_count;
};

#define NOBODY        UINT32_MAX
#define UNKNOWN_CHUNK UINT32_MAX
#define NO_IMAGE      UINT32_MAX

void oracle_init(struct world *world);

/* Before the core takes the event. `request` is what is answered, or NULL. */
void oracle_event(struct world *world, const struct event *event, const struct request *request);

/* Before the action is carried out. */
void oracle_action(struct world *world, const struct action *action);

/* After all actions of the step were carried out. */
void oracle_step_done(struct world *world, const struct event *event);

/* After the last step of the world. */
void oracle_end(struct world *world);

/* No drive is in the slot, as far as the core was told. */
bool oracle_is_vacant(struct world *world, uint32_t slot);

/* What the core must say of a slot and of an image, and does say. */
enum press_start oracle_may_start(struct world *world, uint32_t slot);
bool oracle_image_used(struct world *world, uint32_t number);

/* How often what was seen, over all worlds of a run. */
struct sim_statistics {
    uint64_t worlds;
    uint64_t steps;
    uint64_t drives;
    uint64_t verdicts[VERDICT_COUNT];
    uint64_t faults[FAULT_COUNT]; /* drives that showed them */
    uint64_t late_answers;        /* to a drive that has its verdict or was replaced */
    uint64_t early_replugs;       /* a drive came while requests of the one before were in flight */
    uint64_t lost_detaches;
    uint64_t master_errors; /* loads that failed or were wrong */
    uint64_t loads;
    uint64_t loads_again; /* of a chunk that had been loaded before */
    uint64_t moved_apart;

    /* What each kind of world has to show at least once. */
    uint64_t arms;
    uint64_t disarms;
    uint64_t ready;          /* drives that waited for their start */
    uint64_t first_starts;   /* of these */
    uint64_t second_starts;  /* of drives that had a verdict */
    uint64_t futile_starts;  /* of what was empty, running, passed, disarmed or another drive */
    uint64_t waits_for_owed; /* a drive was started while it still owed an answer */
    uint64_t images_forgotten;
    uint64_t images_replaced;
    uint64_t smaller_images; /* chosen, for the largest did not fit or was broken */
    uint64_t strangers;
    uint64_t retold;         /* drives that did not start a second time by themselves */
    uint64_t cleared;        /* slots that still showed a drive when they became another place */
    uint64_t held_unplugged; /* an error turned out to be a removal */
    uint64_t held_blamed;    /* or not */
};

#endif
