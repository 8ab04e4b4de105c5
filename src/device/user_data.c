/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device state by message: one MIG_DATA_READ or MIG_DATA_WRITE. It goes over the data socket where there is one, so
 * that a large read does not hold up the guest's register accesses.
 */
#include "base/bits.h"
#include "base/err.h"
#include "device/user_device.h"
#include "wire/cursor.h"

#include <errno.h>

#define HEAD_BYTES 8u

static int call_with_head(struct user_device *dev, struct user_call *call, uint32_t size, int *refused,
			  struct gw_error *e)
{
	struct user_conn *c = dev->data.fd >= 0 ? &dev->data : &dev->commands;
	uint8_t head[HEAD_BYTES];
	struct wire_out out = wire_out(head, sizeof(head));
	int ret;

	wire_put_u32(&out, HEAD_BYTES + size); /* argsz */
	wire_put_u32(&out, size);
	call->request = head;
	call->request_bytes = sizeof(head);
	ret = user_call(c, call, e);
	*refused = call->refused;
	/* What a server calls EPIPE or ETIMEDOUT is not the end of the connection. */
	return *refused == -EPIPE || *refused == -ETIMEDOUT ? -EIO : ret;
}

ssize_t user_data_ask(struct user_device *dev, void *buf, size_t size_bytes, int *refused, struct gw_error *e)
{
	uint32_t asked = (uint32_t)min_u64(size_bytes, dev->server.max_data_bytes), got;
	uint8_t reply[HEAD_BYTES];
	struct user_call call = {
		.command = USER_DATA_READ,
		.reply = reply,
		.reply_size = sizeof(reply),
		.reply_min = sizeof(reply),
		.data = buf,
		.data_size = asked,
	};
	struct wire_in in;
	int ret = call_with_head(dev, &call, asked, refused, e);

	if (ret)
		return ret;
	in = wire_in(reply, sizeof(reply));
	wire_get_u32(&in); /* argsz */
	got = wire_get_u32(&in);
	/* The reply may be padded to what was asked, its size field counts. */
	if (got > asked || got > call.reply_bytes - sizeof(reply))
		return err_set(e, -EBADMSG, dev->commands.name,
			       "the server promises %u bytes of device state and sent %zu", got,
			       call.reply_bytes - sizeof(reply));
	return (ssize_t)got;
}

ssize_t user_data_give(struct user_device *dev, const void *buf, size_t size_bytes, int *refused, struct gw_error *e)
{
	uint32_t most = dev->server.extension ? USER_MAX_DATA_BYTES : USER_PLAIN_WRITE_BYTES;
	uint32_t size = (uint32_t)min_u64(size_bytes, min_u64(most, dev->server.max_data_bytes));
	struct user_call call = { .command = USER_DATA_WRITE, .payload = buf, .payload_bytes = size };
	int ret = call_with_head(dev, &call, size, refused, e);

	return ret ? ret : (ssize_t)size;
}
