// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/io_sim.h"

#include "daemon/medium_opening.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/container.h"
#include "lib/base/units.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A simulated drive: a medium over the medium of a regular file.
 *
 * Happy path: a request is passed on to the file, piece by piece where the capacity wraps around,
 * and returns when a drive of the given rate would be done.
 *
 * Failure modes: the ones of io_sim.h. They are tried in the order in which a drive would show
 * them: gone, hung, failed, lying. What the file itself does wrong is passed on. */

/* A thread that is late by less than this loses no time. Beyond it the drive was idle. */
#define LATENESS_NS_MAX (50 * NS_PER_MS)

struct sim_medium {
    struct medium medium;
    struct medium *file;
    struct sim_config config;
    struct sim_pace pace;
    uint64_t transferred_bytes;
    uint64_t written_bytes;
    bool hung; /* hang_after is over */
    bool yanked;
};

static struct sim_medium *sim_of(struct medium *medium)
{
    return container_of(medium, struct sim_medium, medium);
}

/* --- Time ------------------------------------------------------------------------------------- */

static void sleep_until(uint64_t until_ns)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                   .tv_nsec = (long)(until_ns % NS_PER_S)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
}

static void hang(const struct sim_config *config)
{
    while (config->hang_ms == SIM_NEVER)
        (void)pause();
    sleep_until(clock_now_ns() + config->hang_ms * NS_PER_MS);
}

uint64_t sim_pace_request(struct sim_pace *pace, const struct sim_config *config, uint64_t now,
                          uint32_t length_bytes, uint64_t bytes_per_s)
{
    uint64_t left_bytes = length_bytes;

    if (now > pace->free_at_ns + LATENESS_NS_MAX)
        pace->free_at_ns = now;
    pace->free_at_ns += config->latency_ms * NS_PER_MS;
    /* Below 2^32 bytes times 10^9 fits 64 bits. */
    if (bytes_per_s != SIM_NEVER)
        pace->free_at_ns += length_bytes * NS_PER_S / bytes_per_s;
    if (config->pause_every_bytes == SIM_NEVER)
        return pace->free_at_ns;
    while (left_bytes >= pace->until_pause_bytes) {
        left_bytes -= pace->until_pause_bytes;
        pace->until_pause_bytes = config->pause_every_bytes;
        pace->free_at_ns += config->pause_ms * NS_PER_MS;
    }
    pace->until_pause_bytes -= left_bytes;
    return pace->free_at_ns;
}

/* --- Transfers -------------------------------------------------------------------------------- */

static bool touches(const struct sim_ranges *ranges, uint64_t begin_bytes, uint64_t end_bytes)
{
    for (size_t i = 0; i < ranges->count; i++) {
        if (begin_bytes < ranges->items[i].end_bytes && ranges->items[i].begin_bytes < end_bytes)
            return true;
    }
    return false;
}

/* Whether `length_bytes` more go beyond a threshold that may be SIM_NEVER. */
static bool exceeds(uint64_t done_bytes, uint32_t length_bytes, uint64_t after_bytes)
{
    return after_bytes != SIM_NEVER && done_bytes + length_bytes > after_bytes;
}

/* The faults that any request meets first. 0, or what it ends with. */
static int begin(struct sim_medium *sim, uint32_t length_bytes, uint64_t offset_bytes)
{
    const struct sim_config *config = &sim->config;

    if (exceeds(sim->transferred_bytes, length_bytes, config->yank_after_bytes))
        sim->yanked = true;
    if (sim->yanked)
        return -ENODEV;
    if (!sim->hung && exceeds(sim->transferred_bytes, length_bytes, config->hang_after_bytes)) {
        sim->hung = true;
        hang(config);
    }
    if (length_bytes > config->capacity_bytes ||
        offset_bytes > config->capacity_bytes - length_bytes)
        return -EIO;
    return 0;
}

/* Returns when the drive would be done, whatever came of the request. */
static int end(struct sim_medium *sim, uint64_t begun_ns, uint32_t length_bytes,
               uint64_t bytes_per_s, int error)
{
    if (sim->yanked)
        return error; /* who is gone answers at once */
    uint64_t until_ns =
        sim_pace_request(&sim->pace, &sim->config, begun_ns, length_bytes, bytes_per_s);
    if (error == 0)
        sim->transferred_bytes += length_bytes;
    sleep_until(until_ns);
    return error;
}

/* Passes a transfer on to where the drive really has the bytes. */
static int transfer(struct sim_medium *sim, bool write, void *data, uint32_t length_bytes,
                    uint64_t offset_bytes)
{
    uint64_t real_bytes = sim->config.real_capacity_bytes;
    int error = 0;

    for (uint32_t at = 0; at < length_bytes && error == 0;) {
        uint64_t real_offset_bytes = (offset_bytes + at) % real_bytes;
        uint32_t piece_bytes = (uint32_t)min_u64(length_bytes - at, real_bytes - real_offset_bytes);
        char *piece = (char *)data + at;
        error = write ? sim->file->ops->write(sim->file, piece, piece_bytes, real_offset_bytes)
                      : sim->file->ops->read(sim->file, piece, piece_bytes, real_offset_bytes);
        at += piece_bytes;
    }
    return error;
}

/* Whether the byte is in the request, and where in its data. */
static bool covers(uint64_t byte, uint32_t length_bytes, uint64_t offset_bytes, size_t *at)
{
    if (byte < offset_bytes || byte - offset_bytes >= length_bytes)
        return false;
    *at = (size_t)(byte - offset_bytes);
    return true;
}

static int sim_read(struct medium *medium, void *data, uint32_t length_bytes, uint64_t offset_bytes)
{
    struct sim_medium *sim = sim_of(medium);
    struct sim_config *config = &sim->config;
    uint64_t begun_ns = clock_now_ns();
    unsigned char *bytes = data;
    size_t at;

    int error = begin(sim, length_bytes, offset_bytes);
    if (error == 0 && touches(&config->read_errors, offset_bytes, offset_bytes + length_bytes))
        error = -EIO;
    if (error == 0)
        error = transfer(sim, false, data, length_bytes, offset_bytes);
    if (error == 0 && covers(config->flip_read_at_bytes, length_bytes, offset_bytes, &at))
        bytes[at] ^= 1;
    if (error == 0 && covers(config->flip_read_once_at_bytes, length_bytes, offset_bytes, &at)) {
        bytes[at] ^= 1;
        config->flip_read_once_at_bytes = SIM_NEVER;
    }
    return end(sim, begun_ns, length_bytes, config->read_bytes_per_s, error);
}

/* Stores what the drive does not drop. The data is shared with other drives and stays as it is. */
static int store(struct sim_medium *sim, const void *data, uint32_t length_bytes,
                 uint64_t offset_bytes)
{
    const struct sim_config *config = &sim->config;
    uint64_t kept_bytes = length_bytes;
    size_t at;

    if (config->drop_writes_from_bytes != SIM_NEVER)
        kept_bytes = min_u64(kept_bytes, config->drop_writes_from_bytes > offset_bytes
                                             ? config->drop_writes_from_bytes - offset_bytes
                                             : 0);
    if (config->drop_writes_after_bytes != SIM_NEVER)
        kept_bytes = min_u64(kept_bytes, config->drop_writes_after_bytes > sim->written_bytes
                                             ? config->drop_writes_after_bytes - sim->written_bytes
                                             : 0);
    /* transfer() only reads the data of a write. */
    int error = transfer(sim, true, (void *)(uintptr_t)data, (uint32_t)kept_bytes, offset_bytes);
    if (error != 0 || !covers(config->flip_write_at_bytes, (uint32_t)kept_bytes, offset_bytes, &at))
        return error;
    unsigned char wrong = ((const unsigned char *)data)[at] ^ 1;
    return transfer(sim, true, &wrong, 1, offset_bytes + at);
}

static int sim_write(struct medium *medium, const void *data, uint32_t length_bytes,
                     uint64_t offset_bytes)
{
    struct sim_medium *sim = sim_of(medium);
    const struct sim_config *config = &sim->config;
    uint64_t begun_ns = clock_now_ns();

    int error = begin(sim, length_bytes, offset_bytes);
    if (error == 0 && (exceeds(sim->written_bytes, length_bytes, config->write_error_after_bytes) ||
                       touches(&config->write_errors, offset_bytes, offset_bytes + length_bytes)))
        error = -EIO;
    if (error == 0)
        error = store(sim, data, length_bytes, offset_bytes);
    if (error == 0)
        sim->written_bytes += length_bytes;
    return end(sim, begun_ns, length_bytes, config->write_bytes_per_s, error);
}

/* The file is the drive's inside: what it holds needs no fsync to be the drive's. */
static int sim_flush(struct medium *medium)
{
    struct sim_medium *sim = sim_of(medium);

    if (sim->yanked)
        return -ENODEV;
    if (sim->config.hang_at_flush)
        hang(&sim->config);
    sleep_until(sim_pace_request(&sim->pace, &sim->config, clock_now_ns(), 0, SIM_NEVER));
    return 0;
}

static bool sim_present(struct medium *medium)
{
    struct sim_medium *sim = sim_of(medium);

    return !sim->yanked && sim->file->ops->present(sim->file);
}

static void sim_close(struct medium *medium)
{
    struct sim_medium *sim = sim_of(medium);

    sim->file->ops->close(sim->file);
    free(sim);
}

static const struct medium_ops sim_ops = {
    .read = sim_read,
    .write = sim_write,
    .flush = sim_flush,
    .present = sim_present,
    .close = sim_close,
};

/* --- Opening ---------------------------------------------------------------------------------- */

/* What the description says of opening, before the file is opened. */
static enum open_result rehearse(const struct sim_config *config, bool for_writing,
                                 struct medium_identity *identity)
{
    if (config->hang_at_open)
        hang(config);
    if (config->open_error) {
        medium_note(identity, "%s (simulated)", strerror(EIO));
        return OPEN_ERROR;
    }
    if (config->no_medium) {
        medium_note(identity, "there is no medium in it (simulated)");
        return OPEN_NO_MEDIUM;
    }
    if (config->busy) {
        medium_note(identity, "mounted or held by another program (simulated)");
        return OPEN_BUSY;
    }
    if (config->read_only && for_writing) {
        medium_note(identity, "is write-protected (simulated)");
        return OPEN_READ_ONLY;
    }
    return OPEN_OK;
}

/* Fits the described capacities to the file's size. */
static enum open_result settle_capacity(struct sim_config *config, uint64_t file_bytes,
                                        struct medium_identity *identity)
{
    if (config->capacity_bytes == SIM_NEVER)
        config->capacity_bytes = file_bytes;
    if (config->real_capacity_bytes == SIM_NEVER)
        config->real_capacity_bytes = file_bytes;
    if (config->real_capacity_bytes <= file_bytes &&
        (config->real_capacity_bytes > 0 || config->capacity_bytes == 0))
        return OPEN_OK;
    medium_note(identity, "real_capacity must be above 0 and at most the file's size");
    return OPEN_UNSUITABLE;
}

static enum open_result open_file(struct sim_medium *sim, const char *path, bool for_writing,
                                  struct drive_facts *facts, struct medium_identity *identity)
{
    const struct medium_file_options options = {.regular_only = true, .inside = true};
    enum open_result result = rehearse(&sim->config, for_writing, identity);

    if (result == OPEN_OK)
        result = medium_file_open_with(path, for_writing, &options, &sim->file, facts, identity);
    if (result != OPEN_OK)
        return result;
    result = settle_capacity(&sim->config, facts->capacity_bytes, identity);
    if (result != OPEN_OK)
        sim->file->ops->close(sim->file);
    return result;
}

/* What is wrong with a description is no fault of the drive, nor of this machine. */
static enum open_result load(struct sim_medium *sim, const char *path, const char *description,
                             bool for_writing, struct drive_facts *facts,
                             struct medium_identity *identity)
{
    int error = sim_config_load(&sim->config, description, identity);

    if (error == -EMFILE || error == -ENFILE || error == -ENOMEM)
        return OPEN_OUR_FAULT;
    return error != 0 ? OPEN_UNSUITABLE : open_file(sim, path, for_writing, facts, identity);
}

enum open_result medium_sim_open(const char *path, bool for_writing, struct medium **medium,
                                 struct drive_facts *facts, struct medium_identity *identity)
{
    char description[PATH_MAX];
    struct sim_medium *sim = calloc(1, sizeof(*sim));
    enum open_result result = OPEN_UNSUITABLE;

    *medium = NULL;
    *facts = (struct drive_facts){0};
    *identity = (struct medium_identity){0};
    if (sim == NULL)
        return medium_refuse_errno(identity, ENOMEM);
    if (snprintf(description, sizeof(description), "%s.sim", path) >= (int)sizeof(description))
        medium_note(identity, "%s", strerror(ENAMETOOLONG));
    else
        result = load(sim, path, description, for_writing, facts, identity);
    if (result != OPEN_OK) {
        *facts = (struct drive_facts){0};
        free(sim);
        return result;
    }
    facts->capacity_bytes = sim->config.capacity_bytes;
    facts->read_only = sim->config.read_only;
    identity->direct = true;
    memcpy(identity->model, sim->config.model, sizeof(identity->model));
    memcpy(identity->serial, sim->config.serial, sizeof(identity->serial));
    medium_note(identity, "simulated");
    sim->pace.until_pause_bytes = sim->config.pause_every_bytes;
    sim->medium.ops = &sim_ops;
    sim->medium.fd = -1;
    sim->medium.on_file_system = true;
    *medium = &sim->medium;
    return OPEN_OK;
}
