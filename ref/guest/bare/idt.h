/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts and exceptions. A device's interrupt is counted by its vector and wakes its vCPU; an exception is a
 * mistake, of the guest or of who executes it: it is said, counted as an integrity error, and ends the vCPU.
 */
#ifndef REF_GUEST_BARE_IDT_H
#define REF_GUEST_BARE_IDT_H

#include <stdint.h>

#define IDT_TIMER    0x20
#define IDT_DEVICES  0x30 /* from here on, one for each vector of a device */
#define IDT_END      0xf0
#define IDT_SPURIOUS 0xff

/* As start.S leaves it on the stack. */
struct frame {
	uint64_t r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax;
	uint64_t vector;
	uint64_t error_code;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* Once, before any vCPU loads it. */
void idt_init(void);
void idt_load(void);

/* A vector for a device's interrupts, or -ENOSPC. One vCPU at a time. */
int idt_take(void);

/* How often it has come since the last call. */
uint64_t idt_collect(int vector);

/* Without a handler for anything, not for that either: the processor gives up. */
_Noreturn void idt_triple_fault(void);

/* From start.S. */
void idt_entered(struct frame *frame);

#endif
