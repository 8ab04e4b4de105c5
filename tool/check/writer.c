/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest memory for a device to write, and the way to make it: see check.h. A page of memory of our own is mapped where
 * it is to write, for as long as that takes; what a log says of it afterwards does not depend on the map.
 */
#include "refdev.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_BYTES 4096u

bool trial_has_writer(const struct trial *t)
{
	return refdev_is(&t->info);
}

static int write_mapped(struct gw_device *dev, const struct gw_dma_map *map, uint64_t iova)
{
	int ret = gw_device_dma_map(dev, map, NULL), unmapped;

	if (ret)
		return ret;
	ret = refdev_write_guest(dev, iova & ~(uint64_t)7);
	unmapped = gw_device_dma_unmap(dev, map->iova, map->size_bytes, NULL);
	return ret ? ret : unmapped;
}

int trial_write_guest(struct trial *t, uint64_t iova)
{
	struct gw_dma_map map = { .iova = iova & ~(uint64_t)(PAGE_BYTES - 1),
				  .size_bytes = PAGE_BYTES,
				  .prot = GW_DMA_READ | GW_DMA_WRITE };
	int ret;

	if (!trial_has_writer(t))
		return -EOPNOTSUPP;
	map.fd = memfd_create("godwit-check", MFD_CLOEXEC);
	if (map.fd < 0)
		return -errno;
	ret = ftruncate(map.fd, PAGE_BYTES) ? -errno : 0;
	if (!ret) {
		map.hva = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, map.fd, 0);
		ret = map.hva == MAP_FAILED ? -errno : write_mapped(t->dev, &map, iova);
		if (map.hva != MAP_FAILED)
			munmap(map.hva, PAGE_BYTES);
	}
	close(map.fd);
	return ret;
}
