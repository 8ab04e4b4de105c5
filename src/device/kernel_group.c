/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way in through a device's group and a container with a type 1 IOMMU: the older one, for kernels without
 * device files. The group goes into the container and the container gets its IOMMU before the device's file can be
 * had. Source: linux/vfio.h.
 */
#include "base/err.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/uapi.h"

#include <errno.h>
#include <string.h>

#define CONTAINER "/dev/vfio/vfio"

/* A number, where the kernel wants one for a pointer. */
static void *const type1 = (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU;

static int check_container(struct kernel_device *dev, struct gw_error *e)
{
	if (kernel_ioctl(dev, dev->container, VFIO_GET_API_VERSION, NULL) != VFIO_API_VERSION)
		return err_set(e, -EPROTONOSUPPORT, dev->name, CONTAINER " speaks another version of VFIO");
	if (kernel_ioctl(dev, dev->container, VFIO_CHECK_EXTENSION, type1) <= 0)
		return err_set(e, -EPROTONOSUPPORT, dev->name,
			       "the kernel has no type 1 IOMMU driver; load vfio_iommu_type1");
	return 0;
}

static int check_group(struct kernel_device *dev, const struct kernel_place *place, struct gw_error *e)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int ret = kernel_ioctl(dev, dev->group, VFIO_GROUP_GET_STATUS, &status);

	if (ret < 0)
		return err_set(e, ret, dev->name, "%s does not tell its status: %s", place->group, strerror(-ret));
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return err_set(e, -EPERM, dev->name,
			       "%s is not viable: bind every device of the group to a vfio driver", place->group);
	return 0;
}

static int get_device(struct kernel_device *dev, const struct kernel_place *place, struct gw_error *e)
{
	int ret = kernel_ioctl(dev, dev->group, VFIO_GROUP_SET_CONTAINER, &dev->container);

	if (ret < 0)
		return err_set(e, ret, dev->name, "cannot put %s into a container: %s", place->group, strerror(-ret));
	ret = kernel_ioctl(dev, dev->container, VFIO_SET_IOMMU, type1);
	if (ret < 0)
		return err_set(e, ret, dev->name, "cannot give the container an IOMMU: %s", strerror(-ret));
	ret = kernel_ioctl(dev, dev->group, VFIO_GROUP_GET_DEVICE_FD, (void *)place->name);
	if (ret < 0)
		return err_set(e, ret, dev->name, "%s does not give the device %s: %s", place->group, place->name,
			       strerror(-ret));
	dev->fd = ret;
	return 0;
}

int kernel_group_open(struct kernel_device *dev, const struct kernel_place *place, struct gw_error *e)
{
	int ret;

	if (!place->group[0])
		return err_set(e, -ENODEV, dev->name, "%s has no file of its group in /dev/vfio", place->name);
	ret = kernel_open_node(CONTAINER, dev->name, &dev->container, e);
	if (!ret)
		ret = kernel_open_node(place->group, dev->name, &dev->group, e);
	if (!ret)
		ret = check_container(dev, e);
	if (!ret)
		ret = check_group(dev, place, e);
	return ret ? ret : get_device(dev, place, e);
}

int kernel_group_map(struct kernel_device *dev, const struct gw_dma_map *map, struct gw_error *e)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg),
		.flags = (map->prot & GW_DMA_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (map->prot & GW_DMA_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)map->hva,
		.iova = map->iova,
		.size = map->size_bytes,
	};
	int ret = kernel_ioctl(dev, dev->container, VFIO_IOMMU_MAP_DMA, &arg);

	return ret < 0 ? err_set(e, ret, dev->name, "cannot map DMA at %#llx: %s", (unsigned long long)map->iova,
				 strerror(-ret))
		       : 0;
}

int kernel_group_unmap(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, struct gw_error *e)
{
	struct vfio_iommu_type1_dma_unmap arg = { .argsz = sizeof(arg), .iova = iova, .size = size_bytes };
	int ret = kernel_ioctl(dev, dev->container, VFIO_IOMMU_UNMAP_DMA, &arg);

	if (ret < 0)
		return err_set(e, ret, dev->name, "cannot unmap DMA at %#llx: %s", (unsigned long long)iova,
			       strerror(-ret));
	if (!arg.size)
		return err_set(e, -ENOENT, dev->name, "nothing is mapped in the range to unmap");
	return 0;
}
