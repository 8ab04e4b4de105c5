/* SPDX-License-Identifier: BSD-3-Clause */
/* RAM blocks: what is refused, the numbering of chunks, finding addresses, populating without changing a byte. */
#include "memory/ram.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define HVA(n) ((void *)(uintptr_t)(n))

static const struct gw_ram_block two[] = {
	{ "low", 0x0, 5 * MIB, HVA(0x10000000) },
	{ "high", 0x100000000, 2 * MIB + 4096, HVA(0x20000000) },
};

static void chunks_are_numbered_through(void **state)
{
	struct ram_chunk at;
	struct ram ram;

	assert_int_equal(ram_init(&ram, two, 2, NULL), 0);
	assert_int_equal(ram.nr_chunks, 3 + 2);
	assert_int_equal(ram.total_pages, (7 * MIB + 4096) / 4096);

	ram_chunk_at(&ram, 2, &at);
	assert_int_equal(at.block, 0);
	assert_int_equal(at.first_page, 1024);
	assert_int_equal(at.nr_pages, 256);
	assert_int_equal(at.gpa, 4 * MIB);
	assert_ptr_equal(at.hva, HVA(0x10000000 + 4 * MIB));

	ram_chunk_at(&ram, 4, &at);
	assert_int_equal(at.block, 1);
	assert_int_equal(at.first_page, 512);
	assert_int_equal(at.nr_pages, 1);
	assert_int_equal(at.gpa, 0x100000000 + 2 * MIB);
}

static void addresses_are_found_or_not(void **state)
{
	uint64_t chunk;
	struct ram ram;

	assert_int_equal(ram_init(&ram, two, 2, NULL), 0);
	assert_ptr_equal(ram_hva(&ram, 0x1000, 0x1000), HVA(0x10001000));
	assert_ptr_equal(ram_hva(&ram, 0, 5 * MIB), HVA(0x10000000));
	assert_null(ram_hva(&ram, 0, 5 * MIB + 1));
	assert_null(ram_hva(&ram, 5 * MIB, 1));
	assert_null(ram_hva(&ram, 0x1000, 0));
	assert_null(ram_hva(&ram, 0x1000, UINT64_MAX));
	assert_null(ram_hva(&ram, UINT64_MAX, 1));
	assert_int_equal(ram_chunk_of(&ram, 0x100000000 + 2 * MIB, &chunk), 0);
	assert_int_equal(chunk, 4);
	assert_int_equal(ram_chunk_of(&ram, 0x100000000 + 2 * MIB + 4096, &chunk), -ENOENT);
}

static void every_chunk_is_found_by_its_address(void **state)
{
	struct ram_chunk at;
	uint64_t chunk;
	struct ram ram;

	assert_int_equal(ram_init(&ram, two, 2, NULL), 0);
	for (uint64_t i = 0; i < ram.nr_chunks; i++) {
		ram_chunk_at(&ram, i, &at);
		assert_int_equal(ram_chunk_of(&ram, at.gpa + at.nr_pages * 4096ull - 1, &chunk), 0);
		assert_int_equal(chunk, i);
	}
}

static void bad_lists_are_refused(void **state)
{
	static const struct {
		struct gw_ram_block blocks[2];
		const char *why;
	} bad[] = {
		{ { { "", 0, 4096, HVA(4096) }, { "b", 4096, 4096, HVA(8192) } }, "id is empty" },
		{ { { "a", 0, 4096, HVA(4096) }, { "a", 4096, 4096, HVA(8192) } }, "have the id a" },
		{ { { "a", 1, 4096, HVA(4096) }, { "b", 4096, 4096, HVA(8192) } }, "not a multiple" },
		{ { { "a", 0, 4097, HVA(4096) }, { "b", 8192, 4096, HVA(16384) } }, "not a multiple" },
		{ { { "a", 0, 4096, HVA(4097) }, { "b", 4096, 4096, HVA(16384) } }, "not a multiple" },
		{ { { "a", 0, 4096, NULL }, { "b", 4096, 4096, HVA(8192) } }, "not a multiple" },
		{ { { "a", 0, 0, HVA(4096) }, { "b", 4096, 4096, HVA(8192) } }, "cannot be" },
		{ { { "a", -4096ull, 8192, HVA(4096) }, { "b", 8192, 4096, HVA(65536) } }, "cannot be" },
		{ { { "a", 0, LIMIT_RAM_BYTES * 2, HVA(4096) }, { "b", 0, 4096, HVA(8192) } }, "cannot be" },
		{ { { "a", 0, 8192, HVA(4096) }, { "b", 4096, 4096, HVA(65536) } }, "overlap in guest" },
		{ { { "a", 0, 8192, HVA(4096) }, { "b", 8192, 4096, HVA(8192) } }, "same memory" },
		{ { { "a", 0, LIMIT_RAM_BYTES, HVA(4096) }, { "b", LIMIT_RAM_BYTES, 4096, HVA(1ull << 50) } },
		  "more RAM" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct ram ram;

		assert_int_equal(ram_init(&ram, bad[i].blocks, 2, &e), -EINVAL);
		assert_non_null(strstr(e.what, bad[i].why));
	}
}

static void counts_and_ids_are_bounded(void **state)
{
	struct gw_ram_block block = { "", 0, 4096, HVA(4096) };
	struct ram ram;

	memset(block.id, 'x', sizeof(block.id));
	assert_int_equal(ram_init(&ram, &block, 1, NULL), -EINVAL);
	assert_int_equal(ram_init(&ram, two, 0, NULL), -EINVAL);
	assert_int_equal(ram_init(&ram, two, GW_MAX_RAM_BLOCKS + 1, NULL), -EINVAL);
}

static bool count_down(void *arg)
{
	return (*(int *)arg)-- > 0;
}

static void populate_changes_nothing(void **state)
{
	uint64_t size_bytes = 6 * MIB + 4096;
	uint8_t *hva = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct gw_ram_block block = { "ram", 0, size_bytes, hva };
	unsigned char there[(6 * MIB + 4096) / 4096];
	struct ram ram;
	int left = 1;

	assert_ptr_not_equal(hva, MAP_FAILED);
	hva[5 * MIB] = 7;
	assert_int_equal(ram_init(&ram, &block, 1, NULL), 0);
	assert_int_equal(ram_populate(&ram, 0, 1, count_down, &left, NULL), -ECANCELED);
	assert_int_equal(ram_populate(&ram, 0, 2, NULL, NULL, NULL), 0);
	assert_int_equal(ram_populate(&ram, 1, 2, NULL, NULL, NULL), 0);
	assert_int_equal(mincore(hva, size_bytes, there), 0);
	for (size_t i = 0; i < sizeof(there); i++) {
		assert_int_equal(there[i] & 1, 1);
		assert_int_equal(hva[i * 4096], i * 4096 == 5 * MIB ? 7 : 0);
	}
	munmap(hva, size_bytes);
}

static void populate_says_what_failed(void **state)
{
	void *hva = mmap(NULL, 2 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct gw_ram_block block = { "ram", 0, 2 * MIB, hva };
	struct gw_error e = GW_ERROR_NONE;
	struct ram ram;

	assert_int_equal(munmap(hva, 2 * MIB), 0); /* nothing is mapped there any more */
	assert_int_equal(ram_init(&ram, &block, 1, NULL), 0);
	assert_int_equal(ram_populate(&ram, 0, 1, NULL, NULL, &e), -ENOMEM);
	assert_non_null(strstr(e.what, "block ram"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_are_numbered_through),         cmocka_unit_test(addresses_are_found_or_not),
		cmocka_unit_test(every_chunk_is_found_by_its_address), cmocka_unit_test(bad_lists_are_refused),
		cmocka_unit_test(counts_and_ids_are_bounded),          cmocka_unit_test(populate_changes_nothing),
		cmocka_unit_test(populate_says_what_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
