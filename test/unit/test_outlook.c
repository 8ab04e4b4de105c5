/* SPDX-License-Identifier: BSD-3-Clause */
/* What is foreseen of a device: its ways, by arcs seen and not seen, and rates that were measured on enough. */
#include "session/outlook.h"

#include "base/bits.h"
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ALL (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY)

static void an_arc_seen_is_better_than_the_mean(void **state)
{
	struct arc_log log = { .nr = 2 };
	struct way way;

	log.arcs[0] = (struct gw_arc_time){ .from = GW_STATE_RUNNING, .to = GW_STATE_PRE_COPY, .ns = 100 };
	log.arcs[1] = (struct gw_arc_time){ .from = GW_STATE_PRE_COPY, .to = GW_STATE_PRE_COPY_P2P, .ns = 7 };
	way = way_between(&log, ALL, GW_STATE_PRE_COPY, GW_STATE_STOP_COPY);
	assert_int_equal(way.seen_ns, 7); /* and PRE_COPY_P2P -> STOP_COPY */
	assert_int_equal(way.nr_unseen, 1);
	assert_int_equal(way_ns(&way, 20), 27);
	way = way_between(&log, ALL, GW_STATE_PRE_COPY, GW_STATE_PRE_COPY_P2P);
	assert_int_equal(way.seen_ns, 7);
	assert_int_equal(way.nr_unseen, 0);
	assert_int_equal(way_ns(&way, 0), 7); /* nothing else has to be known */
	log.arcs[log.nr++] = (struct gw_arc_time){ .from = GW_STATE_PRE_COPY, .to = GW_STATE_PRE_COPY_P2P, .ns = 9 };
	way = way_between(&log, ALL, GW_STATE_PRE_COPY, GW_STATE_PRE_COPY_P2P);
	assert_int_equal(way_ns(&way, 1000), 9); /* as it was last */
}

static void an_unseen_arc_takes_the_mean_if_there_is_one(void **state)
{
	const struct arc_log log = { .nr = 0 };
	struct way way = way_between(&log, ALL, GW_STATE_RUNNING_P2P, GW_STATE_STOP_COPY);

	assert_int_equal(way.nr_unseen, 2);
	assert_int_equal(way_ns(&way, 50), 100);
	assert_true(way_ns(&way, 0) == UINT64_MAX);
	way = way_between(&log, ALL, GW_STATE_STOP, GW_STATE_STOP);
	assert_int_equal(way_ns(&way, 0), 0);
	way = way_between(&log, ALL, GW_STATE_ERROR, GW_STATE_STOP_COPY); /* no way: nothing to foresee, and no loop */
	assert_int_equal(way_ns(&way, 0), 0);
}

/* One arc that a busy host held up does not make all of them slow. */
static void a_typical_arc_is_the_median(void **state)
{
	struct arc_log log = { .nr = 0 };

	assert_int_equal(typical_arc_ns(&log), 0);
	log.arcs[log.nr++].ns = 20;
	assert_int_equal(typical_arc_ns(&log), 20);
	log.arcs[log.nr++].ns = 10;
	assert_int_equal(typical_arc_ns(&log), 10);
	log.arcs[log.nr++].ns = 900;
	assert_int_equal(typical_arc_ns(&log), 20);
	log.arcs[log.nr++].ns = 20;
	log.arcs[log.nr++].ns = 20;
	assert_int_equal(typical_arc_ns(&log), 20);
}

static void of_two_times_the_quicker_counts(void **state)
{
	struct recent recent = { 0 };

	assert_int_equal(recent_ns(&recent), 0);
	recent_add(&recent, 50);
	assert_int_equal(recent_ns(&recent), 50);
	recent_add(&recent, 90);
	assert_int_equal(recent_ns(&recent), 50);
	recent_add(&recent, 80); /* it is slower by now */
	assert_int_equal(recent_ns(&recent), 80);
}

/* A first read of a few bytes takes a millisecond: that a device with 64 MiB takes hours does not follow. */
static void a_rate_of_little_says_nothing_of_much(void **state)
{
	struct tally tally = { 0 };

	assert_int_equal(tally_rate(&tally, 1), 0);
	tally_add(&tally, 100, NS_PER_MS);
	assert_int_equal(tally_rate(&tally, 64 * MIB), 0);
	assert_int_equal(tally_rate(&tally, 101), 0);
	assert_int_equal(tally_rate(&tally, 100), 100000);
	tally_add(&tally, MIB - 100, NS_PER_MS);
	assert_in_range(tally_rate(&tally, 64 * MIB), 500 * MIB - 1, 500 * MIB);
}

static void what_was_measured_lately_counts_most(void **state)
{
	struct tally tally = { 0 };

	for (unsigned i = 0; i < 100; i++)
		tally_add(&tally, MIB, 10 * NS_PER_MS);
	assert_in_range(tally_rate(&tally, MIB), 99 * MIB, 101 * MIB);
	for (unsigned i = 0; i < 100; i++)
		tally_add(&tally, MIB, NS_PER_MS);
	assert_in_range(tally_rate(&tally, MIB), 990 * MIB, 1000 * MIB);
	tally_add(&tally, 0, UINT64_MAX / 2); /* a peer may say so; it never is no rate */
	assert_true(tally_rate(&tally, MIB) >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arc_seen_is_better_than_the_mean),
		cmocka_unit_test(an_unseen_arc_takes_the_mean_if_there_is_one),
		cmocka_unit_test(a_typical_arc_is_the_median),
		cmocka_unit_test(of_two_times_the_quicker_counts),
		cmocka_unit_test(a_rate_of_little_says_nothing_of_much),
		cmocka_unit_test(what_was_measured_lately_counts_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
