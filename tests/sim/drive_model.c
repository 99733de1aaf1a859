// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/sim/drive_model.h"

#include "lib/base/check.h"
#include "lib/base/units.h"

#include <string.h>

const char *drive_fault_word(enum drive_fault fault)
{
    static const char *const words[FAULT_COUNT] = {
        [FAULT_WRITE_ERROR] = "write-error",
        [FAULT_READ_ERROR] = "read-error",
        [FAULT_FLUSH_ERROR] = "flush-error",
        [FAULT_WRITE_FLIP] = "write-flip",
        [FAULT_READ_FLIP] = "read-flip",
        [FAULT_WRITE_DROPPED] = "write-dropped",
        [FAULT_CACHE_LOST] = "cache-lost",
        [FAULT_WRAPAROUND] = "wraparound",
        [FAULT_HANG_OPEN] = "hang-open",
        [FAULT_HANG_WRITE] = "hang-write",
        [FAULT_HANG_READ] = "hang-read",
        [FAULT_HANG_FLUSH] = "hang-flush",
        [FAULT_YANK] = "yank",
        [FAULT_CANCELLED] = "cancelled",
        [FAULT_OPEN_RESULT] = "open-result",
        [FAULT_TOO_SMALL] = "too-small",
        [FAULT_READ_ONLY] = "read-only",
        [FAULT_NO_CAPACITY] = "no-capacity",
        [FAULT_BLOCK_SIZE] = "block-size",
        [FAULT_SLOW] = "slow",
    };
    check(fault < FAULT_COUNT);
    return words[fault];
}

bool drive_fault_hits(struct drive *drive, enum drive_fault fault, uint32_t chunk, uint32_t request)
{
    struct fault_plan *plan = &drive->faults[fault];

    if (!plan->armed || (plan->hits > 0 && !plan->always))
        return false;
    if (plan->by_chunk ? chunk != plan->at : request < plan->at)
        return false;
    plan->hits++;
    return true;
}

uint64_t drive_answers_at_ns(struct drive *drive, struct random *random, uint64_t now_ns,
                             uint64_t cost_ns)
{
    uint64_t jitter_ns = random_below(random, cost_ns / 4 + 1);

    if (drive->reorders)
        return now_ns + drive->latency_ns + cost_ns / 2 + random_below(random, 2 * cost_ns + 1);
    drive->busy_until_ns = max_u64(drive->busy_until_ns, now_ns) + cost_ns + jitter_ns;
    return drive->busy_until_ns + drive->latency_ns;
}

static void flip(uint8_t *data, uint32_t length, uint32_t bit)
{
    uint32_t at = bit % (length * 8);
    data[at / 8] = (uint8_t)(data[at / 8] ^ 1U << at % 8);
}

/* The run of bytes from an offset that lies together on the flash. */
static uint32_t run_at(const struct drive *drive, uint64_t offset, uint32_t length,
                       uint32_t *position)
{
    *position = (uint32_t)(offset % drive->stored_bytes);
    return (uint32_t)min_u64(length, drive->stored_bytes - *position);
}

static void copy_in(struct drive *drive, uint64_t offset, const uint8_t *data, uint32_t length)
{
    if (offset + length > drive->stored_bytes && drive->faults[FAULT_WRAPAROUND].armed)
        drive->faults[FAULT_WRAPAROUND].hits++;
    while (length > 0) {
        uint32_t position = 0;
        uint32_t run = run_at(drive, offset, length, &position);
        memcpy(drive->bytes + position, data, run);
        data += run;
        offset += run;
        length -= run;
    }
}

static void copy_out(const struct drive *drive, uint64_t offset, uint8_t *data, uint32_t length)
{
    while (length > 0) {
        uint32_t position = 0;
        uint32_t run = run_at(drive, offset, length, &position);
        memcpy(data, drive->bytes + position, run);
        data += run;
        offset += run;
        length -= run;
    }
}

void drive_store(struct drive *drive, uint32_t chunk, uint64_t offset, const uint8_t *data,
                 uint32_t length)
{
    if (drive_fault_hits(drive, FAULT_WRITE_DROPPED, chunk, drive->writes))
        return;
    if (drive_fault_hits(drive, FAULT_CACHE_LOST, chunk, drive->writes)) {
        drive->lost_length = length;
        drive->lost_offset = (uint32_t)offset;
        copy_out(drive, offset, drive->lost_bytes, length);
    }
    copy_in(drive, offset, data, length);
    if (drive_fault_hits(drive, FAULT_WRITE_FLIP, chunk, drive->writes)) {
        uint32_t at = drive->faults[FAULT_WRITE_FLIP].bit % (length * 8);
        uint8_t *byte = &drive->bytes[(offset + at / 8) % drive->stored_bytes];
        *byte ^= 0x81; /* two bits, so that no flip of one bit at a read makes it good again */
    }
}

void drive_flush(struct drive *drive)
{
    if (drive->lost_length > 0)
        copy_in(drive, drive->lost_offset, drive->lost_bytes, drive->lost_length);
    drive->lost_length = 0;
}

void drive_fetch(struct drive *drive, uint32_t chunk, uint64_t offset, uint8_t *data,
                 uint32_t length)
{
    copy_out(drive, offset, data, length);
    if (drive_fault_hits(drive, FAULT_READ_FLIP, chunk, drive->reads))
        flip(data, length, drive->faults[FAULT_READ_FLIP].bit);
}

void drive_peek(const struct drive *drive, uint32_t chunk, uint64_t offset, uint8_t *data,
                uint32_t length)
{
    const struct fault_plan *plan = &drive->faults[FAULT_READ_FLIP];

    copy_out(drive, offset, data, length);
    if (plan->armed && plan->always && plan->by_chunk && plan->at == chunk)
        flip(data, length, plan->bit);
}
