/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time, passed in: everything that waits or measures takes a struct clock, so that a test can be the clock.
 * Deadlines are absolute, in the clock's nanoseconds; DEADLINE_NEVER waits for ever.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_US      1000ull
#define NS_PER_MS      1000000ull
#define NS_PER_S       1000000000ull
#define DEADLINE_NEVER UINT64_MAX

struct clock {
	uint64_t (*now_ns)(const struct clock *clock);
};

extern const struct clock clock_monotonic; /* CLOCK_MONOTONIC */

static inline uint64_t clock_now_ns(const struct clock *clock)
{
	return clock->now_ns(clock);
}

/* now + ns, or DEADLINE_NEVER where that would pass the end of time. */
uint64_t clock_deadline_ns(const struct clock *clock, uint64_t ns);

/* Milliseconds left until deadline_ns, rounded up, for poll(2): -1 for DEADLINE_NEVER, 0 if it has passed. */
int clock_poll_ms(const struct clock *clock, uint64_t deadline_ns);

#endif
