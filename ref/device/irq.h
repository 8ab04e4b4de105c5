/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's MSI-X vectors: an eventfd each, and a pending bit that stays until the eventfd was signalled. So an
 * interrupt raised while no eventfd is bound, or while the device may not run, is not lost; the bits are device
 * state and move with it. Under the device's lock. DEVICE_SET_IRQS of vfio-user binds, unbinds and fires.
 */
#ifndef REF_DEVICE_IRQ_H
#define REF_DEVICE_IRQ_H

#include "ref/device_registers.h"

#include <stdbool.h>
#include <stdint.h>

struct irqs {
	int fds[REFDEV_NR_VECTORS]; /* owned; -1: none */
	uint32_t pending;
};

void ref_irqs_init(struct irqs *irqs);
void ref_irqs_reset(struct irqs *irqs); /* nothing pending; eventfds stay */
void ref_irqs_fini(struct irqs *irqs);  /* eventfds go, pending bits stay */

/* Takes the fd over; -1 unbinds. -EINVAL: not an eventfd, and then the fd is still the caller's. */
int ref_irq_bind(struct irqs *irqs, uint32_t vector, int fd);

void ref_irq_raise(struct irqs *irqs, uint32_t vector);

/* Signals what is pending and bound. To be called when the device may run and one of the two has changed. */
void ref_irqs_deliver(struct irqs *irqs);

#endif
