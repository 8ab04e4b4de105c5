/* SPDX-License-Identifier: BSD-3-Clause */
/* The maps of a vfio-user device: a sorted array, searched from the front; there are as many as RAM blocks. */
#include "device/user_maps.h"

#include "base/bits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t map_last(const struct gw_dma_map *map)
{
	return map->iova + (map->size_bytes - 1);
}

void user_maps_init(struct user_maps *maps)
{
	*maps = (struct user_maps){ .nr = 0 };
	pthread_mutex_init(&maps->lock, NULL);
}

void user_maps_fini(struct user_maps *maps)
{
	dma_log_stop(&maps->log);
	free(maps->list);
	maps->list = NULL;
	pthread_mutex_destroy(&maps->lock);
}

/* The index of the first map that ends at or after iova; nr if there is none. */
static uint32_t find(const struct user_maps *maps, uint64_t iova)
{
	uint32_t i = 0;

	while (i < maps->nr && map_last(&maps->list[i]) < iova)
		i++;
	return i;
}

static int make_room(struct user_maps *maps)
{
	uint32_t room = maps->room ? 2 * maps->room : 16;
	struct gw_dma_map *list;

	if (maps->nr < maps->room)
		return 0;
	list = realloc(maps->list, room * sizeof(*list));
	if (!list)
		return -ENOMEM;
	maps->list = list;
	maps->room = room;
	return 0;
}

static int add(struct user_maps *maps, const struct gw_dma_map *map, uint32_t max)
{
	uint32_t i = find(maps, map->iova);
	int ret;

	if (i < maps->nr && maps->list[i].iova <= map_last(map))
		return -EEXIST;
	if (maps->nr >= max)
		return -ENOSPC;
	ret = make_room(maps);
	if (ret)
		return ret;
	memmove(&maps->list[i + 1], &maps->list[i], (maps->nr - i) * sizeof(*maps->list));
	maps->list[i] = *map;
	maps->nr++;
	return 0;
}

int user_maps_add(struct user_maps *maps, const struct gw_dma_map *map, uint32_t max)
{
	int ret;

	pthread_mutex_lock(&maps->lock);
	ret = add(maps, map, max);
	pthread_mutex_unlock(&maps->lock);
	return ret;
}

void user_maps_remove(struct user_maps *maps, uint64_t iova)
{
	uint32_t i;

	pthread_mutex_lock(&maps->lock);
	i = find(maps, iova);
	if (i < maps->nr && maps->list[i].iova == iova) {
		if (maps->list[i].prot & GW_DMA_WRITE)
			dma_log_mark(&maps->log, iova, maps->list[i].size_bytes);
		maps->nr--;
		memmove(&maps->list[i], &maps->list[i + 1], (maps->nr - i) * sizeof(*maps->list));
	}
	pthread_mutex_unlock(&maps->lock);
}

int user_maps_next(struct user_maps *maps, uint64_t iova, struct gw_dma_map *map)
{
	uint32_t i;
	int ret = -ENOENT;

	pthread_mutex_lock(&maps->lock);
	i = find(maps, iova);
	if (i < maps->nr) {
		*map = maps->list[i];
		ret = 0;
	}
	pthread_mutex_unlock(&maps->lock);
	return ret;
}

/* Where iova is with this right, and in *size_bytes how much from there on. NULL: nowhere. */
static uint8_t *reach(const struct user_maps *maps, uint64_t iova, uint32_t right, size_t *size_bytes)
{
	uint32_t i = find(maps, iova);
	const struct gw_dma_map *map;
	uint64_t offset;

	if (i == maps->nr)
		return NULL;
	map = &maps->list[i];
	if (map->iova > iova || !(map->prot & right))
		return NULL;
	offset = iova - map->iova;
	*size_bytes = min_u64(*size_bytes, map->size_bytes - offset);
	return (uint8_t *)map->hva + offset;
}

static int check(const struct user_maps *maps, uint64_t iova, size_t size_bytes, uint32_t right)
{
	if (!size_bytes)
		return 0;
	if (!range_is_sane(iova, size_bytes))
		return -EFAULT;
	while (size_bytes) {
		size_t part = size_bytes;

		if (!reach(maps, iova, right, &part))
			return -EFAULT;
		iova += part;
		size_bytes -= part;
	}
	return 0;
}

int user_maps_read(struct user_maps *maps, uint64_t iova, void *buf, size_t size_bytes)
{
	uint8_t *at = buf;
	int ret;

	pthread_mutex_lock(&maps->lock);
	ret = check(maps, iova, size_bytes, GW_DMA_READ);
	while (!ret && size_bytes) {
		size_t part = size_bytes;

		memcpy(at, reach(maps, iova, GW_DMA_READ, &part), part);
		iova += part;
		at += part;
		size_bytes -= part;
	}
	pthread_mutex_unlock(&maps->lock);
	return ret;
}

int user_maps_write(struct user_maps *maps, uint64_t iova, const void *buf, size_t size_bytes)
{
	const uint8_t *at = buf;
	int ret;

	pthread_mutex_lock(&maps->lock);
	ret = check(maps, iova, size_bytes, GW_DMA_WRITE);
	if (!ret && size_bytes)
		dma_log_mark(&maps->log, iova, size_bytes);
	while (!ret && size_bytes) {
		size_t part = size_bytes;

		memcpy(reach(maps, iova, GW_DMA_WRITE, &part), at, part);
		iova += part;
		at += part;
		size_bytes -= part;
	}
	pthread_mutex_unlock(&maps->lock);
	return ret;
}
