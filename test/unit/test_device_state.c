/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state machine against tables written by hand from the text of linux/vfio.h: for each capability set what
 * the first step of every pair of states is. The tables are not derived from the code's; that is their worth.
 */
#include "model/device_state.h"

#include "base/bits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* E: refused. The others are the states' numbers under short names. */
enum { E, S, R, C, L, Q, P, W };
/* ERROR, STOP, RUNNING, STOP_COPY, RESUMING (loads), RUNNING_P2P (quiet), PRE_COPY, PRE_COPY_P2P (waits) */

#define BASE GW_MIGRATION_STOP_COPY

/* Rows: from; columns: to, in the order of the numbers. */
static const struct expectation {
	uint32_t flags;
	uint8_t first[GW_NR_STATES][GW_NR_STATES];
} expectations[] = {
	{ BASE,
	  {
		  /*       E  S  R  C  L  Q  P  W */
		  /* E */ { E, E, E, E, E, E, E, E },
		  /* S */ { E, S, R, C, L, E, E, E },
		  /* R */ { E, S, R, S, S, E, E, E },
		  /* C */ { E, S, S, C, S, E, E, E },
		  /* L */ { E, S, S, S, L, E, E, E },
		  /* Q */ { E, E, E, E, E, E, E, E },
		  /* P */ { E, E, E, E, E, E, E, E },
		  /* W */ { E, E, E, E, E, E, E, E },
	  } },
	{ BASE | GW_MIGRATION_P2P,
	  {
		  /*       E  S  R  C  L  Q  P  W */
		  /* E */ { E, E, E, E, E, E, E, E },
		  /* S */ { E, S, Q, C, L, Q, E, E },
		  /* R */ { E, Q, R, Q, Q, Q, E, E },
		  /* C */ { E, S, S, C, S, S, E, E },
		  /* L */ { E, S, S, S, L, S, E, E },
		  /* Q */ { E, S, R, S, S, Q, E, E },
		  /* P */ { E, E, E, E, E, E, E, E },
		  /* W */ { E, E, E, E, E, E, E, E },
	  } },
	{ BASE | GW_MIGRATION_PRE_COPY,
	  {
		  /*       E  S  R  C  L  Q  P  W */
		  /* E */ { E, E, E, E, E, E, E, E },
		  /* S */ { E, S, R, C, L, E, R, E },
		  /* R */ { E, S, R, S, S, E, P, E },
		  /* C */ { E, S, S, C, S, E, E, E },
		  /* L */ { E, S, S, S, L, E, S, E },
		  /* Q */ { E, E, E, E, E, E, E, E },
		  /* P */ { E, R, R, C, R, E, P, E },
		  /* W */ { E, E, E, E, E, E, E, E },
	  } },
	{ BASE | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY,
	  {
		  /*       E  S  R  C  L  Q  P  W */
		  /* E */ { E, E, E, E, E, E, E, E },
		  /* S */ { E, S, Q, C, L, Q, Q, Q },
		  /* R */ { E, Q, R, Q, Q, Q, P, Q },
		  /* C */ { E, S, S, C, S, S, E, E },
		  /* L */ { E, S, S, S, L, S, S, S },
		  /* Q */ { E, S, R, S, S, Q, R, W },
		  /* P */ { E, R, R, W, R, R, P, W },
		  /* W */ { E, Q, Q, C, Q, Q, P, W },
	  } },
};

static void test_every_pair(void **unused)
{
	for (unsigned i = 0; i < ARRAY_SIZE(expectations); i++) {
		const struct expectation *x = &expectations[i];

		for (uint32_t from = 0; from < GW_NR_STATES; from++) {
			for (uint32_t to = 0; to < GW_NR_STATES; to++) {
				uint32_t next = 99;
				int ret = device_state_next(x->flags, from, to, &next);

				if (x->first[from][to] == E) {
					assert_int_equal(ret, -EINVAL);
					assert_int_equal(next, 99);
				} else {
					assert_int_equal(ret, 0);
					assert_int_equal(next, x->first[from][to]);
				}
			}
		}
	}
}

/* Without STOP_COPY the text defines no migration, whatever else is claimed: RUNNING is all there is. */
static void test_without_stop_copy(void **unused)
{
	for (uint32_t flags = 0; flags < 8; flags++) {
		if (flags & GW_MIGRATION_STOP_COPY)
			continue;
		for (uint32_t from = 0; from < GW_NR_STATES; from++) {
			for (uint32_t to = 0; to < GW_NR_STATES; to++) {
				uint32_t next;
				int want = from == GW_STATE_RUNNING && to == GW_STATE_RUNNING ? 0 : -EINVAL;

				assert_int_equal(device_state_next(flags, from, to, &next), want);
			}
		}
	}
}

static void test_every_walk_ends(void **unused)
{
	for (unsigned i = 0; i < ARRAY_SIZE(expectations); i++) {
		uint32_t flags = expectations[i].flags;

		for (uint32_t from = 0; from < GW_NR_STATES; from++) {
			for (uint32_t to = 0; to < GW_NR_STATES; to++) {
				uint32_t at = from;
				unsigned steps = 0;

				while (at != to && !device_state_next(flags, at, to, &at))
					assert_true(++steps <= 5);
				if (expectations[i].first[from][to] != E)
					assert_int_equal(at, to);
			}
		}
	}
}

static void test_numbers_that_are_no_state(void **unused)
{
	uint32_t next;

	assert_int_equal(device_state_next(7, 8, GW_STATE_STOP, &next), -EINVAL);
	assert_int_equal(device_state_next(7, GW_STATE_STOP, UINT32_MAX, &next), -EINVAL);
	assert_false(device_state_exists(7, 8));
	assert_int_equal(device_state_session(8), SESSION_NONE);
	assert_true(device_state_may_dma(8));
	assert_true(device_state_may_dma_peer(8));
	assert_int_equal(device_state_quiesced(7, 8), 8);
	assert_string_equal(device_state_name(8), "?");
	assert_string_equal(device_state_name(GW_STATE_PRE_COPY_P2P), "PRE_COPY_P2P");
}

static void test_what_states_allow(void **unused)
{
	static const struct {
		uint32_t state;
		enum device_session session;
		int dma, peer;
	} want[] = {
		{ GW_STATE_ERROR, SESSION_NONE, 1, 1 },    { GW_STATE_STOP, SESSION_NONE, 0, 0 },
		{ GW_STATE_RUNNING, SESSION_NONE, 1, 1 },  { GW_STATE_STOP_COPY, SESSION_SAVE, 0, 0 },
		{ GW_STATE_RESUMING, SESSION_LOAD, 0, 0 }, { GW_STATE_RUNNING_P2P, SESSION_NONE, 1, 0 },
		{ GW_STATE_PRE_COPY, SESSION_SAVE, 1, 1 }, { GW_STATE_PRE_COPY_P2P, SESSION_SAVE, 1, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(device_state_session(want[i].state), want[i].session);
		assert_int_equal(device_state_may_dma(want[i].state), want[i].dma);
		assert_int_equal(device_state_may_dma_peer(want[i].state), want[i].peer);
	}
}

static void test_quiesced(void **unused)
{
	const uint32_t both = BASE | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY;

	assert_int_equal(device_state_quiesced(both, GW_STATE_RUNNING), GW_STATE_RUNNING_P2P);
	assert_int_equal(device_state_quiesced(both, GW_STATE_PRE_COPY), GW_STATE_PRE_COPY_P2P);
	assert_int_equal(device_state_quiesced(both, GW_STATE_PRE_COPY_P2P), GW_STATE_PRE_COPY_P2P);
	assert_int_equal(device_state_quiesced(both, GW_STATE_STOP), GW_STATE_STOP);
	assert_int_equal(device_state_quiesced(both, GW_STATE_STOP_COPY), GW_STATE_STOP_COPY);
	assert_int_equal(device_state_quiesced(both, GW_STATE_RESUMING), GW_STATE_RESUMING);
	assert_int_equal(device_state_quiesced(BASE | GW_MIGRATION_P2P, GW_STATE_RUNNING), GW_STATE_RUNNING_P2P);
	assert_int_equal(device_state_quiesced(BASE | GW_MIGRATION_PRE_COPY, GW_STATE_RUNNING), GW_STATE_RUNNING);
	assert_int_equal(device_state_quiesced(BASE | GW_MIGRATION_PRE_COPY, GW_STATE_PRE_COPY), GW_STATE_PRE_COPY);
	assert_int_equal(device_state_quiesced(0, GW_STATE_RUNNING), GW_STATE_RUNNING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),        cmocka_unit_test(test_without_stop_copy),
		cmocka_unit_test(test_every_walk_ends),   cmocka_unit_test(test_numbers_that_are_no_state),
		cmocka_unit_test(test_what_states_allow), cmocka_unit_test(test_quiesced),
	};

	return cmocka_run_group_tests_name("device_state", tests, NULL, NULL);
}
