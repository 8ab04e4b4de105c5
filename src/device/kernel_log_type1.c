/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty pages by the type 1 container: exact for devices without DMA of their own, whose drivers pin what they write;
 * behind an IOMMU it calls all that is mapped dirty, each time. It takes one page size and whole maps only, and an
 * unmap can give the bits of what it unmaps. Source: linux/vfio.h, VFIO_IOMMU_DIRTY_PAGES.
 */
#include "base/bitmap.h"
#include "base/bits.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/uapi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INFO_BYTES (64 * KIB)

static bool is_there(const struct kernel_device *dev)
{
	return dev->type1.page_bytes;
}

static int switch_log(struct kernel_device *dev, uint32_t flags)
{
	struct vfio_iommu_type1_dirty_bitmap arg = { .argsz = sizeof(arg), .flags = flags };
	int ret = kernel_ioctl(dev, dev->container, VFIO_IOMMU_DIRTY_PAGES, &arg);

	return ret < 0 ? ret : 0;
}

static int start(struct kernel_device *dev)
{
	return switch_log(dev, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
}

static int stop(struct kernel_device *dev)
{
	return switch_log(dev, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
}

/* The bitmap of one whole map; NULL: too large for the kernel, or no memory. */
static uint64_t *bits_of(const struct kernel_device *dev, uint64_t first, uint64_t last, uint64_t *nr_pages)
{
	*nr_pages = (last - first) / dev->type1.page_bytes + 1;
	if (bitmap_words(*nr_pages) > dev->type1.max_bitmap_bytes / sizeof(uint64_t))
		return NULL;
	return bitmap_new(*nr_pages);
}

static struct vfio_bitmap describe(const struct kernel_device *dev, uint64_t *bits, uint64_t nr_pages)
{
	return (struct vfio_bitmap){
		.pgsize = dev->type1.page_bytes,
		.size = bitmap_words(nr_pages) * sizeof(*bits),
		.data = (__u64 *)bits,
	};
}

static int read_bits(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bits,
		     enum log_read how)
{
	struct vfio_iommu_type1_dirty_bitmap_get get = {
		.iova = iova,
		.size = size_bytes,
		.bitmap = describe(dev, bits, size_bytes / page_size),
	};
	union {
		struct vfio_iommu_type1_dirty_bitmap head;
		uint8_t bytes[sizeof(struct vfio_iommu_type1_dirty_bitmap) + sizeof(get)];
	} arg;
	int ret;

	(void)how; /* there is no reading without clearing */
	arg.head.argsz = sizeof(arg.bytes);
	arg.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	memcpy(arg.bytes + sizeof(arg.head), &get, sizeof(get));
	ret = kernel_ioctl(dev, dev->container, VFIO_IOMMU_DIRTY_PAGES, &arg);
	return ret < 0 ? ret : 0;
}

static int report_map(struct kernel_device *dev, const struct kernel_map *map)
{
	uint64_t nr_pages, *bits = bits_of(dev, map->first, map->last, &nr_pages);
	int ret = bits ? read_bits(dev, map->first, map->last - map->first + 1, dev->type1.page_bytes, bits,
				   LOG_READ_CLEAR)
		       : -ENOMEM;

	if (!ret)
		dma_log_merge(&dev->log.kept, map->first, bits, nr_pages, dev->type1.page_bytes);
	free(bits);
	return ret;
}

static int report(struct kernel_device *dev, uint64_t first, uint64_t last, enum log_read how)
{
	const struct kernel_map *map = kernel_maps_first(&dev->log.maps, first, last);
	int ret = 0;

	(void)how;
	for (; map && !ret; map = kernel_maps_next(&dev->log.maps, map, last))
		if (map->prot & GW_DMA_WRITE)
			ret = report_map(dev, map);
	return ret;
}

static int unmap_with_bits(struct kernel_device *dev, uint64_t first, uint64_t last, struct vfio_bitmap bitmap)
{
	union {
		struct vfio_iommu_type1_dma_unmap head;
		uint8_t bytes[sizeof(struct vfio_iommu_type1_dma_unmap) + sizeof(bitmap)];
	} arg;
	int ret;

	arg.head.argsz = sizeof(arg.bytes);
	arg.head.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	arg.head.iova = first;
	arg.head.size = last - first + 1;
	memcpy(arg.bytes + sizeof(arg.head), &bitmap, sizeof(bitmap));
	ret = kernel_ioctl(dev, dev->container, VFIO_IOMMU_UNMAP_DMA, &arg);
	return ret < 0 ? ret : 0;
}

static int unmap(struct kernel_device *dev, uint64_t first, uint64_t last)
{
	uint64_t nr_pages, *bits = bits_of(dev, first, last, &nr_pages);
	int ret = -ENOMEM;

	if (bits)
		ret = unmap_with_bits(dev, first, last, describe(dev, bits, nr_pages));
	if (!ret)
		dma_log_merge(&dev->log.kept, first, bits, nr_pages, dev->type1.page_bytes);
	free(bits);
	return ret;
}

/* The chain of capabilities behind the head, each with the offset of the next. */
static void find_migration(struct kernel_device *dev, const uint8_t *info, uint32_t size_bytes, uint32_t at)
{
	struct vfio_iommu_type1_info_cap_migration cap;
	struct vfio_info_cap_header header;

	while (at && at <= size_bytes - sizeof(header)) {
		memcpy(&header, info + at, sizeof(header));
		if (header.id == VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION && at <= size_bytes - sizeof(cap)) {
			memcpy(&cap, info + at, sizeof(cap));
			dev->type1.page_bytes = cap.pgsize_bitmap & -cap.pgsize_bitmap;
			dev->type1.max_bitmap_bytes = cap.max_dirty_bitmap_size;
			return;
		}
		if (header.next <= at)
			return;
		at = header.next;
	}
}

/* The first answer tells how long it would like to be. */
void kernel_log_ask_type1(struct kernel_device *dev)
{
	struct vfio_iommu_type1_info head = { .argsz = sizeof(head) };
	uint32_t size_bytes;
	uint8_t *info;

	if (kernel_ioctl(dev, dev->container, VFIO_IOMMU_GET_INFO, &head) < 0)
		return;
	size_bytes = head.argsz;
	if (size_bytes <= sizeof(head) || size_bytes > MAX_INFO_BYTES)
		return;
	info = calloc(1, size_bytes);
	if (!info)
		return;
	memcpy(info, &size_bytes, sizeof(size_bytes));
	if (kernel_ioctl(dev, dev->container, VFIO_IOMMU_GET_INFO, info) == 0) {
		memcpy(&head, info, sizeof(head));
		if (head.flags & VFIO_IOMMU_INFO_CAPS)
			find_migration(dev, info, size_bytes, head.cap_offset);
	}
	free(info);
}

const struct kernel_log_source kernel_log_type1 = {
	.number = GW_DIRTY_TYPE1,
	.is_there = is_there,
	.start = start,
	.stop = stop,
	.report = report,
	.read = read_bits,
	.unmap = unmap,
};
