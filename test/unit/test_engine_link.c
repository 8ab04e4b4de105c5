/* SPDX-License-Identifier: BSD-3-Clause */
/* The source's link: it breaks and comes back in every phase, or does not. */
#include "engine_rig.h"

#include <errno.h>

#define RECONNECT_NS (30 * NS_PER_S)

static int setup(void **state)
{
	rig_setup(state);
	rig.source.reconnect_ns = RECONNECT_NS;
	return 0;
}

static void lose(void)
{
	feed_source(EVENT_PEER_LOST, 0);
	EXPECT(DO(RECONNECT));
	assert_int_equal(source.link, LINK_DOWN);
	assert_int_equal(source.error.code, 0);
}

static void ask(void)
{
	feed_source(DONE(RECONNECT));
	EXPECT(SEND(HELLO));
	assert_int_equal(source.link, LINK_ASKING);
}

static void resume(enum resumed_phase phase)
{
	rig.resumed = phase;
	feed_source(COMES(RESUMED));
	EXPECT(DO(REJOIN));
	assert_int_equal(source.link, LINK_REJOINING);
}

static void expect_taken_back(int code)
{
	EXPECT(DO(CLOSE), DO(TAKE_BACK)); /* and no CANCEL: there is nobody to be told */
	assert_int_equal(source.error.code, code);
	assert_int_equal(source.deadline_ns, DEADLINE_NEVER);
}

static void comes_back_in_every_phase(void **state)
{
	enum source_phase phase;
	uint32_t pending;

	for (phase = SOURCE_PRECOPY; phase <= SOURCE_DRAIN; phase++) {
		walk_source_to(phase);
		pending = source.pending;
		lose();
		assert_int_equal(source.deadline_ns, now_ns + RECONNECT_NS); /* neither silence nor pings */
		feed_source(EVENT_PEER_LOST, 0);
		EXPECT_NOTHING();
		ask();
		resume(RESUMED_LOADING);
		feed_source(COMES(LOADABLE)); /* once more */
		EXPECT_NOTHING();
		feed_source(DONE(REJOIN));
		EXPECT_NOTHING();
		assert_int_equal(source.phase, phase);
		assert_int_equal(source.pending, pending); /* the session begins that anew */
		assert_int_equal(source.link, LINK_UP);
		assert_int_equal(source.deadline_ns, now_ns + STALL_NS / 4);
		assert_int_equal(source.nr_reconnects, 1);
	}
}

/* Before there is anything to come back to, and after there is anything to be lost, a loss is the end. */
static void comes_back_only_where_it_can(void **state)
{
	enum source_phase phase;

	for (phase = SOURCE_CONNECT; phase <= SOURCE_SETUP; phase++) {
		walk_source_to(phase);
		feed_source(EVENT_PEER_LOST, 0);
		expect_taken_back(-EPIPE);
	}
	walk_source_to(SOURCE_RELEASING);
	feed_source(EVENT_PEER_LOST, 0);
	assert_int_equal(source.link, LINK_UP);
}

static void silence_breaks_the_link(void **state)
{
	walk_source_to(SOURCE_DRAIN);
	now_ns += STALL_NS;
	feed_source(EVENT_TICK, 0);
	EXPECT(DO(RECONNECT));
	ask();
	now_ns = source.silence_ns;
	assert_int_equal(now_ns, source.deadline_ns);
	feed_source(EVENT_TICK, 0); /* it opened, but nobody is there */
	EXPECT(DO(RECONNECT));
	ask();
	resume(RESUMED_LOADING);
	feed_source(DONE(REJOIN));
	assert_int_equal(source.link, LINK_UP);
}

static void goes_on_from_what_had_arrived(void **state)
{
	walk_source_to(SOURCE_PREPARED); /* PREPARE was lost, or what it promised */
	lose();
	ask();
	resume(RESUMED_LOADING);
	feed_source(DONE(REJOIN));
	EXPECT(DO(DRAIN));
	assert_int_equal(source.phase, SOURCE_DRAIN);
	feed_source(DONE(DRAIN));
	EXPECT(SEND(PREPARE));

	walk_source_to(SOURCE_PREPARED); /* READY was lost */
	lose();
	ask();
	resume(RESUMED_HAS_ALL);
	feed_source(DONE(REJOIN));
	EXPECT_NOTHING();
	feed_source(COMES(READY));
	EXPECT(DO(DECIDE));

	walk_source_to(SOURCE_COMMITTED); /* COMMIT was lost */
	lose();
	ask();
	resume(RESUMED_HAS_ALL);
	feed_source(COMES(READY)); /* the destination says again where it stands */
	EXPECT_NOTHING();
	feed_source(DONE(REJOIN));
	EXPECT(SEND(COMMIT));

	walk_source_to(SOURCE_COMMITTED); /* RUNNING was lost */
	lose();
	ask();
	resume(RESUMED_STARTING);
	feed_source(DONE(REJOIN));
	EXPECT_NOTHING();
	feed_source(COMES(RUNNING));
	EXPECT(DO(RELEASE));
}

/* Nothing but HELLO is sent unless the link is up: not PREPARE, COMMIT, CANCEL or PING. */
static void says_nothing_without_a_link(void **state)
{
	walk_source_to(SOURCE_DRAIN);
	lose();
	feed_source(DONE(DRAIN));
	EXPECT_NOTHING();
	assert_int_equal(source.phase, SOURCE_PREPARED);
	ask();
	resume(RESUMED_LOADING);
	feed_source(DONE(REJOIN));
	EXPECT(DO(DRAIN));

	walk_source_to(SOURCE_COMMITTING);
	lose();
	feed_source(DONE(DECIDE));
	EXPECT_NOTHING();
	assert_int_equal(source.phase, SOURCE_COMMITTED);
	ask();
	resume(RESUMED_HAS_ALL);
	feed_source(DONE(REJOIN));
	EXPECT(SEND(COMMIT));

	walk_source_to(SOURCE_PREPARED); /* READY while REJOIN is under way */
	lose();
	ask();
	resume(RESUMED_HAS_ALL);
	feed_source(COMES(READY));
	EXPECT(DO(DECIDE));
	feed_source(DONE(DECIDE));
	EXPECT_NOTHING();
	feed_source(DONE(REJOIN));
	EXPECT(SEND(COMMIT));

	walk_source_to(SOURCE_STOP);
	lose();
	feed_source(EVENT_CANCEL, 0);
	expect_taken_back(-ECANCELED);
	feed_source(FAILED(RECONNECT)); /* CLOSE ended it */
	EXPECT_NOTHING();
	walk_source_to(SOURCE_STOP);
	lose();
	ask();
	feed_source(EVENT_FAULT, 0);
	expect_taken_back(-EIO);
}

static void does_not_pause_without_a_link(void **state)
{
	walk_source(10);
	lose();
	feed_source(DONE(SYNC));
	EXPECT(DO(ROUND));
	assert_int_equal(source.phase, SOURCE_PRECOPY);
}

static void tries_until_time_is_up(void **state)
{
	uint64_t deadline_ns;

	walk_source_to(SOURCE_DRAIN);
	deadline_ns = now_ns + RECONNECT_NS;
	lose();
	now_ns += NS_PER_S;
	rig.code = -ETIMEDOUT;
	feed_source(FAILED(RECONNECT));
	EXPECT_NOTHING();
	now_ns = source.deadline_ns;
	feed_source(EVENT_TICK, 0);
	EXPECT(DO(RECONNECT));
	ask();
	feed_source(EVENT_PEER_LOST, 0); /* of the same series: the deadline is the first loss's */
	EXPECT(DO(RECONNECT));
	ask();
	resume(RESUMED_LOADING);
	feed_source(EVENT_PEER_LOST, 0);
	EXPECT_NOTHING(); /* not beside REJOIN */
	assert_int_equal(source.deadline_ns, deadline_ns);
	feed_source(DONE(REJOIN));
	EXPECT(DO(RECONNECT));
	ask();
	resume(RESUMED_LOADING);
	feed_source(FAILED(REJOIN));
	EXPECT_NOTHING();
	assert_int_equal(source.deadline_ns, now_ns + 100 * NS_PER_MS);
	now_ns = deadline_ns;
	feed_source(EVENT_TICK, 0);
	expect_taken_back(-EPIPE);
	assert_non_null(strstr(source.error.what, "did not come back within 30000 ms"));

	walk_source_to(SOURCE_COMMITTED);
	lose();
	now_ns = source.deadline_ns;
	feed_source(EVENT_TICK, 0);
	EXPECT(DO(CLOSE), DO(FINISH));
	assert_int_equal(out.list[1].outcome, GW_OWNER_UNKNOWN);
}

/* A new loss after it was up is a new series. */
static void has_time_anew_once_it_was_up(void **state)
{
	walk_source_to(SOURCE_DRAIN);
	lose();
	now_ns += RECONNECT_NS - 1;
	ask();
	resume(RESUMED_LOADING);
	feed_source(DONE(REJOIN));
	now_ns += NS_PER_S;
	lose();
	assert_int_equal(source.deadline_ns, now_ns + RECONNECT_NS);
}

static void gives_up_when_nobody_listens(void **state)
{
	static const int codes[] = { -ECONNREFUSED, -ENOENT };
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		walk_source_to(SOURCE_QUIESCE);
		rig.code = 0;
		lose();
		rig.code = codes[i];
		feed_source(FAILED(RECONNECT));
		expect_taken_back(-EPIPE);
	}
	rig.code = 0;
	walk_source_to(SOURCE_COMMITTED);
	lose();
	ask();
	feed_source(COMES(REFUSE)); /* nobody knows of it there, which is no proof */
	EXPECT(DO(CLOSE), DO(FINISH));
	assert_int_equal(out.list[1].outcome, GW_OWNER_UNKNOWN);
	walk_source_to(SOURCE_PRECOPY);
	feed_source(COMES(REFUSE)); /* not asked */
	assert_int_equal(source.error.code, -EPROTO);
}

static void believes_only_what_can_be(void **state)
{
	static const struct {
		enum source_phase phase;
		enum resumed_phase resumed;
	} lies[] = {
		{ SOURCE_PRECOPY, RESUMED_HAS_ALL },
		{ SOURCE_DRAIN, RESUMED_STARTING },
		{ SOURCE_COMMITTING, RESUMED_LOADING },
		{ SOURCE_COMMITTED, RESUMED_LOADING },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(lies); i++) {
		walk_source_to(lies[i].phase);
		lose();
		ask();
		rig.resumed = lies[i].resumed;
		feed_source(COMES(RESUMED));
		assert_int_equal(source.error.code, -EPROTO);
		assert_int_equal(source.outcome,
				 lies[i].phase == SOURCE_COMMITTED ? GW_OWNER_UNKNOWN : GW_OUTCOME_NONE);
	}
	walk_source_to(SOURCE_DRAIN);
	lose();
	feed_source(COMES(RESUMED)); /* late, of a channel that is no more */
	EXPECT_NOTHING();
}

/* What the destination has done is so, whatever the link is like. */
static void hears_the_end_at_any_time(void **state)
{
	walk_source_to(SOURCE_COMMITTED);
	lose();
	feed_source(COMES(RUNNING)); /* on its way when it broke */
	EXPECT(DO(CLOSE), DO(RELEASE));
	feed_source(DONE(RELEASE));
	EXPECT(DO(CLOSE));
	feed_source(FAILED(RECONNECT));
	EXPECT(DO(CLOSE), DO(FINISH));
	assert_int_equal(source.outcome, GW_COMPLETED);

	walk_source_to(SOURCE_COMMITTED);
	lose();
	ask();
	feed_source(COMES(FAILED));
	expect_taken_back(-EIO);

	walk_source_to(SOURCE_PREPARED); /* a user took over there meanwhile */
	lose();
	ask();
	resume(RESUMED_STARTING);
	feed_source(COMES(RUNNING));
	EXPECT(DO(RELEASE));
	feed_source(COMES(SUMMARY));
	EXPECT(DO(CLOSE)); /* REJOIN ends with it */
	feed_source(FAILED(REJOIN));
	EXPECT_NOTHING();
	feed_source(DONE(RELEASE));
	EXPECT(DO(CLOSE), DO(FINISH));
	assert_int_equal(source.outcome, GW_COMPLETED);
}

int main(void)
{
#define LINK_TEST(test) cmocka_unit_test_setup(test, setup)
	const struct CMUnitTest tests[] = {
		LINK_TEST(comes_back_in_every_phase),    LINK_TEST(comes_back_only_where_it_can),
		LINK_TEST(silence_breaks_the_link),      LINK_TEST(goes_on_from_what_had_arrived),
		LINK_TEST(says_nothing_without_a_link),  LINK_TEST(does_not_pause_without_a_link),
		LINK_TEST(tries_until_time_is_up),       LINK_TEST(has_time_anew_once_it_was_up),
		LINK_TEST(gives_up_when_nobody_listens), LINK_TEST(believes_only_what_can_be),
		LINK_TEST(hears_the_end_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
