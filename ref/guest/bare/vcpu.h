/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vCPU of the bare guest as it knows itself. Its own, but for the page that it tells the VM and what its interrupt
 * handlers set.
 */
#ifndef REF_GUEST_BARE_VCPU_H
#define REF_GUEST_BARE_VCPU_H

#include "ref/guest/bare/clock.h"
#include "ref/guest/bare/mailbox.h"
#include "ref/guest/bare/timer.h"
#include "ref/guest/pace.h"

#include <stdatomic.h>

struct vcpu {
	struct vcpu *self; /* first: where gs points to */
	uint32_t index;
	uint32_t apic_id;
	struct bare_vcpu *told;
	struct clock clock;
	struct timer timer;
	struct work work;
	struct pace pace;
	uint64_t next_tick_ns;
	atomic_uint woken; /* by a device's interrupt */
};

#define MAILBOX ((struct bare_mailbox *)BARE_MAILBOX_GPA)

extern struct vcpu vcpus[BARE_MAX_VCPUS];

/* The one that asks. */
static inline struct vcpu *vcpu_self(void)
{
	struct vcpu *v;

	__asm__("movq %%gs:0, %0" : "=r"(v));
	return v;
}

#endif
