/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random numbers for schedules: splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators",
 * 2014). The same seed gives the same schedule everywhere.
 */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* From low to high, both included. */
static inline uint64_t rng_between(struct rng *rng, uint64_t low, uint64_t high)
{
	return low + rng_next(rng) % (high - low + 1);
}

/* True once in n times. */
static inline int rng_one_in(struct rng *rng, unsigned n)
{
	return rng_next(rng) % n == 0;
}

#endif
