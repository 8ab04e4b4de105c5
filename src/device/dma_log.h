/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which pages a vfio-user device has written, as far as the client knows: what the server reported and was not
 * asked for yet, and what it wrote through messages. A bitmap a logged range, in pages of the log's own size. It
 * knows nothing of maps and outlives them. No lock of its own: its owner has one.
 */
#ifndef DEVICE_DMA_LOG_H
#define DEVICE_DMA_LOG_H

#include <godwit/device.h>
#include <stdbool.h>
#include <stdint.h>

#define DMA_LOG_MAX_PAGES (1ull << 36) /* in all ranges */

struct dma_log_range {
	uint64_t first, last; /* IOVA, both included */
	uint64_t base;        /* of the page that bit 0 stands for */
	uint64_t *bits;
};

struct dma_log {
	uint64_t page_size;           /* 0: not logging */
	struct dma_log_range *ranges; /* ascending, disjoint */
	uint32_t nr_ranges;
};

/* -EINVAL: ranges overlap; -E2BIG: more than a log may hold; -ENOMEM. */
int dma_log_start(struct dma_log *log, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size);
void dma_log_stop(struct dma_log *log); /* in any state */
bool dma_log_active(const struct dma_log *log);

/* Written: what of the range is logged. */
void dma_log_mark(struct dma_log *log, uint64_t iova, uint64_t size_bytes);

/* A report of the server's: nr_pages bits, bit 0 for iova, pages of the log's size. */
void dma_log_merge(struct dma_log *log, uint64_t iova, const uint64_t *bits, uint64_t nr_pages);

/*
 * ORs a bit a page of page_size into bitmap, bit 0 for iova, and forgets what it told. A page of the log that the
 * range cuts is told and kept, since the rest of it was not asked for. -EINVAL: part of the range is not logged.
 */
int dma_log_take(struct dma_log *log, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap);

#endif
