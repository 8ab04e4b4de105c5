/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The timer interrupts of a vCPU: how many, and the longest that one came late, which is how the guest measures a
 * pause. And whether they come at all: each vCPU looks after the next one's.
 */
#ifndef REF_GUEST_BARE_TIMER_H
#define REF_GUEST_BARE_TIMER_H

#include <stdint.h>

struct vcpu;

struct timer {
	uint64_t last_ns;

	/* Of the next vCPU's. */
	uint64_t seen;
	uint64_t looked_ns;
	uint64_t silent_ns; /* of this vCPU's running time */
	int complained;
};

void timer_start(struct vcpu *v);
void timer_taken(struct vcpu *v); /* in the handler */
void timer_look_after(struct vcpu *v, uint64_t now_ns);

#endif
