/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference VM's UART, as Linux' 8250 driver meets it: what it probes, when it is interrupted, what reaches the
 * console, and what of it moves.
 */
#include "ref/board/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/serial_reg.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#define GSI        4
#define PIPE_BYTES 65536 /* a pipe has room for */

static void out(struct serial *serial, uint64_t reg, uint8_t value)
{
	serial_bus_ops.write(serial, reg, &value, 1);
}

static uint8_t in(struct serial *serial, uint64_t reg)
{
	uint8_t value;

	serial_bus_ops.read(serial, reg, &value, 1);
	return value;
}

static void start(struct serial *serial, int fd)
{
	serial_init(serial, -1, GSI, fd);
}

/* With interrupts let through, as a driver that has opened it. */
static void start_open(struct serial *serial, int fd)
{
	start(serial, fd);
	out(serial, UART_FCR, UART_FCR_ENABLE_FIFO);
	out(serial, UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
}

/* autoconfig() of the driver: is there a UART, and is it a 16550A? */
static void test_is_found_by_autoconfig(void **state)
{
	struct serial serial;

	start(&serial, -1);
	out(&serial, UART_IER, 0);
	assert_int_equal(in(&serial, UART_IER), 0);
	out(&serial, UART_IER, 0xff);
	assert_int_equal(in(&serial, UART_IER), 0x0f);
	out(&serial, UART_IER, 0);

	out(&serial, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(&serial, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(&serial, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1 | UART_MCR_DTR);
	assert_int_equal(in(&serial, UART_MSR) & 0xf0, UART_MSR_RI | UART_MSR_DSR);
	out(&serial, UART_MCR, 0);
	assert_int_equal(in(&serial, UART_MSR), UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD);

	assert_int_equal(in(&serial, UART_IIR), UART_IIR_NO_INT);
	out(&serial, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	assert_int_equal(in(&serial, UART_IIR) >> 6, 3);
	out(&serial, UART_FCR, 0);
	assert_int_equal(in(&serial, UART_IIR) >> 6, 0);

	assert_int_equal(in(&serial, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	assert_int_equal(in(&serial, UART_RX), 0);
	out(&serial, UART_SCR, 0x5a);
	assert_int_equal(in(&serial, UART_SCR), 0x5a);
	serial_fini(&serial);
}

static void test_divisor_is_behind_dlab(void **state)
{
	int fds[2];
	struct serial serial;
	uint8_t byte;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	start(&serial, fds[1]);
	out(&serial, UART_IER, UART_IER_RDI);
	out(&serial, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	out(&serial, UART_DLL, 0x34);
	out(&serial, UART_DLM, 0x12);
	assert_int_equal(in(&serial, UART_DLL), 0x34);
	assert_int_equal(in(&serial, UART_DLM), 0x12);
	out(&serial, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(&serial, UART_LCR), UART_LCR_WLEN8);
	assert_int_equal(in(&serial, UART_IER), UART_IER_RDI);
	assert_int_equal(in(&serial, UART_RX), 0);
	assert_int_equal(read(fds[0], &byte, 1), -1); /* a divisor is not sent */
	serial_fini(&serial);
	close(fds[0]);
	close(fds[1]);
}

static void test_bytes_reach_the_console_at_once(void **state)
{
	static const uint8_t wide[] = { 'c', UART_IER_THRI };
	char text[8] = "";
	int fds[2];
	struct serial serial;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	start(&serial, fds[1]);
	out(&serial, UART_TX, 'a');
	assert_int_equal(read(fds[0], text, sizeof(text)), 1);
	assert_int_equal(text[0], 'a');

	out(&serial, UART_MCR, UART_MCR_LOOP);
	out(&serial, UART_TX, 'b');
	assert_int_equal(read(fds[0], text, sizeof(text)), -1);
	out(&serial, UART_MCR, 0);

	serial_bus_ops.write(&serial, UART_TX, wide, sizeof(wide)); /* two registers */
	assert_int_equal(read(fds[0], text, sizeof(text)), 1);
	assert_int_equal(text[0], 'c');
	assert_int_equal(in(&serial, UART_IER), UART_IER_THRI);
	serial_fini(&serial);
	close(fds[0]);
	close(fds[1]);
}

/* Neither a full pipe, though it blocks, nor one that nobody reads holds a vCPU up. */
static void test_a_console_that_takes_nothing(void **state)
{
	int fds[2];
	struct serial serial;

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	start(&serial, fds[1]);
	for (int i = 0; i < 2 * PIPE_BYTES; i++)
		out(&serial, UART_TX, 'x');
	close(fds[0]);
	out(&serial, UART_TX, 'y');
	assert_int_equal(in(&serial, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	serial_fini(&serial);
	close(fds[1]);
}

static void test_thre_interrupts(void **state)
{
	struct serial serial;

	start_open(&serial, -1);
	assert_int_equal(serial.line, 0);

	/* asked for while it is empty: at once, and told once */
	out(&serial, UART_IER, UART_IER_THRI);
	assert_int_equal(serial.line, 1);
	assert_int_equal(in(&serial, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	assert_int_equal(serial.line, 1);
	assert_int_equal(in(&serial, UART_IIR), 0xc0 | UART_IIR_THRI);
	assert_int_equal(serial.line, 0);
	assert_int_equal(in(&serial, UART_IIR), 0xc0 | UART_IIR_NO_INT);

	/* again after a byte, though only if it is asked for */
	out(&serial, UART_TX, 'a');
	assert_int_equal(serial.line, 1);
	out(&serial, UART_IER, 0);
	assert_int_equal(serial.line, 0);
	assert_int_equal(in(&serial, UART_IIR), 0xc0 | UART_IIR_NO_INT);
	out(&serial, UART_TX, 'b');
	assert_int_equal(serial.line, 0);

	/* the driver's test of a UART: off and on again, and it is there anew */
	out(&serial, UART_IER, UART_IER_THRI);
	assert_int_equal(in(&serial, UART_IIR), 0xc0 | UART_IIR_THRI);
	out(&serial, UART_IER, UART_IER_THRI | UART_IER_RDI);
	assert_int_equal(serial.line, 0); /* it was on */
	out(&serial, UART_IER, 0);
	out(&serial, UART_IER, UART_IER_THRI);
	assert_int_equal(in(&serial, UART_IIR), 0xc0 | UART_IIR_THRI);
	serial_fini(&serial);
}

static void test_out2_is_the_way_to_the_irq(void **state)
{
	struct serial serial;

	start(&serial, -1);
	out(&serial, UART_IER, UART_IER_THRI);
	assert_int_equal(serial.line, 0);
	out(&serial, UART_MCR, UART_MCR_OUT2);
	assert_int_equal(serial.line, 1);
	out(&serial, UART_MCR, UART_MCR_OUT2 | UART_MCR_LOOP);
	assert_int_equal(serial.line, 0);
	assert_int_equal(in(&serial, UART_IIR), UART_IIR_THRI); /* it is pending all the same */
	serial_fini(&serial);
}

static size_t save(struct serial *serial, uint8_t *buf, size_t size_bytes)
{
	struct blob_out out = { .buf = buf, .size_bytes = size_bytes };

	serial_save(serial, &out);
	return out.used_bytes;
}

static void fill(struct serial *serial)
{
	start_open(serial, -1);
	out(serial, UART_LCR, UART_LCR_DLAB);
	out(serial, UART_DLL, 1);
	out(serial, UART_DLM, 2);
	out(serial, UART_LCR, UART_LCR_WLEN8);
	out(serial, UART_SCR, 0xa5);
	out(serial, UART_IER, UART_IER_THRI | UART_IER_RLSI);
}

static void test_state_moves(void **state)
{
	struct serial from, to;
	uint8_t buf[64], again[64];
	size_t size = 0;
	struct blob_in came;

	fill(&from);
	size = save(&from, buf, sizeof(buf));
	start(&to, -1);
	came = (struct blob_in){ .at = buf, .left_bytes = size };
	assert_int_equal(serial_load(&to, &came), 0);
	assert_true(blob_ended(&came));
	assert_int_equal(save(&to, again, sizeof(again)), size);
	assert_memory_equal(buf, again, size);

	serial_resume(&to);
	assert_int_equal(to.line, 1);
	assert_int_equal(in(&to, UART_SCR), 0xa5);
	assert_int_equal(in(&to, UART_MCR), UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	assert_int_equal(in(&to, UART_IIR), 0xc0 | UART_IIR_THRI);
	assert_int_equal(to.line, 0);
	assert_int_equal(in(&to, UART_IIR), 0xc0 | UART_IIR_NO_INT);
	serial_fini(&from);
	serial_fini(&to);
}

static void test_state_is_doubted(void **state)
{
	struct serial from, to;
	uint8_t buf[64];
	size_t size = 0;

	fill(&from);
	size = save(&from, buf, sizeof(buf));
	start(&to, -1);
	for (size_t left = 0; left < size; left++) {
		struct blob_in came = { .at = buf, .left_bytes = left };

		assert_int_equal(serial_load(&to, &came), -EBADMSG);
	}
	for (size_t i = 0; i < size; i += 4) {
		struct blob_in came = { .at = buf, .left_bytes = size };

		buf[i + 1] ^= 1; /* a register of nine bits */
		assert_int_equal(serial_load(&to, &came), -EBADMSG);
		buf[i + 1] ^= 1;
	}
	buf[0] |= 0x10; /* IER has four */
	assert_int_equal(serial_load(&to, &(struct blob_in){ .at = buf, .left_bytes = size }), -EBADMSG);
	assert_int_equal(in(&to, UART_SCR), 0); /* and it is as it was */
	serial_fini(&from);
	serial_fini(&to);
}

/* Bit 4 of the first PIC: an edge has come in. */
static int pic_has_seen(int vm_fd)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	assert_int_equal(ioctl(vm_fd, KVM_GET_IRQCHIP, &chip), 0);
	return chip.chip.pic.irr >> GSI & 1;
}

static int make_vm(int kvm_fd)
{
	int vm_fd = kvm_fd < 0 ? -1 : ioctl(kvm_fd, KVM_CREATE_VM, 0);

	if (vm_fd < 0 || ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0)) {
		print_message("SKIP: KVM makes no VM with interrupt controllers here\n");
		skip();
	}
	return vm_fd;
}

static void test_line_reaches_kvm(void **state)
{
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm_fd = make_vm(kvm_fd), next_fd = make_vm(kvm_fd);
	struct serial from, to;
	uint8_t buf[64];
	struct blob_in came = { .at = buf };

	serial_init(&from, vm_fd, GSI, -1);
	out(&from, UART_MCR, UART_MCR_OUT2);
	assert_false(pic_has_seen(vm_fd));
	out(&from, UART_IER, UART_IER_THRI);
	assert_true(pic_has_seen(vm_fd));

	came.left_bytes = save(&from, buf, sizeof(buf));
	serial_init(&to, next_fd, GSI, -1);
	assert_int_equal(serial_load(&to, &came), 0);
	assert_false(pic_has_seen(next_fd)); /* its controllers have no state yet */
	serial_resume(&to);
	assert_true(pic_has_seen(next_fd));
	serial_fini(&from);
	serial_fini(&to);
	close(vm_fd);
	close(next_fd);
	close(kvm_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_found_by_autoconfig),
		cmocka_unit_test(test_divisor_is_behind_dlab),
		cmocka_unit_test(test_bytes_reach_the_console_at_once),
		cmocka_unit_test(test_a_console_that_takes_nothing),
		cmocka_unit_test(test_thre_interrupts),
		cmocka_unit_test(test_out2_is_the_way_to_the_irq),
		cmocka_unit_test(test_state_moves),
		cmocka_unit_test(test_state_is_doubted),
		cmocka_unit_test(test_line_reaches_kvm),
	};

	return cmocka_run_group_tests_name("refvm_serial", tests, NULL, NULL);
}
