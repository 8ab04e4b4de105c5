/* SPDX-License-Identifier: BSD-3-Clause */
/* Interrupt controllers: Intel SDM volume 3, chapter 11 (local APIC); 82093AA datasheet (IOAPIC). */
#include "ref/guest/bare/lapic.h"

#include "ref/guest/bare/idt.h"

#define LAPIC_GPA  0xfee00000u
#define IOAPIC_GPA 0xfec00000u

#define LAPIC_ID            0x020
#define LAPIC_TASK_PRIORITY 0x080
#define LAPIC_EOI           0x0b0
#define LAPIC_SPURIOUS      0x0f0
#define LAPIC_LVT_TIMER     0x320
#define LAPIC_LVT_LINT0     0x350
#define LAPIC_LVT_LINT1     0x360
#define LAPIC_TIMER_INITIAL 0x380
#define LAPIC_TIMER_DIVIDE  0x3e0

#define LVT_MASKED         (1u << 16)
#define LVT_TIMER_PERIODIC (1u << 17)
#define SPURIOUS_ENABLE    (1u << 8)
#define DIVIDE_BY_1        0xbu

#define IOAPIC_SELECT     0x00
#define IOAPIC_WINDOW     0x10
#define IOAPIC_LOW(line)  (0x10 + 2 * (line))
#define IOAPIC_HIGH(line) (0x11 + 2 * (line))
#define IOAPIC_ACTIVE_LOW (1u << 13)
#define IOAPIC_LEVEL      (1u << 15)

/* KVM's timer counts nanoseconds, unless its VMM has asked for another frequency, which this one does not. */
#define NS_PER_COUNT 1

static volatile uint32_t *lapic(uint32_t reg)
{
	return (volatile uint32_t *)(uintptr_t)(LAPIC_GPA + reg);
}

uint32_t lapic_start(void)
{
	*lapic(LAPIC_LVT_LINT0) = LVT_MASKED;
	*lapic(LAPIC_LVT_LINT1) = LVT_MASKED;
	*lapic(LAPIC_LVT_TIMER) = LVT_MASKED;
	*lapic(LAPIC_TASK_PRIORITY) = 0;
	*lapic(LAPIC_SPURIOUS) = SPURIOUS_ENABLE | IDT_SPURIOUS;
	return *lapic(LAPIC_ID) >> 24;
}

void lapic_start_timer(uint64_t period_ns)
{
	*lapic(LAPIC_TIMER_DIVIDE) = DIVIDE_BY_1;
	*lapic(LAPIC_LVT_TIMER) = LVT_TIMER_PERIODIC | IDT_TIMER;
	*lapic(LAPIC_TIMER_INITIAL) = (uint32_t)(period_ns / NS_PER_COUNT);
}

void lapic_end_of_interrupt(void)
{
	*lapic(LAPIC_EOI) = 0;
}

static void ioapic_put(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(IOAPIC_GPA + IOAPIC_SELECT) = reg;
	*(volatile uint32_t *)(uintptr_t)(IOAPIC_GPA + IOAPIC_WINDOW) = value;
}

void ioapic_bind(uint32_t line, uint32_t apic_id, uint8_t vector)
{
	ioapic_put(IOAPIC_HIGH(line), apic_id << 24);
	ioapic_put(IOAPIC_LOW(line), IOAPIC_LEVEL | IOAPIC_ACTIVE_LOW | vector);
}
