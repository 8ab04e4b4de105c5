/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's MSI-X vectors. Table and pending bits are kept here, where the device's capability says they are. Each
 * vector has an eventfd, bound at the device while the guest has MSI-X enabled, and an irqfd from it into KVM exactly
 * while the guest would let an interrupt through: what comes at other times waits in the eventfd, which is the pending
 * bit. KVM takes what has waited when the irqfd comes, and is done with what it has taken when the irqfd is gone, so
 * nothing is lost on the way and nothing comes twice.
 *
 * Any thread; its lock is held over calls of the device and of KVM.
 */
#ifndef REF_BOARD_MSIX_H
#define REF_BOARD_MSIX_H

#include "ref/base/blob.h"
#include "ref/board/routes.h"

#include <godwit/device.h>
#include <pthread.h>
#include <stdatomic.h>

#define MSIX_ENTRY_BYTES 16

/* Table and pending bits in the BARs. size_bytes 0: there is none. */
struct msix_place {
	uint32_t bar;
	uint64_t offset;
	uint64_t size_bytes;
};

struct msix_vector {
	uint8_t entry[MSIX_ENTRY_BYTES];
	int fd;       /* -1: not bound */
	uint32_t gsi; /* 0: it has none yet */
	uint32_t armed;
};

struct msix {
	pthread_mutex_t lock;
	struct gw_device *dev;
	struct routes *routes;
	int vm_fd;
	atomic_ullong *nr_failed;
	struct msix_place table, pba;
	uint32_t nr_vectors; /* 0: the device has no MSI-X; nothing below is there then */
	uint32_t nr_bindable;
	uint32_t control; /* PCI_MSIX_FLAGS_ENABLE, _MASKALL */
	uint32_t bound;
	uint32_t held;
	struct msix_vector *vectors;
};

struct msix_config {
	struct gw_device *dev;
	struct routes *routes;
	int vm_fd;
	atomic_ullong *nr_failed;  /* counts what a device or KVM refuses while the guest runs */
	const uint8_t *capability; /* of the device, 12 bytes; NULL: none */
};

/* A capability of a device that has no vectors to bind is no capability: nr_vectors is 0 then. */
int msix_open(struct msix *msix, const struct msix_config *config, struct gw_error *e);
void msix_close(struct msix *msix); /* zeroed is fine */

/* Message control as the guest has written it: binds and arms, or lets go. */
void msix_set_control(struct msix *msix, uint32_t control);

/* Whether an access to a BAR is to the table or the pending bits, with any of its bytes. */
int msix_touches(const struct msix *msix, uint32_t bar, uint64_t offset, uint64_t size_bytes);
void msix_read(struct msix *msix, uint32_t bar, uint64_t offset, void *data, uint32_t size_bytes);
void msix_write(struct msix *msix, uint32_t bar, uint64_t offset, const void *data, uint32_t size_bytes);

/* As board.h has them. load holds, and binds at the device if the guest had MSI-X enabled. */
void msix_hold(struct msix *msix);
int msix_release(struct msix *msix, struct gw_error *e);
void msix_save(struct msix *msix, struct blob_out *out);
int msix_load(struct msix *msix, uint32_t control, struct blob_in *in, struct gw_error *e);

#endif
