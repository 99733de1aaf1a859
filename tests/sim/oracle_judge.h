// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef SIM_ORACLE_JUDGE_H
#define SIM_ORACLE_JUDGE_H

#include "lib/base/check.h"
#include "tests/sim/world.h"

/* Shared by the parts of the oracle: oracle.c watches events, oracle_actions.c what the core asks
 * for, oracle_judge.c verdicts, oracle_check.c what must hold after each step. Internal to them. */

static inline uint64_t bit(unsigned number)
{
    return UINT64_C(1) << number;
}

static inline uint64_t all_chunks(const struct image *image)
{
    return image->chunk_count == 64 ? UINT64_MAX : bit(image->chunk_count) - 1;
}

static inline struct account *account_at(struct world *world, uint32_t index)
{
    check(index < world->attachment_count);
    return &world->oracle.accounts[index];
}

static inline const struct image *image_of(const struct world *world, const struct account *account)
{
    return &world->masters[account->image].image;
}

static inline const uint8_t *truth_of(const struct world *world, uint32_t image, uint32_t chunk)
{
    const struct master *master = &world->masters[image];
    return master->truth + (size_t)chunk * master->image.chunk_bytes;
}

/* In its pass: begun, still without its verdict, and not replaced. */
static inline bool is_live(const struct world *world, uint32_t index)
{
    const struct account *account = &world->oracle.accounts[index];
    uint32_t slot = world->attachments[index].slot;
    return world->oracle.current[slot] == index && account->verdict == VERDICT_NONE &&
           slot_state_busy(account->state);
}

/* The image is in the set and may be started on. */
static inline bool oracle_is_sound(const struct world *world, uint64_t set, uint32_t image)
{
    return (set & bit(image)) != 0 && world->masters[image].image.fault == IMAGE_SOUND;
}

/* The largest sound image of a set that fits, or NO_IMAGE. */
uint32_t oracle_choice(const struct world *world, uint64_t set, uint64_t capacity_bytes);

/* Requests of the drive's earlier numbers that are not answered. */
uint32_t oracle_owed(const struct world *world, uint32_t index);

/* The verdict that ends an attachment's state is fair, or the world is over. */
void oracle_judge(struct world *world, uint32_t index, enum slot_state from, enum verdict verdict);

/* The drive has owed an answer for too long. */
bool oracle_is_stalled(const struct world *world, uint32_t index);

/* The drive waits for requests of the drives before it in its slot. */
bool oracle_is_crowded_out(const struct world *world, uint32_t index);

/* The master failed: loads of a chunk did so too often in a row, or one was owed for too long. To
 * be asked at every tick, as it is remembered. */
bool oracle_master_failed(struct world *world, uint32_t image);

#endif
