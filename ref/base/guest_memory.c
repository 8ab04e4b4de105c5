/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest RAM: a memfd, its blocks, and their DMA maps. */
#include "ref/base/guest_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* A memfd has no limit of its own: past what is free, populating it wakes the OOM killer. 0: not known. */
static uint64_t host_available_bytes(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f) && sscanf(line, "MemAvailable: %llu kB", &kib) != 1)
		;
	fclose(f);
	return kib << 10;
}

static void touch_pages(uint8_t *hva, uint64_t size_bytes)
{
	for (uint64_t at = 0; at < size_bytes; at += GW_PAGE_BYTES)
		*(volatile uint8_t *)(hva + at) = 0;
}

static int populate(struct guest_memory *memory)
{
	if (!madvise(memory->hva, memory->size_bytes, MADV_POPULATE_WRITE))
		return 0;
	if (errno != EINVAL)
		return -errno;
	touch_pages(memory->hva, memory->size_bytes);
	return 0;
}

static void add_block(struct guest_memory *memory, uint64_t gpa, uint64_t offset, uint64_t size_bytes)
{
	struct gw_ram_block *block = &memory->blocks[memory->nr_blocks];

	snprintf(block->id, sizeof(block->id), "ram%u", memory->nr_blocks);
	block->gpa = gpa;
	block->size_bytes = size_bytes;
	block->hva = memory->hva + offset;
	memory->nr_blocks++;
}

static int map_and_populate(struct guest_memory *memory, uint64_t size_bytes)
{
	void *hva;

	memory->fd = memfd_create("guest-ram", MFD_CLOEXEC);
	if (memory->fd < 0 || ftruncate(memory->fd, (off_t)size_bytes))
		return -errno;
	hva = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory->fd, 0);
	if (hva == MAP_FAILED)
		return -errno;
	memory->hva = hva;
	memory->size_bytes = size_bytes;
	return populate(memory);
}

int guest_memory_open(struct guest_memory *memory, uint64_t size_bytes, struct gw_error *e)
{
	uint64_t low = size_bytes < GUEST_MEMORY_HOLE ? size_bytes : GUEST_MEMORY_HOLE;
	uint64_t available = host_available_bytes();
	int ret;

	*memory = (struct guest_memory)GUEST_MEMORY_CLOSED;
	if (available && size_bytes > available)
		return gw_error_set(e, -ENOMEM, "guest RAM", "%llu MiB are asked for, this host has %llu MiB free",
				    (unsigned long long)(size_bytes >> 20), (unsigned long long)(available >> 20));
	ret = map_and_populate(memory, size_bytes);
	if (ret) {
		guest_memory_close(memory);
		return gw_error_set(e, ret, "guest RAM", "%llu MiB could not be had: %s",
				    (unsigned long long)(size_bytes >> 20), strerror(-ret));
	}
	add_block(memory, 0, 0, low);
	if (low < size_bytes)
		add_block(memory, GUEST_MEMORY_ABOVE_HOLE, low, size_bytes - low);
	return 0;
}

void guest_memory_close(struct guest_memory *memory)
{
	if (memory->hva)
		munmap(memory->hva, memory->size_bytes);
	if (memory->fd >= 0)
		close(memory->fd);
	*memory = (struct guest_memory)GUEST_MEMORY_CLOSED;
}

int guest_memory_map(const struct guest_memory *memory, struct gw_device *dev, struct gw_error *e)
{
	for (uint32_t i = 0; i < memory->nr_blocks; i++) {
		const struct gw_ram_block *block = &memory->blocks[i];
		struct gw_dma_map map = {
			.iova = block->gpa,
			.size_bytes = block->size_bytes,
			.hva = block->hva,
			.fd = memory->fd,
			.fd_offset = (uint64_t)((uint8_t *)block->hva - memory->hva),
			.prot = GW_DMA_READ | GW_DMA_WRITE,
		};
		struct gw_error cause = GW_ERROR_NONE;
		int ret = gw_device_dma_map(dev, &map, &cause);

		if (ret == -EOPNOTSUPP)
			return 0;
		if (ret)
			return gw_error_set(e, ret, gw_device_id(dev), "%s cannot be mapped for DMA: %s", block->id,
					    cause.code ? cause.what : strerror(-ret));
	}
	return 0;
}
