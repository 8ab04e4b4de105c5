/* SPDX-License-Identifier: BSD-3-Clause */
/* The tail of a device's stream: what is kept until it is loaded, bounded by the window, sent again after a break. */
#include "session/tail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WINDOW_BYTES (4 * LIMIT_DEVICE_BUFFER_BYTES)

static void open_tail(struct tail *tail)
{
	tail_init(tail);
	tail_open(tail, WINDOW_BYTES);
}

static void append(struct tail *tail, uint32_t nr_bytes)
{
	struct parcel *parcel;

	assert_int_equal(tail_reserve(tail, &parcel), 0);
	memset(parcel->bytes, (int)nr_bytes, nr_bytes);
	parcel->nr_bytes = nr_bytes;
	tail_append(tail, parcel);
}

/* Sends what waits; returns how many, and checks that they come in order from first on. */
static unsigned send_all(struct tail *tail, uint64_t first)
{
	struct parcel *parcel;
	unsigned nr = 0;

	while ((parcel = tail_lend(tail))) {
		assert_int_equal(parcel->header.number, first + nr++);
		tail_take_back(tail, parcel, true);
	}
	assert_false(tail_has_waiting(tail));
	return nr;
}

static void test_no_room_before_it_is_offered(void **state)
{
	struct parcel *parcel;
	struct tail tail;

	(void)state;
	tail_init(&tail);
	assert_int_equal(tail_reserve(&tail, &parcel), -EAGAIN);
	tail_fini(&tail);
}

static void test_the_window_bounds_what_is_kept(void **state)
{
	struct parcel *parcel;
	struct tail tail;

	(void)state;
	open_tail(&tail);
	for (int i = 0; i < 4; i++)
		append(&tail, LIMIT_DEVICE_BUFFER_BYTES);
	assert_int_equal(tail_reserve(&tail, &parcel), -EAGAIN);
	assert_int_equal(send_all(&tail, 0), 4);
	assert_int_equal(tail_reserve(&tail, &parcel), -EAGAIN); /* sent is not loaded */
	assert_int_equal(tail_acknowledge(&tail, 1), 0);
	append(&tail, LIMIT_DEVICE_BUFFER_BYTES);
	assert_int_equal(tail_reserve(&tail, &parcel), -EAGAIN);
	tail_fini(&tail);
}

/* The least cost bounds how many small ones there are; a read that brings nothing costs nothing. */
static void test_small_buffers(void **state)
{
	struct parcel *parcel;
	struct tail tail;
	unsigned nr = 0;

	(void)state;
	open_tail(&tail);
	while (!tail_reserve(&tail, &parcel)) {
		parcel->nr_bytes = 1;
		tail_append(&tail, parcel);
		assert_true(parcel->room_bytes < LIMIT_DEVICE_BUFFER_COST);
		nr++;
	}
	assert_int_equal(nr, (WINDOW_BYTES - LIMIT_DEVICE_BUFFER_BYTES) / LIMIT_DEVICE_BUFFER_COST + 1);
	assert_int_equal(send_all(&tail, 0), nr);
	assert_int_equal(tail_acknowledge(&tail, nr), 0);
	assert_int_equal(tail.used_bytes, 0);
	assert_int_equal(tail_reserve(&tail, &parcel), 0);
	tail_abandon(&tail, parcel);
	assert_int_equal(tail.used_bytes, 0);
	tail_fini(&tail);
}

static void test_one_that_could_not_be_lent_waits_on(void **state)
{
	struct parcel *parcel;
	struct tail tail;

	(void)state;
	open_tail(&tail);
	append(&tail, 7);
	parcel = tail_lend(&tail);
	assert_null(tail_lend(&tail));
	tail_take_back(&tail, parcel, false);
	assert_true(tail_has_waiting(&tail));
	assert_int_equal(send_all(&tail, 0), 1);
	tail_fini(&tail);
}

static void test_what_did_not_arrive_is_sent_again(void **state)
{
	struct tail tail;

	(void)state;
	open_tail(&tail);
	for (uint32_t i = 0; i < 4; i++)
		append(&tail, 100 + i);
	assert_int_equal(send_all(&tail, 0), 4);
	assert_int_equal(tail_rewind(&tail, 2, 1), 0); /* two came, one of them is loaded */
	assert_int_equal(tail.oldest->header.number, 1);
	assert_int_equal(send_all(&tail, 2), 2);
	assert_int_equal(tail_rewind(&tail, 4, 4), 0);
	assert_int_equal(send_all(&tail, 4), 0);
	append(&tail, 5);
	assert_int_equal(send_all(&tail, 4), 1);
	tail_fini(&tail);
}

/* The peer says it; none of it may be believed. */
static void test_a_peer_that_contradicts_itself(void **state)
{
	struct tail tail;

	(void)state;
	open_tail(&tail);
	for (int i = 0; i < 3; i++)
		append(&tail, 10);
	assert_int_equal(send_all(&tail, 0), 3);
	assert_int_equal(tail_acknowledge(&tail, 4), -EPROTO);
	assert_int_equal(tail_acknowledge(&tail, 2), 0);
	assert_int_equal(tail_acknowledge(&tail, 1), 0); /* late, and harmless */
	assert_int_equal(tail_rewind(&tail, 1, 1), -EPROTO);
	assert_int_equal(tail_rewind(&tail, 4, 2), -EPROTO);
	assert_int_equal(tail_rewind(&tail, 2, 3), -EPROTO);
	assert_int_equal(tail_acknowledge(&tail, 3), 0);
	assert_int_equal(tail_rewind(&tail, 2, 2), -EPROTO); /* nothing is left of it */
	assert_int_equal(tail_rewind(&tail, 3, 3), 0);
	tail_fini(&tail);
}

/* Acknowledged while its sender still holds it: it is not freed under it. */
static void test_acknowledged_early(void **state)
{
	struct parcel *parcel;
	struct tail tail;

	(void)state;
	open_tail(&tail);
	append(&tail, 10);
	append(&tail, 11);
	parcel = tail_lend(&tail);
	assert_int_equal(tail_acknowledge(&tail, 2), 0);
	assert_int_equal(parcel->bytes[0], 10);
	tail_take_back(&tail, parcel, true);
	assert_int_equal(tail_acknowledge(&tail, 2), 0);
	tail_fini(&tail);
}

static void test_counts_what_is_unsent_and_unloaded(void **state)
{
	uint64_t unsent, unloaded;
	struct parcel *parcel;
	struct tail tail;

	(void)state;
	open_tail(&tail);
	tail_count(&tail, &unsent, &unloaded);
	assert_int_equal(unsent + unloaded, 0);
	append(&tail, 100);
	append(&tail, 20);
	append(&tail, 3);
	parcel = tail_lend(&tail);
	tail_take_back(&tail, parcel, true);
	parcel = tail_lend(&tail); /* with a channel: not sent yet */
	tail_count(&tail, &unsent, &unloaded);
	assert_int_equal(unsent, 23);
	assert_int_equal(unloaded, 123);
	tail_take_back(&tail, parcel, true);
	assert_int_equal(tail_acknowledge(&tail, 1), 0);
	tail_count(&tail, &unsent, &unloaded);
	assert_int_equal(unsent, 3);
	assert_int_equal(unloaded, 23);
	tail_fini(&tail);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_room_before_it_is_offered),
		cmocka_unit_test(test_the_window_bounds_what_is_kept),
		cmocka_unit_test(test_small_buffers),
		cmocka_unit_test(test_one_that_could_not_be_lent_waits_on),
		cmocka_unit_test(test_what_did_not_arrive_is_sent_again),
		cmocka_unit_test(test_a_peer_that_contradicts_itself),
		cmocka_unit_test(test_acknowledged_early),
		cmocka_unit_test(test_counts_what_is_unsent_and_unloaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
