/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Digests of pages, for comparing RAM between the two sides. An entry is written by the thread that has the page's
 * chunk, so the tables need no lock.
 */
#include "memory/page_digest.h"

#include "memory/scan.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

#define XXH_STATIC_LINKING_ONLY /* for the size of XXH3_state_t */
#include <xxhash.h>

/* 0 is kept for "never". */
static uint64_t digest_of(const void *page)
{
	uint64_t digest = XXH3_64bits(page, GW_PAGE_BYTES);

	return digest ? digest : 1;
}

int page_digest_init(struct page_digest *pd, const struct ram *ram)
{
	static const uint64_t zero_page[GW_PAGE_BYTES / sizeof(uint64_t)];

	*pd = (struct page_digest){ .ram = ram, .zero = digest_of(zero_page) };
	for (uint32_t i = 0; i < ram->nr_blocks; i++) {
		pd->tables[i] = calloc(ram_block_pages(ram, i), sizeof(uint64_t));
		if (!pd->tables[i]) {
			page_digest_fini(pd);
			return -ENOMEM;
		}
	}
	return 0;
}

void page_digest_fini(struct page_digest *pd)
{
	for (uint32_t i = 0; i < GW_MAX_RAM_BLOCKS; i++)
		free(pd->tables[i]);
	*pd = (struct page_digest){ 0 };
}

static void digest_pages(const uint8_t *hva, uint64_t *table, uint32_t nr_pages, uint64_t zero)
{
	for (uint32_t i = 0; i < nr_pages; i++, hva += GW_PAGE_BYTES)
		table[i] = page_is_zero(hva) ? zero : digest_of(hva);
}

/* A run lies in one chunk. */
static void digest_run(struct page_digest *pd, const struct page_run *run)
{
	struct ram_chunk at;
	uint64_t chunk, first;
	uint64_t *table;

	if (ram_chunk_of(pd->ram, run->gpa, &chunk))
		return;
	ram_chunk_at(pd->ram, chunk, &at);
	first = (run->gpa - at.gpa) / GW_PAGE_BYTES;
	assert(first + run->nr_pages <= at.nr_pages);
	table = pd->tables[at.block] + at.first_page + first;
	if (!(run->flags & RUN_ZERO))
		digest_pages(at.hva + first * GW_PAGE_BYTES, table, run->nr_pages, pd->zero);
	else
		for (uint32_t i = 0; i < run->nr_pages; i++)
			table[i] = pd->zero;
}

void page_digest_runs(struct page_digest *pd, const struct page_run *runs, uint32_t nr_runs)
{
	for (uint32_t i = 0; i < nr_runs; i++)
		digest_run(pd, &runs[i]);
}

void page_digest_range(struct page_digest *pd, uint64_t chunk)
{
	struct ram_chunk at;

	ram_chunk_at(pd->ram, chunk, &at);
	digest_pages(at.hva, pd->tables[at.block] + at.first_page, at.nr_pages, pd->zero);
}

/* The block with the lowest gpa above the last one's; both sides come by the same order whatever their lists' is. */
static uint32_t next_block(const struct ram *ram, uint32_t last)
{
	uint32_t next = ram->nr_blocks;

	for (uint32_t i = 0; i < ram->nr_blocks; i++)
		if ((last == ram->nr_blocks || ram->blocks[i].gpa > ram->blocks[last].gpa) &&
		    (next == ram->nr_blocks || ram->blocks[i].gpa < ram->blocks[next].gpa))
			next = i;
	return next;
}

static void add_table(XXH3_state_t *state, const uint64_t *table, uint64_t nr)
{
	uint64_t entries[LIMIT_CHUNK_PAGES];

	for (uint64_t done = 0; done < nr;) {
		uint64_t n = min_u64(nr - done, LIMIT_CHUNK_PAGES);

		for (uint64_t i = 0; i < n; i++)
			entries[i] = htole64(table[done + i]);
		XXH3_64bits_update(state, entries, n * sizeof(entries[0]));
		done += n;
	}
}

uint64_t page_digest_total(const struct page_digest *pd)
{
	XXH3_state_t state; /* on the stack: XXH3_64bits_reset sets all of it, and it is aligned by its type */
	uint32_t block = pd->ram->nr_blocks;

	XXH3_64bits_reset(&state);
	for (uint32_t i = 0; i < pd->ram->nr_blocks; i++) {
		block = next_block(pd->ram, block);
		add_table(&state, pd->tables[block], ram_block_pages(pd->ram, block));
	}
	return XXH3_64bits_digest(&state);
}
