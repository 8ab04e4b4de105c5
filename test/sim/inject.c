/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes wrong in a schedule, and when: at the k-th event or with the k-th action. */
#include "world.h"

#include "base/bits.h"

#include <errno.h>

static void deafen(struct world *world, bool source, bool destination)
{
	world->sides[SOURCE].deaf |= source;
	world->sides[DESTINATION].deaf |= destination;
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
	static const uint16_t noise[] = {
		FRAME_HELLO,    FRAME_WELCOME,        FRAME_MANIFEST, FRAME_ACCEPT,   FRAME_REFUSE,
		FRAME_LOADABLE, FRAME_GRANT,          FRAME_PING,     FRAME_VM_STATE, FRAME_SUMMARY,
		FRAME_RAM,      FRAME_INITIAL_LOADED, UINT16_MAX,
	};
	struct entry entry = { .kind = ENTRY_MESSAGE, .side = to, .at_ns = world->now_ns };

	entry.what = noise[rng_between(&world->rng, 0, ARRAY_SIZE(noise) - 1)];
	world->any_noise = true;
	world_put(world, &entry);
}

static void inject(struct world *world, enum mode mode)
{
	world_trace(world, "--- mode %u happens", mode);
	switch (mode) {
	case MODE_CUT:
		link_cut(world);
		break;
	case MODE_DEAF_SOURCE:
	case MODE_DEAF_DESTINATION:
	case MODE_DEAF_BOTH:
		deafen(world, mode != MODE_DEAF_DESTINATION, mode != MODE_DEAF_SOURCE);
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
	default:
		break;
	}
}

void inject_at_event(struct world *world)
{
	if (world->mode > MODE_FAIL_ACTION && world->mode < MODE_TWICE && world->nr_events == world->k) {
		world->injected = true;
		inject(world, world->mode);
	}
	if (world->mode == MODE_TWICE && world->nr_events == world->second_k)
		inject(world, world->second_mode);
}

bool inject_fails(struct world *world)
{
	if (world->mode != MODE_FAIL_ACTION && world->mode != MODE_TWICE)
		return false;
	if (++world->nr_actions != world->k)
		return false;
	world_trace(world, "--- this one fails");
	world->injected = true;
	return true;
}
