/* SPDX-License-Identifier: BSD-3-Clause */
/* The vCPU's own interrupt controller, by its registers in memory, and the VM's for lines, the IOAPIC. */
#ifndef REF_GUEST_BARE_LAPIC_H
#define REF_GUEST_BARE_LAPIC_H

#include <stdint.h>

/* Takes interrupts from now on, but for those of the timer. Returns its id. */
uint32_t lapic_start(void);
void lapic_start_timer(uint64_t period_ns);
void lapic_end_of_interrupt(void);

#define LAPIC_MSI_ADDRESS(apic_id) (0xfee00000u | (apic_id) << 12)

/* The line, as PCI's are (level, active low), is an interrupt of this vCPU. */
void ioapic_bind(uint32_t line, uint32_t apic_id, uint8_t vector);

#endif
