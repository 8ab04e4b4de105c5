/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA maps of a kernel device, by the way it was opened. The list of them and the dirty log go along under one lock, so
 * a report that runs beside finds either what is mapped in both or what is mapped in neither.
 */
#include "base/err.h"
#include "device/kernel_device.h"

#include <errno.h>

static int map_unlogged(struct kernel_device *dev, const struct gw_dma_map *map, struct gw_error *e)
{
	if (dev->iommufd >= 0)
		return kernel_iommufd_map(dev, map, e);
	if (dev->container >= 0)
		return kernel_group_map(dev, map, e);
	return err_set(e, -EOPNOTSUPP, dev->name, "DMA of a borrowed device is mapped by whoever opened it");
}

int kernel_dma_unmap_unlogged(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, struct gw_error *e)
{
	if (dev->iommufd >= 0)
		return kernel_iommufd_unmap(dev, iova, size_bytes, e);
	if (dev->container >= 0)
		return kernel_group_unmap(dev, iova, size_bytes, e);
	return err_set(e, -EOPNOTSUPP, dev->name, "DMA of a borrowed device is unmapped by whoever opened it");
}

int kernel_dma_map(void *ctx, const struct gw_dma_map *map, struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	int ret;

	pthread_mutex_lock(&dev->log.lock);
	ret = kernel_maps_reserve(&dev->log.maps);
	if (ret)
		err_set(e, ret, dev->name, "no memory");
	if (!ret) {
		kernel_log_before_map(dev, map);
		ret = map_unlogged(dev, map, e);
	}
	if (!ret)
		kernel_maps_add(&dev->log.maps, map);
	pthread_mutex_unlock(&dev->log.lock);
	return ret;
}

int kernel_dma_unmap(void *ctx, uint64_t iova, uint64_t size_bytes, struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	uint64_t last = iova + (size_bytes - 1);
	int ret;

	pthread_mutex_lock(&dev->log.lock);
	if (dev->log.source)
		ret = kernel_log_unmap(dev, iova, last, e);
	else
		ret = kernel_dma_unmap_unlogged(dev, iova, size_bytes, e);
	if (!ret)
		kernel_maps_remove(&dev->log.maps, iova, last);
	pthread_mutex_unlock(&dev->log.lock);
	return ret;
}
