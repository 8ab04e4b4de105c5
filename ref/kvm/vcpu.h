/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vCPUs: a thread each that lives in KVM_RUN. A pause is a signal that KVM_RUN lets through and nothing else does
 * (KVM_SET_SIGNAL_MASK: no handler is installed); then KVM_RUN is entered once more with immediate_exit, so that an
 * access that was handed out to the VM is finished and no half of one is left for the state.
 *
 * A vCPU that cannot go on (KVM_EXIT_SHUTDOWN, an internal error, KVM_RUN failing) ends the guest: all stand still,
 * and vcpus_failure says why.
 */
#ifndef REF_KVM_VCPU_H
#define REF_KVM_VCPU_H

#include "ref/base/bus.h"
#include "ref/kvm/kvm_vm.h"

struct vcpus;

struct vcpus_config {
	struct kvm_vm *vm;
	struct bus *ports;  /* KVM_EXIT_IO */
	struct bus *memory; /* KVM_EXIT_MMIO */
	uint32_t nr;
};

/* Makes them, paused, with KVM's state at reset. On failure nothing is left. */
int vcpus_open(struct vcpus **vcpus, const struct vcpus_config *config, struct gw_error *e);
void vcpus_close(struct vcpus *vcpus); /* in any state; NULL is fine */

const int *vcpus_fds(const struct vcpus *vcpus);
uint32_t vcpus_nr(const struct vcpus *vcpus);

/*
 * pause: when it returns 0 every vCPU is out of KVM_RUN with nothing half done. Of a guest that has failed: its
 * failure; they stand still all the same. resume: of a guest that has failed does nothing, and says so.
 */
int vcpus_pause(struct vcpus *vcpus, struct gw_error *e);
int vcpus_resume(struct vcpus *vcpus, struct gw_error *e);
int vcpus_running(const struct vcpus *vcpus);

/* 0 to 99: the share of time in which they do not execute. Any thread. */
void vcpus_throttle(struct vcpus *vcpus, uint32_t percent);

/* 0, or -errno and why the guest cannot go on. Any thread. */
int vcpus_failure(struct vcpus *vcpus, struct gw_error *e);

/* As if the next KVM_RUN of the first vCPU had failed, now if it runs: for tests of what comes of that. */
void vcpus_break(struct vcpus *vcpus);

#endif
