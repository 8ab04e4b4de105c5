/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What DMA is mapped for a kernel device: the kernel knows it too and does not tell. Dirty bits of an IOMMU can only
 * be asked for where something is mapped. No lock of its own: its owner has one.
 */
#ifndef DEVICE_KERNEL_MAPS_H
#define DEVICE_KERNEL_MAPS_H

#include <godwit/device.h>
#include <stdint.h>

struct kernel_map {
	uint64_t first, last; /* IOVA, both included */
	uint32_t prot;        /* GW_DMA_* */
};

struct kernel_maps {
	struct kernel_map *list; /* ascending, disjoint: the kernel takes no others */
	uint32_t nr, room;
};

void kernel_maps_fini(struct kernel_maps *maps);
int kernel_maps_reserve(struct kernel_maps *maps); /* room for one more; -ENOMEM */
void kernel_maps_add(struct kernel_maps *maps, const struct gw_dma_map *map);
/* Those that lie in the range as a whole. */
void kernel_maps_remove(struct kernel_maps *maps, uint64_t first, uint64_t last);
/* Those that reach into [first, last], one after the other; NULL: no more. */
const struct kernel_map *kernel_maps_first(const struct kernel_maps *maps, uint64_t first, uint64_t last);
const struct kernel_map *kernel_maps_next(const struct kernel_maps *maps, const struct kernel_map *map, uint64_t last);

#endif
