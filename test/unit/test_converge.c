/* SPDX-License-Identifier: BSD-3-Clause */
/* The downtime estimate, and the decision that is made with it. */
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

/* 256 MiB at 1 GiB/s: 250 ms, and 2 * 5 + 3 * 4 ms of arcs, and 8 ms of sync. */
static const struct sync_result sample = {
	.took_ns = 8 * NS_PER_MS,
	.dirty_bytes = 192 * MIB,
	.device_bytes = 64 * MIB,
	.dirty_bytes_per_s = 100 * MIB,
	.source_arc_ns = 5 * NS_PER_MS,
	.bytes_per_s = GIB,
	.nr_source_arcs = 2,
	.nr_destination_arcs = 3,
};

static void estimate_adds_up(void **state)
{
	struct sync_result sync = sample;
	struct estimate estimate = estimate_make(&sync, 4 * NS_PER_MS);

	assert_int_equal(estimate.transfer_ns, 250 * NS_PER_MS);
	assert_int_equal(estimate.untracked_ns, 0);
	assert_int_equal(estimate.transitions_ns, 22 * NS_PER_MS);
	assert_int_equal(estimate.sync_ns, 8 * NS_PER_MS);
	assert_int_equal(estimate.total_ns, 280 * NS_PER_MS);
	assert_int_equal(estimate_floor_ns(&estimate), 30 * NS_PER_MS);
	sync.untracked_bytes = 64 * MIB;
	estimate = estimate_make(&sync, 4 * NS_PER_MS);
	assert_int_equal(estimate.untracked_ns, NS_PER_S / 16);
	assert_int_equal(estimate_floor_ns(&estimate), NS_PER_S / 16 + 30 * NS_PER_MS);
}

static void estimate_does_not_wrap(void **state)
{
	struct sync_result sync = sample;
	struct estimate estimate;

	sync.bytes_per_s = 0;
	estimate = estimate_make(&sync, 0);
	assert_true(estimate.transfer_ns == UINT64_MAX);
	assert_true(estimate.total_ns == UINT64_MAX);
	assert_int_equal(estimate_floor_ns(&estimate), 18 * NS_PER_MS);
	sync = (struct sync_result){ .dirty_bytes = UINT64_MAX,
				     .device_bytes = UINT64_MAX,
				     .bytes_per_s = 1,
				     .took_ns = UINT64_MAX,
				     .source_arc_ns = UINT64_MAX,
				     .nr_source_arcs = 3 };
	estimate = estimate_make(&sync, UINT64_MAX);
	assert_true(estimate.total_ns == UINT64_MAX);
	assert_true(estimate_floor_ns(&estimate) == UINT64_MAX);
	sync = (struct sync_result){ 0 };
	assert_int_equal(estimate_make(&sync, 0).total_ns, 0); /* nothing takes no time, at any rate */
}

static enum verdict decide(struct converge *converge, uint64_t round, bool may_switch, const struct sync_result *sync,
			   struct gw_error *e)
{
	struct estimate estimate = estimate_make(sync, 4 * NS_PER_MS);

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
	clean.dirty_bytes = clean.device_bytes = 0;
	assert_int_equal(decide(&done, 1, true, &clean, &e), VERDICT_SWITCH);
}

/* No RAM is dirty and no rate was measured: more rounds would not measure one. */
static void switches_without_a_rate_when_none_can_be_had(void **state)
{
	struct converge converge = { .downtime_limit_ns = LIMIT_NS };
	struct sync_result sync = { .device_bytes = GIB, .source_arc_ns = NS_PER_MS, .nr_source_arcs = 2 };
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
				    "1024.0 MiB/s, and the downtime would be 1092.5 ms where the limit is 300.0 ms; "
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(estimate_adds_up),
		cmocka_unit_test(estimate_does_not_wrap),
		cmocka_unit_test(switches_when_all_is_there),
		cmocka_unit_test(polishes_while_rounds_are_cheap),
		cmocka_unit_test(switches_without_a_rate_when_none_can_be_had),
		cmocka_unit_test(gives_up_after_the_last_round),
		cmocka_unit_test(gives_up_when_rounds_cannot_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
