/* SPDX-License-Identifier: BSD-3-Clause */
/* The time of a vCPU. */
#include "ref/guest/bare/clock.h"

#include "ref/base/vm_thread.h"
#include "ref/guest/bare/instructions.h"

#include <string.h>

#define KVM_SIGNATURE    0x40000000u
#define KVM_FEATURES     0x40000001u
#define KVM_CLOCKSOURCE2 (1u << 3)
#define MSR_SYSTEM_TIME  0x4b564d01u

static int is_offered(void)
{
	uint32_t regs[4];

	cpuid_get(KVM_SIGNATURE, regs);
	if (memcmp(&regs[1], "KVMKVMKVM\0\0\0", 12))
		return 0;
	cpuid_get(KVM_FEATURES, regs);
	return !!(regs[0] & KVM_CLOCKSOURCE2);
}

void clock_start(struct clock *clock, uint64_t tsc_khz)
{
	clock->has_page = is_offered();
	if (clock->has_page)
		msr_put(MSR_SYSTEM_TIME, (uintptr_t)&clock->page | 1);
	else
		clock->ns_of_tsc = (NS_PER_MS << 32) / (tsc_khz ? tsc_khz : 1);
	clock->last_ns = 0;
	clock->last_ns = clock_now_ns(clock);
}

static uint64_t scale(uint64_t ticks, uint64_t ns_of_tick)
{
	return (uint64_t)((unsigned __int128)ticks * ns_of_tick >> 32);
}

static uint64_t look(const struct clock_page *page)
{
	uint64_t ticks = tsc_get() - page->tsc_timestamp;

	ticks = page->tsc_shift < 0 ? ticks >> -page->tsc_shift : ticks << page->tsc_shift;
	return page->system_time + scale(ticks, page->tsc_to_system_mul);
}

static uint64_t look_at_page(const struct clock_page *page)
{
	uint32_t version;
	uint64_t now_ns;

	do {
		version = __atomic_load_n(&page->version, __ATOMIC_ACQUIRE);
		now_ns = look(page);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (version & 1 || version != __atomic_load_n(&page->version, __ATOMIC_RELAXED));
	return now_ns;
}

/* An interrupt that looks in between, and sees a later time, does not make this one's a step back. */
uint64_t clock_now_ns(struct clock *clock)
{
	uint64_t last_ns = __atomic_load_n(&clock->last_ns, __ATOMIC_RELAXED);
	uint64_t now_ns = clock->has_page ? look_at_page(&clock->page) : scale(tsc_get(), clock->ns_of_tsc);

	if (now_ns >= last_ns) {
		__atomic_store_n(&clock->last_ns, now_ns, __ATOMIC_RELAXED);
		return now_ns;
	}
	if (last_ns - now_ns > clock->went_back_ns)
		clock->went_back_ns = last_ns - now_ns;
	return last_ns;
}
