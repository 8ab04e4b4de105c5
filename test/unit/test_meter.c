/* SPDX-License-Identifier: BSD-3-Clause */
/* The meter, on a clock of the test's own. */
#include "channel/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct test_clock {
	struct clock clock;
	uint64_t now_ns;
};

static uint64_t test_now_ns(const struct clock *clock)
{
	return ((const struct test_clock *)clock)->now_ns;
}

static void a_steady_stream_has_its_rate(void **state)
{
	struct test_clock c = { { test_now_ns }, 1234 * NS_PER_S };
	struct meter meter;

	meter_init(&meter, &c.clock);
	assert_int_equal(meter_rate(&meter, c.now_ns), 0);
	for (unsigned i = 0; i < 400; i++) {
		meter_add(&meter, 10000);
		c.now_ns += 10 * NS_PER_MS; /* 1 MB/s */
		if (i > 10)
			assert_in_range(meter_rate(&meter, c.now_ns), 990000, 1010000);
	}
	assert_int_equal(meter_total(&meter), 4000000);
	meter_fini(&meter);
}

static void what_is_over_is_forgotten(void **state)
{
	struct test_clock c = { { test_now_ns }, 5 * NS_PER_S };
	struct meter meter;

	meter_init(&meter, &c.clock);
	meter_add(&meter, 1000000);
	assert_int_equal(meter_rate(&meter, c.now_ns), 1000000000); /* as if it had taken a millisecond */
	c.now_ns += 500 * NS_PER_MS;
	assert_int_equal(meter_rate(&meter, c.now_ns), 2000000);
	c.now_ns += 650 * NS_PER_MS;
	assert_int_equal(meter_rate(&meter, c.now_ns), 0);
	c.now_ns += 3600 * NS_PER_S;
	meter_add(&meter, 500000);
	assert_in_range(meter_rate(&meter, c.now_ns), 450000, 500000);
	assert_int_equal(meter_total(&meter), 1500000);
	meter_fini(&meter);
}

static void a_time_gone_by_is_no_harm(void **state)
{
	struct test_clock c = { { test_now_ns }, 5 * NS_PER_S };
	struct meter meter;

	meter_init(&meter, &c.clock);
	meter_add(&meter, 1000);
	assert_true(meter_rate(&meter, 4 * NS_PER_S) > 0);
	assert_true(meter_rate(&meter, 0) > 0);
	meter_fini(&meter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_steady_stream_has_its_rate),
		cmocka_unit_test(what_is_over_is_forgotten),
		cmocka_unit_test(a_time_gone_by_is_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
