/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A 16550A at the console: what the guest sends is written to an fd, at once; nothing is ever received. It interrupts
 * when it may be sent to (THRE), which is what Linux's driver waits for. Line: level, by KVM_IRQ_LINE.
 */
#ifndef REF_BOARD_SERIAL_H
#define REF_BOARD_SERIAL_H

#include "ref/base/blob.h"
#include "ref/base/bus.h"

#include <pthread.h>
#include <stdint.h>

#define SERIAL_PORTS 8

struct serial {
	pthread_mutex_t lock;
	int vm_fd;
	uint32_t gsi;
	int fd;
	uint8_t ier, lcr, mcr, scr, dll, dlm, fcr;
	uint8_t thre_pending; /* an interrupt that IIR has not told yet */
	uint8_t line;         /* as it was told to KVM */
};

/* vm_fd -1: the line goes nowhere (tests). */
void serial_init(struct serial *serial, int vm_fd, uint32_t gsi, int fd);
void serial_fini(struct serial *serial);

extern const struct bus_ops serial_bus_ops; /* ctx: struct serial */

void serial_save(struct serial *serial, struct blob_out *out);
/* -EBADMSG. The line's level is told to KVM by resume, when its controllers have their state. */
int serial_load(struct serial *serial, struct blob_in *in);
void serial_resume(struct serial *serial);

#endif
