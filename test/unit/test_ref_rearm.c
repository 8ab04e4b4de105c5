/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device's initial part, armed anew: when that happens, how long it is told, and that what comes then is
 * the part once more.
 */
#include "test/unit/rearm_rig.h"

static void armed_anew_when_asked_again(void **state)
{
	struct rig r;

	start(&r, 2, 0);
	go(&r, MIG_PRE_COPY);
	take(&r, ask(&r).initial);
	for (int i = 0; i < 2; i++) {
		expect_left(&r, 0, false);
		expect_left(&r, REARMED, true);
		expect_left(&r, REARMED, true);
		take(&r, 1);
		expect_left(&r, REARMED - 1, false);
		take(&r, REARMED - 1);
	}
	expect_left(&r, 0, false);
	expect_left(&r, 0, false);
	expect_left(&r, 0, false);
	go(&r, MIG_STOP_COPY);
	take_all(&r);
	assert_int_equal(load(r.stream, r.size, &r.dev), 0);
	end(&r);
}

static void not_for_who_does_not_know(void **state)
{
	struct rig r;

	start(&r, 2, 2);
	ref_migration_opt_out(&r.dev);
	go(&r, MIG_PRE_COPY);
	take(&r, ask(&r).initial);
	for (int i = 0; i < 3; i++)
		expect_left(&r, 0, false);
	go(&r, MIG_PRE_COPY_P2P);
	expect_left(&r, 0, false);
	/* The next client knows, and so finds what is left of it. */
	ref_migration_opt_in(&r.dev);
	go(&r, MIG_PRE_COPY);
	expect_left(&r, REARMED, true);
	/* What it has not read is not told to one that does not. */
	ref_migration_opt_out(&r.dev);
	expect_left(&r, REARMED, false);
	end(&r);
}

/* Once on each arc, if there is something to arm anew. */
static void armed_anew_on_the_way_to_p2p(void **state)
{
	struct rig r;

	start(&r, 0, 2);
	go(&r, MIG_PRE_COPY);
	take(&r, 100);
	go(&r, MIG_PRE_COPY_P2P);
	assert_false(ask(&r).reinit);
	take(&r, ask(&r).initial);
	expect_left(&r, 0, false);
	for (int i = 0; i < 2; i++) {
		go(&r, MIG_PRE_COPY);
		expect_left(&r, 0, false);
		expect_left(&r, 0, false);
		go(&r, MIG_PRE_COPY_P2P);
		expect_left(&r, REARMED, true);
		take(&r, REARMED);
		expect_left(&r, 0, false);
		expect_left(&r, 0, false);
	}
	go(&r, MIG_RUNNING);
	r.size = 0;
	go(&r, MIG_PRE_COPY);
	take(&r, ask(&r).initial);
	go(&r, MIG_PRE_COPY_P2P);
	expect_left(&r, 0, false);
	go(&r, MIG_STOP_COPY);
	take_all(&r);
	assert_int_equal(load(r.stream, r.size, &r.dev), 0);
	end(&r);
}

static void in_p2p_no_question_arms_anything(void **state)
{
	struct rig r;

	start(&r, 1, 0);
	go(&r, MIG_PRE_COPY);
	take(&r, ask(&r).initial);
	go(&r, MIG_PRE_COPY_P2P);
	for (int i = 0; i < 3; i++)
		expect_left(&r, 0, false);
	go(&r, MIG_PRE_COPY);
	expect_left(&r, REARMED, true);
	end(&r);
}

/* Whoever reads first and asks then is told all the same. */
static void told_until_read_after_it(void **state)
{
	struct rig r;

	start(&r, 0, 1);
	go(&r, MIG_PRE_COPY);
	take(&r, ask(&r).initial);
	go(&r, MIG_PRE_COPY_P2P);
	take(&r, REARMED);
	expect_left(&r, 0, true);
	take(&r, 1);
	expect_left(&r, 0, false);
	end(&r);
}

static void a_new_session_begins_anew(void **state)
{
	struct rig r;

	uint64_t initial;

	start(&r, 1, 1);
	go(&r, MIG_PRE_COPY);
	initial = ask(&r).initial;
	take(&r, initial);
	go(&r, MIG_PRE_COPY_P2P);
	go(&r, MIG_RUNNING);
	go(&r, MIG_PRE_COPY);
	expect_left(&r, initial, false);
	take(&r, initial);
	expect_left(&r, 0, false);
	ref_device_reset(&r.dev);
	go(&r, MIG_PRE_COPY);
	take(&r, initial);
	expect_left(&r, 0, false);
	expect_left(&r, REARMED, true);
	end(&r);
}

/* A device whose initial part is no block at all still has one to arm anew. */
static void an_empty_part_has_a_block(void **state)
{
	struct rig r;

	start(&r, 1, 0);
	r.options.initial_bytes = 0;
	go(&r, MIG_PRE_COPY);
	take(&r, ask(&r).initial);
	expect_left(&r, 0, false);
	expect_left(&r, STATE_RECORD_BYTES + STATE_REARM_BYTES + BLOCK, true);
	go(&r, MIG_STOP_COPY);
	take_all(&r);
	assert_int_equal(load(r.stream, r.size, &r.dev), 0);
	end(&r);
}

/* Read in bites that cut everything, with blocks of the part written between: as sent, so loaded. */
static void written_while_it_is_sent(void **state)
{
	struct rig r;

	start(&r, 2, 1);
	go(&r, MIG_PRE_COPY);
	for (uint64_t i = 0; i < 40; i++) {
		if (ask(&r).initial + ask(&r).dirty > 50001)
			take(&r, 50001);
		write_block(&r, i * 7 % 6, (uint8_t)i);
	}
	take(&r, ask(&r).initial);
	go(&r, MIG_PRE_COPY_P2P);
	write_block(&r, 2, 0xee);
	go(&r, MIG_STOP_COPY);
	take_all(&r);
	assert_int_equal(r.dev.migration.rearms_left, 0);
	assert_int_equal(r.dev.migration.rearms_p2p_left, 0);
	assert_int_equal(load(r.stream, r.size, &r.dev), 0);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(armed_anew_when_asked_again),  cmocka_unit_test(not_for_who_does_not_know),
		cmocka_unit_test(armed_anew_on_the_way_to_p2p), cmocka_unit_test(in_p2p_no_question_arms_anything),
		cmocka_unit_test(told_until_read_after_it),     cmocka_unit_test(a_new_session_begins_anew),
		cmocka_unit_test(an_empty_part_has_a_block),    cmocka_unit_test(written_while_it_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
