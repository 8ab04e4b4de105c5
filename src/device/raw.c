/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The uAPI call by call: the public functions, one entry of the back end's table each. Looked at is what would harm
 * this process, never what the device may think of it. See <godwit/raw.h>.
 */
#include "base/export.h"
#include "device/device.h"

#include <errno.h>
#include <godwit/raw.h>

GW_EXPORT int gw_raw_feature(struct gw_device *dev, struct gw_raw_feature *call)
{
	call->got_bytes = 0;
	if (!dev->raw.feature)
		return -EOPNOTSUPP;
	if (call->data_bytes > GW_RAW_FEATURE_BYTES || (call->data_bytes && !call->data))
		return -EINVAL;
	return dev->raw.feature(dev->ctx, call);
}

GW_EXPORT int gw_raw_state_get(struct gw_device *dev, struct gw_raw_state *state)
{
	state->data_fd = -1;
	return dev->raw.state_get ? dev->raw.state_get(dev->ctx, state) : -EOPNOTSUPP;
}

/* What load_failed means to the ordinary calls holds for what was written here, too. */
GW_EXPORT int gw_raw_state_set(struct gw_device *dev, struct gw_raw_state *state)
{
	int ret;

	state->data_fd = -1;
	if (!dev->raw.state_set)
		return -EOPNOTSUPP;
	ret = dev->raw.state_set(dev->ctx, state);
	if (!ret)
		dev->load_failed = false;
	return ret;
}

GW_EXPORT int gw_raw_reset(struct gw_device *dev)
{
	int ret = dev->raw.reset ? dev->raw.reset(dev->ctx) : -EOPNOTSUPP;

	if (!ret)
		dev->load_failed = false;
	return ret;
}

GW_EXPORT ssize_t gw_raw_data_read(struct gw_device *dev, void *buf, size_t size_bytes)
{
	if (!dev->raw.data_read)
		return -EOPNOTSUPP;
	return size_bytes && !buf ? -EINVAL : dev->raw.data_read(dev->ctx, buf, size_bytes);
}

GW_EXPORT ssize_t gw_raw_data_write(struct gw_device *dev, const void *buf, size_t size_bytes)
{
	ssize_t n;

	if (!dev->raw.data_write)
		return -EOPNOTSUPP;
	if (size_bytes && !buf)
		return -EINVAL;
	n = dev->raw.data_write(dev->ctx, buf, size_bytes);
	if (n < 0)
		dev->load_failed = true;
	return n;
}

GW_EXPORT int gw_raw_precopy_info(struct gw_device *dev, struct gw_raw_precopy *info)
{
	return dev->raw.precopy_info ? dev->raw.precopy_info(dev->ctx, info) : -EOPNOTSUPP;
}

GW_EXPORT int gw_raw_data_poll(struct gw_device *dev, short events, int timeout_ms)
{
	return dev->raw.data_poll ? dev->raw.data_poll(dev->ctx, events, timeout_ms) : -EOPNOTSUPP;
}

GW_EXPORT int gw_raw_data_close(struct gw_device *dev)
{
	return dev->raw.data_close ? dev->raw.data_close(dev->ctx) : -EOPNOTSUPP;
}

GW_EXPORT int gw_raw_has_data_fd(const struct gw_device *dev)
{
	return dev->raw.data_poll && dev->raw.data_close;
}

GW_EXPORT int gw_raw_log_start(struct gw_device *dev, const struct gw_iova_range *ranges, uint32_t nr_ranges,
			       uint64_t page_size)
{
	if (!dev->raw.log_start)
		return -EOPNOTSUPP;
	return nr_ranges && !ranges ? -EINVAL : dev->raw.log_start(dev->ctx, ranges, nr_ranges, page_size);
}

GW_EXPORT int gw_raw_log_stop(struct gw_device *dev)
{
	return dev->raw.log_stop ? dev->raw.log_stop(dev->ctx) : -EOPNOTSUPP;
}

GW_EXPORT int gw_raw_log_report(struct gw_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size,
				uint64_t *bitmap)
{
	if (!dev->raw.log_report)
		return -EOPNOTSUPP;
	return bitmap ? dev->raw.log_report(dev->ctx, iova, size_bytes, page_size, bitmap) : -EINVAL;
}
