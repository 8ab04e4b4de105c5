/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What actions do to the world. RAM is a few pages of counters, a device is one counter; while vCPUs run or devices
 * may DMA they are counted up, on the side that has them. An action that is to fail does nothing, at its time.
 */
#include "world.h"

#include "base/bits.h"

#include <string.h>

#define BIT(n)       (1u << (n))
#define ALL_PAGES    (BIT(WORLD_PAGES) - 1)
#define BYTES_A_PAGE (32 * MIB)
#define BYTES_PER_S  GIB

void effect_write(struct world *world)
{
	struct process *source = &world->sides[SOURCE];

	for (; world->next_write_ns <= world->now_ns; world->next_write_ns += NS_PER_S / world->config->writes_per_s) {
		unsigned page = rng_between(&world->guest_rng, 0, WORLD_PAGES - 1);

		if (!source->vcpus && !source->dma)
			continue;
		source->pages[page]++;
		if (world->logging)
			world->log |= BIT(page);
		for (unsigned i = 0; source->dma && i < world->config->nr_devices; i++)
			source->devices[i]++;
	}
}

void effect_begin(struct world *world, enum side side, enum action_type type)
{
	if (type == ACTION_ROUND) {
		world->sending = world->dirty;
		world->dirty = 0;
	}
	judge_action(world, side, type);
}

static bool connect_link(struct world *world)
{
	const struct process *source = &world->sides[SOURCE], *destination = &world->sides[DESTINATION];

	if (source->closed || !destination->alive || source->deaf || destination->deaf)
		world->sides[SOURCE].to_fail |= BIT(ACTION_CONNECT);
	else
		link_open(world);
	return true;
}

static bool track_start(struct world *world)
{
	world->logging = true;
	world->dirty = ALL_PAGES;
	return true;
}

static bool sync_log(struct world *world)
{
	world->dirty |= world->log;
	world->log = 0;
	world->nr_syncs++;
	return true;
}

static bool send_round(struct world *world)
{
	link_send_data(world, world->sending, false);
	world->nr_rounds++;
	return true;
}

static bool pause_vcpus(struct world *world)
{
	world->sides[SOURCE].vcpus = false;
	return true;
}

static bool stop_devices(struct world *world)
{
	world->sides[SOURCE].dma = false;
	return true;
}

static bool drain(struct world *world)
{
	sync_log(world);
	link_send_data(world, world->dirty, true);
	world->dirty = 0;
	return true;
}

/* After all else that this side has under way. */
static bool take_back(struct world *world)
{
	struct process *source = &world->sides[SOURCE];

	if (source->busy & ~BIT(ACTION_TAKE_BACK))
		return false;
	source->vcpus = world->resumed = true;
	source->dma = world->config->nr_devices > 0;
	world->logging = false;
	return true;
}

/* Waits for what PREPARE has promised, or until nothing more can come. */
static bool finish_load(struct world *world)
{
	struct process *destination = &world->sides[DESTINATION];

	if (world->got_batches < world->wanted_batches) {
		if (destination->open)
			return false;
		destination->to_fail |= BIT(ACTION_FINISH_LOAD);
		return true;
	}
	world->loaded = true;
	return true;
}

static bool run(struct world *world)
{
	world->sides[DESTINATION].vcpus = true;
	return true;
}

static bool discard(struct world *world)
{
	if (world->sides[DESTINATION].busy & ~BIT(ACTION_DISCARD))
		return false;
	world->loaded = false;
	return true;
}

static bool nothing(struct world *world)
{
	return true;
}

static bool (*const effects[NR_ACTION_TYPES])(struct world *world) = {
	[ACTION_CONNECT] = connect_link,
	[ACTION_OPEN_DATA] = nothing,
	[ACTION_TRACK_START] = track_start,
	[ACTION_PRECOPY] = nothing,
	[ACTION_SYNC] = sync_log,
	[ACTION_ROUND] = send_round,
	[ACTION_PAUSE] = pause_vcpus,
	[ACTION_QUIESCE] = nothing,
	[ACTION_STOP] = stop_devices,
	[ACTION_DRAIN] = drain,
	[ACTION_DECIDE] = nothing,
	[ACTION_TAKE_BACK] = take_back,
	[ACTION_RELEASE] = nothing,
	[ACTION_CHECK] = nothing,
	[ACTION_PREPARE_LOAD] = nothing,
	[ACTION_FINISH_LOAD] = finish_load,
	[ACTION_RUN] = run,
	[ACTION_DISCARD] = discard,
};

bool effect_happen(struct world *world, enum side side, enum action_type type)
{
	/* A failed TAKE_BACK or DISCARD has done what it could all the same. */
	bool last_resort = type == ACTION_TAKE_BACK || type == ACTION_DISCARD;

	if (world->sides[side].to_fail & BIT(type) && !last_resort)
		return true;
	return effects[type](world);
}

void effect_result(struct world *world, enum action_type type, struct event *event)
{
	const struct config *config = world->config;

	if (type == ACTION_SYNC)
		event->sync = (struct sync_result){
			.took_ns = NS_PER_MS,
			.dirty_bytes = (uint64_t)__builtin_popcount(world->dirty) * BYTES_A_PAGE,
			.dirty_bytes_per_s = config->writes_per_s * BYTES_A_PAGE,
			.device_bytes = config->nr_devices * BYTES_A_PAGE,
			.source_arc_ns = config->arc_ns,
			.bytes_per_s = world->nr_rounds ? BYTES_PER_S : 0,
			.nr_source_arcs = config->nr_devices ? 2 : 0,
			.nr_destination_arcs = config->nr_devices ? 3 : 0,
			.initial_pending = world->nr_syncs < config->initial_rounds,
		};
	else if (type == ACTION_ROUND)
		event->round = (struct round_result){ .took_ns = NS_PER_MS };
}
