/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest RAM: one memfd, mapped once, shared, populated. The guest sees it as an x86 guest does: up to 3 GiB from
 * address 0, the rest from 4 GiB. Inside this VM a page is named by its place in the file ("page"), to devices
 * by its guest address ("gpa"); below 3 GiB the two are the same.
 */
#ifndef REF_BASE_GUEST_MEMORY_H
#define REF_BASE_GUEST_MEMORY_H

#include <godwit/vm.h>

#define GUEST_MEMORY_MAX_BLOCKS 2
#define GUEST_MEMORY_HOLE       (3ull << 30)
#define GUEST_MEMORY_ABOVE_HOLE (4ull << 30)

struct guest_memory {
	uint8_t *hva;
	uint64_t size_bytes;
	int fd;
	uint32_t nr_blocks;
	struct gw_ram_block blocks[GUEST_MEMORY_MAX_BLOCKS];
};

#define GUEST_MEMORY_CLOSED \
	{                   \
		.fd = -1    \
	}

/* Too little memory in this host is -ENOMEM with the figures, not a process killed later. */
int guest_memory_open(struct guest_memory *memory, uint64_t size_bytes, struct gw_error *e);
void guest_memory_close(struct guest_memory *memory);

/* Lets a device reach all of it, at iova = gpa. A device that cannot do DMA at all is fine. */
int guest_memory_map(const struct guest_memory *memory, struct gw_device *dev, struct gw_error *e);

#endif
