/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Convergence. A switchover needs three things: the first round is over, the other side can take the guest, and
 * the estimate is within the limit. Rounds made only because the other side is not ready do not count as tries.
 */
#include "engine/converge.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <inttypes.h>

#define POLISH_ROUNDS      4
#define POLISH_FLOOR_NS    (5 * NS_PER_MS)
#define HOPELESS_DECISIONS 3 /* one slow sync is noise; so many in a row are not */

static double ms(uint64_t ns)
{
	return (double)ns / NS_PER_MS;
}

static double mib(uint64_t bytes)
{
	return (double)bytes / MIB;
}

/*
 * A VM whose RAM is clean, and of whose devices nothing can be read before they stop, gives nothing to measure a
 * rate with, however long it is waited for.
 */
static bool nothing_to_measure(const struct sync_result *sync)
{
	return !sync->bytes_per_s && !sync->dirty_bytes;
}

static bool fits(const struct converge *converge, const struct sync_result *sync, const struct estimate *estimate)
{
	if (nothing_to_measure(sync))
		return estimate_floor_ns(estimate) <= converge->downtime_limit_ns;
	return estimate->total_ns <= converge->downtime_limit_ns;
}

static enum verdict give_up_floor(const struct converge *converge, const struct estimate *estimate, struct gw_error *e)
{
	err_set(e, -EBUSY, "",
		"did not converge: what pre-copy cannot shrink takes %.1f ms (device transitions %.1f, dirty sync "
		"%.1f, RAM of devices without a dirty log %.1f) and the limit is %.1f ms; raise the downtime limit",
		ms(estimate_floor_ns(estimate)), ms(estimate->transitions_ns), ms(estimate->sync_ns),
		ms(estimate->untracked_ns), ms(converge->downtime_limit_ns));
	return VERDICT_GIVE_UP;
}

static enum verdict give_up_rounds(const struct converge *converge, uint64_t round, const struct sync_result *sync,
				   const struct estimate *estimate, struct gw_error *e)
{
	err_set(e, -EBUSY, "",
		"did not converge: after %" PRIu64 " rounds the guest dirties %.1f MiB/s, the wire carries %.1f MiB/s, "
		"and the downtime would be %.1f ms where the limit is %.1f ms; raise the limit or slow the guest down",
		round, mib(sync->dirty_bytes_per_s), mib(sync->bytes_per_s), ms(estimate->total_ns),
		ms(converge->downtime_limit_ns));
	return VERDICT_GIVE_UP;
}

/*
 * Within the limit, but a round more makes the downtime shorter by a good part and costs no more than what it
 * saves a few times over: the guest dirties much less in its time than it moves. A few of these reach the floor.
 */
static bool worth_a_round(struct converge *converge, const struct sync_result *sync, const struct estimate *estimate)
{
	if (converge->nr_polished >= POLISH_ROUNDS || nothing_to_measure(sync))
		return false;
	if (estimate->transfer_ns < POLISH_FLOOR_NS || sync->dirty_bytes_per_s > sync->bytes_per_s / 2)
		return false;
	converge->nr_polished++;
	return true;
}

enum verdict converge_decide(struct converge *converge, uint64_t round, bool may_switch, const struct sync_result *sync,
			     const struct estimate *estimate, struct gw_error *e)
{
	bool hopeless = estimate_floor_ns(estimate) > converge->downtime_limit_ns;
	bool last;

	if (!round)
		return VERDICT_ROUND;
	converge->nr_hopeless = hopeless ? converge->nr_hopeless + 1 : 0;
	if (converge->nr_hopeless >= HOPELESS_DECISIONS)
		return give_up_floor(converge, estimate, e);
	if (!may_switch || sync->initial_pending) {
		converge->waited_rounds = round;
		return VERDICT_ROUND;
	}
	last = converge->max_rounds && round - converge->waited_rounds >= converge->max_rounds;
	if (fits(converge, sync, estimate))
		return !last && worth_a_round(converge, sync, estimate) ? VERDICT_ROUND : VERDICT_SWITCH;
	return last ? give_up_rounds(converge, round, sync, estimate, e) : VERDICT_ROUND;
}
