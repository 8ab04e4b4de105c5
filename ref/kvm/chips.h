/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of the VM's chips in the kernel, beside the vCPUs: both PICs, the IOAPIC, the PIT; and its clock.
 *
 * The clock: kvmclock and the TSC of each vCPU, with the host's time at which they were read, and the time that a
 * vCPU's TSC timer waits for. The guest's clock goes
 * on while the guest stands still, here or on its way, so a guest sees how long it was away: write sets both on by the
 * time that has passed on the host's realtime clock since the read, never back, and by GUEST_CLOCK_MAX_NS at the most
 * (clocks of two hosts may differ). A rollback needs no write: nobody stopped the clock.
 */
#ifndef REF_KVM_CHIPS_H
#define REF_KVM_CHIPS_H

#include "ref/base/blob.h"

#include <godwit/error.h>
#include <linux/kvm.h>

struct chips {
	struct kvm_irqchip irqchips[3]; /* by KVM_IRQCHIP_* */
	struct kvm_pit_state2 pit;
};

/* write: after the vCPUs' state, because an interrupt that waits in the IOAPIC then goes on to a LAPIC. */
int chips_read(struct chips *chips, int vm_fd, struct gw_error *e);
int chips_write(const struct chips *chips, int vm_fd, struct gw_error *e);
void chips_encode(const struct chips *chips, struct blob_out *out);
int chips_decode(struct chips *chips, struct blob_in *in); /* -EBADMSG */

#define GUEST_CLOCK_MAX_VCPUS 64
#define GUEST_CLOCK_MAX_NS    (3600ull * 1000 * 1000 * 1000)

struct guest_clock {
	uint64_t realtime_ns; /* of the host, when it was read */
	uint64_t kvmclock_ns;
	uint64_t tsc_khz;
	uint32_t nr_vcpus;
	uint64_t tsc[GUEST_CLOCK_MAX_VCPUS];
	uint64_t deadline[GUEST_CLOCK_MAX_VCPUS]; /* of the TSC; 0: none */
};

int guest_clock_read(struct guest_clock *clock, int vm_fd, const int *vcpu_fds, uint32_t nr_vcpus, struct gw_error *e);
/* Just before the vCPUs run for the first time here, after their state: the timer of a deadline is the LAPIC's. */
int guest_clock_write(const struct guest_clock *clock, int vm_fd, const int *vcpu_fds, uint32_t nr_vcpus,
		      struct gw_error *e);
void guest_clock_encode(const struct guest_clock *clock, struct blob_out *out);
int guest_clock_decode(struct guest_clock *clock, struct blob_in *in); /* -EBADMSG */

#endif
