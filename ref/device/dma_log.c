/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DMA log: a bitmap for each logged range. All arithmetic is on first and last byte, both included, so that a
 * range may end at the top of the address space.
 */
#include "ref/device/dma_log.h"

#include "ref/device/bits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_pow2(uint64_t n)
{
	return n && !(n & (n - 1));
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

int ref_dma_log_start(struct dma_log *log, uint64_t page_size, bool everything)
{
	if (!is_pow2(page_size) || page_size < 4096)
		return -EINVAL;
	if (log->active)
		return -EBUSY;
	*log = (struct dma_log){ .active = true, .everything = everything, .page_size = page_size };
	return 0;
}

void ref_dma_log_stop(struct dma_log *log)
{
	for (size_t i = 0; i < log->nr_ranges; i++)
		free(log->ranges[i].bits);
	free(log->ranges);
	*log = (struct dma_log){ 0 };
}

/* The first range that ends at or after iova, or nr_ranges. */
static size_t first_at(const struct dma_log *log, uint64_t iova)
{
	size_t low = 0, high = log->nr_ranges;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (log->ranges[mid].last < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* There is no range in [first, last] yet; `at` is where it belongs. */
static int insert(struct dma_log *log, size_t at, uint64_t first, uint64_t last)
{
	uint64_t nr_pages = last / log->page_size - first / log->page_size + 1;
	struct dma_log_range *ranges;
	uint64_t *bits;

	if (log->nr_ranges == DMA_LOG_MAX_RANGES || nr_pages > DMA_LOG_MAX_PAGES - log->nr_pages)
		return -E2BIG;
	ranges = realloc(log->ranges, (log->nr_ranges + 1) * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	log->ranges = ranges;
	bits = calloc(bits_words(nr_pages), sizeof(*bits));
	if (!bits)
		return -ENOMEM;
	memmove(ranges + at + 1, ranges + at, (log->nr_ranges - at) * sizeof(*ranges));
	ranges[at] = (struct dma_log_range){ .first = first, .last = last, .bits = bits };
	log->nr_ranges++;
	log->nr_pages += nr_pages;
	return 0;
}

int ref_dma_log_add(struct dma_log *log, uint64_t iova, uint64_t size)
{
	uint64_t last = iova + (size - 1);
	size_t at;

	if (!size || last < iova)
		return -EINVAL;
	at = first_at(log, iova);
	if (at < log->nr_ranges && log->ranges[at].first <= last)
		return -EINVAL;
	return insert(log, at, iova, last);
}

int ref_dma_log_add_missing(struct dma_log *log, uint64_t iova, uint64_t size)
{
	uint64_t last = iova + (size - 1);
	int ret = 0;

	if (!size || last < iova)
		return -EINVAL;
	while (!ret) {
		size_t at = first_at(log, iova);
		bool hit = at < log->nr_ranges && log->ranges[at].first <= last;
		uint64_t gap_last = hit ? log->ranges[at].first - 1 : last;
		uint64_t hit_last = hit ? log->ranges[at].last : last;

		if (!hit || log->ranges[at].first > iova)
			ret = insert(log, at, iova, gap_last);
		if (hit_last >= last)
			break;
		iova = hit_last + 1;
	}
	return ret;
}

void ref_dma_log_mark(struct dma_log *log, uint64_t iova, uint64_t size)
{
	uint64_t last = iova + (size - 1);

	if (!log->active || !size)
		return;
	for (size_t i = first_at(log, iova); i < log->nr_ranges && log->ranges[i].first <= last; i++) {
		struct dma_log_range *range = &log->ranges[i];
		uint64_t page0 = range->first / log->page_size;

		bits_set_range(range->bits, max_u64(iova, range->first) / log->page_size - page0,
			       min_u64(last, range->last) / log->page_size - page0);
	}
}

uint64_t ref_dma_log_words(uint64_t iova, uint64_t size, uint64_t page_size)
{
	uint64_t nr_bits;

	if (!is_pow2(page_size) || !size || iova + (size - 1) < iova)
		return 0;
	nr_bits = (size - 1) / page_size + 1;
	return nr_bits > DMA_LOG_MAX_BITMAP_BYTES * 8 ? 0 : bits_words(nr_bits);
}

static bool is_logged(const struct dma_log *log, uint64_t first, uint64_t last)
{
	for (size_t i = first_at(log, first); i < log->nr_ranges && log->ranges[i].first <= first; i++) {
		if (log->ranges[i].last >= last)
			return true;
		first = log->ranges[i].last + 1;
	}
	return false;
}

/* What one logged range has to say about [first, last]. */
static void report_range(struct dma_log_range *range, uint64_t log_page, uint64_t first, uint64_t last,
			 uint64_t page_size, uint64_t *bitmap)
{
	uint64_t page0 = range->first / log_page;
	uint64_t end = min_u64(last, range->last) / log_page - page0 + 1;
	uint64_t page = max_u64(first, range->first) / log_page - page0;

	while ((page = bits_next(range->bits, page, end)) < end) {
		/* The page, as far as it belongs to the range. */
		uint64_t page_first = max_u64((page0 + page) * log_page, range->first);
		uint64_t page_last = min_u64((page0 + page) * log_page + (log_page - 1), range->last);

		bits_set_range(bitmap, (max_u64(page_first, first) - first) / page_size,
			       (min_u64(page_last, last) - first) / page_size);
		if (page_first >= first && page_last <= last)
			bits_clear(range->bits, page);
		page++;
	}
}

int ref_dma_log_check(const struct dma_log *log, uint64_t iova, uint64_t size, uint64_t page_size)
{
	if (!log->active || !ref_dma_log_words(iova, size, page_size))
		return -EINVAL;
	return log->everything || is_logged(log, iova, iova + (size - 1)) ? 0 : -EINVAL;
}

int ref_dma_log_report(struct dma_log *log, uint64_t iova, uint64_t size, uint64_t page_size, uint64_t *bitmap)
{
	uint64_t last = iova + (size - 1);

	if (ref_dma_log_check(log, iova, size, page_size))
		return -EINVAL;
	for (size_t i = first_at(log, iova); i < log->nr_ranges && log->ranges[i].first <= last; i++)
		report_range(&log->ranges[i], log->page_size, iova, last, page_size, bitmap);
	return 0;
}
