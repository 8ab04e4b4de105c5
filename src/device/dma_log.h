/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pages a device has written, as far as this process knows: what its dirty source told and was not asked for
 * yet, and what the process wrote for it. A bitmap a logged range, in pages of the log's own size. It knows nothing
 * of maps and outlives them. No lock of its own: its owner has one.
 */
#ifndef DEVICE_DMA_LOG_H
#define DEVICE_DMA_LOG_H

#include <godwit/device.h>
#include <stdbool.h>
#include <stdint.h>

#define DMA_LOG_MAX_PAGES  (1ull << 36) /* in all ranges */
#define DMA_LOG_MAX_RANGES 65536u       /* that an extended log may have */

struct dma_log_range {
	uint64_t first, last; /* IOVA, both included */
	uint64_t base;        /* of the page that bit 0 stands for */
	uint64_t *bits;
};

struct dma_log {
	uint64_t page_size;           /* 0: not logging */
	struct dma_log_range *ranges; /* ascending, disjoint */
	uint32_t nr_ranges;
	bool lost; /* what was written in some range is not known, and never will be: every take fails */
};

/* -EINVAL: ranges overlap; -E2BIG: more than a log may hold; -ENOMEM. */
int dma_log_start(struct dma_log *log, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size);
void dma_log_stop(struct dma_log *log); /* in any state */
bool dma_log_active(const struct dma_log *log);

/* Is all of it logged? */
bool dma_log_covers(const struct dma_log *log, uint64_t iova, uint64_t size_bytes);
/* Logs what of it was not logged, as not written. -E2BIG, -ENOMEM: part of it may be logged now. */
int dma_log_extend(struct dma_log *log, uint64_t iova, uint64_t size_bytes);

/* Written: what of the range is logged. */
void dma_log_mark(struct dma_log *log, uint64_t iova, uint64_t size_bytes);
void dma_log_mark_all(struct dma_log *log);

/* A report: nr_pages bits, bit 0 for iova, pages of page_size, whatever the log's. */
void dma_log_merge(struct dma_log *log, uint64_t iova, const uint64_t *bits, uint64_t nr_pages, uint64_t page_size);

/*
 * ORs a bit a page of page_size into bitmap, bit 0 for iova, and forgets what it told. A page of the log that the
 * range cuts is told and kept, since the rest of it was not asked for. -EINVAL: part of the range is not logged;
 * -EIO: the log is lost.
 */
int dma_log_take(struct dma_log *log, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap);

#endif
