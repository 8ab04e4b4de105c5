/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Both engines: every event in every place of the way, in and out of season, against the rules that no event may
 * break; and the names of things.
 */
#include "engine_rig.h"

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
	if (asks_for(ACTION_CLAIM, 0))
		assert_true(was >= SOURCE_PREPARED && was <= SOURCE_COMMITTED && rig.source.arbiter);
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
		assert_true(was == DESTINATION_READY && event == EVENT_MESSAGE && what == FRAME_COMMIT &&
			    !rig.destination.arbiter);
	if (asks_for(ACTION_CLAIM, 0))
		assert_true(was == DESTINATION_READY && rig.destination.arbiter);
	if (asks_for(ACTION_SEND, FRAME_FAILED))
		assert_true(destination.phase == DESTINATION_DISCARDING || was < DESTINATION_LOADING);
	assert_int_equal(destination.phase == DESTINATION_ENDED, destination.outcome != GW_OUTCOME_NONE);
}

/* With an arbiter the destination's way leaves the one that is written down after READY. */
static unsigned destination_steps(void)
{
	return rig.destination.arbiter ? 8 : ARRAY_SIZE(destination_way);
}

static void take_everything(void)
{
	unsigned nr, event, what;

	for (event = 0; event < NR_EVENT_TYPES + 2; event++) {
		for (what = 0; what < NR_ACTION_TYPES + 2; what++) {
			for (nr = 0; nr <= ARRAY_SIZE(source_way); nr++)
				source_holds_its_rule(nr, event, what);
			for (nr = 0; nr <= destination_steps(); nr++)
				destination_holds_its_rule(nr, event, what);
		}
	}
}

static void engines_take_everything(void **state)
{
	for (unsigned options = 0; options < 4; options++) {
		rig.source.reconnect_ns = options & 1 ? 30 * NS_PER_S : 0;
		rig.reconnect_ms = options & 1 ? 30000 : 0;
		rig.source.arbiter = rig.destination.arbiter = options & 2;
		take_everything();
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
		RIG_TEST(engines_take_everything),
		RIG_TEST(names_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
