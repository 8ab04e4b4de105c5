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
#define STUCK_DECISIONS    4
#define PROGRESS_PERCENT   10 /* what an estimate has to fall by to count as progress */

/* Large steps first, for a guest that dirties far too much; small ones at the end, where each halves what is left. */
static const uint8_t throttle_steps[] = { 20, 40, 60, 75, 85, 92, 96, 99 };

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

/* What was done, or could not be, to slow the guest down. */
static const char *throttle_advice(const struct converge *converge)
{
	if (converge->policy != NO_CONVERGE_THROTTLE)
		return "raise the limit or slow the guest down";
	if (!converge->can_throttle)
		return "raise the limit; the guest was to be throttled, but this VM cannot be";
	return "raise the limit; the guest was throttled";
}

static enum verdict give_up_rounds(const struct converge *converge, uint64_t round, const struct sync_result *sync,
				   const struct estimate *estimate, struct gw_error *e)
{
	err_set(e, -EBUSY, "",
		"did not converge: after %" PRIu64 " rounds the guest dirties %.1f MiB/s, the wire carries %.1f MiB/s, "
		"and the downtime would be %.1f ms where the limit is %.1f ms; %s",
		round, mib(sync->dirty_bytes_per_s), mib(sync->bytes_per_s), ms(estimate->total_ns),
		ms(converge->downtime_limit_ns), throttle_advice(converge));
	return VERDICT_GIVE_UP;
}

void converge_out_of_time(const struct converge *converge, uint64_t limit_ns, const struct estimate *estimate,
			  struct gw_error *e)
{
	if (!estimate->total_ns || estimate->total_ns == UINT64_MAX)
		err_set(e, -EBUSY, "", "did not converge: pre-copy took longer than its limit of %.1f ms",
			ms(limit_ns));
	else
		err_set(e, -EBUSY, "",
			"did not converge: pre-copy took longer than its limit of %.1f ms, and the downtime would be "
			"%.1f ms where the limit is %.1f ms; %s",
			ms(limit_ns), ms(estimate->total_ns), ms(converge->downtime_limit_ns),
			throttle_advice(converge));
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

/* Over the limit: is it getting better? Many small falls add up to progress: they count against the same best. */
static bool is_stuck(struct converge *converge, const struct estimate *estimate)
{
	uint64_t better_ns = converge->best_ns - converge->best_ns / 100 * PROGRESS_PERCENT;

	if (estimate->total_ns == UINT64_MAX)
		return false;
	if (!converge->best_ns || estimate->total_ns <= better_ns) {
		converge->best_ns = estimate->total_ns;
		converge->nr_stuck = 0;
		return false;
	}
	return ++converge->nr_stuck >= STUCK_DECISIONS;
}

static enum verdict throttle(struct converge *converge)
{
	if (!converge->can_throttle || converge->nr_steps == ARRAY_SIZE(throttle_steps))
		return VERDICT_ROUND;
	converge->throttle_percent = throttle_steps[converge->nr_steps++];
	converge->nr_stuck = 0; /* what the step is worth has to be seen */
	converge->best_ns = 0;
	return VERDICT_THROTTLE;
}

static enum verdict go_on(struct converge *converge, uint64_t round, const struct sync_result *sync,
			  const struct estimate *estimate, struct gw_error *e)
{
	if (!is_stuck(converge, estimate) || converge->policy == NO_CONVERGE_WAIT)
		return VERDICT_ROUND;
	if (converge->policy == NO_CONVERGE_CANCEL)
		return give_up_rounds(converge, round, sync, estimate, e);
	return throttle(converge);
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
	if (fits(converge, sync, estimate)) {
		converge->nr_stuck = 0;
		return !last && worth_a_round(converge, sync, estimate) ? VERDICT_ROUND : VERDICT_SWITCH;
	}
	if (last)
		return give_up_rounds(converge, round, sync, estimate, e);
	return go_on(converge, round, sync, estimate, e);
}
