/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct kernel_device: one device of the kernel's VFIO, shared by the files that make up the back end. Region and
 * interrupt calls come from any thread and use what does not change after open; the log has a lock; state and data fd
 * belong to the thread that migrates. Functions are entries of kernel_ops: their contracts are in
 * include/godwit/device.h.
 */
#ifndef DEVICE_KERNEL_DEVICE_H
#define DEVICE_KERNEL_DEVICE_H

#include "device/kernel_find.h"
#include "device/kernel_log.h"

#include <godwit/device.h>
#include <stdbool.h>
#include <stdint.h>

struct device_trace;

struct kernel_region {
	uint64_t size_bytes;
	uint64_t offset; /* of the region in the device's file */
	uint32_t flags;
};

struct kernel_device {
	char name[GW_DEVICE_ID_BYTES]; /* for messages */
	struct device_trace *trace;    /* NULL: nobody looks */
	int fd;
	bool borrowed; /* fd is somebody else's */
	int iommufd;   /* cdev; -1: not used */
	uint32_t dev_id;
	uint32_t ioas_id;
	uint32_t hwpt_id; /* an I/O page table with dirty tracking; 0: the device is attached to the IOAS itself */
	int container;    /* group; -1: not used */
	int group;

	/* What there is to tell dirty pages, beside hwpt_id. */
	bool has_own_log;
	struct {
		uint64_t page_bytes; /* 0: no dirty tracking */
		uint64_t max_bitmap_bytes;
	} type1;
	struct kernel_log log;

	int data_fd;      /* of the session below; -1: none */
	uint32_t session; /* enum device_session: which one data_fd is of */
	uint32_t state;   /* last set or seen */

	struct gw_device_info info;
	struct kernel_region *regions; /* info.nr_regions of them */
};

/* kernel_feature.c: VFIO_DEVICE_FEATURE. data: size_bytes, read or written. 0 or -errno; no sentence is made. */
int kernel_feature(const struct kernel_device *dev, uint32_t flags, void *data, size_t size_bytes);
bool kernel_feature_probe(const struct kernel_device *dev, uint32_t feature, uint32_t operations);
bool kernel_feature_has_log(const struct kernel_device *dev);
/* Fills info's migration flags and features. */
int kernel_feature_ask(struct kernel_device *dev, struct gw_error *e);

/* kernel_iommufd.c and kernel_group.c: the two ways in. Leave dev closable when they fail. */
int kernel_iommufd_open(struct kernel_device *dev, const struct kernel_place *place, struct gw_error *e);
int kernel_iommufd_map(struct kernel_device *dev, const struct gw_dma_map *map, struct gw_error *e);
int kernel_iommufd_unmap(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, struct gw_error *e);
int kernel_group_open(struct kernel_device *dev, const struct kernel_place *place, struct gw_error *e);
int kernel_group_map(struct kernel_device *dev, const struct gw_dma_map *map, struct gw_error *e);
int kernel_group_unmap(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, struct gw_error *e);
/* A page table with dirty tracking for dev_id in ioas_id, if the IOMMU has it: sets hwpt_id. */
void kernel_iommufd_alloc_tracked(struct kernel_device *dev);
/* kernel_log_type1.c: does the container track dirty pages? */
void kernel_log_ask_type1(struct kernel_device *dev);

/* kernel_dma.c. unlogged: as the way has it, the lists left alone; the log's lock is held. */
int kernel_dma_map(void *ctx, const struct gw_dma_map *map, struct gw_error *e);
int kernel_dma_unmap(void *ctx, uint64_t iova, uint64_t size_bytes, struct gw_error *e);
int kernel_dma_unmap_unlogged(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, struct gw_error *e);

/* kernel.c: one that nothing was opened for yet, all fds -1; NULL: no memory. Ended by kernel_ops.close. */
struct kernel_device *kernel_device_new(const char *id);

/* kernel_open.c: a file of /dev, with a sentence that helps if it cannot be opened. */
int kernel_open_node(const char *path, const char *where, int *fd, struct gw_error *e);

/* kernel_migration.c */
int kernel_state_get(void *ctx, uint32_t *state, struct gw_error *e);
int kernel_state_set(void *ctx, uint32_t state, struct gw_error *e);
ssize_t kernel_data_read(void *ctx, void *buf, size_t size_bytes, struct gw_error *e);
ssize_t kernel_data_write(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e);
int kernel_precopy_info(void *ctx, struct gw_precopy_info *info, struct gw_error *e);
int kernel_stop_size(void *ctx, uint64_t *bytes, struct gw_error *e);

/* kernel_raw.c */
extern const struct gw_raw_ops kernel_raw_ops;

/* kernel_region.c. ask: fills dev->regions. */
int kernel_region_ask(struct kernel_device *dev, struct gw_error *e);
int kernel_region_info(void *ctx, uint32_t index, struct gw_region_info *info, struct gw_error *e);
ssize_t kernel_region_read(void *ctx, uint32_t index, uint64_t offset, void *buf, size_t size_bytes,
			   struct gw_error *e);
ssize_t kernel_region_write(void *ctx, uint32_t index, uint64_t offset, const void *buf, size_t size_bytes,
			    struct gw_error *e);
int kernel_region_map(void *ctx, uint32_t index, uint64_t from, struct gw_region_map *map, struct gw_error *e);

/* kernel_irq.c */
int kernel_irq_info(void *ctx, uint32_t index, struct gw_irq_info *info, struct gw_error *e);
int kernel_irq_set(void *ctx, uint32_t index, uint32_t start, uint32_t count, const int *eventfds, struct gw_error *e);
int kernel_irq_mask(void *ctx, uint32_t index, uint32_t start, uint32_t count, int masked, struct gw_error *e);

#endif
