/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Looking at dirty pages. Any thread, on guest RAM that others may be writing: what is read here may be stale at
 * once, and no decision rests on it that the dirty log does not correct.
 */
#include "memory/scan.h"

#include "base/bitmap.h"

#include <assert.h>

/*
 * 64 bytes that are looked at as one: vector code at every optimisation level, of whatever width the processor has.
 * Guest RAM is no uint64_t to the compiler, and need not be aligned to 64.
 */
typedef uint64_t lanes __attribute__((vector_size(64), aligned(8), may_alias));

#define STRIDE_LANES 4u /* without a branch between them */

/* Guest RAM is written by threads that know of no lock of ours; a race detector must not look. */
__attribute__((no_sanitize("thread"))) bool page_is_zero(const void *page)
{
	const lanes *at = page;
	const lanes *end = at + GW_PAGE_BYTES / sizeof(lanes);

	if (at[0][0] | end[-1][7])
		return false;
	for (; at < end; at += STRIDE_LANES) {
		lanes any = at[0] | at[1] | at[2] | at[3];

		if ((any[0] | any[1] | any[2] | any[3]) | (any[4] | any[5] | any[6] | any[7]))
			return false;
	}
	return true;
}

uint32_t scan_chunk(const struct ram *ram, uint64_t chunk, const uint64_t words[LIMIT_CHUNK_WORDS],
		    struct page_run runs[LIMIT_RUNS_A_FRAME], struct scan_counts *counts)
{
	struct page_run *run = NULL;
	struct ram_chunk at;
	uint32_t nr_runs = 0;

	*counts = (struct scan_counts){ 0 };
	ram_chunk_at(ram, chunk, &at);
	for (uint64_t page = bitmap_next_set(words, 0, at.nr_pages); page < at.nr_pages;
	     page = bitmap_next_set(words, page + 1, at.nr_pages)) {
		uint64_t gpa = at.gpa + page * GW_PAGE_BYTES;
		uint32_t flags = page_is_zero(at.hva + page * GW_PAGE_BYTES) ? RUN_ZERO : 0;

		if (flags & RUN_ZERO)
			counts->zero_pages++;
		else
			counts->data_pages++;
		if (run && run->flags == flags && run->gpa + (uint64_t)run->nr_pages * GW_PAGE_BYTES == gpa) {
			run->nr_pages++;
		} else {
			run = &runs[nr_runs++];
			*run = (struct page_run){ .gpa = gpa, .nr_pages = 1, .flags = flags };
		}
	}
	return nr_runs;
}

unsigned scan_iov(const struct ram *ram, const struct page_run *runs, uint32_t nr_runs, struct iovec *iov, unsigned max)
{
	unsigned nr = 0;

	for (uint32_t i = 0; i < nr_runs; i++) {
		uint64_t size_bytes = (uint64_t)runs[i].nr_pages * GW_PAGE_BYTES;

		if (runs[i].flags & RUN_ZERO)
			continue;
		assert(nr < max);
		iov[nr].iov_base = ram_hva(ram, runs[i].gpa, size_bytes);
		iov[nr].iov_len = size_bytes;
		assert(iov[nr].iov_base);
		nr++;
	}
	return nr;
}
