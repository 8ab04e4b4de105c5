/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The CPUID that a guest is shown: what KVM supports on this host, without what this VM cannot move (nested
 * virtualization, performance counters, machine checks, KVM's offers that keep state in the host) and with each vCPU as
 * a package of its own. And what of a guest's CPUID another host lacks.
 */
#ifndef REF_KVM_GUEST_CPUID_H
#define REF_KVM_GUEST_CPUID_H

#include "ref/base/blob.h"

#include <godwit/report.h>
#include <linux/kvm.h>

#define GUEST_CPUID_MAX     160
#define GUEST_CPUID_NO_LEAF UINT32_MAX

struct guest_cpuid {
	uint32_t nr;
	struct kvm_cpuid_entry2 entries[GUEST_CPUID_MAX]; /* of no vCPU: APIC ids are 0 */
};

/* What a host lacks, one blocker each; counted beyond max. */
struct lacks {
	struct gw_blocker *blockers;
	uint32_t max, nr;
};

__attribute__((format(printf, 3, 4))) void lacks_add(struct lacks *lacks, const char *where, const char *fmt, ...);

/* hidden: this leaf is zero, as if the host did not have it, or GUEST_CPUID_NO_LEAF. */
int guest_cpuid_read(struct guest_cpuid *cpuid, int kvm_fd, uint32_t hidden, struct gw_error *e);
/* To a vCPU that has not run; index: its APIC id. */
int guest_cpuid_give(const struct guest_cpuid *cpuid, int vcpu_fd, uint32_t index, struct gw_error *e);

void guest_cpuid_lacks(const struct guest_cpuid *guest, const struct guest_cpuid *host, struct lacks *lacks);

void guest_cpuid_encode(const struct guest_cpuid *cpuid, struct blob_out *out);
int guest_cpuid_decode(struct guest_cpuid *cpuid, struct blob_in *in); /* -EBADMSG */

#endif
