/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus: who is found, what overlaps, accesses over an edge, and a range that goes while it is accessed. */
#include "ref/base/bus.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

struct target {
	uint64_t last_offset;
	uint64_t last_value;
	uint32_t last_size;
	uint32_t nr_writes;
	atomic_int is_there;
	atomic_int nr_reads;
	atomic_int nr_wrong; /* when it was not there, or of no width */
};

/* Byte n of a target holds n. */
static void target_read(void *ctx, uint64_t offset, void *data, uint32_t size_bytes)
{
	struct target *target = ctx;

	target->nr_wrong += !target->is_there || (size_bytes != 1 && size_bytes != 4 && size_bytes != 8);
	target->nr_reads++;
	for (uint32_t i = 0; i < size_bytes; i++)
		((uint8_t *)data)[i] = (uint8_t)(offset + i);
}

static void target_write(void *ctx, uint64_t offset, const void *data, uint32_t size_bytes)
{
	struct target *target = ctx;

	assert_true(size_bytes == 1 || size_bytes == 2 || size_bytes == 4 || size_bytes == 8);
	target->last_offset = offset;
	target->last_size = size_bytes;
	target->last_value = 0;
	memcpy(&target->last_value, data, size_bytes);
	target->nr_writes++;
}

static const struct bus_ops ops = { target_read, target_write };

static uint64_t read_at(struct bus *bus, uint64_t at, uint32_t size_bytes)
{
	uint64_t value = 0;

	bus_read(bus, at, &value, size_bytes);
	return value;
}

static void test_each_answers_at_its_place(void **state)
{
	struct target low = { .is_there = 1 }, high = { .is_there = 1 };
	uint64_t value = 0x1122334455667788;
	struct bus bus;

	bus_init(&bus);
	assert_int_equal(bus_add(&bus, 0x2000, 0x100, &ops, &high), 0);
	assert_int_equal(bus_add(&bus, 0x1000, 0x10, &ops, &low), 0);
	bus_write(&bus, 0x1008, &value, 8);
	assert_int_equal(low.last_offset, 8);
	assert_int_equal(low.last_value, value);
	bus_write(&bus, 0x20ff, &value, 1);
	assert_int_equal(high.last_offset, 0xff);
	assert_int_equal(high.last_value, 0x88);
	assert_int_equal(read_at(&bus, 0x2004, 4), 0x07060504);
	bus_fini(&bus);
}

static void test_nobody_reads_as_ones(void **state)
{
	struct target target = { .is_there = 1 };
	uint32_t value = 0;
	struct bus bus;

	bus_init(&bus);
	assert_int_equal(read_at(&bus, 0, 8), UINT64_MAX);
	assert_int_equal(bus_add(&bus, 0x1000, 0x10, &ops, &target), 0);
	assert_int_equal(read_at(&bus, 0xfff, 1), 0xff);
	assert_int_equal(read_at(&bus, 0x1010, 4), 0xffffffff);
	assert_int_equal(read_at(&bus, 0xffe, 4), 0xffffffff); /* runs into it */
	bus_write(&bus, 0xffe, &value, 4);
	bus_write(&bus, 0x1010, &value, 4);
	assert_int_equal(target.nr_writes, 0);
	bus_fini(&bus);
}

static void test_an_access_over_the_end_is_cut(void **state)
{
	struct target first = { .is_there = 1 }, second = { .is_there = 1 };
	uint32_t value = 0x44332211;
	struct bus bus;

	bus_init(&bus);
	assert_int_equal(bus_add(&bus, 0x10, 0x10, &ops, &first), 0);
	assert_int_equal(bus_add(&bus, 0x20, 0x10, &ops, &second), 0);
	assert_int_equal(read_at(&bus, 0x1e, 4), 0xffff0f0e);
	bus_write(&bus, 0x1d, &value, 4);
	assert_int_equal(first.nr_writes, 3);
	assert_int_equal(first.last_offset, 0xf);
	assert_int_equal(first.last_value, 0x33);
	assert_int_equal(second.nr_writes, 0);
	assert_int_equal(read_at(&bus, 0x11, 3), 0x030201); /* KVM cuts accesses at pages */
	assert_int_equal(first.nr_wrong, 0);
	bus_fini(&bus);
}

static void test_ranges_do_not_overlap(void **state)
{
	struct target target = { .is_there = 1 };
	struct bus bus;

	bus_init(&bus);
	assert_int_equal(bus_add(&bus, 0x100, 0x100, &ops, &target), 0);
	assert_int_equal(bus_add(&bus, 0x100, 0x100, &ops, &target), -EEXIST);
	assert_int_equal(bus_add(&bus, 0x1ff, 1, &ops, &target), -EEXIST);
	assert_int_equal(bus_add(&bus, 0xff, 2, &ops, &target), -EEXIST);
	assert_int_equal(bus_add(&bus, 0, 0x1000, &ops, &target), -EEXIST);
	assert_int_equal(bus_add(&bus, 0, 0x100, &ops, &target), 0);
	assert_int_equal(bus_add(&bus, 0x200, 0x100, &ops, &target), 0);
	assert_int_equal(bus_add(&bus, 0x1000, 0, &ops, &target), -EINVAL);
	assert_int_equal(bus_add(&bus, UINT64_MAX - 1, 3, &ops, &target), -EINVAL);
	assert_int_equal(bus_add(&bus, UINT64_MAX - 1, 2, &ops, &target), 0);
	assert_int_equal(read_at(&bus, UINT64_MAX, 1), 1);
	bus_remove(&bus, 0x180); /* no range begins there */
	assert_int_equal(read_at(&bus, 0x180, 1), 0x80);
	bus_remove(&bus, 0x100);
	assert_int_equal(read_at(&bus, 0x180, 1), 0xff);
	assert_int_equal(bus_add(&bus, 0x100, 0x100, &ops, &target), 0);
	bus_fini(&bus);
}

static void test_it_is_full_once(void **state)
{
	struct target target = { .is_there = 1 };
	struct bus bus;

	bus_init(&bus);
	for (uint64_t i = BUS_MAX_RANGES; i > 0; i--)
		assert_int_equal(bus_add(&bus, i * 16, 8, &ops, &target), 0);
	assert_int_equal(bus_add(&bus, 0, 8, &ops, &target), -ENOSPC);
	for (uint64_t i = 1; i <= BUS_MAX_RANGES; i++)
		assert_int_equal(read_at(&bus, i * 16 + 3, 1), 3);
	bus_fini(&bus);
}

/* A device that takes its time: of several vCPUs one is always at it. */
static void slow_read(void *ctx, uint64_t offset, void *data, uint32_t size_bytes)
{
	struct timespec time = { .tv_nsec = 50000 };

	nanosleep(&time, NULL);
}

static const struct bus_ops slow_ops = { slow_read, target_write };

struct hammer {
	struct bus *bus;
	atomic_int ended;
};

static void *hammer_main(void *arg)
{
	struct hammer *hammer = arg;

	while (!hammer->ended) {
		read_at(hammer->bus, 0x1000, 4);
		read_at(hammer->bus, 0x2000, 4);
	}
	return NULL;
}

/* Accesses without end do not keep a range from being taken away, and none is on when that returns. */
static void test_a_range_goes_while_it_is_accessed(void **state)
{
	struct target target = { 0 };
	struct bus bus;
	struct hammer hammer = { .bus = &bus };
	pthread_t threads[3];

	bus_init(&bus);
	assert_int_equal(bus_add(&bus, 0x2000, 4, &slow_ops, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer_main, &hammer), 0);
	for (int i = 0; i < 200; i++) {
		target.is_there = 1;
		assert_int_equal(bus_add(&bus, 0x1000, 4, &ops, &target), 0);
		read_at(&bus, 0x1000, 4);
		bus_remove(&bus, 0x1000);
		target.is_there = 0;
	}
	hammer.ended = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	assert_true(target.nr_reads >= 200);
	assert_int_equal(target.nr_wrong, 0);
	bus_fini(&bus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_answers_at_its_place),
		cmocka_unit_test(test_nobody_reads_as_ones),
		cmocka_unit_test(test_an_access_over_the_end_is_cut),
		cmocka_unit_test(test_ranges_do_not_overlap),
		cmocka_unit_test(test_it_is_full_once),
		cmocka_unit_test(test_a_range_goes_while_it_is_accessed),
	};

	return cmocka_run_group_tests_name("refvm_board_bus", tests, NULL, NULL);
}
