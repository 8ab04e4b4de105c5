/* SPDX-License-Identifier: BSD-3-Clause */
/* Instructions that C has no words for. */
#ifndef REF_GUEST_BARE_INSTRUCTIONS_H
#define REF_GUEST_BARE_INSTRUCTIONS_H

#include <stdint.h>

static inline void port_put_u8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void port_put_u32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t port_get_u8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint32_t port_get_u32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline void msr_put(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t tsc_get(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void cpuid_get(uint32_t leaf, uint32_t regs[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3])
			 : "a"(leaf), "c"(0)
			 : "memory");
}

static inline void interrupts_allow(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void interrupts_forbid(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* Nothing comes between the two: sti holds interrupts back for one instruction. */
static inline void interrupts_allow_and_wait(void)
{
	__asm__ volatile("sti; hlt" : : : "memory");
}

static inline void wait_a_little(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline _Noreturn void stop_for_good(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" : : : "memory");
}

#endif
