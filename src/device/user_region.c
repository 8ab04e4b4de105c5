/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regions of a vfio-user device: their information, and access by message, cut to what the server takes. Any thread,
 * several at once.
 */
#include "base/bits.h"
#include "base/err.h"
#include "device/user_device.h"
#include "wire/cursor.h"

#include <errno.h>

#define INFO_BYTES     32u
#define MAX_INFO_BYTES 4096u
#define ACCESS_BYTES   16u

/* One question with room for *argsz bytes of answer; *argsz is then what the server would need. */
static int ask_info(struct user_device *dev, uint32_t index, uint32_t *argsz, struct gw_region_info *info,
		    struct gw_error *e)
{
	uint8_t request[INFO_BYTES], reply[INFO_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct wire_in in = wire_in(reply, sizeof(reply));
	int ret;

	wire_put_u32(&out, *argsz);
	wire_put_u32(&out, 0); /* flags */
	wire_put_u32(&out, index);
	wire_put_u32(&out, 0); /* cap_offset */
	wire_put_u64(&out, 0); /* size */
	wire_put_u64(&out, 0); /* offset */
	ret = user_simple_call(dev, USER_GET_REGION_INFO, request, sizeof(request), reply, sizeof(reply), e);
	if (ret)
		return ret;
	*argsz = wire_get_u32(&in);
	info->flags = wire_get_u32(&in);
	info->index = index;
	wire_get_u32(&in); /* index */
	wire_get_u32(&in); /* cap_offset: what hangs on it is for mmap, which godwit does not do */
	info->size_bytes = wire_get_u64(&in);
	return 0;
}

int user_region_info(void *ctx, uint32_t index, struct gw_region_info *info, struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint32_t argsz = INFO_BYTES;
	int ret;

	if (index >= dev->info.nr_regions)
		return err_set(e, -EINVAL, dev->commands.name, "the device has no region %u", index);
	ret = ask_info(dev, index, &argsz, info, e);
	/* A server that needs more room for the whole answer may have given none of it. */
	if (!ret && argsz > INFO_BYTES && argsz <= MAX_INFO_BYTES)
		ret = ask_info(dev, index, &argsz, info, e);
	return ret;
}

static void put_access(struct wire_out *out, uint64_t offset, uint32_t index, uint32_t count)
{
	wire_put_u64(out, offset);
	wire_put_u32(out, index);
	wire_put_u32(out, count);
}

/* How much the reply says was moved, which is no more than was asked, nor (reading) than came. */
static ssize_t moved(struct user_device *dev, const uint8_t *reply, uint32_t asked, size_t came, struct gw_error *e)
{
	struct wire_in in = wire_in(reply, ACCESS_BYTES);
	uint32_t count;

	wire_get_u64(&in); /* offset */
	wire_get_u32(&in); /* index */
	count = wire_get_u32(&in);
	if (count > asked || count > came)
		return err_set(e, -EBADMSG, dev->commands.name, "the server says it moved %u bytes of %u", count,
			       asked);
	return count;
}

static ssize_t read_part(struct user_device *dev, uint32_t index, uint64_t offset, void *buf, uint32_t count,
			 struct gw_error *e)
{
	uint8_t request[ACCESS_BYTES], reply[ACCESS_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct user_call call = {
		.command = USER_REGION_READ,
		.request = request,
		.request_bytes = sizeof(request),
		.reply = reply,
		.reply_size = sizeof(reply),
		.reply_min = sizeof(reply),
		.data = buf,
		.data_size = count,
	};
	int ret;

	put_access(&out, offset, index, count);
	ret = user_call(&dev->commands, &call, e);
	return ret ? ret : moved(dev, reply, count, call.reply_bytes - sizeof(reply), e);
}

static ssize_t write_part(struct user_device *dev, uint32_t index, uint64_t offset, const void *buf, uint32_t count,
			  struct gw_error *e)
{
	uint8_t request[ACCESS_BYTES], reply[ACCESS_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct user_call call = {
		.command = USER_REGION_WRITE,
		.request = request,
		.request_bytes = sizeof(request),
		.payload = buf,
		.payload_bytes = count,
		.reply = reply,
		.reply_size = sizeof(reply),
		.reply_min = sizeof(reply),
	};
	int ret;

	put_access(&out, offset, index, count);
	ret = user_call(&dev->commands, &call, e);
	return ret ? ret : moved(dev, reply, count, count, e);
}

ssize_t user_region_read(void *ctx, uint32_t index, uint64_t offset, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct user_device *dev = ctx;
	size_t done = 0;

	while (done < size_bytes) {
		uint32_t part = (uint32_t)min_u64(size_bytes - done, dev->server.max_data_bytes);
		ssize_t n = read_part(dev, index, offset + done, (uint8_t *)buf + done, part, e);

		if (n < 0)
			return n;
		done += (size_t)n;
		if (n < part)
			break;
	}
	return (ssize_t)done;
}

ssize_t user_region_write(void *ctx, uint32_t index, uint64_t offset, const void *buf, size_t size_bytes,
			  struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint32_t most = dev->server.extension ? USER_MAX_DATA_BYTES : USER_PLAIN_WRITE_BYTES;
	size_t done = 0;

	while (done < size_bytes) {
		uint32_t part = (uint32_t)min_u64(size_bytes - done, min_u64(most, dev->server.max_data_bytes));
		ssize_t n = write_part(dev, index, offset + done, (const uint8_t *)buf + done, part, e);

		if (n < 0)
			return n;
		done += (size_t)n;
		if (n < part)
			break;
	}
	return (ssize_t)done;
}
