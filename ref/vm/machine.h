/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VM as godwit sees it: RAM, open devices, the guest, a dirty log, and the callbacks that tie them to the
 * library. This is the page to read for how a VMM is fitted with libgodwit.
 */
#ifndef REF_VM_MACHINE_H
#define REF_VM_MACHINE_H

#include "ref/vm/guest.h"
#include "ref/vm/peers.h"
#include "ref/vm/ref_vm.h"

struct machine {
	struct guest_memory memory;
	struct guest guest;
	struct gw_process_log *log;
	struct gw_device *devices[GW_MAX_DEVICES];
	struct gw_device_info infos[GW_MAX_DEVICES];
	struct peers peers;
	struct gw_vm vm; /* for gw_source_new and gw_destination_new */
};

/* Everything a VM needs before its guest runs or comes. On failure nothing is left. */
int machine_open(struct machine *machine, const struct ref_vm_options *options, struct gw_error *e);

/* No migration may be using it. */
void machine_close(struct machine *machine);

#endif
