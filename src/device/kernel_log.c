/* SPDX-License-Identifier: BSD-3-Clause */
/* What all sources of a kernel device's dirty pages have in common: see kernel_log.h. */
#include "device/kernel_log.h"

#include "base/bitmap.h"
#include "base/bits.h"
#include "base/err.h"
#include "device/kernel_device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BITMAP_BYTES (1 * MIB)
#define MAX_PAGE_BYTES     (1 * GIB)

/* Best first: the device knows what it wrote, the IOMMU what went through it, type 1 often only what is mapped. */
static const struct kernel_log_source *const sources[] = { &kernel_log_device, &kernel_log_iommufd, &kernel_log_type1 };

void kernel_log_init(struct kernel_log *log)
{
	*log = (struct kernel_log){ .source = NULL };
	pthread_mutex_init(&log->lock, NULL);
}

static void forget(struct kernel_log *log)
{
	log->source = NULL;
	dma_log_stop(&log->kept);
	free(log->told);
	log->told = NULL;
	log->nr_told = 0;
}

void kernel_log_fini(struct kernel_device *dev)
{
	if (dev->log.source)
		dev->log.source->stop(dev);
	forget(&dev->log);
	kernel_maps_fini(&dev->log.maps);
	pthread_mutex_destroy(&dev->log.lock);
}

uint32_t kernel_log_best(const struct kernel_device *dev)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sources); i++)
		if (sources[i]->is_there(dev))
			return sources[i]->number;
	return GW_DIRTY_NONE;
}

/* With the best source that takes it; of several that do not, the best one's reason is told. */
static int start_best(struct kernel_device *dev)
{
	int first = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(sources); i++) {
		int ret;

		if (!sources[i]->is_there(dev))
			continue;
		ret = sources[i]->start(dev);
		if (!ret) {
			dev->log.source = sources[i];
			return 0;
		}
		first = first ? first : ret;
	}
	return first ? first : -EOPNOTSUPP;
}

int kernel_log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size,
		     struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	struct kernel_log *log = &dev->log;
	int ret;

	if (page_size > MAX_PAGE_BYTES)
		return err_set(e, -EINVAL, dev->name, "cannot log DMA in pages of more than 1 GiB");
	pthread_mutex_lock(&log->lock);
	ret = log->source ? -EBUSY : dma_log_start(&log->kept, ranges, nr_ranges, page_size);
	if (!ret) {
		ret = start_best(dev);
		if (ret)
			forget(log);
	}
	pthread_mutex_unlock(&log->lock);
	return ret ? err_set(e, ret, dev->name, "cannot log the device's DMA: %s", strerror(-ret)) : 0;
}

int kernel_log_stop(void *ctx, struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	int ret = 0;

	pthread_mutex_lock(&dev->log.lock);
	if (dev->log.source)
		ret = dev->log.source->stop(dev);
	forget(&dev->log);
	pthread_mutex_unlock(&dev->log.lock);
	return ret ? err_set(e, ret, dev->name, "the log of the device's DMA does not stop: %s", strerror(-ret)) : 0;
}

int kernel_log_fetch(struct kernel_device *dev, uint64_t first, uint64_t last, uint64_t page_size, enum log_read how)
{
	uint64_t piece_pages = PIECE_BITMAP_BYTES * 8, nr_pages = (last - first) / page_size + 1;
	uint64_t *bits = bitmap_new(min_u64(nr_pages, piece_pages));
	int ret = 0;

	if (!bits)
		return -ENOMEM;
	while (!ret && nr_pages) {
		uint64_t nr = min_u64(nr_pages, piece_pages);

		memset(bits, 0, bitmap_words(nr) * sizeof(*bits));
		ret = dev->log.source->read(dev, first, nr * page_size, page_size, bits, how);
		if (!ret)
			dma_log_merge(&dev->log.kept, first, bits, nr, page_size);
		first += nr * page_size;
		nr_pages -= nr;
	}
	free(bits);
	return ret;
}

static int report(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
		  struct gw_error *e)
{
	struct kernel_log *log = &dev->log;
	int ret;

	if (!log->source)
		return err_set(e, -EINVAL, dev->name, "DMA is not being logged");
	ret = log->source->report(dev, iova, iova + (size_bytes - 1), LOG_READ_CLEAR);
	if (ret)
		return err_set(e, ret, dev->name, "the dirty log of the device is lost: %s", strerror(-ret));
	ret = dma_log_take(&log->kept, iova, size_bytes, page_size, bitmap);
	if (!ret)
		return 0;
	return err_set(e, ret, dev->name,
		       ret == -EINVAL ? "a range was not being logged"
				      : "the dirty log was lost when memory was added");
}

int kernel_log_report(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
		      struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	int ret;

	pthread_mutex_lock(&dev->log.lock);
	ret = report(dev, iova, size_bytes, page_size, bitmap, e);
	pthread_mutex_unlock(&dev->log.lock);
	return ret;
}

/* Before the device can reach the memory, so that nothing it writes there goes unseen. */
void kernel_log_before_map(struct kernel_device *dev, const struct gw_dma_map *map)
{
	struct kernel_log *log = &dev->log;
	int ret;

	if (!log->source || !(map->prot & GW_DMA_WRITE) || dma_log_covers(&log->kept, map->iova, map->size_bytes))
		return;
	ret = dma_log_extend(&log->kept, map->iova, map->size_bytes);
	if (!ret && log->source->extend)
		ret = log->source->extend(dev);
	if (ret)
		log->kept.lost = true;
}

/* Keeps what an unmap of the range destroys; what cannot be told counts as written. */
static void rescue(struct kernel_device *dev, uint64_t first, uint64_t last)
{
	const struct kernel_map *map = kernel_maps_first(&dev->log.maps, first, last);

	for (; map; map = kernel_maps_next(&dev->log.maps, map, last)) {
		uint64_t from = max_u64(first, map->first), to = min_u64(last, map->last);

		if (map->prot & GW_DMA_WRITE && dev->log.source->report(dev, from, to, LOG_READ_KEEP))
			dma_log_mark(&dev->log.kept, from, to - from + 1);
	}
}

/* Is there a map in the range, and none that is cut by it? */
static bool holds_whole_maps(const struct kernel_maps *maps, uint64_t first, uint64_t last)
{
	const struct kernel_map *map = kernel_maps_first(maps, first, last);
	bool found = map;

	for (; map; map = kernel_maps_next(maps, map, last))
		if (map->first < first || map->last > last)
			return false;
	return found;
}

static int unmap_one(struct kernel_device *dev, const struct kernel_map *map, struct gw_error *e)
{
	uint64_t size_bytes = map->last - map->first + 1;

	if (map->prot & GW_DMA_WRITE) {
		if (!dev->log.source->unmap(dev, map->first, map->last))
			return 0;
		dma_log_mark(&dev->log.kept, map->first, size_bytes);
	}
	return kernel_dma_unmap_unlogged(dev, map->first, size_bytes, e);
}

static int unmap_each(struct kernel_device *dev, uint64_t first, uint64_t last, struct gw_error *e)
{
	const struct kernel_map *found;

	while ((found = kernel_maps_first(&dev->log.maps, first, last))) {
		struct kernel_map map = *found;
		int ret = unmap_one(dev, &map, e);

		if (ret)
			return ret;
		kernel_maps_remove(&dev->log.maps, map.first, map.last);
	}
	return 0;
}

int kernel_log_unmap(struct kernel_device *dev, uint64_t first, uint64_t last, struct gw_error *e)
{
	if (dev->log.source->unmap && holds_whole_maps(&dev->log.maps, first, last))
		return unmap_each(dev, first, last, e);
	rescue(dev, first, last);
	return kernel_dma_unmap_unlogged(dev, first, last - first + 1, e);
}
