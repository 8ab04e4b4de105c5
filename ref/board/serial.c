/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The 16550A. Its transmitter is never busy: a byte is gone when the write returns, so THR is always empty, and that
 * is all it ever interrupts for. Nothing arrives, in loopback neither; the modem lines do answer to loopback, because
 * that is how drivers find out that there is a UART. Registers: data sheet of the PC16550D.
 */
#include "ref/board/serial.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/serial_reg.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define IER_BITS  (UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI)
#define MCR_BITS  (UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | UART_MCR_LOOP)
#define FCR_BITS  (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK) /* the others clear what is empty anyway */
#define IIR_FIFOS 0xc0                                           /* says that there are, and that they work */

static int interrupts(const struct serial *serial)
{
	return serial->thre_pending && serial->ier & UART_IER_THRI;
}

/* A PC's UART reaches its IRQ by OUT2, which loopback cuts off. */
static uint8_t line_level(const struct serial *serial)
{
	return interrupts(serial) && (serial->mcr & (UART_MCR_OUT2 | UART_MCR_LOOP)) == UART_MCR_OUT2;
}

static void tell_line(struct serial *serial, uint8_t line)
{
	struct kvm_irq_level level = { .irq = serial->gsi, .level = line };

	serial->line = line;
	if (serial->vm_fd >= 0)
		ioctl(serial->vm_fd, KVM_IRQ_LINE, &level); /* it has no failure that a guest could hear of */
}

static void update_line(struct serial *serial)
{
	uint8_t line = line_level(serial);

	if (line != serial->line)
		tell_line(serial, line);
}

/* A reader that is slow or gone loses bytes: a vCPU that waits for one cannot be paused. */
static void send_byte(const struct serial *serial, uint8_t byte)
{
	struct pollfd out = { .fd = serial->fd, .events = POLLOUT };
	ssize_t ret;

	if (serial->fd < 0 || serial->mcr & UART_MCR_LOOP || poll(&out, 1, 0) != 1)
		return;
	do {
		ret = write(serial->fd, &byte, 1);
	} while (ret < 0 && errno == EINTR);
}

static uint8_t read_iir(struct serial *serial)
{
	uint8_t fifos = serial->fcr & UART_FCR_ENABLE_FIFO ? IIR_FIFOS : 0;

	if (!interrupts(serial))
		return fifos | UART_IIR_NO_INT;
	serial->thre_pending = 0;
	update_line(serial);
	return fifos | UART_IIR_THRI;
}

/* Loopback leads the four outputs to the four inputs. */
static uint8_t read_msr(const struct serial *serial)
{
	static const struct {
		uint8_t out, in;
	} wires[] = {
		{ UART_MCR_RTS, UART_MSR_CTS },
		{ UART_MCR_DTR, UART_MSR_DSR },
		{ UART_MCR_OUT1, UART_MSR_RI },
		{ UART_MCR_OUT2, UART_MSR_DCD },
	};
	uint8_t msr = 0;

	if (!(serial->mcr & UART_MCR_LOOP))
		return UART_MSR_CTS | UART_MSR_DSR | UART_MSR_DCD;
	for (unsigned int i = 0; i < sizeof(wires) / sizeof(wires[0]); i++)
		msr |= serial->mcr & wires[i].out ? wires[i].in : 0;
	return msr;
}

static uint8_t read_register(struct serial *serial, uint64_t reg)
{
	int dlab = serial->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_RX:
		return dlab ? serial->dll : 0;
	case UART_IER:
		return dlab ? serial->dlm : serial->ier;
	case UART_IIR:
		return read_iir(serial);
	case UART_LCR:
		return serial->lcr;
	case UART_MCR:
		return serial->mcr;
	case UART_LSR:
		return UART_LSR_THRE | UART_LSR_TEMT;
	case UART_MSR:
		return read_msr(serial);
	case UART_SCR:
		return serial->scr;
	}
	return 0xff;
}

/*
 * The write takes the interrupt back and the byte, gone at once, raises it anew. A line that is high stays so: nobody
 * has read in IIR yet that it is.
 */
static void write_thr(struct serial *serial, uint8_t byte)
{
	send_byte(serial, byte);
	serial->thre_pending = 1;
}

/* Asked for anew, the interrupt is raised though nothing was sent: drivers start, and test the UART, with that. */
static void write_ier(struct serial *serial, uint8_t value)
{
	uint8_t before = serial->ier;

	serial->ier = value & IER_BITS;
	if (serial->ier & ~before & UART_IER_THRI)
		serial->thre_pending = 1;
}

static void write_register(struct serial *serial, uint64_t reg, uint8_t value)
{
	int dlab = serial->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab)
			serial->dll = value;
		else
			write_thr(serial, value);
		break;
	case UART_IER:
		if (dlab)
			serial->dlm = value;
		else
			write_ier(serial, value);
		break;
	case UART_FCR:
		serial->fcr = value & UART_FCR_ENABLE_FIFO ? value & FCR_BITS : 0;
		break;
	case UART_LCR:
		serial->lcr = value;
		break;
	case UART_MCR:
		serial->mcr = value & MCR_BITS;
		break;
	case UART_SCR:
		serial->scr = value;
		break;
	}
	update_line(serial);
}

/* It has eight bits; what is wider is that many accesses, as on the ISA bus. */
static void serial_read(void *ctx, uint64_t offset, void *data, uint32_t size_bytes)
{
	struct serial *serial = ctx;
	uint8_t *bytes = data;

	pthread_mutex_lock(&serial->lock);
	for (uint32_t i = 0; i < size_bytes; i++)
		bytes[i] = read_register(serial, offset + i);
	pthread_mutex_unlock(&serial->lock);
}

static void serial_write(void *ctx, uint64_t offset, const void *data, uint32_t size_bytes)
{
	struct serial *serial = ctx;
	const uint8_t *bytes = data;

	pthread_mutex_lock(&serial->lock);
	for (uint32_t i = 0; i < size_bytes; i++)
		write_register(serial, offset + i, bytes[i]);
	pthread_mutex_unlock(&serial->lock);
}

const struct bus_ops serial_bus_ops = { .read = serial_read, .write = serial_write };

void serial_init(struct serial *serial, int vm_fd, uint32_t gsi, int fd)
{
	*serial = (struct serial){ .vm_fd = vm_fd, .gsi = gsi, .fd = fd };
	pthread_mutex_init(&serial->lock, NULL);
}

void serial_fini(struct serial *serial)
{
	pthread_mutex_destroy(&serial->lock);
}

/* The state, a word each, in this order. A register with a bit that it cannot have is none of this UART's. */
static const struct {
	size_t offset;
	uint8_t bits;
} saved[] = {
	{ offsetof(struct serial, ier), IER_BITS }, { offsetof(struct serial, fcr), FCR_BITS },
	{ offsetof(struct serial, lcr), 0xff },     { offsetof(struct serial, mcr), MCR_BITS },
	{ offsetof(struct serial, scr), 0xff },     { offsetof(struct serial, dll), 0xff },
	{ offsetof(struct serial, dlm), 0xff },     { offsetof(struct serial, thre_pending), 1 },
};

#define NR_SAVED (sizeof(saved) / sizeof(saved[0]))

void serial_save(struct serial *serial, struct blob_out *out)
{
	pthread_mutex_lock(&serial->lock);
	for (size_t i = 0; i < NR_SAVED; i++)
		blob_put_u32(out, *((const uint8_t *)serial + saved[i].offset));
	pthread_mutex_unlock(&serial->lock);
}

int serial_load(struct serial *serial, struct blob_in *in)
{
	uint32_t came[NR_SAVED];

	for (size_t i = 0; i < NR_SAVED; i++) {
		came[i] = blob_get_u32(in);
		if (in->bad || came[i] & ~(uint32_t)saved[i].bits)
			return -EBADMSG;
	}
	pthread_mutex_lock(&serial->lock);
	for (size_t i = 0; i < NR_SAVED; i++)
		*((uint8_t *)serial + saved[i].offset) = (uint8_t)came[i];
	pthread_mutex_unlock(&serial->lock);
	return 0;
}

/*
 * The controllers do not keep the level of a line, only what came of it, so it is told even if it is as it was. If
 * it is high this may be one interrupt more than there was; a driver reads in IIR that there is nothing to do.
 */
void serial_resume(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	tell_line(serial, line_level(serial));
	pthread_mutex_unlock(&serial->lock);
}
