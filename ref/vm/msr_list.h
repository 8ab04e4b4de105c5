/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MSRs that are state of a vCPU here: those of the kernel's own list (KVM_GET_MSR_INDEX_LIST) that can be read from
 * a vCPU with the guest's CPUID. The same list is what the guest needs of another host, and what is saved.
 */
#ifndef REF_VM_MSR_LIST_H
#define REF_VM_MSR_LIST_H

#include <godwit/error.h>
#include <stdint.h>

#define MSR_LIST_MAX 512

struct msr_list {
	uint32_t nr;
	uint32_t index[MSR_LIST_MAX]; /* rising */
};

/* After KVM_SET_CPUID2 of the vCPU. hidden: this one is left out, as if the host did not have it; 0: none. */
int msr_list_read(struct msr_list *list, int kvm_fd, int vcpu_fd, uint32_t hidden, struct gw_error *e);

int msr_list_has(const struct msr_list *list, uint32_t index);

#endif
