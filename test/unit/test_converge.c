/* SPDX-License-Identifier: BSD-3-Clause */
/* The decision after each dirty sync, with estimates made by hand. */
#include "base/bits.h"
#include "engine/converge.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT_NS (300 * NS_PER_MS)

static const struct sync_result sample = {
	.took_ns = 8 * NS_PER_MS,
	.dirty_bytes = 256 * MIB,
	.dirty_bytes_per_s = 100 * MIB,
	.bytes_per_s = GIB,
};

/* What is dirty over the rate: 250 ms for the sample; 22 ms of arcs, and the sync. */
static struct estimate estimate_of(const struct sync_result *sync)
{
	struct estimate estimate = { .transitions_ns = 22 * NS_PER_MS, .sync_ns = sync->took_ns };

	estimate.floor_ns = estimate.transitions_ns + estimate.sync_ns;
	if (!sync->dirty_bytes)
		estimate.transfer_ns = 0;
	else if (!sync->bytes_per_s)
		estimate.transfer_ns = UINT64_MAX;
	else
		estimate.transfer_ns = sync->dirty_bytes * NS_PER_S / sync->bytes_per_s;
	estimate.total_ns = estimate.transfer_ns == UINT64_MAX ? UINT64_MAX : estimate.floor_ns + estimate.transfer_ns;
	return estimate;
}

static enum verdict decide(struct converge *converge, uint64_t round, bool may_switch, const struct sync_result *sync,
			   struct gw_error *e)
{
	struct estimate estimate = estimate_of(sync);

	*e = (struct gw_error)GW_ERROR_NONE;
	return converge_decide(converge, round, may_switch, sync, &estimate, e);
}

static void switches_when_all_is_there(void **state)
{
	struct converge converge = { .downtime_limit_ns = LIMIT_NS };
	struct sync_result sync = sample;
	struct gw_error e;

	sync.dirty_bytes_per_s = GIB; /* a round more would not make it better */
	assert_int_equal(decide(&converge, 0, true, &sync, &e), VERDICT_ROUND); /* the first round sends all */
	assert_int_equal(decide(&converge, 1, false, &sync, &e), VERDICT_ROUND);
	sync.initial_pending = 1;
	assert_int_equal(decide(&converge, 2, true, &sync, &e), VERDICT_ROUND);
	sync.initial_pending = 0;
	assert_int_equal(decide(&converge, 3, true, &sync, &e), VERDICT_SWITCH);
	sync.dirty_bytes += 20 * MIB;
	assert_int_equal(decide(&converge, 4, true, &sync, &e), VERDICT_SWITCH); /* 299.5 ms */
	sync.dirty_bytes += MIB;
	assert_int_equal(decide(&converge, 5, true, &sync, &e), VERDICT_ROUND); /* 300.5 ms */
	assert_int_equal(e.code, 0);
}

/* Within the limit, and a guest that dirties little: a few rounds more are cheap, and shorten the downtime. */
static void polishes_while_rounds_are_cheap(void **state)
{
	struct converge converge = { .downtime_limit_ns = LIMIT_NS };
	struct converge last = { .downtime_limit_ns = LIMIT_NS, .max_rounds = 1 };
	struct converge done = { .downtime_limit_ns = LIMIT_NS };
	struct sync_result sync = sample, clean = sample;
	unsigned round = 1;
	struct gw_error e;

	while (decide(&converge, round, true, &sync, &e) == VERDICT_ROUND)
		round++;
	assert_int_equal(round, 5); /* not for ever */
	assert_int_equal(e.code, 0);
	assert_int_equal(decide(&last, 1, true, &sync, &e), VERDICT_SWITCH); /* it fits, so it is no failure */
	clean.dirty_bytes = 0;
	assert_int_equal(decide(&done, 1, true, &clean, &e), VERDICT_SWITCH);
}

/* No RAM is dirty and no rate was measured: more rounds would not measure one. */
static void switches_without_a_rate_when_none_can_be_had(void **state)
{
	struct converge converge = { .downtime_limit_ns = LIMIT_NS };
	struct sync_result sync = { .took_ns = NS_PER_MS };
	struct gw_error e;

	assert_int_equal(decide(&converge, 1, true, &sync, &e), VERDICT_SWITCH);
	sync.dirty_bytes = GW_PAGE_BYTES;
	assert_int_equal(decide(&converge, 2, true, &sync, &e), VERDICT_ROUND);
}

static void gives_up_after_the_last_round(void **state)
{
	struct converge converge = { .downtime_limit_ns = LIMIT_NS, .max_rounds = 3 };
	struct sync_result sync = sample;
	struct gw_error e;

	sync.dirty_bytes = GIB;
	assert_int_equal(decide(&converge, 1, false, &sync, &e), VERDICT_ROUND);
	assert_int_equal(decide(&converge, 2, false, &sync, &e), VERDICT_ROUND); /* waited for: does not count */
	assert_int_equal(decide(&converge, 3, true, &sync, &e), VERDICT_ROUND);
	assert_int_equal(decide(&converge, 4, true, &sync, &e), VERDICT_ROUND);
	assert_int_equal(decide(&converge, 5, true, &sync, &e), VERDICT_GIVE_UP);
	assert_int_equal(e.code, -EBUSY);
	assert_string_equal(e.what, "did not converge: after 5 rounds the guest dirties 100.0 MiB/s, the wire carries "
				    "1024.0 MiB/s, and the downtime would be 1030.0 ms where the limit is 300.0 ms; "
				    "raise the limit or slow the guest down");
}

static void gives_up_when_rounds_cannot_help(void **state)
{
	struct converge converge = { .downtime_limit_ns = 29 * NS_PER_MS };
	struct sync_result sync = sample, quick = sample;
	struct gw_error e;

	quick.took_ns = 0;
	assert_int_equal(decide(&converge, 0, true, &sync, &e), VERDICT_ROUND);
	assert_int_equal(decide(&converge, 1, true, &sync, &e), VERDICT_ROUND);
	assert_int_equal(decide(&converge, 2, true, &sync, &e), VERDICT_ROUND);
	assert_int_equal(decide(&converge, 3, true, &quick, &e), VERDICT_ROUND); /* once within: counts anew */
	assert_int_equal(decide(&converge, 4, true, &sync, &e), VERDICT_ROUND);
	assert_int_equal(decide(&converge, 5, true, &sync, &e), VERDICT_ROUND);
	assert_int_equal(decide(&converge, 6, true, &sync, &e), VERDICT_GIVE_UP);
	assert_int_equal(e.code, -EBUSY);
	assert_string_equal(e.what, "did not converge: what pre-copy cannot shrink takes 30.0 ms (device transitions "
				    "22.0, dirty sync 8.0, RAM of devices without a dirty log 0.0) and the limit is "
				    "29.0 ms; raise the downtime limit");
}

/* How many decisions, all over the limit and the same, until one that is not a round; 0: never. */
static unsigned decisions_until(struct converge *converge, enum verdict verdict, struct sync_result *sync,
				struct gw_error *e)
{
	for (unsigned round = 1; round <= 50; round++) {
		enum verdict got = decide(converge, round, true, sync, e);

		if (got != VERDICT_ROUND) {
			assert_int_equal(got, verdict);
			return round;
		}
	}
	return 0;
}

static void gives_up_when_stuck_and_told_to(void **state)
{
	struct converge converge = { .downtime_limit_ns = LIMIT_NS, .policy = NO_CONVERGE_CANCEL };
	struct converge wait = { .downtime_limit_ns = LIMIT_NS, .policy = NO_CONVERGE_WAIT };
	struct sync_result sync = sample;
	struct gw_error e;

	sync.dirty_bytes = GIB;
	assert_int_equal(decisions_until(&wait, VERDICT_GIVE_UP, &sync, &e), 0);
	assert_int_equal(decisions_until(&converge, VERDICT_GIVE_UP, &sync, &e), 5); /* one to compare with */
	assert_int_equal(e.code, -EBUSY);
	assert_string_equal(e.what, "did not converge: after 5 rounds the guest dirties 100.0 MiB/s, the wire carries "
				    "1024.0 MiB/s, and the downtime would be 1030.0 ms where the limit is 300.0 ms; "
				    "raise the limit or slow the guest down");
}

/* A tenth less than the best so far is progress, in one step or in many. */
static void is_not_stuck_while_it_gets_better(void **state)
{
	struct converge converge = { .downtime_limit_ns = LIMIT_NS, .policy = NO_CONVERGE_CANCEL };
	struct sync_result sync = sample;
	struct gw_error e;
	unsigned round;

	sync.dirty_bytes = 4 * GIB;
	for (round = 1; round <= 20; round++) {
		assert_int_equal(decide(&converge, round, true, &sync, &e), VERDICT_ROUND);
		sync.dirty_bytes -= sync.dirty_bytes / 25; /* 4 %: under a tenth each, over it in three */
	}
	for (round = 21; round <= 60; round++) { /* neither a device's initial bytes nor the wait for LOADABLE count */
		sync.initial_pending = round & 1;
		assert_int_equal(decide(&converge, round, round & 1, &sync, &e), VERDICT_ROUND);
	}
}

static void throttles_when_stuck_and_told_to(void **state)
{
	static const uint32_t steps[] = { 20, 40, 60, 75, 85, 92, 96, 99 };
	struct converge converge = { .downtime_limit_ns = LIMIT_NS,
				     .policy = NO_CONVERGE_THROTTLE,
				     .can_throttle = true };
	struct converge cannot = { .downtime_limit_ns = LIMIT_NS, .policy = NO_CONVERGE_THROTTLE, .max_rounds = 20 };
	struct sync_result sync = sample;
	struct gw_error e;

	sync.dirty_bytes = GIB;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		assert_int_equal(decisions_until(&converge, VERDICT_THROTTLE, &sync, &e), 5);
		assert_int_equal(converge.throttle_percent, steps[i]);
	}
	assert_int_equal(decisions_until(&converge, VERDICT_THROTTLE, &sync, &e), 0);
	assert_int_equal(decisions_until(&cannot, VERDICT_GIVE_UP, &sync, &e), 20);
	assert_non_null(strstr(e.what, "raise the limit; the guest was to be throttled, but this VM cannot be"));
}

static void says_that_time_is_up(void **state)
{
	struct converge converge = { .downtime_limit_ns = LIMIT_NS };
	struct estimate none = { .total_ns = UINT64_MAX }, known = { .total_ns = NS_PER_S };
	struct gw_error e = GW_ERROR_NONE;

	converge_out_of_time(&converge, NS_PER_S, &none, &e);
	assert_int_equal(e.code, -EBUSY);
	assert_string_equal(e.what, "did not converge: pre-copy took longer than its limit of 1000.0 ms");
	e = (struct gw_error)GW_ERROR_NONE;
	converge_out_of_time(&converge, NS_PER_S, &known, &e);
	assert_non_null(strstr(e.what, "the downtime would be 1000.0 ms where the limit is 300.0 ms"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(switches_when_all_is_there),
		cmocka_unit_test(polishes_while_rounds_are_cheap),
		cmocka_unit_test(switches_without_a_rate_when_none_can_be_had),
		cmocka_unit_test(gives_up_after_the_last_round),
		cmocka_unit_test(gives_up_when_rounds_cannot_help),
		cmocka_unit_test(gives_up_when_stuck_and_told_to),
		cmocka_unit_test(is_not_stuck_while_it_gets_better),
		cmocka_unit_test(throttles_when_stuck_and_told_to),
		cmocka_unit_test(says_that_time_is_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
