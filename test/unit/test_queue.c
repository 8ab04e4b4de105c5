/* SPDX-License-Identifier: BSD-3-Clause */
/* The queue: order, bound, closing under waiters on both ends, deadlines, and many threads at once. */
#include "base/queue.h"

#include "base/thread.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int items[4];

static void test_order_and_bound(void **state)
{
	struct queue q;

	assert_int_equal(queue_init(&q, 3), 0);
	for (int round = 0; round < 5; round++) { /* past the ring's end */
		assert_int_equal(queue_push(&q, &items[0]), 0);
		assert_int_equal(queue_try_push(&q, &items[1]), 0);
		assert_int_equal(queue_push(&q, &items[2]), 0);
		assert_int_equal(queue_try_push(&q, &items[3]), -EAGAIN);
		assert_ptr_equal(queue_pop(&q), &items[0]);
		assert_int_equal(queue_try_push(&q, &items[3]), 0);
		assert_ptr_equal(queue_pop(&q), &items[1]);
		assert_ptr_equal(queue_pop(&q), &items[2]);
		assert_ptr_equal(queue_pop(&q), &items[3]);
	}
	queue_fini(&q);
	queue_fini(&q); /* once more is nothing */
}

static void test_closed_hands_out_the_rest(void **state)
{
	struct queue q;

	queue_init(&q, 2);
	queue_push(&q, &items[0]);
	queue_close(&q);
	assert_int_equal(queue_push(&q, &items[1]), -EPIPE);
	assert_int_equal(queue_try_push(&q, &items[1]), -EPIPE);
	assert_false(queue_closed(&q)); /* something is left */
	assert_ptr_equal(queue_pop(&q), &items[0]);
	assert_true(queue_closed(&q));
	assert_null(queue_pop(&q));
	queue_close(&q);
	queue_fini(&q);
}

static void test_deadline(void **state)
{
	uint64_t deadline_ns = clock_deadline_ns(&clock_monotonic, 20 * NS_PER_MS);
	struct queue q;

	queue_init(&q, 1);
	assert_null(queue_pop_until(&q, 0)); /* long past */
	assert_null(queue_pop_until(&q, deadline_ns));
	assert_true(clock_now_ns(&clock_monotonic) >= deadline_ns);
	assert_false(queue_closed(&q)); /* so it was the deadline */
	queue_push(&q, &items[0]);
	assert_ptr_equal(queue_pop_until(&q, 0), &items[0]); /* what is there needs no waiting */
	queue_fini(&q);
}

static void *pop_one(void *arg)
{
	return queue_pop(arg);
}

static void *push_one(void *arg)
{
	return (void *)(intptr_t)queue_push(arg, &items[1]);
}

static void test_close_wakes_waiters(void **state)
{
	pthread_t pop, push;
	struct queue empty, full;
	void *popped, *pushed;

	queue_init(&empty, 1);
	queue_init(&full, 1);
	queue_push(&full, &items[0]);
	assert_int_equal(thread_start(&pop, "pop", pop_one, &empty), 0);
	assert_int_equal(thread_start(&push, "push", push_one, &full), 0);
	queue_close(&empty);
	queue_close(&full);
	pthread_join(pop, &popped);
	pthread_join(push, &pushed);
	assert_null(popped);
	assert_int_equal((intptr_t)pushed, -EPIPE);
	assert_ptr_equal(queue_pop(&full), &items[0]);
	queue_fini(&full);
	queue_fini(&empty);
}

#define NR_ITEMS   2000u
#define NR_THREADS 4u

struct crowd {
	struct queue q;
	uint8_t numbers[NR_THREADS * NR_ITEMS]; /* items are places in here; each is counted where it arrives */
};

struct member {
	struct crowd *crowd;
	unsigned index;
};

static void *produce(void *arg)
{
	struct member *member = arg;

	for (unsigned i = 0; i < NR_ITEMS; i++)
		if (queue_push(&member->crowd->q, &member->crowd->numbers[member->index * NR_ITEMS + i]))
			return arg;
	return NULL;
}

/* Returns itself if two items of one producer came out of order. */
static void *consume(void *arg)
{
	uint8_t *last[NR_THREADS] = { 0 };
	struct member *member = arg;
	uint8_t *number;

	while ((number = queue_pop(&member->crowd->q))) {
		size_t producer = (size_t)(number - member->crowd->numbers) / NR_ITEMS;

		if (number <= last[producer])
			return arg;
		last[producer] = number;
		__atomic_fetch_add(number, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	static struct crowd crowd;
	pthread_t producers[NR_THREADS], consumers[NR_THREADS];
	struct member members[NR_THREADS];
	void *failed;

	queue_init(&crowd.q, 7);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		members[i] = (struct member){ &crowd, i };
		thread_start(&consumers[i], "consume", consume, &members[i]);
		thread_start(&producers[i], "produce", produce, &members[i]);
	}
	for (unsigned i = 0; i < NR_THREADS; i++) {
		pthread_join(producers[i], &failed);
		assert_null(failed);
	}
	queue_close(&crowd.q);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		pthread_join(consumers[i], &failed);
		assert_null(failed);
	}
	for (unsigned i = 0; i < NR_THREADS * NR_ITEMS; i++)
		assert_int_equal(crowd.numbers[i], 1);
	queue_fini(&crowd.q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_bound), cmocka_unit_test(test_closed_hands_out_the_rest),
		cmocka_unit_test(test_deadline),        cmocka_unit_test(test_close_wakes_waiters),
		cmocka_unit_test(test_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
