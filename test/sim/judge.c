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
	uint32_t starting = 1u << ACTION_TAKE_BACK | 1u << ACTION_RUN | 1u << ACTION_UNPAUSE;

	return world->sides[side].vcpus || world->sides[side].busy & starting;
}

void judge_moment(struct world *world)
{
	demand(world, !may_run(world, SOURCE) || !may_run(world, DESTINATION), "at most one side may run the guest");
	demand(world, !world->sides[SOURCE].granted || !world->sides[DESTINATION].granted,
	       "the arbiter has given the guest to one side only");
}

static void judge_run(struct world *world)
{
	const struct process *source = &world->sides[SOURCE], *destination = &world->sides[DESTINATION];

	if (world->config->arbiter)
		demand(world, destination->granted || world->user_decided, "the destination has claimed what it runs");
	else
		demand(world, world->commit_sent || world->user_decided,
		       "the destination runs after COMMIT or a take-over");
	demand(world, !world->failed_sent, "the destination does not run after it has given the guest back");
	demand(world, world->loaded, "the destination runs a guest that is loaded");
	demand(world, !world->resumed, "the destination does not run a guest that has run on at the source since");
	demand(world, !memcmp(source->pages, destination->pages, sizeof(source->pages)), "RAM came whole");
	demand(world, !memcmp(source->devices, destination->devices, sizeof(source->devices)), "devices came whole");
	demand(world, !source->dma, "no device of the source may DMA when the destination runs");
}

static void judge_take_back(struct world *world)
{
	if (world->config->arbiter)
		demand(world,
		       !world->ready_sent || world->sides[SOURCE].granted || world->failed_sent || world->user_decided,
		       "after READY the source takes back what it has claimed, or was given back");
	else
		demand(world, !world->commit_sent || world->failed_sent || world->user_decided,
		       "after COMMIT the source takes back on the destination's word or the user's only");
}

static void judge_pause(struct world *world)
{
	demand(world, world->loadable_sent || world->any_noise, "the guest is paused after LOADABLE only");
	demand(world, world->source.link == LINK_UP, "the guest is not paused without a link");
}

/*
 * These are begun while nothing else is under way on their side, but for what is under way for the link, and the
 * pause's ROUND beside QUIESCE, STOP and UNPAUSE.
 */
static const uint32_t begins_alone = 1u << ACTION_SYNC | 1u << ACTION_PAUSE | 1u << ACTION_QUIESCE | 1u << ACTION_STOP |
				     1u << ACTION_DRAIN | 1u << ACTION_DECIDE | 1u << ACTION_FINISH_LOAD |
				     1u << ACTION_RUN;
static const uint32_t never_minds = 1u << ACTION_RECONNECT | 1u << ACTION_REJOIN;

void judge_action(struct world *world, enum side side, enum action_type type)
{
	static void (*const judges[NR_ACTION_TYPES])(struct world * world) = {
		[ACTION_PAUSE] = judge_pause,
		[ACTION_TAKE_BACK] = judge_take_back,
		[ACTION_RUN] = judge_run,
	};
	const struct process *process = &world->sides[side];
	uint32_t beside = never_minds | (type == ACTION_STOP ? 1u << ACTION_ROUND : 0u);

	demand(world, !process->nr_finished || process->finished_as == GW_OWNER_UNKNOWN,
	       "FINISH is the last action, unless nothing was known");
	demand(world, !(process->busy >> type & 1), "an action is over before it is begun again");
	if (begins_alone >> type & 1)
		demand(world, !(process->busy & ~beside), "one step is over before the next is begun");
	if (judges[type])
		judges[type](world);
}

void judge_send(struct world *world, enum side side, uint16_t type)
{
	const struct source_engine *source = &world->source;

	if (side == DESTINATION)
		demand(world, !world->destination.away, "nothing is said to a source that is away");
	else
		demand(world, source->link == LINK_UP || (source->link == LINK_ASKING && type == FRAME_HELLO),
		       "nothing but HELLO is sent unless the link is up");
}

void judge_finish(struct world *world, enum side side)
{
	const struct process *process = &world->sides[side];

	demand(world, !process->nr_finished || process->finished_as == GW_OWNER_UNKNOWN, "an outcome is final");
}

/* ---- the end ---- */

static void judge_ended(struct world *world)
{
	const struct process *source = &world->sides[SOURCE], *destination = &world->sides[DESTINATION];

	if (source->alive) {
		demand(world, world->source.phase == SOURCE_ENDED, "the source has ended");
		demand(world, world->source.pending == 0, "nothing is pending at the source");
		demand(world, source->conn == NO_CONN, "the source has closed its end");
		demand(world, source->finished_as == world->source.outcome, "its outcome was published");
	}
	if (destination->alive) {
		demand(world,
		       world->destination.phase == DESTINATION_ENDED || world->destination.phase == DESTINATION_IDLE,
		       "the destination has ended or waits for the next source");
		demand(world, world->destination.pending == 0, "nothing is pending at the destination");
		demand(world, destination->conn == NO_CONN || destination_is(world, GW_COMPLETED),
		       "the destination has closed its end, unless RUNNING may still be on its way");
		demand(world, destination->finished_as == world->destination.outcome, "its outcome was published");
	}
	demand(world, world->nr_entries == 0, "nothing is on the way");
}

/* The arbiter has told the source that the guest is there; it did not run yet, or the arbiter's answer was lost. */
static bool is_held(const struct world *world)
{
	return world->config->arbiter && destination_is(world, GW_OWNER_UNKNOWN) &&
	       (world->destination.kept || arbiter_is_mute_for_ever(world, DESTINATION));
}

static void judge_outcomes(struct world *world)
{
	const struct process *source = &world->sides[SOURCE], *destination = &world->sides[DESTINATION];
	bool tries = world->config->dry_run != DRY_RUN_NO;

	if (source_is(world, GW_ROLLED_BACK)) {
		demand(world, source->vcpus, "rolled back: the source runs");
		demand(world, source->dma == (1u << world->config->nr_devices) - 1, "rolled back: its devices run");
		demand(world, source->finish_code < 0 || tries, "rolled back: there is an error");
		demand(world, !destination->vcpus, "rolled back: the destination does not run");
		demand(world, !world->throttle, "rolled back: the guest is not throttled");
	}
	if (source_is(world, GW_COMPLETED)) {
		demand(world, !source->vcpus && !source->dma, "completed: the source does not run");
		demand(world, !destination->alive || destination_is(world, GW_COMPLETED) || is_held(world),
		       "completed at the source: completed at the destination, or held there");
	}
	if (source_is(world, GW_OWNER_UNKNOWN))
		demand(world, !source->vcpus && !source->dma, "owner unknown: the source stays paused");
	if (destination_is(world, GW_COMPLETED)) {
		demand(world, destination->vcpus, "completed: the destination runs");
		demand(world, !source->vcpus, "completed: the source does not run");
		demand(world, !tries, "a dry run moves nothing");
	} else {
		demand(world, !destination->vcpus, "not completed: the destination does not run");
	}
}

/* A schedule in which nothing went wrong ends as its configuration says. */
static void judge_undisturbed(struct world *world)
{
	const struct config *config = world->config;
	bool moves = !config->fails && config->dry_run == DRY_RUN_NO;

	if (world->plan.faults[0].mode != MODE_NOTHING)
		return;
	demand(world, source_is(world, moves ? GW_COMPLETED : GW_ROLLED_BACK), "undisturbed: the expected outcome");
	demand(world, world->source.error.code == (config->fails ? -EBUSY : 0), "undisturbed: the expected error");
	demand(world, world->source.rehearsed == (config->dry_run == DRY_RUN_REHEARSAL), "undisturbed: rehearsed");
	demand(world, (world->destination.phase == DESTINATION_IDLE) == (config->dry_run != DRY_RUN_NO),
	       "undisturbed: after a dry run the destination waits again, after all else it does not");
	demand(world, world->source.nr_reconnects == 0, "undisturbed: no reconnect");
	demand(world, world->source.nr_taken_back == (config->nr_rearms < 4 ? config->nr_rearms : 4),
	       "undisturbed: a re-armed device takes the decision back, four times at most");
}

/* What reconnecting is for does not stop a migration. */
static void judge_cured(struct world *world)
{
	const struct config *config = world->config;

	if (!world->curable || config->fails || config->dry_run != DRY_RUN_NO)
		return;
	demand(world, source_is(world, GW_COMPLETED) && destination_is(world, GW_COMPLETED),
	       "the channels came back in time: the migration completes");
	demand(world, world->source.error.code == 0 && world->destination.error.code == 0,
	       "the channels came back in time: there was no error");
}

static bool reaches_arbiter(const struct world *world, enum side side)
{
	return world->config->arbiter && !arbiter_is_mute_for_ever(world, side);
}

/* Not knowing is for cases in which something could not be heard; and what may be the last copy is kept. */
static void judge_knowledge(struct world *world)
{
	const struct fault *first = &world->plan.faults[0];
	bool at_destination = destination_is(world, GW_OWNER_UNKNOWN) && !world->destination.kept;

	if (!world->any_lost && !world->any_noise && !world->any_kill)
		demand(world, !source_is(world, GW_OWNER_UNKNOWN) && !at_destination,
		       "all was heard: both sides know, unless a guest did not run and is kept");
	demand(world, !reaches_arbiter(world, SOURCE) || !source_is(world, GW_OWNER_UNKNOWN),
	       "a source that reaches the arbiter knows");
	demand(world, !reaches_arbiter(world, DESTINATION) || !at_destination,
	       "a destination that reaches the arbiter knows");
	if (destination_is(world, GW_OWNER_UNKNOWN) && world->destination.kept)
		demand(world, world->any_run_failed, "a guest is kept only if it did not run");
	if (first->mode == MODE_KILL_SOURCE && world->nr_fired == 1 && world->ready_sent)
		demand(world, destination_is(world, GW_OWNER_UNKNOWN) || destination_is(world, GW_COMPLETED),
		       "the source was killed after READY: the destination keeps the guest");
}

static void judge_owner(struct world *world)
{
	bool here = world->sides[SOURCE].vcpus, there = world->sides[DESTINATION].vcpus;
	bool source = world->sides[SOURCE].alive, destination = world->sides[DESTINATION].alive;

	if (source && destination)
		demand(world, here != there, "in the end exactly one side runs the guest");
	if (source && !destination)
		demand(world, here || source_is(world, GW_COMPLETED), "the destination is dead: the source runs it");
	if (!source && destination)
		demand(world, there == destination_is(world, GW_COMPLETED), "the source is dead: what was held runs");
}

void judge_end(struct world *world)
{
	user_settle(world);
	world->ended_as[SOURCE] = world->source.outcome;
	world->ended_as[DESTINATION] = world->destination.outcome;
	judge_ended(world);
	judge_outcomes(world);
	judge_undisturbed(world);
	judge_cured(world);
	judge_knowledge(world);
	for (unsigned i = 0; i < MAX_DECISIONS && user_decide(world); i++) {
		judge_ended(world);
		judge_outcomes(world);
	}
	judge_owner(world);
}
