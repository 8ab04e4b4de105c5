/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference VM's pace: the rate asked for, in the time the guest runs, and no burst after it stood still;
 * throttled, a share of that time.
 */
#include "ref/base/vm_thread.h"
#include "ref/guest/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PAGE 4096

/* Writes whenever a write is due, with a clock that jumps to the due time; returns the bytes written by end_ns. */
static uint64_t spend_until(struct pace *pace, uint64_t now_ns, uint64_t end_ns)
{
	uint64_t bytes = 0;

	while (now_ns < end_ns) {
		uint64_t due_ns = pace_due_ns(pace, now_ns);

		if (due_ns > now_ns) {
			now_ns = due_ns;
			continue;
		}
		pace_spend(pace, PAGE);
		bytes += PAGE;
	}
	return bytes;
}

static void test_keeps_the_rate(void **state)
{
	static const uint64_t rates[] = { 100000, 200000000, 15999999999ull };

	for (int i = 0; i < 3; i++) {
		struct pace pace;
		uint64_t bytes;

		pace_init(&pace, rates[i]);
		pace_begin(&pace, 5 * NS_PER_S);
		bytes = spend_until(&pace, 5 * NS_PER_S, 8 * NS_PER_S);
		assert_in_range(bytes, 3 * rates[i] - 2 * PAGE, 3 * rates[i] + 2 * PAGE);
	}
}

static void test_no_rate_is_no_pace(void **state)
{
	struct pace pace;

	pace_init(&pace, 0);
	pace_begin(&pace, 0);
	pace_spend(&pace, 1ull << 60);
	assert_int_equal(pace_due_ns(&pace, 17), 17);
}

static void test_lost_time_is_not_made_up(void **state)
{
	struct pace pace;

	pace_init(&pace, PAGE * 1000);
	pace_begin(&pace, 0);
	pace_spend(&pace, PAGE);
	assert_true(pace_due_ns(&pace, 10 * NS_PER_S) <= 10 * NS_PER_S);
	pace_spend(&pace, PAGE);
	assert_int_equal(pace_due_ns(&pace, 10 * NS_PER_S), 10 * NS_PER_S + NS_PER_MS);
}

/* A vCPU that looks at the throttle every step_ns and wakes late_ns after it may; returns how long it ran. */
static uint64_t run_until(struct pace *pace, uint64_t now_ns, uint64_t end_ns, uint64_t step_ns, uint64_t late_ns)
{
	uint64_t ran_ns = 0;

	while (now_ns < end_ns) {
		uint64_t run_ns = pace_run_ns(pace, now_ns);

		if (run_ns > now_ns) {
			/* Awake too early it waits for the same moment. */
			assert_int_equal(pace_run_ns(pace, now_ns + (run_ns - now_ns) / 2), run_ns);
			now_ns = run_ns + late_ns;
			continue;
		}
		now_ns += step_ns;
		ran_ns += step_ns;
	}
	return ran_ns;
}

static void test_throttle_is_a_share_of_the_time(void **state)
{
	static const uint32_t percents[] = { 0, 1, 20, 50, 80, 99 };

	for (int i = 0; i < 6; i++) {
		struct pace pace;
		uint64_t ran_ns, right_ns = NS_PER_S / 100 * (100 - percents[i]);

		pace_init(&pace, 0);
		pace_begin(&pace, 3 * NS_PER_S);
		pace_throttle(&pace, percents[i]);
		ran_ns = run_until(&pace, 3 * NS_PER_S, 4 * NS_PER_S, 1000, 0);
		assert_in_range(ran_ns, right_ns - NS_PER_MS, right_ns + NS_PER_MS);
	}
}

/* On a busy host it wakes late: it runs less then, but it does run. */
static void test_throttled_and_late_it_still_runs(void **state)
{
	struct pace pace;
	uint64_t ran_ns;

	pace_init(&pace, 0);
	pace_begin(&pace, 0);
	pace_throttle(&pace, 1000); /* more than the most */
	ran_ns = run_until(&pace, 0, NS_PER_S, 1000, 10 * NS_PER_MS);
	assert_in_range(ran_ns, NS_PER_S / 300, NS_PER_S / 100);
}

/* Half of the time it writes half of the bytes: what it did not write while it stood still is not made up for. */
static void test_throttled_it_writes_less(void **state)
{
	const uint64_t rate = 100000000;
	uint64_t now_ns = NS_PER_S, bytes = 0;
	struct pace pace;

	pace_init(&pace, rate);
	pace_begin(&pace, now_ns);
	pace_throttle(&pace, 50);
	while (now_ns < 2 * NS_PER_S) {
		uint64_t run_ns = pace_run_ns(&pace, now_ns), due_ns;

		if (run_ns > now_ns) {
			now_ns = run_ns;
			continue;
		}
		due_ns = pace_due_ns(&pace, now_ns);
		if (due_ns > now_ns) {
			now_ns = due_ns;
			continue;
		}
		pace_spend(&pace, PAGE);
		bytes += PAGE;
	}
	assert_in_range(bytes, rate / 2 - rate / 50, rate / 2 + rate / 50);
}

static void test_a_throttle_taken_off(void **state)
{
	struct pace pace;
	uint64_t until_ns;

	pace_init(&pace, PAGE * 1000);
	pace_begin(&pace, NS_PER_S);
	pace_throttle(&pace, 90);
	assert_int_equal(pace_run_ns(&pace, NS_PER_S), NS_PER_S); /* the period begins */
	until_ns = pace_run_ns(&pace, NS_PER_S + 2 * NS_PER_MS);
	assert_true(until_ns > NS_PER_S + 2 * NS_PER_MS);
	pace_throttle(&pace, 0);
	assert_int_equal(pace_run_ns(&pace, NS_PER_S + 3 * NS_PER_MS), NS_PER_S + 3 * NS_PER_MS);
	pace_spend(&pace, PAGE);
	assert_true(pace_due_ns(&pace, NS_PER_S + 3 * NS_PER_MS) <= NS_PER_S + 4 * NS_PER_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps_the_rate),
		cmocka_unit_test(test_no_rate_is_no_pace),
		cmocka_unit_test(test_lost_time_is_not_made_up),
		cmocka_unit_test(test_throttle_is_a_share_of_the_time),
		cmocka_unit_test(test_throttled_and_late_it_still_runs),
		cmocka_unit_test(test_throttled_it_writes_less),
		cmocka_unit_test(test_a_throttle_taken_off),
	};

	return cmocka_run_group_tests_name("refvm_pace", tests, NULL, NULL);
}
