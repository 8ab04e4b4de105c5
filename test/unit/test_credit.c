/* SPDX-License-Identifier: BSD-3-Clause */
/* Credit: never more on the way than the window, and a peer cannot grant what was not taken. */
#include "channel/credit.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void it_is_bounded_both_ways(void **state)
{
	struct credit credit;

	credit_init(&credit, 100);
	assert_int_equal(credit_available(&credit), 100);
	assert_int_equal(credit_grant(&credit, 1), -EPROTO);
	assert_int_equal(credit_take(&credit, 101), -EMSGSIZE);
	assert_int_equal(credit_take(&credit, 60), 0);
	assert_int_equal(credit_try_take(&credit, 100), 40);
	assert_int_equal(credit_try_take(&credit, 100), 0);
	assert_int_equal(credit_grant(&credit, UINT64_MAX), -EPROTO);
	assert_int_equal(credit_grant(&credit, 101), -EPROTO);
	assert_int_equal(credit_available(&credit), 0);
	assert_int_equal(credit_grant(&credit, 100), 0);
	assert_int_equal(credit_available(&credit), 100);
	credit_close(&credit);
	assert_int_equal(credit_take(&credit, 1), -ECANCELED);
	assert_int_equal(credit_try_take(&credit, 1), -ECANCELED);
	assert_int_equal(credit_grant(&credit, 0), 0);
	credit_fini(&credit);
}

#define WINDOW 1000
#define TOTAL  200000

struct sender {
	pthread_t thread;
	struct credit *credit;
	uint64_t on_the_way;
	int ret;
};

static void *take_all(void *arg)
{
	struct sender *s = arg;

	for (unsigned sent = 0; sent < TOTAL && !s->ret; sent += 100) {
		s->ret = credit_take(s->credit, 100);
		if (!s->ret)
			__atomic_fetch_add(&s->on_the_way, 100, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

static void a_taker_waits_for_a_grant(void **state)
{
	struct credit credit;
	struct sender s = { .credit = &credit };
	uint64_t granted = 0;

	credit_init(&credit, WINDOW);
	assert_int_equal(pthread_create(&s.thread, NULL, take_all, &s), 0);
	while (granted < TOTAL) {
		uint64_t loaded = __atomic_exchange_n(&s.on_the_way, 0, __ATOMIC_SEQ_CST);

		assert_true(loaded <= WINDOW);
		assert_int_equal(credit_grant(&credit, loaded), 0);
		granted += loaded;
	}
	pthread_join(s.thread, NULL);
	assert_int_equal(s.ret, 0);
	assert_int_equal(credit_available(&credit), WINDOW);
	credit_fini(&credit);
}

static void close_wakes_a_taker(void **state)
{
	struct credit credit;
	struct sender s = { .credit = &credit };

	credit_init(&credit, WINDOW);
	assert_int_equal(pthread_create(&s.thread, NULL, take_all, &s), 0);
	while (credit_available(&credit))
		;
	credit_close(&credit);
	pthread_join(s.thread, NULL);
	assert_int_equal(s.ret, -ECANCELED);
	credit_fini(&credit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_bounded_both_ways),
		cmocka_unit_test(a_taker_waits_for_a_grant),
		cmocka_unit_test(close_wakes_a_taker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
