/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference VM's workload: it finds nothing wrong in RAM that was left alone, wherever it is stopped, saved and
 * continued; and finds every byte that is not what was last written, an old version of a page included.
 */
#include "ref/guest/page_pattern.h"
#include "ref/guest/work.h"

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NR_PAGES 300
#define RESERVED 4
#define SEED     77

struct bench {
	uint8_t *ram;
	struct integrity integrity;
	struct work work;
};

static void bench_init(struct bench *bench)
{
	struct work_slice slice = work_slice_of(NR_PAGES, RESERVED, REF_VM_FILL_HALF, 1, 0);

	bench->ram = aligned_alloc(GW_PAGE_BYTES, NR_PAGES * GW_PAGE_BYTES);
	assert_non_null(bench->ram);
	memset(bench->ram, 0, NR_PAGES * GW_PAGE_BYTES);
	integrity_init(&bench->integrity);
	work_init(&bench->work, bench->ram, &slice, SEED, &bench->integrity);
}

static void bench_fini(struct bench *bench)
{
	free(bench->ram);
}

static void run(struct work *work, int nr_steps)
{
	while (nr_steps--)
		work_step(work);
}

static uint64_t errors_of(struct bench *bench)
{
	return integrity_get(&bench->integrity, NULL);
}

static void check_slices(enum ref_vm_fill fill)
{
	uint8_t owners[NR_PAGES] = { 0 };

	for (uint32_t i = 0; i < 3; i++) {
		struct work_slice slice = work_slice_of(NR_PAGES, RESERVED, fill, 3, i);

		for (uint64_t p = 0; p < slice.nr_pages; p++)
			owners[slice.first_page + p]++;
		for (uint64_t p = 0; p < slice.nr_free_pages; p++)
			owners[slice.first_free_page + p]++;
	}
	for (int p = 0; p < NR_PAGES - 3; p++) /* what does not divide by three is nobody's */
		assert_int_equal(owners[p], p >= RESERVED);
}

static void test_slices_share_ram(void **state)
{
	for (enum ref_vm_fill fill = 0; fill < REF_VM_NR_FILLS; fill++)
		check_slices(fill);
}

static void test_fill_says_how_much_is_written(void **state)
{
	assert_int_equal(work_slice_of(100000, RESERVED, REF_VM_FILL_HALF, 2, 0).nr_pages, 25000);
	assert_int_equal(work_slice_of(100000, RESERVED, REF_VM_FILL_ALL, 2, 0).nr_pages, (100000 - RESERVED) / 2);
	assert_int_equal(work_slice_of(100000, RESERVED, REF_VM_FILL_ALL, 2, 1).nr_free_pages, 0);
	assert_int_equal(work_slice_of(100000, RESERVED, REF_VM_FILL_NONE, 2, 0).nr_pages, 512);
}

static void test_a_pass_writes_each_page_once(void **state)
{
	struct bench bench;

	bench_init(&bench);
	work_fill(&bench.work);
	for (uint64_t pass = 2; pass < 6; pass++) {
		const struct work_slice *slice = &bench.work.slice;

		run(&bench.work, (int)slice->nr_pages);
		for (uint64_t p = slice->first_page; p < slice->first_page + slice->nr_pages; p++)
			assert_int_equal(
				page_pattern_compare(bench.ram + p * GW_PAGE_BYTES, page_pattern_key(SEED, p, pass)),
				GW_PAGE_BYTES);
	}
	assert_true(bench.work.nr_used_pages > 0);
	assert_int_equal(errors_of(&bench), 0);
	bench_fini(&bench);
}

static void test_untouched_ram_is_right(void **state)
{
	struct bench bench;

	bench_init(&bench);
	work_check(&bench.work);
	work_fill(&bench.work);
	for (int steps = 0; steps < 40; steps++) {
		run(&bench.work, steps);
		work_check(&bench.work);
	}
	assert_int_equal(errors_of(&bench), 0);
	bench_fini(&bench);
}

static void test_state_goes_on_elsewhere(void **state)
{
	for (int steps = 0; steps < 200; steps += 7) {
		struct bench here, there;
		uint8_t buf[256];
		struct blob_out out = { .buf = buf, .size_bytes = sizeof(buf) };
		struct blob_in in = { .at = buf };

		bench_init(&here);
		bench_init(&there);
		work_fill(&here.work);
		run(&here.work, steps);
		work_save(&here.work, &out);
		in.left_bytes = out.used_bytes;
		there.work.seed = 0; /* a guest brings its own */
		assert_int_equal(work_load(&there.work, &in, SEED), 0);
		assert_true(blob_ended(&in));
		memcpy(there.ram, here.ram, NR_PAGES * GW_PAGE_BYTES);
		work_check(&there.work);
		run(&there.work, 500);
		work_check(&there.work);
		assert_int_equal(errors_of(&there), 0);
		assert_true(there.work.pages_written > here.work.pages_written);
		bench_fini(&here);
		bench_fini(&there);
	}
}

/* One flipped bit, in a page of each kind, is found by a check, and once. */
static void test_one_wrong_byte_is_found(void **state)
{
	struct bench bench;
	uint64_t pages[4];

	bench_init(&bench);
	work_fill(&bench.work);
	run(&bench.work, 70);
	pages[0] = bench.work.slice.first_page;
	pages[1] = bench.work.slice.first_page + bench.work.slice.nr_pages - 1;
	pages[2] = bench.work.slice.first_free_page; /* in use */
	pages[3] = bench.work.slice.first_free_page + bench.work.slice.nr_free_pages - 1;
	for (int i = 0; i < 4; i++) {
		uint8_t *byte = bench.ram + pages[i] * GW_PAGE_BYTES + 4095 - i;
		char text[INTEGRITY_TEXT_BYTES], page[32];

		bench.integrity.errors = 0;
		*byte ^= 0x10;
		work_check(&bench.work);
		*byte ^= 0x10;
		assert_int_equal(integrity_get(&bench.integrity, text), 1);
		snprintf(page, sizeof(page), "page %llu ", (unsigned long long)pages[i]);
		assert_non_null(strstr(text, page));
		assert_non_null(strstr(text, "byte 4088"));
	}
	bench_fini(&bench);
}

/* Without a check the guest runs into it within one pass. */
static void test_the_guest_finds_it_by_itself(void **state)
{
	struct bench bench;

	bench_init(&bench);
	work_fill(&bench.work);
	run(&bench.work, 100);
	bench.ram[(bench.work.slice.first_page + 9) * GW_PAGE_BYTES] ^= 1;
	run(&bench.work, (int)bench.work.slice.nr_pages);
	assert_int_equal(errors_of(&bench), 1);
	bench_fini(&bench);
}

static void test_an_old_page_is_wrong(void **state)
{
	struct bench bench;
	uint8_t old[GW_PAGE_BYTES];
	uint8_t *page;

	bench_init(&bench);
	work_fill(&bench.work);
	page = bench.ram + (bench.work.slice.first_page + 20) * GW_PAGE_BYTES;
	memcpy(old, page, sizeof(old));
	run(&bench.work, (int)bench.work.slice.nr_pages);
	memcpy(page, old, sizeof(old));
	work_check(&bench.work);
	assert_int_equal(errors_of(&bench), 1);
	bench_fini(&bench);
}

static void test_a_bad_state_is_refused(void **state)
{
	/* nr_pages, nr_free_pages, pass, position, used, written, checked */
	enum { PASS = 2, POSITION = 3, USED = 4, NR = 7 };
	static const struct {
		int field;
		uint64_t value;
	} wrong[] = { { 0, 1 }, { 1, 0 }, { PASS, 0 }, { POSITION, NR_PAGES }, { USED, NR_PAGES } };
	struct bench bench;
	uint64_t words[NR], good[NR];
	struct blob_out out = { .buf = (uint8_t *)good, .size_bytes = sizeof(good) };

	bench_init(&bench);
	work_fill(&bench.work);
	work_save(&bench.work, &out);
	assert_int_equal(out.used_bytes, sizeof(good));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct blob_in in = { .at = (uint8_t *)words, .left_bytes = sizeof(words) };

		memcpy(words, good, sizeof(good));
		words[wrong[i].field] = htole64(wrong[i].value);
		assert_int_equal(work_load(&bench.work, &in, SEED), -EBADMSG);
	}
	for (size_t size = 0; size < sizeof(good); size++) {
		struct blob_in in = { .at = (uint8_t *)good, .left_bytes = size };

		assert_int_equal(work_load(&bench.work, &in, SEED), -EBADMSG);
	}
	bench_fini(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fill_says_how_much_is_written), cmocka_unit_test(test_slices_share_ram),
		cmocka_unit_test(test_a_pass_writes_each_page_once),  cmocka_unit_test(test_untouched_ram_is_right),
		cmocka_unit_test(test_state_goes_on_elsewhere),       cmocka_unit_test(test_one_wrong_byte_is_found),
		cmocka_unit_test(test_the_guest_finds_it_by_itself),  cmocka_unit_test(test_an_old_page_is_wrong),
		cmocka_unit_test(test_a_bad_state_is_refused),
	};

	return cmocka_run_group_tests_name("refvm_work", tests, NULL, NULL);
}
