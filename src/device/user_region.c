/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Regions of a vfio-user device: their information, the files that they can be mapped from, and access by message, cut
 * to what the server takes. Any thread, several at once.
 */
#include "base/bits.h"
#include "base/err.h"
#include "base/fd.h"
#include "device/mappable.h"
#include "device/user_device.h"
#include "wire/cursor.h"

#include <errno.h>
#include <sys/stat.h>

#define INFO_BYTES     MAPPABLE_INFO_BYTES
#define MAX_INFO_BYTES MAPPABLE_MAX_BYTES
#define ACCESS_BYTES   16u

static void put_question(struct wire_out *out, uint32_t index, uint32_t argsz)
{
	wire_put_u32(out, argsz);
	wire_put_u32(out, 0); /* flags */
	wire_put_u32(out, index);
	wire_put_u32(out, 0); /* cap_offset */
	wire_put_u64(out, 0); /* size */
	wire_put_u64(out, 0); /* offset */
}

/* One question with room for *argsz bytes of answer; *argsz is then what the server would need. */
static int ask_info(struct user_device *dev, uint32_t index, uint32_t *argsz, struct gw_region_info *info,
		    struct gw_error *e)
{
	uint8_t request[INFO_BYTES], reply[INFO_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct wire_in in = wire_in(reply, sizeof(reply));
	int ret;

	put_question(&out, index, *argsz);
	ret = user_simple_call(dev, USER_GET_REGION_INFO, request, sizeof(request), reply, sizeof(reply), e);
	if (ret)
		return ret;
	*argsz = wire_get_u32(&in);
	info->flags = wire_get_u32(&in);
	info->index = index;
	wire_get_u32(&in); /* index */
	wire_get_u32(&in); /* cap_offset: what hangs on it is for mmap: user_region_map */
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

/* The answer with all its capabilities, and the descriptor that came with it. */
static int ask_mappable(struct user_device *dev, uint32_t index, uint8_t *reply, size_t *reply_bytes,
			struct user_fds *fds, struct gw_error *e)
{
	uint8_t request[INFO_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct user_call call = {
		.command = USER_GET_REGION_INFO,
		.request = request,
		.request_bytes = sizeof(request),
		.reply = reply,
		.reply_size = MAX_INFO_BYTES,
		.reply_min = INFO_BYTES,
		.fds_taken = fds,
	};
	int ret;

	put_question(&out, index, MAX_INFO_BYTES);
	ret = user_call(&dev->commands, &call, e);
	*reply_bytes = call.reply_bytes;
	return ret;
}

/* A page beyond the end of a file is a SIGBUS when touched: a server that promises more than it has is refused. */
static bool is_inside(const struct gw_region_map *map)
{
	struct stat st;

	if (fstat(map->fd, &st))
		return false;
	return !S_ISREG(st.st_mode) || (st.st_size >= 0 && map->fd_offset + map->size_bytes <= (uint64_t)st.st_size);
}

static int take_map(struct user_device *dev, const uint8_t *reply, size_t reply_bytes, uint64_t from,
		    struct user_fds *fds, struct gw_region_map *map, struct gw_error *e)
{
	int ret = mappable_find(reply, reply_bytes, from, map);

	if (ret)
		return err_set(e, ret, dev->commands.name, "%s", mappable_error(ret));
	map->fd = user_fds_take(fds, 0);
	if (map->fd < 0)
		return err_set(e, -EBADMSG, dev->commands.name, "the region can be mapped, and no descriptor came");
	if (is_inside(map))
		return 0;
	fd_close(&map->fd);
	return err_set(e, -EBADMSG, dev->commands.name, "the file to map the region from is shorter than the region");
}

int user_region_map(void *ctx, uint32_t index, uint64_t from, struct gw_region_map *map, struct gw_error *e)
{
	struct user_device *dev = ctx;
	struct user_fds fds = { .nr = 0 };
	uint8_t reply[MAX_INFO_BYTES];
	size_t reply_bytes;
	int ret;

	if (index >= dev->info.nr_regions)
		return err_set(e, -EINVAL, dev->commands.name, "the device has no region %u", index);
	ret = ask_mappable(dev, index, reply, &reply_bytes, &fds, e);
	if (!ret)
		ret = take_map(dev, reply, reply_bytes, from, &fds, map, e);
	user_fds_close(&fds);
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
