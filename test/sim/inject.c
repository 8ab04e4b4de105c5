/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes wrong in a schedule, and when. */
#include "world.h"

#include "base/bits.h"

#include <errno.h>

#define SOON_NS         (300 * NS_PER_MS)
#define MUTE_FOR_NS     (20 * NS_PER_S)
#define FOR_EVER_ONE_IN 3

static const struct {
	const char *name;
	enum domain domain;
	bool curable; /* with reconnecting the migration completes all the same */
} modes[NR_MODES] = {
	[MODE_NOTHING] = { "nothing", DOMAIN_EVENT, true },
	[MODE_CUT] = { "cut", DOMAIN_EVENT, true },
	[MODE_PART] = { "part", DOMAIN_EVENT, false },
	[MODE_HALF_SOURCE] = { "half-source", DOMAIN_EVENT, true },
	[MODE_HALF_DESTINATION] = { "half-destination", DOMAIN_EVENT, true },
	[MODE_LATE] = { "late", DOMAIN_EVENT, true },
	[MODE_DEAF_SOURCE] = { "deaf-source", DOMAIN_EVENT, false },
	[MODE_DEAF_DESTINATION] = { "deaf-destination", DOMAIN_EVENT, false },
	[MODE_DEAF_BOTH] = { "deaf-both", DOMAIN_EVENT, false },
	[MODE_KILL_SOURCE] = { "kill-source", DOMAIN_EVENT, false },
	[MODE_KILL_DESTINATION] = { "kill-destination", DOMAIN_EVENT, false },
	[MODE_CANCEL_SOURCE] = { "cancel-source", DOMAIN_EVENT, false },
	[MODE_CANCEL_DESTINATION] = { "cancel-destination", DOMAIN_EVENT, false },
	[MODE_FAULT_SOURCE] = { "fault-source", DOMAIN_EVENT, false },
	[MODE_FAULT_DESTINATION] = { "fault-destination", DOMAIN_EVENT, false },
	[MODE_NOISE_SOURCE] = { "noise-source", DOMAIN_EVENT, false },
	[MODE_NOISE_DESTINATION] = { "noise-destination", DOMAIN_EVENT, false },
	[MODE_MUTE_SOURCE] = { "mute-source", DOMAIN_EVENT, false },
	[MODE_MUTE_DESTINATION] = { "mute-destination", DOMAIN_EVENT, false },
	[MODE_MUTE_BOTH] = { "mute-both", DOMAIN_EVENT, false },
	[MODE_FAIL_ACTION] = { "fail-action", DOMAIN_ACTION, false },
	[MODE_SLOW_ACTION] = { "slow-action", DOMAIN_ACTION, false },
	[MODE_TWICE_REPORT] = { "twice-report", DOMAIN_REPORT, true },
	[MODE_DROP_MESSAGE] = { "drop-message", DOMAIN_MESSAGE, true },
	[MODE_SLOW_MESSAGE] = { "slow-message", DOMAIN_MESSAGE, false },
	[MODE_TWICE_MESSAGE] = { "twice-message", DOMAIN_MESSAGE, false },
};

const char *mode_name(enum mode mode)
{
	return mode < NR_MODES ? modes[mode].name : NULL;
}

/* For good, or on the connection at hand. */
static void deafen(struct world *world, enum side side)
{
	bool for_good = rng_one_in(&world->rng, FOR_EVER_ONE_IN);

	world->sides[side].deaf_conn = for_good ? ANY_CONN : world->last_conn;
}

static void mute(struct world *world, enum side side)
{
	bool for_good = rng_one_in(&world->rng, FOR_EVER_ONE_IN);
	uint64_t for_ns = rng_between(&world->rng, 0, MUTE_FOR_NS);

	world->any_lost = true;
	world->sides[side].mute_until_ns = for_good ? DEADLINE_NEVER : world->now_ns + for_ns;
}

static void feed(struct world *world, enum side side, enum event_type type)
{
	struct event event = { .type = type, .error.code = type == EVENT_FAULT ? -EIO : 0 };

	if (world->sides[side].nr_finished) /* a cancel then is a decision of the user's, who looks first */
		return;
	world_feed(world, side, &event);
}

/* A message at any time, but neither one of those that say who has the guest, nor one that says that all is sent. */
static void make_noise(struct world *world, enum side to)
{
	static const uint8_t noise[] = {
		FRAME_HELLO,          FRAME_WELCOME, FRAME_MANIFEST, FRAME_ACCEPT,   FRAME_REFUSE,
		FRAME_LOADABLE,       FRAME_GRANT,   FRAME_PING,     FRAME_VM_STATE, FRAME_SUMMARY,
		FRAME_INITIAL_LOADED, FRAME_RAM,     UINT8_MAX,
	};
	struct entry entry = { .kind = ENTRY_MESSAGE, .side = to, .at_ns = world->now_ns };

	entry.conn = world->sides[to].conn;
	entry.what = noise[rng_between(&world->rng, 0, ARRAY_SIZE(noise) - 1)];
	world->any_noise = true;
	world_put(world, &entry);
}

static void cut(struct world *world, bool tell_source, bool tell_destination)
{
	world->net_down_until_ns = world->now_ns + rng_between(&world->rng, 0, SOON_NS);
	link_cut(world, tell_source, tell_destination);
}

static void inject(struct world *world, enum mode mode)
{
	bool soon = rng_one_in(&world->rng, 2); /* of a pair: is it known at once? */

	switch (mode) {
	case MODE_CUT:
		cut(world, true, true);
		break;
	case MODE_PART:
		world->net_down_until_ns = DEADLINE_NEVER;
		link_cut(world, soon, soon);
		break;
	case MODE_HALF_SOURCE:
	case MODE_HALF_DESTINATION:
		cut(world, mode != MODE_HALF_SOURCE, mode != MODE_HALF_DESTINATION);
		break;
	case MODE_LATE:
		link_cut_late(world);
		break;
	case MODE_DEAF_SOURCE:
	case MODE_DEAF_BOTH:
		deafen(world, SOURCE);
		if (mode == MODE_DEAF_SOURCE)
			break;
		__attribute__((fallthrough));
	case MODE_DEAF_DESTINATION:
		deafen(world, DESTINATION);
		break;
	case MODE_KILL_SOURCE:
	case MODE_KILL_DESTINATION:
		link_kill(world, mode == MODE_KILL_SOURCE ? SOURCE : DESTINATION);
		break;
	case MODE_CANCEL_SOURCE:
	case MODE_CANCEL_DESTINATION:
		feed(world, mode == MODE_CANCEL_SOURCE ? SOURCE : DESTINATION, EVENT_CANCEL);
		break;
	case MODE_FAULT_SOURCE:
	case MODE_FAULT_DESTINATION:
		feed(world, mode == MODE_FAULT_SOURCE ? SOURCE : DESTINATION, EVENT_FAULT);
		break;
	case MODE_NOISE_SOURCE:
	case MODE_NOISE_DESTINATION:
		make_noise(world, mode == MODE_NOISE_SOURCE ? SOURCE : DESTINATION);
		break;
	case MODE_MUTE_SOURCE:
	case MODE_MUTE_DESTINATION:
	case MODE_MUTE_BOTH:
		if (mode != MODE_MUTE_DESTINATION)
			mute(world, SOURCE);
		if (mode != MODE_MUTE_SOURCE)
			mute(world, DESTINATION);
		break;
	default:
		break;
	}
}

/* Reconnecting is for a migration that has been accepted and set up. */
static bool is_curable(const struct world *world, enum mode mode)
{
	if (mode == MODE_TWICE_REPORT)
		return true;
	return modes[mode].curable && world->config->reconnect && world->source.phase >= SOURCE_PRECOPY;
}

enum mode inject_now(struct world *world, enum domain domain)
{
	const struct fault *fault = &world->plan.faults[world->nr_fired];

	if (world->nr_fired == ARRAY_SIZE(world->plan.faults) || fault->mode == MODE_NOTHING)
		return MODE_NOTHING;
	if (modes[fault->mode].domain != domain || ++world->nr_opportunities < fault->k)
		return MODE_NOTHING;
	world_trace(world, "--- %s", modes[fault->mode].name);
	world->nr_fired++;
	world->nr_opportunities = 0;
	world->curable &= is_curable(world, fault->mode);
	world->any_noise |= fault->mode == MODE_TWICE_MESSAGE;
	world->any_lost |= fault->mode == MODE_SLOW_MESSAGE; /* to whoever did not wait for it */
	return fault->mode;
}

void inject_at_event(struct world *world)
{
	enum mode mode = inject_now(world, DOMAIN_EVENT);

	if (mode != MODE_NOTHING)
		inject(world, mode);
}
