/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both engines, event by event. The way of a migration that succeeds is written down once as a table; the other
 * tests walk to a place on it and do something else there. What each phase may hear is written by hand here, not
 * taken from the engines' tables: that is its worth.
 */
#include "base/bits.h"
#include "engine/destination.h"
#include "engine/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define STEP_NS	     (25 * NS_PER_MS)
#define STALL_NS     (8 * NS_PER_S)
#define NR_MESSAGES  18
#define BIT(n)	     (1u << (n))
#define SEND(what)   { ACTION_SEND, FRAME_##what }
#define DO(what)     { ACTION_##what, 0 }
#define DONE(what)   EVENT_DONE, ACTION_##what
#define FAILED(what) EVENT_FAILED, ACTION_##what
#define COMES(what)  EVENT_MESSAGE, FRAME_##what

struct want {
	enum action_type type;
	uint16_t message;
};

/* One event, the phase it leads to and all that is asked for then. */
struct step {
	enum event_type event;
	unsigned what; /* DONE, FAILED: the action; MESSAGE: the frame type */
	unsigned phase;
	struct want want[4];
};

static const struct step source_way[] = {
	{ EVENT_START, 0, SOURCE_CONNECT, { DO(CONNECT) } },
	{ DONE(CONNECT), SOURCE_CONNECT, { SEND(HELLO) } },
	{ COMES(WELCOME), SOURCE_MANIFEST, { SEND(MANIFEST) } },
	{ COMES(ACCEPT), SOURCE_SETUP, { DO(OPEN_DATA) } },
	{ DONE(OPEN_DATA), SOURCE_SETUP, { DO(TRACK_START) } },
	{ DONE(TRACK_START), SOURCE_SETUP, { DO(PRECOPY) } },
	{ DONE(PRECOPY), SOURCE_PRECOPY, { DO(SYNC) } },
	{ COMES(LOADABLE), SOURCE_PRECOPY, { { 0 } } },
	{ DONE(SYNC), SOURCE_PRECOPY, { DO(ROUND) } },
	{ DONE(ROUND), SOURCE_PRECOPY, { DO(SYNC) } },
	{ DONE(SYNC), SOURCE_PAUSE, { DO(PAUSE) } },
	{ DONE(PAUSE), SOURCE_QUIESCE, { DO(QUIESCE), DO(ROUND) } },
	{ DONE(ROUND), SOURCE_QUIESCE, { { 0 } } },
	{ DONE(QUIESCE), SOURCE_STOP, { DO(STOP) } },
	{ DONE(STOP), SOURCE_DRAIN, { DO(DRAIN) } },
	{ DONE(DRAIN), SOURCE_PREPARED, { SEND(PREPARE) } },
	{ COMES(READY), SOURCE_COMMITTING, { DO(DECIDE) } },
	{ DONE(DECIDE), SOURCE_COMMITTED, { SEND(COMMIT) } },
	{ COMES(RUNNING), SOURCE_RELEASING, { DO(RELEASE) } },
	{ COMES(SUMMARY), SOURCE_RELEASING, { { 0 } } },
	{ DONE(RELEASE), SOURCE_ENDED, { DO(CLOSE), DO(FINISH) } },
};

static const struct step destination_way[] = {
	{ EVENT_START, 0, DESTINATION_HELLO, { { 0 } } },
	{ COMES(HELLO), DESTINATION_MANIFEST, { SEND(WELCOME) } },
	{ COMES(MANIFEST), DESTINATION_MANIFEST, { DO(CHECK) } },
	{ DONE(CHECK), DESTINATION_LOADING, { SEND(ACCEPT), DO(PREPARE_LOAD) } },
	{ DONE(PREPARE_LOAD), DESTINATION_LOADING, { SEND(LOADABLE) } },
	{ COMES(VM_STATE), DESTINATION_LOADING, { { 0 } } },
	{ COMES(PREPARE), DESTINATION_FINISHING, { DO(FINISH_LOAD) } },
	{ DONE(FINISH_LOAD), DESTINATION_READY, { SEND(READY) } },
	{ COMES(COMMIT), DESTINATION_STARTING, { DO(RUN) } },
	{ DONE(RUN), DESTINATION_ENDED, { SEND(RUNNING), SEND(SUMMARY), DO(FINISH) } },
};

/* What a phase may hear; every other message is an error there. */
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

static const uint32_t destination_hears[NR_DESTINATION_PHASES] = {
	[DESTINATION_HELLO] = BIT(FRAME_PING) | BIT(FRAME_CANCEL) | BIT(FRAME_HELLO),
	[DESTINATION_MANIFEST] = BIT(FRAME_PING) | BIT(FRAME_CANCEL) | BIT(FRAME_MANIFEST),
	[DESTINATION_LOADING] = BIT(FRAME_PING) | BIT(FRAME_CANCEL) | BIT(FRAME_PREPARE) | BIT(FRAME_VM_STATE),
	[DESTINATION_FINISHING] = BIT(FRAME_PING) | BIT(FRAME_CANCEL),
	[DESTINATION_READY] = BIT(FRAME_PING) | BIT(FRAME_CANCEL) | BIT(FRAME_COMMIT),
};

/* ---- the rig: one engine of each side, the time, what the last event came to ---- */

static struct source_engine source;
static struct destination_engine destination;
static struct actions out;
static struct message message;
static uint64_t now_ns;

static struct event make_event(enum event_type type, unsigned what)
{
	struct event ev = { .type = type, .now_ns = now_ns, .message = &message };

	memset(&message, 0, sizeof(message));
	message.type = type == EVENT_MESSAGE ? what : 0;
	ev.action = type == EVENT_DONE || type == EVENT_FAILED ? what : ACTION_NONE;
	switch (message.type) {
	case FRAME_HELLO:
		message.hello = (struct message_hello){ .version_min = 1, .version_max = 1, .role = ROLE_CONTROL };
		break;
	case FRAME_WELCOME:
		message.welcome.version = 1;
		break;
	}
	if (ev.action == ACTION_SYNC)
		ev.sync = (struct sync_result){ .dirty_bytes = MIB, .bytes_per_s = GIB };
	return ev;
}

static void feed_source(enum event_type type, unsigned what)
{
	struct event ev = make_event(type, what);

	source_engine_step(&source, &ev, &out);
}

static void feed_destination(enum event_type type, unsigned what)
{
	struct event ev = make_event(type, what);

	destination_engine_step(&destination, &ev, &out);
}

static void expect(const struct want *want, unsigned nr)
{
	unsigned i;

	for (i = 0; i < nr && want[i].type; i++) {
		assert_true(i < out.nr);
		assert_string_equal(action_name(out.list[i].type), action_name(want[i].type));
		assert_int_equal(out.list[i].message, want[i].message);
	}
	assert_int_equal(out.nr, i);
}

#define EXPECT(...)                                                                                                    \
	do {                                                                                                           \
		const struct want wanted[] = { __VA_ARGS__ };                                                          \
		expect(wanted, ARRAY_SIZE(wanted));                                                                    \
	} while (0)
#define EXPECT_NOTHING() assert_int_equal(out.nr, 0)

/* nr: how many steps of the way to go. */
static void walk_source(unsigned nr)
{
	const struct source_config config = { .downtime_limit_ns = 300 * NS_PER_MS, .stall_ns = STALL_NS };
	unsigned i;

	now_ns = 0;
	source_engine_init(&source, &config);
	for (i = 0; i < nr; i++) {
		now_ns += STEP_NS;
		feed_source(source_way[i].event, source_way[i].what);
		assert_int_equal(source.phase, source_way[i].phase);
		expect(source_way[i].want, ARRAY_SIZE(source_way[i].want));
	}
	now_ns += STEP_NS;
}

static void walk_destination(unsigned nr)
{
	const struct destination_config config = { .stall_ns = STALL_NS };
	unsigned i;

	now_ns = 0;
	destination_engine_init(&destination, &config);
	for (i = 0; i < nr; i++) {
		now_ns += STEP_NS;
		feed_destination(destination_way[i].event, destination_way[i].what);
		assert_int_equal(destination.phase, destination_way[i].phase);
		expect(destination_way[i].want, ARRAY_SIZE(destination_way[i].want));
	}
	now_ns += STEP_NS;
}

/* To the last step that is still in the phase. */
static void walk_source_to(enum source_phase phase)
{
	unsigned i = ARRAY_SIZE(source_way);

	while (i && source_way[i - 1].phase != phase)
		i--;
	walk_source(i);
}

static void walk_destination_to(enum destination_phase phase)
{
	unsigned i = ARRAY_SIZE(destination_way);

	while (i && destination_way[i - 1].phase != phase)
		i--;
	walk_destination(i);
}

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

/* ---- the source ---- */

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

/* ---- the destination ---- */

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
		{ EVENT_FAULT, 0, -EIO, true },	       { EVENT_CANCEL, 0, -ECANCELED, true },
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
	walk_destination_to(DESTINATION_STARTING);
	feed_destination(COMES(COMMIT));
	EXPECT_NOTHING();
	assert_int_equal(destination.phase, DESTINATION_STARTING);
}

/* ---- every event in every place ---- */

static bool asks_for(enum action_type type, uint16_t sent)
{
	for (unsigned i = 0; i < out.nr; i++)
		if (out.list[i].type == type && out.list[i].message == sent)
			return true;
	return false;
}

static void source_holds_its_rule(unsigned nr, unsigned event, unsigned what)
{
	unsigned was;

	walk_source(nr);
	was = source.phase;
	feed_source(event, what);
	assert_true(out.nr <= ENGINE_MAX_ACTIONS);
	if (asks_for(ACTION_SEND, FRAME_COMMIT))
		assert_true(was == SOURCE_COMMITTING && event == EVENT_DONE && what == ACTION_DECIDE);
	if (was == SOURCE_COMMITTED && asks_for(ACTION_TAKE_BACK, 0))
		assert_true(event == EVENT_MESSAGE && what == FRAME_FAILED);
	if (was > SOURCE_COMMITTED)
		assert_false(asks_for(ACTION_TAKE_BACK, 0));
	assert_int_equal(source.phase == SOURCE_ENDED, source.outcome != GW_OUTCOME_NONE);
	for (unsigned i = 0; i < out.nr; i++)
		if (out.list[i].type >= ACTION_CONNECT)
			assert_true(source.pending & BIT(out.list[i].type));
}

static void destination_holds_its_rule(unsigned nr, unsigned event, unsigned what)
{
	unsigned was;

	walk_destination(nr);
	was = destination.phase;
	feed_destination(event, what);
	assert_true(out.nr <= ENGINE_MAX_ACTIONS);
	if (asks_for(ACTION_RUN, 0))
		assert_true(was == DESTINATION_READY && event == EVENT_MESSAGE && what == FRAME_COMMIT);
	if (asks_for(ACTION_SEND, FRAME_FAILED))
		assert_true(destination.phase == DESTINATION_DISCARDING || was < DESTINATION_LOADING);
	assert_int_equal(destination.phase == DESTINATION_ENDED, destination.outcome != GW_OUTCOME_NONE);
}

static void engines_take_everything(void **state)
{
	unsigned nr, event, what;

	for (event = 0; event < NR_EVENT_TYPES + 2; event++) {
		for (what = 0; what < NR_ACTION_TYPES + 2; what++) {
			for (nr = 0; nr <= ARRAY_SIZE(source_way); nr++)
				source_holds_its_rule(nr, event, what);
			for (nr = 0; nr <= ARRAY_SIZE(destination_way); nr++)
				destination_holds_its_rule(nr, event, what);
		}
	}
}

static void names_are_known(void **state)
{
	unsigned i;

	for (i = 0; i < NR_ACTION_TYPES; i++)
		assert_string_not_equal(action_name(i), "?");
	for (i = EVENT_START; i < NR_EVENT_TYPES; i++)
		assert_string_not_equal(event_name(i), "?");
	for (i = 0; i < NR_SOURCE_PHASES; i++)
		assert_string_not_equal(source_phase_name(i), "?");
	for (i = 0; i < NR_DESTINATION_PHASES; i++)
		assert_string_not_equal(destination_phase_name(i), "?");
	assert_string_equal(action_name(NR_ACTION_TYPES), "?");
	assert_string_equal(event_name(0), "?");
	assert_string_equal(source_phase_name(NR_SOURCE_PHASES), "?");
	assert_string_equal(destination_phase_name(NR_DESTINATION_PHASES), "?");
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
		cmocka_unit_test(destination_completes),
		cmocka_unit_test(destination_takes_the_next_source),
		cmocka_unit_test(destination_discards_before_ready),
		cmocka_unit_test(destination_cancels_early),
		cmocka_unit_test(destination_holds_after_ready),
		cmocka_unit_test(destination_runs_or_gives_back),
		cmocka_unit_test(destination_refuses_what_has_no_meaning),
		cmocka_unit_test(engines_take_everything),
		cmocka_unit_test(names_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
