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

/* The drive that was last at a port and LUN. */
struct departure {
    struct port port;
    unsigned lun;
    uint64_t identity;
    uint64_t capacity_bytes;
    uint64_t until_ns; /* what looks the same and came before is this one */
};

struct census {
    struct census_events events;
    bool scanning;
    bool settled; /* the first scan ended */
    unsigned count;
    struct disk disks[CENSUS_DISKS_MAX];
    unsigned departure_count;
    struct departure departures[CENSUS_PLACES_MAX]; /* the latest last */
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

/* --- What left, and may be back ------------------------------------------------------------------ */

static struct departure *find_departure(struct census *census, const struct sighting *sighting)
{
    for (unsigned i = 0; i < census->departure_count; i++) {
        struct departure *departure = &census->departures[i];
        if (departure->lun == sighting->lun && port_equal(&departure->port, &sighting->port))
            return departure;
    }
    return NULL;
}

static void note_departure(struct census *census, const struct sighting *gone, uint64_t until_ns)
{
    struct departure *departure = find_departure(census, gone);

    /* A new place, or in the place of the one that is gone for the longest time. */
    if (departure == NULL && census->departure_count < CENSUS_PLACES_MAX)
        census->departure_count++;
    else if (departure == NULL)
        departure = &census->departures[0];
    if (departure != NULL)
        memmove(departure, departure + 1,
                (size_t)(&census->departures[census->departure_count] - departure - 1) *
                    sizeof(*departure));
    census->departures[census->departure_count - 1] =
        (struct departure){.port = gone->port,
                           .lun = gone->lun,
                           .identity = gone->identity,
                           .capacity_bytes = gone->capacity_bytes,
                           .until_ns = until_ns};
}

/* Whether what came to its place at that time can be what left it. */
static bool is_back(struct census *census, const struct sighting *sighting, uint64_t plugged_ns)
{
    const struct departure *departure = find_departure(census, sighting);

    return departure != NULL && departure->identity == sighting->identity &&
           departure->capacity_bytes == sighting->capacity_bytes &&
           plugged_ns < departure->until_ns;
}

/* A device that is back without its medium: that may be back a little later. */
static void expect_medium(struct census *census, const struct sighting *sighting)
{
    struct departure *departure = find_departure(census, sighting);

    if (departure != NULL && departure->identity == sighting->identity &&
        sighting->plugged_ns < departure->until_ns)
        departure->until_ns =
            max_u64(departure->until_ns, sighting->seen_ns + CENSUS_MEDIUM_RETURN_NS);
}

/* --- Telling ------------------------------------------------------------------------------------ */

/* `until_ns`: as in struct departure; 0: it is still there. */
static void tell_vanished(struct census *census, struct disk *disk, uint64_t until_ns)
{
    if (!disk->told)
        return;
    /* First, for who is told may ask for all that are there. */
    disk->told = false;
    if (until_ns != 0)
        note_departure(census, &disk->last, until_ns);
    census->events.vanished(census->events.context, &disk->last);
}

/* In a scan at its end: what is in a port may be seen before what was there is missed. */
static void tell_appeared(struct census *census, struct disk *disk)
{
    if (disk->told || census->scanning || disk->last.capacity_bytes == 0)
        return;
    if (is_back(census, &disk->last, disk->plugged_ns))
        disk->plugged_ns = 0;
    disk->told = true;
    census->events.appeared(census->events.context, &disk->last, disk->plugged_ns);
}

static void forget(struct census *census, struct disk *disk, uint64_t now_ns)
{
    tell_vanished(census, disk, now_ns + CENSUS_RETURN_NS);
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

/* Until when what is gone may be back that is there no more, or not as it was. */
static uint64_t return_until_ns(const struct sighting *now)
{
    return now->seen_ns + (now->capacity_bytes == 0 ? CENSUS_MEDIUM_RETURN_NS : CENSUS_RETURN_NS);
}

static bool add(struct census *census, const struct sighting *sighting)
{
    if (census->count == CENSUS_DISKS_MAX)
        return false;
    struct disk *disk = &census->disks[census->count++];
    *disk = (struct disk){
        .last = *sighting, .plugged_ns = census->settled ? sighting->plugged_ns : 0, .seen = true};
    if (sighting->capacity_bytes == 0)
        expect_medium(census, sighting);
    tell_appeared(census, disk);
    return true;
}

bool census_see(struct census *census, const struct sighting *sighting)
{
    struct disk *disk = find(census, sighting->path);

    if (disk == NULL)
        return add(census, sighting);
    bool another = is_another(&disk->last, sighting);
    bool otherwise = is_told_otherwise(&disk->last, sighting);
    /* What was seen before udev had looked at it is no word of udev's that could change. */
    bool known = disk->told && disk->last.processed;
    if (another || otherwise)
        tell_vanished(census, disk, another ? return_until_ns(sighting) : 0);
    if (another)
        disk->plugged_ns = census->settled ? plugged_instead_ns(&disk->last, sighting) : 0;
    else if (otherwise && known)
        disk->plugged_ns = 0;
    disk->last = *sighting;
    disk->seen = true;
    tell_appeared(census, disk);
    return true;
}

void census_remove(struct census *census, const char *path, uint64_t now_ns)
{
    struct disk *disk = find(census, path);

    if (disk != NULL)
        forget(census, disk, now_ns);
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

void census_scan_end(struct census *census, uint64_t now_ns)
{
    check(census->scanning);
    for (unsigned i = census->count; i-- > 0;) {
        if (!census->disks[i].seen)
            forget(census, &census->disks[i], now_ns);
    }
    census->scanning = false;
    census->settled = true;
    for (unsigned i = 0; i < census->count; i++)
        tell_appeared(census, &census->disks[i]);
}
