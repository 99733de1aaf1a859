// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/oracle_judge.h"

#include <string.h>

static void judge_passed(struct world *world, uint32_t index)
{
    const struct account *account = account_at(world, index);
    const struct attachment *attachment = &world->attachments[index];
    const struct image *image = image_of(world, account);
    uint64_t all = all_chunks(image);
    uint8_t data[WORLD_CHUNK_BYTES_MAX];

    if (account->mode == MODE_WRITE && (account->written != all || !account->flushed))
        sim_complain("attachment %u passed without having been written whole", index + 1);
    if (account->read != all || account->bad != 0 || account->earned != bit(VERDICT_PASSED))
        sim_complain("attachment %u passed, but not every chunk was read back well", index + 1);
    for (uint32_t chunk = 0; chunk < image->chunk_count; chunk++) {
        uint32_t length = world_chunk_length(image, chunk);
        drive_peek(attachment->drive, chunk, (uint64_t)chunk * image->chunk_bytes, data, length);
        if (memcmp(data, truth_of(world, account->image, chunk), length) != 0)
            sim_complain("false PASS: chunk %u of attachment %u differs", chunk, index + 1);
    }
}

bool oracle_is_stalled(const struct world *world, const struct account *account)
{
    const struct press_config *config = &world->config;
    uint64_t now_ns = world->now_ns;

    return (account->outstanding > 0 && now_ns - account->owed_since_ns >= config->stall_ns) ||
           (account->flush_pending && now_ns - account->flush_asked_ns >= config->flush_ns) ||
           (account->open_pending && now_ns - account->attached_ns >= config->flush_ns);
}

bool oracle_is_crowded_out(const struct world *world, uint32_t index)
{
    const struct account *account = &world->oracle.accounts[index];
    uint32_t slot = world->attachments[index].slot;

    return account->opened && account->outstanding == 0 &&
           world->oracle.outstanding[slot] >= world->config.window;
}

static bool load_is_overdue(const struct world *world, const struct request *request)
{
    return request->active && request->type == ACTION_LOAD &&
           world->now_ns - request->issued_ns >= world->config.master_ns;
}

/* Loads that hang also fail the other masters, once there are so many of them
 * that no load can begin. */
bool oracle_master_failed(struct world *world, uint32_t image)
{
    struct oracle *oracle = &world->oracle;
    uint32_t overdue = 0;
    uint32_t own = 0;

    for (uint32_t i = 0; i < world->request_count; i++) {
        if (!load_is_overdue(world, &world->requests[i]))
            continue;
        overdue++;
        if (world->requests[i].image == image)
            own++;
    }
    if (own > 0 || overdue == LOADS_MAX)
        oracle->masters[image].failed = true;
    if (own > 0)
        oracle->masters[image].broken = true;
    return oracle->masters[image].failed;
}

/* In this state the drive cannot do without the master. */
static bool needs_master(const struct world *world, const struct account *account,
                         enum slot_state state)
{
    const struct master *master = &world->masters[account->image];
    uint64_t all = all_chunks(&master->image);

    if (state == SLOT_WRITING)
        return account->write_asked != all;
    if (state == SLOT_VERIFYING)
        return account->read_asked != all && master->truth_known != all;
    return state == SLOT_IDENTIFYING;
}

void oracle_judge(struct world *world, uint32_t index, enum slot_state from, enum verdict verdict)
{
    const struct account *account = account_at(world, index);
    bool fair = false;

    switch (verdict) {
    case VERDICT_PASSED:
        judge_passed(world, index);
        fair = true;
        break;
    case VERDICT_STALLED:
        fair = oracle_is_stalled(world, account);
        break;
    case VERDICT_MASTER_ERROR:
        fair = oracle_master_failed(world, account->image) &&
               (needs_master(world, account, from) ||
                world->oracle.masters[account->image].distrusted);
        break;
    case VERDICT_IN_USE:
        fair = (account->earned & bit(verdict)) != 0 ||
               (oracle_is_crowded_out(world, index) &&
                world->now_ns - account->attached_ns >= world->config.flush_ns);
        break;
    default:
        fair = (account->earned & bit(verdict)) != 0;
        break;
    }
    if (!fair)
        sim_complain("false blame: attachment %u got %s without a reason", index + 1,
                     verdict_word(verdict));
    world->statistics->verdicts[verdict]++;
}
