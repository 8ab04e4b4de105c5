/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the tests of the engines share: the way of a migration that succeeds, written down once as a table, and
 * functions to walk along it to a place from which a test goes elsewhere. Included by one test file each.
 */
#ifndef TEST_ENGINE_RIG_H
#define TEST_ENGINE_RIG_H

#include "base/bits.h"
#include "engine/destination.h"
#include "engine/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define STEP_NS     (25 * NS_PER_MS)
#define STALL_NS    (8 * NS_PER_S)
#define NR_MESSAGES 20
#define BIT(n)      (1u << (n))
#define SEND(what)                        \
	{                                 \
		ACTION_SEND, FRAME_##what \
	}
#define DO(what)                 \
	{                        \
		ACTION_##what, 0 \
	}
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
	{ DONE(QUIESCE), SOURCE_STOP, { DO(STOP) } },
	{ DONE(ROUND), SOURCE_STOP, { { 0 } } },
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

/* One engine of each side, the time, what the last event came to. */
static struct source_engine source;
static struct destination_engine destination;
static struct actions out;
static struct message message;
static uint64_t now_ns;

/* What the walks begin with and what events bring: a test sets what it needs, rig_setup sets all back. */
static struct {
	struct source_config source;
	struct destination_config destination;
	uint32_t features, reconnect_ms; /* HELLO */
	enum resumed_phase resumed;
	enum claim_result claim;
	uint32_t nr_rearmed;
	uint64_t dirty_bytes; /* SYNC */
	int code;             /* FAILED, PEER_LOST */
	bool has_all;         /* REJOINED */
} rig;

static inline int rig_setup(void **state)
{
	memset(&rig, 0, sizeof(rig));
	rig.source = (struct source_config){ .downtime_limit_ns = 300 * NS_PER_MS, .stall_ns = STALL_NS };
	rig.destination = (struct destination_config){ .stall_ns = STALL_NS };
	rig.resumed = RESUMED_LOADING;
	rig.claim = CLAIM_MINE;
	rig.dirty_bytes = MIB;
	return 0;
}

#define RIG_TEST(test) cmocka_unit_test_setup(test, rig_setup)

static inline struct event make_event(enum event_type type, unsigned what)
{
	struct event ev = { .type = type, .now_ns = now_ns, .message = &message };

	memset(&message, 0, sizeof(message));
	message.type = type == EVENT_MESSAGE ? what : 0;
	ev.action = type == EVENT_DONE || type == EVENT_FAILED ? what : ACTION_NONE;
	switch (message.type) {
	case FRAME_HELLO:
		message.hello = (struct message_hello){ .version_min = 1,
							.version_max = 1,
							.role = ROLE_CONTROL,
							.features = rig.features,
							.reconnect_ms = rig.reconnect_ms };
		break;
	case FRAME_WELCOME:
		message.welcome.version = 1;
		break;
	case FRAME_RESUMED:
		message.resumed.phase = rig.resumed;
		break;
	}
	if (ev.action == ACTION_SYNC)
		ev.sync = (struct sync_result){ .dirty_bytes = rig.dirty_bytes, .bytes_per_s = GIB };
	else if (ev.action == ACTION_QUIESCE)
		ev.nr_rearmed = rig.nr_rearmed;
	else if (ev.action == ACTION_CLAIM)
		ev.claim = rig.claim;
	else if (type == EVENT_REJOINED)
		ev.has_all = rig.has_all;
	if (type == EVENT_FAILED || type == EVENT_PEER_LOST)
		ev.error.code = rig.code;
	return ev;
}

static inline void feed_source(enum event_type type, unsigned what)
{
	struct event ev = make_event(type, what);

	source_engine_step(&source, &ev, &out);
}

static inline void feed_destination(enum event_type type, unsigned what)
{
	struct event ev = make_event(type, what);

	destination_engine_step(&destination, &ev, &out);
}

static inline void expect(const struct want *want, unsigned nr)
{
	unsigned i;

	for (i = 0; i < nr && want[i].type; i++) {
		assert_true(i < out.nr);
		assert_string_equal(action_name(out.list[i].type), action_name(want[i].type));
		assert_int_equal(out.list[i].message, want[i].message);
	}
	assert_int_equal(out.nr, i);
}

#define EXPECT(...)                                           \
	do {                                                  \
		const struct want wanted[] = { __VA_ARGS__ }; \
		expect(wanted, ARRAY_SIZE(wanted));           \
	} while (0)
#define EXPECT_NOTHING() assert_int_equal(out.nr, 0)

/* nr: how many steps of the way to go. */
static inline void walk_source(unsigned nr)
{
	unsigned i;

	now_ns = 0;
	source_engine_init(&source, &rig.source);
	for (i = 0; i < nr; i++) {
		now_ns += STEP_NS;
		feed_source(source_way[i].event, source_way[i].what);
		assert_int_equal(source.phase, source_way[i].phase);
		expect(source_way[i].want, ARRAY_SIZE(source_way[i].want));
	}
	now_ns += STEP_NS;
}

static inline void walk_destination(unsigned nr)
{
	unsigned i;

	now_ns = 0;
	destination_engine_init(&destination, &rig.destination);
	for (i = 0; i < nr; i++) {
		now_ns += STEP_NS;
		feed_destination(destination_way[i].event, destination_way[i].what);
		assert_int_equal(destination.phase, destination_way[i].phase);
		expect(destination_way[i].want, ARRAY_SIZE(destination_way[i].want));
	}
	now_ns += STEP_NS;
}

/* To the last step that is still in the phase; UNPAUSE is off the way. */
static inline void walk_source_to(enum source_phase phase)
{
	unsigned i = ARRAY_SIZE(source_way);

	if (phase == SOURCE_UNPAUSE) {
		walk_source_to(SOURCE_QUIESCE);
		rig.nr_rearmed = 1;
		feed_source(DONE(QUIESCE));
		rig.nr_rearmed = 0;
		EXPECT(DO(UNPAUSE));
		return;
	}
	while (i && source_way[i - 1].phase != phase)
		i--;
	walk_source(i);
}

static inline void walk_destination_to(enum destination_phase phase)
{
	unsigned i = ARRAY_SIZE(destination_way);

	while (i && destination_way[i - 1].phase != phase)
		i--;
	walk_destination(i);
}

#endif
