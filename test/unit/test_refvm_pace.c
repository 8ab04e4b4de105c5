/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference VM's pace: the rate asked for, in the time the guest runs, and no burst after it stood still. */
#include "ref/vm/pace.h"
#include "ref/vm/vm_thread.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps_the_rate),
		cmocka_unit_test(test_no_rate_is_no_pace),
		cmocka_unit_test(test_lost_time_is_not_made_up),
	};

	return cmocka_run_group_tests_name("refvm_pace", tests, NULL, NULL);
}
