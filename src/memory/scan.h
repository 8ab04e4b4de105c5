/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From dirty bits to what is sent: looks at the pages of a chunk and makes runs of them, of zero pages (sent as a
 * mark) and of pages with data (sent from guest RAM by iovec). The guest may be writing meanwhile: a page that changes
 * after the look has been marked dirty anew by its log.
 */
#ifndef MEMORY_SCAN_H
#define MEMORY_SCAN_H

#include "memory/ram.h"
#include "model/page_run.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct scan_counts {
	uint32_t zero_pages;
	uint32_t data_pages;
};

/* page: GW_PAGE_BYTES, aligned to 8 at least. */
bool page_is_zero(const void *page);

/* Runs for the pages set in words: ascending, neighbours of one kind merged. Returns how many; *counts is set. */
uint32_t scan_chunk(const struct ram *ram, uint64_t chunk, const uint64_t words[LIMIT_CHUNK_WORDS],
		    struct page_run runs[LIMIT_RUNS_A_FRAME], struct scan_counts *counts);

/*
 * The memory of the runs that are not zero, in order. runs must lie in RAM, and max must be at least the number of
 * runs with data (LIMIT_RUNS_A_FRAME always is). Returns how many iovecs were filled.
 */
unsigned scan_iov(const struct ram *ram, const struct page_run *runs, uint32_t nr_runs, struct iovec *iov,
		  unsigned max);

#endif
