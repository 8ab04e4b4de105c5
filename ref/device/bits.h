/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bitmaps of 64-bit words, bit n in word n / 64 at n % 64: the layout that a DMA log report has on the wire.
 * No locking; the owner of the bitmap has it.
 */
#ifndef REF_DEVICE_BITS_H
#define REF_DEVICE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define BITS_WORD 64u

static inline uint64_t bits_words(uint64_t nr)
{
	return nr / BITS_WORD + (nr % BITS_WORD != 0);
}

static inline bool bits_test(const uint64_t *map, uint64_t bit)
{
	return map[bit / BITS_WORD] >> (bit % BITS_WORD) & 1;
}

static inline void bits_set(uint64_t *map, uint64_t bit)
{
	map[bit / BITS_WORD] |= 1ull << (bit % BITS_WORD);
}

static inline void bits_clear(uint64_t *map, uint64_t bit)
{
	map[bit / BITS_WORD] &= ~(1ull << (bit % BITS_WORD));
}

/* Sets bits first to last, both included. */
static inline void bits_set_range(uint64_t *map, uint64_t first, uint64_t last)
{
	for (uint64_t w = first / BITS_WORD; w <= last / BITS_WORD; w++) {
		uint64_t mask = ~0ull;

		if (w == first / BITS_WORD)
			mask &= ~0ull << (first % BITS_WORD);
		if (w == last / BITS_WORD)
			mask &= ~0ull >> (BITS_WORD - 1 - last % BITS_WORD);
		map[w] |= mask;
	}
}

/* The first set bit in [from, nr), or nr. */
static inline uint64_t bits_next(const uint64_t *map, uint64_t from, uint64_t nr)
{
	while (from < nr) {
		uint64_t word = map[from / BITS_WORD] >> (from % BITS_WORD);

		if (word) {
			from += (unsigned)__builtin_ctzll(word);
			return from < nr ? from : nr;
		}
		from = (from / BITS_WORD + 1) * BITS_WORD;
	}
	return nr;
}

#endif
