// SPDX-License-Identifier: GPL-3.0-or-later
#include "daemon/status.h"

#include "lib/base/units.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *master_reason(const struct shell *shell)
{
    switch (shell->source->image.fault) {
    case IMAGE_SOUND:
        return "";
    case IMAGE_DIFFERS:
        return "the master image differs from its manifest, or from what was read of it before";
    case IMAGE_SILENT:
        return "the master image cannot be read: its disk or network share does not answer";
    case IMAGE_UNREADABLE:
        break;
    }
    if (shell->master.last_error == -ESTALE)
        return "the master image was changed while drives were made from it";
    return strerror(-shell->master.last_error);
}

void status_note(char note[WIRE_NOTE_BYTES], const struct shell *shell, uint32_t slot,
                 enum verdict verdict)
{
    (void)snprintf(note, WIRE_NOTE_BYTES, "%s",
                   verdict == VERDICT_MASTER_ERROR ? master_reason(shell)
                                                   : shell->slots[slot].identity.note);
}

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

static void fill_slot(struct snapshot_slot *slot, const struct shell *shell, uint32_t number)
{
    const struct shell_slot *record = &shell->slots[number];
    struct slot_report report;

    shell_report(shell, number, &report);
    memset(slot, 0, sizeof(*slot));
    (void)snprintf(slot->name, sizeof(slot->name), "%u", number + 1);
    (void)snprintf(slot->image, sizeof(slot->image), "%s", shell->source->name);
    slot->state = report.state;
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
    status_note(slot->drive.note, shell, number, report.verdict);
}

void status_fill(struct snapshot *snapshot, const struct shell *shell,
                 const struct run_request *request)
{
    snapshot->armed = true;
    (void)snprintf(snapshot->armed_image, sizeof(snapshot->armed_image), "%s", shell->source->name);
    snapshot->armed_mode = request->mode;
    snapshot->totals = (struct verdict_totals){0};
    snapshot->master_bytes_read = shell->master.read_bytes;
    for (uint32_t i = 0; i < request->target_count; i++) {
        fill_slot(&snapshot->slots[i], shell, i);
        (void)snprintf(snapshot->slots[i].target, sizeof(snapshot->slots[i].target), "%s",
                       request->targets[i].path);
        verdict_totals_add(&snapshot->totals, snapshot->slots[i].verdict);
    }
}
