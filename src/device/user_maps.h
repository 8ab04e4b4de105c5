/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest memory a vfio-user server may reach, and the log of what it wrote there. Used by the callers of
 * dma_map and dma_unmap, by the migrating thread and by the reading threads, which serve DMA from it: one lock, and
 * memory is touched and logged under it, so a map that is removed is not in use, and no write falls between.
 */
#ifndef DEVICE_USER_MAPS_H
#define DEVICE_USER_MAPS_H

#include "device/dma_log.h"

#include <godwit/device.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct user_maps {
	pthread_mutex_t lock;
	struct gw_dma_map *list; /* ascending, disjoint */
	uint32_t nr, room;
	struct dma_log log;
};

void user_maps_init(struct user_maps *maps);
void user_maps_fini(struct user_maps *maps);

/* -EEXIST: overlaps one; -ENOSPC: there are max already; -ENOMEM. */
int user_maps_add(struct user_maps *maps, const struct gw_dma_map *map, uint32_t max);
/*
 * The map that begins there; none: nothing happens. If the device could write it, all of it counts as written: a
 * server's log of a map may go with the map, and nobody can be asked afterwards.
 */
void user_maps_remove(struct user_maps *maps, uint64_t iova);
/* The first map that ends at or after iova. -ENOENT: none. */
int user_maps_next(struct user_maps *maps, uint64_t iova, struct gw_dma_map *map);

/* DMA by message. -EFAULT: not mapped, or not with that right; nothing was moved then. */
int user_maps_read(struct user_maps *maps, uint64_t iova, void *buf, size_t size_bytes);
int user_maps_write(struct user_maps *maps, uint64_t iova, const void *buf, size_t size_bytes);

#endif
