/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest RAM as this side has it mapped: up to GW_MAX_RAM_BLOCKS blocks, cut into chunks that are numbered through
 * all blocks. A chunk is LIMIT_CHUNK_BYTES of one block, counted from the block's start; the last of a block may
 * be shorter. Blocks keep the order in which they were given, so both sides number alike if their manifests agree.
 *
 * The memory belongs to the VMM. A struct ram does not change after ram_init: any thread may use it.
 */
#ifndef MEMORY_RAM_H
#define MEMORY_RAM_H

#include "model/limits.h"

#include <godwit/error.h>
#include <godwit/vm.h>
#include <stdbool.h>
#include <stdint.h>

struct ram {
	struct gw_ram_block blocks[GW_MAX_RAM_BLOCKS];
	uint32_t nr_blocks;
	uint64_t first_chunk[GW_MAX_RAM_BLOCKS + 1]; /* of each block; then nr_chunks */
	uint64_t nr_chunks;
	uint64_t total_pages;
};

struct ram_chunk {
	uint32_t block;
	uint32_t nr_pages;
	uint64_t first_page; /* in the block; a multiple of LIMIT_CHUNK_PAGES */
	uint64_t gpa;
	uint8_t *hva;
};

/*
 * Copies the list. -EINVAL, with a sentence that names the block: no block or too many, an id that is empty, too
 * long or twice there, addresses or a size off a page, overlap (of gpa or hva), more than LIMIT_RAM_BYTES in all.
 */
int ram_init(struct ram *ram, const struct gw_ram_block *blocks, uint32_t nr_blocks, struct gw_error *e);

static inline uint64_t ram_block_pages(const struct ram *ram, uint32_t block)
{
	return ram->blocks[block].size_bytes / GW_PAGE_BYTES;
}

/* chunk must be below nr_chunks. */
void ram_chunk_at(const struct ram *ram, uint64_t chunk, struct ram_chunk *at);

/* Where [gpa, gpa + size_bytes) is mapped; NULL unless it is wholly inside one block and not empty. */
void *ram_hva(const struct ram *ram, uint64_t gpa, uint64_t size_bytes);

/* 0, or -ENOENT: no RAM at gpa. */
int ram_chunk_of(const struct ram *ram, uint64_t gpa, uint64_t *chunk);

/*
 * Makes the kernel back the chunks part, part + nr_parts, part + 2 * nr_parts, ... with memory, writable, so that no
 * page fault stands under the data that comes later. Contents stay as they are, whoever writes at the same time; a
 * chunk that is there already costs next to nothing.
 * go_on(arg) is asked before each chunk, may be NULL. 0, -ECANCELED (go_on said no), or -errno with a sentence.
 */
int ram_populate(const struct ram *ram, unsigned part, unsigned nr_parts, bool (*go_on)(void *arg), void *arg,
		 struct gw_error *e);

#endif
