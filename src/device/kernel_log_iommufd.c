/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty bits of the IOMMU's page table, by iommufd. Only what is mapped may be asked for, and one map at a time:
 * kernels up to 6.12 at least (iopt_read_and_clear_dirty_data) stop at a hole in the range and call it success.
 * Source: linux/iommufd.h, IOMMU_HWPT_SET_DIRTY_TRACKING and IOMMU_HWPT_GET_DIRTY_BITMAP.
 */
#include "base/bits.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/uapi.h"

static bool is_there(const struct kernel_device *dev)
{
	return dev->hwpt_id;
}

static int set_tracking(const struct kernel_device *dev, uint32_t flags)
{
	struct iommu_hwpt_set_dirty_tracking arg = { .size = sizeof(arg), .flags = flags, .hwpt_id = dev->hwpt_id };
	int ret = kernel_ioctl(dev, dev->iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &arg);

	return ret < 0 ? ret : 0;
}

/* Clears all that was dirty before. */
static int start(struct kernel_device *dev)
{
	return set_tracking(dev, IOMMU_HWPT_DIRTY_TRACKING_ENABLE);
}

static int stop(struct kernel_device *dev)
{
	return set_tracking(dev, 0);
}

/* A bit may stand for at most what the map consists of wholly: the kernel refuses a range that is no multiple of it. */
static uint64_t page_of_map(const struct kernel_device *dev, const struct kernel_map *map)
{
	uint64_t ends = map->first | (map->last + 1);
	uint64_t alignment = ends & -ends;

	return alignment ? min_u64(alignment, dev->log.kept.page_size) : dev->log.kept.page_size;
}

static int report(struct kernel_device *dev, uint64_t first, uint64_t last, enum log_read how)
{
	const struct kernel_map *map = kernel_maps_first(&dev->log.maps, first, last);
	int ret = 0;

	for (; map && !ret; map = kernel_maps_next(&dev->log.maps, map, last)) {
		uint64_t page = page_of_map(dev, map);
		uint64_t from = max_u64(first, map->first) & ~(page - 1), to = min_u64(last, map->last) | (page - 1);

		if (map->prot & GW_DMA_WRITE)
			ret = kernel_log_fetch(dev, from, to, page, how);
	}
	return ret;
}

static int read_bits(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bits,
		     enum log_read how)
{
	struct iommu_hwpt_get_dirty_bitmap arg = {
		.size = sizeof(arg),
		.hwpt_id = dev->hwpt_id,
		.flags = how == LOG_READ_KEEP ? IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR : 0,
		.iova = iova,
		.length = size_bytes,
		.page_size = page_size,
		.data = (uintptr_t)bits,
	};
	int ret = kernel_ioctl(dev, dev->iommufd, IOMMU_HWPT_GET_DIRTY_BITMAP, &arg);

	return ret < 0 ? ret : 0;
}

const struct kernel_log_source kernel_log_iommufd = {
	.number = GW_DIRTY_IOMMUFD,
	.is_there = is_there,
	.start = start,
	.stop = stop,
	.report = report,
	.read = read_bits,
};
