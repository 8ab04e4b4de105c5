/* SPDX-License-Identifier: BSD-3-Clause */
/* The destination whose source is away: it comes back in every phase, after the end too, or does not. */
#include "engine_rig.h"

#include <errno.h>

#define RECONNECT_MS 30000
#define AWAY_NS      (32 * NS_PER_S) /* what the source said, and two seconds */

static int setup(void **state)
{
	rig_setup(state);
	rig.reconnect_ms = RECONNECT_MS;
	return 0;
}

static void lose(void)
{
	feed_destination(EVENT_PEER_LOST, 0);
	EXPECT(DO(DETACH));
	assert_int_equal(destination.deadline_ns, now_ns + AWAY_NS);
	assert_int_equal(destination.error.code, 0);
}

static void come_back(bool has_all)
{
	rig.has_all = has_all;
	feed_destination(EVENT_REJOINED, 0);
	assert_int_equal(destination.deadline_ns, now_ns + STALL_NS / 4);
}

static void time_passes(void)
{
	now_ns = destination.deadline_ns;
	feed_destination(EVENT_TICK, 0);
}

static void comes_back_while_loading(void **state)
{
	walk_destination(4); /* PREPARE_LOAD is under way */
	lose();
	feed_destination(COMES(PREPARE)); /* late, of a channel that is no more */
	EXPECT_NOTHING();
	come_back(false);
	EXPECT(SEND(RESUMED));
	feed_destination(DONE(PREPARE_LOAD));
	EXPECT(SEND(LOADABLE));
	lose();
	come_back(false);
	EXPECT(SEND(RESUMED), SEND(LOADABLE));

	walk_destination(4);
	lose();
	feed_destination(DONE(PREPARE_LOAD)); /* while it is away */
	EXPECT_NOTHING();
	come_back(false);
	EXPECT(SEND(RESUMED), SEND(LOADABLE));
}

static void comes_back_while_finishing(void **state)
{
	walk_destination_to(DESTINATION_FINISHING);
	lose();
	come_back(true);
	EXPECT(SEND(RESUMED));
	assert_int_equal(destination_resumed_phase(&destination), RESUMED_HAS_ALL);
	feed_destination(DONE(FINISH_LOAD));
	EXPECT(SEND(READY));

	walk_destination_to(DESTINATION_FINISHING);
	lose();
	feed_destination(DONE(FINISH_LOAD)); /* while it is away */
	EXPECT_NOTHING();
	come_back(true);
	EXPECT(SEND(RESUMED), SEND(READY));

	walk_destination_to(DESTINATION_FINISHING); /* not all had come: the end of it is sent anew */
	lose();
	come_back(false);
	EXPECT(SEND(RESUMED), SEND(LOADABLE));
	assert_int_equal(destination.phase, DESTINATION_LOADING);
	assert_int_equal(destination_resumed_phase(&destination), RESUMED_LOADING);
	feed_destination(DONE(FINISH_LOAD)); /* forgotten */
	EXPECT_NOTHING();
	assert_int_equal(destination.phase, DESTINATION_LOADING);
	feed_destination(COMES(PREPARE));
	EXPECT(DO(FINISH_LOAD));
}

static void comes_back_after_ready(void **state)
{
	walk_destination_to(DESTINATION_READY);
	lose();
	come_back(true);
	EXPECT(SEND(RESUMED), SEND(READY));
	feed_destination(COMES(COMMIT));
	EXPECT(DO(RUN));
	lose();
	come_back(true);
	EXPECT(SEND(RESUMED)); /* RUNNING follows by itself */
	assert_int_equal(destination_resumed_phase(&destination), RESUMED_STARTING);
	feed_destination(DONE(RUN));
	EXPECT(SEND(RUNNING), SEND(SUMMARY), DO(FINISH));

	walk_destination_to(DESTINATION_STARTING);
	lose();
	feed_destination(DONE(RUN));
	EXPECT(DO(FINISH));
	feed_destination(EVENT_REJOINED, 0); /* RUNNING had nobody to hear it */
	EXPECT(SEND(RESUMED), SEND(RUNNING), SEND(SUMMARY));
	assert_int_equal(destination.phase, DESTINATION_ENDED);
}

/* The source noticed first: the session has dropped the old channels. */
static void comes_back_before_it_was_missed(void **state)
{
	walk_destination_to(DESTINATION_READY);
	come_back(true);
	EXPECT(SEND(RESUMED), SEND(READY));
	now_ns += STALL_NS; /* the new channel falls silent as well */
	feed_destination(EVENT_TICK, 0);
	EXPECT(DO(DETACH));
}

static void does_not_come_back(void **state)
{
	walk_destination_to(DESTINATION_LOADING);
	lose();
	time_passes();
	EXPECT(DO(CLOSE), DO(DISCARD));
	assert_int_equal(destination.error.code, -EPIPE);
	assert_non_null(strstr(destination.error.what, "did not come back within 30000 ms"));

	walk_destination_to(DESTINATION_READY);
	lose();
	time_passes();
	EXPECT(DO(CLOSE), DO(FINISH));
	assert_int_equal(out.list[1].outcome, GW_OWNER_UNKNOWN);

	walk_destination_to(DESTINATION_STARTING);
	lose();
	time_passes();
	EXPECT(DO(CLOSE));
	feed_destination(DONE(RUN));
	EXPECT(DO(FINISH));
	assert_int_equal(out.list[0].outcome, GW_COMPLETED);

	rig.reconnect_ms = UINT32_MAX; /* no source keeps a destination waiting for weeks */
	walk_destination_to(DESTINATION_LOADING);
	feed_destination(EVENT_PEER_LOST, 0);
	assert_int_equal(destination.deadline_ns, now_ns + 602 * NS_PER_S);
	rig.reconnect_ms = 0;
	walk_destination_to(DESTINATION_LOADING);
	feed_destination(EVENT_PEER_LOST, 0);
	EXPECT(DO(CLOSE), DO(DISCARD));
}

/* A failure that could not be told is the answer to whoever comes back. */
static void tells_late_that_it_failed(void **state)
{
	rig.code = -ENOSPC;
	walk_destination_to(DESTINATION_FINISHING);
	rig.code = 0;
	lose();
	rig.code = -ENOSPC;
	feed_destination(FAILED(FINISH_LOAD));
	EXPECT(DO(CLOSE), DO(DISCARD));
	feed_destination(EVENT_REJOINED, 0);
	EXPECT(SEND(FAILED), DO(CLOSE));
	assert_int_equal(out.list[0].error.code, -ENOSPC);
	feed_destination(DONE(DISCARD));
	feed_destination(EVENT_REJOINED, 0);
	EXPECT(SEND(FAILED), DO(CLOSE));
	assert_int_equal(out.list[0].error.code, -ENOSPC);

	rig.code = 0;
	walk_destination_to(DESTINATION_STARTING);
	lose();
	feed_destination(FAILED(RUN));
	EXPECT(DO(CLOSE), DO(DISCARD));
	feed_destination(EVENT_REJOINED, 0);
	EXPECT(SEND(FAILED), DO(CLOSE));
}

static void settles_what_was_unknown(void **state)
{
	walk_destination_to(DESTINATION_READY);
	lose();
	time_passes();
	assert_int_equal(destination.outcome, GW_OWNER_UNKNOWN);
	come_back(true);
	EXPECT(SEND(RESUMED), SEND(READY));
	assert_int_equal(destination.outcome, GW_OUTCOME_NONE);
	assert_int_equal(destination.phase, DESTINATION_READY);
	feed_destination(COMES(COMMIT));
	EXPECT(DO(RUN));
	feed_destination(DONE(RUN));
	EXPECT(SEND(RUNNING), SEND(SUMMARY), DO(FINISH));
	assert_int_equal(out.list[2].outcome, GW_COMPLETED);
	assert_int_equal(out.list[2].error.code, 0);
}

/* Another process may have run that guest: FAILED would be more than this one knows. */
static void refuses_to_resume_what_it_does_not_know(void **state)
{
	struct event ev;

	walk_destination_to(DESTINATION_HELLO);
	ev = make_event(COMES(HELLO));
	message.hello.role = ROLE_RESUME;
	message.hello.epoch = 1;
	destination_engine_step(&destination, &ev, &out);
	EXPECT(SEND(REFUSE), DO(CLOSE));
	assert_int_equal(destination.phase, DESTINATION_IDLE);
}

static void takes_part_in_dry_runs(void **state)
{
	rig.features = HELLO_DRY_RUN;
	walk_destination(3);
	feed_destination(DONE(CHECK));
	EXPECT(SEND(ACCEPT)); /* and nothing else is begun */
	feed_destination(COMES(CANCEL));
	EXPECT(DO(CLOSE));
	assert_int_equal(destination.phase, DESTINATION_IDLE);

	rig.features = HELLO_REHEARSAL;
	walk_destination(4); /* PREPARE_LOAD is under way */
	feed_destination(COMES(CANCEL));
	EXPECT(DO(CLOSE), DO(DISCARD));
	feed_destination(DONE(DISCARD));
	EXPECT_NOTHING();
	assert_int_equal(destination.phase, DESTINATION_DISCARDING); /* not before all is reported */
	feed_destination(DONE(PREPARE_LOAD));
	EXPECT_NOTHING();
	assert_int_equal(destination.phase, DESTINATION_IDLE);
	assert_int_equal(destination.outcome, GW_OUTCOME_NONE);

	rig.features = HELLO_REHEARSAL;
	walk_destination(6); /* nothing is ever prepared in a rehearsal */
	feed_destination(COMES(PREPARE));
	assert_int_equal(destination.error.code, -EPROTO);
	walk_destination(6); /* the user's word ends it */
	feed_destination(EVENT_CANCEL, 0);
	feed_destination(DONE(DISCARD));
	EXPECT(DO(FINISH));
}

int main(void)
{
#define AWAY_TEST(test) cmocka_unit_test_setup(test, setup)
	const struct CMUnitTest tests[] = {
		AWAY_TEST(comes_back_while_loading), AWAY_TEST(comes_back_while_finishing),
		AWAY_TEST(comes_back_after_ready),   AWAY_TEST(comes_back_before_it_was_missed),
		AWAY_TEST(does_not_come_back),       AWAY_TEST(tells_late_that_it_failed),
		AWAY_TEST(settles_what_was_unknown), AWAY_TEST(refuses_to_resume_what_it_does_not_know),
		AWAY_TEST(takes_part_in_dry_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
