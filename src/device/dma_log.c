/* SPDX-License-Identifier: BSD-3-Clause */
/* This process's own log of what a device has written. Ends of ranges are inclusive, so nothing wraps. */
#include "device/dma_log.h"

#include "base/bitmap.h"
#include "base/bits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int by_start(const void *a, const void *b)
{
	const struct dma_log_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

static uint64_t page_of(const struct dma_log *log, const struct dma_log_range *range, uint64_t iova)
{
	return (iova - range->base) / log->page_size;
}

static uint64_t range_pages(const struct dma_log *log, const struct dma_log_range *range)
{
	return page_of(log, range, range->last) + 1;
}

static void set_bounds(const struct dma_log *log, struct dma_log_range *range, uint64_t first, uint64_t last)
{
	*range = (struct dma_log_range){ .first = first, .last = last, .base = first & ~(log->page_size - 1) };
}

/* Beside nr_pages that others have. */
static int make_bits(const struct dma_log *log, struct dma_log_range *range, uint64_t nr_pages)
{
	uint64_t nr = range_pages(log, range);

	if (nr > DMA_LOG_MAX_PAGES - nr_pages)
		return -E2BIG;
	range->bits = bitmap_new(nr);
	return range->bits ? 0 : -ENOMEM;
}

/* Sorted ranges get their bits. */
static int make_all_bits(struct dma_log *log)
{
	uint64_t nr_pages = 0;

	for (uint32_t i = 0; i < log->nr_ranges; i++) {
		struct dma_log_range *range = &log->ranges[i];
		int ret;

		if (i && range[-1].last >= range->first)
			return -EINVAL;
		ret = make_bits(log, range, nr_pages);
		if (ret)
			return ret;
		nr_pages += range_pages(log, range);
	}
	return 0;
}

int dma_log_start(struct dma_log *log, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size)
{
	int ret;

	*log = (struct dma_log){ .page_size = page_size, .nr_ranges = nr_ranges };
	log->ranges = calloc(nr_ranges, sizeof(*log->ranges));
	if (!log->ranges) {
		dma_log_stop(log);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < nr_ranges; i++)
		set_bounds(log, &log->ranges[i], ranges[i].iova, ranges[i].iova + (ranges[i].size_bytes - 1));
	qsort(log->ranges, nr_ranges, sizeof(*log->ranges), by_start);
	ret = make_all_bits(log);
	if (ret)
		dma_log_stop(log);
	return ret;
}

void dma_log_stop(struct dma_log *log)
{
	for (uint32_t i = 0; log->ranges && i < log->nr_ranges; i++)
		free(log->ranges[i].bits);
	free(log->ranges);
	*log = (struct dma_log){ 0 };
}

bool dma_log_active(const struct dma_log *log)
{
	return log->page_size;
}

/* Narrows [*first, *last] to the first part of it that is not logged; false: there is none. */
static bool find_hole(const struct dma_log *log, uint64_t *first, uint64_t *last)
{
	for (uint32_t i = 0; i < log->nr_ranges; i++) {
		const struct dma_log_range *range = &log->ranges[i];

		if (range->last < *first)
			continue;
		if (range->first > *first) {
			*last = min_u64(*last, range->first - 1);
			return true;
		}
		if (range->last >= *last)
			return false;
		*first = range->last + 1;
	}
	return true;
}

bool dma_log_covers(const struct dma_log *log, uint64_t iova, uint64_t size_bytes)
{
	uint64_t first = iova, last = iova + (size_bytes - 1);

	return !find_hole(log, &first, &last);
}

static int insert(struct dma_log *log, uint64_t first, uint64_t last)
{
	struct dma_log_range new, *ranges;
	uint64_t nr_pages = 0;
	uint32_t at = 0;
	int ret;

	if (log->nr_ranges >= DMA_LOG_MAX_RANGES)
		return -E2BIG;
	ranges = realloc(log->ranges, (log->nr_ranges + 1) * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	log->ranges = ranges;
	for (uint32_t i = 0; i < log->nr_ranges; i++) {
		nr_pages += range_pages(log, &ranges[i]);
		at += ranges[i].first < first;
	}
	set_bounds(log, &new, first, last);
	ret = make_bits(log, &new, nr_pages);
	if (ret)
		return ret;
	memmove(&ranges[at + 1], &ranges[at], (log->nr_ranges - at) * sizeof(*ranges));
	ranges[at] = new;
	log->nr_ranges++;
	return 0;
}

int dma_log_extend(struct dma_log *log, uint64_t iova, uint64_t size_bytes)
{
	uint64_t end = iova + (size_bytes - 1), first = iova, last = end;

	while (find_hole(log, &first, &last)) {
		int ret = insert(log, first, last);

		if (ret)
			return ret;
		last = end;
	}
	return 0;
}

/* What of [*first, *last] lies in the range. */
static bool clip(const struct dma_log_range *range, uint64_t *first, uint64_t *last)
{
	*first = max_u64(*first, range->first);
	*last = min_u64(*last, range->last);
	return *first <= *last;
}

void dma_log_mark(struct dma_log *log, uint64_t iova, uint64_t size_bytes)
{
	for (uint32_t i = 0; i < log->nr_ranges; i++) {
		struct dma_log_range *range = &log->ranges[i];
		uint64_t first = iova, last = iova + (size_bytes - 1);

		if (clip(range, &first, &last))
			bitmap_set_range(range->bits, page_of(log, range, first),
					 page_of(log, range, last) - page_of(log, range, first) + 1);
	}
}

void dma_log_mark_all(struct dma_log *log)
{
	for (uint32_t i = 0; i < log->nr_ranges; i++)
		bitmap_set_range(log->ranges[i].bits, 0, range_pages(log, &log->ranges[i]));
}

void dma_log_merge(struct dma_log *log, uint64_t iova, const uint64_t *bits, uint64_t nr_pages, uint64_t page_size)
{
	uint64_t end, page = bitmap_next_set(bits, 0, nr_pages);

	while (page < nr_pages) {
		end = bitmap_next_clear(bits, page, nr_pages);
		dma_log_mark(log, iova + page * page_size, (end - page) * page_size);
		page = bitmap_next_set(bits, end, nr_pages);
	}
}

/* Pages [page, end) of the range are dirty: tells those bytes of them that lie in [first, last]. */
static void tell(const struct dma_log *log, const struct dma_log_range *range, uint64_t page, uint64_t end,
		 uint64_t first, uint64_t last, uint64_t iova, uint64_t page_size, uint64_t *bitmap)
{
	uint64_t from = max_u64(range->base + page * log->page_size, first);
	uint64_t to = min_u64(range->base + (end - 1) * log->page_size + (log->page_size - 1), last);
	uint64_t bit = (from - iova) / page_size;

	bitmap_set_range(bitmap, bit, (to - iova) / page_size - bit + 1);
}

static void take_range(const struct dma_log *log, struct dma_log_range *range, uint64_t first, uint64_t last,
		       uint64_t iova, uint64_t page_size, uint64_t *bitmap)
{
	uint64_t nr = page_of(log, range, last) + 1;
	uint64_t page = bitmap_next_set(range->bits, page_of(log, range, first), nr);

	while (page < nr) {
		uint64_t end = bitmap_next_clear(range->bits, page, nr);

		tell(log, range, page, end, first, last, iova, page_size, bitmap);
		for (; page < end; page++) {
			uint64_t start = range->base + page * log->page_size;

			if (max_u64(start, range->first) >= first &&
			    min_u64(start + (log->page_size - 1), range->last) <= last)
				bitmap_clear(range->bits, page);
		}
		page = bitmap_next_set(range->bits, end, nr);
	}
}

int dma_log_take(struct dma_log *log, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap)
{
	uint64_t end = iova + (size_bytes - 1);

	if (log->lost)
		return -EIO;
	if (!dma_log_covers(log, iova, size_bytes))
		return -EINVAL;
	for (uint32_t i = 0; i < log->nr_ranges; i++) {
		uint64_t first = iova, last = end;

		if (clip(&log->ranges[i], &first, &last))
			take_range(log, &log->ranges[i], first, last, iova, page_size, bitmap);
	}
	return 0;
}
