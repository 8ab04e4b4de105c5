/* SPDX-License-Identifier: BSD-3-Clause */
/* The destination's engine, event by event: its way, and everything that can happen to it on that way. */
#include "engine_rig.h"

#include <errno.h>

/* What a phase may hear, written by hand and not taken from the engine: every other message is an error there. */
static const uint32_t destination_hears[NR_DESTINATION_PHASES] = {
	[DESTINATION_HELLO] = BIT(FRAME_PING) | BIT(FRAME_CANCEL) | BIT(FRAME_HELLO),
	[DESTINATION_MANIFEST] = BIT(FRAME_PING) | BIT(FRAME_CANCEL) | BIT(FRAME_NEEDS) | BIT(FRAME_MANIFEST),
	[DESTINATION_LOADING] = BIT(FRAME_PING) | BIT(FRAME_CANCEL) | BIT(FRAME_PREPARE) | BIT(FRAME_VM_STATE),
	[DESTINATION_FINISHING] = BIT(FRAME_PING) | BIT(FRAME_CANCEL),
	[DESTINATION_READY] = BIT(FRAME_PING) | BIT(FRAME_CANCEL) | BIT(FRAME_COMMIT),
};

static void expect_discarded(int code)
{
	assert_int_equal(destination.phase, DESTINATION_DISCARDING);
	assert_int_equal(destination.error.code, code);
	assert_int_equal(destination.deadline_ns, DEADLINE_NEVER);
	feed_destination(DONE(DISCARD));
	EXPECT(DO(FINISH));
	assert_int_equal(out.list[0].outcome, GW_ROLLED_BACK);
	assert_int_equal(out.list[0].error.code, code);
	feed_destination(EVENT_TAKE_OVER, 0);
	EXPECT_NOTHING();
}

static void destination_completes(void **state)
{
	walk_destination(ARRAY_SIZE(destination_way));
	assert_int_equal(out.list[2].outcome, GW_COMPLETED);
	assert_int_equal(out.list[2].error.code, 0);
	assert_int_equal(destination.pending, 0);
	assert_int_equal(destination.deadline_ns, DEADLINE_NEVER);
}

/* Before ACCEPT an attempt that comes to nothing leaves the destination as it was, ready for the next. */
static void destination_takes_the_next_source(void **state)
{
	struct event ev;

	walk_destination_to(DESTINATION_HELLO);
	ev = make_event(COMES(HELLO));
	message.hello.version_min = message.hello.version_max = 7;
	destination_engine_step(&destination, &ev, &out);
	EXPECT(SEND(FAILED), DO(CLOSE));
	assert_int_equal(out.list[0].error.code, -EPROTONOSUPPORT);
	assert_int_equal(destination.phase, DESTINATION_IDLE);
	feed_destination(EVENT_START, 0);
	assert_int_equal(destination.error.code, 0);
	feed_destination(EVENT_PEER_LOST, 0);
	EXPECT(DO(CLOSE));
	feed_destination(EVENT_START, 0);
	now_ns += STALL_NS;
	feed_destination(EVENT_TICK, 0);
	EXPECT(SEND(FAILED), DO(CLOSE));
	assert_int_equal(destination.phase, DESTINATION_IDLE);

	walk_destination(3); /* refused */
	ev = make_event(DONE(CHECK));
	ev.nr_reasons = 2;
	destination_engine_step(&destination, &ev, &out);
	EXPECT(SEND(REFUSE), DO(CLOSE));
	assert_int_equal(destination.phase, DESTINATION_IDLE);
	walk_destination(3); /* the check itself failed */
	feed_destination(FAILED(CHECK));
	EXPECT(SEND(FAILED), DO(CLOSE));
	assert_int_equal(destination.phase, DESTINATION_IDLE);
	walk_destination(3); /* lost while CHECK is under way: not idle before its report */
	feed_destination(EVENT_PEER_LOST, 0);
	EXPECT(DO(CLOSE));
	feed_destination(EVENT_START, 0);
	EXPECT_NOTHING();
	assert_int_equal(destination.phase, DESTINATION_MANIFEST);
	feed_destination(DONE(CHECK));
	EXPECT_NOTHING();
	assert_int_equal(destination.phase, DESTINATION_IDLE);
	assert_int_equal(destination.outcome, GW_OUTCOME_NONE);
}

static void destination_discards_before_ready(void **state)
{
	static const struct {
		enum event_type event;
		unsigned what;
		int code;
		bool tells;
	} ways[] = {
		{ EVENT_FAULT, 0, -EIO, true },        { EVENT_CANCEL, 0, -ECANCELED, true },
		{ EVENT_PEER_LOST, 0, -EPIPE, false }, { COMES(CANCEL), -ECANCELED, false },
		{ COMES(COMMIT), -EPROTO, true },      { EVENT_TICK, 0, -ETIMEDOUT, true },
	};
	unsigned phase, i;

	for (phase = DESTINATION_LOADING; phase <= DESTINATION_FINISHING; phase++) {
		for (i = 0; i < ARRAY_SIZE(ways); i++) {
			walk_destination_to(phase);
			now_ns += ways[i].event == EVENT_TICK ? STALL_NS : 0;
			feed_destination(ways[i].event, ways[i].what);
			if (ways[i].tells)
				EXPECT(SEND(FAILED), DO(CLOSE), DO(DISCARD));
			else
				EXPECT(DO(CLOSE), DO(DISCARD));
			expect_discarded(ways[i].code);
		}
	}
	walk_destination(4);
	feed_destination(FAILED(PREPARE_LOAD));
	expect_discarded(-EIO);
	walk_destination(4); /* PREPARE before LOADABLE */
	feed_destination(COMES(PREPARE));
	expect_discarded(-EPROTO);
	walk_destination(7);
	feed_destination(FAILED(FINISH_LOAD));
	expect_discarded(-EIO);
}

/* Nothing was said that could make the source give the guest away: it may say no, until it has said READY. */
static void destination_cancels_early(void **state)
{
	walk_destination(0);
	feed_destination(EVENT_CANCEL, 0);
	EXPECT(DO(FINISH));
	assert_int_equal(destination.outcome, GW_ROLLED_BACK);
	walk_destination(3);
	feed_destination(EVENT_CANCEL, 0);
	EXPECT(SEND(FAILED), DO(CLOSE), DO(FINISH));
	feed_destination(DONE(CHECK));
	EXPECT_NOTHING();
	walk_destination_to(DESTINATION_READY);
	feed_destination(EVENT_CANCEL, 0);
	EXPECT_NOTHING();
	assert_int_equal(destination.phase, DESTINATION_READY);
	walk_destination_to(DESTINATION_STARTING);
	feed_destination(EVENT_CANCEL, 0);
	EXPECT_NOTHING();
}

static void destination_holds_after_ready(void **state)
{
	unsigned way;

	for (way = 0; way < 4; way++) {
		walk_destination_to(DESTINATION_READY);
		now_ns += STALL_NS;
		feed_destination(way & 1 ? EVENT_TICK : EVENT_PEER_LOST, 0);
		EXPECT(DO(CLOSE), DO(FINISH)); /* and no FAILED: it may run yet */
		assert_int_equal(destination.outcome, GW_OWNER_UNKNOWN);
		feed_destination(COMES(COMMIT));
		EXPECT_NOTHING();
		if (way & 2) {
			feed_destination(EVENT_CANCEL, 0);
			EXPECT(DO(DISCARD));
			expect_discarded(way & 1 ? -ETIMEDOUT : -EPIPE);
			continue;
		}
		feed_destination(EVENT_TAKE_OVER, 0);
		EXPECT(DO(RUN));
		feed_destination(FAILED(RUN)); /* the last copy is kept */
		EXPECT(DO(FINISH));
		assert_int_equal(destination.outcome, GW_OWNER_UNKNOWN);
		feed_destination(EVENT_TAKE_OVER, 0);
		feed_destination(DONE(RUN));
		EXPECT(DO(FINISH));
		assert_int_equal(out.list[0].outcome, GW_COMPLETED);
	}
	walk_destination_to(DESTINATION_READY);
	feed_destination(COMES(CANCEL));
	EXPECT(DO(CLOSE), DO(DISCARD));
	expect_discarded(-ECANCELED);
	walk_destination_to(DESTINATION_READY);
	feed_destination(EVENT_FAULT, 0);
	EXPECT(SEND(FAILED), DO(CLOSE), DO(DISCARD));
	expect_discarded(-EIO);
}

static void destination_runs_or_gives_back(void **state)
{
	walk_destination_to(DESTINATION_STARTING);
	feed_destination(FAILED(RUN));
	EXPECT(SEND(FAILED), DO(CLOSE), DO(DISCARD));
	expect_discarded(-EIO);
	walk_destination_to(DESTINATION_STARTING);
	feed_destination(EVENT_FAULT, 0);
	EXPECT_NOTHING();
	feed_destination(EVENT_PEER_LOST, 0);
	EXPECT(DO(CLOSE));
	feed_destination(DONE(RUN));
	EXPECT(DO(FINISH));
	assert_int_equal(out.list[0].outcome, GW_COMPLETED);
}

static void destination_refuses_what_has_no_meaning(void **state)
{
	unsigned nr, type, was;

	for (nr = 1; nr < ARRAY_SIZE(destination_way) - 1; nr++) {
		for (type = 0; type < NR_MESSAGES + 50; type++) {
			walk_destination(nr);
			was = destination.phase;
			if (type < NR_MESSAGES && destination_hears[was] & BIT(type))
				continue;
			feed_destination(EVENT_MESSAGE, type);
			assert_int_equal(destination.error.code, -EPROTO);
			EXPECT(SEND(FAILED), DO(CLOSE), { was >= DESTINATION_LOADING ? ACTION_DISCARD : 0, 0 });
		}
	}
	walk_destination(3); /* MANIFEST twice */
	feed_destination(COMES(MANIFEST));
	assert_int_equal(destination.error.code, -EPROTO);
	walk_destination(3); /* NEEDS after it */
	feed_destination(COMES(NEEDS));
	assert_int_equal(destination.error.code, -EPROTO);
	walk_destination_to(DESTINATION_STARTING);
	feed_destination(COMES(COMMIT));
	EXPECT_NOTHING();
	assert_int_equal(destination.phase, DESTINATION_STARTING);
}

static void destination_hears_needs_before_the_manifest(void **state)
{
	walk_destination(2);
	feed_destination(COMES(NEEDS));
	EXPECT_NOTHING();
	assert_int_equal(destination.phase, DESTINATION_MANIFEST);
	feed_destination(COMES(MANIFEST));
	EXPECT(DO(CHECK));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(destination_completes),
		RIG_TEST(destination_hears_needs_before_the_manifest),
		RIG_TEST(destination_takes_the_next_source),
		RIG_TEST(destination_discards_before_ready),
		RIG_TEST(destination_cancels_early),
		RIG_TEST(destination_holds_after_ready),
		RIG_TEST(destination_runs_or_gives_back),
		RIG_TEST(destination_refuses_what_has_no_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
