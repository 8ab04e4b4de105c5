/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver of mtty against an mtty of a few lines, with its line and without: it is content with one that works, and
 * finds what a migration could spoil: a byte, a register, an interrupt that is lost or comes twice.
 */
#include "ref/guest/driver.h"
#include "ref/guest/interrupts.h"

#include <linux/serial_reg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define FIFO_BYTES 16
#define TICK_NS    1000000ull
#define SECOND     1000 /* ticks */

enum fault { FAULT_NONE, FAULT_NO_INTERRUPT, FAULT_TWO_INTERRUPTS };

struct bench {
	uint8_t registers[8];
	uint8_t fifo[FIFO_BYTES];
	uint32_t nr_waiting;
	uint64_t interrupts;
	uint64_t nr_asked;
	enum fault fault;
	struct integrity integrity;
	struct gw_device *dev;
	void *driver;
	uint64_t now_ns;
};

/* The platform that the driver is compiled for here: one device, with a line or without. */
static struct bench *line;

int interrupts_open_line(struct interrupts *interrupts, struct gw_device *dev, struct gw_error *e)
{
	*interrupts = (struct interrupts){ .nr = line ? 1 : 0 };
	return 0;
}

void interrupts_close(struct interrupts *interrupts)
{
	interrupts->nr = 0;
}

void interrupts_collect(struct interrupts *interrupts)
{
	interrupts->pending[0] += line->interrupts;
	line->interrupts = 0;
}

static ssize_t region_read(void *ctx, uint32_t index, uint64_t offset, void *buf, size_t size, struct gw_error *e)
{
	struct bench *bench = ctx;
	uint8_t *value = buf;

	*value = bench->registers[offset];
	if (offset == UART_LSR)
		*value = bench->nr_waiting ? UART_LSR_DR : 0;
	if (offset == UART_RX && bench->nr_waiting) {
		*value = bench->fifo[0];
		memmove(bench->fifo, bench->fifo + 1, --bench->nr_waiting);
	}
	return 1;
}

static void interrupt(struct bench *bench)
{
	bench->nr_asked++;
	if (bench->fault != FAULT_NO_INTERRUPT)
		bench->interrupts += bench->fault == FAULT_TWO_INTERRUPTS ? 2 : 1;
}

static ssize_t region_write(void *ctx, uint32_t index, uint64_t offset, const void *buf, size_t size,
			    struct gw_error *e)
{
	struct bench *bench = ctx;
	uint8_t value = *(const uint8_t *)buf;

	if (offset == UART_TX && !(bench->registers[UART_LCR] & UART_LCR_DLAB)) {
		assert_true(bench->nr_waiting < FIFO_BYTES - 1);
		bench->fifo[bench->nr_waiting++] = value;
		return 1;
	}
	bench->registers[offset] = value;
	if (offset == UART_MCR && bench->registers[UART_IER] & UART_IER_MSI && value & UART_MCR_RTS)
		interrupt(bench);
	return 1;
}

static int device_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	*info = (struct gw_device_info){ .vendor_id = 0x4348, .device_id = 0x3253 };
	return 0;
}

static const struct gw_device_ops ops = {
	.size = sizeof(ops),
	.info = device_info,
	.region_read = region_read,
	.region_write = region_write,
};

static void open_bench(struct bench *bench, struct bench *with_line)
{
	struct driver_env env = { .seed = 3, .integrity = &bench->integrity };

	*bench = (struct bench){ .now_ns = 1 };
	line = with_line;
	integrity_init(&bench->integrity);
	assert_int_equal(gw_device_from_ops(&bench->dev, "dev0", &ops, bench, NULL), 0);
	env.dev = bench->dev;
	assert_int_equal(driver_mtty_ops.open(&bench->driver, &env, NULL), 0);
	assert_int_equal(driver_mtty_ops.start(bench->driver, NULL), 0);
}

static void close_bench(struct bench *bench)
{
	driver_mtty_ops.close(bench->driver);
	gw_device_close(bench->dev);
}

static void tick(struct bench *bench, uint32_t nr)
{
	while (nr--) {
		driver_mtty_ops.tick(bench->driver, bench->now_ns);
		bench->now_ns += TICK_NS;
	}
}

static uint64_t steps_of(const struct bench *bench)
{
	struct driver_counters counters;

	driver_mtty_ops.counters(bench->driver, &counters);
	return counters.operations;
}

static void assert_finds(struct bench *bench, const char *sentence)
{
	char first_error[INTEGRITY_TEXT_BYTES];

	assert_true(integrity_get(&bench->integrity, first_error) > 0);
	assert_non_null(strstr(first_error, sentence));
}

static void test_content(void **state)
{
	struct bench bench;

	for (int has_line = 0; has_line < 2; has_line++) {
		open_bench(&bench, has_line ? &bench : NULL);
		tick(&bench, 4 * SECOND);
		assert_int_equal(integrity_get(&bench.integrity, NULL), 0);
		assert_true(steps_of(&bench) > 300);
		assert_true(has_line ? bench.nr_asked >= 10 : !bench.nr_asked);
		close_bench(&bench);
	}
}

/* No step is done while an interrupt is awaited, so there is never a second one on its way. */
static void test_lost_interrupt(void **state)
{
	struct bench bench;
	uint64_t steps;

	open_bench(&bench, &bench);
	bench.fault = FAULT_NO_INTERRUPT;
	tick(&bench, SECOND);
	steps = steps_of(&bench);
	tick(&bench, 18 * SECOND);
	assert_int_equal(steps_of(&bench), steps);
	assert_int_equal(integrity_get(&bench.integrity, NULL), 0);
	tick(&bench, 3 * SECOND);
	assert_finds(&bench, "dev0: 0 interrupts came, 1 were asked for");
	assert_true(steps_of(&bench) > steps);
	close_bench(&bench);
}

static void test_late_interrupt_is_none_that_is_lost(void **state)
{
	struct bench bench;

	open_bench(&bench, &bench);
	bench.fault = FAULT_NO_INTERRUPT;
	tick(&bench, SECOND);
	assert_int_equal(bench.nr_asked, 1);
	bench.fault = FAULT_NONE;
	bench.interrupts = 1;
	tick(&bench, 30 * SECOND);
	assert_int_equal(integrity_get(&bench.integrity, NULL), 0);
	close_bench(&bench);
}

static void test_doubled_interrupt(void **state)
{
	struct bench bench;

	open_bench(&bench, &bench);
	bench.fault = FAULT_TWO_INTERRUPTS;
	tick(&bench, SECOND);
	assert_finds(&bench, "dev0: 2 interrupts came, 1 were asked for");
	close_bench(&bench);

	open_bench(&bench, &bench);
	bench.interrupts = 1; /* out of nothing */
	tick(&bench, SECOND);
	assert_finds(&bench, "dev0: 1 interrupts came, 0 were asked for");
	close_bench(&bench);
}

static void test_spoilt_state(void **state)
{
	struct bench bench;

	open_bench(&bench, NULL);
	tick(&bench, SECOND);
	assert_int_equal(integrity_get(&bench.integrity, NULL), 0);
	bench.fifo[0] ^= 1;
	tick(&bench, SECOND);
	assert_finds(&bench, "byte in the FIFO");
	close_bench(&bench);

	open_bench(&bench, NULL);
	tick(&bench, SECOND);
	bench.registers[UART_SCR] ^= 1;
	tick(&bench, SECOND);
	assert_finds(&bench, "scratch register");
	close_bench(&bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_lost_interrupt),
		cmocka_unit_test(test_late_interrupt_is_none_that_is_lost),
		cmocka_unit_test(test_doubled_interrupt),
		cmocka_unit_test(test_spoilt_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
