/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pace of a vCPU: so many bytes written a second of the time it runs, and, throttled, only a share of the time to
 * run in. It says when the next write is due and when it may run; the vCPU waits. Time is handed in.
 */
#ifndef REF_GUEST_PACE_H
#define REF_GUEST_PACE_H

#include <stdint.h>

struct pace {
	uint64_t bytes_per_s; /* 0: no pace, always due */
	uint64_t begin_ns;
	uint64_t spent_bytes; /* since begin_ns */
	uint32_t throttle_percent;
	uint64_t period_ns;       /* when the throttle's period began: it stands still in the last part of each */
	uint64_t stands_until_ns; /* 0: it does not */
	uint64_t stands_since_ns;
};

void pace_init(struct pace *pace, uint64_t bytes_per_s);

/* The vCPU starts to run: the time it stood still is not made up for. */
void pace_begin(struct pace *pace, uint64_t now_ns);

#define PACE_PERIOD_NS    10000000ull
#define PACE_MAX_THROTTLE 99

/* percent of the time, 99 at most, it must not run. */
void pace_throttle(struct pace *pace, uint32_t percent);

/* When it may run: now_ns, or the end of the period. Time that it stands still is not made up for. */
uint64_t pace_run_ns(struct pace *pace, uint64_t now_ns);

/* When the next write is due; not after now_ns: at once. A vCPU that fell far behind is forgiven the rest. */
uint64_t pace_due_ns(struct pace *pace, uint64_t now_ns);

void pace_spend(struct pace *pace, uint64_t bytes);

#endif
