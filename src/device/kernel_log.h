/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty pages of a kernel device. Whatever the source, what it told goes into the kept log first and is told from
 * there: an IOMMU wants other page sizes and ranges than the migration asks for, and what it clears thereby, or
 * loses with an unmap, may not have been asked for yet. One lock for it and the maps, held over the system calls:
 * a map is in the list as long as the kernel has it.
 */
#ifndef DEVICE_KERNEL_LOG_H
#define DEVICE_KERNEL_LOG_H

#include "device/dma_log.h"
#include "device/kernel_maps.h"

#include <godwit/device.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct kernel_device;

/* Do bits that were read stay in the source? Only for what is unmapped next, and only where it is cheaper. */
enum log_read { LOG_READ_CLEAR, LOG_READ_KEEP };

/* A kind of source. Called under the lock; 0 or -errno, no sentence is made. */
struct kernel_log_source {
	uint32_t number; /* GW_DIRTY_* */
	bool (*is_there)(const struct kernel_device *dev);
	int (*start)(struct kernel_device *dev); /* for the kept log's ranges and page size */
	int (*stop)(struct kernel_device *dev);
	/* The kept log has got more ranges. NULL: all that is mapped is logged anyway. */
	int (*extend)(struct kernel_device *dev);
	/* Moves all that is known of [first, last] into the kept log, by kernel_log_fetch; what is around it may come
	 * too. */
	int (*report)(struct kernel_device *dev, uint64_t first, uint64_t last, enum log_read how);
	/* Sets a bit a page of page_size, bit 0 for iova, in bits that are all clear. */
	int (*read)(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bits,
		    enum log_read how);
	/* Unmaps one whole map and keeps what it knew of it. NULL: report, then the usual unmap, will do. */
	int (*unmap)(struct kernel_device *dev, uint64_t first, uint64_t last);
};

extern const struct kernel_log_source kernel_log_device, kernel_log_iommufd, kernel_log_type1;

struct kernel_log {
	pthread_mutex_t lock;
	const struct kernel_log_source *source; /* the one in use; NULL: nothing is logged */
	struct dma_log kept;
	struct gw_iova_range *told; /* device: what it was told to log */
	uint32_t nr_told;
	struct kernel_maps maps;
};

void kernel_log_init(struct kernel_log *log);
void kernel_log_fini(struct kernel_device *dev); /* a borrowed device is left without a log of ours */

/* The best source that is there, GW_DIRTY_*. */
uint32_t kernel_log_best(const struct kernel_device *dev);

/* For sources: reads pages of page_size, all that [first, last] consists of, piece by piece into the kept log. */
int kernel_log_fetch(struct kernel_device *dev, uint64_t first, uint64_t last, uint64_t page_size, enum log_read how);

/* Around map and unmap, under the lock. unmap is also the unmap itself; 0 or -errno with a sentence. */
void kernel_log_before_map(struct kernel_device *dev, const struct gw_dma_map *map);
int kernel_log_unmap(struct kernel_device *dev, uint64_t first, uint64_t last, struct gw_error *e);

/* Entries of kernel_ops. */
int kernel_log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size,
		     struct gw_error *e);
int kernel_log_stop(void *ctx, struct gw_error *e);
int kernel_log_report(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
		      struct gw_error *e);

#endif
