/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bare guest: what a vCPU does from its first instruction on. All of them start at once; the first one sets up what
 * they share while the others wait, in stages. Then each drives its devices, writes and checks its pages at its pace,
 * and waits for an interrupt when nothing is due.
 */
#include "ref/base/vm_thread.h"
#include "ref/guest/bare/devices.h"
#include "ref/guest/bare/idt.h"
#include "ref/guest/bare/instructions.h"
#include "ref/guest/bare/lapic.h"
#include "ref/guest/bare/say.h"
#include "ref/guest/bare/vcpu.h"

#include <stdio.h>

#define MSR_GS_BASE 0xc0000101u
#define TICK_NS     NS_PER_MS
#define WENT_BACK_MOST_NS                                                                           \
	NS_PER_MS /* where TSCs differ a clock may tremble: Linux holds it still, and so is it here \
		   */

#define LOOP_ROUNDS    10000u /* of two instructions */
#define MEASUREMENTS   3
#define SLOW_PER_S     50000000u
#define NAMES_BYTES    128
#define STAGE_HANDLERS 1
#define STAGE_DEVICES  2

struct vcpu vcpus[BARE_MAX_VCPUS];

static atomic_uint stage;
static atomic_uint nr_started; /* vCPUs that take interrupts */

_Noreturn void vcpu_main(uint64_t index);

static void reach(atomic_uint *what, uint32_t value)
{
	while (atomic_load(what) < value)
		wait_a_little();
}

static uint64_t time_loop(struct clock *clock)
{
	uint64_t begin_ns = clock_now_ns(clock), rounds = LOOP_ROUNDS;

	__asm__ volatile("1: decq %0; jnz 1b" : "+r"(rounds) : : "cc");
	return clock_now_ns(clock) - begin_ns;
}

/* Instructions a second: KVM may execute them, or emulate each. The best of some: the host may do other things too. */
static uint64_t measure_speed(struct clock *clock)
{
	uint64_t least_ns = UINT64_MAX;

	for (int i = 0; i < MEASUREMENTS; i++) {
		uint64_t ns = time_loop(clock);

		least_ns = ns < least_ns ? ns : least_ns;
	}
	return 2 * LOOP_ROUNDS * NS_PER_S / (least_ns + 1);
}

static const char *plural(uint32_t nr)
{
	return nr == 1 ? "" : "s";
}

static void introduce(uint64_t instructions_per_s)
{
	const struct bare_parameters *parameters = &MAILBOX->parameters;
	char names[NAMES_BYTES] = "";
	int length = 0;

	for (uint32_t i = 0; i < parameters->nr_devices && length < NAMES_BYTES; i++)
		length += snprintf(names + length, (size_t)(NAMES_BYTES - length), "%s%s", i ? ", " : " (",
				   devices_driver(i));
	say("bare guest: %u vCPU%s, %llu MiB, %u device%s%s%s, %llu kHz%s\n", parameters->nr_vcpus,
	    plural(parameters->nr_vcpus), (unsigned long long)(parameters->memory_bytes >> 20), parameters->nr_devices,
	    plural(parameters->nr_devices), names, length ? ")" : "", (unsigned long long)parameters->tsc_khz,
	    instructions_per_s < SLOW_PER_S ? ", slow: gentle with devices" : "");
}

/* On the first vCPU, when all of them take interrupts. */
static void set_up_devices(struct vcpu *v)
{
	uint64_t instructions_per_s = measure_speed(&v->clock);

	devices_start(instructions_per_s < SLOW_PER_S ? DEVICES_GENTLE : DEVICES_FAST);
	introduce(instructions_per_s);
}

static void set_up_work(struct vcpu *v)
{
	const struct bare_parameters *parameters = &MAILBOX->parameters;
	uint64_t each = parameters->dirty_bytes_per_s / parameters->nr_vcpus;

	v->work = v->told->works[v->told->nr_steps % 2];
	if (work_adopt(&v->work, (uint8_t *)BARE_RAM_VA, parameters->memory_bytes / GW_PAGE_BYTES,
		       &MAILBOX->integrity)) {
		integrity_fail(&MAILBOX->integrity, "vCPU %u: the work it was given makes no sense", v->index);
		stop_for_good();
	}
	pace_init(&v->pace, parameters->dirty_bytes_per_s && !each ? 1 : each);
	pace_begin(&v->pace, clock_now_ns(&v->clock));
}

static void set_up(struct vcpu *v, uint32_t index)
{
	*v = (struct vcpu){ .self = v, .index = index, .told = &MAILBOX->vcpus[index] };
	msr_put(MSR_GS_BASE, (uintptr_t)v);
	if (!index) {
		idt_init();
		atomic_store(&stage, STAGE_HANDLERS);
	}
	reach(&stage, STAGE_HANDLERS);
	idt_load();
	v->apic_id = lapic_start();
	clock_start(&v->clock, MAILBOX->parameters.tsc_khz);
	set_up_work(v);
	atomic_fetch_add(&nr_started, 1);
	if (!index) {
		reach(&nr_started, MAILBOX->parameters.nr_vcpus);
		set_up_devices(v);
		atomic_store(&stage, STAGE_DEVICES);
	}
	reach(&stage, STAGE_DEVICES);
	timer_start(v);
	interrupts_allow();
}

static void obey(uint64_t order)
{
	if (order == BARE_ORDER_TRIPLE_FAULT)
		idt_triple_fault();
	if (order == BARE_ORDER_INTERNAL_ERROR)
		((void (*)(void))(uintptr_t)BARE_NOWHERE_GPA)();
}

static void look_at_clock(struct vcpu *v)
{
	if (v->clock.went_back_ns > WENT_BACK_MOST_NS)
		integrity_fail(&MAILBOX->integrity, "vCPU %u: its clock went back by %llu ns", v->index,
			       (unsigned long long)v->clock.went_back_ns);
	v->clock.went_back_ns = 0;
}

/* The first error, once. */
static void tell_errors(void)
{
	static int told;
	char first_error[INTEGRITY_TEXT_BYTES];

	if (told || !integrity_get(&MAILBOX->integrity, NULL))
		return;
	told = 1;
	integrity_get(&MAILBOX->integrity, first_error);
	say("bare guest: found: %s\n", first_error);
}

static void look_around(struct vcpu *v, uint64_t now_ns)
{
	look_at_clock(v);
	timer_look_after(v, now_ns);
	if (v->index)
		return;
	tell_errors();
	obey(__atomic_load_n(&MAILBOX->order, __ATOMIC_RELAXED));
}

/* One page; then the VM is told, by a copy that is whole before it counts. */
static void do_step(struct vcpu *v)
{
	uint64_t nr_steps = v->told->nr_steps + 1;

	pace_spend(&v->pace, work_step(&v->work));
	v->told->works[nr_steps % 2] = v->work;
	__atomic_store_n(&v->told->nr_steps, nr_steps, __ATOMIC_RELEASE);
}

/* Until an interrupt; one that has come since the devices were looked at counts. */
static void wait_for_interrupt(struct vcpu *v)
{
	interrupts_forbid();
	if (atomic_load(&v->woken))
		interrupts_allow();
	else
		interrupts_allow_and_wait();
}

static void execute(struct vcpu *v)
{
	uint64_t now_ns = clock_now_ns(&v->clock);

	if (atomic_exchange(&v->woken, 0) || now_ns >= v->next_tick_ns) {
		look_around(v, now_ns);
		devices_tick(v, now_ns);
		v->next_tick_ns = now_ns + TICK_NS;
	}
	if (now_ns >= pace_due_ns(&v->pace, now_ns))
		do_step(v);
	else
		wait_for_interrupt(v);
}

void vcpu_main(uint64_t index)
{
	struct vcpu *v = &vcpus[index];

	set_up(v, (uint32_t)index);
	for (;;)
		execute(v);
}
