/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dirty set: a bitmap of pages a block, above them one bitmap of chunks that lets clean memory be passed over.
 *
 * Order of the two: who marks sets pages first, then the chunk; who takes clears the chunk first, then the pages.
 * Both are acquire and release, so a taker that cleared a mark sees the pages marked before it: a dirty page never
 * stays behind under a clear chunk bit. A chunk bit without pages can be left over, and is found to be empty.
 */
#include "memory/dirty.h"

#include "base/bitmap.h"

#include <errno.h>
#include <stdlib.h>

int dirty_init(struct dirty *dirty, const struct ram *ram)
{
	*dirty = (struct dirty){ .ram = ram };
	dirty->chunks = bitmap_new(ram->nr_chunks);
	if (!dirty->chunks)
		return -ENOMEM;
	for (uint32_t i = 0; i < ram->nr_blocks; i++) {
		dirty->maps[i] = bitmap_new(ram_block_pages(ram, i));
		if (!dirty->maps[i]) {
			dirty_fini(dirty);
			return -ENOMEM;
		}
	}
	return 0;
}

void dirty_fini(struct dirty *dirty)
{
	for (uint32_t i = 0; i < GW_MAX_RAM_BLOCKS; i++)
		free(dirty->maps[i]);
	free(dirty->chunks);
	*dirty = (struct dirty){ 0 };
}

/* nr pages of a block from first on. */
static void mark_pages(struct dirty *dirty, uint32_t block, uint64_t first, uint64_t nr)
{
	uint64_t first_chunk = first / LIMIT_CHUNK_PAGES;
	uint64_t last_chunk = (first + nr - 1) / LIMIT_CHUNK_PAGES;

	bitmap_set_range_atomic(dirty->maps[block], first, nr);
	bitmap_set_range_atomic(dirty->chunks, dirty->ram->first_chunk[block] + first_chunk,
				last_chunk - first_chunk + 1);
}

void dirty_mark_all(struct dirty *dirty)
{
	for (uint32_t i = 0; i < dirty->ram->nr_blocks; i++)
		mark_pages(dirty, i, 0, ram_block_pages(dirty->ram, i));
}

void dirty_mark(struct dirty *dirty, uint64_t gpa, uint64_t size_bytes)
{
	uint64_t last;

	if (size_bytes == 0)
		return;
	last = size_bytes - 1 > UINT64_MAX - gpa ? UINT64_MAX : gpa + (size_bytes - 1);
	for (uint32_t i = 0; i < dirty->ram->nr_blocks; i++) {
		const struct gw_ram_block *block = &dirty->ram->blocks[i];
		uint64_t from = max_u64(gpa, block->gpa);
		uint64_t to = min_u64(last, block->gpa + (block->size_bytes - 1));
		uint64_t first_page = (from - block->gpa) / GW_PAGE_BYTES;

		if (from <= to)
			mark_pages(dirty, i, first_page, (to - block->gpa) / GW_PAGE_BYTES - first_page + 1);
	}
}

static uint64_t *chunk_words(const struct dirty *dirty, const struct ram_chunk *at)
{
	return dirty->maps[at->block] + at->first_page / BITMAP_WORD_BITS;
}

static bool any_set(const uint64_t *words, size_t nr)
{
	uint64_t any = 0;

	for (size_t w = 0; w < nr; w++)
		any |= words[w];
	return any != 0;
}

uint64_t dirty_merge(struct dirty *dirty, uint32_t block, const uint64_t *bitmap)
{
	uint64_t left = ram_block_pages(dirty->ram, block);
	uint64_t *map = dirty->maps[block];
	uint64_t set = 0;

	for (uint64_t chunk = dirty->ram->first_chunk[block]; left; chunk++) {
		uint64_t nr = min_u64(left, LIMIT_CHUNK_PAGES);

		if (any_set(bitmap, bitmap_words(nr))) {
			set += bitmap_or_atomic(map, bitmap, nr);
			bitmap_set_range_atomic(dirty->chunks, chunk, 1);
		}
		map += LIMIT_CHUNK_WORDS;
		bitmap += LIMIT_CHUNK_WORDS;
		left -= nr;
	}
	return set;
}

/* The first chunk at or after from whose bit is set, or nr_chunks; others may be setting bits. */
static uint64_t next_marked(const struct dirty *dirty, uint64_t from)
{
	uint64_t nr = dirty->ram->nr_chunks;
	uint64_t skip = ~0ull << (from % BITMAP_WORD_BITS);

	for (size_t w = from / BITMAP_WORD_BITS; w < bitmap_words(nr); w++) {
		uint64_t bits = __atomic_load_n(&dirty->chunks[w], __ATOMIC_ACQUIRE) & skip;

		if (bits)
			return w * BITMAP_WORD_BITS + (unsigned)__builtin_ctzll(bits);
		skip = ~0ull;
	}
	return nr;
}

static uint64_t chunk_pages(const struct dirty *dirty, uint64_t chunk)
{
	struct ram_chunk at;

	ram_chunk_at(dirty->ram, chunk, &at);
	return bitmap_count(chunk_words(dirty, &at), at.nr_pages);
}

uint64_t dirty_pages(const struct dirty *dirty)
{
	uint64_t nr = 0, chunk = 0;

	while ((chunk = next_marked(dirty, chunk)) < dirty->ram->nr_chunks)
		nr += chunk_pages(dirty, chunk++);
	return nr;
}

unsigned dirty_take_chunk(struct dirty *dirty, uint64_t chunk, uint64_t words[LIMIT_CHUNK_WORDS])
{
	struct ram_chunk at;
	uint64_t *map;
	unsigned taken = 0;

	ram_chunk_at(dirty->ram, chunk, &at);
	map = chunk_words(dirty, &at);
	__atomic_fetch_and(&dirty->chunks[chunk / BITMAP_WORD_BITS], ~(1ull << (chunk % BITMAP_WORD_BITS)),
			   __ATOMIC_ACQ_REL);
	for (size_t w = 0; w < LIMIT_CHUNK_WORDS; w++) {
		words[w] = w < bitmap_words(at.nr_pages) ? bitmap_take_word_atomic(map, w) : 0;
		taken += (unsigned)__builtin_popcountll(words[w]);
	}
	return taken;
}

void dirty_return_chunk(struct dirty *dirty, uint64_t chunk, const uint64_t words[LIMIT_CHUNK_WORDS])
{
	struct ram_chunk at;

	ram_chunk_at(dirty->ram, chunk, &at);
	if (bitmap_or_atomic(chunk_words(dirty, &at), words, at.nr_pages))
		bitmap_set_range_atomic(dirty->chunks, chunk, 1);
}

uint64_t dirty_next_chunk(const struct dirty *dirty, uint64_t from, uint64_t step)
{
	uint64_t nr = dirty->ram->nr_chunks;

	while (from < nr) {
		uint64_t marked = next_marked(dirty, from);

		if (marked == from && chunk_pages(dirty, from))
			return from;
		/* On to the first of the sequence that is past from and not before marked. */
		from += marked == from ? step : DIV_ROUND_UP(marked - from, step) * step;
	}
	return nr;
}
