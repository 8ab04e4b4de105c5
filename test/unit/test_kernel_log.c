/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty pages of the kernel back end, from each of its sources, against a kernel of this test's own: every page that
 * was written is told, once; through too many ranges, added memory, unmaps, failures. The kernel's own mock IOMMU is
 * asked in the lab.
 */
#include "fake_dirty_kernel.h"

#include "device/kernel.h"
#include "device/kernel_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAGE     4096ull
#define BASE     0x100000ull
#define NR_PAGES 512ull
#define WORDS    (NR_PAGES / 64)

enum way { OWN_LOG, IOMMUFD, TYPE1, NR_WAYS };

static struct kernel_device *open_device(enum way way)
{
	struct kernel_device *dev = kernel_device_new("dev0");

	assert_non_null(dev);
	kernel = (struct fake_kernel){ .max_ranges = 256 };
	dev->borrowed = true; /* a fake's fd is nothing to be closed */
	dev->fd = FAKE_DEVICE;
	if (way == TYPE1) {
		dev->container = FAKE_CONTAINER;
		dev->type1.page_bytes = PAGE;
		dev->type1.max_bitmap_bytes = TYPE1_BITMAP;
	} else {
		dev->iommufd = FAKE_IOMMUFD;
		dev->hwpt_id = way == IOMMUFD ? 1 : 0;
	}
	dev->has_own_log = way == OWN_LOG;
	return dev;
}

static void close_device(struct kernel_device *dev)
{
	kernel_ops.close(dev);
}

static int add_map(struct kernel_device *dev, uint64_t iova, uint64_t size_bytes, uint32_t prot)
{
	struct gw_dma_map map = { .iova = iova, .size_bytes = size_bytes, .hva = &kernel, .fd = -1, .prot = prot };

	return kernel_ops.dma_map(dev, &map, NULL);
}

static void start(struct kernel_device *dev)
{
	const struct gw_iova_range range = { BASE, NR_PAGES * PAGE };

	assert_int_equal(kernel_ops.log_start(dev, &range, 1, PAGE, NULL), 0);
}

/* The whole area mapped and logged. */
static struct kernel_device *open_logged(enum way way)
{
	struct kernel_device *dev = open_device(way);

	assert_int_equal(add_map(dev, BASE, NR_PAGES * PAGE, 3), 0);
	start(dev);
	return dev;
}

static void write_page(uint64_t *written, uint64_t page)
{
	fake_write(BASE + page * PAGE + 17);
	bitmap_set(written, page);
}

/* Adds what is told of [page, page + nr) to told. */
static int report(struct kernel_device *dev, uint64_t page, uint64_t nr, uint64_t *told)
{
	uint64_t bits[WORDS] = { 0 };
	int ret = kernel_ops.log_report(dev, BASE + page * PAGE, nr * PAGE, PAGE, bits, NULL);

	for (uint64_t i = 0; !ret && i < nr; i++)
		if (bitmap_test(bits, i))
			bitmap_set(told, page + i);
	return ret;
}

/* How many pages were written and not told, or told and not written. */
static uint64_t wrong(const uint64_t *written, const uint64_t *told)
{
	uint64_t nr = 0;

	for (unsigned w = 0; w < WORDS; w++)
		nr += (uint64_t)__builtin_popcountll(written[w] ^ told[w]);
	return nr;
}

static void assert_told_once(struct kernel_device *dev, const uint64_t *written)
{
	uint64_t told[WORDS] = { 0 }, again[WORDS] = { 0 };

	assert_int_equal(report(dev, 0, NR_PAGES, told), 0);
	assert_int_equal(wrong(written, told), 0);
	assert_int_equal(report(dev, 0, NR_PAGES, again), 0);
	assert_int_equal(bitmap_count(again, NR_PAGES), 0);
}

static void test_every_page_once(void **unused)
{
	for (enum way way = 0; way < NR_WAYS; way++) {
		struct kernel_device *dev = open_logged(way);

		assert_int_equal(kernel_log_best(dev), GW_DIRTY_DEVICE + way);
		for (unsigned round = 0; round < 50; round++) {
			uint64_t written[WORDS] = { 0 }, told[WORDS] = { 0 }, at = 0;

			for (unsigned i = 0; i < round; i++)
				write_page(written, (uint64_t)rand() % NR_PAGES);
			while (at < NR_PAGES) { /* in reports of any size */
				uint64_t nr = min_u64(1 + (uint64_t)rand() % 200, NR_PAGES - at);

				assert_int_equal(report(dev, at, nr, told), 0);
				at += nr;
			}
			assert_int_equal(wrong(written, told), 0);
		}
		close_device(dev);
		assert_false(kernel.logs || kernel.tracks || kernel.type1_logs);
	}
}

/* Ends of a report that are no page's, in a log of larger pages than the map has. */
static void test_unaligned(void **unused)
{
	const struct gw_iova_range range = { BASE, NR_PAGES * PAGE };

	for (enum way way = 0; way < NR_WAYS; way++) {
		struct kernel_device *dev = open_device(way);
		uint64_t bits = 0;

		assert_int_equal(add_map(dev, BASE, 3 * PAGE, 3), 0);
		assert_int_equal(kernel_ops.log_start(dev, &range, 1, 4 * PAGE, NULL), 0);
		fake_write(BASE + 2 * PAGE + 0xfff);
		assert_int_equal(kernel_ops.log_report(dev, BASE + 0x10, 0x2801, PAGE, &bits, NULL), 0);
		assert_int_equal(bits, 7);
		/* It was cut, so the rest of it is still to be told. */
		bits = 0;
		assert_int_equal(kernel_ops.log_report(dev, BASE, 4 * PAGE, PAGE, &bits, NULL), 0);
		assert_int_equal(bits, 15);
		close_device(dev);
	}
}

/* The test of the test: one bit that a kernel forgets is found. */
static void test_dropped_bit_is_seen(void **unused)
{
	for (enum way way = 0; way < NR_WAYS; way++) {
		struct kernel_device *dev = open_logged(way);
		uint64_t written[WORDS] = { 0 }, told[WORDS] = { 0 };

		for (uint64_t page = 0; page < NR_PAGES; page += 7)
			write_page(written, page);
		kernel.drop = BASE / PAGE + 77;
		assert_int_equal(report(dev, 0, NR_PAGES, told), 0);
		assert_int_equal(wrong(written, told), 1);
		assert_false(bitmap_test(told, 77));
		close_device(dev);
	}
}

/* Every other page is a range: more than the kernel takes, and much more than some driver does. */
static void test_too_many_ranges(void **unused)
{
	static const uint32_t limits[] = { 256, 100, 10, 1 };
	struct gw_iova_range ranges[NR_PAGES];

	for (uint64_t i = 0; i < NR_PAGES; i++)
		ranges[i] = (struct gw_iova_range){ BASE + 2 * i * PAGE, PAGE };
	for (unsigned l = 0; l < ARRAY_SIZE(limits); l++) {
		struct kernel_device *dev = open_device(OWN_LOG);

		kernel.max_ranges = limits[l];
		assert_int_equal(kernel_ops.log_start(dev, ranges, NR_PAGES, PAGE, NULL), 0);
		assert_in_range(kernel.nr_ranges, limits[l] / 2, limits[l]);
		for (uint64_t i = 0; i < NR_PAGES; i++) {
			uint64_t bits = 0;

			fake_write(BASE + 2 * i * PAGE);
			fake_write(BASE + (2 * i + 1) * PAGE); /* logged with the rest, and not asked for */
			assert_int_equal(kernel_ops.log_report(dev, ranges[i].iova, PAGE, PAGE, &bits, NULL), 0);
			assert_int_equal(bits, 1);
		}
		close_device(dev);
	}
	kernel.max_ranges = 0;
}

static void test_added_memory(void **unused)
{
	const uint64_t behind = BASE + NR_PAGES * PAGE;

	for (enum way way = 0; way < NR_WAYS; way++) {
		struct kernel_device *dev = open_logged(way);
		uint64_t written[WORDS] = { 0 }, bits = 0;
		uint32_t starts = way == OWN_LOG;

		write_page(written, 5);
		/* Not logged, since it cannot be written; then logged. */
		assert_int_equal(add_map(dev, behind, 64 * PAGE, GW_DMA_READ), 0);
		assert_int_equal(kernel_ops.log_report(dev, behind, PAGE, PAGE, &bits, NULL), -EINVAL);
		assert_int_equal(kernel.nr_starts, starts);
		assert_int_equal(add_map(dev, behind + 64 * PAGE, 64 * PAGE, 3), 0);
		assert_int_equal(kernel.nr_starts, 2 * starts);
		/* A device's log began anew, and what it held is gone: all of it counts as written. */
		if (way == OWN_LOG)
			bitmap_set_range(written, 0, NR_PAGES);
		assert_told_once(dev, written);
		assert_int_equal(kernel_ops.log_report(dev, behind + 64 * PAGE, 64 * PAGE, PAGE, &bits, NULL), 0);
		assert_true(bits == (way == OWN_LOG ? UINT64_MAX : 0));
		bits = 0;
		fake_write(behind + 70 * PAGE);
		assert_int_equal(kernel_ops.log_report(dev, behind + 64 * PAGE, 64 * PAGE, PAGE, &bits, NULL), 0);
		assert_int_equal(bits, 1 << 6);
		/* What was logged before it is mapped changes nothing. */
		assert_int_equal(kernel_ops.dma_unmap(dev, behind + 64 * PAGE, 64 * PAGE, NULL), 0);
		assert_int_equal(add_map(dev, behind + 64 * PAGE, 64 * PAGE, 3), 0);
		assert_int_equal(kernel.nr_starts, 2 * starts);
		close_device(dev);
	}
}

/* A log that could not be extended tells nothing until it is started anew; the map is there. */
static void test_lost_log(void **unused)
{
	struct kernel_device *dev = open_logged(OWN_LOG);
	uint64_t told[WORDS] = { 0 }, none[WORDS] = { 0 };
	struct gw_error e = GW_ERROR_NONE;

	kernel.start_fails = ENOSPC;
	assert_int_equal(add_map(dev, BASE + NR_PAGES * PAGE, PAGE, 3), 0);
	kernel.start_fails = 0;
	kernel.logs = true;
	assert_int_equal(report(dev, 0, NR_PAGES, told), -EIO);
	assert_int_equal(report(dev, 0, NR_PAGES, told), -EIO);
	assert_int_equal(kernel_ops.log_report(dev, BASE, PAGE, PAGE, told, &e), -EIO);
	assert_non_null(strstr(e.what, "lost when memory was added"));
	assert_int_equal(kernel_ops.log_stop(dev, NULL), 0);
	start(dev);
	assert_told_once(dev, none);
	close_device(dev);
}

static void test_unmap(void **unused)
{
	for (enum way way = 0; way < NR_WAYS; way++) {
		struct kernel_device *dev = open_device(way);
		uint64_t written[WORDS] = { 0 };

		for (uint64_t page = 0; page < NR_PAGES; page += 128)
			assert_int_equal(add_map(dev, BASE + page * PAGE, 128 * PAGE, page == 384 ? GW_DMA_READ : 3),
					 0);
		start(dev);
		write_page(written, 3);
		write_page(written, 130);
		write_page(written, 255);
		write_page(written, 300);
		/* Two maps at once; the last one, which could not be written. */
		assert_int_equal(kernel_ops.dma_unmap(dev, BASE, 256 * PAGE, NULL), 0);
		assert_int_equal(kernel_ops.dma_unmap(dev, BASE + 384 * PAGE, 128 * PAGE, NULL), 0);
		if (way != OWN_LOG) /* the bits went with the page table, but for those that were kept */
			for (uint32_t i = 0; i < kernel.nr_writes; i++)
				kernel.writes[i] = kernel.writes[i] < BASE + 256 * PAGE ? 0 : kernel.writes[i];
		assert_told_once(dev, written);
		close_device(dev);
	}
}

/* What cannot be told before an unmap counts as written: all of it, and no more than it. */
static void test_unmap_without_bits(void **unused)
{
	static const enum way ways[] = { OWN_LOG, TYPE1 };

	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		struct kernel_device *dev = open_device(ways[i]);
		uint64_t written[WORDS] = { 0 };

		assert_int_equal(add_map(dev, BASE, 128 * PAGE, 3), 0);
		assert_int_equal(add_map(dev, BASE + 128 * PAGE, 384 * PAGE, 3), 0);
		start(dev);
		kernel.report_fails = kernel.unmap_bits_fail = EINVAL;
		assert_int_equal(kernel_ops.dma_unmap(dev, BASE, 128 * PAGE, NULL), 0);
		kernel.report_fails = 0;
		bitmap_set_range(written, 0, 128);
		assert_told_once(dev, written);
		close_device(dev);
	}
}

/* A source that does not work gives way to the next; with none left the log does not start. */
static void test_next_source(void **unused)
{
	static const int refusals[] = { EINVAL, ENOTTY, EOPNOTSUPP };

	for (unsigned i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct gw_iova_range range = { BASE, PAGE };
		struct kernel_device *dev = open_device(OWN_LOG);

		kernel.start_fails = refusals[i];
		assert_int_equal(kernel_ops.log_start(dev, &range, 1, PAGE, NULL), -refusals[i]);
		assert_int_equal(kernel_ops.log_report(dev, BASE, PAGE, PAGE, &(uint64_t){ 0 }, NULL), -EINVAL);
		dev->hwpt_id = 1;
		assert_int_equal(kernel_ops.log_start(dev, &range, 1, PAGE, NULL), 0);
		assert_true(kernel.tracks);
		assert_int_equal(kernel_ops.log_start(dev, &range, 1, PAGE, NULL), -EBUSY);
		close_device(dev);
	}
}

/* 80 GiB of one map: more than one system call's bitmap; written next to where the pieces meet. */
static void test_pieces(void **unused)
{
	const uint64_t size_bytes = 80 * GIB, at[] = { 0, 32 * GIB - PAGE, 32 * GIB, 64 * GIB, size_bytes - PAGE };
	const struct gw_iova_range range = { BASE, size_bytes };

	for (enum way way = OWN_LOG; way <= IOMMUFD; way++) {
		struct kernel_device *dev = open_device(way);
		uint64_t *bits = bitmap_new(size_bytes / PAGE);

		assert_int_equal(add_map(dev, BASE, size_bytes, 3), 0);
		assert_int_equal(kernel_ops.log_start(dev, &range, 1, PAGE, NULL), 0);
		for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
			fake_write(BASE + at[i]);
		assert_int_equal(kernel_ops.log_report(dev, BASE, size_bytes, PAGE, bits, NULL), 0);
		assert_int_equal(kernel.nr_reports, 3);
		assert_int_equal(bitmap_count(bits, size_bytes / PAGE), ARRAY_SIZE(at));
		for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
			assert_true(bitmap_test(bits, at[i] / PAGE));
		free(bits);
		close_device(dev);
	}
}

/* A map that has more pages than type 1 reports: an error, so that all of it counts as written. */
static void test_type1_too_large(void **unused)
{
	const struct gw_iova_range range = { BASE, 64 * GIB };
	struct kernel_device *dev = open_device(TYPE1);
	uint64_t bits = 0;

	assert_int_equal(add_map(dev, BASE, 64 * GIB, 3), 0);
	assert_int_equal(kernel_ops.log_start(dev, &range, 1, PAGE, NULL), 0);
	assert_true(kernel_ops.log_report(dev, BASE, PAGE, PAGE, &bits, NULL) < 0);
	close_device(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_page_once), cmocka_unit_test(test_dropped_bit_is_seen),
		cmocka_unit_test(test_unaligned),       cmocka_unit_test(test_too_many_ranges),
		cmocka_unit_test(test_added_memory),    cmocka_unit_test(test_lost_log),
		cmocka_unit_test(test_unmap),           cmocka_unit_test(test_unmap_without_bits),
		cmocka_unit_test(test_next_source),     cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_type1_too_large),
	};

	return cmocka_run_group_tests_name("kernel_log", tests, NULL, NULL);
}
