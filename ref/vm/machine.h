/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VM as godwit sees it: RAM, open devices, and the callbacks of what executes the guest. With executor_kvm.c these
 * are the pages to read for how a VMM is fitted with libgodwit; doc/embedding.md walks through them.
 */
#ifndef REF_VM_MACHINE_H
#define REF_VM_MACHINE_H

#include "ref/vm/executor.h"

struct machine {
	struct guest_memory memory;
	const struct executor_ops *executor;
	void *guest;                   /* the executor's */
	char why[GW_ERROR_WHAT_BYTES]; /* it is not KVM though it was left open; empty: nothing to say */
	struct gw_device *devices[GW_MAX_DEVICES];
	struct gw_device_info infos[GW_MAX_DEVICES];
	struct gw_vm vm; /* for gw_source_new and gw_destination_new */
};

/* Everything a VM needs before its guest runs or comes. On failure nothing is left. */
int machine_open(struct machine *machine, const struct ref_vm_options *options, struct gw_error *e);

/* No migration may be using it. */
void machine_close(struct machine *machine);

#endif
