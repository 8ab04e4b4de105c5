/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DMA log: which guest pages the device has written since logging began or since they were last reported.
 * DMA_LOGGING_START, STOP and REPORT of linux/vfio.h, the bitmap inline as vfio-user has it. Under the device's
 * lock. The log does not depend on the maps: it keeps what it knows of a range that was unmapped.
 *
 * Reading clears. A logged page that a report covers only in part (its page size is the larger, and the range cuts
 * it) is reported and stays dirty, since the rest of it was not asked for: told twice rather than lost.
 */
#ifndef REF_DEVICE_DMA_LOG_H
#define REF_DEVICE_DMA_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DMA_LOG_MAX_RANGES       4096
#define DMA_LOG_MAX_PAGES        ((uint64_t)1 << 31) /* in all ranges: 256 MiB of bits */
#define DMA_LOG_MAX_BITMAP_BYTES ((uint64_t)8 << 20) /* of one report */

struct dma_log_range {
	uint64_t first; /* IOVA, both included */
	uint64_t last;
	uint64_t *bits; /* a bit a page of the log's page size, from the page that holds `first` */
};

struct dma_log {
	bool active;
	bool everything; /* started without ranges: every map, also those to come */
	uint64_t page_size;
	struct dma_log_range *ranges; /* sorted, disjoint */
	size_t nr_ranges;
	uint64_t nr_pages;
};

/* page_size: a power of two, 4096 or more. -EINVAL, -EBUSY: logging already. Ranges are then added one by one. */
int ref_dma_log_start(struct dma_log *log, uint64_t page_size, bool everything);
void ref_dma_log_stop(struct dma_log *log);

/* -EINVAL: empty, wraps, overlaps another; -E2BIG: too many ranges or pages. */
int ref_dma_log_add(struct dma_log *log, uint64_t iova, uint64_t size);

/* What of a new map is not logged yet, when everything is. */
int ref_dma_log_add_missing(struct dma_log *log, uint64_t iova, uint64_t size);

/* The device has written there. Called after the write. */
void ref_dma_log_mark(struct dma_log *log, uint64_t iova, uint64_t size);

/* Words of the bitmap of a report. 0: more than DMA_LOG_MAX_BITMAP_BYTES, or no such range or page size. */
uint64_t ref_dma_log_words(uint64_t iova, uint64_t size, uint64_t page_size);

/*
 * Sets bit n if anything in page n of the range was written, page 0 being at iova. bitmap has ref_dma_log_words
 * words. page_size: any power of two. -EINVAL: not logging, or part of the range is not logged.
 */
int ref_dma_log_report(struct dma_log *log, uint64_t iova, uint64_t size, uint64_t page_size, uint64_t *bitmap);

/* What a report would be refused with, or 0. */
int ref_dma_log_check(const struct dma_log *log, uint64_t iova, uint64_t size, uint64_t page_size);

#endif
