/* SPDX-License-Identifier: BSD-3-Clause */
/* Bitmaps against the plainest model, an array of bools: every range of a few words, and the atomic functions. */
#include "base/bitmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NR 150u /* two words and a part */

static void check(const uint64_t *map, uint64_t first, uint64_t nr)
{
	for (uint64_t bit = 0; bit < NR; bit++)
		assert_int_equal(bitmap_test(map, bit), bit >= first && bit < first + nr);
	assert_int_equal(bitmap_count(map, NR), nr);
	assert_int_equal(bitmap_next_set(map, 0, NR), nr ? first : NR);
	assert_int_equal(bitmap_next_clear(map, 0, NR), first ? 0 : nr);
	if (nr)
		assert_int_equal(bitmap_next_clear(map, first, NR), first + nr);
	assert_int_equal(bitmap_next_set(map, first + nr, NR), NR);
}

static void test_every_range(void **state)
{
	for (uint64_t first = 0; first < NR; first++)
		for (uint64_t nr = 0; first + nr <= NR; nr++) {
			uint64_t map[3] = { 0 }, atomic[3] = { 0 };

			bitmap_set_range(map, first, nr);
			bitmap_set_range_atomic(atomic, first, nr);
			check(map, first, nr);
			assert_memory_equal(map, atomic, sizeof(map));
		}
}

static void test_words(void **state)
{
	assert_int_equal(bitmap_words(0), 0);
	assert_int_equal(bitmap_words(1), 1);
	assert_int_equal(bitmap_words(64), 1);
	assert_int_equal(bitmap_words(65), 2);
	assert_int_equal(bitmap_words(1ull << 34), 1ull << 28);
}

static void test_new_is_clear(void **state)
{
	uint64_t *map = bitmap_new(NR), *none = bitmap_new(0);

	assert_non_null(none);
	check(map, 0, 0);
	free(none);
	free(map);
}

static void test_single_bits(void **state)
{
	uint64_t map[3] = { 0 };

	for (uint64_t bit = 0; bit < NR; bit++) {
		bitmap_set(map, bit);
		check(map, bit, 1);
		bitmap_clear(map, bit);
		check(map, 0, 0);
	}
}

/* Counting and searching end at nr, whatever lies behind it in the last word. */
static void test_behind_the_end(void **state)
{
	uint64_t map[2] = { 0, ~0ull << 10 }, ones[2] = { ~0ull, ~0ull };

	assert_int_equal(bitmap_count(map, 74), 0);
	assert_int_equal(bitmap_next_set(map, 0, 74), 74);
	assert_int_equal(bitmap_next_set(map, 0, 75), 74);
	assert_int_equal(bitmap_next_clear(ones, 0, 74), 74);
	assert_int_equal(bitmap_next_set(ones, 74, 74), 74);
	assert_int_equal(bitmap_next_set(ones, 1000, 74), 74);
}

static void test_or(void **state)
{
	uint64_t map[2] = { 1, 0 }, from[2] = { 3, ~0ull };

	assert_int_equal(bitmap_or_atomic(map, from, 68), 1 + 4); /* bit 0 was set already */
	assert_int_equal(map[0], 3);
	assert_int_equal(map[1], 0xf); /* no more than nr */
	assert_int_equal(bitmap_or_atomic(map, from, 68), 0);
}

static void test_take(void **state)
{
	uint64_t map[2] = { 5, 6 };

	assert_int_equal(bitmap_take_word_atomic(map, 1), 6);
	assert_int_equal(bitmap_take_word_atomic(map, 1), 0);
	assert_int_equal(map[0], 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_range),    cmocka_unit_test(test_words),
		cmocka_unit_test(test_new_is_clear),   cmocka_unit_test(test_single_bits),
		cmocka_unit_test(test_behind_the_end), cmocka_unit_test(test_or),
		cmocka_unit_test(test_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
