/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DEVICE_FEATURE: the ioctl with its data, and the questions asked with it once at open. */
#include "base/bits.h"
#include "base/err.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/uapi.h"

#include <errno.h>
#include <string.h>

#define MAX_DATA_BYTES 64u /* of any feature used here */

int kernel_feature(const struct kernel_device *dev, uint32_t flags, void *data, size_t size_bytes)
{
	union {
		struct vfio_device_feature feature;
		uint8_t bytes[sizeof(struct vfio_device_feature) + MAX_DATA_BYTES];
	} arg;
	int ret;

	if (size_bytes > MAX_DATA_BYTES)
		return -EINVAL;
	arg.feature.argsz = (uint32_t)(sizeof(arg.feature) + size_bytes);
	arg.feature.flags = flags;
	if (size_bytes)
		memcpy(arg.bytes + sizeof(arg.feature), data, size_bytes);
	ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_FEATURE, &arg.feature);
	if (ret < 0)
		return ret;
	if (size_bytes)
		memcpy(data, arg.bytes + sizeof(arg.feature), size_bytes);
	return 0;
}

bool kernel_feature_probe(const struct kernel_device *dev, uint32_t feature, uint32_t operations)
{
	return !kernel_feature(dev, feature | operations | VFIO_DEVICE_FEATURE_PROBE, NULL, 0);
}

bool kernel_feature_has_log(const struct kernel_device *dev)
{
	return kernel_feature_probe(dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_START, VFIO_DEVICE_FEATURE_SET) &&
	       kernel_feature_probe(dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, VFIO_DEVICE_FEATURE_SET) &&
	       kernel_feature_probe(dev, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, VFIO_DEVICE_FEATURE_GET);
}

/*
 * A SET without data that opts in to meaningful flags of GET_PRECOPY_INFO, for as long as the device is open. Kernels
 * before 7.1 lack it. The feature is SET alone: where the number can also be read it means something else.
 */
static bool opt_in(const struct kernel_device *dev)
{
	const uint32_t feature = VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;

	return kernel_feature_probe(dev, feature, VFIO_DEVICE_FEATURE_SET) &&
	       !kernel_feature_probe(dev, feature, VFIO_DEVICE_FEATURE_GET) &&
	       !kernel_feature(dev, feature | VFIO_DEVICE_FEATURE_SET, NULL, 0);
}

int kernel_feature_ask(struct kernel_device *dev, struct gw_error *e)
{
	struct vfio_device_feature_migration migration = { 0 };
	struct gw_device_info *info = &dev->info;
	int ret;

	ret = kernel_feature(dev, VFIO_DEVICE_FEATURE_MIGRATION | VFIO_DEVICE_FEATURE_GET, &migration,
			     sizeof(migration));
	if (ret == -ENOTTY)
		return 0; /* a device without migration */
	if (ret)
		return err_set(e, ret, dev->name, "cannot ask the device whether it can migrate: %s", strerror(-ret));
	info->migration_flags = (uint32_t)migration.flags;
	if (kernel_feature_probe(dev, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, VFIO_DEVICE_FEATURE_GET))
		info->features |= GW_FEATURE_STOP_SIZE;
	if (!(info->migration_flags & GW_MIGRATION_PRE_COPY))
		return 0;
	/* Mandatory with PRE_COPY, and not to be asked outside of it. */
	info->features |= GW_FEATURE_PRECOPY_INFO;
	if (opt_in(dev))
		info->features |= GW_FEATURE_REINIT;
	return 0;
}
