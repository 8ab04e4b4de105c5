/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the guest needs of a host, and what this host has: the CPUID that the guest was shown, the MSRs that are its
 * state, the size of its XSAVE area, the XCR0 bits, the rate of its TSC. Told in the manifest, so that a host that
 * lacks one says so while the guest runs elsewhere, one blocker for each lack, with its name.
 */
#ifndef REF_KVM_HOST_FACTS_H
#define REF_KVM_HOST_FACTS_H

#include "ref/base/blob.h"
#include "ref/kvm/kvm_vm.h"
#include "ref/kvm/msr_list.h"

#include <godwit/report.h>

struct host_facts;

enum guest_kind { GUEST_BARE, GUEST_LINUX };

/*
 * After the vCPUs were made: chooses the guest's CPUID, from what KVM supports here, gives it to each vCPU with its
 * APIC id, and reads the list of MSRs. options->lack leaves out one thing.
 */
int host_facts_open(struct host_facts **facts, const struct kvm_vm *vm, const int *vcpu_fds, uint32_t nr_vcpus,
		    const struct ref_vm_options *options, struct gw_error *e);
void host_facts_close(struct host_facts *facts); /* NULL is fine */

const struct msr_list *host_facts_msrs(const struct host_facts *facts);
uint64_t host_facts_tsc_khz(const struct host_facts *facts);

/* As gw_vm_ops.needs and .lacks. */
ssize_t host_facts_needs(const struct host_facts *facts, void *buf, size_t size_bytes, struct gw_error *e);
int host_facts_lacks(const struct host_facts *facts, const void *needs, size_t size_bytes, struct gw_blocker *blockers,
		     uint32_t max_blockers);

/*
 * At the destination, when the guest's state comes: the vCPUs get the CPUID that the guest was shown at the source (it
 * is part of the state; host_facts_lacks has found that this host has all of it).
 */
void host_facts_encode(const struct host_facts *facts, struct blob_out *out);
int host_facts_load(struct host_facts *facts, struct blob_in *in, const int *vcpu_fds, uint32_t nr_vcpus,
		    struct gw_error *e);

#endif
