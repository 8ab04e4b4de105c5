/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The MSRs that are state of a vCPU here: those of the kernel's own list (KVM_GET_MSR_INDEX_LIST) that can be read from
 * a vCPU with the guest's CPUID, without those that are no state of this VM's guest (msr_list.c says which, and why),
 * and the MTRRs. The same list is what the guest needs of another host, and what is saved.
 */
#ifndef REF_KVM_MSR_LIST_H
#define REF_KVM_MSR_LIST_H

#include <godwit/error.h>
#include <linux/kvm.h>
#include <stdint.h>

#define MSR_LIST_MAX 512

/* In the list, but the clock's state and not the vCPU's: chips.h. */
#define MSR_TSC          0x10
#define MSR_TSC_DEADLINE 0x6e0

struct msr_list {
	uint32_t nr;
	uint32_t index[MSR_LIST_MAX]; /* rising */
};

/* After KVM_SET_CPUID2 of the vCPU. hidden: this one is left out, as if the host did not have it; 0: none. */
int msr_list_read(struct msr_list *list, int kvm_fd, int vcpu_fd, uint32_t hidden, struct gw_error *e);

int msr_list_has(const struct msr_list *list, uint32_t index);

/*
 * KVM_GET_MSRS or KVM_SET_MSRS of as many as there are: how many went well, so the one at that place did not, or
 * -errno.
 */
int msr_io(int vcpu_fd, unsigned long request, struct kvm_msr_entry *entries, uint32_t nr);

#endif
