/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of KVM's part of a guest, vCPUs, chips and clock: as it was read once, or as it came. It is kept while the
 * guest stands still and told from there, because timers go on counting: asked twice, KVM has two answers.
 */
#ifndef REF_KVM_GUEST_STATE_H
#define REF_KVM_GUEST_STATE_H

#include "ref/kvm/chips.h"
#include "ref/kvm/msr_list.h"
#include "ref/kvm/vcpu_state.h"
#include "ref/vm/ref_vm.h"

struct guest_state {
	uint32_t nr_vcpus;
	struct chips chips;
	struct guest_clock clock;
	struct vcpu_state *vcpus[REF_VM_MAX_VCPUS];
};

int guest_state_init(struct guest_state *state, uint32_t nr_vcpus, struct gw_error *e);
void guest_state_fini(struct guest_state *state); /* zeroed is fine */

/* From and to KVM, all vCPUs out of KVM_RUN. write: all but the clock, which comes last of all (chips.h). */
int guest_state_read(struct guest_state *state, int vm_fd, const int *vcpu_fds, const struct msr_list *msrs,
		     struct gw_error *e);
int guest_state_write(const struct guest_state *state, int vm_fd, const int *vcpu_fds, struct gw_error *e);

/* From and to bytes, of as many vCPUs. -EBADMSG. */
void guest_state_encode(const struct guest_state *state, struct blob_out *out);
int guest_state_decode(struct guest_state *state, struct blob_in *in);

#endif
