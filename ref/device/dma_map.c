/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA maps: a sorted array. Every number comes from the client, so each is checked before it is added to another.
 */
#include "ref/device/dma_map.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* The first map that ends after iova, or nr. */
static size_t first_after(const struct dma_maps *maps, uint64_t iova)
{
	size_t low = 0, high = maps->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (maps->items[mid].iova + (maps->items[mid].size - 1) < iova)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool range_fits(uint64_t start, uint64_t size, uint64_t alignment)
{
	return size && !(start % alignment) && !(size % alignment) && start + (size - 1) >= start;
}

/*
 * A page of a file beyond its end is a SIGBUS when touched. A client that shrinks its file later kills its own
 * device: nothing that the device could check now.
 */
static int check_fd(int fd, uint64_t offset, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < 0 || (uint64_t)st.st_size < size)
		return -EINVAL;
	return offset > (uint64_t)st.st_size - size ? -EINVAL : 0;
}

static int insert(struct dma_maps *maps, size_t at, const struct dma_map *map)
{
	struct dma_map *items;

	if (maps->nr == DMA_MAP_MAX)
		return -ENOSPC;
	items = realloc(maps->items, (maps->nr + 1) * sizeof(*items));
	if (!items)
		return -ENOMEM;
	memmove(items + at + 1, items + at, (maps->nr - at) * sizeof(*items));
	items[at] = *map;
	maps->items = items;
	maps->nr++;
	return 0;
}

int ref_dma_map_add(struct dma_maps *maps, uint64_t iova, uint64_t size, int fd, uint64_t fd_offset, uint32_t rights)
{
	struct dma_map map = { .iova = iova, .size = size, .rights = rights };
	int prot = (rights & DMA_READ ? PROT_READ : 0) | (rights & DMA_WRITE ? PROT_WRITE : 0);
	size_t at;
	int ret;

	if (!rights || rights & ~(DMA_READ | DMA_WRITE) || fd < 0)
		return -EINVAL;
	if (!range_fits(iova, size, DMA_MAP_PAGESIZE) || !range_fits(fd_offset, size, DMA_MAP_PAGESIZE))
		return -EINVAL;
	at = first_after(maps, iova);
	if (at < maps->nr && maps->items[at].iova <= iova + (size - 1))
		return maps->items[at].iova == iova && maps->items[at].size == size ? -EEXIST : -EINVAL;
	ret = check_fd(fd, fd_offset, size);
	if (ret)
		return ret;
	map.hva = mmap(NULL, size, prot, MAP_SHARED, fd, (off_t)fd_offset);
	if (map.hva == MAP_FAILED)
		return -errno;
	ret = insert(maps, at, &map);
	if (ret)
		munmap(map.hva, size);
	return ret;
}

int ref_dma_map_remove(struct dma_maps *maps, uint64_t iova, uint64_t size)
{
	uint64_t last = iova + (size - 1);
	size_t first, end;

	if (!range_fits(iova, size, DMA_MAP_PAGESIZE))
		return -EINVAL;
	first = first_after(maps, iova);
	for (end = first; end < maps->nr && maps->items[end].iova <= last; end++)
		if (maps->items[end].iova < iova || maps->items[end].iova + (maps->items[end].size - 1) > last)
			return -EINVAL;
	if (end == first)
		return -ENOENT;
	for (size_t i = first; i < end; i++)
		munmap(maps->items[i].hva, maps->items[i].size);
	memmove(maps->items + first, maps->items + end, (maps->nr - end) * sizeof(*maps->items));
	maps->nr -= end - first;
	return 0;
}

void ref_dma_maps_clear(struct dma_maps *maps)
{
	for (size_t i = 0; i < maps->nr; i++)
		munmap(maps->items[i].hva, maps->items[i].size);
	free(maps->items);
	*maps = (struct dma_maps){ 0 };
}

uint8_t *ref_dma_map_find(const struct dma_maps *maps, uint64_t iova, uint64_t *size, uint32_t rights)
{
	size_t at = first_after(maps, iova);
	const struct dma_map *map;
	uint64_t inside;

	if (at == maps->nr)
		return NULL;
	map = &maps->items[at];
	if (map->iova > iova || rights & ~map->rights)
		return NULL;
	inside = map->size - (iova - map->iova);
	if (inside < *size)
		*size = inside;
	return map->hva + (iova - map->iova);
}
