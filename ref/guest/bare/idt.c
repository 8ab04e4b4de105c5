/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupts and exceptions. */
#include "ref/guest/bare/idt.h"

#include "ref/guest/bare/instructions.h"
#include "ref/guest/bare/lapic.h"
#include "ref/guest/bare/say.h"
#include "ref/guest/bare/vcpu.h"

#include <errno.h>

#define NR_VECTORS     256
#define NR_EXCEPTIONS  32
#define STUB_BYTES     16     /* start.S */
#define GATE_INTERRUPT 0x8e00 /* present, ring 0, interrupts off inside */

struct gate {
	uint16_t offset_low;
	uint16_t selector;
	uint16_t flags;
	uint16_t offset_middle;
	uint32_t offset_high;
	uint32_t unused;
};

struct table {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

extern const uint8_t interrupt_stubs[];

static struct gate gates[NR_VECTORS] __attribute__((aligned(16)));
static _Atomic uint64_t counts[NR_VECTORS];
static int next_vector = IDT_DEVICES;

void idt_init(void)
{
	uint16_t code;

	__asm__("movw %%cs, %0" : "=r"(code));
	for (uint32_t i = 0; i < NR_VECTORS; i++) {
		uintptr_t stub = (uintptr_t)interrupt_stubs + i * STUB_BYTES;

		gates[i] = (struct gate){
			.offset_low = (uint16_t)stub,
			.selector = code,
			.flags = GATE_INTERRUPT,
			.offset_middle = (uint16_t)(stub >> 16),
			.offset_high = (uint32_t)(stub >> 32),
		};
	}
}

static void load(const struct table *table)
{
	__asm__ volatile("lidt %0" : : "m"(*table) : "memory");
}

void idt_load(void)
{
	load(&(struct table){ .limit = sizeof(gates) - 1, .base = (uintptr_t)gates });
}

int idt_take(void)
{
	return next_vector < IDT_END ? next_vector++ : -ENOSPC;
}

uint64_t idt_collect(int vector)
{
	return atomic_load(&counts[vector]) ? atomic_exchange(&counts[vector], 0) : 0;
}

void idt_triple_fault(void)
{
	load(&(struct table){ .limit = 0 });
	__asm__ volatile("ud2");
	__builtin_unreachable();
}

static _Noreturn void give_up(const struct vcpu *v, const struct frame *frame)
{
	uint64_t address;

	__asm__ volatile("movq %%cr2, %0" : "=r"(address));
	say("bare guest: vCPU %u: exception %llu (error code 0x%llx) at 0x%llx, address 0x%llx\n", v->index,
	    (unsigned long long)frame->vector, (unsigned long long)frame->error_code, (unsigned long long)frame->rip,
	    (unsigned long long)address);
	integrity_fail(&MAILBOX->integrity, "vCPU %u: exception %llu (error code 0x%llx) at 0x%llx, address 0x%llx",
		       v->index, (unsigned long long)frame->vector, (unsigned long long)frame->error_code,
		       (unsigned long long)frame->rip, (unsigned long long)address);
	stop_for_good();
}

void idt_entered(struct frame *frame)
{
	struct vcpu *v = vcpu_self();

	if (frame->vector < NR_EXCEPTIONS)
		give_up(v, frame);
	if (frame->vector == IDT_SPURIOUS)
		return;
	if (frame->vector == IDT_TIMER) {
		timer_taken(v);
	} else {
		atomic_fetch_add(&counts[frame->vector], 1);
		atomic_store(&v->woken, 1);
	}
	lapic_end_of_interrupt();
}
