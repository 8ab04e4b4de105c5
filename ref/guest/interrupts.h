/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's interrupt vectors as its driver has them: where each comes from, and the count that was collected there
 * and not yet given to the driver. That count is state of the guest: an interrupt that came before the pause is handled
 * after it, here or elsewhere, and neither lost nor doubled.
 *
 * Where they come from is the platform's: eventfds (interrupts_eventfd.c), or vectors of a vCPU (bare/interrupts.c).
 */
#ifndef REF_GUEST_INTERRUPTS_H
#define REF_GUEST_INTERRUPTS_H

#include "ref/base/blob.h"

#include <godwit/device.h>

#define INTERRUPTS_MAX 4

struct interrupts {
	uint32_t nr;
	int sources[INTERRUPTS_MAX]; /* eventfds; vectors of the vCPU */
	uint64_t pending[INTERRUPTS_MAX];
};

/* Binds nr vectors of MSI-X. */
int interrupts_open(struct interrupts *interrupts, struct gw_device *dev, uint32_t nr, struct gw_error *e);

/*
 * Its line, INTx, as the only vector, where the platform has lines; where it has none nr is 0 after it, and the driver
 * has to look at its device itself.
 */
int interrupts_open_line(struct interrupts *interrupts, struct gw_device *dev, struct gw_error *e);

void interrupts_close(struct interrupts *interrupts);

/* Takes what has come into pending. */
void interrupts_collect(struct interrupts *interrupts);

/* The pending count of a vector, which is 0 after it. */
uint64_t interrupts_take(struct interrupts *interrupts, uint32_t vector);

/* save collects first, and can be called again. */
void interrupts_save(struct interrupts *interrupts, struct blob_out *out);
int interrupts_load(struct interrupts *interrupts, struct blob_in *in);

#endif
