/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regions of a kernel device: places in its file, asked for once at open. Any thread, several at once.
 */
#include "base/err.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/mappable.h"
#include "device/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REGIONS 1024u

/* A region that the device does not have answers EINVAL: it stays one of size 0. */
int kernel_region_ask(struct kernel_device *dev, struct gw_error *e)
{
	if (dev->info.nr_regions > MAX_REGIONS)
		return err_set(e, -EPROTO, dev->name, "the device says it has %u regions", dev->info.nr_regions);
	dev->regions = calloc(dev->info.nr_regions + 1, sizeof(*dev->regions));
	if (!dev->regions)
		return err_set(e, -ENOMEM, dev->name, "no memory");
	for (uint32_t i = 0; i < dev->info.nr_regions; i++) {
		struct vfio_region_info region = { .argsz = sizeof(region), .index = i };

		if (kernel_ioctl(dev, dev->fd, VFIO_DEVICE_GET_REGION_INFO, &region) < 0)
			continue;
		dev->regions[i].size_bytes = region.size;
		dev->regions[i].offset = region.offset;
		dev->regions[i].flags = region.flags;
	}
	return 0;
}

int kernel_region_info(void *ctx, uint32_t index, struct gw_region_info *info, struct gw_error *e)
{
	struct kernel_device *dev = ctx;

	if (index >= dev->info.nr_regions)
		return err_set(e, -EINVAL, dev->name, "the device has no region %u", index);
	info->index = index;
	info->size_bytes = dev->regions[index].size_bytes;
	info->flags = dev->regions[index].flags;
	return 0;
}

/* Where an access is in the device's file: the next region must not be reached through this one. */
static int locate(const struct kernel_device *dev, uint32_t index, uint64_t offset, size_t size_bytes, off_t *at,
		  struct gw_error *e)
{
	const struct kernel_region *region;

	if (index >= dev->info.nr_regions)
		return err_set(e, -EINVAL, dev->name, "the device has no region %u", index);
	region = &dev->regions[index];
	if (size_bytes > region->size_bytes || offset > region->size_bytes - size_bytes)
		return err_set(e, -EINVAL, dev->name, "an access reaches beyond region %u", index);
	*at = (off_t)(region->offset + offset);
	return 0;
}

ssize_t kernel_region_read(void *ctx, uint32_t index, uint64_t offset, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	off_t at = 0;
	ssize_t n;
	int ret = locate(dev, index, offset, size_bytes, &at, e);

	if (ret)
		return ret;
	n = kernel_pread(dev, index, buf, size_bytes, at);
	return n < 0 ? err_set(e, (int)n, dev->name, "cannot read region %u: %s", index, strerror((int)-n)) : n;
}

ssize_t kernel_region_write(void *ctx, uint32_t index, uint64_t offset, const void *buf, size_t size_bytes,
			    struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	off_t at = 0;
	ssize_t n;
	int ret = locate(dev, index, offset, size_bytes, &at, e);

	if (ret)
		return ret;
	n = kernel_pwrite(dev, index, buf, size_bytes, at);
	return n < 0 ? err_set(e, (int)n, dev->name, "cannot write region %u: %s", index, strerror((int)-n)) : n;
}

/* Capabilities are asked for again, with room for them: at open only size, place and rights were of interest. */
int kernel_region_map(void *ctx, uint32_t index, uint64_t from, struct gw_region_map *map, struct gw_error *e)
{
	union {
		struct vfio_region_info info;
		uint8_t bytes[MAPPABLE_MAX_BYTES];
	} region = { .info = { .argsz = sizeof(region), .index = index } };
	struct kernel_device *dev = ctx;
	int ret;

	if (index >= dev->info.nr_regions)
		return err_set(e, -EINVAL, dev->name, "the device has no region %u", index);
	ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_GET_REGION_INFO, &region);
	if (ret < 0)
		return err_set(e, ret, dev->name, "cannot ask for region %u: %s", index, strerror(-ret));
	ret = mappable_find(region.bytes, sizeof(region), from, map);
	if (ret)
		return err_set(e, ret, dev->name, "%s", mappable_error(ret));
	map->fd = fcntl(dev->fd, F_DUPFD_CLOEXEC, 0);
	return map->fd < 0 ? err_set(e, -errno, dev->name, "no descriptor for it: %s", strerror(errno)) : 0;
}
