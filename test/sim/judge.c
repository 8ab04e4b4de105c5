/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must be true, from doc/handover.md: at every moment at most one side may run the guest; in the end exactly
 * one does, or a side says that it does not know and a user who does brings it about. Knows the world's truth, which
 * the engines do not.
 */
#include "world.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_EVENTS    20000
#define MAX_DECISIONS 4

void judge_violation(struct world *world, const char *fmt, ...)
{
	va_list args;

	world->nr_violations++;
	va_start(args, fmt);
	printf("VIOLATION at event %llu, %.3f ms: ", (unsigned long long)world->nr_events,
	       (double)world->now_ns / NS_PER_MS);
	vprintf(fmt, args);
	putchar('\n');
	va_end(args);
}

static void demand(struct world *world, bool truth, const char *what)
{
	if (!truth)
		judge_violation(world, "not so: %s", what);
}

/* From when an action that starts vCPUs is begun until one that stops them is over. */
static bool may_run(const struct world *world, enum side side)
{
	uint32_t starting = 1u << ACTION_TAKE_BACK | 1u << ACTION_RUN;

	return world->sides[side].vcpus || world->sides[side].busy & starting;
}

void judge_moment(struct world *world)
{
	demand(world, !may_run(world, SOURCE) || !may_run(world, DESTINATION), "at most one side may run the guest");
	demand(world, world->source.pending < 1u << NR_ACTION_TYPES, "only actions are pending");
}

static void judge_run(struct world *world)
{
	const struct process *source = &world->sides[SOURCE], *destination = &world->sides[DESTINATION];

	demand(world, world->commit_sent || world->user_decided, "the destination runs after COMMIT or a take-over");
	demand(world, !world->failed_sent, "the destination does not run after it has given the guest back");
	demand(world, world->loaded, "the destination runs a guest that is loaded");
	demand(world, !world->resumed, "the destination does not run a guest that has run on at the source since");
	demand(world, !memcmp(source->pages, destination->pages, sizeof(source->pages)), "RAM came whole");
	demand(world, !memcmp(source->devices, destination->devices, sizeof(source->devices)), "devices came whole");
	demand(world, !source->dma, "no device of the source may DMA when the destination runs");
}

static void judge_take_back(struct world *world)
{
	demand(world, !world->commit_sent || world->failed_sent || world->user_decided,
	       "after COMMIT the source takes back on the destination's word or the user's only");
}

static void judge_pause(struct world *world)
{
	demand(world, world->loadable_sent || world->any_noise, "the guest is paused after LOADABLE only");
}

/* These are begun while nothing else is under way on their side; the pause's ROUND may be, beside QUIESCE and STOP. */
static const uint32_t begins_alone = 1u << ACTION_SYNC | 1u << ACTION_PAUSE | 1u << ACTION_QUIESCE | 1u << ACTION_STOP |
				     1u << ACTION_DRAIN | 1u << ACTION_DECIDE | 1u << ACTION_RELEASE |
				     1u << ACTION_FINISH_LOAD | 1u << ACTION_RUN;

void judge_action(struct world *world, enum side side, enum action_type type)
{
	static void (*const judges[NR_ACTION_TYPES])(struct world * world) = {
		[ACTION_PAUSE] = judge_pause,
		[ACTION_TAKE_BACK] = judge_take_back,
		[ACTION_RUN] = judge_run,
	};

	demand(world, !world->sides[side].nr_finished || world->user_decided, "FINISH is the last action");
	if (begins_alone >> type & 1)
		demand(world, !(world->sides[side].busy & ~(type == ACTION_STOP ? 1u << ACTION_ROUND : 0u)),
		       "one step is over before the next is begun");
	if (judges[type])
		judges[type](world);
}

/* ---- the end ---- */

static void settle(struct world *world)
{
	uint64_t end = world->nr_events + MAX_EVENTS;

	while (world_step(world))
		if (world->nr_events > end) {
			judge_violation(world, "it does not end");
			break;
		}
}

static bool is_alive(const struct world *world, enum side side)
{
	return world->sides[side].alive;
}

static bool source_is(const struct world *world, enum gw_outcome outcome)
{
	return is_alive(world, SOURCE) && world->source.outcome == outcome;
}

static bool destination_is(const struct world *world, enum gw_outcome outcome)
{
	return is_alive(world, DESTINATION) && world->destination.outcome == outcome;
}

static void judge_ended(struct world *world)
{
	if (is_alive(world, SOURCE)) {
		demand(world, world->source.phase == SOURCE_ENDED, "the source has ended");
		demand(world, world->source.pending == 0, "nothing is pending at the source");
		demand(world, !world->sides[SOURCE].open, "the source has closed its end");
		demand(world, world->sides[SOURCE].finish.outcome == world->source.outcome,
		       "its outcome was published");
	}
	if (is_alive(world, DESTINATION)) {
		demand(world,
		       world->destination.phase == DESTINATION_ENDED || world->destination.phase == DESTINATION_IDLE,
		       "the destination has ended or waits for the next source");
		demand(world, world->destination.pending == 0, "nothing is pending at the destination");
		demand(world, !world->sides[DESTINATION].open || destination_is(world, GW_COMPLETED),
		       "the destination has closed its end, unless RUNNING may still be on its way");
		demand(world, world->sides[DESTINATION].finish.outcome == world->destination.outcome,
		       "its outcome was published");
	}
}

static void judge_outcomes(struct world *world)
{
	const struct process *source = &world->sides[SOURCE], *destination = &world->sides[DESTINATION];

	if (source_is(world, GW_ROLLED_BACK)) {
		demand(world, source->vcpus, "rolled back: the source runs");
		demand(world, source->dma == !!world->config->nr_devices, "rolled back: its devices run");
		demand(world, source->finish.error.code < 0, "rolled back: there is an error");
		demand(world, !destination->vcpus, "rolled back: the destination does not run");
	}
	if (source_is(world, GW_COMPLETED)) {
		demand(world, !source->vcpus, "completed: the source does not run");
		demand(world, !is_alive(world, DESTINATION) || destination_is(world, GW_COMPLETED),
		       "completed at the source: completed at the destination");
	}
	if (source_is(world, GW_OWNER_UNKNOWN))
		demand(world, !source->vcpus && !source->dma, "owner unknown: the source stays paused");
	if (destination_is(world, GW_COMPLETED)) {
		demand(world, destination->vcpus, "completed: the destination runs");
		demand(world, !source->vcpus, "completed: the source does not run");
	} else {
		demand(world, !destination->vcpus, "not completed: the destination does not run");
	}
}

/* A schedule in which nothing went wrong ends as its configuration says. */
static void judge_undisturbed(struct world *world)
{
	bool converges = world->config->converges;

	if (world->injected || world->mode == MODE_TWICE)
		return;
	demand(world, source_is(world, converges ? GW_COMPLETED : GW_ROLLED_BACK), "undisturbed: the expected outcome");
	demand(world, world->source.error.code == (converges ? 0 : -EBUSY), "undisturbed: the expected error");
}

/* Not knowing is for cases in which something could not be heard; and what may be the last copy is kept. */
static void judge_knowledge(struct world *world)
{
	bool killed = !is_alive(world, SOURCE) || !is_alive(world, DESTINATION);

	if (!world->any_lost && !world->any_noise && !killed)
		demand(world, !source_is(world, GW_OWNER_UNKNOWN) && !destination_is(world, GW_OWNER_UNKNOWN),
		       "all was heard: both sides know");
	if (world->mode == MODE_KILL_SOURCE && !is_alive(world, SOURCE) && world->ready_sent)
		demand(world, destination_is(world, GW_OWNER_UNKNOWN) || destination_is(world, GW_COMPLETED),
		       "the source was killed after READY: the destination keeps the guest");
}

/* ---- the user, who has gone and looked ---- */

static void tell(struct world *world, enum side side, enum event_type type)
{
	struct event event = { .type = type };

	world_trace(world, "--- the user decides");
	world->user_decided = true;
	world_feed(world, side, &event);
	settle(world);
}

static void decide_both_unknown(struct world *world)
{
	if (rng_one_in(&world->rng, 2)) {
		tell(world, DESTINATION, EVENT_TAKE_OVER);
		return;
	}
	tell(world, DESTINATION, EVENT_CANCEL);
	if (!destination_is(world, GW_OWNER_UNKNOWN))
		tell(world, SOURCE, EVENT_TAKE_BACK);
}

static bool decide(struct world *world)
{
	bool here = source_is(world, GW_OWNER_UNKNOWN), there = destination_is(world, GW_OWNER_UNKNOWN);

	if (here && there)
		decide_both_unknown(world);
	else if (here && !world->sides[DESTINATION].vcpus)
		tell(world, SOURCE, EVENT_TAKE_BACK);
	else if (there && world->resumed)
		tell(world, DESTINATION, EVENT_CANCEL);
	else if (there)
		tell(world, DESTINATION, EVENT_TAKE_OVER);
	else
		return false;
	return true;
}

static void judge_owner(struct world *world)
{
	bool here = world->sides[SOURCE].vcpus, there = world->sides[DESTINATION].vcpus;

	if (is_alive(world, SOURCE) && is_alive(world, DESTINATION))
		demand(world, here != there, "in the end exactly one side runs the guest");
	if (is_alive(world, SOURCE) && !is_alive(world, DESTINATION))
		demand(world, here || source_is(world, GW_COMPLETED), "the destination is dead: the source runs it");
	if (!is_alive(world, SOURCE) && is_alive(world, DESTINATION))
		demand(world, there == destination_is(world, GW_COMPLETED), "the source is dead: what was held runs");
}

void judge_end(struct world *world)
{
	settle(world);
	world->ended_as[SOURCE] = world->source.outcome;
	world->ended_as[DESTINATION] = world->destination.outcome;
	judge_ended(world);
	judge_outcomes(world);
	judge_undisturbed(world);
	judge_knowledge(world);
	for (unsigned i = 0; i < MAX_DECISIONS && decide(world); i++) {
		judge_ended(world);
		judge_outcomes(world);
	}
	judge_owner(world);
}
