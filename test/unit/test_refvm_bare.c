/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bare guest from the VM's side, on plain memory without KVM: what is put into RAM is sound; what is wrong in RAM
 * is found, at whatever instruction the guest stands; and what a guest may have written into its mailbox does no harm.
 */
#include "ref/guest/bare/mailbox.h"
#include "ref/guest/bare_guest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MEMORY_BYTES REF_VM_MIN_MEMORY_BYTES
#define NR_DEVICES   2
#define NR_VCPUS     3
#define TSC_KHZ      1000000

struct bench {
	struct guest_memory memory;
	struct ref_vm_options options;
	struct bare_mailbox *mailbox;
	char first_error[GUEST_ERROR_BYTES];
};

static void open_bench(struct bench *bench)
{
	struct gw_error e = GW_ERROR_NONE;

	*bench = (struct bench){ .memory = { .size_bytes = MEMORY_BYTES, .fd = -1, .nr_blocks = 1 } };
	bench->memory.hva = aligned_alloc(GW_PAGE_BYTES, MEMORY_BYTES);
	assert_non_null(bench->memory.hva);
	memset(bench->memory.hva, 0, MEMORY_BYTES);
	bench->options = (struct ref_vm_options){ .nr_vcpus = NR_VCPUS, .seed = 5, .dirty_bytes_per_s = 1000 };
	bench->mailbox = (void *)(bench->memory.hva + BARE_MAILBOX_GPA);
	assert_int_equal(bare_guest_load(&bench->memory, &bench->options, NR_DEVICES, TSC_KHZ, &e), 0);
}

static void close_bench(struct bench *bench)
{
	free(bench->memory.hva);
}

static uint64_t check(struct bench *bench)
{
	uint64_t errors = 0;

	bench->first_error[0] = '\0';
	bare_guest_check(&bench->memory, &errors, bench->first_error);
	return errors;
}

static void test_loaded(void **state)
{
	struct guest_counters counters;
	struct bench bench;

	open_bench(&bench);
	assert_true(bare_image_end - bare_image > GW_PAGE_BYTES);
	assert_true(bare_image_end - bare_image < BARE_MAILBOX_GPA - BARE_IMAGE_GPA);
	assert_memory_equal(bench.memory.hva + BARE_IMAGE_GPA, bare_image, (size_t)(bare_image_end - bare_image));
	assert_int_equal(check(&bench), 0);
	bare_guest_counters(&bench.memory, &counters);
	assert_int_equal(counters.nr_vcpus, NR_VCPUS);
	assert_int_equal(counters.pages_written, MEMORY_BYTES / GW_PAGE_BYTES / 2 / NR_VCPUS * NR_VCPUS);
	assert_int_equal(counters.errors, 0);
	assert_int_equal(bench.mailbox->parameters.tsc_khz, TSC_KHZ);
	assert_int_equal(bench.mailbox->parameters.nr_devices, NR_DEVICES);
	close_bench(&bench);
}

static void test_what_does_not_fit(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct bench bench;

	open_bench(&bench);
	bench.options.nr_vcpus = 0;
	assert_int_equal(bare_guest_load(&bench.memory, &bench.options, 0, TSC_KHZ, NULL), -EINVAL);
	bench.options.nr_vcpus = BARE_MAX_VCPUS + 1;
	assert_int_equal(bare_guest_load(&bench.memory, &bench.options, 0, TSC_KHZ, &e), -EINVAL);
	assert_string_equal(e.what, "the bare guest has 1 to 4 vCPUs, not 5");
	bench.options.nr_vcpus = BARE_MAX_VCPUS;
	bench.memory.size_bytes = MEMORY_BYTES - (1 << 20);
	assert_int_equal(bare_guest_load(&bench.memory, &bench.options, 0, TSC_KHZ, NULL), -EINVAL);
	bench.memory.size_bytes = MEMORY_BYTES;
	assert_int_equal(bare_guest_load(&bench.memory, &bench.options, GW_MAX_DEVICES + 1, TSC_KHZ, NULL), -EINVAL);
	assert_int_equal(bare_guest_load(&bench.memory, &bench.options, GW_MAX_DEVICES, TSC_KHZ, NULL), 0);
	assert_int_equal(check(&bench), 0);
	close_bench(&bench);
}

static void assert_flip_found(struct bench *bench, uint64_t at)
{
	char page[64];

	bench->memory.hva[at] ^= 0x10;
	assert_int_equal(check(bench), 1);
	snprintf(page, sizeof(page), "page %llu ", (unsigned long long)(at / GW_PAGE_BYTES));
	assert_memory_equal(bench->first_error, page, strlen(page));
	bench->memory.hva[at] ^= 0x10;
	assert_int_equal(check(bench), 0);
}

static void test_a_flipped_bit_is_found(void **state)
{
	struct bench bench;

	open_bench(&bench);
	for (uint32_t i = 0; i < NR_VCPUS; i++) {
		const struct work_slice *slice = &bench.mailbox->vcpus[i].works[0].slice;

		assert_flip_found(&bench, slice->first_page * GW_PAGE_BYTES);
		assert_flip_found(&bench, (slice->first_page + slice->nr_pages) * GW_PAGE_BYTES - 1);
		assert_flip_found(&bench, slice->first_free_page * GW_PAGE_BYTES);
		assert_flip_found(&bench, (slice->first_free_page + slice->nr_free_pages) * GW_PAGE_BYTES - 1);
	}
	close_bench(&bench);
}

/* The page at `page` as it is in the middle of its writing; other words are wrong there as anywhere. */
static void assert_may_be_torn(struct bench *bench, const uint8_t *before, uint64_t page)
{
	uint8_t *now = bench->memory.hva + page * GW_PAGE_BYTES, after[GW_PAGE_BYTES];

	memcpy(after, now, sizeof(after));
	memcpy(now + GW_PAGE_BYTES / 2, before + page * GW_PAGE_BYTES + GW_PAGE_BYTES / 2, GW_PAGE_BYTES / 2);
	assert_int_equal(check(bench), 0);
	now[GW_PAGE_BYTES / 2] ^= 1;
	assert_int_equal(check(bench), 1);
	memcpy(now, after, sizeof(after));
	assert_int_equal(check(bench), 0);
}

/* A step that writes two pages, the second a free one; the guest has not told yet that it is over. */
static void test_in_the_middle_of_a_step(void **state)
{
	uint8_t *before = malloc(MEMORY_BYTES);
	struct integrity integrity;
	struct bare_vcpu *vcpu;
	struct bench bench;
	struct work work;
	uint64_t nr = 0;

	assert_non_null(before);
	open_bench(&bench);
	vcpu = &bench.mailbox->vcpus[1];
	integrity_init(&integrity);
	work = vcpu->works[0];
	assert_int_equal(work_adopt(&work, bench.memory.hva, MEMORY_BYTES / GW_PAGE_BYTES, &integrity), 0);
	memcpy(before, bench.memory.hva, MEMORY_BYTES);
	work_step(&work);
	for (uint64_t page = 0; page < MEMORY_BYTES / GW_PAGE_BYTES; page++) {
		if (!memcmp(before + page * GW_PAGE_BYTES, bench.memory.hva + page * GW_PAGE_BYTES, GW_PAGE_BYTES))
			continue;
		assert_may_be_torn(&bench, before, page);
		nr++;
	}
	assert_int_equal(nr, 2);
	vcpu->works[1] = work;
	vcpu->nr_steps = 1;
	assert_int_equal(check(&bench), 0);
	memcpy(bench.memory.hva + work.slice.first_free_page * GW_PAGE_BYTES,
	       before + work.slice.first_free_page * GW_PAGE_BYTES, GW_PAGE_BYTES);
	assert_int_equal(check(&bench), 1); /* told, and not there: lost */
	close_bench(&bench);
	free(before);
}

static void assert_harmless(struct bench *bench)
{
	struct guest_counters counters;

	bare_guest_counters(&bench->memory, &counters);
	assert_true(counters.nr_vcpus <= BARE_MAX_VCPUS);
	assert_true(strnlen(counters.first_error, GUEST_ERROR_BYTES) < GUEST_ERROR_BYTES);
	assert_null(strchr(counters.first_error, '\033'));
	assert_true(check(bench) > 0);
	assert_true(bench->first_error[0]);
}

static void test_a_mailbox_of_garbage(void **state)
{
	struct bench bench;

	open_bench(&bench);
	memset(bench.mailbox, 0xff, sizeof(*bench.mailbox));
	assert_harmless(&bench);
	bench.mailbox->parameters.magic = BARE_MAGIC;
	assert_harmless(&bench);
	bench.mailbox->parameters.nr_vcpus = BARE_MAX_VCPUS;
	memset(bench.mailbox->integrity.first_error, '\033', INTEGRITY_TEXT_BYTES);
	assert_harmless(&bench);
	memset(bench.mailbox, 0, sizeof(*bench.mailbox));
	assert_harmless(&bench);
	close_bench(&bench);
}

static void assert_bad_work(struct bench *bench, uint64_t *field, uint64_t value)
{
	uint64_t was = *field;

	*field = value;
	assert_int_equal(check(bench), 1);
	assert_string_equal(bench->first_error, "vCPU 2: what it says of its work makes no sense");
	*field = was;
	assert_int_equal(check(bench), 0);
}

static void test_a_work_beyond_its_bounds(void **state)
{
	uint64_t nr_pages = MEMORY_BYTES / GW_PAGE_BYTES;
	struct bench bench;
	struct work *work;

	open_bench(&bench);
	work = &bench.mailbox->vcpus[2].works[0];
	assert_bad_work(&bench, &work->slice.first_page, nr_pages - work->slice.nr_pages + 1);
	assert_bad_work(&bench, &work->slice.first_page, 0 - work->slice.nr_pages + 1);
	assert_bad_work(&bench, &work->slice.nr_pages, nr_pages + 1);
	assert_bad_work(&bench, &work->slice.nr_pages, 0);
	assert_bad_work(&bench, &work->slice.first_free_page, nr_pages + 1);
	assert_bad_work(&bench, &work->slice.nr_free_pages, UINT64_MAX);
	assert_bad_work(&bench, &work->position, work->slice.nr_pages);
	assert_bad_work(&bench, &work->nr_used_pages, work->slice.nr_free_pages + 1);
	assert_bad_work(&bench, &work->pass, 0);
	work->step = work->offset = UINT64_MAX; /* follow from the pass, and are not believed */
	assert_int_equal(check(&bench), 0);
	close_bench(&bench);
}

static void test_the_largest_pause_is_since_the_last_move(void **state)
{
	struct guest_counters counters;
	struct bench bench;

	open_bench(&bench);
	bench.mailbox->vcpus[0].largest_pause_ns = 700;
	bench.mailbox->vcpus[1].largest_pause_ns = 900;
	bare_guest_counters(&bench.memory, &counters);
	assert_int_equal(counters.largest_pause_ns, 900);
	bare_guest_arrived(&bench.memory);
	bare_guest_counters(&bench.memory, &counters);
	assert_int_equal(counters.largest_pause_ns, 0);
	bench.mailbox->vcpus[0].moves = 1;
	bare_guest_counters(&bench.memory, &counters);
	assert_int_equal(counters.largest_pause_ns, 700);
	close_bench(&bench);
}

static void test_orders(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct bench bench;

	open_bench(&bench);
	assert_int_equal(bare_guest_order(&bench.memory, "no-such", &e), -EINVAL);
	assert_non_null(strstr(e.what, "no-such"));
	assert_int_equal(bench.mailbox->order, BARE_ORDER_NONE);
	assert_int_equal(bare_guest_order(&bench.memory, "triple-fault", NULL), 0);
	assert_int_equal(bench.mailbox->order, BARE_ORDER_TRIPLE_FAULT);
	assert_int_equal(bare_guest_order(&bench.memory, "internal-error", NULL), 0);
	assert_int_equal(bench.mailbox->order, BARE_ORDER_INTERNAL_ERROR);
	close_bench(&bench);
}

static void test_drivers(void **state)
{
	assert_string_equal(bare_guest_driver(&(struct gw_device_info){ .vendor_id = 0x6764, .device_id = 1 }), "ref");
	assert_string_equal(bare_guest_driver(&(struct gw_device_info){ .vendor_id = 0x4348, .device_id = 0x3253 }),
			    "mtty");
	assert_string_equal(bare_guest_driver(&(struct gw_device_info){ .vendor_id = 0x8086 }), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loaded),
		cmocka_unit_test(test_what_does_not_fit),
		cmocka_unit_test(test_a_flipped_bit_is_found),
		cmocka_unit_test(test_in_the_middle_of_a_step),
		cmocka_unit_test(test_a_mailbox_of_garbage),
		cmocka_unit_test(test_a_work_beyond_its_bounds),
		cmocka_unit_test(test_the_largest_pause_is_since_the_last_move),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_drivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
