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
	assert_int_equal(out.list[0].error.code, -ECANCELED); /* the first failure stays */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(source_completes),
		cmocka_unit_test(source_rolls_back_when_an_action_fails),
		cmocka_unit_test(source_rolls_back_on_fault_and_cancel),
		cmocka_unit_test(source_rolls_back_when_the_peer_is_lost_or_fails),
		cmocka_unit_test(source_tells_why_it_was_refused),
		cmocka_unit_test(source_does_not_resume_after_commit),
		cmocka_unit_test(source_ends_though_take_back_fails),
		cmocka_unit_test(source_waits_a_while_for_the_summary),
		cmocka_unit_test(source_pings_and_spaces_short_rounds),
		cmocka_unit_test(source_refuses_what_has_no_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
