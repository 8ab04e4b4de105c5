/* SPDX-License-Identifier: BSD-3-Clause */
/* The pace of a vCPU. */
#include "ref/guest/pace.h"

#include "ref/base/vm_thread.h"

#define MAX_BYTES_PER_S 16000000000ull   /* beyond it no pace is needed, and the product below would overflow */
#define MAX_LAG_NS      (20 * NS_PER_MS) /* made up for at most; more would be a burst, not a pace */

void pace_init(struct pace *pace, uint64_t bytes_per_s)
{
	*pace = (struct pace){ .bytes_per_s = bytes_per_s > MAX_BYTES_PER_S ? 0 : bytes_per_s };
}

void pace_begin(struct pace *pace, uint64_t now_ns)
{
	pace->begin_ns = now_ns;
	pace->spent_bytes = 0;
	pace->stands_until_ns = 0;
}

void pace_throttle(struct pace *pace, uint32_t percent)
{
	pace->throttle_percent = percent > PACE_MAX_THROTTLE ? PACE_MAX_THROTTLE : percent;
}

/* It may have stood longer than it had to, a host being busy: its time to run begins now all the same. */
static void end_stand(struct pace *pace, uint64_t now_ns)
{
	pace->period_ns = now_ns;
	pace->begin_ns += now_ns - pace->stands_since_ns;
	pace->stands_until_ns = 0;
}

uint64_t pace_run_ns(struct pace *pace, uint64_t now_ns)
{
	uint64_t runs_ns = PACE_PERIOD_NS / 100 * (100 - pace->throttle_percent);

	if (pace->stands_until_ns && (!pace->throttle_percent || now_ns >= pace->stands_until_ns))
		end_stand(pace, now_ns);
	if (pace->stands_until_ns)
		return pace->stands_until_ns;
	if (!pace->throttle_percent)
		return now_ns;
	if (now_ns - pace->period_ns >= PACE_PERIOD_NS)
		pace->period_ns = now_ns; /* it stood still for reasons of its own */
	if (now_ns - pace->period_ns < runs_ns)
		return now_ns;
	pace->stands_since_ns = now_ns;
	pace->stands_until_ns = pace->period_ns + PACE_PERIOD_NS;
	return pace->stands_until_ns;
}

static uint64_t spent_ns(const struct pace *pace)
{
	uint64_t seconds = pace->spent_bytes / pace->bytes_per_s;
	uint64_t rest = pace->spent_bytes % pace->bytes_per_s;

	return seconds * NS_PER_S + rest * NS_PER_S / pace->bytes_per_s;
}

uint64_t pace_due_ns(struct pace *pace, uint64_t now_ns)
{
	uint64_t due_ns;

	if (!pace->bytes_per_s)
		return now_ns;
	due_ns = pace->begin_ns + spent_ns(pace);
	if (due_ns + MAX_LAG_NS < now_ns)
		pace_begin(pace, now_ns);
	return due_ns;
}

void pace_spend(struct pace *pace, uint64_t bytes)
{
	pace->spent_bytes += bytes;
}
