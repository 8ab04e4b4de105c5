/* SPDX-License-Identifier: BSD-3-Clause */
/* A run of neighbouring guest pages that are sent the same way: with their bytes, or as a mark that all are zero. */
#ifndef MODEL_PAGE_RUN_H
#define MODEL_PAGE_RUN_H

#include <stdint.h>

#define RUN_ZERO  (1u << 0) /* no payload: the pages are zero */
#define RUN_FLAGS RUN_ZERO

struct page_run {
	uint64_t gpa;      /* of the first page */
	uint32_t nr_pages; /* of GW_PAGE_BYTES, at least 1 */
	uint32_t flags;    /* RUN_* */
};

#endif
