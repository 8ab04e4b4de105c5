/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VM of KVM's without its vCPUs: the fds, what this KVM can do, memory slots, and the dirty log. Slots of guest RAM
 * are told to the log; others (BARs that are mapped) are not RAM and are not logged.
 */
#ifndef REF_KVM_KVM_VM_H
#define REF_KVM_KVM_VM_H

#include "ref/base/guest_memory.h"
#include "ref/vm/ref_vm.h"

#include <godwit/kvm.h>
#include <pthread.h>

#define KVM_VM_MAX_SLOTS 1024

struct kvm_vm {
	int kvm_fd;
	int vm_fd;
	uint32_t run_bytes; /* of a vCPU's struct kvm_run */
	struct gw_kvm_log *log;
	pthread_mutex_t lock; /* of the slots: a BAR may move while the guest runs */
	uint64_t used_slots[KVM_VM_MAX_SLOTS / 64];
	int refuse_slots; /* options->lack has asked for it */
	struct gw_kvm_slot ram[GUEST_MEMORY_MAX_BLOCKS];
	uint32_t nr_ram;
};

#define KVM_VM_CLOSED                     \
	{                                 \
		.kvm_fd = -1, .vm_fd = -1 \
	}

/*
 * Opens /dev/kvm, makes the VM with interrupt controllers and timer in the kernel, its log, and the slots of RAM. What
 * is missing (no /dev/kvm, no right to it, a capability) is said in one sentence with its name. options: log, lack.
 */
int kvm_vm_open(struct kvm_vm *vm, const struct guest_memory *memory, const struct ref_vm_options *options,
		struct gw_error *e);
/* The vCPUs are there: the log gets to know them. */
int kvm_vm_attach(struct kvm_vm *vm, const struct guest_memory *memory, const int *vcpu_fds, uint32_t nr_vcpus,
		  struct gw_error *e);
/* Before the vCPUs are closed, which stand: the log is freed, and with it what it has mapped of them. */
void kvm_vm_detach(struct kvm_vm *vm);
void kvm_vm_close(struct kvm_vm *vm); /* vCPUs are closed; closed already is fine */

/* Maps size_bytes at hva as guest memory; *slot names it. Any thread. */
int kvm_vm_map(struct kvm_vm *vm, uint64_t gpa, uint64_t size_bytes, void *hva, uint32_t *slot, struct gw_error *e);
void kvm_vm_unmap(struct kvm_vm *vm, uint32_t slot);

#endif
