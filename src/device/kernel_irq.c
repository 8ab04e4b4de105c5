/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts of a kernel device: eventfds for its vectors, and masks. Any thread. Source: linux/vfio.h,
 * VFIO_DEVICE_SET_IRQS.
 */
#include "base/err.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/uapi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VECTORS 4096u /* MSI-X has 2048 */

int kernel_irq_info(void *ctx, uint32_t index, struct gw_irq_info *info, struct gw_error *e)
{
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = index };
	struct kernel_device *dev = ctx;
	int ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_GET_IRQ_INFO, &irq);

	if (ret < 0)
		return err_set(e, ret, dev->name, "the device tells nothing of its interrupt index %u: %s", index,
			       strerror(-ret));
	info->index = index;
	info->flags = irq.flags;
	info->count = irq.count;
	return 0;
}

int kernel_irq_set(void *ctx, uint32_t index, uint32_t start, uint32_t count, const int *eventfds, struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	uint32_t nr = eventfds ? count : 0;
	struct vfio_irq_set *set;
	int ret;

	if (nr > MAX_VECTORS)
		return err_set(e, -EINVAL, dev->name, "%u interrupt vectors are more than a device has", nr);
	set = calloc(1, sizeof(*set) + nr * sizeof(int));
	if (!set)
		return err_set(e, -ENOMEM, dev->name, "no memory");
	set->argsz = (uint32_t)(sizeof(*set) + nr * sizeof(int));
	set->flags = VFIO_IRQ_SET_ACTION_TRIGGER | (nr ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	set->index = index;
	set->start = nr ? start : 0;
	set->count = nr;
	if (nr)
		memcpy(set->data, eventfds, nr * sizeof(int));
	ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_SET_IRQS, set);
	free(set);
	return ret < 0 ? err_set(e, ret, dev->name, "the device refuses eventfds for its interrupt index %u: %s", index,
				 strerror(-ret))
		       : 0;
}

int kernel_irq_mask(void *ctx, uint32_t index, uint32_t start, uint32_t count, int masked, struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = VFIO_IRQ_SET_DATA_NONE | (masked ? VFIO_IRQ_SET_ACTION_MASK : VFIO_IRQ_SET_ACTION_UNMASK),
		.index = index,
		.start = start,
		.count = count,
	};
	int ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_SET_IRQS, &set);

	return ret < 0 ? err_set(e, ret, dev->name, "the device refuses to %s vectors of its interrupt index %u: %s",
				 masked ? "mask" : "unmask", index, strerror(-ret))
		       : 0;
}
