/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Guest RAM: checks of the list that the VMM gives, the arithmetic of chunks, and populating. No state beside
 * struct ram; any thread.
 */
#include "memory/ram.h"

#include "base/err.h"
#include "memory/uapi.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int check_block(const struct gw_ram_block *block, uint32_t index, struct gw_error *e)
{
	if (!block->id[0] || !memchr(block->id, 0, sizeof(block->id)))
		return err_set(e, -EINVAL, "ram", "RAM block %u: its id is empty or longer than %zu bytes", index,
			       sizeof(block->id) - 1);
	if (!block->hva || !is_aligned((uintptr_t)block->hva, GW_PAGE_BYTES) ||
	    !is_aligned(block->gpa, GW_PAGE_BYTES) || !is_aligned(block->size_bytes, GW_PAGE_BYTES))
		return err_set(e, -EINVAL, "ram", "RAM block %s: address or size is not a multiple of %u", block->id,
			       GW_PAGE_BYTES);
	if (block->size_bytes > LIMIT_RAM_BYTES || !range_is_sane(block->gpa, block->size_bytes) ||
	    !range_is_sane((uintptr_t)block->hva, block->size_bytes))
		return err_set(e, -EINVAL, "ram", "RAM block %s: a size of %llu bytes cannot be", block->id,
			       (unsigned long long)block->size_bytes);
	return 0;
}

/* Two sane ranges. */
static bool overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a <= b + (b_size - 1) && b <= a + (a_size - 1);
}

static int check_pair(const struct gw_ram_block *a, const struct gw_ram_block *b, struct gw_error *e)
{
	if (!strcmp(a->id, b->id))
		return err_set(e, -EINVAL, "ram", "two RAM blocks have the id %s", a->id);
	if (overlap(a->gpa, a->size_bytes, b->gpa, b->size_bytes))
		return err_set(e, -EINVAL, "ram", "RAM blocks %s and %s overlap in guest addresses", a->id, b->id);
	if (overlap((uintptr_t)a->hva, a->size_bytes, (uintptr_t)b->hva, b->size_bytes))
		return err_set(e, -EINVAL, "ram", "RAM blocks %s and %s are the same memory of this process", a->id,
			       b->id);
	return 0;
}

int ram_init(struct ram *ram, const struct gw_ram_block *blocks, uint32_t nr_blocks, struct gw_error *e)
{
	int ret;

	*ram = (struct ram){ 0 };
	if (nr_blocks == 0 || nr_blocks > GW_MAX_RAM_BLOCKS)
		return err_set(e, -EINVAL, "ram", "%u RAM blocks: it must be 1 to %d", nr_blocks, GW_MAX_RAM_BLOCKS);

	for (uint32_t i = 0; i < nr_blocks; i++) {
		ret = check_block(&blocks[i], i, e);
		for (uint32_t k = 0; k < i && !ret; k++)
			ret = check_pair(&blocks[k], &blocks[i], e);
		if (ret)
			return ret;
		ram->blocks[i] = blocks[i];
		ram->first_chunk[i] = ram->nr_chunks;
		ram->nr_chunks += DIV_ROUND_UP(blocks[i].size_bytes, LIMIT_CHUNK_BYTES);
		ram->total_pages += blocks[i].size_bytes / GW_PAGE_BYTES;
	}
	if (ram->total_pages > LIMIT_RAM_BYTES / GW_PAGE_BYTES)
		return err_set(e, -EINVAL, "ram", "more RAM than %llu bytes in all", LIMIT_RAM_BYTES);
	for (uint32_t i = nr_blocks; i <= GW_MAX_RAM_BLOCKS; i++)
		ram->first_chunk[i] = ram->nr_chunks;
	ram->nr_blocks = nr_blocks;
	return 0;
}

void ram_chunk_at(const struct ram *ram, uint64_t chunk, struct ram_chunk *at)
{
	const struct gw_ram_block *block;
	uint32_t i = 0;
	uint64_t offset;

	while (chunk >= ram->first_chunk[i + 1])
		i++;
	block = &ram->blocks[i];
	offset = (chunk - ram->first_chunk[i]) * LIMIT_CHUNK_BYTES;
	at->block = i;
	at->first_page = offset / GW_PAGE_BYTES;
	at->nr_pages = (uint32_t)(min_u64(block->size_bytes - offset, LIMIT_CHUNK_BYTES) / GW_PAGE_BYTES);
	at->gpa = block->gpa + offset;
	at->hva = (uint8_t *)block->hva + offset;
}

/* The block that gpa is in, or nr_blocks. */
static uint32_t block_of(const struct ram *ram, uint64_t gpa)
{
	uint32_t i;

	for (i = 0; i < ram->nr_blocks; i++)
		if (gpa >= ram->blocks[i].gpa && gpa - ram->blocks[i].gpa < ram->blocks[i].size_bytes)
			break;
	return i;
}

void *ram_hva(const struct ram *ram, uint64_t gpa, uint64_t size_bytes)
{
	uint32_t i = block_of(ram, gpa);
	uint64_t offset;

	if (i == ram->nr_blocks || size_bytes == 0)
		return NULL;
	offset = gpa - ram->blocks[i].gpa;
	if (size_bytes > ram->blocks[i].size_bytes - offset)
		return NULL;
	return (uint8_t *)ram->blocks[i].hva + offset;
}

int ram_chunk_of(const struct ram *ram, uint64_t gpa, uint64_t *chunk)
{
	uint32_t i = block_of(ram, gpa);

	if (i == ram->nr_blocks)
		return -ENOENT;
	*chunk = ram->first_chunk[i] + (gpa - ram->blocks[i].gpa) / LIMIT_CHUNK_BYTES;
	return 0;
}

/*
 * A write that changes nothing, also while others write: the exchange of a value for itself. (An atomic "or 0" may
 * be compiled to a load.)
 */
static void touch(uint8_t *hva, uint64_t size_bytes, uint64_t page_bytes)
{
	for (uint64_t at = 0; at < size_bytes; at += page_bytes) {
		uint8_t value = __atomic_load_n(hva + at, __ATOMIC_RELAXED);

		while (!__atomic_compare_exchange_n(hva + at, &value, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			;
	}
}

/*
 * Is every page of at most a chunk there? The RAM of a VM with VFIO devices is, since it was mapped for DMA; to ask
 * costs a fiftieth of populating it again, while the first round needs the processors.
 */
static bool is_there(void *at, uint64_t size_bytes, uint64_t page_bytes)
{
	unsigned char there[LIMIT_CHUNK_PAGES + 1], all = 1;
	uint64_t nr = DIV_ROUND_UP(size_bytes, page_bytes);

	assert(nr <= sizeof(there));
	if (mincore(at, size_bytes, there))
		return false;
	for (uint64_t i = 0; i < nr; i++)
		all &= there[i];
	return all;
}

/* A chunk at most. hva need not be on a page of the host, whose pages may be larger than godwit's. */
static int populate(uint8_t *hva, uint64_t size_bytes)
{
	uint64_t page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t lead = (uintptr_t)hva & (page_bytes - 1);

	if (is_there(hva - lead, size_bytes + lead, page_bytes))
		return 0;
	while (madvise(hva - lead, size_bytes + lead, MADV_POPULATE_WRITE)) {
		if (errno == EAGAIN || errno == EINTR)
			continue;
		if (errno != EINVAL)
			return -errno;
		touch(hva, size_bytes, GW_PAGE_BYTES); /* a kernel before 5.14, or memory of another kind */
		break;
	}
	return 0;
}

int ram_populate(const struct ram *ram, unsigned part, unsigned nr_parts, bool (*go_on)(void *arg), void *arg,
		 struct gw_error *e)
{
	struct ram_chunk at;
	int ret;

	for (uint64_t chunk = part; chunk < ram->nr_chunks; chunk += nr_parts) {
		if (go_on && !go_on(arg))
			return -ECANCELED;
		ram_chunk_at(ram, chunk, &at);
		ret = populate(at.hva, (uint64_t)at.nr_pages * GW_PAGE_BYTES);
		if (ret)
			return err_set(e, ret, "ram", "no memory for guest RAM at 0x%llx (block %s): %s",
				       (unsigned long long)at.gpa, ram->blocks[at.block].id, strerror(-ret));
	}
	return 0;
}
