/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A driver for the kernel's mtty sample (samples/vfio-mdev/mtty.c): an 8250 UART in BAR 0. In loopback every byte
 * sent waits in the FIFO until it is read, so some are always left unread and must be there after a move; the
 * scratch register must hold what was written. Bytes are numbered: which are in the FIFO follows from two counts.
 *
 * Where its line can be had, it is asked for an interrupt now and then, by way of the modem status: that comes once.
 */
#include "ref/base/vm_thread.h"
#include "ref/guest/driver.h"
#include "ref/guest/interrupts.h"
#include "ref/guest/mmio.h"
#include "ref/guest/page_pattern.h"

#include <errno.h>
#include <linux/serial_reg.h>
#include <stdatomic.h>
#include <stdlib.h>

#define STEP_NS       (10 * NS_PER_MS)
#define UNREAD_MIN    3
#define UNREAD_MAX    12 /* of 16; mtty takes a full FIFO for an empty one */
#define BYTES_AT_ONCE 4
#define DIVISOR       1               /* 115200 */
#define ASK_EVERY     16              /* steps: mtty forgets an interrupt that comes while its line is still masked */
#define OVERDUE_NS    (20 * NS_PER_S) /* of running here */

struct mtty {
	struct driver_env env;
	const char *id;
	struct mmio registers;
	struct interrupts interrupts; /* its line; none where there are no lines */
	uint64_t next_ns;
	uint64_t asked_ns; /* 0: no interrupt is on its way */
	int gave_up;

	uint64_t nr_sent; /* these move */
	uint64_t nr_read;
	_Atomic uint64_t nr_steps;
};

static const struct setup {
	uint8_t reg;
	uint8_t value;
} setup[] = {
	{ UART_IER, 0 },
	{ UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8 },
	{ UART_DLL, DIVISOR },
	{ UART_DLM, 0 },
	{ UART_LCR, UART_LCR_WLEN8 },
	{ UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT },
	{ UART_MCR, UART_MCR_LOOP },
};

static uint8_t byte_of(const struct mtty *mtty, uint64_t n)
{
	return (uint8_t)page_pattern_mix(mtty->env.seed + n);
}

static uint8_t scratch_of(const struct mtty *mtty, uint64_t step)
{
	return (uint8_t)page_pattern_mix(mtty->env.seed ^ ~step);
}

static void mtty_close(void *ctx)
{
	struct mtty *mtty = ctx;

	if (!mtty)
		return;
	interrupts_close(&mtty->interrupts);
	free(mtty);
}

static int mtty_open(void **ctx, const struct driver_env *env, struct gw_error *e)
{
	struct mtty *mtty = calloc(1, sizeof(*mtty));
	int ret;

	if (!mtty)
		return gw_error_set(e, -ENOMEM, gw_device_id(env->dev), "no memory for its driver");
	mtty->env = *env;
	mtty->id = gw_device_id(env->dev);
	mtty->registers = (struct mmio){ .dev = env->dev, .region = GW_REGION_BAR0 };
	ret = interrupts_open_line(&mtty->interrupts, env->dev, e);
	if (ret)
		mtty_close(mtty);
	else
		*ctx = mtty;
	return ret;
}

static int mtty_start(void *ctx, struct gw_error *e)
{
	struct mtty *mtty = ctx;

	for (uint32_t i = 0; i < sizeof(setup) / sizeof(setup[0]); i++)
		mmio_put_u8(&mtty->registers, setup[i].reg, setup[i].value);
	if (mtty->interrupts.nr)
		mmio_put_u8(&mtty->registers, UART_IER, UART_IER_MSI);
	mmio_put_u8(&mtty->registers, UART_SCR, scratch_of(mtty, 0));
	if (mtty->registers.error.code)
		return gw_error_set(e, mtty->registers.error.code, mtty->id, "%s", mtty->registers.error.what);
	return 0;
}

static void expect(struct mtty *mtty, const char *what, uint8_t found, uint8_t expected)
{
	if (found != expected && !mtty->registers.error.code)
		integrity_fail(mtty->env.integrity,
			       "%s: %s is 0x%02x and must be 0x%02x (step %llu, bytes %llu to %llu)", mtty->id, what,
			       found, expected, (unsigned long long)mtty->nr_steps, (unsigned long long)mtty->nr_read,
			       (unsigned long long)mtty->nr_sent);
}

static void look_at_registers(struct mtty *mtty)
{
	struct mmio *registers = &mtty->registers;
	uint8_t waiting = mtty->nr_sent == mtty->nr_read ? 0 : UART_LSR_DR;

	expect(mtty, "scratch register", mmio_get_u8(registers, UART_SCR), scratch_of(mtty, mtty->nr_steps));
	expect(mtty, "line control", mmio_get_u8(registers, UART_LCR), UART_LCR_WLEN8);
	expect(mtty, "modem control", mmio_get_u8(registers, UART_MCR), UART_MCR_LOOP);
	expect(mtty, "line status", mmio_get_u8(registers, UART_LSR) & UART_LSR_DR, waiting);
}

static void read_bytes(struct mtty *mtty, uint64_t nr)
{
	for (; nr && mtty->nr_sent - mtty->nr_read > UNREAD_MIN; nr--, mtty->nr_read++)
		expect(mtty, "byte in the FIFO", mmio_get_u8(&mtty->registers, UART_RX), byte_of(mtty, mtty->nr_read));
}

static void send_bytes(struct mtty *mtty, uint64_t nr)
{
	for (; nr && mtty->nr_sent - mtty->nr_read < UNREAD_MAX; nr--, mtty->nr_sent++)
		mmio_put_u8(&mtty->registers, UART_TX, byte_of(mtty, mtty->nr_sent));
}

/* RTS that is set is what mtty takes for a change of the modem's status. */
static void ask_for_interrupt(struct mtty *mtty, uint64_t now_ns)
{
	if (!mtty->interrupts.nr || mtty->nr_steps % ASK_EVERY)
		return;
	mmio_put_u8(&mtty->registers, UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
	mtty->asked_ns = now_ns;
}

static int await_interrupt(struct mtty *mtty, uint64_t now_ns)
{
	uint64_t asked = mtty->asked_ns ? 1 : 0, came;

	if (!mtty->interrupts.nr)
		return 0;
	interrupts_collect(&mtty->interrupts);
	came = interrupts_take(&mtty->interrupts, 0);
	if (came < asked && now_ns < mtty->asked_ns + OVERDUE_NS)
		return 1;
	if (came != asked)
		integrity_fail(mtty->env.integrity, "%s: %llu interrupts came, %llu were asked for (step %llu)",
			       mtty->id, (unsigned long long)came, (unsigned long long)asked,
			       (unsigned long long)mtty->nr_steps);
	if (asked)
		mmio_put_u8(&mtty->registers, UART_MCR, UART_MCR_LOOP);
	mtty->asked_ns = 0;
	return 0;
}

static void step(struct mtty *mtty)
{
	uint64_t random = page_pattern_mix(mtty->env.seed + page_pattern_mix(mtty->nr_steps));

	look_at_registers(mtty);
	read_bytes(mtty, 1 + random % BYTES_AT_ONCE);
	send_bytes(mtty, 1 + (random >> 32) % BYTES_AT_ONCE);
	mmio_put_u8(&mtty->registers, UART_SCR, scratch_of(mtty, mtty->nr_steps + 1));
	atomic_fetch_add_explicit(&mtty->nr_steps, 1, memory_order_relaxed);
}

static void mtty_tick(void *ctx, uint64_t now_ns)
{
	struct mtty *mtty = ctx;

	if (mtty->gave_up || now_ns < mtty->next_ns || await_interrupt(mtty, now_ns))
		return;
	mtty->next_ns = now_ns + STEP_NS;
	step(mtty);
	ask_for_interrupt(mtty, now_ns);
	if (!mtty->registers.error.code)
		return;
	mtty->gave_up = 1;
	integrity_fail(mtty->env.integrity, "%s: %s", mtty->id, mtty->registers.error.what);
}

/* All it knows is in the device; the next step looks at it. */
static void mtty_check(void *ctx)
{
}

static void mtty_save(void *ctx, struct blob_out *out)
{
	const struct mtty *mtty = ctx;

	blob_put_u64(out, mtty->env.seed);
	blob_put_u64(out, mtty->nr_sent);
	blob_put_u64(out, mtty->nr_read);
	blob_put_u64(out, mtty->nr_steps);
}

static int mtty_load(void *ctx, struct blob_in *in)
{
	struct mtty *mtty = ctx;

	mtty->env.seed = blob_get_u64(in);
	mtty->nr_sent = blob_get_u64(in);
	mtty->nr_read = blob_get_u64(in);
	mtty->nr_steps = blob_get_u64(in);
	return in->bad || mtty->nr_sent - mtty->nr_read > UNREAD_MAX ? -EBADMSG : 0;
}

static void mtty_counters(const void *ctx, struct driver_counters *counters)
{
	const struct mtty *mtty = ctx;

	*counters = (struct driver_counters){ .operations = mtty->nr_steps };
}

const struct driver_ops driver_mtty_ops = {
	.name = "mtty",
	.vendor_id = 0x4348,
	.device_id = 0x3253,
	.open = mtty_open,
	.close = mtty_close,
	.start = mtty_start,
	.tick = mtty_tick,
	.check = mtty_check,
	.save = mtty_save,
	.load = mtty_load,
	.counters = mtty_counters,
};
