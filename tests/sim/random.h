// SPDX-License-Identifier: GPL-3.0-or-later
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* The simulator's only source of chance: the same seed gives the same world on every machine.
 *
 * xoshiro256** 1.0, seeded through SplitMix64: D. Blackman and S. Vigna, "Scrambled linear
 * pseudorandom number generators", ACM TOMS 47 (2021), and their public-domain code at
 * prng.di.unimi.it. */

struct random {
    uint64_t state[4];
};

void random_seed(struct random *random, uint64_t seed);

uint64_t random_next(struct random *random);

/* A number from 0 to bound - 1; bound is at least 1. The bias of the multiplication, at most bound
 * in 2^64, does not matter here. */
uint64_t random_below(struct random *random, uint64_t bound);

/* A number from low to high, both included. */
uint64_t random_between(struct random *random, uint64_t low, uint64_t high);

/* True in `percent` of 100 cases. */
bool random_chance(struct random *random, unsigned percent);

/* A number from low to high, both at least 1, of which each order of magnitude is equally likely.
 */
uint64_t random_spread(struct random *random, uint64_t low, uint64_t high);

#endif
