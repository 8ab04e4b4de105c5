/* SPDX-License-Identifier: BSD-3-Clause */
/* Both engines with an arbiter: once PREPARE was sent, whoever runs the guest has claimed it, or heard FAILED. */
#include "engine_rig.h"

#include <errno.h>

static int setup(void **state)
{
	rig_setup(state);
	rig.source.arbiter = rig.destination.arbiter = true;
	return 0;
}

static void expect_source_finish(enum gw_outcome outcome)
{
	assert_int_equal(out.list[out.nr - 1].type, ACTION_FINISH);
	assert_int_equal(out.list[out.nr - 1].outcome, outcome);
	assert_int_equal(source.outcome, outcome);
}

/* ---- the source ---- */

static void source_claims_before_it_takes_back(void **state)
{
	static const struct {
		enum event_type event;
		unsigned what;
	} ways[] = { { EVENT_PEER_LOST, 0 }, { EVENT_FAULT, 0 }, { EVENT_CANCEL, 0 }, { COMES(SUMMARY) } };
	enum source_phase phase;

	for (phase = SOURCE_PREPARED; phase <= SOURCE_COMMITTED; phase++) {
		for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
			walk_source_to(phase);
			feed_source(ways[i].event, ways[i].what);
			if (!out.nr) /* too late for it */
				continue;
			if (ways[i].event == EVENT_PEER_LOST || phase == SOURCE_COMMITTED)
				EXPECT(DO(CLOSE), DO(CLAIM));
			else
				EXPECT(SEND(CANCEL), DO(CLOSE), DO(CLAIM));
			assert_int_equal(source.phase, SOURCE_CLAIMING);
			rig.claim = CLAIM_MINE;
			feed_source(DONE(CLAIM));
			EXPECT(DO(TAKE_BACK));
			feed_source(DONE(TAKE_BACK));
			expect_source_finish(GW_ROLLED_BACK);
		}
	}
	walk_source_to(SOURCE_DRAIN); /* no PREPARE was sent: there is nothing to be asked */
	feed_source(EVENT_CANCEL, 0);
	EXPECT(SEND(CANCEL), DO(CLOSE), DO(TAKE_BACK));
}

static void source_needs_no_claim_after_failed(void **state)
{
	enum source_phase phase;

	for (phase = SOURCE_PREPARED; phase <= SOURCE_COMMITTED; phase++) {
		walk_source_to(phase);
		feed_source(COMES(FAILED));
		EXPECT(DO(CLOSE), DO(TAKE_BACK));
	}
}

static void source_lets_go_when_it_is_theirs(void **state)
{
	walk_source_to(SOURCE_COMMITTED);
	feed_source(EVENT_PEER_LOST, 0);
	rig.claim = CLAIM_THEIRS;
	feed_source(DONE(CLAIM));
	EXPECT(DO(RELEASE));
	feed_source(DONE(RELEASE));
	EXPECT(DO(CLOSE), DO(FINISH));
	expect_source_finish(GW_COMPLETED);
}

static void source_asks_again(void **state)
{
	uint64_t began_ns;

	walk_source_to(SOURCE_COMMITTED);
	began_ns = now_ns;
	feed_source(EVENT_PEER_LOST, 0);
	for (unsigned i = 0; i < 100 && source.phase == SOURCE_CLAIMING; i++) {
		feed_source(FAILED(CLAIM));
		EXPECT_NOTHING();
		assert_int_equal(source.deadline_ns, now_ns + NS_PER_S);
		now_ns = source.deadline_ns;
		feed_source(EVENT_TICK, 0);
		if (source.phase == SOURCE_CLAIMING)
			EXPECT(DO(CLAIM));
	}
	assert_int_equal(now_ns, began_ns + STALL_NS);
	EXPECT(DO(FINISH));
	expect_source_finish(GW_OWNER_UNKNOWN);
	assert_int_equal(source.deadline_ns, now_ns + 5 * NS_PER_S);
	now_ns = source.deadline_ns;
	feed_source(EVENT_TICK, 0);
	EXPECT(DO(CLAIM));
	feed_source(FAILED(CLAIM));
	EXPECT_NOTHING();
	assert_int_equal(source.deadline_ns, now_ns + 5 * NS_PER_S);
	now_ns = source.deadline_ns;
	feed_source(EVENT_TICK, 0);
	rig.claim = CLAIM_MINE;
	feed_source(DONE(CLAIM)); /* it is reached again: known after all */
	EXPECT(DO(TAKE_BACK));
	feed_source(DONE(TAKE_BACK));
	expect_source_finish(GW_ROLLED_BACK);
	assert_int_equal(source.deadline_ns, DEADLINE_NEVER);
}

static void source_hears_the_user(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		walk_source_to(SOURCE_COMMITTED);
		feed_source(EVENT_PEER_LOST, 0);
		feed_source(EVENT_TAKE_BACK, 0); /* not before OWNER_UNKNOWN */
		EXPECT_NOTHING();
		feed_source(FAILED(CLAIM));
		now_ns += STALL_NS;
		feed_source(EVENT_TICK, 0);
		expect_source_finish(GW_OWNER_UNKNOWN);
		feed_source(EVENT_TAKE_BACK, 0);
		EXPECT(DO(CLAIM));
		rig.claim = i == 1 ? CLAIM_THEIRS : CLAIM_MINE;
		feed_source(i == 2 ? EVENT_FAILED : EVENT_DONE, ACTION_CLAIM);
		if (i == 1) /* the arbiter knows better than the user */
			EXPECT(DO(RELEASE));
		else
			EXPECT(DO(TAKE_BACK));
	}
}

/* With a way back, claiming waits for the link's deadline. */
static void source_reconnects_before_it_claims(void **state)
{
	rig.source.reconnect_ns = 30 * NS_PER_S;
	walk_source_to(SOURCE_COMMITTED);
	feed_source(EVENT_PEER_LOST, 0);
	EXPECT(DO(RECONNECT));
	now_ns = source.deadline_ns;
	feed_source(EVENT_TICK, 0);
	EXPECT(DO(CLOSE), DO(CLAIM));
	assert_int_equal(source.deadline_ns, now_ns + 30 * NS_PER_S);

	walk_source_to(SOURCE_PREPARED);
	feed_source(EVENT_PEER_LOST, 0);
	feed_source(DONE(RECONNECT));
	feed_source(COMES(REFUSE)); /* is not proof */
	EXPECT(DO(CLOSE), DO(CLAIM));
}

/* ---- the destination ---- */

static void destination_claims_before_it_runs(void **state)
{
	walk_destination_to(DESTINATION_READY);
	feed_destination(COMES(COMMIT));
	EXPECT(DO(CLAIM));
	assert_int_equal(destination.phase, DESTINATION_CLAIMING);
	feed_destination(COMES(CANCEL)); /* decides nothing any more */
	EXPECT_NOTHING();
	feed_destination(FAILED(CLAIM));
	EXPECT_NOTHING();
	assert_int_equal(destination.deadline_ns, now_ns + NS_PER_S);
	now_ns = destination.deadline_ns;
	feed_destination(EVENT_TICK, 0);
	EXPECT(DO(CLAIM));
	feed_destination(DONE(CLAIM));
	EXPECT(DO(RUN));
	feed_destination(DONE(RUN));
	EXPECT(SEND(RUNNING), SEND(SUMMARY), DO(FINISH));
	assert_int_equal(out.list[2].outcome, GW_COMPLETED);
	assert_int_equal(out.list[2].error.code, 0);

	walk_destination_to(DESTINATION_READY);
	feed_destination(COMES(COMMIT));
	rig.claim = CLAIM_THEIRS;
	feed_destination(DONE(CLAIM));
	EXPECT(SEND(FAILED), DO(CLOSE), DO(DISCARD));
	feed_destination(DONE(DISCARD));
	assert_int_equal(destination.outcome, GW_ROLLED_BACK);
}

static void become_unknown(void)
{
	walk_destination_to(DESTINATION_READY);
	feed_destination(EVENT_PEER_LOST, 0);
	EXPECT(DO(CLOSE), DO(CLAIM)); /* in COMMIT's place */
	feed_destination(FAILED(CLAIM));
	EXPECT(DO(CLOSE), DO(FINISH));
	assert_int_equal(out.list[1].outcome, GW_OWNER_UNKNOWN);
	assert_int_equal(destination.deadline_ns, now_ns + 5 * NS_PER_S);
}

static void destination_claims_what_nobody_has(void **state)
{
	become_unknown();
	now_ns = destination.deadline_ns;
	feed_destination(EVENT_TICK, 0);
	EXPECT(DO(CLAIM));
	feed_destination(FAILED(CLAIM));
	EXPECT_NOTHING(); /* it has been said */
	assert_int_equal(destination.deadline_ns, now_ns + 5 * NS_PER_S);
	now_ns = destination.deadline_ns;
	feed_destination(EVENT_TICK, 0);
	feed_destination(DONE(CLAIM));
	EXPECT(DO(RUN));
	feed_destination(DONE(RUN));
	EXPECT(DO(FINISH));
	assert_int_equal(out.list[0].outcome, GW_COMPLETED);

	become_unknown();
	now_ns = destination.deadline_ns;
	feed_destination(EVENT_TICK, 0);
	rig.claim = CLAIM_THEIRS;
	feed_destination(DONE(CLAIM));
	EXPECT(DO(CLOSE), DO(DISCARD));
	feed_destination(DONE(DISCARD));
	assert_int_equal(out.list[0].outcome, GW_ROLLED_BACK);
}

static void destination_waits_for_a_source_that_is_away(void **state)
{
	rig.reconnect_ms = 30000;
	walk_destination_to(DESTINATION_READY);
	feed_destination(COMES(COMMIT));
	feed_destination(EVENT_PEER_LOST, 0);
	EXPECT(DO(DETACH));
	feed_destination(FAILED(CLAIM));
	EXPECT_NOTHING(); /* it may come back */
	feed_destination(EVENT_REJOINED, 0);
	EXPECT(SEND(RESUMED));
	assert_int_equal(destination_resumed_phase(&destination), RESUMED_STARTING);
	feed_destination(COMES(COMMIT));
	EXPECT_NOTHING();
	feed_destination(EVENT_PEER_LOST, 0);
	now_ns = destination.away_deadline_ns;
	feed_destination(EVENT_TICK, 0);
	EXPECT(DO(CLOSE), DO(CLAIM));
	feed_destination(FAILED(CLAIM));
	EXPECT(DO(CLOSE), DO(FINISH));
	assert_int_equal(destination.outcome, GW_OWNER_UNKNOWN);
	feed_destination(EVENT_REJOINED, 0); /* alive after all: it is sent to the arbiter, too */
	EXPECT(SEND(REFUSE), DO(CLOSE));
	assert_int_equal(destination.outcome, GW_OWNER_UNKNOWN);
	now_ns = destination.deadline_ns;
	feed_destination(EVENT_TICK, 0);
	EXPECT(DO(CLAIM));
	feed_destination(DONE(CLAIM));
	EXPECT(DO(RUN));
}

/* The source stands there with its guest paused: it is set free to ask for itself. */
static void destination_does_not_ask_for_ever(void **state)
{
	uint64_t began_ns;

	walk_destination_to(DESTINATION_READY);
	began_ns = now_ns;
	feed_destination(COMES(COMMIT));
	for (unsigned i = 0; i < 100 && destination.phase == DESTINATION_CLAIMING; i++) {
		feed_destination(FAILED(CLAIM));
		EXPECT_NOTHING();
		now_ns = destination.next_claim_ns;
		feed_destination(COMES(PING));
		feed_destination(EVENT_TICK, 0);
	}
	assert_int_equal(now_ns, began_ns + STALL_NS);
	EXPECT(DO(CLOSE), DO(FINISH)); /* no FAILED: a claim may have been made */
	assert_int_equal(destination.outcome, GW_OWNER_UNKNOWN);

	rig.reconnect_ms = 30000; /* the same if it came back while it was being asked for */
	walk_destination_to(DESTINATION_READY);
	feed_destination(EVENT_PEER_LOST, 0);
	now_ns = destination.deadline_ns;
	feed_destination(EVENT_TICK, 0);
	EXPECT(DO(CLOSE), DO(CLAIM));
	feed_destination(EVENT_REJOINED, 0);
	EXPECT(SEND(RESUMED));
	assert_int_equal(destination.claim_deadline_ns, now_ns + 30 * NS_PER_S);
}

static void destination_gives_back_what_does_not_run(void **state)
{
	walk_destination_to(DESTINATION_READY);
	feed_destination(COMES(COMMIT));
	feed_destination(DONE(CLAIM));
	feed_destination(FAILED(RUN));
	EXPECT(DO(GIVE_BACK)); /* before FAILED is sent */
	feed_destination(DONE(GIVE_BACK));
	EXPECT(SEND(FAILED), DO(CLOSE), DO(DISCARD));
	assert_int_equal(out.list[0].error.code, -EIO);
}

/* Not recorded, or the source was told otherwise: what was claimed is not thrown away. */
static void destination_keeps_what_it_cannot_give_back(void **state)
{
	rig.reconnect_ms = 30000;
	walk_destination_to(DESTINATION_READY);
	feed_destination(COMES(COMMIT));
	feed_destination(DONE(CLAIM));
	feed_destination(FAILED(RUN));
	feed_destination(FAILED(GIVE_BACK));
	EXPECT(DO(CLOSE), DO(FINISH)); /* no FAILED: it may run here yet */
	assert_int_equal(destination.outcome, GW_OWNER_UNKNOWN);
	assert_int_equal(destination.deadline_ns, DEADLINE_NEVER); /* and does not try to by itself */
	feed_destination(EVENT_REJOINED, 0);
	EXPECT(DO(GIVE_BACK));
	feed_destination(DONE(GIVE_BACK));
	EXPECT(SEND(FAILED), DO(CLOSE), DO(DISCARD));

	walk_destination_to(DESTINATION_READY); /* the source is away for good: it was told, or is dead */
	feed_destination(COMES(COMMIT));
	feed_destination(DONE(CLAIM));
	feed_destination(EVENT_PEER_LOST, 0);
	now_ns = destination.deadline_ns;
	feed_destination(EVENT_TICK, 0);
	feed_destination(FAILED(RUN));
	EXPECT(DO(FINISH));
	assert_int_equal(destination.outcome, GW_OWNER_UNKNOWN);
	feed_destination(EVENT_TAKE_OVER, 0);
	EXPECT(DO(CLAIM));
	feed_destination(FAILED(CLAIM));
	EXPECT(DO(RUN)); /* the user's oath */
}

static void destination_discards_only_what_it_may(void **state)
{
	become_unknown();
	feed_destination(EVENT_CANCEL, 0);
	EXPECT(DO(GIVE_BACK)); /* the claim that failed may have been made */
	feed_destination(EVENT_PEER_LOST, 0);
	EXPECT_NOTHING();
	feed_destination(FAILED(GIVE_BACK));
	EXPECT(DO(CLOSE), DO(FINISH));
	assert_int_equal(out.list[1].outcome, GW_OWNER_UNKNOWN);
	feed_destination(EVENT_CANCEL, 0);
	feed_destination(EVENT_REJOINED, 0);
	feed_destination(DONE(GIVE_BACK));
	EXPECT(SEND(FAILED), DO(CLOSE), DO(DISCARD));
}

int main(void)
{
#define ARBITER_TEST(test) cmocka_unit_test_setup(test, setup)
	const struct CMUnitTest tests[] = {
		ARBITER_TEST(source_claims_before_it_takes_back),
		ARBITER_TEST(source_needs_no_claim_after_failed),
		ARBITER_TEST(source_lets_go_when_it_is_theirs),
		ARBITER_TEST(source_asks_again),
		ARBITER_TEST(source_hears_the_user),
		ARBITER_TEST(source_reconnects_before_it_claims),
		ARBITER_TEST(destination_claims_before_it_runs),
		ARBITER_TEST(destination_claims_what_nobody_has),
		ARBITER_TEST(destination_waits_for_a_source_that_is_away),
		ARBITER_TEST(destination_does_not_ask_for_ever),
		ARBITER_TEST(destination_gives_back_what_does_not_run),
		ARBITER_TEST(destination_keeps_what_it_cannot_give_back),
		ARBITER_TEST(destination_discards_only_what_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
