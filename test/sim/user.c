/* SPDX-License-Identifier: BSD-3-Clause */
/* The user, who has gone and looked at both sides, and does what doc/handover.md says. */
#include "world.h"

#define MAX_EVENTS 20000

void user_settle(struct world *world)
{
	uint64_t end = world->nr_events + MAX_EVENTS;

	while (world_step(world))
		if (world->nr_events > end) {
			judge_violation(world, "it does not end");
			break;
		}
}

static void tell(struct world *world, enum side side, enum event_type type)
{
	struct event event = { .type = type };

	world_trace(world, "--- the user: %s at the %s", event_name(type), side_name(side));
	world->user_decided = true;
	world_feed(world, side, &event);
	user_settle(world);
}

/* An oath about a side that asks the arbiter by itself is true only once its process has ended. */
static void end_process(struct world *world, enum side side)
{
	if (!world->config->arbiter || !world->sides[side].alive)
		return;
	world_trace(world, "--- the user ends the %s", side_name(side));
	link_kill(world, side);
}

static void take_over(struct world *world)
{
	if (source_is(world, GW_OWNER_UNKNOWN))
		end_process(world, SOURCE);
	tell(world, DESTINATION, EVENT_TAKE_OVER);
}

static void take_back(struct world *world)
{
	if (destination_is(world, GW_OWNER_UNKNOWN))
		end_process(world, DESTINATION);
	tell(world, SOURCE, EVENT_TAKE_BACK);
}

static void decide_both_unknown(struct world *world)
{
	if (rng_one_in(&world->rng, 2)) {
		take_over(world);
		return;
	}
	if (rng_one_in(&world->rng, 2))
		tell(world, DESTINATION, EVENT_CANCEL); /* it may refuse: the arbiter cannot be told */
	take_back(world);
}

bool user_decide(struct world *world)
{
	bool here = source_is(world, GW_OWNER_UNKNOWN), there = destination_is(world, GW_OWNER_UNKNOWN);

	if (here && there)
		decide_both_unknown(world);
	else if (here && !world->sides[DESTINATION].vcpus)
		take_back(world);
	else if (there && world->resumed && world->sides[SOURCE].vcpus)
		tell(world, DESTINATION, EVENT_CANCEL);
	else if (there && world->resumed)
		end_process(world, DESTINATION); /* what it holds is of the past, and its source is gone */
	else if (there)
		take_over(world);
	else
		return false;
	return true;
}
