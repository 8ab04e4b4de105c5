/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dirty set of the source: a bit for each guest page that has still to be sent. Any number of threads may mark,
 * merge, count and take at once; init and fini need an owner. A page's bit is taken before the page is read, so a
 * write that the log reports later marks it again and it is sent again.
 */
#ifndef MEMORY_DIRTY_H
#define MEMORY_DIRTY_H

#include "memory/ram.h"

#include <stdint.h>

struct dirty {
	const struct ram *ram;
	uint64_t *maps[GW_MAX_RAM_BLOCKS]; /* a bit a page */
	uint64_t *chunks;                  /* a bit a chunk: clear means that none of its pages is dirty */
};

int dirty_init(struct dirty *dirty, const struct ram *ram); /* all clean. 0 or -ENOMEM; fini is due only after 0 */
void dirty_fini(struct dirty *dirty);                       /* also of a zeroed struct, also twice */

void dirty_mark_all(struct dirty *dirty);

/* The pages that [gpa, gpa + size_bytes) touches; what of it is not RAM is ignored. */
void dirty_mark(struct dirty *dirty, uint64_t gpa, uint64_t size_bytes);

/* ORs a log's bitmap of a block in, bit 0 for its first page. Returns how many pages are newly dirty. */
uint64_t dirty_merge(struct dirty *dirty, uint32_t block, const uint64_t *bitmap);

/* How many pages are dirty: exact while nobody marks or takes. */
uint64_t dirty_pages(const struct dirty *dirty);

/* Moves the chunk's bits into words (bit 0: its first page) and returns how many were set. */
unsigned dirty_take_chunk(struct dirty *dirty, uint64_t chunk, uint64_t words[LIMIT_CHUNK_WORDS]);

/* Puts back what was taken and did not arrive. Bits past the chunk's last page are ignored. */
void dirty_return_chunk(struct dirty *dirty, uint64_t chunk, const uint64_t words[LIMIT_CHUNK_WORDS]);

/* The first of from, from + step, from + 2 * step, ... with a dirty page, or ram->nr_chunks. step > 0. */
uint64_t dirty_next_chunk(const struct dirty *dirty, uint64_t from, uint64_t step);

#endif
