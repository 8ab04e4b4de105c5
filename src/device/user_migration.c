/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Migration of a vfio-user device: its state, its state's bytes, what is left of them. Called by the thread that
 * migrates the device.
 */
#include "base/bits.h"
#include "base/err.h"
#include "device/user_device.h"
#include "model/device_state.h"
#include "wire/cursor.h"

#include <errno.h>

#define STATE_BYTES        8u
#define PRECOPY_INFO_BYTES 24u

int user_state_get(void *ctx, uint32_t *state, struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint8_t data[STATE_BYTES];
	struct wire_in in;
	int ret;

	ret = user_feature_get(dev, USER_FEATURE_STATE, data, sizeof(data), e);
	if (ret)
		return ret;
	in = wire_in(data, sizeof(data));
	*state = wire_get_u32(&in);
	__atomic_store_n(&dev->state, *state, __ATOMIC_RELAXED);
	return 0;
}

int user_state_set(void *ctx, uint32_t state, struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint8_t data[STATE_BYTES];
	struct wire_out out = wire_out(data, sizeof(data));
	int ret;

	wire_put_u32(&out, state);
	wire_put_u32(&out, UINT32_MAX); /* data_fd: none, data travels by message */
	ret = user_feature_set(dev, USER_FEATURE_STATE, data, sizeof(data), USER_STATE_TIMEOUT_NS, e);
	if (!ret)
		__atomic_store_n(&dev->state, state, __ATOMIC_RELAXED);
	return ret;
}

/* An empty read is the end in STOP_COPY alone; before that it is "nothing now". */
static ssize_t nothing(const struct user_device *dev)
{
	return __atomic_load_n(&dev->state, __ATOMIC_RELAXED) == GW_STATE_STOP_COPY ? 0 : -ENOMSG;
}

ssize_t user_data_read(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct gw_error why = GW_ERROR_NONE;
	struct user_device *dev = ctx;
	int refused;
	ssize_t n = user_data_ask(dev, buf, size_bytes, &refused, &why);

	if (refused == -ENOMSG && nothing(dev))
		return -ENOMSG;
	if (n < 0) {
		err_first(e, &why);
		return refused ? -EIO : n;
	}
	return n ? n : nothing(dev);
}

ssize_t user_data_write(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e)
{
	int refused;

	return user_data_give(ctx, buf, size_bytes, &refused, e);
}

int user_precopy_info(void *ctx, struct gw_precopy_info *info, struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint8_t data[PRECOPY_INFO_BYTES];
	struct wire_in in;
	int ret;

	if (!(dev->info.features & GW_FEATURE_PRECOPY_INFO))
		return err_set(e, -EOPNOTSUPP, dev->commands.name, "the server does not tell its pre-copy sizes");
	ret = user_feature_get(dev, USER_FEATURE_PRECOPY_INFO, data, sizeof(data), e);
	if (ret)
		return ret;
	in = wire_in(data, sizeof(data));
	wire_get_u32(&in); /* argsz */
	info->flags = wire_get_u32(&in);
	info->initial_bytes = wire_get_u64(&in);
	info->dirty_bytes = wire_get_u64(&in);
	return 0;
}

int user_stop_size(void *ctx, uint64_t *bytes, struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint8_t data[8];
	struct wire_in in;
	int ret;

	if (!(dev->info.features & GW_FEATURE_STOP_SIZE))
		return err_set(e, -EOPNOTSUPP, dev->commands.name, "the server does not tell its stop-copy size");
	ret = user_feature_get(dev, USER_FEATURE_STOP_SIZE, data, sizeof(data), e);
	if (ret)
		return ret;
	in = wire_in(data, sizeof(data));
	*bytes = wire_get_u64(&in);
	return 0;
}
