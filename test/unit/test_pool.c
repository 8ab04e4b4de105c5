/* SPDX-License-Identifier: BSD-3-Clause */
/* The buffer pool: bounded, lazy, and closable while somebody waits. */
#include "channel/pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void buffers_are_made_once_and_come_back_clean(void **state)
{
	struct buffer *a, *b;
	struct pool pool;

	pool_init(&pool, 2);
	assert_int_equal(pool.nr_made, 0);
	a = pool_get(&pool);
	assert_int_equal((uintptr_t)a->bytes % GW_PAGE_BYTES, 0);
	memset(a->bytes, 1, LIMIT_DEVICE_BUFFER_BYTES);
	a->nr_bytes = 5;
	a->header.number = 7;
	pool_put(&pool, a);
	assert_ptr_equal(pool_get(&pool), a);
	assert_int_equal(pool.nr_made, 1);
	assert_int_equal(a->nr_bytes, 0);
	assert_int_equal(a->header.number, 0);
	b = pool_try_get(&pool);
	assert_non_null(b);
	assert_ptr_not_equal(a, b);
	assert_null(pool_try_get(&pool));
	pool_put(&pool, b);
	pool_put(&pool, a);
	pool_put(&pool, NULL);
	pool_close(&pool);
	assert_null(pool_get(&pool));
	assert_null(pool_try_get(&pool));
	pool_fini(&pool);
}

struct getter {
	pthread_t thread;
	struct pool *pool;
	unsigned got;
};

static void *get_and_put(void *arg)
{
	struct getter *g = arg;
	struct buffer *buffer;

	while ((buffer = pool_get(g->pool))) {
		__atomic_fetch_add(&g->got, 1, __ATOMIC_RELAXED);
		buffer->bytes[0]++;
		pool_put(g->pool, buffer);
	}
	return NULL;
}

static void getters_share_and_close_ends_them(void **state)
{
	struct getter getters[4];
	struct pool pool;

	pool_init(&pool, 2);
	for (unsigned i = 0; i < 4; i++) {
		getters[i] = (struct getter){ .pool = &pool };
		assert_int_equal(pthread_create(&getters[i].thread, NULL, get_and_put, &getters[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		while (__atomic_load_n(&getters[i].got, __ATOMIC_RELAXED) < 100)
			;
	pool_close(&pool);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(getters[i].thread, NULL);
	assert_true(pool.nr_made <= 2);
	assert_int_equal(pool.nr_free, pool.nr_made);
	pool_fini(&pool);
}

static void a_getter_waits_for_a_put(void **state)
{
	struct getter getter;
	struct buffer *buffer;
	struct pool pool;

	pool_init(&pool, 1);
	buffer = pool_get(&pool);
	getter = (struct getter){ .pool = &pool };
	assert_int_equal(pthread_create(&getter.thread, NULL, get_and_put, &getter), 0);
	assert_int_equal(__atomic_load_n(&getter.got, __ATOMIC_RELAXED), 0);
	pool_put(&pool, buffer);
	while (!__atomic_load_n(&getter.got, __ATOMIC_RELAXED))
		;
	pool_close(&pool);
	pthread_join(getter.thread, NULL);
	pool_fini(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_are_made_once_and_come_back_clean),
		cmocka_unit_test(getters_share_and_close_ends_them),
		cmocka_unit_test(a_getter_waits_for_a_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
