/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's INTx: a level that the device raises by an eventfd, upon which it masks itself (VFIO_IRQ_INFO_AUTOMASKED),
 * and that KVM takes down when the guest has ended the interrupt. A thread passes both on: the device's eventfd to
 * KVM's irqfd, and KVM's word that it was ended to the device as an unmask.
 *
 * KVM could take the device's eventfd itself. But then nobody could tell whether an interrupt was asserted when the way
 * is cut for a move: KVM takes the level down with the irqfd, and has read the eventfd.
 */
#ifndef REF_BOARD_INTX_H
#define REF_BOARD_INTX_H

#include "ref/base/blob.h"

#include <godwit/device.h>
#include <pthread.h>
#include <stdatomic.h>

struct intx {
	pthread_mutex_t lock;
	pthread_t thread;
	struct gw_device *dev;
	int vm_fd;
	uint32_t gsi;
	atomic_ullong *nr_failed;
	uint32_t present; /* 0: the device has none; nothing below is there then */
	int device_fd;    /* the device raises it */
	int relay_fd;     /* KVM's irqfd */
	int ended_fd;     /* KVM: the guest has ended it */
	int wake_fd;
	uint32_t bound; /* at the device: the guest wants it */
	uint32_t armed; /* relay_fd is KVM's */
	uint32_t held;
	uint32_t asserted; /* passed on and not ended */
	uint32_t closing;
};

struct intx_config {
	struct gw_device *dev;
	int vm_fd;
	uint32_t gsi;
	atomic_ullong *nr_failed; /* counts what a device or KVM refuses while the guest runs */
};

/* Of a device that has none, present is 0. Not bound yet. */
int intx_open(struct intx *intx, const struct intx_config *config, struct gw_error *e);
void intx_close(struct intx *intx); /* zeroed is fine */

/* Whether the guest wants it: neither the command register nor MSI-X keeps the device from it. */
int intx_set(struct intx *intx, int wanted, struct gw_error *e);

/* As board.h has them. load holds; whether it is bound is set afterwards. */
void intx_hold(struct intx *intx);
int intx_release(struct intx *intx, struct gw_error *e);
void intx_save(struct intx *intx, struct blob_out *out);
int intx_load(struct intx *intx, int wanted, struct blob_in *in, struct gw_error *e);

#endif
