/* SPDX-License-Identifier: BSD-3-Clause */
/* CLOCK_MONOTONIC, and the arithmetic of deadlines. */
#include "base/clock.h"

#include <limits.h>
#include <time.h>

static uint64_t monotonic_now_ns(const struct clock *clock)
{
	struct timespec ts;

	(void)clock;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

const struct clock clock_monotonic = { .now_ns = monotonic_now_ns };

uint64_t clock_deadline_ns(const struct clock *clock, uint64_t ns)
{
	uint64_t now = clock_now_ns(clock);

	return ns > DEADLINE_NEVER - now ? DEADLINE_NEVER : now + ns;
}

int clock_poll_ms(const struct clock *clock, uint64_t deadline_ns)
{
	uint64_t now, ms;

	if (deadline_ns == DEADLINE_NEVER)
		return -1;
	now = clock_now_ns(clock);
	if (now >= deadline_ns)
		return 0;
	ms = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}
