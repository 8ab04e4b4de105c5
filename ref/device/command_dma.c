/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA_MAP and DMA_UNMAP. A map is added under the device's lock; before one goes the engine is held, so that no
 * piece of work is left that writes to it.
 */
#include "ref/device/command.h"
#include "ref/device/cursor.h"
#include "ref/device/device.h"

#include <errno.h>

#define MAP_BYTES   32
#define UNMAP_BYTES 24
#define UNMAP_ALL   (1u << 1) /* GET_DIRTY_BITMAP, bit 0, went with migration v1: refused */

int ref_dma_map(struct client *client, struct request *request, struct reply *reply)
{
	struct cursor c = cursor_over(request->body, request->size);
	uint32_t argsz = cursor_u32(&c), flags = cursor_u32(&c);
	uint64_t fd_offset = cursor_u64(&c), iova = cursor_u64(&c), size = cursor_u64(&c);
	struct ref_device *dev = client->dev;
	int ret;

	if (c.bad || argsz < MAP_BYTES || request->nr_fds != 1)
		return -EINVAL;
	pthread_mutex_lock(&dev->lock);
	ret = ref_dma_map_add(&dev->maps, iova, size, request->fds[0], fd_offset, flags);
	if (!ret && dev->log.active && dev->log.everything) {
		ret = ref_dma_log_add_missing(&dev->log, iova, size);
		if (ret) {
			ref_engine_hold(dev);
			ref_dma_map_remove(&dev->maps, iova, size);
			ref_engine_release(dev);
		}
	}
	if (!ret)
		ref_engine_wake(dev);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

static int unmap(struct ref_device *dev, uint32_t flags, uint64_t iova, uint64_t size)
{
	if (flags & ~UNMAP_ALL)
		return -EINVAL;
	if (!flags)
		return ref_dma_map_remove(&dev->maps, iova, size);
	if (iova || size)
		return -EINVAL;
	ref_dma_maps_clear(&dev->maps);
	return 0;
}

int ref_dma_unmap(struct client *client, struct request *request, struct reply *reply)
{
	struct cursor c = cursor_over(request->body, request->size);
	uint32_t argsz = cursor_u32(&c), flags = cursor_u32(&c);
	uint64_t iova = cursor_u64(&c), size = cursor_u64(&c);
	struct ref_device *dev = client->dev;
	int ret;

	if (c.bad || argsz < UNMAP_BYTES)
		return -EINVAL;
	pthread_mutex_lock(&dev->lock);
	ref_engine_hold(dev);
	ret = unmap(dev, flags, iova, size);
	ref_engine_release(dev);
	pthread_mutex_unlock(&dev->lock);
	if (ret)
		return ret;
	if (!ref_reply_reserve(reply, UNMAP_BYTES))
		return -ENOMEM;
	memcpy(reply->body, request->body, UNMAP_BYTES);
	return 0;
}
