/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two tables, states and arcs, and a breadth-first search. With the rule of mig_state.h the search gives the answer
 * of the uAPI text for every capability set and pair of states, so no combined transition is written down here.
 */
#include "ref/device/mig_state.h"

#include <errno.h>
#include <stddef.h>

#define CAPS_PRE_COPY_P2P (MIG_CAP_P2P | MIG_CAP_PRE_COPY)

static const struct state {
	bool exists;
	bool runs;
	bool initiates;
	enum mig_session session;
	uint32_t needs; /* beside STOP_COPY, without which there is no migration at all */
} states[MIG_NR_STATES] = {
	[MIG_STOP] = { .exists = true },
	[MIG_RUNNING] = { .exists = true, .runs = true, .initiates = true },
	[MIG_STOP_COPY] = { .exists = true, .session = MIG_SESSION_SAVE },
	[MIG_RESUMING] = { .exists = true, .session = MIG_SESSION_LOAD },
	[MIG_RUNNING_P2P] = { .exists = true, .runs = true, .needs = MIG_CAP_P2P },
	[MIG_PRE_COPY] = { .exists = true,
			   .runs = true,
			   .initiates = true,
			   .session = MIG_SESSION_SAVE,
			   .needs = MIG_CAP_PRE_COPY },
	[MIG_PRE_COPY_P2P] = { .exists = true, .runs = true, .session = MIG_SESSION_SAVE, .needs = CAPS_PRE_COPY_P2P },
};

/* An arc is there when its two states are, unless the device has the capability that replaces it. */
static const struct arc {
	uint8_t from, to;
	uint8_t unless;
} arcs[] = {
	{ MIG_RUNNING, MIG_STOP, MIG_CAP_P2P },
	{ MIG_STOP, MIG_RUNNING, MIG_CAP_P2P },
	{ MIG_PRE_COPY, MIG_STOP_COPY, MIG_CAP_P2P },
	{ MIG_RUNNING, MIG_RUNNING_P2P, 0 },
	{ MIG_RUNNING_P2P, MIG_RUNNING, 0 },
	{ MIG_RUNNING_P2P, MIG_STOP, 0 },
	{ MIG_STOP, MIG_RUNNING_P2P, 0 },
	{ MIG_STOP, MIG_STOP_COPY, 0 },
	{ MIG_STOP_COPY, MIG_STOP, 0 },
	{ MIG_STOP, MIG_RESUMING, 0 },
	{ MIG_RESUMING, MIG_STOP, 0 },
	{ MIG_RUNNING, MIG_PRE_COPY, 0 },
	{ MIG_PRE_COPY, MIG_RUNNING, 0 },
	{ MIG_PRE_COPY, MIG_PRE_COPY_P2P, 0 },
	{ MIG_PRE_COPY_P2P, MIG_PRE_COPY, 0 },
	{ MIG_RUNNING_P2P, MIG_PRE_COPY_P2P, 0 },
	{ MIG_PRE_COPY_P2P, MIG_RUNNING_P2P, 0 },
	{ MIG_PRE_COPY_P2P, MIG_STOP_COPY, 0 },
};

#define NR_ARCS (sizeof(arcs) / sizeof(arcs[0]))

enum mig_session ref_mig_state_session(uint32_t state)
{
	return state < MIG_NR_STATES ? states[state].session : MIG_SESSION_NONE;
}

bool ref_mig_state_runs(uint32_t state)
{
	return state < MIG_NR_STATES && states[state].runs;
}

bool ref_mig_state_precopies(uint32_t state)
{
	return ref_mig_state_runs(state) && ref_mig_state_session(state) == MIG_SESSION_SAVE;
}

bool ref_mig_state_initiates(uint32_t state)
{
	return state < MIG_NR_STATES && states[state].initiates;
}

bool ref_mig_state_valid(uint32_t state, uint32_t caps)
{
	if (state >= MIG_NR_STATES || !states[state].exists)
		return false;
	return (caps & MIG_CAP_STOP_COPY) && !(states[state].needs & ~caps);
}

static bool may_pass(uint32_t state, uint32_t from, uint32_t to)
{
	bool both_save = states[from].session == MIG_SESSION_SAVE && states[to].session == MIG_SESSION_SAVE;

	return (states[state].session == MIG_SESSION_SAVE) == both_save;
}

/* Searches from the goal backwards, so that the first arc found out of `from` is the step to take. */
int ref_mig_state_next(uint32_t from, uint32_t to, uint32_t caps)
{
	uint8_t queue[MIG_NR_STATES];
	bool seen[MIG_NR_STATES] = { false };
	size_t head = 0, tail = 0;

	if (!ref_mig_state_valid(to, caps) || from >= MIG_NR_STATES || !states[from].exists)
		return -EINVAL;
	if (from == to)
		return (int)to;
	caps |= states[from].needs;
	queue[tail++] = (uint8_t)to;
	seen[to] = true;
	while (head < tail) {
		uint8_t state = queue[head++];

		for (size_t i = 0; i < NR_ARCS; i++) {
			const struct arc *arc = &arcs[i];

			if (arc->to != state || arc->unless & caps || !ref_mig_state_valid(arc->from, caps))
				continue;
			if (arc->from == from)
				return state;
			if (seen[arc->from] || !may_pass(arc->from, from, to))
				continue;
			seen[arc->from] = true;
			queue[tail++] = arc->from;
		}
	}
	return -EINVAL;
}
