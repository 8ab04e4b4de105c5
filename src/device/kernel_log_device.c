/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's own log. It is told once what to log, so memory that is added costs a restart, and what was written
 * until then is not known: all of it counts as written. Source: linux/vfio.h, VFIO_DEVICE_FEATURE_DMA_LOGGING_*.
 */
#include "base/bits.h"
#include "device/kernel_device.h"
#include "device/log_ranges.h"
#include "device/uapi.h"

#include <errno.h>
#include <stdlib.h>

#define MAX_RANGES     256u    /* a kernel page of them is what every kernel takes */
#define MIN_PAGE_BYTES 4096ull /* and this what it reports in at least */

static bool is_there(const struct kernel_device *dev)
{
	return dev->has_own_log;
}

static uint64_t page_bytes(const struct kernel_device *dev)
{
	return max_u64(dev->log.kept.page_size, MIN_PAGE_BYTES);
}

/* The kept log's ranges, at most max of them, as the list of what the device is told. */
static int list_ranges(struct kernel_device *dev, uint32_t max)
{
	struct kernel_log *log = &dev->log;

	free(log->told);
	log->nr_told = 0;
	log->told = calloc(log->kept.nr_ranges, sizeof(*log->told));
	if (!log->told)
		return -ENOMEM;
	for (; log->nr_told < log->kept.nr_ranges; log->nr_told++) {
		const struct dma_log_range *range = &log->kept.ranges[log->nr_told];

		log->told[log->nr_told].iova = range->first;
		log->told[log->nr_told].size_bytes = range->last - range->first + 1;
	}
	return log_ranges_fit(log->told, &log->nr_told, page_bytes(dev), max);
}

static int tell(struct kernel_device *dev)
{
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = page_bytes(dev),
		.num_ranges = dev->log.nr_told,
		.ranges = (uintptr_t)dev->log.told, /* the two structs are the same, see below */
	};

	_Static_assert(sizeof(struct vfio_device_feature_dma_logging_range) == sizeof(struct gw_iova_range),
		       "an array of one is an array of the other");
	return kernel_feature(dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_START | VFIO_DEVICE_FEATURE_SET, &control,
			      sizeof(control));
}

/* A driver may take fewer ranges than the kernel does: it gets fewer, and logs what lies between them too. */
static int start(struct kernel_device *dev)
{
	int ret = -E2BIG;

	for (uint32_t max = MAX_RANGES; max && (ret == -E2BIG || ret == -ENOSPC); max /= 2) {
		ret = list_ranges(dev, max);
		if (!ret)
			ret = tell(dev);
	}
	return ret;
}

static int stop(struct kernel_device *dev)
{
	return kernel_feature(dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP | VFIO_DEVICE_FEATURE_SET, NULL, 0);
}

static int extend(struct kernel_device *dev)
{
	int ret = stop(dev);

	if (!ret)
		ret = start(dev);
	if (!ret)
		dma_log_mark_all(&dev->log.kept);
	return ret;
}

/* Range by range as it was told: drivers refuse a report that reaches out of one. */
static int report(struct kernel_device *dev, uint64_t first, uint64_t last, enum log_read how)
{
	uint64_t page = page_bytes(dev);
	int ret = 0;

	first &= ~(page - 1);
	last |= page - 1;
	for (uint32_t i = 0; !ret && i < dev->log.nr_told; i++) {
		const struct gw_iova_range *range = &dev->log.told[i];
		uint64_t from = max_u64(first, range->iova);
		uint64_t to = min_u64(last, range->iova + (range->size_bytes - 1));

		if (from <= to)
			ret = kernel_log_fetch(dev, from, to, page, how);
	}
	return ret;
}

static int read_bits(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bits,
		     enum log_read how)
{
	struct vfio_device_feature_dma_logging_report arg = {
		.iova = iova,
		.length = size_bytes,
		.page_size = page_size,
		.bitmap = (uintptr_t)bits,
	};

	(void)how; /* there is no reading without clearing */
	return kernel_feature(dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT | VFIO_DEVICE_FEATURE_GET, &arg, sizeof(arg));
}

const struct kernel_log_source kernel_log_device = {
	.number = GW_DIRTY_DEVICE,
	.is_there = is_there,
	.start = start,
	.stop = stop,
	.extend = extend,
	.report = report,
	.read = read_bits,
};
