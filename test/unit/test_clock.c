/* SPDX-License-Identifier: BSD-3-Clause */
/* Deadlines: no wrap at the end of time, and milliseconds for poll(2) that never end too early. */
#include "base/clock.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW_NS 1000000000ull

static uint64_t stopped_now_ns(const struct clock *clock)
{
	return NOW_NS;
}

static const struct clock stopped = { .now_ns = stopped_now_ns };

static void test_deadline(void **state)
{
	assert_true(clock_deadline_ns(&stopped, 0) == NOW_NS);
	assert_true(clock_deadline_ns(&stopped, 5) == NOW_NS + 5);
	assert_true(clock_deadline_ns(&stopped, DEADLINE_NEVER) == DEADLINE_NEVER);
	assert_true(clock_deadline_ns(&stopped, DEADLINE_NEVER - NOW_NS + 1) == DEADLINE_NEVER);
	assert_true(clock_deadline_ns(&stopped, DEADLINE_NEVER - NOW_NS - 1) == DEADLINE_NEVER - 1);
}

static void test_poll_ms(void **state)
{
	assert_int_equal(clock_poll_ms(&stopped, DEADLINE_NEVER), -1);
	assert_int_equal(clock_poll_ms(&stopped, 0), 0);
	assert_int_equal(clock_poll_ms(&stopped, NOW_NS), 0);
	assert_int_equal(clock_poll_ms(&stopped, NOW_NS + 1), 1);
	assert_int_equal(clock_poll_ms(&stopped, NOW_NS + NS_PER_MS), 1);
	assert_int_equal(clock_poll_ms(&stopped, NOW_NS + NS_PER_MS + 1), 2);
	assert_int_equal(clock_poll_ms(&stopped, DEADLINE_NEVER - 1), INT_MAX);
}

static void test_monotonic(void **state)
{
	uint64_t before = clock_now_ns(&clock_monotonic);

	assert_true(before > 0);
	assert_true(clock_now_ns(&clock_monotonic) >= before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_poll_ms),
		cmocka_unit_test(test_monotonic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
