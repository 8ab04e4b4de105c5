/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device's state machine, over every pair of states and every set of capabilities. The expected next
 * step is worked out another way than by search: the uAPI text's answers with all capabilities as a matrix, and a
 * state that a device lacks is stepped over.
 */
#include "ref/device/mig_state.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NO   -EINVAL
#define S    MIG_STOP
#define R    MIG_RUNNING
#define SC   MIG_STOP_COPY
#define RES  MIG_RESUMING
#define P2P  MIG_RUNNING_P2P
#define PC   MIG_PRE_COPY
#define PP2P MIG_PRE_COPY_P2P

/* [from][to], columns: ERROR, STOP, RUNNING, STOP_COPY, RESUMING, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P. */
static const int next_with_all[MIG_NR_STATES][MIG_NR_STATES] = {
	[MIG_ERROR] = { NO, NO, NO, NO, NO, NO, NO, NO },
	[MIG_STOP] = { NO, S, P2P, SC, RES, P2P, P2P, P2P },
	[MIG_RUNNING] = { NO, P2P, R, P2P, P2P, P2P, PC, P2P },
	[MIG_STOP_COPY] = { NO, S, S, SC, S, S, NO, NO },
	[MIG_RESUMING] = { NO, S, S, S, RES, S, S, S },
	[MIG_RUNNING_P2P] = { NO, S, R, S, S, P2P, R, PP2P },
	[MIG_PRE_COPY] = { NO, R, R, PP2P, R, R, PC, PP2P },
	[MIG_PRE_COPY_P2P] = { NO, P2P, P2P, SC, P2P, P2P, PC, PP2P },
};

static const uint32_t needs[MIG_NR_STATES] = {
	[MIG_STOP] = MIG_CAP_STOP_COPY,
	[MIG_RUNNING] = MIG_CAP_STOP_COPY,
	[MIG_STOP_COPY] = MIG_CAP_STOP_COPY,
	[MIG_RESUMING] = MIG_CAP_STOP_COPY,
	[MIG_RUNNING_P2P] = MIG_CAP_STOP_COPY | MIG_CAP_P2P,
	[MIG_PRE_COPY] = MIG_CAP_STOP_COPY | MIG_CAP_PRE_COPY,
	[MIG_PRE_COPY_P2P] = MIG_CAP_STOP_COPY | MIG_CAP_PRE_COPY | MIG_CAP_P2P,
};

static bool has(uint32_t state, uint32_t caps)
{
	return state != MIG_ERROR && (needs[state] & caps) == needs[state];
}

static int expected_next(uint32_t from, uint32_t to, uint32_t caps)
{
	int next = next_with_all[from][to];

	if (!has(to, caps))
		return NO;
	while (next > 0 && !has((uint32_t)next, caps))
		next = next_with_all[next][to];
	return next;
}

static void next_step_of_every_pair(void **state)
{
	for (uint32_t caps = 0; caps < 8; caps++) {
		for (uint32_t from = 0; from < MIG_NR_STATES; from++) {
			for (uint32_t to = 0; to < MIG_NR_STATES; to++) {
				if (from != MIG_ERROR && !has(from, caps))
					continue;
				assert_int_equal(ref_mig_state_next(from, to, caps), expected_next(from, to, caps));
			}
		}
	}
}

static void every_way_ends(void **state)
{
	for (uint32_t caps = 0; caps < 8; caps++) {
		for (uint32_t from = 0; from < MIG_NR_STATES; from++) {
			for (uint32_t to = 0; to < MIG_NR_STATES; to++) {
				int now = (int)from;
				unsigned int steps = 0;

				if (ref_mig_state_next(from, to, caps) < 0)
					continue;
				while (now != (int)to) {
					now = ref_mig_state_next((uint32_t)now, to, caps);
					assert_true(now > 0);
					assert_true(++steps < MIG_NR_STATES);
				}
			}
		}
	}
}

/* A client without the extension finds the device in a P2P state that another one left it in. */
static void a_state_that_is_not_offered_can_be_left(void **state)
{
	uint32_t caps = MIG_CAP_STOP_COPY | MIG_CAP_PRE_COPY;

	assert_int_equal(ref_mig_state_next(MIG_RUNNING_P2P, MIG_RUNNING, caps), MIG_RUNNING);
	assert_int_equal(ref_mig_state_next(MIG_RUNNING_P2P, MIG_STOP, caps), MIG_STOP);
	assert_int_equal(ref_mig_state_next(MIG_PRE_COPY_P2P, MIG_STOP_COPY, caps), MIG_STOP_COPY);
	assert_int_equal(ref_mig_state_next(MIG_PRE_COPY_P2P, MIG_RUNNING, caps), MIG_RUNNING_P2P);
	assert_int_equal(ref_mig_state_next(MIG_RUNNING, MIG_RUNNING_P2P, caps), -EINVAL);
}

static void numbers_that_are_no_state_are_refused(void **state)
{
	const uint32_t all = MIG_CAP_STOP_COPY | MIG_CAP_PRE_COPY | MIG_CAP_P2P;
	const uint32_t numbers[] = { 0, 8, 9, 255, 256, 0x80000000u, UINT32_MAX };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_false(ref_mig_state_valid(numbers[i], all));
		assert_int_equal(ref_mig_state_next(MIG_RUNNING, numbers[i], all), -EINVAL);
		assert_int_equal(ref_mig_state_next(numbers[i], MIG_RUNNING, all), -EINVAL);
		assert_int_equal(ref_mig_state_session(numbers[i]), MIG_SESSION_NONE);
		assert_false(ref_mig_state_runs(numbers[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(next_step_of_every_pair),
		cmocka_unit_test(every_way_ends),
		cmocka_unit_test(a_state_that_is_not_offered_can_be_left),
		cmocka_unit_test(numbers_that_are_no_state_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
