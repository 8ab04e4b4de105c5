/* SPDX-License-Identifier: BSD-3-Clause */
/* Digests of pages: two sides with equal RAM have equal totals, and nothing else has. */
#include "memory/page_digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define SIZE (3 * MIB)

struct side {
	uint8_t *hva;
	struct ram ram;
	struct page_digest pd;
};

static void side_init(struct side *side)
{
	struct gw_ram_block blocks[2];

	side->hva = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(side->hva, MAP_FAILED);
	blocks[0] = (struct gw_ram_block){ "a", 0, SIZE, side->hva };
	blocks[1] = (struct gw_ram_block){ "b", 0x100000000, SIZE, side->hva + SIZE };
	assert_int_equal(ram_init(&side->ram, blocks, 2, NULL), 0);
	assert_int_equal(page_digest_init(&side->pd, &side->ram), 0);
}

static void side_fini(struct side *side)
{
	page_digest_fini(&side->pd);
	page_digest_fini(&side->pd);
	munmap(side->hva, 2 * SIZE);
}

static void digest_all(struct side *side)
{
	for (uint64_t chunk = 0; chunk < side->ram.nr_chunks; chunk++)
		page_digest_range(&side->pd, chunk);
}

static void runs_and_chunks_give_the_same(void **state)
{
	static const struct page_run rest[] = {
		{ 0x1000, 511, RUN_ZERO },         { 2 * MIB, 256, RUN_ZERO },          { 0x100000000, 512, RUN_ZERO },
		{ 0x100000000 + 2 * MIB, 255, 0 }, { 0x100000000 + SIZE - 4096, 1, 0 },
	};
	static const struct page_run first = { 0, 1, 0 };
	struct side a, b;

	side_init(&a);
	side_init(&b);
	a.hva[5] = b.hva[5] = 1;
	a.hva[2 * SIZE - 1] = b.hva[2 * SIZE - 1] = 2;
	digest_all(&a);
	assert_int_not_equal(page_digest_total(&a.pd), page_digest_total(&b.pd));
	page_digest_runs(&b.pd, rest, ARRAY_SIZE(rest));
	assert_int_not_equal(page_digest_total(&a.pd), page_digest_total(&b.pd)); /* a page never landed */
	page_digest_runs(&b.pd, &first, 1);
	assert_int_equal(page_digest_total(&a.pd), page_digest_total(&b.pd));
	side_fini(&a);
	side_fini(&b);
}

static void a_byte_or_a_place_that_differs_is_seen(void **state)
{
	struct side a, b;

	side_init(&a);
	side_init(&b);
	a.hva[0x5000] = 1;
	b.hva[0x6000] = 1;
	digest_all(&a);
	digest_all(&b);
	assert_int_not_equal(page_digest_total(&a.pd), page_digest_total(&b.pd));
	b.hva[0x6000] = 0;
	b.hva[0x5000] = 1;
	digest_all(&b);
	assert_int_equal(page_digest_total(&a.pd), page_digest_total(&b.pd));
	side_fini(&a);
	side_fini(&b);
}

static void only_the_run_is_hashed_anew(void **state)
{
	static const struct page_run run = { 0x7000, 2, 0 };
	struct side a;
	uint64_t before;

	side_init(&a);
	digest_all(&a);
	before = page_digest_total(&a.pd);
	a.hva[0x6fff] = a.hva[0x9000] = 1;
	page_digest_runs(&a.pd, &run, 1);
	assert_int_equal(page_digest_total(&a.pd), before);
	a.hva[0x8fff] = 1;
	page_digest_runs(&a.pd, &run, 1);
	assert_int_not_equal(page_digest_total(&a.pd), before);
	side_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_and_chunks_give_the_same),
		cmocka_unit_test(a_byte_or_a_place_that_differs_is_seen),
		cmocka_unit_test(only_the_run_is_hashed_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
