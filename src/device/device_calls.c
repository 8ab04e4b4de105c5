/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The calls of a device, one entry of its table each, with their arguments checked: a back end need not doubt
 * what it is given. Any thread, as include/godwit/device.h says.
 */
#include "base/bits.h"
#include "base/err.h"
#include "base/export.h"
#include "device/device.h"

#include <errno.h>

static int lacks(const struct gw_device *dev, const char *what, struct gw_error *e)
{
	return err_set(e, -EOPNOTSUPP, dev->id, "the device has no %s", what);
}

static int bad_argument(const struct gw_device *dev, const char *what, struct gw_error *e)
{
	return err_set(e, -EINVAL, dev->id, "%s", what);
}

GW_EXPORT int gw_device_get_info(struct gw_device *dev, struct gw_device_info *info, struct gw_error *e)
{
	*info = dev->info;
	return 0;
}

GW_EXPORT ssize_t gw_device_data_read(struct gw_device *dev, void *buf, size_t size_bytes, struct gw_error *e)
{
	if (!dev->info.migration_flags)
		return lacks(dev, "migration", e);
	if (!buf || !size_bytes)
		return bad_argument(dev, "device state needs a buffer to be read into", e);
	return dev->ops.data_read(dev->ctx, buf, size_bytes, e);
}

GW_EXPORT ssize_t gw_device_data_write(struct gw_device *dev, const void *buf, size_t size_bytes, struct gw_error *e)
{
	ssize_t n;

	if (!dev->info.migration_flags)
		return lacks(dev, "migration", e);
	if (!buf || !size_bytes)
		return bad_argument(dev, "there is no device state to be written", e);
	n = dev->ops.data_write(dev->ctx, buf, size_bytes, e);
	if (n < 0)
		dev->load_failed = true;
	return n;
}

GW_EXPORT int gw_device_precopy_info(struct gw_device *dev, struct gw_precopy_info *info, struct gw_error *e)
{
	uint32_t known = dev->info.features & GW_FEATURE_REINIT ? GW_PRECOPY_REINIT : 0;
	int ret;

	*info = (struct gw_precopy_info){ 0 };
	if (!dev->ops.precopy_info)
		return lacks(dev, "pre-copy information", e);
	ret = dev->ops.precopy_info(dev->ctx, info, e);
	/* Kernels without the opt-in leave there what they found, or anything. */
	info->flags &= known;
	return ret;
}

GW_EXPORT int gw_device_stop_size(struct gw_device *dev, uint64_t *bytes, struct gw_error *e)
{
	*bytes = 0;
	if (!dev->ops.stop_size)
		return lacks(dev, "stop-copy size", e);
	return dev->ops.stop_size(dev->ctx, bytes, e);
}

GW_EXPORT int gw_device_dma_map(struct gw_device *dev, const struct gw_dma_map *map, struct gw_error *e)
{
	if (!dev->ops.dma_map)
		return lacks(dev, "DMA maps", e);
	if (!map->hva || !range_is_sane(map->iova, map->size_bytes) || !map->prot ||
	    map->prot & ~(GW_DMA_READ | GW_DMA_WRITE))
		return bad_argument(dev, "a DMA map needs memory, a range that does not wrap and a right", e);
	return dev->ops.dma_map(dev->ctx, map, e);
}

GW_EXPORT int gw_device_dma_unmap(struct gw_device *dev, uint64_t iova, uint64_t size_bytes, struct gw_error *e)
{
	if (!dev->ops.dma_unmap)
		return lacks(dev, "DMA maps", e);
	if (!range_is_sane(iova, size_bytes))
		return bad_argument(dev, "the range to unmap is empty or wraps", e);
	return dev->ops.dma_unmap(dev->ctx, iova, size_bytes, e);
}

GW_EXPORT int gw_device_region_info(struct gw_device *dev, uint32_t index, struct gw_region_info *info,
				    struct gw_error *e)
{
	*info = (struct gw_region_info){ .index = index };
	if (!dev->ops.region_info)
		return lacks(dev, "regions", e);
	return dev->ops.region_info(dev->ctx, index, info, e);
}

GW_EXPORT ssize_t gw_device_region_read(struct gw_device *dev, uint32_t index, uint64_t offset, void *buf,
					size_t size_bytes, struct gw_error *e)
{
	if (!dev->ops.region_read)
		return lacks(dev, "regions", e);
	if (!buf || !range_is_sane(offset, size_bytes))
		return bad_argument(dev, "a region access needs a buffer and a range that does not wrap", e);
	return dev->ops.region_read(dev->ctx, index, offset, buf, size_bytes, e);
}

GW_EXPORT ssize_t gw_device_region_write(struct gw_device *dev, uint32_t index, uint64_t offset, const void *buf,
					 size_t size_bytes, struct gw_error *e)
{
	if (!dev->ops.region_write)
		return lacks(dev, "regions", e);
	if (!buf || !range_is_sane(offset, size_bytes))
		return bad_argument(dev, "a region access needs a buffer and a range that does not wrap", e);
	return dev->ops.region_write(dev->ctx, index, offset, buf, size_bytes, e);
}

GW_EXPORT int gw_device_region_map(struct gw_device *dev, uint32_t index, uint64_t from, struct gw_region_map *map,
				   struct gw_error *e)
{
	*map = (struct gw_region_map){ .fd = -1 };
	if (!dev->ops.region_map)
		return lacks(dev, "regions to be mapped", e);
	return dev->ops.region_map(dev->ctx, index, from, map, e);
}

GW_EXPORT int gw_device_irq_info(struct gw_device *dev, uint32_t index, struct gw_irq_info *info, struct gw_error *e)
{
	*info = (struct gw_irq_info){ .index = index };
	if (!dev->ops.irq_info)
		return lacks(dev, "interrupts", e);
	return dev->ops.irq_info(dev->ctx, index, info, e);
}

GW_EXPORT int gw_device_irq_set(struct gw_device *dev, uint32_t index, uint32_t start, uint32_t count,
				const int *eventfds, struct gw_error *e)
{
	if (!dev->ops.irq_set)
		return lacks(dev, "interrupts", e);
	if (start + count < start)
		return bad_argument(dev, "the range of interrupt vectors wraps", e);
	return dev->ops.irq_set(dev->ctx, index, start, count, eventfds, e);
}

GW_EXPORT int gw_device_irq_mask(struct gw_device *dev, uint32_t index, uint32_t start, uint32_t count, int masked,
				 struct gw_error *e)
{
	if (!dev->ops.irq_mask)
		return lacks(dev, "interrupts to be masked", e);
	if (!count || start + count < start)
		return bad_argument(dev, "the range of interrupt vectors is empty or wraps", e);
	return dev->ops.irq_mask(dev->ctx, index, start, count, !!masked, e);
}

int device_log_start(struct gw_device *dev, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size,
		     struct gw_error *e)
{
	if (!(dev->info.features & GW_FEATURE_DMA_LOG))
		return lacks(dev, "DMA logging", e);
	if (!nr_ranges || !is_power_of_2(page_size))
		return bad_argument(dev, "DMA logging needs a range and a page size that is a power of two", e);
	for (uint32_t i = 0; i < nr_ranges; i++)
		if (!range_is_sane(ranges[i].iova, ranges[i].size_bytes))
			return bad_argument(dev, "a range to log is empty or wraps", e);
	return dev->ops.log_start(dev->ctx, ranges, nr_ranges, page_size, e);
}

int device_log_stop(struct gw_device *dev, struct gw_error *e)
{
	if (!(dev->info.features & GW_FEATURE_DMA_LOG))
		return lacks(dev, "DMA logging", e);
	return dev->ops.log_stop(dev->ctx, e);
}

int device_log_report(struct gw_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
		      struct gw_error *e)
{
	if (!(dev->info.features & GW_FEATURE_DMA_LOG))
		return lacks(dev, "DMA logging", e);
	if (!range_is_sane(iova, size_bytes) || !is_power_of_2(page_size))
		return bad_argument(dev, "a dirty report needs a range and a page size that is a power of two", e);
	return dev->ops.log_report(dev->ctx, iova, size_bytes, page_size, bitmap, e);
}
