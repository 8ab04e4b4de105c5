/* SPDX-License-Identifier: BSD-3-Clause */
/* The maps of a kernel device: a sorted array, searched from the front; there are as many as RAM blocks. */
#include "device/kernel_maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void kernel_maps_fini(struct kernel_maps *maps)
{
	free(maps->list);
	*maps = (struct kernel_maps){ 0 };
}

int kernel_maps_reserve(struct kernel_maps *maps)
{
	uint32_t room = maps->room ? 2 * maps->room : 16;
	struct kernel_map *list;

	if (maps->nr < maps->room)
		return 0;
	list = realloc(maps->list, room * sizeof(*list));
	if (!list)
		return -ENOMEM;
	maps->list = list;
	maps->room = room;
	return 0;
}

/* The index of the first that ends at or after iova; nr if there is none. */
static uint32_t find(const struct kernel_maps *maps, uint64_t iova)
{
	uint32_t i = 0;

	while (i < maps->nr && maps->list[i].last < iova)
		i++;
	return i;
}

void kernel_maps_add(struct kernel_maps *maps, const struct gw_dma_map *map)
{
	uint32_t i = find(maps, map->iova);

	memmove(&maps->list[i + 1], &maps->list[i], (maps->nr - i) * sizeof(*maps->list));
	maps->list[i] = (struct kernel_map){
		.first = map->iova,
		.last = map->iova + (map->size_bytes - 1),
		.prot = map->prot,
	};
	maps->nr++;
}

void kernel_maps_remove(struct kernel_maps *maps, uint64_t first, uint64_t last)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < maps->nr; i++)
		if (maps->list[i].first < first || maps->list[i].last > last)
			maps->list[kept++] = maps->list[i];
	maps->nr = kept;
}

static const struct kernel_map *at(const struct kernel_maps *maps, uint32_t i, uint64_t last)
{
	return i < maps->nr && maps->list[i].first <= last ? &maps->list[i] : NULL;
}

const struct kernel_map *kernel_maps_first(const struct kernel_maps *maps, uint64_t first, uint64_t last)
{
	return at(maps, find(maps, first), last);
}

const struct kernel_map *kernel_maps_next(const struct kernel_maps *maps, const struct kernel_map *map, uint64_t last)
{
	return at(maps, (uint32_t)(map - maps->list) + 1, last);
}
