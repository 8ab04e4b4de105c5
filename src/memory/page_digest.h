/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For GW_VERIFY: a table of one XXH3-64 a page, kept on each side as pages are sent or land, and compared as one
 * number at the end. The source hashes a page after it took its dirty bit; if the guest writes it later, it is sent
 * and hashed again, so the last value is the value at the switchover. 0 means "never sent or landed".
 *
 * Threads may work on different chunks at once. page_digest_total needs them to have ended.
 */
#ifndef MEMORY_PAGE_DIGEST_H
#define MEMORY_PAGE_DIGEST_H

#include "memory/ram.h"
#include "model/page_run.h"

#include <stdint.h>

struct page_digest {
	const struct ram *ram;
	uint64_t *tables[GW_MAX_RAM_BLOCKS];
	uint64_t zero; /* the digest of a zero page */
};

int page_digest_init(struct page_digest *pd, const struct ram *ram); /* 0 or -ENOMEM */
void page_digest_fini(struct page_digest *pd);                       /* also of a zeroed struct, also twice */

/* The pages of the runs as they now are in RAM; those of zero runs are taken as zero. Each run lies in a chunk. */
void page_digest_runs(struct page_digest *pd, const struct page_run *runs, uint32_t nr_runs);

/* Every page of a chunk as it now is in RAM. */
void page_digest_range(struct page_digest *pd, uint64_t chunk);

/* XXH3-64 of the tables of all blocks by ascending gpa, each entry little-endian: the same on both sides. */
uint64_t page_digest_total(const struct page_digest *pd);

#endif
