/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening, asking and closing a kernel device. There are two ways in, and a third kind: a file that somebody else
 * has opened. What a device is told apart by afterwards is how DMA is mapped for it: the row of `ways` it came by.
 */
#include "device/kernel.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/fd.h"
#include "device/device.h"
#include "device/device_trace.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/pci_id.h"
#include "device/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	int code;
	const char *advice;
} advices[] = {
	{ ENOENT, "there is no such device node" },          { EACCES, "no permission; give this user the node" },
	{ EPERM, "not permitted; give this user the node" }, { EBUSY, "another process has it" },
	{ ENODEV, "the device behind it is gone" },
};

int kernel_open_node(const char *path, const char *where, int *fd, struct gw_error *e)
{
	int code;

	*fd = open(path, O_RDWR | O_CLOEXEC);
	if (*fd >= 0)
		return 0;
	code = errno;
	for (unsigned i = 0; i < ARRAY_SIZE(advices); i++)
		if (advices[i].code == code)
			return err_set(e, -code, where, "cannot open %s: %s", path, advices[i].advice);
	return err_set(e, -code, where, "cannot open %s: %s", path, strerror(code));
}

static int take_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	struct kernel_device *dev = ctx;

	*info = dev->info;
	return 0;
}

static int reset(void *ctx, struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	int ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_RESET, NULL);

	return ret < 0 ? err_set(e, ret, dev->name, "the device cannot be reset: %s", strerror(-ret)) : 0;
}

static void close_device(void *ctx)
{
	struct kernel_device *dev = ctx;

	kernel_log_fini(dev);
	fd_close(&dev->data_fd);
	if (!dev->borrowed)
		fd_close(&dev->fd);
	fd_close(&dev->iommufd);
	fd_close(&dev->group);
	fd_close(&dev->container);
	free(dev->regions);
	device_trace_free(dev->trace);
	free(dev);
}

const struct gw_device_ops kernel_ops = {
	.size = sizeof(kernel_ops),
	.info = take_info,
	.state_set = kernel_state_set,
	.state_get = kernel_state_get,
	.reset = reset,
	.data_read = kernel_data_read,
	.data_write = kernel_data_write,
	.precopy_info = kernel_precopy_info,
	.stop_size = kernel_stop_size,
	.log_start = kernel_log_start,
	.log_stop = kernel_log_stop,
	.log_report = kernel_log_report,
	.dma_map = kernel_dma_map,
	.dma_unmap = kernel_dma_unmap,
	.region_info = kernel_region_info,
	.region_read = kernel_region_read,
	.region_write = kernel_region_write,
	.region_map = kernel_region_map,
	.raw = &kernel_raw_ops,
	.irq_info = kernel_irq_info,
	.irq_set = kernel_irq_set,
	.irq_mask = kernel_irq_mask,
	.close = close_device,
};

struct kernel_device *kernel_device_new(const char *id)
{
	struct kernel_device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return NULL;
	snprintf(dev->name, sizeof(dev->name), "%s", id);
	dev->fd = dev->iommufd = dev->container = dev->group = dev->data_fd = -1;
	dev->state = GW_STATE_RUNNING;
	kernel_log_init(&dev->log);
	return dev;
}

static int ask_info(struct kernel_device *dev, struct gw_error *e)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	uint8_t header[PCI_HEADER_BYTES];
	int ret;

	ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_GET_INFO, &info);
	if (ret < 0)
		return err_set(e, ret, dev->name, "the file is no VFIO device, or is not bound yet: %s",
			       strerror(-ret));
	dev->info.nr_regions = info.num_regions;
	dev->info.nr_irqs = info.num_irqs;
	dev->info.features |= info.flags & VFIO_DEVICE_FLAGS_RESET ? GW_FEATURE_RESET : 0;
	dev->info.features |= info.flags & VFIO_DEVICE_FLAGS_PCI ? GW_FEATURE_PCI : 0;
	ret = kernel_region_ask(dev, e);
	if (ret)
		return ret;
	if (dev->info.features & GW_FEATURE_PCI &&
	    kernel_region_read(dev, GW_REGION_CONFIG, 0, header, sizeof(header), NULL) == sizeof(header))
		pci_id_read(header, &dev->info);
	if (dev->container >= 0)
		kernel_log_ask_type1(dev);
	dev->has_own_log = kernel_feature_has_log(dev);
	dev->info.dirty_source = kernel_log_best(dev);
	dev->info.features |= dev->info.dirty_source ? GW_FEATURE_DMA_LOG : 0;
	return kernel_feature_ask(dev, e);
}

/* By its own file if it has one, else by its group. */
static int open_place(struct kernel_device *dev, const struct uri *uri, struct gw_error *e)
{
	struct kernel_place place;
	bool by_group;
	int ret;

	ret = kernel_find("", dev->name, uri, &place, e);
	if (ret)
		return ret;
	by_group = uri->way == URI_GROUP_WAY || !place.cdev[0];
	snprintf(dev->info.backend, sizeof(dev->info.backend), by_group ? "kernel group" : "kernel cdev");
	snprintf(dev->info.driver, sizeof(dev->info.driver), "%s", place.driver);
	return by_group ? kernel_group_open(dev, &place, e) : kernel_iommufd_open(dev, &place, e);
}

int kernel_open(void **ctx, const char *id, const struct uri *uri, const struct gw_open_options *options,
		struct gw_error *e)
{
	struct kernel_device *dev = kernel_device_new(id);
	int ret;

	if (!dev)
		return err_set(e, -ENOMEM, id, "no memory");
	ret = device_trace_new(&dev->trace, options->trace, id);
	if (ret)
		err_set(e, ret, id, "no memory");
	else
		ret = open_place(dev, uri, e);
	if (!ret)
		ret = ask_info(dev, e);
	if (!ret && dev->info.migration_flags & GW_MIGRATION_STOP_COPY && !(options->flags & GW_OPEN_AS_FOUND))
		ret = device_settle(&kernel_ops, dev, id, e);
	if (ret)
		close_device(dev);
	else
		*ctx = dev;
	return ret;
}

int kernel_borrow(void **ctx, const char *id, int fd, struct gw_error *e)
{
	struct kernel_device *dev = kernel_device_new(id);
	int ret;

	if (!dev)
		return err_set(e, -ENOMEM, id, "no memory");
	dev->fd = fd;
	dev->borrowed = true;
	snprintf(dev->info.backend, sizeof(dev->info.backend), "fd");
	ret = ask_info(dev, e);
	if (ret)
		close_device(dev);
	else
		*ctx = dev;
	return ret;
}
