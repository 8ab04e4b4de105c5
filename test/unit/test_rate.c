/* SPDX-License-Identifier: BSD-3-Clause */
/* The bandwidth limit. Time is the real one: lower bounds are exact, upper bounds generous. */
#include "channel/rate.h"

#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t ns_since(uint64_t begin)
{
	return clock_now_ns(&clock_monotonic) - begin;
}

static void no_limit_does_not_wait(void **state)
{
	struct rate rate;

	rate_init(&rate, 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(rate_take(&rate, UINT32_MAX), 0);
	rate_close(&rate);
	assert_int_equal(rate_take(&rate, 1), -ECANCELED);
	rate_fini(&rate);
}

/* 100 pieces of 1000 at 1 MB/s are 100 ms, of which the bucket has 20. */
static void pieces_take_their_time(void **state)
{
	uint64_t begin = clock_now_ns(&clock_monotonic);
	struct rate rate;

	rate_init(&rate, 1000000);
	for (unsigned i = 0; i < 101; i++)
		assert_int_equal(rate_take(&rate, 1000), 0);
	assert_true(ns_since(begin) >= 80 * NS_PER_MS);
	assert_true(ns_since(begin) < 20 * NS_PER_S);
	rate_fini(&rate);
}

/* It goes at once; the one behind it pays. */
static void a_large_piece_goes_into_debt(void **state)
{
	uint64_t begin;
	struct rate rate;

	rate_init(&rate, 1000000);
	begin = clock_now_ns(&clock_monotonic);
	assert_int_equal(rate_take(&rate, 100000), 0);
	assert_int_equal(rate_take(&rate, 1), 0);
	assert_true(ns_since(begin) >= 80 * NS_PER_MS);
	rate_fini(&rate);
}

struct taker {
	pthread_t thread;
	struct rate *rate;
	uint64_t taken;
	int ret;
};

static void *take_until_closed(void *arg)
{
	struct taker *t = arg;

	while (!(t->ret = rate_take(t->rate, 1000)))
		__atomic_fetch_add(&t->taken, 1000, __ATOMIC_RELAXED);
	return NULL;
}

static void takers_share_and_close_wakes_them(void **state)
{
	struct taker takers[4];
	uint64_t total = 0, begin;
	struct rate rate;

	rate_init(&rate, 1000000);
	begin = clock_now_ns(&clock_monotonic);
	for (unsigned i = 0; i < 4; i++) {
		takers[i] = (struct taker){ .rate = &rate };
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take_until_closed, &takers[i]), 0);
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(rate_take(&rate, 1000), 0);
	rate_close(&rate);
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(takers[i].thread, NULL);
		assert_int_equal(takers[i].ret, -ECANCELED);
		total += takers[i].taken;
		assert_true(takers[i].taken > 0); /* nobody starves */
	}
	/* What went through: the rate, the bucket, and a piece each that had begun. */
	assert_true(total + 100000 <= ns_since(begin) / 1000 + 20000 + 5000);
	rate_fini(&rate);
}

static void tells_when_the_line_is_free(void **state)
{
	struct rate rate;

	rate_init(&rate, 0);
	assert_int_equal(rate_take(&rate, 100000), 0);
	assert_int_equal(rate_line_ns(&rate), 0);
	rate_fini(&rate);
	rate_init(&rate, 1000);
	assert_true(rate_line_ns(&rate) <= -(int64_t)RATE_BURST_NS); /* nothing was taken yet */
	assert_int_equal(rate_take(&rate, 100000), 0);               /* 100 s of it, at once */
	assert_in_range(rate_line_ns(&rate), 50 * NS_PER_S, 100 * NS_PER_S);
	rate_fini(&rate);
}

static void a_waiting_taker_is_woken(void **state)
{
	struct taker taker;
	struct rate rate;

	rate_init(&rate, 1); /* a byte a second: a thousand would take a quarter of an hour */
	taker = (struct taker){ .rate = &rate };
	assert_int_equal(pthread_create(&taker.thread, NULL, take_until_closed, &taker), 0);
	while (!__atomic_load_n(&taker.taken, __ATOMIC_RELAXED))
		;
	rate_close(&rate);
	pthread_join(taker.thread, NULL);
	assert_int_equal(taker.ret, -ECANCELED);
	rate_fini(&rate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit_does_not_wait),       cmocka_unit_test(pieces_take_their_time),
		cmocka_unit_test(a_large_piece_goes_into_debt), cmocka_unit_test(takers_share_and_close_wakes_them),
		cmocka_unit_test(a_waiting_taker_is_woken),     cmocka_unit_test(tells_when_the_line_is_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
