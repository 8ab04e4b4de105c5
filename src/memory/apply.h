/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The destination's side of a RAM frame: are its runs in this VM's RAM, where does the payload go, what becomes
 * zero. Used by the channel's thread, between the run list and the payload. What comes in was decoded by
 * wire/frame (order, no overlap, sane sizes); that it fits this RAM is decided here and nowhere else.
 */
#ifndef MEMORY_APPLY_H
#define MEMORY_APPLY_H

#include "memory/ram.h"
#include "model/page_run.h"

#include <stdint.h>
#include <sys/uio.h>

/* 0 and the chunk that all the runs lie in; -EBADMSG: no run, or one outside RAM, off a page, or of another chunk. */
int apply_check(const struct ram *ram, const struct page_run *runs, uint32_t nr_runs, uint64_t *chunk,
		struct gw_error *e);

/* Where the payload goes, run by run; as scan_iov. Only after apply_check. */
unsigned apply_iov(const struct ram *ram, const struct page_run *runs, uint32_t nr_runs, struct iovec *iov,
		   unsigned max);

/* Makes the zero runs zero; a page that already reads as zero is not written. Only after apply_check. */
void apply_zero(const struct ram *ram, const struct page_run *runs, uint32_t nr_runs);

#endif
