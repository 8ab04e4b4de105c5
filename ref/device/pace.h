/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Time on CLOCK_MONOTONIC, and the time that an amount takes at a rate. Rates are a second's, 0 is "no limit".
 * Pure but for the clock.
 */
#ifndef REF_DEVICE_PACE_H
#define REF_DEVICE_PACE_H

#include <stdint.h>
#include <time.h>

#define PACE_SECOND_NS      1000000000ull
#define PACE_MILLISECOND_NS 1000000ull
#define PACE_NEVER          UINT64_MAX
#define PACE_LAG_NS         (100 * PACE_MILLISECOND_NS) /* what is later than this is not caught up with */

static inline uint64_t pace_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * PACE_SECOND_NS + (uint64_t)ts.tv_nsec;
}

static inline uint64_t pace_add(uint64_t time_ns, uint64_t ns)
{
	return ns > PACE_NEVER - time_ns ? PACE_NEVER : time_ns + ns;
}

static inline uint64_t pace_ns(uint64_t amount, uint64_t rate)
{
	unsigned __int128 ns = rate ? (unsigned __int128)amount * PACE_SECOND_NS / rate : 0;

	return ns > PACE_NEVER ? PACE_NEVER : (uint64_t)ns;
}

/* The due time of the next piece of paced work, when this one was due then and the next one takes ns. */
static inline uint64_t pace_next(uint64_t due_ns, uint64_t now_ns, uint64_t ns)
{
	return pace_add(pace_add(due_ns, PACE_LAG_NS) < now_ns ? now_ns : due_ns, ns);
}

static inline struct timespec pace_timespec(uint64_t time_ns)
{
	return (struct timespec){ .tv_sec = (time_t)(time_ns / PACE_SECOND_NS),
				  .tv_nsec = (long)(time_ns % PACE_SECOND_NS) };
}

#endif
