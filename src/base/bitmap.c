/* SPDX-License-Identifier: BSD-3-Clause */
/* Bitmaps of 64-bit words. */
#include "base/bitmap.h"

#include <stdlib.h>

uint64_t *bitmap_new(uint64_t nr)
{
	return calloc(bitmap_words(nr) ? bitmap_words(nr) : 1, sizeof(uint64_t));
}

/* The bits of word that lie in [first, first + nr). */
static uint64_t word_mask(size_t word, uint64_t first, uint64_t nr)
{
	uint64_t start = (uint64_t)word * BITMAP_WORD_BITS;
	uint64_t mask = ~0ull;

	if (first > start)
		mask &= ~0ull << (first - start);
	if (first + nr < start + BITMAP_WORD_BITS)
		mask &= ~0ull >> (start + BITMAP_WORD_BITS - (first + nr));
	return mask;
}

void bitmap_set_range(uint64_t *map, uint64_t first, uint64_t nr)
{
	if (!nr)
		return;
	for (size_t w = first / BITMAP_WORD_BITS; w <= (first + nr - 1) / BITMAP_WORD_BITS; w++)
		map[w] |= word_mask(w, first, nr);
}

void bitmap_set_range_atomic(uint64_t *map, uint64_t first, uint64_t nr)
{
	if (!nr)
		return;
	for (size_t w = first / BITMAP_WORD_BITS; w <= (first + nr - 1) / BITMAP_WORD_BITS; w++)
		__atomic_fetch_or(&map[w], word_mask(w, first, nr), __ATOMIC_ACQ_REL);
}

uint64_t bitmap_or_atomic(uint64_t *map, const uint64_t *from, uint64_t nr)
{
	uint64_t set = 0;

	for (size_t w = 0; w < bitmap_words(nr); w++) {
		uint64_t bits = from[w] & word_mask(w, 0, nr);

		if (bits)
			set += __builtin_popcountll(bits & ~__atomic_fetch_or(&map[w], bits, __ATOMIC_ACQ_REL));
	}
	return set;
}

uint64_t bitmap_take_word_atomic(uint64_t *map, size_t word)
{
	if (!__atomic_load_n(&map[word], __ATOMIC_RELAXED))
		return 0;
	return __atomic_exchange_n(&map[word], 0, __ATOMIC_ACQ_REL);
}

uint64_t bitmap_count(const uint64_t *map, uint64_t nr)
{
	uint64_t count = 0;

	for (size_t w = 0; w < bitmap_words(nr); w++)
		count += __builtin_popcountll(__atomic_load_n(&map[w], __ATOMIC_RELAXED) & word_mask(w, 0, nr));
	return count;
}

/* The first bit of map ^ flip at or after from. */
static uint64_t next_bit(const uint64_t *map, uint64_t flip, uint64_t from, uint64_t nr)
{
	size_t w = from / BITMAP_WORD_BITS;
	uint64_t bits;

	if (from >= nr)
		return nr;
	bits = (map[w] ^ flip) & (~0ull << (from % BITMAP_WORD_BITS));
	while (!bits) {
		if (++w >= bitmap_words(nr))
			return nr;
		bits = map[w] ^ flip;
	}
	from = (uint64_t)w * BITMAP_WORD_BITS + (unsigned)__builtin_ctzll(bits);
	return from < nr ? from : nr;
}

uint64_t bitmap_next_set(const uint64_t *map, uint64_t from, uint64_t nr)
{
	return next_bit(map, 0, from, nr);
}

uint64_t bitmap_next_clear(const uint64_t *map, uint64_t from, uint64_t nr)
{
	return next_bit(map, ~0ull, from, nr);
}
