/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two reference devices, one of which writes stamps into the other's window: all that it counts are there. It stops
 * in the P2P states, when the arc ends and not before, while the other one goes on taking; a stopped device takes
 * nothing; and what was written behind a save's back is in the state all the same.
 */
#include "ref/device/device.h"
#include "ref/device/pace.h"
#include "ref/device/region.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ALL_CAPS    (MIG_CAP_STOP_COPY | MIG_CAP_P2P | MIG_CAP_PRE_COPY)
#define MEMORY      ((uint64_t)192 << 10)
#define STREAM_ROOM ((size_t)1 << 20)
#define PEER_IOVA   0x10000000000
#define ENTRIES     256u
#define ENOUGH      20000u /* stamps */
#define LATENCY_NS  (30 * PACE_MILLISECOND_NS)

struct pair {
	struct ref_device_options options[2];
	struct ref_device from, to;
};

static void start_device(struct ref_device *dev, struct ref_device_options *options, uint64_t serial)
{
	ref_device_options_init(options);
	options->state_bytes = MEMORY;
	options->serial = serial;
	assert_int_equal(ref_device_init(dev, options, -1), 0);
	ref_device_attach(dev);
}

/* As a VM does it: the window of `to` is memory that `from` may reach. */
static void let_reach(struct ref_device *from, struct ref_device *to)
{
	uint64_t offset, size;
	int fd = ref_region_share(to, REFDEV_BAR_MEMORY, &offset, &size);

	assert_true(fd >= 0);
	assert_int_equal(offset, MEMORY - REFDEV_WINDOW_BYTES);
	assert_int_equal(size, REFDEV_WINDOW_BYTES);
	pthread_mutex_lock(&from->lock);
	assert_int_equal(ref_dma_map_add(&from->maps, PEER_IOVA, size, fd, offset, DMA_READ | DMA_WRITE), 0);
	ref_engine_wake(from);
	pthread_mutex_unlock(&from->lock);
	close(fd);
}

static void put(struct ref_device *dev, uint64_t reg, uint64_t value, size_t width)
{
	assert_int_equal(ref_region_write(dev, REFDEV_BAR_REGISTERS, reg, (uint8_t *)&value, width), 0);
}

static uint64_t get(struct ref_device *dev, uint64_t reg, size_t width)
{
	uint64_t value = 0;

	assert_int_equal(ref_region_read(dev, REFDEV_BAR_REGISTERS, reg, (uint8_t *)&value, width), 0);
	return value;
}

static uint64_t count_of(struct ref_device *dev)
{
	return get(dev, REFDEV_REG_PEER_COUNT, 8);
}

static void await_stamps(struct ref_device *dev, uint64_t count)
{
	uint64_t deadline = pace_now() + 20 * PACE_SECOND_NS;

	while (count_of(dev) < count) {
		assert_true(pace_now() < deadline);
		usleep(200);
	}
}

static void begin_stamps(struct ref_device *dev)
{
	put(dev, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_RESET, 4);
	put(dev, REFDEV_REG_PEER_RING, PEER_IOVA, 8);
	put(dev, REFDEV_REG_PEER_ENTRIES, ENTRIES, 4);
	put(dev, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_START, 4);
}

/* What the window has as a device sees it itself. */
static void expect_stamps(struct ref_device *to, uint64_t count, uint64_t serial)
{
	struct refdev_slot slots[ENTRIES];

	assert_int_equal(ref_region_read(to, REFDEV_BAR_MEMORY, to->memory.window, (uint8_t *)slots, sizeof(slots)), 0);
	for (uint64_t s = 0; s < ENTRIES; s++)
		for (uint64_t i = 0; i < REFDEV_STAMP_WORDS; i++)
			assert_int_equal(slots[s].words[i],
					 refdev_slot_stamps(count, ENTRIES, s) * refdev_stamp_word(serial, i));
}

static struct pair *pair_open(void)
{
	static const uint8_t zeroes[REFDEV_WINDOW_BYTES];
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	start_device(&p->from, &p->options[0], 0x1111);
	start_device(&p->to, &p->options[1], 0x2222);
	let_reach(&p->from, &p->to);
	assert_int_equal(ref_region_write(&p->to, REFDEV_BAR_MEMORY, p->to.memory.window, zeroes, sizeof(zeroes)), 0);
	return p;
}

static struct pair *pair_at_work(void)
{
	struct pair *p = pair_open();

	begin_stamps(&p->from);
	await_stamps(&p->from, ENOUGH);
	return p;
}

static void pair_close(struct pair *p)
{
	ref_device_fini(&p->from);
	ref_device_fini(&p->to);
	free(p);
}

static void test_what_is_counted_is_there(void **state)
{
	static const uint64_t rates[] = { 0, 1000000 };

	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_open();
		uint64_t count;

		put(&p->from, REFDEV_REG_PEER_RATE, rates[i], 8);
		begin_stamps(&p->from);
		await_stamps(&p->from, ENOUGH);
		put(&p->from, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_STOP, 4);
		count = count_of(&p->from);
		expect_stamps(&p->to, count, 0x1111);
		assert_int_equal(count_of(&p->from), count);

		put(&p->from, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_START, 4);
		put(&p->from, REFDEV_REG_PEER_RING, 0, 8); /* not while it runs */
		await_stamps(&p->from, count + ENOUGH);
		put(&p->from, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_STOP, 4);
		expect_stamps(&p->to, count_of(&p->from), 0x1111);
		pair_close(p);
	}
}

static void test_bad_rings(void **state)
{
	static const struct {
		uint64_t ring;
		uint32_t entries;
		uint32_t error;
	} cases[] = {
		{ PEER_IOVA, 0, REFDEV_ERROR_RANGE },
		{ PEER_IOVA, 3, REFDEV_ERROR_RANGE },
		{ PEER_IOVA, 1u << 17, REFDEV_ERROR_RANGE },
		{ PEER_IOVA + 8, 4, REFDEV_ERROR_RANGE },
		{ UINT64_MAX - 63, 4, REFDEV_ERROR_RANGE },
		{ PEER_IOVA, 2048, REFDEV_ERROR_DMA },
		{ 0, 4, REFDEV_ERROR_DMA },
	};
	struct pair *p = pair_open();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(&p->from, REFDEV_REG_PEER_RING, cases[i].ring, 8);
		put(&p->from, REFDEV_REG_PEER_ENTRIES, cases[i].entries, 4);
		put(&p->from, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_START, 4);
		for (int ms = 0; ms < 20000 && get(&p->from, REFDEV_REG_PEER_STATUS, 4) == REFDEV_STATUS_BUSY; ms++)
			usleep(1000);
		assert_int_equal(get(&p->from, REFDEV_REG_PEER_STATUS, 4), REFDEV_STATUS_ERROR);
		assert_int_equal(get(&p->from, REFDEV_REG_PEER_ERROR, 4), cases[i].error);
		assert_int_equal(count_of(&p->from), 0);
	}
	pair_close(p);
}

/* Each P2P state: no stamps, from when the arc is complete; and they go on after it. */
static void test_p2p_states_do_not_initiate(void **state)
{
	static const uint32_t states[][2] = { { MIG_RUNNING_P2P, MIG_RUNNING }, { MIG_PRE_COPY_P2P, MIG_PRE_COPY } };

	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_at_work();
		uint64_t count;

		assert_int_equal(ref_migration_set(&p->from, states[i][0], ALL_CAPS), 0);
		count = count_of(&p->from);
		usleep(5000); /* in which there would be thousands */
		assert_int_equal(count_of(&p->from), count);
		assert_int_equal(get(&p->from, REFDEV_REG_PEER_STATUS, 4), REFDEV_STATUS_BUSY);
		expect_stamps(&p->to, count, 0x1111);
		assert_int_equal(ref_migration_set(&p->from, states[i][1], ALL_CAPS), 0);
		await_stamps(&p->from, count + ENOUGH);
		pair_close(p);
	}
}

static void test_p2p_states_take(void **state)
{
	static const uint32_t states[] = { MIG_RUNNING_P2P, MIG_PRE_COPY_P2P };

	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_at_work();

		assert_int_equal(ref_migration_set(&p->to, states[i], ALL_CAPS), 0);
		await_stamps(&p->from, count_of(&p->from) + ENOUGH);
		put(&p->from, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_STOP, 4);
		expect_stamps(&p->to, count_of(&p->from), 0x1111);
		pair_close(p);
	}
}

/* What stops in an arc stops when the arc ends: a peer must wait for that, and cannot tell earlier. */
static void test_an_arc_stops_stamps_at_its_end(void **state)
{
	static const uint32_t caps[] = { ALL_CAPS, MIG_CAP_STOP_COPY };

	for (int i = 0; i < 2; i++) {
		struct pair *p = pair_at_work();
		uint64_t before, count;

		p->options[0].transition_latency_ns = LATENCY_NS;
		before = count_of(&p->from);
		assert_int_equal(ref_migration_set(&p->from, i ? MIG_STOP : MIG_RUNNING_P2P, caps[i]), 0);
		count = count_of(&p->from);
		assert_true(count > before + ENOUGH);
		usleep(5000);
		assert_int_equal(count_of(&p->from), count);
		expect_stamps(&p->to, count, 0x1111);
		pair_close(p);
	}
}

/* Without the P2P states: what comes after the stop is lost, for good, also after it runs again. */
static void test_a_stopped_device_takes_nothing(void **state)
{
	struct pair *p = pair_at_work();
	struct refdev_slot slot, again;

	assert_int_equal(ref_migration_set(&p->to, MIG_STOP, MIG_CAP_STOP_COPY), 0);
	assert_int_equal(ref_region_read(&p->to, REFDEV_BAR_MEMORY, p->to.memory.window, (uint8_t *)&slot, 64), 0);
	await_stamps(&p->from, count_of(&p->from) + ENOUGH);
	assert_int_equal(ref_region_read(&p->to, REFDEV_BAR_MEMORY, p->to.memory.window, (uint8_t *)&again, 64), 0);
	assert_memory_equal(&slot, &again, sizeof(slot));

	put(&p->from, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_STOP, 4);
	assert_int_equal(ref_migration_set(&p->to, MIG_RUNNING, MIG_CAP_STOP_COPY), 0);
	assert_int_equal(ref_region_read(&p->to, REFDEV_BAR_MEMORY, p->to.memory.window, (uint8_t *)&again, 64), 0);
	assert_memory_equal(&slot, &again, sizeof(slot));
	assert_true(again.words[0] < refdev_slot_stamps(count_of(&p->from), ENTRIES, 0));
	pair_close(p);
}

static size_t read_state(struct ref_device *dev, uint8_t *stream, size_t at)
{
	uint64_t done_ns;
	ssize_t n;

	while ((n = ref_migration_read(dev, stream + at, STREAM_ROOM - at, &done_ns)) > 0)
		at += (size_t)n;
	assert_int_equal(n, 0);
	return at;
}

static void load_state(struct ref_device *dev, const uint8_t *stream, size_t size)
{
	uint64_t done_ns;

	assert_int_equal(ref_migration_set(dev, MIG_RESUMING, ALL_CAPS), 0);
	assert_int_equal(ref_migration_write(dev, stream, size, &done_ns), 0);
	assert_int_equal(ref_migration_set(dev, MIG_RUNNING_P2P, ALL_CAPS), 0);
}

/*
 * Both move with the barriers, the taker's memory sent once before the last stamps: all are there, for those who have
 * the new window mapped too, and the sender goes on with the next one once it can reach it.
 */
static void test_both_move(void **state)
{
	struct pair *p = pair_at_work(), *there = calloc(1, sizeof(*there));
	uint8_t *streams[2] = { malloc(STREAM_ROOM), malloc(STREAM_ROOM) };
	uint64_t count, stop_bytes;
	size_t sizes[2], precopied;

	assert_int_equal(ref_migration_set(&p->to, MIG_PRE_COPY, ALL_CAPS), 0);
	precopied = read_state(&p->to, streams[1], 0);
	assert_int_equal(ref_migration_set(&p->from, MIG_RUNNING_P2P, ALL_CAPS), 0);
	count = count_of(&p->from);
	assert_int_equal(ref_migration_set(&p->to, MIG_PRE_COPY_P2P, ALL_CAPS), 0);
	stop_bytes = ref_migration_stop_bytes(&p->to);
	assert_int_equal(ref_migration_set(&p->to, MIG_STOP_COPY, ALL_CAPS), 0);
	assert_int_equal(ref_migration_set(&p->from, MIG_STOP_COPY, ALL_CAPS), 0);
	sizes[1] = read_state(&p->to, streams[1], precopied);
	assert_int_equal(sizes[1] - precopied, stop_bytes);
	sizes[0] = read_state(&p->from, streams[0], 0);
	pair_close(p);

	start_device(&there->from, &there->options[0], 1);
	start_device(&there->to, &there->options[1], 2);
	load_state(&there->from, streams[0], sizes[0]);
	load_state(&there->to, streams[1], sizes[1]);
	assert_int_equal(ref_migration_set(&there->from, MIG_RUNNING, ALL_CAPS), 0);
	assert_int_equal(ref_migration_set(&there->to, MIG_RUNNING, ALL_CAPS), 0);
	assert_int_equal(count_of(&there->from), count);
	expect_stamps(&there->to, count, 0x1111);
	let_reach(&there->from, &there->to);
	await_stamps(&there->from, count + ENOUGH);
	put(&there->from, REFDEV_REG_PEER_CONTROL, REFDEV_STREAM_STOP, 4);
	expect_stamps(&there->to, count_of(&there->from), 0x1111);
	pair_close(there);
	free(streams[0]);
	free(streams[1]);
}

static void test_reset_from_every_state(void **state)
{
	static const uint32_t states[] = { MIG_RUNNING,  MIG_RUNNING_P2P, MIG_STOP,        MIG_STOP_COPY,
					   MIG_RESUMING, MIG_PRE_COPY,    MIG_PRE_COPY_P2P };

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		struct pair *p = pair_at_work();

		assert_int_equal(ref_migration_set(&p->from, states[i], ALL_CAPS), 0);
		ref_device_reset(&p->from);
		assert_int_equal(get(&p->from, REFDEV_REG_PEER_STATUS, 4), REFDEV_STATUS_IDLE);
		assert_int_equal(count_of(&p->from), 0);
		begin_stamps(&p->from);
		await_stamps(&p->from, ENOUGH);
		/* And as a peer itself it takes again. */
		assert_int_equal(ref_migration_set(&p->to, states[i], ALL_CAPS), 0);
		ref_device_reset(&p->to);
		assert_false(p->to.memory.sealed);
		pair_close(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_counted_is_there),
		cmocka_unit_test(test_bad_rings),
		cmocka_unit_test(test_p2p_states_do_not_initiate),
		cmocka_unit_test(test_p2p_states_take),
		cmocka_unit_test(test_an_arc_stops_stamps_at_its_end),
		cmocka_unit_test(test_a_stopped_device_takes_nothing),
		cmocka_unit_test(test_both_move),
		cmocka_unit_test(test_reset_from_every_state),
	};

	return cmocka_run_group_tests_name("ref_peer", tests, NULL, NULL);
}
