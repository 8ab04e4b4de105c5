/* SPDX-License-Identifier: BSD-3-Clause */
/* What a vCPU comes out of KVM_RUN for: an access that somebody on a bus answers, or the end of the guest. */
#ifndef REF_KVM_VCPU_EXIT_H
#define REF_KVM_VCPU_EXIT_H

#include "ref/kvm/vcpu.h"

#include <linux/kvm.h>

struct vcpu_exit {
	const struct vcpus_config *config;
	uint32_t index; /* of the vCPU */
	int fd;
	struct kvm_run *run;
};

/*
 * KVM_RUN has returned 0: does what run->exit_reason asks for. 0, or -errno with the sentence why the guest cannot go
 * on. An access is finished by the next KVM_RUN, not here. The vCPU's thread.
 */
int vcpu_exit_handle(const struct vcpu_exit *x, struct gw_error *e);

/* KVM_RUN has returned -errno, and it is the end of the guest: the same sentence. */
int vcpu_exit_refused(const struct vcpu_exit *x, int ret, struct gw_error *e);

#endif
