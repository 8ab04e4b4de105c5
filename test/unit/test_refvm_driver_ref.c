/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference VM's driver for the reference device, against a device of a few lines that does each operation when
 * its doorbell rings. It is content with a device that works, also across a move at any point; and each way in
 * which a migration could spoil a device is found: that is what the driver is for.
 */
#include "ref/device_registers.h"
#include "ref/guest/driver.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#define LOCAL_BYTES (128u << 10)
#define PEER_IOVA   0x200000000000
#define PEER_BYTES  (16u << 10)
#define AREA_GPA    0x40000
#define REG(dev, r) (*(uint64_t *)(void *)((dev)->registers + (r)))

enum fault {
	FAULT_NONE,
	FAULT_NO_INTERRUPT,
	FAULT_TWO_INTERRUPTS,
	FAULT_TAG,
	FAULT_COUNTED_TWICE,
	FAULT_FAILED,
	FAULT_COPY,
	FAULT_LOCAL_MEMORY,
	FAULT_RECORD_LOST,
	FAULT_RECORD_TWICE,
	FAULT_RECORD_DAMAGED,
	FAULT_SERIAL,
	FAULT_PEER_LOST,
	FAULT_PEER_EXTRA,
	FAULT_PEER_TORN,
	FAULT_PEER_WENT_BACK,
	FAULT_PEER_HALTED,
	FAULT_UNREACHABLE,
	NR_FAULTS,
};

struct model {
	uint8_t registers[REFDEV_REGISTERS_SIZE] __attribute__((aligned(8)));
	uint8_t local[LOCAL_BYTES] __attribute__((aligned(8)));
	uint8_t area[DRIVER_AREA_BYTES] __attribute__((aligned(64)));
	uint8_t window[PEER_BYTES] __attribute__((aligned(64))); /* another device's */
	int eventfds[REFDEV_NR_VECTORS];
	int hold; /* operations stay in flight */
	enum fault fault;
};

struct bench {
	struct model model;
	struct gw_device *dev;
	struct peer_window peer;
	struct integrity integrity;
	void *driver;
	uint64_t now_ns;
};

static int model_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	*info = (struct gw_device_info){ .vendor_id = REFDEV_VENDOR_ID, .device_id = REFDEV_DEVICE_ID };
	return 0;
}

static void copy_out(struct model *dev, uint8_t *guest, const uint8_t *local, uint64_t length)
{
	memcpy(guest, local, length);
	if (dev->fault == FAULT_COPY)
		guest[length - 1] ^= 1;
}

static uint64_t operate(struct model *dev)
{
	uint64_t length = REG(dev, REFDEV_REG_OP_LENGTH), seed = REG(dev, REFDEV_REG_OP_SEED);
	uint8_t *local = dev->local + REG(dev, REFDEV_REG_OP_LOCAL);
	uint8_t *guest = dev->area + (REG(dev, REFDEV_REG_OP_GUEST) - AREA_GPA);
	uint32_t code = *(uint32_t *)(void *)(dev->registers + REFDEV_REG_OP_CODE);

	assert_true(local + length <= dev->local + LOCAL_BYTES);
	if (code == REFDEV_OP_FILL)
		for (uint64_t i = 0; i < length / 8; i++)
			((uint64_t *)(void *)local)[i] = refdev_fill_word(seed, i);
	if (code == REFDEV_OP_COPY_IN)
		memcpy(local, guest, length);
	if (code == REFDEV_OP_COPY_OUT)
		copy_out(dev, guest, local, length);
	if (dev->fault == FAULT_LOCAL_MEMORY && code != REFDEV_OP_CHECKSUM)
		local[0] ^= 1;
	return code == REFDEV_OP_CHECKSUM ? XXH3_64bits_withSeed(local, length, seed) : length;
}

static void finish(struct model *dev)
{
	uint32_t *status = (void *)(dev->registers + REFDEV_REG_OP_STATUS);
	int interrupts = dev->fault == FAULT_NO_INTERRUPT ? 0 : dev->fault == FAULT_TWO_INTERRUPTS ? 2 : 1;

	if (*status != REFDEV_STATUS_BUSY || dev->hold)
		return;
	REG(dev, REFDEV_REG_OP_RESULT) = operate(dev);
	REG(dev, REFDEV_REG_OP_COMPLETED) += dev->fault == FAULT_COUNTED_TWICE ? 2 : 1;
	REG(dev, REFDEV_REG_OP_LAST_TAG) = REG(dev, REFDEV_REG_OP_TAG) + (dev->fault == FAULT_TAG);
	*status = dev->fault == FAULT_FAILED ? REFDEV_STATUS_ERROR : REFDEV_STATUS_DONE;
	while (interrupts--)
		eventfd_write(dev->eventfds[REFDEV_VECTOR_OPERATION], 1);
}

static void produce(struct model *dev, uint64_t nr)
{
	struct refdev_record *ring = (void *)dev->area;
	uint32_t entries = *(uint32_t *)(void *)(dev->registers + REFDEV_REG_STREAM_ENTRIES);
	uint64_t serial = REG(dev, REFDEV_REG_SERIAL) + (dev->fault == FAULT_SERIAL);

	for (; nr && REG(dev, REFDEV_REG_STREAM_PRODUCER) < REG(dev, REFDEV_REG_STREAM_CONSUMER) + entries; nr--) {
		uint64_t n = REG(dev, REFDEV_REG_STREAM_PRODUCER)++, named = n + (dev->fault == FAULT_RECORD_LOST);
		struct refdev_record *record = &ring[n % entries];

		named -= dev->fault == FAULT_RECORD_TWICE && n;
		record->serial = serial;
		record->check = refdev_record_check(named, serial);
		for (uint64_t i = 0; i < 5; i++)
			record->words[i] = refdev_mix(record->check + i);
		record->words[4] ^= dev->fault == FAULT_RECORD_DAMAGED;
		record->sequence = named + 1;
	}
}

/* What the fault spoils stays spoilt, however many stamps follow. */
static void stamp(struct model *dev, uint64_t nr)
{
	struct refdev_slot *slots = (void *)dev->window;
	uint32_t entries = *(uint32_t *)(void *)(dev->registers + REFDEV_REG_PEER_ENTRIES);
	uint32_t *status = (void *)(dev->registers + REFDEV_REG_PEER_STATUS);
	uint64_t serial = REG(dev, REFDEV_REG_SERIAL);

	if (*status != REFDEV_STATUS_BUSY)
		return;
	assert_true(entries * sizeof(*slots) <= PEER_BYTES);
	for (; nr; nr--) {
		struct refdev_slot *slot = &slots[REG(dev, REFDEV_REG_PEER_COUNT)++ % entries];

		for (uint64_t i = 0; i < REFDEV_STAMP_WORDS; i++)
			slot->words[i] += refdev_stamp_word(serial, i);
	}
	if (dev->fault == FAULT_PEER_LOST)
		for (uint64_t i = 0; i < REFDEV_STAMP_WORDS; i++)
			slots[3].words[i] -= refdev_stamp_word(serial, i);
	if (dev->fault == FAULT_PEER_EXTRA)
		for (uint64_t i = 0; i < REFDEV_STAMP_WORDS; i++)
			slots[3].words[i] += refdev_stamp_word(serial, i);
	if (dev->fault == FAULT_PEER_TORN)
		slots[entries - 1].words[REFDEV_STAMP_WORDS - 1] -= refdev_stamp_word(serial, REFDEV_STAMP_WORDS - 1);
	if (dev->fault == FAULT_PEER_HALTED)
		*status = REFDEV_STATUS_ERROR;
}

static ssize_t model_read(void *ctx, uint32_t index, uint64_t offset, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct model *dev = ctx;

	if (dev->fault == FAULT_UNREACHABLE)
		return -EIO;
	memcpy(buf, dev->registers + offset, size_bytes);
	if (offset == REFDEV_REG_PEER_COUNT && dev->fault == FAULT_PEER_WENT_BACK)
		memset(buf, 0, size_bytes);
	return (ssize_t)size_bytes;
}

static void control_stamps(struct model *dev, const void *buf)
{
	uint32_t control, *status = (void *)(dev->registers + REFDEV_REG_PEER_STATUS);

	memcpy(&control, buf, sizeof(control));
	*status = control == REFDEV_STREAM_START ? REFDEV_STATUS_BUSY : REFDEV_STATUS_IDLE;
}

static ssize_t model_write(void *ctx, uint32_t index, uint64_t offset, const void *buf, size_t size_bytes,
			   struct gw_error *e)
{
	struct model *dev = ctx;
	uint32_t busy = REFDEV_STATUS_BUSY;

	if (dev->fault == FAULT_UNREACHABLE)
		return -EIO;
	memcpy(dev->registers + offset, buf, size_bytes);
	if (offset == REFDEV_REG_OP_DOORBELL)
		memcpy(dev->registers + REFDEV_REG_OP_STATUS, &busy, sizeof(busy));
	if (offset == REFDEV_REG_PEER_CONTROL)
		control_stamps(dev, buf);
	return (ssize_t)size_bytes;
}

static int model_irq_set(void *ctx, uint32_t index, uint32_t start, uint32_t count, const int *eventfds,
			 struct gw_error *e)
{
	struct model *dev = ctx;

	assert_int_equal(index, GW_IRQ_MSIX);
	assert_int_equal(count, REFDEV_NR_VECTORS);
	memcpy(dev->eventfds, eventfds, sizeof(dev->eventfds));
	return 0;
}

static const struct gw_device_ops model_ops = {
	.size = sizeof(model_ops),
	.info = model_info,
	.region_read = model_read,
	.region_write = model_write,
	.irq_set = model_irq_set,
};

static struct bench *bench_open_with(uint32_t records_per_s, uint32_t operation_bytes)
{
	struct bench *bench = aligned_alloc(64, sizeof(*bench));
	struct gw_error e = GW_ERROR_NONE;
	struct driver_env env;

	assert_non_null(bench);
	memset(bench, 0, sizeof(*bench));
	REG(&bench->model, REFDEV_REG_MAGIC) = REFDEV_MAGIC | (uint64_t)REFDEV_VERSION << 32;
	REG(&bench->model, REFDEV_REG_MEMORY_SIZE) = LOCAL_BYTES;
	REG(&bench->model, REFDEV_REG_SERIAL) = 4711;
	integrity_init(&bench->integrity);
	assert_int_equal(gw_device_from_ops(&bench->dev, "dev0", &model_ops, &bench->model, &e), 0);
	memset(bench->model.window, 0xa5, sizeof(bench->model.window));
	bench->peer = (struct peer_window){ "dev1", PEER_IOVA, PEER_BYTES, bench->model.window };
	env = (struct driver_env){
		.dev = bench->dev,
		.area_gpa = AREA_GPA,
		.area = bench->model.area,
		.seed = 3,
		.integrity = &bench->integrity,
		.peer = &bench->peer,
		.records_per_s = records_per_s,
		.operation_bytes = operation_bytes,
	};
	assert_int_equal(driver_ref_ops.open(&bench->driver, &env, &e), 0);
	return bench;
}

static struct bench *bench_open(void)
{
	return bench_open_with(0, 0);
}

static void bench_close(struct bench *bench)
{
	driver_ref_ops.close(bench->driver);
	gw_device_close(bench->dev);
	free(bench);
}

static void run(struct bench *bench, int nr_ticks)
{
	while (nr_ticks--) {
		produce(&bench->model, 100);
		stamp(&bench->model, 1000);
		finish(&bench->model);
		bench->now_ns += 1000000;
		driver_ref_ops.tick(bench->driver, bench->now_ns);
	}
}

static struct bench *started(void)
{
	struct bench *bench = bench_open();
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(driver_ref_ops.start(bench->driver, &e), 0);
	run(bench, 23);
	return bench;
}

static uint64_t errors_of(struct bench *bench)
{
	return integrity_get(&bench->integrity, NULL);
}

static void test_a_device_that_works(void **state)
{
	struct bench *bench = started();
	struct driver_counters counters;

	run(bench, 500);
	driver_ref_ops.check(bench->driver);
	driver_ref_ops.counters(bench->driver, &counters);
	assert_int_equal(errors_of(bench), 0);
	assert_int_equal(counters.operations, 522); /* the last is in flight */
	assert_in_range(counters.stamps, 40000, 60000);
	assert_in_range(counters.peer_writes, 400000, 523000); /* looked at now and then */
	assert_int_equal(REG(&bench->model, REFDEV_REG_PEER_RING), PEER_IOVA);
	bench_close(bench);
}

static uint64_t longest_operation(struct bench *bench)
{
	uint64_t longest = 0;

	for (int i = 0; i < 100; i++) {
		run(bench, 1);
		if (REG(&bench->model, REFDEV_REG_OP_LENGTH) > longest)
			longest = REG(&bench->model, REFDEV_REG_OP_LENGTH);
	}
	return longest;
}

static void test_gentle_with_a_slow_guest(void **state)
{
	struct bench *fast = bench_open(), *slow = bench_open_with(500, 4096);

	assert_int_equal(driver_ref_ops.start(fast->driver, NULL), 0);
	assert_int_equal(driver_ref_ops.start(slow->driver, NULL), 0);
	assert_int_equal(REG(&fast->model, REFDEV_REG_STREAM_RATE), 20000);
	assert_int_equal(REG(&slow->model, REFDEV_REG_STREAM_RATE), 500);
	assert_true(longest_operation(fast) > 8192);
	assert_in_range(longest_operation(slow), 2048, 4096);
	assert_int_equal(errors_of(slow), 0);
	bench_close(fast);
	bench_close(slow);
}

/* The clock here says nothing of when the operation was begun elsewhere: its time is counted from the first look on. */
static void test_what_came_in_flight_gets_its_time(void **state)
{
	struct bench *here = started(), *there = bench_open();
	uint8_t blob[512];
	struct blob_out out = { .buf = blob, .size_bytes = sizeof(blob) };
	struct blob_in in = { .at = blob };

	driver_ref_ops.save(here->driver, &out);
	in.left_bytes = out.used_bytes;
	memcpy(there->model.registers, here->model.registers, sizeof(there->model.registers));
	memcpy(there->model.area, here->model.area, sizeof(there->model.area));
	memcpy(there->model.window, here->model.window, sizeof(there->model.window));
	assert_int_equal(driver_ref_ops.load(there->driver, &in), 0);
	*(uint32_t *)(void *)(there->model.registers + REFDEV_REG_OP_STATUS) = REFDEV_STATUS_DONE;
	there->now_ns = 100000000000ull;
	driver_ref_ops.tick(there->driver, there->now_ns);
	driver_ref_ops.tick(there->driver, there->now_ns + 19000000000ull);
	assert_int_equal(errors_of(there), 0);
	driver_ref_ops.tick(there->driver, there->now_ns + 21000000000ull);
	assert_true(errors_of(there) > 0);
	bench_close(here);
	bench_close(there);
}

/* The device's eventfd was signalled and not read, or the operation was still in flight: both go on elsewhere. */
static void test_moves_at_any_point(void **state)
{
	for (int at = 0; at < 12; at++) {
		struct bench *here = started(), *there = bench_open();
		uint8_t blob[512];
		struct blob_out out = { .buf = blob, .size_bytes = sizeof(blob) };
		struct blob_in in = { .at = blob };
		int eventfds[REFDEV_NR_VECTORS];

		run(here, at / 2);
		here->model.hold = at % 2;
		finish(&here->model);
		produce(&here->model, 50);
		stamp(&here->model, 333);
		driver_ref_ops.save(here->driver, &out);
		in.left_bytes = out.used_bytes;

		memcpy(eventfds, there->model.eventfds, sizeof(eventfds));
		there->model = here->model;
		memcpy(there->model.eventfds, eventfds, sizeof(eventfds));
		there->model.hold = 0;
		assert_int_equal(driver_ref_ops.load(there->driver, &in), 0);
		assert_true(blob_ended(&in));
		driver_ref_ops.check(there->driver);
		run(there, 40);
		assert_int_equal(errors_of(there), 0);
		bench_close(here);
		bench_close(there);
	}
}

static void test_every_fault_is_found(void **state)
{
	for (enum fault fault = FAULT_NONE + 1; fault < NR_FAULTS; fault++) {
		struct bench *bench = started();

		assert_int_equal(errors_of(bench), 0);
		bench->model.fault = fault;
		run(bench, 10);
		bench->now_ns += 60000000000ull; /* an interrupt that does not come is missed after a while */
		run(bench, 10);
		if (!errors_of(bench))
			fail_msg("fault %d was not found", fault);
		bench_close(bench);
	}
}

static void test_a_device_left_behind_is_found(void **state)
{
	struct bench *bench = started();
	struct model *old = malloc(sizeof(*old));

	*old = bench->model;
	run(bench, 7);
	memcpy(bench->model.registers, old->registers, sizeof(old->registers));
	run(bench, 7);
	assert_true(errors_of(bench) > 0);
	free(old);
	bench_close(bench);
}

static void test_another_device_is_refused(void **state)
{
	struct bench *bench = bench_open();
	struct gw_error e = GW_ERROR_NONE;

	REG(&bench->model, REFDEV_REG_MAGIC) = 1;
	assert_int_equal(driver_ref_ops.start(bench->driver, &e), -ENODEV);
	assert_string_equal(e.where, "dev0");
	bench_close(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_device_that_works),
		cmocka_unit_test(test_gentle_with_a_slow_guest),
		cmocka_unit_test(test_what_came_in_flight_gets_its_time),
		cmocka_unit_test(test_moves_at_any_point),
		cmocka_unit_test(test_every_fault_is_found),
		cmocka_unit_test(test_a_device_left_behind_is_found),
		cmocka_unit_test(test_another_device_is_refused),
	};

	return cmocka_run_group_tests_name("refvm_driver_ref", tests, NULL, NULL);
}
