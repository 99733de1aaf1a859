// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/status.h"

#include "lib/base/units.h"

#include <stdio.h>
#include <string.h>

/* How much of the whole pass is done, in thousandths. */
static uint32_t permille_done(const struct slot_report *report)
{
    uint64_t total_bytes = report->image_bytes * (report->mode == MODE_WRITE ? 2 : 1);
    uint64_t done_bytes = report->written_bytes + report->verified_bytes;

    if (total_bytes == 0)
        return 0;
    /* 2^64 / 1000 bytes are 18 PB: no image is that large (CHUNKS_MAX of 16 MiB). */
    return (uint32_t)(done_bytes * 1000 / total_bytes);
}

void status_fill_slot(struct snapshot_slot *slot, const struct shell *shell, uint32_t number)
{
    const struct shell_slot *record = &shell->slots[number];
    struct slot_report report;

    shell_report(shell, number, &report);
    memset(slot, 0, sizeof(*slot));
    slot->state = report.state;
    slot->eta_s = WIRE_UNKNOWN;
    /* What was in it is nobody's business any more. */
    if (report.state == SLOT_EMPTY)
        return;
    (void)snprintf(slot->target, sizeof(slot->target), "%s", record->path);
    (void)snprintf(slot->image, sizeof(slot->image), "%s", record->image);
    slot->verdict = report.verdict;
    slot->permille = permille_done(&report);
    slot->bytes_per_s = report.bytes_per_s;
    slot->eta_s = report.left_ns == FOREVER_NS ? WIRE_UNKNOWN : report.left_ns / NS_PER_S;
    slot->bytes_written = report.written_bytes;
    slot->bytes_verified = report.verified_bytes;
    slot->write_ms = report.write_ns / NS_PER_MS;
    slot->verify_ms = report.verify_ns / NS_PER_MS;
    slot->bad_chunk_count = report.bad_chunk_count;
    memcpy(slot->bad_chunks, report.bad_chunks,
           report.bad_chunk_count * sizeof(slot->bad_chunks[0]));
    slot->residue = report.residue;
    slot->drive.capacity_bytes = report.capacity_bytes;
    slot->drive.direct = record->identity.direct;
    (void)snprintf(slot->drive.model, sizeof(slot->drive.model), "%s", record->identity.model);
    (void)snprintf(slot->drive.serial, sizeof(slot->drive.serial), "%s", record->identity.serial);
    (void)snprintf(slot->drive.note, sizeof(slot->drive.note), "%s",
                   shell_note(shell, number, report.verdict));
}

void status_fill_totals(struct snapshot *snapshot, const struct shell *shell)
{
    snapshot->totals = shell->totals;
    snapshot->master_bytes_read = shell->master.read_bytes;
}
