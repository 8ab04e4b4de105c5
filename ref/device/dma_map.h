/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest memory that the client has mapped for DMA: ranges of IOVA, each a shared mapping of the client's fd.
 * Sorted, disjoint. Under the device's lock; a map is removed only while the engine is held, so the pointer that
 * the engine got from a lookup stays good for the piece of work it is for.
 *
 * A map without fd is refused (EINVAL): the device would have to ask the client for every access by message, and
 * memory that it cannot reach itself is nothing that it could move records through at any rate.
 */
#ifndef REF_DEVICE_DMA_MAP_H
#define REF_DEVICE_DMA_MAP_H

#include <stddef.h>
#include <stdint.h>

#define DMA_MAP_MAX      4096
#define DMA_MAP_PAGESIZE 4096

#define DMA_READ  (1u << 0) /* the device may read; the protocol's flags */
#define DMA_WRITE (1u << 1)

struct dma_map {
	uint64_t iova;
	uint64_t size;
	uint8_t *hva;
	uint32_t rights;
};

struct dma_maps {
	struct dma_map *items;
	size_t nr;
};

/* fd is borrowed. -EEXIST: that very range is mapped; -EINVAL: overlaps, or not what the fd can hold. */
int ref_dma_map_add(struct dma_maps *maps, uint64_t iova, uint64_t size, int fd, uint64_t fd_offset, uint32_t rights);

/* Removes the maps inside the range. -EINVAL: it cuts one; -ENOENT: there is none in it. The engine is held. */
int ref_dma_map_remove(struct dma_maps *maps, uint64_t iova, uint64_t size);
void ref_dma_maps_clear(struct dma_maps *maps);

/* Where iova is, and in *size how much of the given size is contiguous there. NULL: not mapped with these rights. */
uint8_t *ref_dma_map_find(const struct dma_maps *maps, uint64_t iova, uint64_t *size, uint32_t rights);

#endif
