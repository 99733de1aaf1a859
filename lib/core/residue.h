// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef CORE_RESIDUE_H
#define CORE_RESIDUE_H

#include "lib/core/verdict.h"

#include <stdbool.h>
#include <stdint.h>

/* What a drive may still hold of its former owner after a pass. Never glossed over: whoever hands
 * the drive on must know. Flash may keep replaced blocks out of reach of every command; that is
 * beyond what these words claim. Pure. */
enum residue {
    RESIDUE_UNTOUCHED,    /* nothing was written: all that was on it still is */
    RESIDUE_POSSIBLE,     /* writing began and did not end well: anything may be left */
    RESIDUE_BEYOND_IMAGE, /* what lies behind the image was not erased */
    RESIDUE_NONE,         /* the image covers the whole drive */
    RESIDUE_COUNT
};

/* The stable word, e.g. "beyond-image". Static. */
const char *residue_word(enum residue residue);

/* Judges a pass. `touched`: the drive was sent a write, whether it acknowledged it or not. */
enum residue residue_of(bool touched, enum verdict verdict, uint64_t image_bytes,
                        uint64_t capacity_bytes);

#endif
