/* SPDX-License-Identifier: BSD-3-Clause */
/* The pace of a vCPU's writes. */
#include "ref/vm/pace.h"

#include "ref/vm/vm_thread.h"

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
