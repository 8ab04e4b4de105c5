/* SPDX-License-Identifier: BSD-3-Clause */
/* The destination's side of a RAM frame: what is refused, where payload goes, what becomes zero. */
#include "memory/apply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define SIZE (5 * MIB)

struct fixture {
	uint8_t *hva;
	struct ram ram;
};

static struct fixture fixture_new(void)
{
	uint8_t *hva = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* Neighbours in guest addresses and in memory, and yet two blocks. */
	struct gw_ram_block blocks[] = { { "low", 0, SIZE, hva }, { "high", SIZE, SIZE, hva + SIZE } };
	struct fixture f = { .hva = hva };

	assert_ptr_not_equal(hva, MAP_FAILED);
	assert_int_equal(ram_init(&f.ram, blocks, 2, NULL), 0);
	return f;
}

static void runs_outside_are_refused(void **state)
{
	static const struct page_run bad[][2] = {
		{ { 0, 1, 0 }, { 2 * SIZE, 1, 0 } },    /* no RAM */
		{ { 2 * SIZE - 4096, 2, 0 }, { 0 } },   /* over the end */
		{ { SIZE - 4096, 2, 0 }, { 0 } },       /* over the end of a block, into the next */
		{ { 2 * MIB - 4096, 2, 0 }, { 0 } },    /* two chunks of a block */
		{ { 0, 1, 0 }, { 2 * MIB, 1, 0 } },     /* the same, in two runs */
		{ { 1, 1, 0 }, { 0 } },                 /* off a page */
		{ { 0, 0, 0 }, { 0 } },                 /* no page */
		{ { 0, UINT32_MAX, RUN_ZERO }, { 0 } }, /* too many */
		{ { UINT64_MAX - 4095, 1, 0 }, { 0 } }, /* the end of all addresses */
	};
	struct fixture f = fixture_new();
	uint64_t chunk;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gw_error e = GW_ERROR_NONE;
		uint32_t nr = bad[i][1].nr_pages ? 2 : 1;

		assert_int_equal(apply_check(&f.ram, bad[i], nr, &chunk, &e), -EBADMSG);
		assert_int_equal(e.code, -EBADMSG);
	}
	assert_int_equal(apply_check(&f.ram, bad[0], 0, &chunk, NULL), -EBADMSG);
	munmap(f.hva, 2 * SIZE);
}

static void the_chunk_is_told(void **state)
{
	static const struct page_run runs[] = { { SIZE + 2 * MIB, 3, 0 }, { SIZE + 4 * MIB - 4096, 1, RUN_ZERO } };
	struct fixture f = fixture_new();
	struct iovec iov[2];
	uint64_t chunk;

	assert_int_equal(apply_check(&f.ram, runs, 2, &chunk, NULL), 0);
	assert_int_equal(chunk, 3 + 1);
	assert_int_equal(apply_iov(&f.ram, runs, 2, iov, 2), 1);
	assert_ptr_equal(iov[0].iov_base, f.hva + SIZE + 2 * MIB);
	assert_int_equal(iov[0].iov_len, 3 * 4096);
	munmap(f.hva, 2 * SIZE);
}

static void zero_runs_become_zero_and_zero_pages_are_left_alone(void **state)
{
	static const struct page_run runs[] = { { 0, 2, RUN_ZERO }, { 0x2000, 1, 0 }, { 0x3000, 3, RUN_ZERO } };
	static const uint8_t zeros[GW_PAGE_BYTES];
	struct fixture f = fixture_new();

	for (unsigned page = 0; page < 3; page++)
		memset(f.hva + page * 4096, 0xaa, 4096);
	f.hva[0x6000] = 0xaa;
	assert_int_equal(mprotect(f.hva + 0x3000, 0x3000, PROT_READ), 0); /* writing there would be a fault */
	apply_zero(&f.ram, runs, 3);
	assert_memory_equal(f.hva, zeros, 4096);
	assert_memory_equal(f.hva + 0x1000, zeros, 4096);
	assert_int_equal(f.hva[0x2000], 0xaa);
	assert_int_equal(f.hva[0x2fff], 0xaa);
	assert_int_equal(f.hva[0x6000], 0xaa);
	munmap(f.hva, 2 * SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_outside_are_refused),
		cmocka_unit_test(the_chunk_is_told),
		cmocka_unit_test(zero_runs_become_zero_and_zero_pages_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
