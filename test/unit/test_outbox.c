/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may send next: bytes are shared fairly between RAM and device state, whatever the sizes of the pieces. */
#include "session/outbox.h"

#include "base/bits.h"
#include "base/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LANES 2

static struct outbox box;
static struct parcel parcels[64];

static void returned(struct parcel *parcel, bool sent)
{
	(void)sent;
	parcel->owner = NULL;
}

/* A device that always has another buffer. */
static void push_all(uint32_t nr_bytes)
{
	for (unsigned i = 0; i < ARRAY_SIZE(parcels); i++) {
		parcels[i] = (struct parcel){ .nr_bytes = nr_bytes, .returned = returned, .owner = &box };
		assert_true(outbox_push(&box, &parcels[i]));
	}
}

static int set_up(void **state)
{
	outbox_init(&box, LANES);
	return 0;
}

static int tear_down(void **state)
{
	outbox_close(&box);
	outbox_fini(&box);
	return 0;
}

/* So many pieces of one lane, RAM in frames of so many bytes: what went out of each. */
static void run(unsigned pieces, uint64_t ram_frame, uint64_t *ram, uint64_t *device)
{
	struct parcel *parcel = NULL;
	uint64_t sent = 0;

	*ram = *device = 0;
	for (unsigned i = 0; i < pieces; i++) {
		if (outbox_next(&box, 0, sent, &parcel) == WORK_RAM) {
			*ram += ram_frame;
			sent = ram_frame;
		} else {
			*device += parcel->nr_bytes;
			sent = parcel->nr_bytes;
		}
	}
}

/* Neither is ever further ahead than the two largest pieces there are. */
static void assert_fair(uint64_t ram, uint64_t device)
{
	assert_true(ram <= device + 4 * MIB);
	assert_true(device <= ram + 4 * MIB);
}

static void small_frames_are_not_starved_by_large_buffers(void **state)
{
	uint64_t ram, device;

	push_all(MIB);
	outbox_begin_round(&box);
	run(4096, 4 * KIB, &ram, &device);
	assert_true(ram >= 12 * MIB);
	assert_true(device >= 12 * MIB);
	assert_fair(ram, device);
}

static void small_buffers_are_not_starved_by_large_frames(void **state)
{
	uint64_t ram, device;

	push_all(512 * KIB);
	outbox_begin_round(&box);
	run(60, 2 * MIB, &ram, &device);
	assert_true(device >= 16 * MIB);
	assert_fair(ram, device);
}

/* A round that had the wire to itself for a while owes little for it, and so does a device. */
static void what_nobody_else_wanted_is_not_owed(void **state)
{
	uint64_t ram, device;

	outbox_begin_round(&box);
	run(100, 2 * MIB, &ram, &device);
	assert_int_equal(device, 0);
	push_all(MIB);
	run(6, 2 * MIB, &ram, &device);
	assert_true(ram >= 2 * MIB);
}

struct waiter {
	enum work work;
	struct parcel *parcel;
	bool done;
};

static void *next_of_lane_1(void *arg)
{
	struct waiter *waiter = arg;

	waiter->work = outbox_next(&box, 1, 0, &waiter->parcel);
	__atomic_store_n(&waiter->done, true, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * The limit is one for all channels: a channel that is through with its RAM does not hand out device state for as long
 * as another one has RAM that is behind.
 */
static void a_lane_without_ram_waits_for_those_with_some(void **state)
{
	struct waiter waiter = { 0 };
	struct parcel *parcel = NULL;
	uint64_t sent = 0;
	pthread_t thread;

	push_all(MIB);
	outbox_begin_round(&box);
	outbox_end_round(&box, 1);
	assert_int_equal(outbox_next(&box, 0, 0, &parcel), WORK_RAM);
	assert_int_equal(outbox_next(&box, 0, 4 * KIB, &parcel), WORK_DEVICE); /* that is a MiB: RAM is behind */
	assert_int_equal(thread_start(&thread, "lane 1", next_of_lane_1, &waiter), 0);
	for (unsigned i = 0; i < 255; i++) {
		assert_int_equal(outbox_next(&box, 0, sent, &parcel), WORK_RAM);
		assert_false(__atomic_load_n(&waiter.done, __ATOMIC_ACQUIRE));
		sent = 4 * KIB;
	}
	assert_int_equal(outbox_next(&box, 0, sent, &parcel), WORK_RAM);
	outbox_end_round(&box, 0); /* no RAM is left: nothing to wait for */
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(waiter.work, WORK_DEVICE);
}

static void the_end_comes_last(void **state)
{
	struct parcel *parcel = NULL;

	outbox_begin_round(&box);
	push_all(MIB);
	outbox_end(&box);
	outbox_end_round(&box, 1);
	assert_int_equal(outbox_next(&box, 0, 0, &parcel), WORK_RAM);
	outbox_end_round(&box, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(parcels); i++)
		assert_int_equal(outbox_next(&box, i % LANES, 0, &parcel), WORK_DEVICE);
	assert_int_equal(outbox_next(&box, 0, 0, &parcel), WORK_END);
	assert_int_equal(outbox_next(&box, 1, 0, &parcel), WORK_END);
}

static void detached_it_gives_all_back(void **state)
{
	struct parcel *parcel = NULL;

	push_all(MIB);
	outbox_begin_round(&box);
	outbox_detach(&box);
	for (unsigned i = 0; i < ARRAY_SIZE(parcels); i++)
		assert_null(parcels[i].owner);
	assert_int_equal(outbox_next(&box, 0, 0, &parcel), WORK_CLOSED);
	outbox_attach(&box);
	push_all(MIB); /* the round is forgotten: nothing holds these back */
	for (unsigned i = 0; i < ARRAY_SIZE(parcels); i++)
		assert_int_equal(outbox_next(&box, 1, 0, &parcel), WORK_DEVICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(small_frames_are_not_starved_by_large_buffers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(small_buffers_are_not_starved_by_large_frames, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_nobody_else_wanted_is_not_owed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lane_without_ram_waits_for_those_with_some, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_comes_last, set_up, tear_down),
		cmocka_unit_test_setup_teardown(detached_it_gives_all_back, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
