/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA logging of a kernel device. Ranges and bitmap go through user pointers; REPORT only sets bits, so it ORs as the
 * contract wants it. Source: linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_*.
 */
#include "base/err.h"
#include "device/kernel_device.h"
#include "device/uapi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int kernel_log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size,
		     struct gw_error *e)
{
	struct vfio_device_feature_dma_logging_range *list = calloc(nr_ranges, sizeof(*list));
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = page_size,
		.num_ranges = nr_ranges,
		.ranges = (uintptr_t)list,
	};
	struct kernel_device *dev = ctx;
	int ret;

	if (!list)
		return err_set(e, -ENOMEM, dev->name, "no memory");
	for (uint32_t i = 0; i < nr_ranges; i++) {
		list[i].iova = ranges[i].iova;
		list[i].length = ranges[i].size_bytes;
	}
	ret = kernel_feature(dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_START | VFIO_DEVICE_FEATURE_SET, &control,
			     sizeof(control));
	free(list);
	return ret ? err_set(e, ret, dev->name, "the device cannot log its DMA: %s", strerror(-ret)) : 0;
}

int kernel_log_stop(void *ctx, struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	int ret = kernel_feature(dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP | VFIO_DEVICE_FEATURE_SET, NULL, 0);

	return ret ? err_set(e, ret, dev->name, "the device does not stop logging: %s", strerror(-ret)) : 0;
}

int kernel_log_report(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
		      struct gw_error *e)
{
	struct vfio_device_feature_dma_logging_report report = {
		.iova = iova,
		.length = size_bytes,
		.page_size = page_size,
		.bitmap = (uintptr_t)bitmap,
	};
	struct kernel_device *dev = ctx;
	int ret = kernel_feature(dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT | VFIO_DEVICE_FEATURE_GET, &report,
				 sizeof(report));

	return ret ? err_set(e, ret, dev->name, "the device's dirty log is lost: %s", strerror(-ret)) : 0;
}
