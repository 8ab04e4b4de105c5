/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device's DMA log against a model: a flag for every 4 KiB page. Every ratio of the page size of the log
 * to that of the report, ranges that cut pages, ranges next to each other, the end of the address space.
 */
#include "ref/device/bits.h"
#include "ref/device/dma_log.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#define BASE     (3 * GIB)
#define NR_PAGES 2048 /* of 4 KiB, in the model */

static uint64_t rng_next(uint64_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return *rng;
}

static uint64_t *report(struct dma_log *log, uint64_t iova, uint64_t size, uint64_t page, uint64_t *words)
{
	uint64_t *bitmap;

	*words = ref_dma_log_words(iova, size, page);
	assert_true(*words > 0);
	bitmap = calloc(*words, sizeof(*bitmap));
	assert_non_null(bitmap);
	assert_int_equal(ref_dma_log_report(log, iova, size, page, bitmap), 0);
	return bitmap;
}

/* dirty[] grows to the whole pages of the log, as the log does. */
static void model_write(bool *dirty, uint64_t log_page, uint64_t offset, uint64_t size)
{
	uint64_t first = offset / log_page * log_page, last = (offset + size - 1) / log_page * log_page + log_page - 1;

	for (uint64_t p = first / (4 * KIB); p <= last / (4 * KIB) && p < NR_PAGES; p++)
		dirty[p] = true;
}

static void check_report(const bool *dirty, const uint64_t *bitmap, uint64_t words, uint64_t offset, uint64_t size,
			 uint64_t page)
{
	for (uint64_t n = 0; n < words * 64; n++) {
		bool expected = false;

		for (uint64_t at = n * page; at < (n + 1) * page && at < size; at += page < 4 * KIB ? page : 4 * KIB)
			expected |= dirty[(offset + at) / (4 * KIB)];
		assert_int_equal(bits_test(bitmap, n), expected);
	}
}

/* Reports and clears, in pieces that are whole pages of both sizes or, cut, of the report's alone. */
static void check_round(struct dma_log *log, bool *dirty, uint64_t report_page, uint64_t *rng)
{
	uint64_t total = NR_PAGES * 4 * KIB, at = 0;

	while (at < total) {
		uint64_t step = (1 + rng_next(rng) % 4) * (report_page < log->page_size ? log->page_size : report_page);
		uint64_t size = step < total - at ? step : total - at, words;
		uint64_t *bitmap = report(log, BASE + at, size, report_page, &words);

		check_report(dirty, bitmap, words, at, size, report_page);
		for (uint64_t p = at / (4 * KIB); p < (at + size) / (4 * KIB); p++)
			dirty[p] = false;
		free(bitmap);
		at += size;
	}
}

static void every_ratio_of_page_sizes(void **state)
{
	uint64_t rng = 88172645463325252ull;

	for (uint64_t log_page = 4 * KIB; log_page <= 4 * MIB; log_page <<= 1) {
		for (uint64_t report_page = 1 * KIB; report_page <= 8 * MIB; report_page <<= 1) {
			struct dma_log log = { 0 };
			bool dirty[NR_PAGES] = { false };

			assert_int_equal(ref_dma_log_start(&log, log_page, false), 0);
			assert_int_equal(ref_dma_log_add(&log, BASE, NR_PAGES * 4 * KIB), 0);
			for (int round = 0; round < 3; round++) {
				for (int i = 0; i < 20; i++) {
					uint64_t offset = rng_next(&rng) % (NR_PAGES * 4 * KIB - 8 * KIB);
					uint64_t size = 1 + rng_next(&rng) % (8 * KIB);

					ref_dma_log_mark(&log, BASE + offset, size);
					model_write(dirty, log_page, offset, size);
				}
				check_round(&log, dirty, report_page, &rng);
			}
			ref_dma_log_stop(&log);
		}
	}
}

/* A report whose page index needs more than eight bits: where an 8-bit index lost pages in the field. */
static void large_page_index(void **state)
{
	struct dma_log log = { 0 };
	uint64_t words, *bitmap;

	assert_int_equal(ref_dma_log_start(&log, 4 * KIB, false), 0);
	assert_int_equal(ref_dma_log_add(&log, 0, GIB), 0);
	ref_dma_log_mark(&log, 512 * MIB, 1);
	bitmap = report(&log, 0, GIB, 2 * MIB, &words);
	assert_int_equal(bits_next(bitmap, 0, words * 64), 256);
	assert_int_equal(bits_next(bitmap, 257, words * 64), words * 64);
	free(bitmap);
	ref_dma_log_stop(&log);

	assert_int_equal(ref_dma_log_start(&log, 64 * KIB, false), 0);
	assert_int_equal(ref_dma_log_add(&log, 0, GIB), 0);
	ref_dma_log_mark(&log, GIB - 1, 1);
	bitmap = report(&log, 0, GIB, 4 * KIB, &words);
	assert_int_equal(bits_next(bitmap, 0, words * 64), GIB / (4 * KIB) - 16);
	free(bitmap);
	ref_dma_log_stop(&log);
}

static void a_report_spans_ranges_that_touch(void **state)
{
	struct dma_log log = { 0 };
	uint64_t words, *bitmap, bit;

	assert_int_equal(ref_dma_log_start(&log, 4 * KIB, false), 0);
	assert_int_equal(ref_dma_log_add(&log, 2 * MIB, MIB), 0);
	assert_int_equal(ref_dma_log_add(&log, 0, MIB), 0);
	assert_int_equal(ref_dma_log_report(&log, 0, 3 * MIB, 4 * KIB, &bit), -EINVAL);
	assert_int_equal(ref_dma_log_add(&log, MIB, MIB), 0);
	ref_dma_log_mark(&log, MIB - 1, 2);
	ref_dma_log_mark(&log, 3 * MIB - 1, 2);
	bitmap = report(&log, 0, 3 * MIB, 4 * KIB, &words);
	assert_int_equal(bits_next(bitmap, 0, 768), 255);
	assert_int_equal(bits_next(bitmap, 256, 768), 256);
	assert_int_equal(bits_next(bitmap, 257, 768), 767);
	free(bitmap);
	assert_int_equal(ref_dma_log_report(&log, 0, 3 * MIB + 1, 4 * KIB, &bit), -EINVAL);
	ref_dma_log_stop(&log);
}

/* A logged page that is asked about in part is told each time, until all of it was asked about. */
static void a_cut_page_is_not_lost(void **state)
{
	struct dma_log log = { 0 };
	uint64_t bitmap = 0;

	assert_int_equal(ref_dma_log_start(&log, 64 * KIB, false), 0);
	assert_int_equal(ref_dma_log_add(&log, 0, MIB), 0);
	ref_dma_log_mark(&log, 0, 1);
	assert_int_equal(ref_dma_log_report(&log, 0, 4 * KIB, 4 * KIB, &bitmap), 0);
	assert_int_equal(bitmap, 1);
	bitmap = 0;
	assert_int_equal(ref_dma_log_report(&log, 4 * KIB, 60 * KIB, 4 * KIB, &bitmap), 0);
	assert_int_equal(bitmap, 0x7fff);
	bitmap = 0;
	assert_int_equal(ref_dma_log_report(&log, 0, 64 * KIB, 4 * KIB, &bitmap), 0);
	assert_int_equal(bitmap, 0xffff);
	bitmap = 0;
	assert_int_equal(ref_dma_log_report(&log, 0, 64 * KIB, 4 * KIB, &bitmap), 0);
	assert_int_equal(bitmap, 0);
	ref_dma_log_stop(&log);
}

static void everything_follows_the_maps(void **state)
{
	struct dma_log log = { 0 };
	uint64_t bitmap = 0;

	assert_int_equal(ref_dma_log_start(&log, 4 * KIB, true), 0);
	assert_int_equal(ref_dma_log_add_missing(&log, 4 * KIB, 4 * KIB), 0);
	assert_int_equal(ref_dma_log_add_missing(&log, 12 * KIB, 4 * KIB), 0);
	assert_int_equal(ref_dma_log_add_missing(&log, 0, 32 * KIB), 0);
	assert_int_equal(log.nr_ranges, 5);
	assert_int_equal(log.nr_pages, 8);
	assert_int_equal(ref_dma_log_add_missing(&log, 0, 32 * KIB), 0);
	assert_int_equal(log.nr_ranges, 5);
	ref_dma_log_mark(&log, 3 * KIB, 28 * KIB);
	ref_dma_log_mark(&log, 64 * KIB, 4 * KIB); /* mapped nowhere: cannot have been written */
	assert_int_equal(ref_dma_log_report(&log, 0, 128 * KIB, 4 * KIB, &bitmap), 0);
	assert_int_equal(bitmap, 0xff);
	ref_dma_log_stop(&log);
}

static void hostile_numbers(void **state)
{
	struct dma_log log = { 0 };
	uint64_t bitmap = 0;

	assert_int_equal(ref_dma_log_start(&log, 0, false), -EINVAL);
	assert_int_equal(ref_dma_log_start(&log, 2 * KIB, false), -EINVAL);
	assert_int_equal(ref_dma_log_start(&log, 12 * KIB, false), -EINVAL);
	assert_int_equal(ref_dma_log_report(&log, 0, 4 * KIB, 4 * KIB, &bitmap), -EINVAL);
	assert_int_equal(ref_dma_log_start(&log, 4 * KIB, false), 0);
	assert_int_equal(ref_dma_log_start(&log, 4 * KIB, false), -EBUSY);
	assert_int_equal(ref_dma_log_add(&log, 0, 0), -EINVAL);
	assert_int_equal(ref_dma_log_add(&log, UINT64_MAX - 4095, 8192), -EINVAL);
	assert_int_equal(ref_dma_log_add(&log, 0, UINT64_MAX), -E2BIG);
	assert_int_equal(ref_dma_log_add(&log, UINT64_MAX - 4095, 4096), 0);
	assert_int_equal(ref_dma_log_add(&log, UINT64_MAX - 8191, 4097), -EINVAL);
	ref_dma_log_mark(&log, UINT64_MAX, 1);
	assert_int_equal(ref_dma_log_report(&log, UINT64_MAX - 4095, 4096, 4 * KIB, &bitmap), 0);
	assert_int_equal(bitmap, 1);
	assert_int_equal(ref_dma_log_words(0, 0, 4096), 0);
	assert_int_equal(ref_dma_log_words(0, 4096, 0), 0);
	assert_int_equal(ref_dma_log_words(0, 4096, 4095), 0);
	assert_int_equal(ref_dma_log_words(0, UINT64_MAX, 4096), 0);
	assert_int_equal(ref_dma_log_words(UINT64_MAX, 2, 1), 0);
	assert_int_equal(ref_dma_log_words(0, UINT64_MAX, (uint64_t)1 << 63), 1);
	ref_dma_log_stop(&log);
	assert_int_equal(ref_dma_log_start(&log, (uint64_t)1 << 63, false), 0);
	assert_int_equal(ref_dma_log_add(&log, 0, UINT64_MAX), 0);
	ref_dma_log_mark(&log, UINT64_MAX - 1, 1);
	bitmap = 0;
	assert_int_equal(ref_dma_log_report(&log, 0, UINT64_MAX, (uint64_t)1 << 62, &bitmap), 0);
	assert_int_equal(bitmap, 0xc);
	ref_dma_log_stop(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_ratio_of_page_sizes),        cmocka_unit_test(large_page_index),
		cmocka_unit_test(a_report_spans_ranges_that_touch), cmocka_unit_test(a_cut_page_is_not_lost),
		cmocka_unit_test(everything_follows_the_maps),      cmocka_unit_test(hostile_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
