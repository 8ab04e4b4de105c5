/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dirty pages of the reference device through vfio-user: it copies to guest memory wherever it is told to, and every
 * page that it wrote is told once. The comparison is put to the test by a bit that is taken away.
 */
#include "device/device.h"
#include "ref/device_registers.h"
#include "ref_server.h"

#include "base/bitmap.h"
#include "base/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <cmocka.h>

#define PAGE        4096ull
#define IOVA        0x100000ull
#define NR_PAGES    512ull
#define WORDS       (NR_PAGES / 64)
#define GUEST_BYTES (2 * NR_PAGES * PAGE) /* the second half is only mapped later */

struct rig {
	struct server server;
	struct gw_device *dev;
	int memory, irq;
	uint8_t *guest;
	uint64_t written[WORDS];
};

static void map_half(struct rig *r, uint64_t half)
{
	struct gw_dma_map map = {
		.iova = IOVA + half * NR_PAGES * PAGE,
		.size_bytes = NR_PAGES * PAGE,
		.hva = r->guest + half * NR_PAGES * PAGE,
		.fd = r->memory,
		.fd_offset = half * NR_PAGES * PAGE,
		.prot = GW_DMA_READ | GW_DMA_WRITE,
	};

	assert_int_equal(gw_device_dma_map(r->dev, &map, NULL), 0);
}

static void set_up(struct rig *r, uint32_t without)
{
	static const struct gw_iova_range range = { IOVA, NR_PAGES * PAGE };
	int irqs[2];
	char uri[128];

	*r = (struct rig){ .memory = memfd_create("guest", MFD_CLOEXEC), .irq = eventfd(0, EFD_CLOEXEC) };
	assert_int_equal(ftruncate(r->memory, GUEST_BYTES), 0);
	r->guest = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, r->memory, 0);
	assert_true(r->guest != MAP_FAILED);
	server_start(&r->server, 1, without);
	snprintf(uri, sizeof(uri), "vfio-user:%s", r->server.path);
	assert_int_equal(gw_device_open(&r->dev, "dev0", uri, NULL), 0);
	assert_int_equal(device_info(r->dev)->dirty_source, GW_DIRTY_DEVICE);
	assert_int_equal(gw_device_region_write(r->dev, GW_REGION_CONFIG, 4, &(uint16_t){ 6 }, 2, NULL), 2);
	map_half(r, 0);
	irqs[0] = r->irq;
	irqs[1] = -1;
	assert_int_equal(gw_device_irq_set(r->dev, GW_IRQ_MSIX, 0, 2, irqs, NULL), 0);
	assert_int_equal(device_log_start(r->dev, &range, 1, PAGE, NULL), 0);
}

static void tear_down(struct rig *r)
{
	gw_device_close(r->dev);
	server_stop(&r->server);
	munmap(r->guest, GUEST_BYTES);
	close(r->memory);
	close(r->irq);
}

static void set_register(struct rig *r, uint64_t offset, uint64_t value, size_t width)
{
	assert_int_equal(gw_device_region_write(r->dev, REFDEV_BAR_REGISTERS, offset, &value, width, NULL), width);
}

/* The device writes there, and has done so when this returns. In words, as its operations are. */
static void device_writes(struct rig *r, uint64_t iova, uint64_t size_bytes)
{
	uint32_t error;
	uint64_t count;

	set_register(r, REFDEV_REG_OP_CODE, REFDEV_OP_COPY_OUT, 4);
	set_register(r, REFDEV_REG_OP_GUEST, iova, 8);
	set_register(r, REFDEV_REG_OP_LOCAL, 0, 8);
	set_register(r, REFDEV_REG_OP_LENGTH, size_bytes, 8);
	set_register(r, REFDEV_REG_OP_DOORBELL, 1, 4);
	assert_int_equal(read(r->irq, &count, sizeof(count)), sizeof(count));
	assert_int_equal(gw_device_region_read(r->dev, REFDEV_BAR_REGISTERS, REFDEV_REG_OP_ERROR, &error, 4, NULL), 4);
	assert_int_equal(error, REFDEV_ERROR_NONE);
	for (uint64_t at = iova / PAGE; at <= (iova + size_bytes - 1) / PAGE; at++)
		if (at - IOVA / PAGE < NR_PAGES)
			bitmap_set(r->written, at - IOVA / PAGE);
}

static void device_writes_somewhere(struct rig *r)
{
	uint64_t at = 8 * ((uint64_t)rand() % (NR_PAGES * PAGE / 8));
	uint64_t size_bytes = 8 * (1 + (uint64_t)rand() % (5 * PAGE / 8));

	device_writes(r, IOVA + at, min_u64(size_bytes, NR_PAGES * PAGE - at));
}

/* Reports of any size over all that is logged. */
static void report(struct rig *r, uint64_t *told)
{
	uint64_t at = 0;

	while (at < NR_PAGES) {
		uint64_t nr = min_u64(1 + (uint64_t)rand() % NR_PAGES, NR_PAGES - at), bits[WORDS] = { 0 };

		assert_int_equal(device_log_report(r->dev, IOVA + at * PAGE, nr * PAGE, PAGE, bits, NULL), 0);
		for (uint64_t i = 0; i < nr; i++)
			if (bitmap_test(bits, i))
				bitmap_set(told, at + i);
		at += nr;
	}
}

/* How many pages were written and not told, or told and not written, since the last time. */
static uint64_t nr_wrong(struct rig *r)
{
	uint64_t told[WORDS] = { 0 }, nr = 0;

	report(r, told);
	for (unsigned w = 0; w < WORDS; w++)
		nr += (uint64_t)__builtin_popcountll(told[w] ^ r->written[w]);
	memset(r->written, 0, sizeof(r->written));
	return nr;
}

static void every_page(uint32_t without)
{
	struct rig r;

	set_up(&r, without);
	for (unsigned round = 0; round < 30; round++) {
		for (unsigned i = 0; i < round; i++)
			device_writes_somewhere(&r);
		assert_int_equal(nr_wrong(&r), 0);
	}
	assert_int_equal(nr_wrong(&r), 0);
	tear_down(&r);
}

static void test_every_page(void **unused)
{
	every_page(0);
	every_page(REF_DEVICE_NO_EXTENSION);
}

static void dropped_bit(uint32_t without)
{
	uint64_t stolen = 0;
	struct rig r;

	set_up(&r, without);
	for (unsigned i = 0; i < 20; i++)
		device_writes_somewhere(&r);
	device_writes(&r, IOVA + 77 * PAGE + 40, 8);
	assert_int_equal(device_log_report(r.dev, IOVA + 77 * PAGE, PAGE, PAGE, &stolen, NULL), 0);
	assert_int_equal(stolen, 1);
	assert_int_equal(nr_wrong(&r), 1);
	tear_down(&r);
}

static void test_dropped_bit_is_seen(void **unused)
{
	dropped_bit(0);
	dropped_bit(REF_DEVICE_NO_EXTENSION);
}

/* Mapped while the log is on: from there on it is logged, and what the restart lost counts as written, once. */
static void added_memory(uint32_t without)
{
	const uint64_t behind = IOVA + NR_PAGES * PAGE;
	uint64_t bits[WORDS] = { 0 };
	struct rig r;

	set_up(&r, without);
	device_writes_somewhere(&r);
	map_half(&r, 1);
	bitmap_set_range(r.written, 0, NR_PAGES);
	assert_int_equal(nr_wrong(&r), 0);
	assert_int_equal(nr_wrong(&r), 0);
	assert_int_equal(device_log_report(r.dev, behind, NR_PAGES * PAGE, PAGE, bits, NULL), 0);
	assert_int_equal(bitmap_count(bits, NR_PAGES), NR_PAGES);
	memset(bits, 0, sizeof(bits));
	device_writes(&r, behind + 9 * PAGE, PAGE + 8);
	device_writes(&r, behind - 8, 16);
	assert_int_equal(device_log_report(r.dev, behind, NR_PAGES * PAGE, PAGE, bits, NULL), 0);
	assert_int_equal(bits[0], 1 | 3 << 9);
	assert_int_equal(nr_wrong(&r), 0);
	/* Unmapped: what the device may have written there is known no more. */
	bitmap_set_range(r.written, 0, NR_PAGES);
	assert_int_equal(gw_device_dma_unmap(r.dev, IOVA, NR_PAGES * PAGE, NULL), 0);
	assert_int_equal(nr_wrong(&r), 0);
	tear_down(&r);
}

static void test_added_memory(void **unused)
{
	added_memory(0);
	added_memory(REF_DEVICE_NO_EXTENSION);
}

static uint32_t claimed; /* as its dirty source, by an ops table that claims to log */

static int claim(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	*info = (struct gw_device_info){ .features = GW_FEATURE_DMA_LOG, .dirty_source = claimed };
	return 0;
}

static int log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr, uint64_t page, struct gw_error *e)
{
	return 0;
}

static int log_stop(void *ctx, struct gw_error *e)
{
	return 0;
}

static int log_report(void *ctx, uint64_t iova, uint64_t size, uint64_t page, uint64_t *bitmap, struct gw_error *e)
{
	return 0;
}

static uint32_t source_of(const struct gw_device_ops *ops, uint32_t claims)
{
	struct gw_device *dev;
	uint32_t source;

	claimed = claims;
	assert_int_equal(gw_device_from_ops(&dev, "dev0", ops, NULL, NULL), 0);
	source = device_info(dev)->dirty_source;
	gw_device_close(dev);
	return source;
}

/* A source is there if and only if it can be asked, whatever is claimed. */
static void test_source(void **unused)
{
	struct gw_device_ops ops = { .size = sizeof(ops), .info = claim };
	struct gw_device *dev;
	struct server server;
	char uri[128];

	assert_int_equal(source_of(&ops, GW_DIRTY_DEVICE), GW_DIRTY_NONE);
	ops.log_start = log_start;
	ops.log_stop = log_stop;
	assert_int_equal(source_of(&ops, GW_DIRTY_DEVICE), GW_DIRTY_NONE);
	ops.log_report = log_report;
	assert_int_equal(source_of(&ops, GW_DIRTY_NONE), GW_DIRTY_DEVICE);
	assert_int_equal(source_of(&ops, GW_DIRTY_IOMMUFD), GW_DIRTY_IOMMUFD);
	assert_int_equal(source_of(&ops, GW_DIRTY_TYPE1 + 1), GW_DIRTY_DEVICE);

	server_start(&server, 1, REF_DEVICE_NO_DMA_LOG);
	snprintf(uri, sizeof(uri), "vfio-user:%s", server.path);
	assert_int_equal(gw_device_open(&dev, "dev0", uri, NULL), 0);
	assert_int_equal(device_info(dev)->dirty_source, GW_DIRTY_NONE);
	gw_device_close(dev);
	server_stop(&server);

	assert_string_equal(gw_dirty_source_name(GW_DIRTY_NONE), "none");
	assert_string_equal(gw_dirty_source_name(GW_DIRTY_TYPE1), "type1");
	assert_string_equal(gw_dirty_source_name(GW_DIRTY_TYPE1 + 1), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_page),
		cmocka_unit_test(test_dropped_bit_is_seen),
		cmocka_unit_test(test_added_memory),
		cmocka_unit_test(test_source),
	};

	return cmocka_run_group_tests_name("device_ref_log", tests, NULL, NULL);
}
