/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The work of one vCPU: it owns a slice of RAM and writes its pages pass after pass, each pass in another order, and
 * before it writes a page it looks whether the page still holds, byte for byte, what was written last. Now and then
 * it takes a page of its free memory (zeros until then) into use for good. What every page must hold follows from
 * pass and position; that is all that moves with the guest. One thread at a time; counters may be read by any.
 */
#ifndef REF_GUEST_WORK_H
#define REF_GUEST_WORK_H

#include "ref/base/blob.h"
#include "ref/guest/integrity.h"
#include "ref/vm/ref_vm.h"

#include <stdatomic.h>
#include <stdint.h>

/* Pages of the file that guest RAM is. */
struct work_slice {
	uint64_t first_page; /* written pass after pass */
	uint64_t nr_pages;   /* at least 1 */
	uint64_t first_free_page;
	uint64_t nr_free_pages;
};

struct work {
	uint8_t *ram;
	struct integrity *integrity;
	struct work_slice slice;
	uint64_t seed;

	/* The state. Pass p writes version p; pass 1 is the filling at the start. */
	uint64_t pass;
	uint64_t position;      /* pages of this pass written */
	uint64_t nr_used_pages; /* of the free ones */
	_Atomic uint64_t pages_written;
	_Atomic uint64_t pages_checked;

	/* Of this pass: the page written at position i is (i * step + offset) % nr_pages. */
	uint64_t step;
	uint64_t offset;
};

/*
 * Cuts nr_pages of RAM, of which the first nr_reserved are not the vCPUs', into nr slices; this is the index-th. How
 * much of it is written and how much is free is what fill says.
 */
struct work_slice work_slice_of(uint64_t nr_pages, uint64_t nr_reserved, enum ref_vm_fill fill, uint32_t nr,
				uint32_t index);

void work_init(struct work *work, uint8_t *ram, const struct work_slice *slice, uint64_t seed,
	       struct integrity *integrity);

/* The first pass, at once. */
void work_fill(struct work *work);

/* Checks and writes one page; returns the bytes written. */
uint64_t work_step(struct work *work);

/* Every page of the slice, free ones too. */
void work_check(struct work *work);

/*
 * A copy of a work that is done elsewhere, from memory that anybody may have written to: from then on its own in this
 * RAM of nr_pages. -EBADMSG: could not be a work in it.
 */
int work_adopt(struct work *work, uint8_t *ram, uint64_t nr_pages, struct integrity *integrity);

/* As work_check, of a work that may have been stopped in the middle of its next step, anywhere in it. */
void work_check_in_step(struct work *work);

void work_save(const struct work *work, struct blob_out *out);
/* -EBADMSG: could not be the state of a work of this size. */
int work_load(struct work *work, struct blob_in *in, uint64_t seed);

#endif
