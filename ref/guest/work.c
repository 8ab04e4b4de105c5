/* SPDX-License-Identifier: BSD-3-Clause */
/* The work of one vCPU: pages written pass after pass, and checked before each write. */
#include "ref/guest/work.h"

#include "ref/guest/page_pattern.h"

#include <errno.h>

#define FREE_PAGE_EVERY   64 /* page writes */
#define FREE_PAGES_USED   8  /* one of so many at most */
#define VERSION_FREE_USED 1
#define LEAST_PAGES       1024 /* written by all vCPUs together, where fill is none */

static uint64_t pages_worked_on(uint64_t nr_pages, uint64_t nr_reserved, enum ref_vm_fill fill)
{
	switch (fill) {
	case REF_VM_FILL_ALL:
		return nr_pages - nr_reserved;
	case REF_VM_FILL_NONE:
		return LEAST_PAGES < nr_pages / 2 ? LEAST_PAGES : nr_pages / 2;
	default:
		return nr_pages / 2;
	}
}

struct work_slice work_slice_of(uint64_t nr_pages, uint64_t nr_reserved, enum ref_vm_fill fill, uint32_t nr,
				uint32_t index)
{
	uint64_t worked = pages_worked_on(nr_pages, nr_reserved, fill) / nr;
	uint64_t first_free = nr_reserved + worked * nr;
	uint64_t nr_free = (nr_pages - first_free) / nr;

	return (struct work_slice){
		.first_page = nr_reserved + worked * index,
		.nr_pages = worked,
		.first_free_page = first_free + nr_free * index,
		.nr_free_pages = nr_free,
	};
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* An affine permutation of the slice, another in each pass: step and nr_pages have no common divisor. */
static void choose_order(struct work *work)
{
	uint64_t nr = work->slice.nr_pages;
	uint64_t random = page_pattern_mix(work->seed + page_pattern_mix(work->slice.first_page + work->pass));

	work->offset = random % nr;
	work->step = page_pattern_mix(random) % nr;
	while (greatest_common_divisor(work->step, nr) != 1)
		work->step = (work->step + 1) % nr;
}

static uint64_t page_at(const struct work *work, uint64_t position)
{
	uint64_t nr = work->slice.nr_pages;

	return work->slice.first_page + (position * work->step + work->offset) % nr;
}

void work_init(struct work *work, uint8_t *ram, const struct work_slice *slice, uint64_t seed,
	       struct integrity *integrity)
{
	*work = (struct work){ .ram = ram, .integrity = integrity, .slice = *slice, .seed = seed, .pass = 1 };
	choose_order(work);
}

static void add(_Atomic uint64_t *counter, uint64_t nr)
{
	atomic_fetch_add_explicit(counter, nr, memory_order_relaxed);
}

/* It may have been overtaken by version next, in any part of it; the same as version: it may not. */
static void check_page_either(struct work *work, uint64_t page, uint64_t version, uint64_t next)
{
	const uint8_t *hva = work->ram + page * GW_PAGE_BYTES;
	uint64_t key = page_pattern_key(work->seed, page, version);
	uint32_t wrong = page_pattern_compare(hva, key);

	if (wrong < GW_PAGE_BYTES && next != version)
		wrong = page_pattern_compare_either(hva, key, page_pattern_key(work->seed, page, next));
	if (wrong < GW_PAGE_BYTES)
		integrity_fail(work->integrity,
			       "page %llu (offset 0x%llx of RAM) does not hold its version %llu: wrong from byte %u on",
			       (unsigned long long)page, (unsigned long long)(page * GW_PAGE_BYTES),
			       (unsigned long long)version, wrong);
}

static void check_page(struct work *work, uint64_t page, uint64_t version)
{
	check_page_either(work, page, version, version);
}

static void write_page(struct work *work, uint64_t page, uint64_t version)
{
	page_pattern_write(work->ram + page * GW_PAGE_BYTES, page_pattern_key(work->seed, page, version));
	add(&work->pages_written, 1);
}

/* Whether its next step takes a free page into use. */
static int is_free_page_due(const struct work *work)
{
	return !(work->position % FREE_PAGE_EVERY) && work->nr_used_pages < work->slice.nr_free_pages / FREE_PAGES_USED;
}

static uint64_t use_free_page(struct work *work)
{
	uint64_t page = work->slice.first_free_page + work->nr_used_pages;

	if (!is_free_page_due(work))
		return 0;
	check_page(work, page, 0);
	write_page(work, page, VERSION_FREE_USED);
	work->nr_used_pages++;
	add(&work->pages_checked, 1);
	return GW_PAGE_BYTES;
}

static void write_next(struct work *work)
{
	write_page(work, page_at(work, work->position), work->pass);
	if (++work->position < work->slice.nr_pages)
		return;
	work->position = 0;
	work->pass++;
	choose_order(work);
}

void work_fill(struct work *work)
{
	while (work->pass == 1)
		write_next(work);
}

uint64_t work_step(struct work *work)
{
	uint64_t bytes = use_free_page(work);

	check_page(work, page_at(work, work->position), work->pass - 1);
	write_next(work);
	add(&work->pages_checked, 1);
	return bytes + GW_PAGE_BYTES;
}

/* position and nr_used_pages name the pages that the step at hand writes, if there is one. */
static void check_all(struct work *work, int in_step)
{
	const struct work_slice *slice = &work->slice;
	uint64_t step_page = in_step ? work->position : UINT64_MAX;
	uint64_t step_free_page = in_step && is_free_page_due(work) ? work->nr_used_pages : UINT64_MAX;

	for (uint64_t i = 0; i < slice->nr_pages; i++) {
		uint64_t version = i < work->position ? work->pass : work->pass - 1;

		check_page_either(work, page_at(work, i), version, i == step_page ? work->pass : version);
	}
	for (uint64_t i = 0; i < slice->nr_free_pages; i++) {
		uint64_t version = i < work->nr_used_pages ? VERSION_FREE_USED : 0;

		check_page_either(work, slice->first_free_page + i, version,
				  i == step_free_page ? VERSION_FREE_USED : version);
	}
	add(&work->pages_checked, slice->nr_pages + slice->nr_free_pages);
}

void work_check(struct work *work)
{
	check_all(work, 0);
}

void work_check_in_step(struct work *work)
{
	check_all(work, 1);
}

static int is_within(uint64_t first, uint64_t nr, uint64_t all)
{
	return first <= all && nr <= all - first;
}

static int is_sound(const struct work *work)
{
	return work->pass && work->position < work->slice.nr_pages && work->nr_used_pages <= work->slice.nr_free_pages;
}

int work_adopt(struct work *work, uint8_t *ram, uint64_t nr_pages, struct integrity *integrity)
{
	const struct work_slice *slice = &work->slice;

	if (!is_within(slice->first_page, slice->nr_pages, nr_pages) ||
	    !is_within(slice->first_free_page, slice->nr_free_pages, nr_pages) || !is_sound(work))
		return -EBADMSG;
	work->ram = ram;
	work->integrity = integrity;
	choose_order(work);
	return 0;
}

void work_save(const struct work *work, struct blob_out *out)
{
	blob_put_u64(out, work->slice.nr_pages);
	blob_put_u64(out, work->slice.nr_free_pages);
	blob_put_u64(out, work->pass);
	blob_put_u64(out, work->position);
	blob_put_u64(out, work->nr_used_pages);
	blob_put_u64(out, atomic_load_explicit(&work->pages_written, memory_order_relaxed));
	blob_put_u64(out, atomic_load_explicit(&work->pages_checked, memory_order_relaxed));
}

int work_load(struct work *work, struct blob_in *in, uint64_t seed)
{
	uint64_t nr_pages = blob_get_u64(in);
	uint64_t nr_free_pages = blob_get_u64(in);

	work->seed = seed;
	work->pass = blob_get_u64(in);
	work->position = blob_get_u64(in);
	work->nr_used_pages = blob_get_u64(in);
	atomic_store_explicit(&work->pages_written, blob_get_u64(in), memory_order_relaxed);
	atomic_store_explicit(&work->pages_checked, blob_get_u64(in), memory_order_relaxed);
	if (in->bad || nr_pages != work->slice.nr_pages || nr_free_pages != work->slice.nr_free_pages)
		return -EBADMSG;
	if (!is_sound(work))
		return -EBADMSG;
	choose_order(work);
	return 0;
}
