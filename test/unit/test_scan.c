/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at pages: what is zero, how runs are made, where their memory is. */
#include "memory/scan.h"

#include "base/bitmap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NR_PAGES (LIMIT_CHUNK_PAGES + 10)

struct fixture {
	uint8_t *hva;
	struct ram ram;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct gw_ram_block block = { "ram", 0x100000, NR_PAGES * GW_PAGE_BYTES, NULL };

	f->hva = aligned_alloc(GW_PAGE_BYTES, block.size_bytes);
	memset(f->hva, 0, block.size_bytes);
	block.hva = f->hva;
	assert_int_equal(ram_init(&f->ram, &block, 1, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	free(f->hva);
	free(f);
	return 0;
}

static void any_byte_makes_a_page_not_zero(void **state)
{
	struct fixture *f = *state;

	assert_true(page_is_zero(f->hva));
	for (unsigned i = 0; i < GW_PAGE_BYTES; i++) {
		f->hva[i] = 1;
		assert_false(page_is_zero(f->hva));
		f->hva[i] = 0;
	}
	f->hva[GW_PAGE_BYTES] = 1; /* the next page's */
	assert_true(page_is_zero(f->hva));
}

static void neighbours_of_one_kind_become_a_run(void **state)
{
	struct page_run runs[LIMIT_RUNS_A_FRAME];
	uint64_t words[LIMIT_CHUNK_WORDS] = { 0 };
	struct fixture *f = *state;
	struct scan_counts counts;
	struct iovec iov[2];

	/* Pages 0-1 zero, 2-3 data, 4 clean, 5 data, 511 zero. */
	words[0] = 0x2f;
	words[7] = 1ull << 63;
	for (unsigned page = 2; page < 6; page++)
		f->hva[page * GW_PAGE_BYTES + 100] = 1;

	assert_int_equal(scan_chunk(&f->ram, 0, words, runs, &counts), 4);
	assert_int_equal(counts.zero_pages, 3);
	assert_int_equal(counts.data_pages, 3);
	assert_memory_equal(&runs[0], (&(struct page_run){ 0x100000, 2, RUN_ZERO }), sizeof(runs[0]));
	assert_memory_equal(&runs[1], (&(struct page_run){ 0x102000, 2, 0 }), sizeof(runs[0]));
	assert_memory_equal(&runs[2], (&(struct page_run){ 0x105000, 1, 0 }), sizeof(runs[0]));
	assert_memory_equal(&runs[3], (&(struct page_run){ 0x100000 + 511 * 4096, 1, RUN_ZERO }), sizeof(runs[0]));

	assert_int_equal(scan_iov(&f->ram, runs, 4, iov, 2), 2);
	assert_ptr_equal(iov[0].iov_base, f->hva + 0x2000);
	assert_int_equal(iov[0].iov_len, 0x2000);
	assert_ptr_equal(iov[1].iov_base, f->hva + 0x5000);
	assert_int_equal(iov[1].iov_len, 0x1000);
}

static void the_worst_chunk_fits(void **state)
{
	struct page_run runs[LIMIT_RUNS_A_FRAME];
	struct iovec iov[LIMIT_RUNS_A_FRAME];
	uint64_t words[LIMIT_CHUNK_WORDS];
	struct fixture *f = *state;
	struct scan_counts counts;

	memset(words, 0xff, sizeof(words));
	for (unsigned page = 0; page < LIMIT_CHUNK_PAGES; page += 2)
		f->hva[page * GW_PAGE_BYTES] = 1;
	assert_int_equal(scan_chunk(&f->ram, 0, words, runs, &counts), LIMIT_CHUNK_PAGES);
	assert_int_equal(scan_iov(&f->ram, runs, LIMIT_CHUNK_PAGES, iov, LIMIT_RUNS_A_FRAME), LIMIT_CHUNK_PAGES / 2);
}

static void a_short_chunk_ends_where_it_ends(void **state)
{
	struct page_run runs[LIMIT_RUNS_A_FRAME];
	uint64_t words[LIMIT_CHUNK_WORDS];
	struct fixture *f = *state;
	struct scan_counts counts;

	memset(words, 0xff, sizeof(words));
	assert_int_equal(scan_chunk(&f->ram, 1, words, runs, &counts), 1);
	assert_int_equal(runs[0].nr_pages, 10);
	assert_int_equal(counts.zero_pages, 10);
	memset(words, 0, sizeof(words));
	assert_int_equal(scan_chunk(&f->ram, 1, words, runs, &counts), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(any_byte_makes_a_page_not_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(neighbours_of_one_kind_become_a_run, setup, teardown),
		cmocka_unit_test_setup_teardown(the_worst_chunk_fits, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_chunk_ends_where_it_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
