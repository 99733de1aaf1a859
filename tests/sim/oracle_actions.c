// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/oracle_judge.h"

#include <inttypes.h>
#include <string.h>

static void see_state(struct world *world, uint32_t index, const struct action *action)
{
    struct account *account = account_at(world, index);
    bool final = slot_state_final(action->state.to);

    if (action->state.from != account->state)
        sim_complain("attachment %u leaves state %s, but was in %s", index + 1,
                     slot_state_word(action->state.from), slot_state_word(account->state));
    if (action->state.to == SLOT_IDENTIFYING && !account->begins)
        sim_complain("attachment %u begins, but nobody started it", index + 1);
    if (!slot_move_allowed(action->state.from, action->state.to))
        sim_complain("attachment %u goes from %s to %s", index + 1,
                     slot_state_word(action->state.from), slot_state_word(action->state.to));
    if (final != (action->state.verdict != VERDICT_NONE))
        sim_complain("attachment %u: state %s with verdict %s", index + 1,
                     slot_state_word(action->state.to), verdict_word(action->state.verdict));
    uint64_t spent_ns = world->now_ns - account->state_since_ns;
    if (account->state == SLOT_WRITING || account->state == SLOT_FLUSHING)
        account->write_ns += spent_ns;
    if (account->state == SLOT_VERIFYING)
        account->verify_ns += spent_ns;
    account->state_since_ns = world->now_ns;
    account->state = action->state.to;
    if (!final)
        return;
    if (account->verdict != VERDICT_NONE)
        sim_complain("attachment %u got a second verdict", index + 1);
    account->verdict = action->state.verdict;
    oracle_judge(world, index, action->state.from, action->state.verdict);
}

static void see_open(struct world *world, uint32_t index, const struct action *action)
{
    struct account *account = account_at(world, index);

    if (account->open_asked)
        sim_complain("attachment %u is opened twice", index + 1);
    if (action->open.for_writing != (account->mode == MODE_WRITE))
        sim_complain("attachment %u is opened in the wrong mode", index + 1);
    if (oracle_choice(world, account->set, UINT64_MAX) == NO_IMAGE)
        sim_complain("attachment %u is opened, but its masters are broken", index + 1);
    if (oracle_owed(world, index) > 0)
        sim_complain("attachment %u is opened, but owes answers from before", index + 1);
    account->open_asked = true;
    account->open_pending = true;
}

static void check_shape(const struct world *world, const struct action *action)
{
    const struct image *image = &world->masters[action->transfer.image].image;
    uint32_t chunk = action->transfer.chunk;

    if (action->transfer.image >= world->image_count || chunk >= image->chunk_count ||
        action->transfer.offset_bytes != (uint64_t)chunk * image->chunk_bytes ||
        action->transfer.length_bytes != world_chunk_length(image, chunk))
        sim_complain("a transfer of chunk %u has a wrong place or length", chunk);
    if (action->transfer.buffer >= world->config.buffer_count)
        sim_complain("there is no buffer %u", action->transfer.buffer);
}

static void check_buffer_free(const struct world *world, uint32_t buffer)
{
    if (world->uses[buffer].writer || world->uses[buffer].readers > 0)
        sim_complain("buffer %u is to be filled while it is in use", buffer);
}

static void see_write(struct world *world, uint32_t index, const struct action *action)
{
    struct account *account = account_at(world, index);
    uint32_t chunk = action->transfer.chunk;
    uint32_t buffer = action->transfer.buffer;

    if (account->mode != MODE_WRITE || account->flush_asked)
        sim_complain("attachment %u must not be written now", index + 1);
    if ((account->write_asked & bit(chunk)) != 0)
        sim_complain("chunk %u of attachment %u is written twice", chunk, index + 1);
    account->write_asked |= bit(chunk);
    if (world->uses[buffer].writer ||
        (world->masters[account->image].truth_known & bit(chunk)) == 0 ||
        memcmp(world_buffer(world, buffer), truth_of(world, account->image, chunk),
               action->transfer.length_bytes) != 0)
        sim_complain("buffer %u does not hold chunk %u", buffer, chunk);
}

static void see_read_asked(struct world *world, uint32_t index, const struct action *action)
{
    struct account *account = account_at(world, index);
    uint32_t chunk = action->transfer.chunk;

    if (account->mode == MODE_WRITE && !account->flushed)
        sim_complain("attachment %u is read back before its flush", index + 1);
    if ((account->read_asked & bit(chunk)) != 0)
        sim_complain("chunk %u of attachment %u is read twice", chunk, index + 1);
    account->read_asked |= bit(chunk);
    check_buffer_free(world, action->transfer.buffer);
}

static void see_transfer_asked(struct world *world, uint32_t index, const struct action *action)
{
    struct account *account = account_at(world, index);
    uint32_t slot = world->attachments[index].slot;

    check_shape(world, action);
    if (action->transfer.image != account->image)
        sim_complain("attachment %u gets the wrong image", index + 1);
    account->next_chunk = (action->transfer.chunk + 1) % image_of(world, account)->chunk_count;
    if (action->type == ACTION_WRITE)
        see_write(world, index, action);
    else
        see_read_asked(world, index, action);
    if (account->outstanding++ == 0)
        account->owed_since_ns = world->now_ns;
    if (++world->oracle.outstanding[slot] > world->config.window)
        sim_complain("more requests in flight in slot %u than its window", slot);
}

static void see_flush(struct world *world, uint32_t index)
{
    struct account *account = account_at(world, index);

    if (account->flush_asked || account->written != all_chunks(image_of(world, account)))
        sim_complain("attachment %u is flushed too early or twice", index + 1);
    account->flush_asked = true;
    account->flush_pending = true;
    account->flush_asked_ns = world->now_ns;
}

static void see_close(struct world *world, uint32_t index)
{
    struct account *account = account_at(world, index);

    if (!account->opened || account->closed)
        sim_complain("attachment %u is closed, but not open", index + 1);
    account->closed = true;
}

/* A pool that holds the whole image beside all windows has no reason to evict anything. */
static void check_load_needed(const struct world *world, const struct action *action)
{
    const struct press_config *config = &world->config;
    const struct image *image = &world->masters[0].image;

    if (world->image_count == 1 &&
        config->buffer_count >= image->chunk_count + config->slot_count * config->window &&
        (world->oracle.masters[0].loaded & bit(action->transfer.chunk)) != 0)
        sim_complain("chunk %u of the master is loaded again without need", action->transfer.chunk);
}

static void see_load(struct world *world, const struct action *action)
{
    check_shape(world, action);
    check_buffer_free(world, action->transfer.buffer);
    check_load_needed(world, action);
    world->oracle.loads_asked++;
    if (++world->oracle.loads > LOADS_MAX)
        sim_complain("more loads in flight than %d", LOADS_MAX);
    for (uint32_t i = 0; i < world->request_count; i++) {
        const struct request *request = &world->requests[i];
        if (request->active && request->type == ACTION_LOAD &&
            request->image == action->transfer.image && request->chunk == action->transfer.chunk)
            sim_complain("chunk %u of the master is being loaded already", request->chunk);
    }
}

void oracle_action(struct world *world, const struct action *action)
{
    uint32_t index = (uint32_t)action->attachment - 1;

    if (action->type == ACTION_LOAD) {
        see_load(world, action);
        return;
    }
    if (index >= world->attachment_count || action->slot != world->attachments[index].slot)
        sim_complain("slot %u never held attachment %" PRIu64, action->slot, action->attachment);
    const struct account *account = account_at(world, index);
    bool transfer = action->type == ACTION_WRITE || action->type == ACTION_READ;
    if ((action->type == ACTION_OPEN || transfer || action->type == ACTION_FLUSH) &&
        !is_live(world, index))
        sim_complain("attachment %u is over, but is asked for something", index + 1);
    if ((transfer || action->type == ACTION_FLUSH) && account->held != VERDICT_NONE)
        sim_complain("attachment %u may be gone, but is asked for something", index + 1);
    if ((transfer || action->type == ACTION_FLUSH) && (!account->opened || account->closed))
        sim_complain("attachment %u is not open, but is asked for something", index + 1);
    if (action->type == ACTION_STATE)
        see_state(world, index, action);
    else if (action->type == ACTION_OPEN)
        see_open(world, index, action);
    else if (transfer)
        see_transfer_asked(world, index, action);
    else if (action->type == ACTION_FLUSH)
        see_flush(world, index);
    else
        see_close(world, index);
}
