/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is state of a vCPU: registers, special registers, debug registers, FPU and XSAVE, XCRs, MSRs, LAPIC, events and
 * MP state; KVM has an order in which they must be set (vcpu_state.c says why). Its TSC and its TSC deadline are not
 * among them: time goes on while the guest stands still, see guest_clock in chips.h.
 *
 * What load has set it reads back and compares: a register that does not come back as it was set is an error here, and
 * not a guest that goes wrong later. So saving what was loaded gives the same bytes, but for the count of a LAPIC timer
 * that runs.
 */
#ifndef REF_KVM_VCPU_STATE_H
#define REF_KVM_VCPU_STATE_H

#include "ref/base/blob.h"
#include "ref/kvm/msr_list.h"

#define VCPU_STATE_MAX_XSAVE_BYTES 16384 /* host_facts refuses a host where KVM's area is larger */

struct vcpu_state; /* one vCPU's, as it was read or came */

struct vcpu_state *vcpu_state_new(void);
void vcpu_state_free(struct vcpu_state *state); /* NULL is fine */

/* From and to KVM; out of KVM_RUN. index: of the vCPU, for the error. */
int vcpu_state_read(struct vcpu_state *state, int vcpu_fd, const struct msr_list *msrs, uint32_t index,
		    struct gw_error *e);
int vcpu_state_write(const struct vcpu_state *state, int vcpu_fd, uint32_t index, struct gw_error *e);

/* From and to bytes. -EBADMSG: no state of a vCPU; every count and length is looked at. */
void vcpu_state_encode(const struct vcpu_state *state, struct blob_out *out);
int vcpu_state_decode(struct vcpu_state *state, struct blob_in *in);

#endif
