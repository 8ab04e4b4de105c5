/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted by start and then only ever joined with the next one, so the list shrinks from front to end. */
#include "device/log_ranges.h"

#include "base/bits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t last_of(const struct gw_iova_range *range)
{
	return range->iova + (range->size_bytes - 1);
}

static int by_start(const void *a, const void *b)
{
	const struct gw_iova_range *x = a, *y = b;

	return x->iova < y->iova ? -1 : x->iova > y->iova;
}

/* Makes [first, last] of it; a size of 0 says that it is everything. */
static void set(struct gw_iova_range *range, uint64_t first, uint64_t last)
{
	range->iova = first;
	range->size_bytes = last - first + 1;
}

/* What lies between a range and the next one, which begins no earlier; 0: they touch or overlap. */
static uint64_t gap_after(const struct gw_iova_range *range)
{
	uint64_t last = last_of(range);

	return range[1].iova > last ? range[1].iova - last - 1 : 0;
}

static void join_with_next(struct gw_iova_range *ranges, uint32_t i, uint32_t *nr)
{
	set(&ranges[i], ranges[i].iova, max_u64(last_of(&ranges[i]), last_of(&ranges[i + 1])));
	(*nr)--;
	memmove(&ranges[i + 1], &ranges[i + 2], (*nr - i - 1) * sizeof(*ranges));
}

static void join_closest(struct gw_iova_range *ranges, uint32_t *nr)
{
	uint32_t closest = 0;

	for (uint32_t i = 1; i + 1 < *nr; i++)
		if (gap_after(&ranges[i]) < gap_after(&ranges[closest]))
			closest = i;
	join_with_next(ranges, closest, nr);
}

int log_ranges_fit(struct gw_iova_range *ranges, uint32_t *nr, uint64_t page_size, uint32_t max)
{
	uint32_t done = 0;

	for (uint32_t i = 0; i < *nr; i++)
		set(&ranges[i], ranges[i].iova & ~(page_size - 1), last_of(&ranges[i]) | (page_size - 1));
	qsort(ranges, *nr, sizeof(*ranges), by_start);
	while (done + 1 < *nr) {
		if (gap_after(&ranges[done]))
			done++;
		else
			join_with_next(ranges, done, nr);
	}
	while (*nr > max)
		join_closest(ranges, nr);
	return ranges[0].size_bytes ? 0 : -EOVERFLOW;
}
