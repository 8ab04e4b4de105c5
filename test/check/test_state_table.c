/* SPDX-License-Identifier: BSD-3-Clause */
/* The suite's table of states against the reference device's, which was written by itself: one misreading would show.
 */
#include "ref/device/mig_state.h"
#include "tool/check/state_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define FOR_CAPS(caps) for (uint32_t caps = 0; caps <= (MIG_CAP_STOP_COPY | MIG_CAP_P2P | MIG_CAP_PRE_COPY); caps++)

static void test_states(void **unused)
{
	FOR_CAPS(caps)
	{
		for (uint32_t state = 0; state <= GW_NR_STATES; state++)
			assert_int_equal(state_exists(state, caps), ref_mig_state_valid(state, caps));
	}
	for (uint32_t state = 0; state < GW_NR_STATES; state++) {
		assert_int_equal(state_saves(state), ref_mig_state_session(state) == MIG_SESSION_SAVE);
		assert_int_equal(state_precopies(state), ref_mig_state_precopies(state));
	}
}

/* The whole way, arc by arc, as the device would step it. */
static void check_way(uint32_t from, uint32_t to, uint32_t caps)
{
	uint32_t path[GW_NR_STATES], at = from;
	unsigned nr = state_path(from, to, caps, path);

	if (ref_mig_state_next(from, to, caps) < 0) {
		assert_int_equal(nr, 0);
		return;
	}
	assert_int_not_equal(nr, 0);
	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(path[i], ref_mig_state_next(at, to, caps));
		at = path[i];
	}
	assert_int_equal(at, to);
}

static void test_ways(void **unused)
{
	FOR_CAPS(caps)
	{
		for (uint32_t from = 0; from < GW_NR_STATES; from++)
			for (uint32_t to = 0; to < GW_NR_STATES; to++)
				if (from != to && state_exists(from, caps) && state_exists(to, caps))
					check_way(from, to, caps);
	}
}

static void test_no_ways(void **unused)
{
	const uint32_t caps = MIG_CAP_STOP_COPY | MIG_CAP_P2P | MIG_CAP_PRE_COPY;
	uint32_t path[GW_NR_STATES];

	assert_int_equal(state_path(GW_STATE_STOP_COPY, GW_STATE_PRE_COPY, caps, path), 0);
	assert_int_equal(state_path(GW_STATE_STOP_COPY, GW_STATE_PRE_COPY_P2P, caps, path), 0);
	assert_int_equal(state_path(GW_STATE_STOP, GW_STATE_STOP, caps, path), 0);
	assert_int_equal(state_path(GW_STATE_ERROR, GW_STATE_RUNNING, caps, path), 0);
	assert_int_equal(state_path(GW_STATE_RUNNING, UINT32_MAX, caps, path), 0);
	assert_int_equal(state_path(GW_STATE_RUNNING, GW_STATE_RUNNING_P2P, MIG_CAP_STOP_COPY, path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_no_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
