/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Migration of a vfio-user device: its state, its state's bytes, what is left of them. Called by the thread that
 * migrates the device. State goes over the data socket where there is one, so that a large read does not hold up
 * the guest's register accesses.
 */
#include "base/bits.h"
#include "base/err.h"
#include "device/user_device.h"
#include "model/device_state.h"
#include "wire/cursor.h"

#include <errno.h>

#define STATE_BYTES        8u
#define DATA_HEAD_BYTES    8u
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

static struct user_conn *data_conn(struct user_device *dev)
{
	return dev->data.fd >= 0 ? &dev->data : &dev->commands;
}

/* An empty read is the end in STOP_COPY alone; before that it is "nothing now". */
static ssize_t nothing(const struct user_device *dev)
{
	return __atomic_load_n(&dev->state, __ATOMIC_RELAXED) == GW_STATE_STOP_COPY ? 0 : -ENOMSG;
}

ssize_t user_data_read(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint32_t asked = (uint32_t)min_u64(size_bytes, dev->server.max_data_bytes);
	uint8_t request[DATA_HEAD_BYTES], reply[DATA_HEAD_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct gw_error why = GW_ERROR_NONE;
	struct user_call call = {
		.command = USER_DATA_READ,
		.request = request,
		.request_bytes = sizeof(request),
		.reply = reply,
		.reply_size = sizeof(reply),
		.reply_min = sizeof(reply),
		.data = buf,
		.data_size = asked,
	};
	struct wire_in in;
	uint32_t got;
	int ret;

	wire_put_u32(&out, DATA_HEAD_BYTES + asked);
	wire_put_u32(&out, asked);
	ret = user_call(data_conn(dev), &call, &why);
	if (call.refused == -ENOMSG && nothing(dev))
		return -ENOMSG;
	if (ret) {
		err_first(e, &why);
		return call.refused ? -EIO : ret;
	}
	in = wire_in(reply, sizeof(reply));
	wire_get_u32(&in); /* argsz */
	got = wire_get_u32(&in);
	/* The reply may be padded to what was asked, its size field counts. */
	if (got > asked || got > call.reply_bytes - sizeof(reply))
		return err_set(e, -EBADMSG, dev->commands.name,
			       "the server promises %u bytes of device state and sent %zu", got,
			       call.reply_bytes - sizeof(reply));
	return got ? (ssize_t)got : nothing(dev);
}

ssize_t user_data_write(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint32_t most = dev->server.extension ? USER_MAX_DATA_BYTES : USER_PLAIN_WRITE_BYTES;
	uint32_t size = (uint32_t)min_u64(size_bytes, min_u64(most, dev->server.max_data_bytes));
	uint8_t request[DATA_HEAD_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct user_call call = {
		.command = USER_DATA_WRITE,
		.request = request,
		.request_bytes = sizeof(request),
		.payload = buf,
		.payload_bytes = size,
	};
	int ret;

	wire_put_u32(&out, DATA_HEAD_BYTES + size);
	wire_put_u32(&out, size);
	ret = user_call(data_conn(dev), &call, e);
	return ret ? ret : (ssize_t)size;
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
