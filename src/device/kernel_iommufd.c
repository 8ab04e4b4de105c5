/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way in through a device's own file: bound to an iommufd, which comes before everything else, and attached to
 * an address space of its own. Source: linux/vfio.h, linux/iommufd.h.
 */
#include "base/err.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define IOMMUFD "/dev/iommu"

static int open_iommufd(struct kernel_device *dev, struct gw_error *e)
{
	dev->iommufd = open(IOMMUFD, O_RDWR | O_CLOEXEC);
	if (dev->iommufd >= 0)
		return 0;
	if (errno == ENOENT || errno == ENODEV)
		return err_set(e, -errno, dev->name,
			       "there is no " IOMMUFD ": the kernel lacks iommufd; write ,group "
			       "at the end of the URI to go through the device's group");
	return err_set(e, -errno, dev->name, "cannot open " IOMMUFD ": %s", strerror(errno));
}

/* Whatever the refusal is called, there is then no dirty tracking: an emulated device has no page table at all. */
void kernel_iommufd_alloc_tracked(struct kernel_device *dev)
{
	struct iommu_hwpt_alloc alloc = {
		.size = sizeof(alloc),
		.flags = IOMMU_HWPT_ALLOC_DIRTY_TRACKING,
		.dev_id = dev->dev_id,
		.pt_id = dev->ioas_id,
	};

	dev->hwpt_id = kernel_ioctl(dev, dev->iommufd, IOMMU_HWPT_ALLOC, &alloc) < 0 ? 0 : alloc.out_hwpt_id;
}

static int attach_to(struct kernel_device *dev, uint32_t pt_id)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = pt_id };
	int ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach);

	return ret < 0 ? ret : 0;
}

/* To a page table that tracks dirty pages, where there is one and the device goes with it. */
static int attach(struct kernel_device *dev)
{
	struct iommu_destroy destroy = { .size = sizeof(destroy) };
	int ret;

	kernel_iommufd_alloc_tracked(dev);
	if (dev->hwpt_id && !attach_to(dev, dev->hwpt_id))
		return 0;
	if (dev->hwpt_id) {
		destroy.id = dev->hwpt_id;
		dev->hwpt_id = 0;
		ret = kernel_ioctl(dev, dev->iommufd, IOMMU_DESTROY, &destroy);
		if (ret < 0)
			return ret;
	}
	return attach_to(dev, dev->ioas_id);
}

static int bind_and_attach(struct kernel_device *dev, struct gw_error *e)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = dev->iommufd };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	int ret;

	/* EINVAL is also what a device says that somebody else has bound. */
	ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind);
	if (ret < 0)
		return err_set(e, ret, dev->name, "cannot bind the device; does another process have it? (%s)",
			       strerror(-ret));
	ret = kernel_ioctl(dev, dev->iommufd, IOMMU_IOAS_ALLOC, &alloc);
	if (ret < 0)
		return err_set(e, ret, dev->name, "cannot make an I/O address space: %s", strerror(-ret));
	dev->dev_id = bind.out_devid;
	dev->ioas_id = alloc.out_ioas_id;
	ret = attach(dev);
	return ret ? err_set(e, ret, dev->name, "cannot attach the device to its I/O address space: %s", strerror(-ret))
		   : 0;
}

int kernel_iommufd_open(struct kernel_device *dev, const struct kernel_place *place, struct gw_error *e)
{
	int ret = kernel_open_node(place->cdev, dev->name, &dev->fd, e);

	if (!ret)
		ret = open_iommufd(dev, e);
	return ret ? ret : bind_and_attach(dev, e);
}

int kernel_iommufd_map(struct kernel_device *dev, const struct gw_dma_map *map, struct gw_error *e)
{
	struct iommu_ioas_map arg = {
		.size = sizeof(arg),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | (map->prot & GW_DMA_READ ? IOMMU_IOAS_MAP_READABLE : 0) |
			 (map->prot & GW_DMA_WRITE ? IOMMU_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = dev->ioas_id,
		.user_va = (uintptr_t)map->hva,
		.length = map->size_bytes,
		.iova = map->iova,
	};
	int ret = kernel_ioctl(dev, dev->iommufd, IOMMU_IOAS_MAP, &arg);

	return ret < 0 ? err_set(e, ret, dev->name, "cannot map DMA at %#llx: %s", (unsigned long long)map->iova,
				 strerror(-ret))
		       : 0;
}

int kernel_iommufd_unmap(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, struct gw_error *e)
{
	struct iommu_ioas_unmap arg = {
		.size = sizeof(arg),
		.ioas_id = dev->ioas_id,
		.iova = iova,
		.length = size_bytes,
	};
	int ret = kernel_ioctl(dev, dev->iommufd, IOMMU_IOAS_UNMAP, &arg);

	return ret < 0 ? err_set(e, ret, dev->name, "cannot unmap DMA at %#llx: %s", (unsigned long long)iova,
				 strerror(-ret))
		       : 0;
}
