/* SPDX-License-Identifier: BSD-3-Clause */
/* The log of what a device has written by itself, against a plain model of bytes. */
#include "device/dma_log.h"

#include "base/bitmap.h"
#include "base/bits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_log_by_itself(void **unused)
{
	static const struct gw_iova_range ranges[] = { { 0x8000, 0x3000 }, { 0x1000, 0x2000 } };
	struct dma_log log;
	uint64_t bits[2] = { 0 };

	assert_int_equal(dma_log_start(&log, ranges, 2, 4096), 0);
	dma_log_mark(&log, 0x1fff, 2);
	dma_log_mark(&log, 0x9000, 1);
	dma_log_mark(&log, 0x0, 0x1000);
	dma_log_mark(&log, 0x7000, 0x1000);
	dma_log_mark(&log, UINT64_MAX, 1);
	assert_int_equal(dma_log_take(&log, 0x1000, 0x2000, 4096, bits), 0);
	assert_int_equal(bits[0], 3);
	bits[0] = 0;
	assert_int_equal(dma_log_take(&log, 0x1000, 0x2000, 4096, bits), 0);
	assert_int_equal(bits[0], 0);
	/* Not logged, in part or at all. */
	assert_int_equal(dma_log_take(&log, 0x1000, 0x3000, 4096, bits), -EINVAL);
	assert_int_equal(dma_log_take(&log, 0x7000, 0x2000, 4096, bits), -EINVAL);
	assert_int_equal(dma_log_take(&log, 0x20000, 1, 4096, bits), -EINVAL);
	/* A finer report than the log, then a coarser one. */
	assert_int_equal(dma_log_take(&log, 0x8000, 0x3000, 1024, bits), 0);
	assert_int_equal(bits[0], 0xf0);
	dma_log_mark(&log, 0x9000, 1);
	bits[0] = 0;
	assert_int_equal(dma_log_take(&log, 0x8000, 0x3000, 1 << 20, bits), 0);
	assert_int_equal(bits[0], 1);
	dma_log_stop(&log);
	dma_log_stop(&log);
}

/* A logged page that a report cuts stays dirty for the other part. */
static void test_cut_page(void **unused)
{
	static const struct gw_iova_range range = { 0, 0x40000 };
	struct dma_log log;
	uint64_t bits = 0;

	assert_int_equal(dma_log_start(&log, &range, 1, 0x10000), 0);
	dma_log_mark(&log, 0x10000, 1);
	assert_int_equal(dma_log_take(&log, 0x10000, 0x8000, 4096, &bits), 0);
	assert_int_equal(bits, 0xff);
	bits = 0;
	assert_int_equal(dma_log_take(&log, 0x18000, 0x8000, 4096, &bits), 0);
	assert_int_equal(bits, 0xff);
	assert_int_equal(dma_log_take(&log, 0x10000, 0x10000, 4096, &bits), 0);
	bits = 0;
	assert_int_equal(dma_log_take(&log, 0x10000, 0x10000, 4096, &bits), 0);
	assert_int_equal(bits, 0);
	dma_log_stop(&log);
}

static void test_log_bounds(void **unused)
{
	static const struct gw_iova_range overlap[] = { { 0, 0x2000 }, { 0x1fff, 1 } };
	static const struct gw_iova_range all = { 0, UINT64_MAX };
	static const struct gw_iova_range top = { UINT64_MAX - 4095, 4096 };
	struct dma_log log;
	uint64_t bits = 0;

	assert_int_equal(dma_log_start(&log, overlap, 2, 4096), -EINVAL);
	assert_false(dma_log_active(&log));
	assert_int_equal(dma_log_start(&log, &all, 1, 4096), -E2BIG);
	assert_int_equal(dma_log_start(&log, &top, 1, 4096), 0);
	dma_log_mark(&log, UINT64_MAX, 1);
	assert_int_equal(dma_log_take(&log, UINT64_MAX - 4095, 4096, 4096, &bits), 0);
	assert_int_equal(bits, 1);
	dma_log_stop(&log);
}

/* Random marks, merges and reports against one byte a unit of 512 bytes. */
#define MODEL_UNITS 512
#define UNIT        512u

static void test_log_model(void **unused)
{
	static const struct gw_iova_range range = { 0, MODEL_UNITS * UNIT };
	uint64_t seed = 1;

	for (unsigned round = 0; round < 200; round++) {
		uint64_t log_page = UNIT << (round % 4);
		uint8_t dirty[MODEL_UNITS] = { 0 };
		struct dma_log log;

		assert_int_equal(dma_log_start(&log, &range, 1, log_page), 0);
		for (unsigned step = 0; step < 50; step++) {
			uint64_t first, nr, page, bits[MODEL_UNITS / 64] = { 0 };

			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			first = (seed >> 33) % MODEL_UNITS;
			nr = 1 + (seed >> 20) % (MODEL_UNITS - first);
			page = UNIT << ((seed >> 50) % 5);
			if (seed >> 63) {
				nr = 1 + nr % 4;
				nr = min_u64(nr, MODEL_UNITS - first);
				dma_log_mark(&log, first * UNIT, nr * UNIT);
				for (uint64_t u = 0; u < MODEL_UNITS; u++)
					if (u * UNIT / log_page >= first * UNIT / log_page &&
					    u * UNIT / log_page <= (first + nr - 1) * UNIT / log_page)
						dirty[u] = 1;
				continue;
			}
			assert_int_equal(dma_log_take(&log, first * UNIT, nr * UNIT, page, bits), 0);
			for (uint64_t u = first; u < first + nr; u++)
				if (dirty[u])
					assert_true(bitmap_test(bits, (u - first) * UNIT / page));
			for (uint64_t bit = 0; bit < (nr * UNIT + page - 1) / page; bit++) {
				int any = 0;

				for (uint64_t u = first + bit * page / UNIT;
				     u < first + nr && u < first + (bit + 1) * page / UNIT; u++)
					any |= dirty[u];
				assert_int_equal(bitmap_test(bits, bit), any);
			}
			for (uint64_t u = first; u < first + nr; u++) {
				uint64_t start = u * UNIT / log_page * log_page;

				if (start >= first * UNIT && start + log_page <= (first + nr) * UNIT)
					dirty[u] = 0;
			}
		}
		dma_log_stop(&log);
	}
}

/* What comes later is logged from there on; what was known stays, where two ranges share a page too. */
static void test_extend(void **unused)
{
	static const struct gw_iova_range ranges[] = { { 0x1000, 0x1000 }, { 0x4000, 0x1800 } };
	struct dma_log log;
	uint64_t bits = 0;

	assert_int_equal(dma_log_start(&log, ranges, 2, 4096), 0);
	dma_log_mark(&log, 0x1000, 1);
	dma_log_mark(&log, 0x2000, 0x1000);
	assert_false(dma_log_covers(&log, 0x1000, 0x5000));
	assert_true(dma_log_covers(&log, 0x4800, 0x1000));
	assert_int_equal(dma_log_extend(&log, 0x0, 0x8000), 0);
	assert_int_equal(log.nr_ranges, 5);
	assert_true(dma_log_covers(&log, 0, 0x8000));
	dma_log_mark(&log, 0x5fff, 1);
	assert_int_equal(dma_log_take(&log, 0, 0x8000, 4096, &bits), 0);
	assert_int_equal(bits, 1 << 1 | 1 << 5);
	assert_int_equal(dma_log_extend(&log, 0x100, 0x7000), 0);
	assert_int_equal(log.nr_ranges, 5);
	dma_log_mark_all(&log);
	bits = 0;
	assert_int_equal(dma_log_take(&log, 0, 0x8000, 4096, &bits), 0);
	assert_int_equal(bits, 0xff);
	assert_int_equal(dma_log_extend(&log, 0x10000, DMA_LOG_MAX_PAGES * 4096), -E2BIG);
	assert_int_equal(dma_log_extend(&log, UINT64_MAX - 4095, 4096), 0);
	assert_true(dma_log_covers(&log, UINT64_MAX, 1));
	/* A log that is lost tells nothing, and one that begins anew knows nothing of that. */
	log.lost = true;
	assert_int_equal(dma_log_take(&log, 0, 0x8000, 4096, &bits), -EIO);
	dma_log_stop(&log);
	assert_int_equal(dma_log_start(&log, ranges, 2, 4096), 0);
	bits = 0;
	assert_int_equal(dma_log_take(&log, 0x1000, 0x1000, 4096, &bits), 0);
	assert_int_equal(bits, 0);
	dma_log_stop(&log);
}

/* A report in other pages than the log's: finer, coarser, of another place in the page. */
static void test_merge(void **unused)
{
	static const struct gw_iova_range range = { 0x10000, 0x40000 };
	const uint64_t fine = 1ull << 3 | 1ull << 32, coarse = 2;
	struct dma_log log;
	uint64_t bits = 0;

	assert_int_equal(dma_log_start(&log, &range, 1, 0x10000), 0);
	dma_log_merge(&log, 0x10000, &fine, 64, 4096);
	assert_int_equal(dma_log_take(&log, 0x10000, 0x40000, 0x10000, &bits), 0);
	assert_int_equal(bits, 5);
	dma_log_merge(&log, 0, &coarse, 2, 0x20000);
	bits = 0;
	assert_int_equal(dma_log_take(&log, 0x10000, 0x40000, 0x10000, &bits), 0);
	assert_int_equal(bits, 6);
	dma_log_stop(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_by_itself), cmocka_unit_test(test_cut_page),
		cmocka_unit_test(test_log_bounds),    cmocka_unit_test(test_log_model),
		cmocka_unit_test(test_extend),        cmocka_unit_test(test_merge),
	};

	return cmocka_run_group_tests_name("dma_log", tests, NULL, NULL);
}
