/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bitmaps of 64-bit words, bit 0 of word 0 first. The _atomic functions may be used by several threads on one
 * bitmap at once; the others need an owner. nr is always in bits.
 */
#ifndef BASE_BITMAP_H
#define BASE_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_WORD_BITS 64u

static inline size_t bitmap_words(uint64_t nr)
{
	return (nr + BITMAP_WORD_BITS - 1) / BITMAP_WORD_BITS;
}

static inline bool bitmap_test(const uint64_t *map, uint64_t bit)
{
	return map[bit / BITMAP_WORD_BITS] >> (bit % BITMAP_WORD_BITS) & 1;
}

static inline void bitmap_set(uint64_t *map, uint64_t bit)
{
	map[bit / BITMAP_WORD_BITS] |= 1ull << (bit % BITMAP_WORD_BITS);
}

static inline void bitmap_clear(uint64_t *map, uint64_t bit)
{
	map[bit / BITMAP_WORD_BITS] &= ~(1ull << (bit % BITMAP_WORD_BITS));
}

uint64_t *bitmap_new(uint64_t nr); /* all clear; free(3) it; NULL: no memory */

/* Sets [first, first + nr). */
void bitmap_set_range(uint64_t *map, uint64_t first, uint64_t nr);
void bitmap_set_range_atomic(uint64_t *map, uint64_t first, uint64_t nr);

/* map |= from, nr bits of both, starting at bit 0. Returns how many bits were newly set. */
uint64_t bitmap_or_atomic(uint64_t *map, const uint64_t *from, uint64_t nr);

/* Takes a whole word: returns its bits and leaves it clear. */
uint64_t bitmap_take_word_atomic(uint64_t *map, size_t word);

uint64_t bitmap_count(const uint64_t *map, uint64_t nr);

/* The first set (clear) bit at or after from, or nr. */
uint64_t bitmap_next_set(const uint64_t *map, uint64_t from, uint64_t nr);
uint64_t bitmap_next_clear(const uint64_t *map, uint64_t from, uint64_t nr);

#endif
