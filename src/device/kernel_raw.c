/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The uAPI call by call of a kernel device: see <godwit/raw.h>. The data fd that a SET gives is kept where the ordinary
 * calls keep theirs. While the raw part lasts it may be one that belongs to no state any more; it is then of no
 * session, which is how kernel_state_get knows that it is to be closed.
 */
#include "base/fd.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/uapi.h"
#include "model/device_state.h"

#include <errno.h>
#include <godwit/raw.h>
#include <poll.h>
#include <string.h>

/* argsz may promise more than data_bytes, and a kernel is free to believe it. */
#define ROOM_BYTES 4096u

_Static_assert(GW_RAW_MIG_DATA_SIZE == VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, "numbers are the uAPI's");
_Static_assert(GW_RAW_PRECOPY_INFO_V2 == VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, "numbers are the uAPI's");
_Static_assert(GW_RAW_GET == VFIO_DEVICE_FEATURE_GET && GW_RAW_SET == VFIO_DEVICE_FEATURE_SET &&
		       GW_RAW_PROBE == VFIO_DEVICE_FEATURE_PROBE,
	       "operations are the uAPI's");
_Static_assert(sizeof(struct gw_iova_range) == sizeof(struct vfio_device_feature_dma_logging_range),
	       "an array of one is an array of the other");

#define SET_STATE (GW_RAW_MIG_DEVICE_STATE | GW_RAW_SET)

/* A SET was done: its data fd is ours, whether it was due or not. */
static void arrived(struct kernel_device *dev, const struct vfio_device_feature_mig_state *mig)
{
	enum device_session session = device_state_session(mig->device_state);

	dev->state = mig->device_state;
	if (mig->data_fd >= 0) {
		fd_close(&dev->data_fd);
		dev->data_fd = mig->data_fd;
		dev->session = session;
	} else if (session != dev->session) {
		dev->session = SESSION_NONE;
	}
}

static int raw_feature(void *ctx, struct gw_raw_feature *call)
{
	union {
		struct vfio_device_feature feature;
		uint8_t bytes[ROOM_BYTES];
	} arg = { .bytes = { 0 } };
	const uint8_t *data = arg.bytes + sizeof(arg.feature);
	struct vfio_device_feature_mig_state sent, mig;
	struct kernel_device *dev = ctx;
	int ret;

	arg.feature.argsz = call->argsz ? call->argsz : (uint32_t)sizeof(arg.feature) + call->data_bytes;
	arg.feature.flags = call->flags;
	if (call->data_bytes)
		memcpy(arg.feature.data, call->data, call->data_bytes);
	memcpy(&sent, data, sizeof(sent));
	ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_FEATURE, &arg.feature);
	memcpy(&mig, data, sizeof(mig));
	/* A number that was there before is not the kernel's: to take it for a data fd would close somebody's file. */
	if (mig.data_fd == sent.data_fd)
		mig.data_fd = -1;
	if (ret >= 0 && (call->flags & ~GW_RAW_GET) == SET_STATE)
		arrived(dev, &mig);
	if (call->data_bytes)
		memcpy(call->data, data, call->data_bytes);
	call->got_bytes = ret < 0 ? 0 : call->data_bytes;
	return ret < 0 ? ret : 0;
}

static int simple_feature(struct kernel_device *dev, uint32_t flags, void *data, uint32_t data_bytes)
{
	struct gw_raw_feature call = { .flags = flags, .data = data, .data_bytes = data_bytes };

	return raw_feature(dev, &call);
}

static int raw_state_get(void *ctx, struct gw_raw_state *state)
{
	struct vfio_device_feature_mig_state mig = { .device_state = state->state, .data_fd = -1 };
	struct kernel_device *dev = ctx;
	int ret = simple_feature(dev, GW_RAW_MIG_DEVICE_STATE | GW_RAW_GET, &mig, sizeof(mig));

	state->state = mig.device_state;
	state->data_fd = mig.data_fd;
	if (!ret)
		dev->state = mig.device_state;
	return ret;
}

static int raw_state_set(void *ctx, struct gw_raw_state *state)
{
	struct vfio_device_feature_mig_state mig = { .device_state = state->state, .data_fd = -1 };
	int ret = simple_feature(ctx, SET_STATE, &mig, sizeof(mig));

	state->state = mig.device_state;
	state->data_fd = ret ? -1 : mig.data_fd;
	return ret;
}

static int raw_reset(void *ctx)
{
	struct kernel_device *dev = ctx;
	int ret = kernel_ioctl(dev, dev->fd, VFIO_DEVICE_RESET, NULL);

	if (ret < 0)
		return ret;
	dev->state = GW_STATE_RUNNING;
	dev->session = SESSION_NONE;
	return 0;
}

static ssize_t raw_data_read(void *ctx, void *buf, size_t size_bytes)
{
	return kernel_read(ctx, buf, size_bytes);
}

static ssize_t raw_data_write(void *ctx, const void *buf, size_t size_bytes)
{
	return kernel_write(ctx, buf, size_bytes);
}

static int raw_precopy_info(void *ctx, struct gw_raw_precopy *info)
{
	struct vfio_precopy_info precopy = { .argsz = info->argsz ? info->argsz : (uint32_t)sizeof(precopy),
					     .flags = info->flags };
	struct kernel_device *dev = ctx;
	int ret;

	/* Asked for of whatever the number of no descriptor stands for, the answer would be another's. */
	if (dev->data_fd < 0)
		return -EBADF;
	ret = kernel_ioctl(dev, dev->data_fd, VFIO_MIG_GET_PRECOPY_INFO, &precopy);
	if (ret < 0)
		return ret;
	info->flags = precopy.flags;
	info->initial_bytes = precopy.initial_bytes;
	info->dirty_bytes = precopy.dirty_bytes;
	return 0;
}

static int raw_data_poll(void *ctx, short events, int timeout_ms)
{
	struct kernel_device *dev = ctx;
	struct pollfd poller = { .fd = dev->data_fd, .events = events };

	if (dev->data_fd < 0)
		return -EBADF;
	return poll(&poller, 1, timeout_ms) < 0 ? -errno : poller.revents;
}

static int raw_data_close(void *ctx)
{
	struct kernel_device *dev = ctx;

	if (dev->data_fd < 0)
		return -EBADF;
	fd_close(&dev->data_fd);
	return 0;
}

static int raw_log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size)
{
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = page_size,
		.num_ranges = nr_ranges,
		.ranges = (uintptr_t)ranges,
	};

	return simple_feature(ctx, GW_RAW_LOG_START | GW_RAW_SET, &control, sizeof(control));
}

static int raw_log_stop(void *ctx)
{
	return simple_feature(ctx, GW_RAW_LOG_STOP | GW_RAW_SET, NULL, 0);
}

static int raw_log_report(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap)
{
	struct vfio_device_feature_dma_logging_report report = {
		.iova = iova,
		.length = size_bytes,
		.page_size = page_size,
		.bitmap = (uintptr_t)bitmap,
	};

	return simple_feature(ctx, GW_RAW_LOG_REPORT | GW_RAW_GET, &report, sizeof(report));
}

const struct gw_raw_ops kernel_raw_ops = {
	.size = sizeof(kernel_raw_ops),
	.feature = raw_feature,
	.state_get = raw_state_get,
	.state_set = raw_state_set,
	.reset = raw_reset,
	.data_read = raw_data_read,
	.data_write = raw_data_write,
	.precopy_info = raw_precopy_info,
	.log_start = raw_log_start,
	.log_stop = raw_log_stop,
	.log_report = raw_log_report,
	.data_poll = raw_data_poll,
	.data_close = raw_data_close,
};
