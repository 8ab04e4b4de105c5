/* SPDX-License-Identifier: BSD-3-Clause */
/* The timer interrupts of a vCPU. */
#include "ref/guest/bare/timer.h"

#include "ref/base/vm_thread.h"
#include "ref/guest/bare/lapic.h"
#include "ref/guest/bare/vcpu.h"

#define PERIOD_NS   (10 * NS_PER_MS)
#define PATIENCE_NS (30 * NS_PER_S) /* a host may be busy with other things than a vCPU's timer */

void timer_start(struct vcpu *v)
{
	v->timer.last_ns = clock_now_ns(&v->clock);
	v->timer.looked_ns = v->timer.last_ns;
	lapic_start_timer(PERIOD_NS);
}

void timer_taken(struct vcpu *v)
{
	struct bare_vcpu *told = v->told;
	uint64_t now_ns = clock_now_ns(&v->clock);
	uint64_t moves = __atomic_load_n(&MAILBOX->moves, __ATOMIC_RELAXED);
	uint64_t since_ns = now_ns - v->timer.last_ns;

	v->timer.last_ns = now_ns;
	if (told->moves != moves)
		told->largest_pause_ns = 0;
	told->moves = moves;
	if (since_ns > PERIOD_NS && since_ns - PERIOD_NS > told->largest_pause_ns)
		told->largest_pause_ns = since_ns - PERIOD_NS;
	__atomic_store_n(&told->timer_interrupts, told->timer_interrupts + 1, __ATOMIC_RELAXED);
}

/* What the guest stood still between two looks is no time in which an interrupt could have come. */
void timer_look_after(struct vcpu *v, uint64_t now_ns)
{
	const struct bare_parameters *parameters = &MAILBOX->parameters;
	uint32_t next = (v->index + 1) % parameters->nr_vcpus;
	uint64_t seen = __atomic_load_n(&MAILBOX->vcpus[next].timer_interrupts, __ATOMIC_RELAXED);
	uint64_t ran_ns = now_ns - v->timer.looked_ns;

	v->timer.silent_ns += ran_ns < PERIOD_NS ? ran_ns : PERIOD_NS;
	if (seen != v->timer.seen)
		v->timer.silent_ns = 0;
	v->timer.seen = seen;
	v->timer.looked_ns = now_ns;
	if (v->timer.silent_ns < PATIENCE_NS || v->timer.complained)
		return;
	v->timer.complained = 1;
	integrity_fail(&MAILBOX->integrity, "vCPU %u takes no timer interrupts any more: %llu were the last", next,
		       (unsigned long long)seen);
}
