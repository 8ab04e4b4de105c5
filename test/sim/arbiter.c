/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arbiter: two cells that are written once. The first says who owns the guest; the second, what has become of a
 * destination's claim: given back, or told to the source. Whichever of the two comes first excludes the other.
 */
#include "world.h"

bool arbiter_is_mute(const struct world *world, enum side side)
{
	return world->now_ns < world->sides[side].mute_until_ns;
}

bool arbiter_is_mute_for_ever(const struct world *world, enum side side)
{
	return world->sides[side].mute_until_ns == DEADLINE_NEVER;
}

static enum claim_result claim_by_source(struct world *world)
{
	if (world->owner == SOURCE_OWNS)
		return CLAIM_MINE;
	if (world->fate == NO_FATE)
		world->fate = SOURCE_TOLD;
	return world->fate == GIVEN_BACK ? CLAIM_MINE : CLAIM_THEIRS;
}

enum claim_result arbiter_claim(struct world *world, enum side side)
{
	if (world->owner == NO_OWNER)
		world->owner = side == SOURCE ? SOURCE_OWNS : DESTINATION_OWNS;
	if (side == SOURCE)
		return claim_by_source(world);
	return world->owner == DESTINATION_OWNS && world->fate != GIVEN_BACK ? CLAIM_MINE : CLAIM_THEIRS;
}

bool arbiter_give_back(struct world *world)
{
	if (world->owner == NO_OWNER)
		world->owner = DESTINATION_OWNS;
	if (world->fate == NO_FATE)
		world->fate = GIVEN_BACK;
	return world->fate == GIVEN_BACK;
}
