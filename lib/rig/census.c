// SPDX-License-Identifier: GPL-3.0-or-later
#include "lib/rig/census.h"

#include "lib/base/check.h"

#include <stdlib.h>
#include <string.h>

/* A disk that is there. With a medium it is a drive. */
struct disk {
    struct sighting last;
    uint64_t plugged_ns; /* of no meaning without a medium */
    bool told;           /* that it appeared, and not yet that it vanished */
    bool seen;           /* in the scan that goes on */
};

struct census {
    struct census_events events;
    bool scanning;
    bool settled; /* the first scan ended */
    unsigned count;
    struct disk disks[CENSUS_DISKS_MAX];
};

struct census *census_new(const struct census_events *events)
{
    struct census *census = calloc(1, sizeof(*census));

    if (census != NULL)
        census->events = *events;
    return census;
}

void census_free(struct census *census)
{
    free(census);
}

static struct disk *find(struct census *census, const char *path)
{
    for (unsigned i = 0; i < census->count; i++) {
        if (strcmp(census->disks[i].last.path, path) == 0)
            return &census->disks[i];
    }
    return NULL;
}

static void tell_vanished(struct census *census, struct disk *disk)
{
    if (disk->told)
        census->events.vanished(census->events.context, &disk->last);
    disk->told = false;
}

/* In a scan at its end: what is in a port may be seen before what was there is missed. */
static void tell_appeared(struct census *census, struct disk *disk)
{
    if (disk->told || census->scanning || disk->last.capacity_bytes == 0)
        return;
    disk->told = true;
    census->events.appeared(census->events.context, &disk->last, disk->plugged_ns);
}

static void forget(struct census *census, struct disk *disk)
{
    tell_vanished(census, disk);
    size_t after = (size_t)(&census->disks[census->count] - disk) - 1;
    memmove(disk, disk + 1, after * sizeof(*disk));
    census->count--;
}

/* Whether a disk, or the medium in it, is another one than before. */
static bool is_another(const struct sighting *before, const struct sighting *now)
{
    return before->major != now->major || before->minor != now->minor ||
           before->capacity_bytes != now->capacity_bytes ||
           (before->diskseq != 0 && now->diskseq != 0 && before->diskseq != now->diskseq);
}

/* Whether what was told of the same disk holds no longer. */
static bool is_told_otherwise(const struct sighting *before, const struct sighting *now)
{
    return before->claimed != now->claimed || before->foreign != now->foreign ||
           before->lun != now->lun || !port_equal(&before->port, &now->port) ||
           strcmp(before->node, now->node) != 0;
}

/* When the drive came that is in the place of another, or of none. */
static uint64_t plugged_instead_ns(const struct sighting *before, const struct sighting *now)
{
    /* What is plugged in came after the one before was last seen: all of it is new. */
    if (now->plugged_ns > before->seen_ns)
        return now->plugged_ns;
    /* The same size: perhaps the same medium, which went out and in. */
    if (before->capacity_bytes == now->capacity_bytes)
        return 0;
    return now->seen_ns;
}

static bool add(struct census *census, const struct sighting *sighting)
{
    if (census->count == CENSUS_DISKS_MAX)
        return false;
    struct disk *disk = &census->disks[census->count++];
    *disk = (struct disk){
        .last = *sighting, .plugged_ns = census->settled ? sighting->plugged_ns : 0, .seen = true};
    tell_appeared(census, disk);
    return true;
}

bool census_see(struct census *census, const struct sighting *sighting)
{
    struct disk *disk = find(census, sighting->path);

    if (disk == NULL)
        return add(census, sighting);
    bool another = is_another(&disk->last, sighting);
    if (another || is_told_otherwise(&disk->last, sighting))
        tell_vanished(census, disk);
    if (another)
        disk->plugged_ns = census->settled ? plugged_instead_ns(&disk->last, sighting) : 0;
    disk->last = *sighting;
    disk->seen = true;
    tell_appeared(census, disk);
    return true;
}

void census_remove(struct census *census, const char *path)
{
    struct disk *disk = find(census, path);

    if (disk != NULL)
        forget(census, disk);
}

void census_repeat(struct census *census)
{
    for (unsigned i = 0; i < census->count; i++) {
        if (census->disks[i].told)
            census->events.appeared(census->events.context, &census->disks[i].last, 0);
    }
}

void census_scan_begin(struct census *census)
{
    check(!census->scanning);
    census->scanning = true;
    for (unsigned i = 0; i < census->count; i++)
        census->disks[i].seen = false;
}

void census_scan_end(struct census *census)
{
    check(census->scanning);
    for (unsigned i = census->count; i-- > 0;) {
        if (!census->disks[i].seen)
            forget(census, &census->disks[i]);
    }
    census->scanning = false;
    census->settled = true;
    for (unsigned i = 0; i < census->count; i++)
        tell_appeared(census, &census->disks[i]);
}
