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

    for (uint32_t i = 0; i < world->request_count; i++) {
        const struct request *request = &world->requests[i];
        if (request->active && request->type == ACTION_WRITE && request->moves &&
            world->attachments[request->attachment].visit == attachment->visit)
            sim_complain("attachment %u passed, but a write of an earlier pass may still reach it",
                         index + 1);
    }
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

uint32_t oracle_choice(const struct world *world, uint64_t set, uint64_t capacity_bytes)
{
    uint32_t choice = NO_IMAGE;
    uint64_t choice_bytes = 0;

    for (uint32_t i = 0; i < world->image_count; i++) {
        uint64_t size_bytes = world->masters[i].image.size_bytes;
        if (oracle_is_sound(world, set, i) && size_bytes <= capacity_bytes &&
            size_bytes > choice_bytes) {
            choice = i;
            choice_bytes = size_bytes;
        }
    }
    return choice;
}

uint32_t oracle_owed(const struct world *world, uint32_t index)
{
    uint32_t owed = 0;

    if (world->attachments[index].visit == index)
        return 0;
    for (uint32_t i = 0; i < world->request_count; i++) {
        const struct request *request = &world->requests[i];
        if (request->active && request->type != ACTION_LOAD && request->attachment != index &&
            world->attachments[request->attachment].visit == world->attachments[index].visit)
            owed++;
    }
    return owed;
}

bool oracle_is_stalled(const struct world *world, uint32_t index)
{
    const struct account *account = &world->oracle.accounts[index];
    const struct press_config *config = &world->config;
    uint64_t now_ns = world->now_ns;

    return (account->outstanding > 0 && now_ns - account->owed_since_ns >= config->stall_ns) ||
           (account->flush_pending && now_ns - account->flush_asked_ns >= config->flush_ns) ||
           ((account->open_pending || (!account->open_asked && oracle_owed(world, index) > 0)) &&
            now_ns - account->begun_ns >= config->flush_ns);
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

    if (account->held != VERDICT_NONE)
        return false;
    if (state == SLOT_WRITING)
        return account->write_asked != all;
    if (state == SLOT_VERIFYING)
        return account->read_asked != all && master->truth_known != all;
    return state == SLOT_IDENTIFYING;
}

/* The fault was held back for its time, so that it is no removal that was not told yet. */
static bool is_sure(struct world *world, const struct account *account, enum verdict verdict)
{
    if (account->held != verdict ||
        world->now_ns - account->held_since_ns < world->config.unplug_ns)
        return false;
    world->statistics->held_blamed++;
    return true;
}

/* Errors that a drive showed only after it was pulled are blamed on it neither before the news of
 * its removal can be there, nor after it came. An operator's stop asks for an answer at once. */
static bool is_blamed_for_removal(struct world *world, uint32_t index, enum verdict verdict)
{
    const struct account *account = account_at(world, index);
    const struct attachment *visit = world_visit(world, index);

    return (verdict == VERDICT_WRITE_ERROR || verdict == VERDICT_READ_ERROR) &&
           world->config.unplug_ns > 0 && !visit->present && !account->errors_present &&
           account->earned == 0 &&
           (visit->detached || world->now_ns - visit->left_ns < world->config.unplug_ns);
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
        fair = account->held == VERDICT_NONE && oracle_is_stalled(world, index);
        break;
    case VERDICT_WRITE_ERROR:
    case VERDICT_READ_ERROR:
        fair = (account->earned & bit(verdict)) != 0 || is_sure(world, account, verdict);
        break;
    case VERDICT_MASTER_ERROR:
        if (account->image == NO_IMAGE)
            fair = oracle_choice(world, account->set, UINT64_MAX) == NO_IMAGE;
        else
            fair = oracle_master_failed(world, account->image) &&
                   (needs_master(world, account, from) ||
                    world->oracle.masters[account->image].distrusted);
        break;
    case VERDICT_IN_USE:
        fair = (account->earned & bit(verdict)) != 0 ||
               (oracle_is_crowded_out(world, index) &&
                world->now_ns - account->begun_ns >= world->config.flush_ns);
        break;
    default:
        fair = (account->earned & bit(verdict)) != 0;
        break;
    }
    if (!fair || is_blamed_for_removal(world, index, verdict))
        sim_complain("false blame: attachment %u got %s without a reason", index + 1,
                     verdict_word(verdict));
    world->statistics->verdicts[verdict]++;
}
