/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dirty_mock: the kernel back end's dirty pages by iommufd, against the kernel's own mock IOMMU. The functions under
 * test are the back end's; only the device is not one of VFIO. What is written is known bit by bit, so what is told
 * must be just that, once. Prints a line a check: "ok NAME", "not ok NAME - why".
 *
 *   dirty_mock         all checks
 *   dirty_mock drop    one dirty bit is stolen before it can be told: the check must fail
 */
#include "mock_rig.h"

#include "base/bitmap.h"
#include "base/bits.h"

#include <stdlib.h>
#include <sys/mman.h>

/* The mock device writes: the second half of every fourth page, else the first. */
static int write_pages(struct rig *r, const uint64_t *pages)
{
	uint64_t bits[2 * WORDS] = { 0 };
	struct mock_cmd cmd = {
		.size = sizeof(cmd),
		.op = MOCK_OP_DIRTY,
		.id = r->dev->hwpt_id,
		.dirty = { .iova = BASE,
			   .length = NR_PAGES * PAGE,
			   .page_size = MOCK_PAGE_BYTES,
			   .bitmap = (uintptr_t)bits },
	};
	uint64_t nr = bitmap_count(pages, NR_PAGES);

	for (uint64_t i = 0; i < NR_PAGES; i++)
		if (bitmap_test(pages, i))
			bitmap_set(bits, 2 * i + (i % 4 == 3));
	if (ioctl(r->dev->iommufd, MOCK_CMD, &cmd) < 0)
		return failed_call("setting dirty bits");
	if (cmd.dirty.out_nr_dirty != nr)
		return fail("%llu of %llu dirty bits were set", (unsigned long long)cmd.dirty.out_nr_dirty,
			    (unsigned long long)nr);
	for (unsigned w = 0; w < WORDS; w++)
		r->written[w] |= pages[w];
	return 0;
}

static int write_page(struct rig *r, uint64_t page)
{
	uint64_t pages[WORDS] = { 0 };

	bitmap_set(pages, page);
	return write_pages(r, pages);
}

/* Adds what is told of the area to r->told. */
static int report(struct rig *r, const struct area *area)
{
	uint64_t bits[WORDS] = { 0 };
	struct gw_error e = GW_ERROR_NONE;

	if (kernel_ops.log_report(r->dev, iova_of(area->first), area->nr * PAGE, PAGE, bits, &e))
		return failed("log_report", &e);
	for (uint64_t i = 0; i < area->nr; i++)
		if (bitmap_test(bits, i))
			bitmap_set(r->told, area->first + i);
	return 0;
}

static int report_all(struct rig *r)
{
	return report(r, &A) || report(r, &B_AND_C) ? -1 : 0;
}

/* What was told since the last time is what was written since then. */
static int compare(struct rig *r)
{
	for (uint64_t i = 0; i < NR_PAGES; i++) {
		if (bitmap_test(r->written, i) && !bitmap_test(r->told, i))
			return fail("page %llu was written and not told", (unsigned long long)i);
		if (!bitmap_test(r->written, i) && bitmap_test(r->told, i))
			return fail("page %llu was told and not written", (unsigned long long)i);
	}
	memset(r->written, 0, sizeof(r->written));
	memset(r->told, 0, sizeof(r->told));
	return 0;
}

static int report_and_compare(struct rig *r)
{
	return report_all(r) ? -1 : compare(r);
}

static void random_pages(uint64_t *pages, const struct area *area, unsigned one_in)
{
	for (uint64_t i = area->first; i < area->first + area->nr; i++)
		if (random() % one_in == 0)
			bitmap_set(pages, i);
}

static int write_randomly(struct rig *r)
{
	uint64_t pages[WORDS] = { 0 };

	random_pages(pages, &A, 1 + (unsigned)random() % 100);
	random_pages(pages, &B, 1 + (unsigned)random() % 20);
	random_pages(pages, &C, 2);
	return write_pages(r, pages);
}

static int check_every_bit_once(struct rig *r)
{
	if (start(r, PAGE))
		return -1;
	for (unsigned round = 0; round < 50; round++)
		if (write_randomly(r) || report_and_compare(r) || report_and_compare(r))
			return -1;
	return stop(r);
}

/* Ends of ranges that are no page's, reports that overlap: told is what was written, in the report's pages. */
static int check_unaligned(struct rig *r)
{
	const uint64_t iova = iova_of(B.first) + 0x2a00, size = 0x6001, page = 0x1000;
	uint64_t bits = 0;
	struct gw_error e = GW_ERROR_NONE;

	if (start(r, PAGE) || write_page(r, B.first + 2) || write_page(r, B.first + 4) || write_page(r, B.first + 20))
		return -1;
	if (kernel_ops.log_report(r->dev, iova, size, page, &bits, &e))
		return failed("log_report", &e);
	/* Page 2 reaches into the first of the report's pages, page 4 into the two after it. */
	if (bits != 0x7)
		return fail("bits %#llx", (unsigned long long)bits);
	/* Page 4 is told; page 2 was cut, so it will be told once more, page 20 is still to come. */
	bitmap_clear(r->written, B.first + 4);
	return report_and_compare(r) || stop(r) ? -1 : 0;
}

/* A log in larger pages than some map has: all that was written is told, and nothing of another such page. */
static int check_page_size(struct rig *r, uint64_t log_page)
{
	uint64_t pages_a_bit = log_page / PAGE;

	if (start(r, log_page) || write_randomly(r) || report_all(r))
		return -1;
	for (uint64_t i = 0; i < NR_PAGES; i++) {
		uint64_t first = i / pages_a_bit * pages_a_bit;
		uint64_t end = min_u64(first + pages_a_bit, NR_PAGES);

		if (bitmap_test(r->written, i) && !bitmap_test(r->told, i))
			return fail("page %llu was written and not told", (unsigned long long)i);
		if (bitmap_test(r->told, i) && bitmap_next_set(r->written, first, end) >= end)
			return fail("page %llu was told, nothing near it written", (unsigned long long)i);
	}
	memset(r->written, 0, sizeof(r->written));
	memset(r->told, 0, sizeof(r->told));
	return report_and_compare(r) || stop(r) ? -1 : 0;
}

static int check_page_sizes(struct rig *r)
{
	for (uint64_t page = PAGE; page <= 4 * MIB; page *= 2)
		if (check_page_size(r, page))
			return -1;
	return 0;
}

static int read_a(struct rig *r, enum log_read how, uint64_t *bits)
{
	memset(bits, 0, WORDS * sizeof(*bits));
	return kernel_log_iommufd.read(r->dev, iova_of(A.first), A.nr * PAGE, PAGE, bits, how);
}

static int check_no_clear(struct rig *r)
{
	uint64_t bits[WORDS];

	if (start(r, PAGE) || write_page(r, 3) || write_page(r, 100))
		return -1;
	for (unsigned i = 0; i < 3; i++) {
		int ret = read_a(r, i < 2 ? LOG_READ_KEEP : LOG_READ_CLEAR, bits);

		if (ret)
			return fail("reading: %s", strerror(-ret));
		if (memcmp(bits, r->written, sizeof(bits)))
			return fail("other bits at reading %u", i);
	}
	if (read_a(r, LOG_READ_KEEP, bits) || bitmap_count(bits, NR_PAGES))
		return fail("bits are left after a reading that clears");
	memset(r->written, 0, sizeof(r->written));
	return report_and_compare(r) || stop(r) ? -1 : 0;
}

/* What an unmap destroys is told by the next report; an unmap that is refused destroys nothing. */
static int check_unmap(struct rig *r)
{
	const struct area half = { A.first, A.nr / 2 };
	struct gw_error e = GW_ERROR_NONE;
	int ret;

	if (start(r, PAGE) || write_randomly(r))
		return -1;
	if (!unmap(r, &half, NULL))
		return fail("half of a map was unmapped");
	if (report_and_compare(r) || report_and_compare(r) || write_randomly(r))
		return -1;
	if (unmap(r, &B, &e))
		return failed("unmap", &e);
	ret = report_and_compare(r) || report_and_compare(r) || stop(r);
	return add_map(r, &B) || ret ? -1 : 0;
}

/* Memory that is added is logged, and what was known of the rest is not lost by it. */
static int check_extend(struct rig *r)
{
	struct gw_error e = GW_ERROR_NONE;

	if (start(r, PAGE) || write_randomly(r) || add_map(r, &D))
		return -1;
	if (write_page(r, D.first) || write_page(r, D.first + D.nr - 1) || report(r, &D) || report_and_compare(r))
		return -1;
	if (stop(r))
		return -1;
	return unmap(r, &D, &e) ? failed("unmap", &e) : 0;
}

/* A log that begins anew knows nothing of the one before; one that is off tells nothing. */
static int check_start_stop(struct rig *r)
{
	uint64_t bits[WORDS] = { 0 };

	if (start(r, PAGE) || write_randomly(r) || stop(r))
		return -1;
	if (kernel_ops.log_report(r->dev, iova_of(A.first), PAGE, PAGE, bits, NULL) != -EINVAL)
		return fail("a log that is off reports");
	memset(r->written, 0, sizeof(r->written));
	if (start(r, PAGE) || report_and_compare(r))
		return -1;
	if (start(r, PAGE) != -1)
		return fail("a log was started twice");
	return stop(r);
}

/* Bits that somebody else takes are lost: compare() has to see it. */
static int check_drop(struct rig *r)
{
	uint64_t stolen = 0;

	if (start(r, PAGE) || write_randomly(r) || write_page(r, A.first + 77))
		return -1;
	if (kernel_log_iommufd.read(r->dev, iova_of(A.first + 77), PAGE, PAGE, &stolen, LOG_READ_CLEAR) || stolen != 1)
		return fail("nothing could be stolen");
	return report_and_compare(r) || stop(r) ? -1 : 0;
}

static int open_rig(struct rig *r)
{
	r->ram = mmap(NULL, NR_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->ram == MAP_FAILED)
		return failed_call("mmap");
	if (open_mock(&r->dev, 0))
		return -1;
	if (kernel_log_best(r->dev) != GW_DIRTY_IOMMUFD)
		return fail("the source is %s", gw_dirty_source_name(kernel_log_best(r->dev)));
	return add_map(r, &A) || add_map(r, &B) || add_map(r, &C) ? -1 : 0;
}

/* A device whose IOMMU cannot: no source, and no log. */
static int check_not_there(struct rig *unused)
{
	const struct gw_iova_range range = range_of(&A);
	struct kernel_device *dev;
	int ret = open_mock(&dev, MOCK_DEVICE_HAS_NO_DIRTY);

	(void)unused;
	if (!ret && kernel_log_best(dev) != GW_DIRTY_NONE)
		ret = fail("the source is %s", gw_dirty_source_name(kernel_log_best(dev)));
	if (!ret && kernel_ops.log_start(dev, &range, 1, PAGE, NULL) != -EOPNOTSUPP)
		ret = fail("a log was started");
	kernel_ops.close(dev);
	return ret;
}

static const struct check {
	const char *name;
	int (*run)(struct rig *);
} checks[] = {
	{ "every-bit-once", check_every_bit_once },
	{ "unaligned", check_unaligned },
	{ "page-sizes", check_page_sizes },
	{ "no-clear", check_no_clear },
	{ "unmap", check_unmap },
	{ "extend", check_extend },
	{ "start-stop", check_start_stop },
	{ "not-there", check_not_there },
};

/* Each with a device of its own, so that one that fails does not bring down the rest. */
static int run(const struct check *check)
{
	struct rig r = { .dev = NULL };
	int ret = open_rig(&r) ? -1 : check->run(&r);

	if (ret)
		printf("not ok dirty.iommufd.%s - %s\n", check->name, why);
	else
		printf("ok dirty.iommufd.%s\n", check->name);
	fflush(stdout);
	if (r.dev)
		kernel_ops.close(r.dev);
	munmap(r.ram, NR_PAGES * PAGE);
	return ret;
}

int main(int argc, char **argv)
{
	static const struct check drop = { "drop", check_drop };
	int bad = 0;

	srandom(1);
	if (argc == 2 && !strcmp(argv[1], "drop"))
		return run(&drop) ? 1 : 0;
	for (unsigned i = 0; i < ARRAY_SIZE(checks); i++)
		bad |= run(&checks[i]);
	return bad ? 1 : 0;
}
