/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Migration of a kernel device: its state, and the data fd, which comes with the arc that opens a session and is
 * closed with the one that ends it. Called by the thread that migrates the device. Source: linux/vfio.h,
 * VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE and VFIO_MIG_GET_PRECOPY_INFO.
 */
#include "base/bits.h"
#include "base/err.h"
#include "base/fd.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/uapi.h"
#include "model/device_state.h"

#include <errno.h>
#include <string.h>

_Static_assert(GW_PRECOPY_REINIT == VFIO_PRECOPY_INFO_REINIT, "gw_precopy_info has the uAPI's flags");

/*
 * The device is in a state: a data fd of another session than that state's is of no more use. kernel_raw.c leaves one
 * without a session where no state accounts for it.
 */
static void arrive(struct kernel_device *dev, uint32_t state)
{
	enum device_session session = device_state_session(state);

	dev->state = state;
	if (session == SESSION_NONE || session != dev->session)
		fd_close(&dev->data_fd);
	dev->session = session;
}

int kernel_state_get(void *ctx, uint32_t *state, struct gw_error *e)
{
	struct vfio_device_feature_mig_state mig = { .data_fd = -1 };
	struct kernel_device *dev = ctx;
	int ret;

	ret = kernel_feature(dev, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE | VFIO_DEVICE_FEATURE_GET, &mig, sizeof(mig));
	if (ret)
		return err_set(e, ret, dev->name, "the device does not say in which state it is: %s", strerror(-ret));
	*state = mig.device_state;
	arrive(dev, mig.device_state);
	return 0;
}

int kernel_state_set(void *ctx, uint32_t state, struct gw_error *e)
{
	struct vfio_device_feature_mig_state mig = { .device_state = state, .data_fd = -1 };
	struct kernel_device *dev = ctx;
	enum device_session session = device_state_session(state);
	bool due = session != SESSION_NONE && session != dev->session;
	int ret;

	ret = kernel_feature(dev, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE | VFIO_DEVICE_FEATURE_SET, &mig, sizeof(mig));
	if (ret)
		return err_set(e, ret, dev->name, "refused by the device: %s", strerror(-ret));
	arrive(dev, state);
	if (due && mig.data_fd >= 0) {
		dev->data_fd = mig.data_fd;
		return 0;
	}
	if (!due && mig.data_fd < 0)
		return 0;
	fd_close(&mig.data_fd);
	return err_set(e, -EPROTO, dev->name,
		       due ? "the device opened no data session where one is due"
			   : "the device opened a data session where none is due");
}

static int no_session(const struct kernel_device *dev, struct gw_error *e)
{
	return err_set(e, -EBADF, dev->name, "there is no such data session in %s", device_state_name(dev->state));
}

/*
 * In pre-copy "nothing now" is ENOMSG by the text, and an empty read by a driver of the kernel itself (mtty). In
 * STOP_COPY an empty read is the end, and ENOMSG may not be.
 */
ssize_t kernel_data_read(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	bool precopy = dev->state != GW_STATE_STOP_COPY;
	ssize_t n;

	if (dev->data_fd < 0 || dev->session != SESSION_SAVE)
		return no_session(dev, e);
	do
		n = kernel_read(dev, buf, size_bytes);
	while (n == -EINTR);
	if (n > 0 || (!n && !precopy))
		return n;
	if (precopy && (!n || n == -ENOMSG))
		return -ENOMSG;
	return err_set(e, n == -ENOMSG ? -EPROTO : (int)n, dev->name, "cannot read the device's state: %s",
		       strerror((int)-n));
}

ssize_t kernel_data_write(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e)
{
	struct kernel_device *dev = ctx;
	ssize_t n;

	if (dev->data_fd < 0 || dev->session != SESSION_LOAD)
		return no_session(dev, e);
	do
		n = kernel_write(dev, buf, size_bytes);
	while (n == -EINTR);
	if (n > 0)
		return n;
	if (!n)
		return err_set(e, -EIO, dev->name, "the device takes no more of its state");
	return err_set(e, (int)n, dev->name, "the device refuses its state: %s", strerror((int)-n));
}

int kernel_precopy_info(void *ctx, struct gw_precopy_info *info, struct gw_error *e)
{
	struct vfio_precopy_info precopy = { .argsz = sizeof(precopy) };
	struct kernel_device *dev = ctx;
	int ret;

	if (dev->data_fd < 0 || dev->session != SESSION_SAVE)
		return no_session(dev, e);
	ret = kernel_ioctl(dev, dev->data_fd, VFIO_MIG_GET_PRECOPY_INFO, &precopy);
	if (ret < 0)
		return err_set(e, ret, dev->name, "the device does not tell its pre-copy sizes: %s", strerror(-ret));
	info->initial_bytes = precopy.initial_bytes;
	info->dirty_bytes = precopy.dirty_bytes;
	info->flags = precopy.flags;
	return 0;
}

int kernel_stop_size(void *ctx, uint64_t *bytes, struct gw_error *e)
{
	struct vfio_device_feature_mig_data_size size = { 0 };
	struct kernel_device *dev = ctx;
	int ret;

	if (!(dev->info.features & GW_FEATURE_STOP_SIZE))
		return err_set(e, -EOPNOTSUPP, dev->name, "the device does not tell its stop-copy size");
	ret = kernel_feature(dev, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE | VFIO_DEVICE_FEATURE_GET, &size, sizeof(size));
	if (ret)
		return err_set(e, ret, dev->name, "the device does not tell its stop-copy size: %s", strerror(-ret));
	*bytes = size.stop_copy_length;
	return 0;
}
