/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The time of a vCPU: kvmclock where KVM offers it (Documentation/virt/kvm/x86/msr.rst, MSR_KVM_SYSTEM_TIME_NEW), else
 * its TSC. It goes on while the guest stands still or moves.
 */
#ifndef REF_GUEST_BARE_CLOCK_H
#define REF_GUEST_BARE_CLOCK_H

#include <stdint.h>

/* Written by KVM: struct pvclock_vcpu_time_info. */
struct clock_page {
	uint32_t version; /* odd: being written */
	uint32_t unused;
	uint64_t tsc_timestamp;
	uint64_t system_time;
	uint32_t tsc_to_system_mul;
	int8_t tsc_shift;
	uint8_t flags;
	uint8_t unused_too[2];
};

struct clock {
	struct clock_page page __attribute__((aligned(64)));
	int has_page;
	uint64_t ns_of_tsc; /* without a page: of one tick, << 32 */
	uint64_t last_ns;
	uint64_t went_back_ns; /* the most that it ever did */
};

/* On the vCPU whose clock it is. */
void clock_start(struct clock *clock, uint64_t tsc_khz);

/* Never before an earlier answer; that it would have been is noted. */
uint64_t clock_now_ns(struct clock *clock);

#endif
