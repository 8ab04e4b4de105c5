/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole guest, vCPU threads and a driver for a UART in this process: a paused guest touches nothing, and one that
 * moves with its RAM, its state and its device goes on where it stood. State that does not belong is refused.
 */
#include "ref/guest/guest.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define MEMORY_BYTES (16u << 20)
#define STATE_BYTES  4096

/* As much of an 8250 in loopback as the driver sees. */
struct uart {
	uint8_t registers[8];
	uint8_t fifo[16];
	uint8_t head, tail;
	uint8_t lost; /* bytes to lose on the next read */
};

struct bench {
	struct uart uart;
	struct gw_device *dev;
	struct gw_device_info info;
	struct guest_memory memory;
	struct guest guest;
};

static int uart_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	*info = (struct gw_device_info){ .nr_regions = 9, .vendor_id = 0x4348, .device_id = 0x3253, .backend = "ops" };
	return 0;
}

static ssize_t uart_read(void *ctx, uint32_t index, uint64_t offset, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct uart *uart = ctx;
	uint8_t value = uart->registers[offset & 7];

	if (offset == UART_RX) {
		uart->tail += uart->lost;
		uart->lost = 0;
		value = uart->fifo[uart->tail++ % 16];
	}
	if (offset == UART_LSR)
		value = uart->head != uart->tail ? UART_LSR_DR : 0;
	memcpy(buf, &value, 1);
	return (ssize_t)size_bytes;
}

static ssize_t uart_write(void *ctx, uint32_t index, uint64_t offset, const void *buf, size_t size_bytes,
			  struct gw_error *e)
{
	struct uart *uart = ctx;
	uint8_t value = *(const uint8_t *)buf;

	if (offset == UART_TX && !(uart->registers[UART_LCR] & UART_LCR_DLAB))
		uart->fifo[uart->head++ % 16] = value;
	else if (offset == UART_FCR)
		uart->head = uart->tail;
	else
		uart->registers[offset & 7] = value;
	return (ssize_t)size_bytes;
}

static const struct gw_device_ops uart_ops = {
	.size = sizeof(uart_ops),
	.info = uart_info,
	.region_read = uart_read,
	.region_write = uart_write,
};

static void bench_open_beside(struct bench *bench, uint32_t nr_vcpus, const struct peers *peers)
{
	struct gw_error e = GW_ERROR_NONE;
	struct guest_config config = {
		.memory = &bench->memory,
		.devices = &bench->dev,
		.infos = &bench->info,
		.nr_devices = 1,
		.peers = peers,
		.nr_vcpus = nr_vcpus,
		.seed = 5,
	};

	*bench = (struct bench){ .uart = { .head = 0 } };
	assert_int_equal(guest_memory_open(&bench->memory, MEMORY_BYTES, &e), 0);
	assert_int_equal(gw_device_from_ops(&bench->dev, "dev0", &uart_ops, &bench->uart, &e), 0);
	assert_int_equal(gw_device_get_info(bench->dev, &bench->info, &e), 0);
	assert_int_equal(guest_open(&bench->guest, &config, &e), 0);
}

static void bench_open(struct bench *bench, uint32_t nr_vcpus)
{
	bench_open_beside(bench, nr_vcpus, NULL);
}

static void bench_close(struct bench *bench)
{
	guest_close(&bench->guest);
	gw_device_close(bench->dev);
	guest_memory_close(&bench->memory);
}

static struct guest_counters counters_of(struct bench *bench)
{
	struct guest_counters counters;

	guest_get_counters(&bench->guest, &counters);
	return counters;
}

/* Until the vCPUs and the driver have done so much more; a guest that stands still fails after a minute. */
static void run_for(struct bench *bench, uint64_t pages, uint64_t operations)
{
	struct guest_counters begin = counters_of(bench), now = begin;
	struct timespec tick = { .tv_nsec = 1000000 };

	guest_resume(&bench->guest);
	for (int ms = 0; ms < 60000; ms++) {
		now = counters_of(bench);
		if (now.pages_written - begin.pages_written >= pages && now.operations - begin.operations >= operations)
			break;
		nanosleep(&tick, NULL);
	}
	guest_pause(&bench->guest);
	assert_true(now.pages_written - begin.pages_written >= pages);
	assert_true(now.operations - begin.operations >= operations);
}

static void start(struct bench *bench)
{
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(guest_boot(&bench->guest, &e), 0);
	run_for(bench, 2000, 5);
}

static void move(struct bench *from, struct bench *to)
{
	struct gw_error e = GW_ERROR_NONE;
	uint8_t state[STATE_BYTES];
	ssize_t size = guest_save(&from->guest, state, sizeof(state));

	assert_in_range(size, 1, sizeof(state));
	assert_int_equal(guest_save(&from->guest, state, (size_t)size), size);
	memcpy(to->memory.hva, from->memory.hva, MEMORY_BYTES);
	to->uart = from->uart;
	assert_int_equal(guest_load(&to->guest, state, (size_t)size, &e), 0);
}

static void test_a_paused_guest_stands_still(void **state)
{
	uint8_t *before = malloc(MEMORY_BYTES);
	struct bench bench;

	bench_open(&bench, 3);
	start(&bench);
	memcpy(before, bench.memory.hva, MEMORY_BYTES);
	guest_check(&bench.guest);
	assert_memory_equal(before, bench.memory.hva, MEMORY_BYTES);
	assert_false(counters_of(&bench).running);
	assert_int_equal(counters_of(&bench).errors, 0);
	bench_close(&bench);
	free(before);
}

static void test_a_guest_moves(void **state)
{
	struct bench here, there;

	bench_open(&here, 2);
	bench_open(&there, 2);
	start(&here);
	move(&here, &there);
	guest_check(&there.guest);
	run_for(&there, 6000, 10);
	guest_check(&there.guest);
	assert_int_equal(counters_of(&there).errors, 0);
	assert_true(counters_of(&there).pages_written > counters_of(&here).pages_written);

	guest_check(&here.guest); /* what was left behind is as it stood */
	assert_int_equal(counters_of(&here).errors, 0);
	bench_close(&here);
	bench_close(&there);
}

static void test_a_check_lets_the_guest_go_on(void **state)
{
	struct bench bench;

	bench_open(&bench, 2);
	start(&bench);
	guest_resume(&bench.guest);
	for (int i = 0; i < 5; i++) {
		guest_check(&bench.guest);
		assert_true(counters_of(&bench).running);
	}
	guest_pause(&bench.guest);
	assert_int_equal(counters_of(&bench).errors, 0);
	bench_close(&bench);
}

static void test_a_device_left_behind_is_found(void **state)
{
	struct bench here, there;
	struct uart old;

	bench_open(&here, 1);
	bench_open(&there, 1);
	start(&here);
	old = here.uart;
	run_for(&here, 1, 3);
	move(&here, &there);
	there.uart = old;
	run_for(&there, 1, 2);
	assert_true(counters_of(&there).errors > 0);
	assert_non_null(strstr(counters_of(&there).first_error, "dev0: "));
	bench_close(&here);
	bench_close(&there);
}

static void test_a_lost_byte_is_found(void **state)
{
	struct bench bench;

	bench_open(&bench, 1);
	start(&bench);
	bench.uart.lost = 1;
	run_for(&bench, 1, 20);
	assert_true(counters_of(&bench).errors > 0);
	bench_close(&bench);
}

static void test_a_ram_error_moves_with_the_guest(void **state)
{
	struct bench here, there;

	bench_open(&here, 1);
	bench_open(&there, 1);
	start(&here);
	here.memory.hva[MEMORY_BYTES / 4] ^= 1;
	guest_check(&here.guest);
	assert_int_equal(counters_of(&here).errors, 1);
	move(&here, &there);
	assert_int_equal(counters_of(&there).errors, 1);
	assert_string_equal(counters_of(&there).first_error, counters_of(&here).first_error);
	bench_close(&here);
	bench_close(&there);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Measured by what it costs, which a busy host only makes less. It goes on, and at full speed when it is let. */
static void test_a_throttled_guest_runs_less(void **state)
{
	uint64_t cpu_ns, wall_ns;
	struct bench bench;

	bench_open(&bench, 1);
	start(&bench);
	guest_throttle(&bench.guest, 90);
	assert_int_equal(counters_of(&bench).throttle_percent, 90);
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	wall_ns = clock_ns(CLOCK_MONOTONIC);
	guest_resume(&bench.guest);
	while (clock_ns(CLOCK_MONOTONIC) - wall_ns < 300000000)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	guest_pause(&bench.guest);
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
	wall_ns = clock_ns(CLOCK_MONOTONIC) - wall_ns;
	assert_true(cpu_ns < wall_ns / 3);
	guest_throttle(&bench.guest, 0);
	run_for(&bench, 2000, 5);
	assert_int_equal(counters_of(&bench).errors, 0);
	bench_close(&bench);
}

/* Cut anywhere, or with any byte of its head changed, for other vCPUs, or other peers: refused with a sentence. */
static void test_a_state_that_does_not_belong(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	static const struct peers peers = { .nr = 1 };
	struct bench here, there, wider, peered;
	uint8_t blob[STATE_BYTES];
	ssize_t size;

	bench_open(&here, 2);
	bench_open(&there, 2);
	bench_open(&wider, 3);
	bench_open_beside(&peered, 2, &peers);
	start(&here);
	size = guest_save(&here.guest, blob, sizeof(blob));
	for (ssize_t cut = 0; cut < size; cut++) {
		e = (struct gw_error)GW_ERROR_NONE;
		assert_true(guest_load(&there.guest, blob, (size_t)cut, &e) < 0);
		assert_true(e.what[0]);
	}
	for (int i = 0; i < 24; i++) {
		blob[i] ^= 0x40;
		assert_true(guest_load(&there.guest, blob, (size_t)size, NULL) < 0);
		blob[i] ^= 0x40;
	}
	assert_int_equal(guest_load(&there.guest, blob, (size_t)size + 1, NULL), -EBADMSG);
	assert_int_equal(guest_load(&wider.guest, blob, (size_t)size, NULL), -EBADMSG);
	e = (struct gw_error)GW_ERROR_NONE;
	assert_int_equal(guest_load(&peered.guest, blob, (size_t)size, &e), -EBADMSG);
	assert_non_null(strstr(e.what, "--p2p"));
	assert_int_equal(guest_load(&there.guest, blob, (size_t)size, NULL), 0);
	bench_close(&here);
	bench_close(&there);
	bench_close(&wider);
	bench_close(&peered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_paused_guest_stands_still),
		cmocka_unit_test(test_a_guest_moves),
		cmocka_unit_test(test_a_check_lets_the_guest_go_on),
		cmocka_unit_test(test_a_device_left_behind_is_found),
		cmocka_unit_test(test_a_lost_byte_is_found),
		cmocka_unit_test(test_a_ram_error_moves_with_the_guest),
		cmocka_unit_test(test_a_throttled_guest_runs_less),
		cmocka_unit_test(test_a_state_that_does_not_belong),
	};

	return cmocka_run_group_tests_name("refvm_guest", tests, NULL, NULL);
}
