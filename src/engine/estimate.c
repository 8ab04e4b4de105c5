/* SPDX-License-Identifier: BSD-3-Clause */
/* The downtime estimate. All sums saturate: a part that is not known is UINT64_MAX and so is the whole then. */
#include "engine/estimate.h"

#include "base/clock.h"

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* Nothing takes no time, at any rate; something at no known rate takes for ever. */
static uint64_t transfer_ns(uint64_t bytes, uint64_t bytes_per_s)
{
	unsigned __int128 ns;

	if (!bytes)
		return 0;
	if (!bytes_per_s)
		return UINT64_MAX;
	ns = (unsigned __int128)bytes * NS_PER_S / bytes_per_s;
	return ns < UINT64_MAX ? (uint64_t)ns : UINT64_MAX;
}

struct estimate estimate_make(const struct sync_result *sync, uint64_t destination_arc_ns)
{
	/* Without a rate the untracked part is as unknown as the rest: it is no reason to say that nothing helps. */
	uint64_t untracked_bytes = sync->bytes_per_s ? sync->untracked_bytes : 0;
	uint64_t bytes = add(sync->dirty_bytes, sync->device_bytes);
	struct estimate estimate = {
		.transfer_ns = transfer_ns(bytes, sync->bytes_per_s),
		.untracked_ns = transfer_ns(untracked_bytes, sync->bytes_per_s),
		.transitions_ns = add(multiply(sync->source_arc_ns, sync->nr_source_arcs),
				      multiply(destination_arc_ns, sync->nr_destination_arcs)),
		.sync_ns = sync->took_ns,
	};

	estimate.total_ns = add(estimate.transfer_ns, estimate_floor_ns(&estimate));
	return estimate;
}

uint64_t estimate_floor_ns(const struct estimate *estimate)
{
	return add(estimate->untracked_ns, add(estimate->transitions_ns, estimate->sync_ns));
}
