/* SPDX-License-Identifier: BSD-3-Clause */
/* The source's engine, event by event: its way, and everything that can happen to it on that way. */
#include "engine_rig.h"

#include <errno.h>

/* What a phase may hear, written by hand and not taken from the engine: every other message is an error there. */
#define HEAR_ALWAYS (BIT(FRAME_PING) | BIT(FRAME_GRANT) | BIT(FRAME_INITIAL_LOADED) | BIT(FRAME_FAILED))
static const uint32_t source_hears[NR_SOURCE_PHASES] = {
	[SOURCE_CONNECT] = HEAR_ALWAYS | BIT(FRAME_WELCOME) | BIT(FRAME_REFUSE),
	[SOURCE_MANIFEST] = HEAR_ALWAYS | BIT(FRAME_ACCEPT) | BIT(FRAME_REFUSE),
	[SOURCE_SETUP] = HEAR_ALWAYS | BIT(FRAME_LOADABLE),
	[SOURCE_PRECOPY] = HEAR_ALWAYS | BIT(FRAME_LOADABLE),
	[SOURCE_PAUSE] = HEAR_ALWAYS,
	[SOURCE_QUIESCE] = HEAR_ALWAYS,
	[SOURCE_UNPAUSE] = HEAR_ALWAYS,
	[SOURCE_STOP] = HEAR_ALWAYS,
	[SOURCE_DRAIN] = HEAR_ALWAYS,
	[SOURCE_PREPARED] = HEAR_ALWAYS | BIT(FRAME_READY),
	[SOURCE_COMMITTING] = HEAR_ALWAYS,
	[SOURCE_COMMITTED] = HEAR_ALWAYS | BIT(FRAME_RUNNING),
};

static void expect_rolled_back(int code)
{
	assert_int_equal(source.phase, SOURCE_TAKING_BACK);
	assert_int_equal(source.error.code, code);
	assert_int_equal(source.deadline_ns, DEADLINE_NEVER);
	feed_source(DONE(TAKE_BACK));
	EXPECT(DO(FINISH));
	assert_int_equal(out.list[0].outcome, GW_ROLLED_BACK);
	assert_int_equal(out.list[0].error.code, code);
	assert_false(source.cannot_go_on);
	feed_source(EVENT_TAKE_BACK, 0);
	EXPECT_NOTHING();
}

static void source_completes(void **state)
{
	walk_source(ARRAY_SIZE(source_way));
	assert_int_equal(out.list[1].outcome, GW_COMPLETED);
	assert_int_equal(out.list[1].error.code, 0);
	assert_int_equal(source.outcome, GW_COMPLETED);
	assert_int_equal(source.pending, 0);
	assert_int_equal(source.deadline_ns, DEADLINE_NEVER);
}

/* Wherever an action is under way, its failure rolls back; DECIDE's too, for nothing was sent yet. */
static void source_rolls_back_when_an_action_fails(void **state)
{
	unsigned nr, action;

	for (nr = 1; nr < ARRAY_SIZE(source_way); nr++) {
		for (action = 1; action < NR_ACTION_TYPES; action++) {
			walk_source(nr);
			if (!(source.pending & BIT(action)) || action == ACTION_RELEASE)
				continue;
			feed_source(EVENT_FAILED, action);
			if (action == ACTION_CONNECT)
				EXPECT(DO(CLOSE), DO(TAKE_BACK));
			else
				EXPECT(SEND(CANCEL), DO(CLOSE), DO(TAKE_BACK));
			expect_rolled_back(-EIO);
		}
	}
}

static void source_rolls_back_on_fault_and_cancel(void **state)
{
	unsigned phase;

	for (phase = SOURCE_MANIFEST; phase <= SOURCE_PREPARED; phase++) {
		walk_source_to(phase);
		feed_source(EVENT_FAULT, 0);
		EXPECT(SEND(CANCEL), DO(CLOSE), DO(TAKE_BACK));
		expect_rolled_back(-EIO);
		walk_source_to(phase);
		feed_source(EVENT_CANCEL, 0);
		EXPECT(SEND(CANCEL), DO(CLOSE), DO(TAKE_BACK));
		expect_rolled_back(-ECANCELED);
	}
	for (phase = SOURCE_COMMITTING; phase <= SOURCE_RELEASING; phase++) {
		walk_source_to(phase);
		feed_source(EVENT_CANCEL, 0);
		EXPECT_NOTHING();
		assert_int_equal(source.phase, phase);
	}
}

static void source_rolls_back_when_the_peer_is_lost_or_fails(void **state)
{
	unsigned phase;

	for (phase = SOURCE_CONNECT; phase <= SOURCE_COMMITTING; phase++) {
		walk_source_to(phase);
		feed_source(EVENT_PEER_LOST, 0);
		EXPECT(DO(CLOSE), DO(TAKE_BACK));
		expect_rolled_back(-EPIPE);
		walk_source_to(phase);
		feed_source(COMES(FAILED));
		EXPECT(DO(CLOSE), DO(TAKE_BACK));
		expect_rolled_back(-EIO);
		walk_source_to(phase);
		now_ns += STALL_NS;
		assert_true(now_ns >= source.deadline_ns);
		feed_source(EVENT_TICK, 0);
		EXPECT(SEND(CANCEL), DO(CLOSE), DO(TAKE_BACK));
		expect_rolled_back(-ETIMEDOUT);
	}
}

static void source_tells_its_needs_before_the_manifest(void **state)
{
	rig.source.has_needs = true;
	walk_source(2);
	feed_source(COMES(WELCOME));
	EXPECT(SEND(NEEDS), SEND(MANIFEST));
	assert_int_equal(source.phase, SOURCE_MANIFEST);
}

static void source_tells_why_it_was_refused(void **state)
{
	struct event ev;

	walk_source_to(SOURCE_MANIFEST);
	ev = make_event(COMES(REFUSE));
	message.refuse.nr = 2;
	strcpy(message.refuse.list[0].where, "nic0");
	strcpy(message.refuse.list[0].what, "it is not here");
	source_engine_step(&source, &ev, &out);
	EXPECT(DO(CLOSE), DO(TAKE_BACK));
	assert_string_equal(source.error.where, "nic0");
	assert_string_equal(source.error.what, "refused by the destination: it is not here (and 1 more)");
	expect_rolled_back(-ENOTSUP);

	walk_source_to(SOURCE_CONNECT);
	ev = make_event(COMES(WELCOME));
	message.welcome.version = 9;
	source_engine_step(&source, &ev, &out);
	expect_rolled_back(-EPROTONOSUPPORT);
}

/* After COMMIT the guest comes back only on the destination's word or the user's. */
static void source_does_not_resume_after_commit(void **state)
{
	static const struct {
		enum event_type event;
		unsigned what;
		uint64_t after_ns;
		int code;
	} ways[] = {
		{ EVENT_PEER_LOST, 0, 0, -EPIPE },
		{ EVENT_TICK, 0, STALL_NS, -ETIMEDOUT },
		{ COMES(READY), 0, -EPROTO },
		{ COMES(SUMMARY), 0, -EPROTO },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		walk_source_to(SOURCE_COMMITTED);
		now_ns += ways[i].after_ns;
		feed_source(ways[i].event, ways[i].what);
		EXPECT(DO(CLOSE), DO(FINISH));
		assert_int_equal(out.list[1].outcome, GW_OWNER_UNKNOWN);
		assert_int_equal(out.list[1].error.code, ways[i].code);
		assert_int_equal(source.deadline_ns, DEADLINE_NEVER);
		feed_source(COMES(RUNNING));
		EXPECT_NOTHING();
		feed_source(EVENT_TAKE_BACK, 0);
		EXPECT(DO(TAKE_BACK));
		expect_rolled_back(ways[i].code);
	}
	walk_source_to(SOURCE_COMMITTED);
	feed_source(EVENT_FAULT, 0);
	EXPECT_NOTHING();
	feed_source(COMES(FAILED));
	EXPECT(DO(CLOSE), DO(TAKE_BACK));
	expect_rolled_back(-EIO);
}

static void source_ends_though_take_back_fails(void **state)
{
	walk_source_to(SOURCE_DRAIN);
	feed_source(EVENT_CANCEL, 0);
	feed_source(DONE(DRAIN)); /* late: changes nothing */
	EXPECT_NOTHING();
	feed_source(FAILED(TAKE_BACK));
	EXPECT(DO(FINISH));
	assert_int_equal(out.list[0].outcome, GW_ROLLED_BACK);
	assert_true(source.cannot_go_on);
	assert_int_equal(out.list[0].error.code, -EIO); /* what matters now */
	assert_non_null(strstr(out.list[0].error.what, "rolled back for: "));
}

static void source_waits_a_while_for_the_summary(void **state)
{
	walk_source(19);
	assert_int_equal(source.phase, SOURCE_RELEASING);
	feed_source(DONE(RELEASE));
	EXPECT_NOTHING();
	feed_source(COMES(PING));
	EXPECT_NOTHING();
	now_ns = source.deadline_ns;
	assert_true(now_ns != DEADLINE_NEVER);
	feed_source(EVENT_TICK, 0);
	EXPECT(DO(CLOSE), DO(FINISH));
	assert_int_equal(source.outcome, GW_COMPLETED);

	walk_source(19);
	feed_source(EVENT_PEER_LOST, 0);
	EXPECT_NOTHING();
	feed_source(FAILED(RELEASE));
	EXPECT(DO(CLOSE), DO(FINISH));
	assert_int_equal(source.outcome, GW_COMPLETED);
}

static void source_pings_and_spaces_short_rounds(void **state)
{
	uint64_t began_ns;

	walk_source(9);
	began_ns = source.round_began_ns;
	now_ns = began_ns + NS_PER_MS;
	feed_source(DONE(ROUND));
	EXPECT_NOTHING();
	assert_int_equal(source.deadline_ns, began_ns + 20 * NS_PER_MS);
	now_ns = source.deadline_ns;
	feed_source(EVENT_TICK, 0);
	EXPECT(DO(SYNC));
	now_ns = source.deadline_ns;
	feed_source(EVENT_TICK, 0);
	EXPECT(SEND(PING));
	assert_int_equal(source.deadline_ns, now_ns + STALL_NS / 4);
	feed_source(EVENT_TICK, 0); /* early: changes nothing */
	EXPECT_NOTHING();
}

static void source_refuses_what_has_no_meaning(void **state)
{
	unsigned nr, type;

	for (nr = 1; nr < ARRAY_SIZE(source_way); nr++) {
		for (type = 0; type < NR_MESSAGES + 50; type++) {
			walk_source(nr);
			if (type < NR_MESSAGES && source_hears[source.phase] & BIT(type))
				continue;
			feed_source(EVENT_MESSAGE, type);
			if (source_way[nr - 1].phase >= SOURCE_RELEASING)
				assert_int_equal(source.error.code, 0);
			else if (source_way[nr - 1].phase == SOURCE_COMMITTED)
				assert_int_equal(source.outcome, GW_OWNER_UNKNOWN);
			else
				expect_rolled_back(-EPROTO);
		}
	}
	walk_source(1); /* WELCOME before HELLO was sent, LOADABLE twice */
	feed_source(COMES(WELCOME));
	expect_rolled_back(-EPROTO);
	walk_source(8);
	feed_source(COMES(LOADABLE));
	expect_rolled_back(-EPROTO);
}

/* A device that wants initial bytes loaded first takes the decision back, but not for ever. */
static void source_takes_the_decision_back(void **state)
{
	unsigned i;

	walk_source_to(SOURCE_UNPAUSE);
	for (i = 1; i <= 4; i++) {
		assert_int_equal(source.phase, SOURCE_UNPAUSE);
		assert_int_equal(source.nr_taken_back, i);
		feed_source(EVENT_DONE, i & 1 ? ACTION_UNPAUSE : ACTION_ROUND);
		EXPECT_NOTHING(); /* the other one is still under way */
		assert_int_equal(source.paused, 1);
		feed_source(EVENT_DONE, i & 1 ? ACTION_ROUND : ACTION_UNPAUSE);
		EXPECT(DO(SYNC));
		assert_int_equal(source.phase, SOURCE_PRECOPY);
		assert_int_equal(source.paused, 0);
		feed_source(DONE(SYNC));
		EXPECT(DO(PAUSE));
		feed_source(DONE(PAUSE));
		EXPECT(DO(QUIESCE), DO(ROUND));
		rig.nr_rearmed = 1;
		feed_source(DONE(QUIESCE));
		rig.nr_rearmed = 0;
	}
	EXPECT(DO(STOP)); /* the device's wish is on record; the migration does not fail for it */
	assert_int_equal(source.nr_taken_back, 4);
}

static void source_rolls_back_from_unpause(void **state)
{
	walk_source_to(SOURCE_UNPAUSE);
	feed_source(FAILED(UNPAUSE));
	assert_int_equal(source.paused, 1); /* whoever takes back has to resume it */
	expect_rolled_back(-EIO);
	walk_source_to(SOURCE_UNPAUSE);
	feed_source(FAILED(ROUND));
	expect_rolled_back(-EIO);
}

static void source_throttles_by_steps(void **state)
{
	static const unsigned steps[] = { 20, 40, 60, 75, 85, 92, 96, 99 };
	unsigned i, nr = 0;

	rig.source.no_converge = NO_CONVERGE_THROTTLE;
	rig.source.can_throttle = true;
	walk_source(10);
	rig.dirty_bytes = GIB;
	for (i = 0; i < 100; i++) {
		feed_source(DONE(SYNC));
		if (out.list[0].type == ACTION_THROTTLE) {
			assert_true(nr < ARRAY_SIZE(steps));
			assert_int_equal(out.list[0].percent, steps[nr++]);
			assert_int_equal(source.throttle_percent, out.list[0].percent);
			feed_source(DONE(THROTTLE));
		}
		EXPECT(DO(ROUND));
		now_ns += NS_PER_S / 4;
		feed_source(COMES(PING));
		feed_source(DONE(ROUND));
		EXPECT(DO(SYNC));
	}
	assert_int_equal(nr, ARRAY_SIZE(steps)); /* and then it goes on as it is */
}

static void source_limits_the_time_of_precopy(void **state)
{
	rig.source.precopy_limit_ns = 5 * NS_PER_S;
	walk_source(9); /* a round is under way, however long it may take */
	now_ns = source.precopy_deadline_ns;
	assert_int_equal(now_ns, 7 * STEP_NS + 5 * NS_PER_S);
	feed_source(COMES(PING));
	assert_true(source.deadline_ns <= now_ns);
	feed_source(EVENT_TICK, 0);
	EXPECT(SEND(CANCEL), DO(CLOSE), DO(TAKE_BACK));
	expect_rolled_back(-EBUSY);
	walk_source_to(SOURCE_QUIESCE);
	now_ns = source.precopy_deadline_ns;
	feed_source(COMES(PING));
	feed_source(EVENT_TICK, 0); /* it is pre-copy's limit, not the pause's */
	EXPECT(SEND(PING));
	assert_int_equal(source.deadline_ns, now_ns + STALL_NS / 4);
}

static void expect_nothing_was_wrong(void)
{
	EXPECT(SEND(CANCEL), DO(CLOSE), DO(TAKE_BACK));
	feed_source(DONE(TAKE_BACK));
	EXPECT(DO(FINISH));
	assert_int_equal(out.list[0].outcome, GW_ROLLED_BACK);
	assert_int_equal(out.list[0].error.code, 0);
}

static void source_makes_dry_runs(void **state)
{
	rig.source.dry_run = DRY_RUN_MANIFEST;
	walk_source(3);
	feed_source(COMES(ACCEPT));
	expect_nothing_was_wrong();
	assert_false(source.rehearsed);

	rig.source.dry_run = DRY_RUN_REHEARSAL;
	walk_source(10);
	feed_source(DONE(SYNC)); /* where it would pause */
	expect_nothing_was_wrong();
	assert_true(source.rehearsed);
	assert_true(source.estimate.total_ns > 0);
	assert_int_equal(source.paused, 0);
}

static void source_asks_though_it_is_blocked(void **state)
{
	rig.source.blocked = true;
	walk_source(3);
	feed_source(COMES(ACCEPT));
	EXPECT(SEND(CANCEL), DO(CLOSE), DO(TAKE_BACK));
	expect_rolled_back(-ENOTSUP);
	walk_source(0);
	source.error.code = -ENOTSUP; /* the session's first blocker stays the error */
	feed_source(EVENT_START, 0);
	rig.code = -ECONNREFUSED;
	feed_source(FAILED(CONNECT));
	expect_rolled_back(-ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(source_completes),
		RIG_TEST(source_tells_its_needs_before_the_manifest),
		RIG_TEST(source_rolls_back_when_an_action_fails),
		RIG_TEST(source_rolls_back_on_fault_and_cancel),
		RIG_TEST(source_rolls_back_when_the_peer_is_lost_or_fails),
		RIG_TEST(source_tells_why_it_was_refused),
		RIG_TEST(source_does_not_resume_after_commit),
		RIG_TEST(source_ends_though_take_back_fails),
		RIG_TEST(source_waits_a_while_for_the_summary),
		RIG_TEST(source_pings_and_spaces_short_rounds),
		RIG_TEST(source_refuses_what_has_no_meaning),
		RIG_TEST(source_takes_the_decision_back),
		RIG_TEST(source_rolls_back_from_unpause),
		RIG_TEST(source_throttles_by_steps),
		RIG_TEST(source_limits_the_time_of_precopy),
		RIG_TEST(source_makes_dry_runs),
		RIG_TEST(source_asks_though_it_is_blocked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
