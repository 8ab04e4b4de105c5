/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ranges made to fit a device's log: nothing that was in them is left out, and no more is taken in than pages and the
 * number of ranges ask for.
 */
#include "device/log_ranges.h"

#include "base/bits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PAGE 4096ull

static void test_rounds_and_sorts(void **unused)
{
	struct gw_iova_range ranges[] = { { 0x9fff, 2 }, { 0x1001, 0xffe }, { 0x5000, 0x1000 } };
	uint32_t nr = 3;

	assert_int_equal(log_ranges_fit(ranges, &nr, PAGE, 256), 0);
	assert_int_equal(nr, 3);
	assert_int_equal(ranges[0].iova, 0x1000);
	assert_int_equal(ranges[0].size_bytes, 0x1000);
	assert_int_equal(ranges[1].iova, 0x5000);
	assert_int_equal(ranges[2].iova, 0x9000);
	assert_int_equal(ranges[2].size_bytes, 0x2000);
}

static void test_joins_what_touches(void **unused)
{
	/* Apart, and in the same page all the same; one in the other; one right behind the other. */
	struct gw_iova_range ranges[] = { { 0x1000, 0x10 },   { 0x1ff0, 0x10 }, { 0x8000, 0x8000 },
					  { 0xa000, 0x1000 }, { 0x10000, 1 },   { 0x20000, 0x1000 } };
	uint32_t nr = 6;

	assert_int_equal(log_ranges_fit(ranges, &nr, PAGE, 256), 0);
	assert_int_equal(nr, 3);
	assert_int_equal(ranges[0].size_bytes, 0x1000);
	assert_int_equal(ranges[1].iova, 0x8000);
	assert_int_equal(ranges[1].size_bytes, 0x9000);
	assert_int_equal(ranges[2].iova, 0x20000);
}

static void test_joins_over_the_smallest_gaps(void **unused)
{
	struct gw_iova_range ranges[] = { { 0, PAGE }, { 10 * PAGE, PAGE }, { 12 * PAGE, PAGE }, { 40 * PAGE, PAGE } };
	uint32_t nr = 4;

	assert_int_equal(log_ranges_fit(ranges, &nr, PAGE, 3), 0);
	assert_int_equal(nr, 3);
	assert_int_equal(ranges[1].iova, 10 * PAGE);
	assert_int_equal(ranges[1].size_bytes, 3 * PAGE);
	assert_int_equal(log_ranges_fit(ranges, &nr, PAGE, 1), 0);
	assert_int_equal(nr, 1);
	assert_int_equal(ranges[0].iova, 0);
	assert_int_equal(ranges[0].size_bytes, 41 * PAGE);
}

static void test_ends_of_the_space(void **unused)
{
	struct gw_iova_range ranges[] = { { UINT64_MAX, 1 }, { 0, 1 } };
	uint32_t nr = 2;

	assert_int_equal(log_ranges_fit(ranges, &nr, PAGE, 2), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(ranges[1].iova, 0ull - PAGE);
	assert_int_equal(ranges[1].size_bytes, PAGE);
	assert_int_equal(log_ranges_fit(ranges, &nr, PAGE, 1), -EOVERFLOW);
}

#define UNITS 256u
#define UNIT  512ull

/* Random lists, against one byte a unit: covered is what was asked, and beyond that only what the rules allow. */
static void test_model(void **unused)
{
	uint64_t seed = 7;

	for (unsigned round = 0; round < 2000; round++) {
		struct gw_iova_range ranges[20];
		uint8_t asked[UNITS] = { 0 }, got[UNITS] = { 0 };
		uint32_t nr = 1 + round % 20, max = 1 + round / 20 % 20;
		uint64_t page = UNIT << (round % 4), end = 0;

		for (uint32_t i = 0; i < nr; i++) {
			uint64_t first, size;

			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			first = (seed >> 33) % UNITS;
			size = 1 + (seed >> 20) % 8;
			size = min_u64(size, UNITS - first);
			ranges[i] = (struct gw_iova_range){ first * UNIT, size * UNIT };
			memset(asked + first, 1, size);
		}
		assert_int_equal(log_ranges_fit(ranges, &nr, page, max), 0);
		assert_in_range(nr, 1, max);
		for (uint32_t i = 0; i < nr; i++) {
			assert_true(is_aligned(ranges[i].iova | ranges[i].size_bytes, page));
			assert_true(i == 0 || ranges[i].iova > end);
			end = ranges[i].iova + ranges[i].size_bytes;
			memset(got + ranges[i].iova / UNIT, 1, ranges[i].size_bytes / UNIT);
		}
		for (uint64_t u = 0; u < UNITS; u++) {
			uint64_t first = u * UNIT / page * page / UNIT;

			assert_true(got[u] || !asked[u]);
			if (got[u] && nr < max)
				assert_non_null(memchr(asked + first, 1, page / UNIT));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds_and_sorts),
		cmocka_unit_test(test_joins_what_touches),
		cmocka_unit_test(test_joins_over_the_smallest_gaps),
		cmocka_unit_test(test_ends_of_the_space),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests_name("log_ranges", tests, NULL, NULL);
}
