/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The memory of a vfio-user device: maps told to the server, and the server's own reads and writes of memory by
 * message, which come in on the reading threads. A map is in the list before the server hears of it and until the
 * server has let go of it, so whatever it asks for in between is there.
 */
#include "base/bits.h"
#include "base/err.h"
#include "device/user_device.h"
#include "wire/cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAP_BYTES    32u
#define UNMAP_BYTES  24u
#define ACCESS_BYTES 16u

static int send_map(struct user_device *dev, const struct gw_dma_map *map, struct gw_error *e)
{
	uint8_t request[MAP_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct user_call call = {
		.command = USER_DMA_MAP,
		.request = request,
		.request_bytes = sizeof(request),
		.fds = &map->fd,
		.nr_fds = map->fd >= 0 ? 1 : 0,
	};

	wire_put_u32(&out, sizeof(request));
	wire_put_u32(&out, map->prot); /* the protocol's flags are GW_DMA_*'s */
	wire_put_u64(&out, map->fd >= 0 ? map->fd_offset : 0);
	wire_put_u64(&out, map->iova);
	wire_put_u64(&out, map->size_bytes);
	return user_call(&dev->commands, &call, e);
}

int user_dma_map(void *ctx, const struct gw_dma_map *map, struct gw_error *e)
{
	struct user_device *dev = ctx;
	struct gw_dma_map kept = *map;
	int ret;

	if (!dev->server.max_msg_fds)
		kept.fd = -1; /* the server takes no descriptors: it has to ask for every access */
	user_log_before_map(dev, &kept);
	ret = user_maps_add(&dev->maps, &kept, dev->server.max_dma_maps);
	if (ret == -ENOSPC)
		return err_set(e, ret, dev->commands.name, "the server takes no more than %u DMA maps",
			       dev->server.max_dma_maps);
	if (ret)
		return err_set(e, ret, dev->commands.name, "cannot map DMA at %#llx: %s", (unsigned long long)map->iova,
			       strerror(-ret));
	ret = send_map(dev, &kept, e);
	if (ret)
		user_maps_remove(&dev->maps, map->iova);
	return ret;
}

static int send_unmap(struct user_device *dev, const struct gw_dma_map *map, struct gw_error *e)
{
	uint8_t request[UNMAP_BYTES];
	struct wire_out out = wire_out(request, sizeof(request));
	struct user_call call = { .command = USER_DMA_UNMAP, .request = request, .request_bytes = sizeof(request) };

	wire_put_u32(&out, sizeof(request));
	wire_put_u32(&out, 0);
	wire_put_u64(&out, map->iova);
	wire_put_u64(&out, map->size_bytes);
	return user_call(&dev->commands, &call, e);
}

/* As the kernel has it: the range may hold several maps, and must not cut one. */
int user_dma_unmap(void *ctx, uint64_t iova, uint64_t size_bytes, struct gw_error *e)
{
	struct user_device *dev = ctx;
	uint64_t last = iova + (size_bytes - 1);
	struct gw_dma_map map;
	bool found = false;

	while (!user_maps_next(&dev->maps, iova, &map) && map.iova <= last) {
		int ret;

		if (map.iova < iova || map.iova + (map.size_bytes - 1) > last)
			return err_set(e, -EINVAL, dev->commands.name, "the range to unmap cuts a map");
		ret = send_unmap(dev, &map, e);
		if (ret)
			return ret;
		user_maps_remove(&dev->maps, map.iova);
		found = true;
	}
	return found ? 0 : err_set(e, -ENOENT, dev->commands.name, "nothing is mapped in the range to unmap");
}

/* The head that DMA_READ and DMA_WRITE share; -EINVAL: longer than was offered, or than came. */
static int decode_access(struct wire_in *in, uint64_t *iova, uint64_t *count)
{
	*iova = wire_get_u64(in);
	*count = wire_get_u64(in);
	return in->bad || *count > USER_MAX_DATA_BYTES ? -EINVAL : 0;
}

static int serve_read(struct user_device *dev, struct user_conn *c, const struct user_header *header,
		      struct wire_in *in)
{
	uint8_t reply[ACCESS_BYTES];
	struct wire_out out = wire_out(reply, sizeof(reply));
	uint64_t iova, count;
	uint8_t *data;
	int ret;

	if (decode_access(in, &iova, &count))
		return EINVAL;
	data = malloc(count ? count : 1);
	if (!data)
		return ENOMEM;
	ret = -user_maps_read(&dev->maps, iova, data, count);
	if (!ret) {
		wire_put_u64(&out, iova);
		wire_put_u64(&out, count);
		ret = user_conn_answer(c, header, reply, sizeof(reply), data, count);
	}
	free(data);
	return ret;
}

static int serve_write(struct user_device *dev, struct user_conn *c, const struct user_header *header,
		       struct wire_in *in)
{
	uint8_t reply[ACCESS_BYTES];
	struct wire_out out = wire_out(reply, sizeof(reply));
	uint64_t iova, count;
	int ret;

	if (decode_access(in, &iova, &count) || count != in->left)
		return EINVAL;
	ret = -user_maps_write(&dev->maps, iova, in->at, count);
	if (ret)
		return ret;
	wire_put_u64(&out, iova);
	wire_put_u64(&out, count); /* 8 bytes on every wire seen, 4 in the specification's table */
	return user_conn_answer(c, header, reply, sizeof(reply), NULL, 0);
}

int user_dma_serve(void *arg, struct user_conn *c, const struct user_header *header, const void *payload,
		   size_t payload_bytes)
{
	struct wire_in in = wire_in(payload, payload_bytes);

	switch (header->command) {
	case USER_DMA_READ:
		return serve_read(arg, c, header, &in);
	case USER_DMA_WRITE:
		return serve_write(arg, c, header, &in);
	default:
		return ENOTSUP;
	}
}
