/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs on the destination: checked against this VM's RAM, then made real. Any thread, each on its own chunks. The
 * list comes from the peer.
 */
#include "memory/apply.h"

#include "base/err.h"
#include "memory/scan.h"

#include <errno.h>
#include <string.h>

/* Does the run lie in one chunk? */
static bool run_chunk(const struct ram *ram, const struct page_run *run, uint64_t *chunk)
{
	uint64_t size_bytes = (uint64_t)run->nr_pages * GW_PAGE_BYTES;
	uint64_t last;

	if (!is_aligned(run->gpa, GW_PAGE_BYTES) || run->nr_pages > LIMIT_CHUNK_PAGES ||
	    !ram_hva(ram, run->gpa, size_bytes))
		return false;
	return !ram_chunk_of(ram, run->gpa, chunk) && !ram_chunk_of(ram, run->gpa + size_bytes - 1, &last) &&
	       last == *chunk;
}

int apply_check(const struct ram *ram, const struct page_run *runs, uint32_t nr_runs, uint64_t *chunk,
		struct gw_error *e)
{
	uint64_t first = 0, other;

	if (nr_runs == 0)
		return err_set(e, -EBADMSG, "peer", "a RAM frame without pages");
	for (uint32_t i = 0; i < nr_runs; i++) {
		if (!run_chunk(ram, &runs[i], i ? &other : &first))
			return err_set(e, -EBADMSG, "peer",
				       "a RAM frame for %u pages at 0x%llx, where this VM has "
				       "no such piece of RAM",
				       runs[i].nr_pages, (unsigned long long)runs[i].gpa);
		if (i && other != first)
			return err_set(e, -EBADMSG, "peer",
				       "a RAM frame with pages at 0x%llx and 0x%llx, which do not "
				       "travel together",
				       (unsigned long long)runs[0].gpa, (unsigned long long)runs[i].gpa);
	}
	*chunk = first;
	return 0;
}

unsigned apply_iov(const struct ram *ram, const struct page_run *runs, uint32_t nr_runs, struct iovec *iov,
		   unsigned max)
{
	return scan_iov(ram, runs, nr_runs, iov, max); /* scattered where it was gathered */
}

void apply_zero(const struct ram *ram, const struct page_run *runs, uint32_t nr_runs)
{
	for (uint32_t i = 0; i < nr_runs; i++) {
		uint64_t size_bytes = (uint64_t)runs[i].nr_pages * GW_PAGE_BYTES;
		uint8_t *hva;

		if (!(runs[i].flags & RUN_ZERO))
			continue;
		hva = ram_hva(ram, runs[i].gpa, size_bytes);
		for (uint64_t at = 0; at < size_bytes; at += GW_PAGE_BYTES)
			if (!page_is_zero(hva + at))
				memset(hva + at, 0, GW_PAGE_BYTES);
	}
}
