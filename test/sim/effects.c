/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What actions do to the world. RAM is a few pages of counters, a device is one counter; while vCPUs run or devices
 * may DMA they are counted up, on the side that has them. An action that is to fail does nothing, at its time.
 */
#include "world.h"

#include "base/bits.h"

#include <errno.h>

#define BIT(n)       (1u << (n))
#define ALL_PAGES    (BIT(WORLD_PAGES) - 1)
#define BYTES_A_PAGE (32 * MIB)
#define BYTES_PER_S  GIB
#define MAX_WRITES   (3 * WORLD_PAGES)

static uint32_t all_devices(const struct world *world)
{
	return BIT(world->config->nr_devices) - 1;
}

static uint64_t writes_per_s(const struct world *world)
{
	return max_u64(world->config->writes_per_s * (100 - world->throttle) / 100, 1);
}

/* Far more writes than pages change no more than some of them do: they are not worth their time. */
void effect_write(struct world *world)
{
	struct process *source = &world->sides[SOURCE];
	uint64_t every_ns = NS_PER_S / writes_per_s(world);
	uint64_t most_ns = MAX_WRITES * every_ns;

	if (!source->vcpus && !source->dma) {
		world->next_write_ns = max_u64(world->next_write_ns, world->now_ns + 1);
		return;
	}
	if (world->now_ns > most_ns)
		world->next_write_ns = max_u64(world->next_write_ns, world->now_ns - most_ns);
	for (; world->next_write_ns <= world->now_ns; world->next_write_ns += every_ns) {
		unsigned page = rng_between(&world->guest_rng, 0, WORLD_PAGES - 1);

		source->pages[page]++;
		if (world->logging)
			world->log |= BIT(page);
		for (unsigned i = 0; i < world->config->nr_devices; i++)
			source->devices[i] += source->dma >> i & 1;
	}
}

void effect_begin(struct world *world, enum side side, enum action_type type)
{
	if (type == ACTION_ROUND) {
		world->sending = world->dirty;
		world->dirty = 0;
	}
	if (type == ACTION_RECONNECT)
		link_detach(world, SOURCE);
	judge_action(world, side, type);
}

typedef bool effect(struct world *world, uint32_t *result);

static bool fail(struct world *world, enum side side, enum action_type type)
{
	world->sides[side].to_fail |= BIT(type);
	return true;
}

static bool connect_link(struct world *world, uint32_t *result)
{
	if (world->sides[SOURCE].closed || !world->sides[DESTINATION].alive || !link_open(world))
		return fail(world, SOURCE, ACTION_CONNECT);
	return true;
}

static bool reconnect(struct world *world, uint32_t *result)
{
	const struct process *destination = &world->sides[DESTINATION];
	bool reached = world->now_ns >= world->net_down_until_ns && !destination->host_dead;

	if (world->sides[SOURCE].closed)
		*result = ECANCELED;
	else if (reached && !destination->alive)
		*result = ECONNREFUSED;
	else
		return link_open(world);
	return fail(world, SOURCE, ACTION_RECONNECT);
}

static bool open_data(struct world *world, uint32_t *result)
{
	world->data_conn = world->sides[SOURCE].conn;
	return true;
}

/* Had it been drained without this being told yet, it has not been now. */
static void drain_anew(struct world *world)
{
	for (unsigned i = 0; i < world->nr_entries; i++) {
		struct entry *entry = &world->entries[i];

		if (entry->kind == ENTRY_REPORT && entry->side == SOURCE && entry->what == ACTION_DRAIN &&
		    !entry->failed) {
			entry->kind = ENTRY_EFFECT;
			world->sides[SOURCE].busy |= BIT(ACTION_DRAIN);
		}
	}
}

/* What has been sent and has not come is dirty again. */
static bool rejoin(struct world *world, uint32_t *result)
{
	if (world->sides[SOURCE].closed || world->sides[SOURCE].conn <= world->dead_conn)
		return fail(world, SOURCE, ACTION_REJOIN);
	if (world->sent_batches > world->resumed_batches)
		drain_anew(world);
	while (world->sent_batches > world->resumed_batches)
		world->dirty |= world->batches[--world->sent_batches].mask;
	world->data_conn = world->sides[SOURCE].conn;
	return true;
}

static bool track_start(struct world *world, uint32_t *result)
{
	world->logging = true;
	world->dirty = ALL_PAGES;
	return true;
}

static bool sync_log(struct world *world, uint32_t *result)
{
	world->dirty |= world->log;
	world->log = 0;
	world->nr_syncs++;
	return true;
}

static bool can_send(const struct world *world)
{
	return world->data_conn != NO_CONN && world->data_conn == world->sides[SOURCE].conn;
}

static bool send_round(struct world *world, uint32_t *result)
{
	if (!can_send(world))
		return world->sides[SOURCE].closed && fail(world, SOURCE, ACTION_ROUND);
	link_send_data(world, world->sending, false);
	world->nr_rounds++;
	return true;
}

static bool pause_vcpus(struct world *world, uint32_t *result)
{
	world->sides[SOURCE].vcpus = false;
	return true;
}

/* The rest stop in STOP_COPY. */
static bool quiesce(struct world *world, uint32_t *result)
{
	world->sides[SOURCE].dma &= ~world->config->p2p;
	return true;
}

static bool stop_devices(struct world *world, uint32_t *result)
{
	world->sides[SOURCE].dma = 0;
	return true;
}

static void run_source(struct world *world)
{
	world->sides[SOURCE].vcpus = true;
	world->sides[SOURCE].dma = all_devices(world);
}

static bool unpause(struct world *world, uint32_t *result)
{
	run_source(world);
	return true;
}

static bool throttle(struct world *world, uint32_t *result)
{
	world->throttle = world->source.throttle_percent;
	return true;
}

static bool drain(struct world *world, uint32_t *result)
{
	if (!can_send(world))
		return world->sides[SOURCE].closed && fail(world, SOURCE, ACTION_DRAIN);
	sync_log(world, result);
	link_send_data(world, world->dirty, true);
	world->dirty = 0;
	return true;
}

static bool others_are_over(const struct world *world, enum side side, enum action_type type)
{
	return !(world->sides[side].busy & ~BIT(type));
}

static bool take_back(struct world *world, uint32_t *result)
{
	if (!others_are_over(world, SOURCE, ACTION_TAKE_BACK))
		return false;
	run_source(world);
	world->resumed = true;
	world->logging = false;
	world->throttle = 0;
	return true;
}

static bool release(struct world *world, uint32_t *result)
{
	return others_are_over(world, SOURCE, ACTION_RELEASE);
}

bool effect_has_all(const struct world *world)
{
	return world->got_batches >= world->wanted_batches;
}

/* Waits for what PREPARE has promised, or until nothing more can come. */
static bool finish_load(struct world *world, uint32_t *result)
{
	if (!effect_has_all(world))
		return world->sides[DESTINATION].closed && fail(world, DESTINATION, ACTION_FINISH_LOAD);
	world->loaded = true;
	return true;
}

static bool run(struct world *world, uint32_t *result)
{
	world->sides[DESTINATION].vcpus = true;
	return true;
}

static bool discard(struct world *world, uint32_t *result)
{
	if (!others_are_over(world, DESTINATION, ACTION_DISCARD))
		return false;
	world->loaded = false;
	return true;
}

static bool give_back(struct world *world, uint32_t *result)
{
	if (world->sides[DESTINATION].busy & BIT(ACTION_CLAIM))
		return false;
	if (arbiter_is_mute(world, DESTINATION) || !arbiter_give_back(world))
		return fail(world, DESTINATION, ACTION_GIVE_BACK);
	world->sides[DESTINATION].granted = false;
	return true;
}

static bool claim(struct world *world, enum side side, uint32_t *result)
{
	if (arbiter_is_mute(world, side))
		return fail(world, side, ACTION_CLAIM);
	*result = arbiter_claim(world, side);
	world->sides[side].granted = *result == CLAIM_MINE;
	return true;
}

static bool nothing(struct world *world, uint32_t *result)
{
	return true;
}

static effect *const effects[NR_ACTION_TYPES] = {
	[ACTION_CONNECT] = connect_link, [ACTION_OPEN_DATA] = open_data,     [ACTION_TRACK_START] = track_start,
	[ACTION_PRECOPY] = nothing,      [ACTION_SYNC] = sync_log,           [ACTION_ROUND] = send_round,
	[ACTION_PAUSE] = pause_vcpus,    [ACTION_QUIESCE] = quiesce,         [ACTION_STOP] = stop_devices,
	[ACTION_DRAIN] = drain,          [ACTION_DECIDE] = nothing,          [ACTION_TAKE_BACK] = take_back,
	[ACTION_RELEASE] = release,      [ACTION_UNPAUSE] = unpause,         [ACTION_THROTTLE] = throttle,
	[ACTION_RECONNECT] = reconnect,  [ACTION_REJOIN] = rejoin,           [ACTION_CHECK] = nothing,
	[ACTION_PREPARE_LOAD] = nothing, [ACTION_FINISH_LOAD] = finish_load, [ACTION_RUN] = run,
	[ACTION_DISCARD] = discard,      [ACTION_GIVE_BACK] = give_back,
};

/* A request to the arbiter that fails may have reached it all the same. */
static void ask_in_vain(struct world *world, enum side side, enum action_type type)
{
	if (arbiter_is_mute(world, side) || rng_one_in(&world->rng, 2))
		return;
	if (type == ACTION_CLAIM)
		arbiter_claim(world, side);
	else
		arbiter_give_back(world);
}

bool effect_happen(struct world *world, enum side side, enum action_type type, uint32_t *result)
{
	/* A failed TAKE_BACK or DISCARD has done what it could all the same, and a RELEASE comes last too. */
	bool last_resort = type == ACTION_TAKE_BACK || type == ACTION_DISCARD || type == ACTION_RELEASE;

	if (world->sides[side].to_fail & BIT(type) && !last_resort) {
		if (type == ACTION_CLAIM || type == ACTION_GIVE_BACK)
			ask_in_vain(world, side, type);
		return true;
	}
	return type == ACTION_CLAIM ? claim(world, side, result) : effects[type](world, result);
}

/* A device that does not tell of its state before it stops is an unknown to the estimate. */
static const struct device_outlook *outlooks(const struct world *world)
{
	static struct device_outlook list[WORLD_DEVICES]; /* read before anything else happens */
	uint64_t arc_ns = world->config->arc_ns;

	for (unsigned i = 0; i < world->config->nr_devices; i++)
		list[i] = (struct device_outlook){
			.quiesce_ns = world->config->p2p >> i & 1 ? arc_ns : 0,
			.stop_ns = arc_ns,
			.bytes = world->config->precopy >> i & 1 ? BYTES_A_PAGE : UINT64_MAX,
			.read_bytes_per_s = BYTES_PER_S,
			.load_bytes_per_s = BYTES_PER_S,
			.leave_ns = arc_ns,
			.run_ns = arc_ns,
		};
	return list;
}

static struct sync_result sync_result(const struct world *world)
{
	const struct config *config = world->config;

	return (struct sync_result){
		.took_ns = NS_PER_MS,
		.dirty_bytes = (uint64_t)__builtin_popcount(world->dirty) * BYTES_A_PAGE,
		.dirty_bytes_per_s = writes_per_s(world) * BYTES_A_PAGE,
		.bytes_per_s = world->nr_rounds ? BYTES_PER_S : 0,
		.initial_pending = world->nr_syncs < config->initial_rounds,
		.nr_devices = config->nr_devices,
		.devices = outlooks(world),
	};
}

void effect_result(struct world *world, enum action_type type, uint32_t result, struct event *event)
{
	if (type == ACTION_SYNC) {
		event->sync = sync_result(world);
	} else if (type == ACTION_ROUND) {
		event->round = (struct round_result){ .took_ns = NS_PER_MS };
	} else if (type == ACTION_CLAIM) {
		event->claim = result;
	} else if (type == ACTION_QUIESCE && world->nr_rearms) {
		world->nr_rearms--;
		event->nr_rearmed = 1;
	}
}
