/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VFIO migration state machine: a table of states, a table of arcs, and the one rule by which arcs combine.
 * What follows from the tables is not written again anywhere. Source: linux/vfio.h, enum vfio_device_mig_state.
 */
#include "model/device_state.h"

#include "base/bits.h"

#include <errno.h>

#define NEED_STOP_COPY GW_MIGRATION_STOP_COPY
#define NEED_P2P       (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P)
#define NEED_PRE_COPY  (GW_MIGRATION_STOP_COPY | GW_MIGRATION_PRE_COPY)
#define NEED_BOTH      (NEED_P2P | NEED_PRE_COPY)

enum dma { DMA_NONE, DMA_NO_PEERS, DMA_ALL };

static const struct state {
	const char *name;
	uint8_t needs;    /* flags without which it does not exist */
	uint8_t session;  /* enum device_session */
	uint8_t dma;      /* enum dma: what the device may do */
	uint8_t quiesced; /* its P2P twin */
} states[GW_NR_STATES] = {
	[GW_STATE_ERROR] = { "ERROR", 0, SESSION_NONE, DMA_ALL, GW_STATE_ERROR },
	[GW_STATE_STOP] = { "STOP", NEED_STOP_COPY, SESSION_NONE, DMA_NONE, GW_STATE_STOP },
	[GW_STATE_RUNNING] = { "RUNNING", 0, SESSION_NONE, DMA_ALL, GW_STATE_RUNNING_P2P },
	[GW_STATE_STOP_COPY] = { "STOP_COPY", NEED_STOP_COPY, SESSION_SAVE, DMA_NONE, GW_STATE_STOP_COPY },
	[GW_STATE_RESUMING] = { "RESUMING", NEED_STOP_COPY, SESSION_LOAD, DMA_NONE, GW_STATE_RESUMING },
	[GW_STATE_RUNNING_P2P] = { "RUNNING_P2P", NEED_P2P, SESSION_NONE, DMA_NO_PEERS, GW_STATE_RUNNING_P2P },
	[GW_STATE_PRE_COPY] = { "PRE_COPY", NEED_PRE_COPY, SESSION_SAVE, DMA_ALL, GW_STATE_PRE_COPY_P2P },
	[GW_STATE_PRE_COPY_P2P] = { "PRE_COPY_P2P", NEED_BOTH, SESSION_SAVE, DMA_NO_PEERS, GW_STATE_PRE_COPY_P2P },
};

/* The arcs; the last three are walked in two by a device that has the P2P state between. */
static const struct arc {
	uint8_t from, to;
	uint8_t needs;      /* flags without which it is not there */
	uint8_t removed_by; /* flags with which it is not there */
} arcs[] = {
	{ GW_STATE_STOP, GW_STATE_STOP_COPY, NEED_STOP_COPY, 0 },
	{ GW_STATE_STOP_COPY, GW_STATE_STOP, NEED_STOP_COPY, 0 },
	{ GW_STATE_STOP, GW_STATE_RESUMING, NEED_STOP_COPY, 0 },
	{ GW_STATE_RESUMING, GW_STATE_STOP, NEED_STOP_COPY, 0 },
	{ GW_STATE_RUNNING, GW_STATE_RUNNING_P2P, NEED_P2P, 0 },
	{ GW_STATE_RUNNING_P2P, GW_STATE_RUNNING, NEED_P2P, 0 },
	{ GW_STATE_RUNNING_P2P, GW_STATE_STOP, NEED_P2P, 0 },
	{ GW_STATE_STOP, GW_STATE_RUNNING_P2P, NEED_P2P, 0 },
	{ GW_STATE_RUNNING, GW_STATE_PRE_COPY, NEED_PRE_COPY, 0 },
	{ GW_STATE_PRE_COPY, GW_STATE_RUNNING, NEED_PRE_COPY, 0 },
	{ GW_STATE_RUNNING_P2P, GW_STATE_PRE_COPY_P2P, NEED_BOTH, 0 },
	{ GW_STATE_PRE_COPY_P2P, GW_STATE_RUNNING_P2P, NEED_BOTH, 0 },
	{ GW_STATE_PRE_COPY, GW_STATE_PRE_COPY_P2P, NEED_BOTH, 0 },
	{ GW_STATE_PRE_COPY_P2P, GW_STATE_PRE_COPY, NEED_BOTH, 0 },
	{ GW_STATE_PRE_COPY_P2P, GW_STATE_STOP_COPY, NEED_BOTH, 0 },
	{ GW_STATE_RUNNING, GW_STATE_STOP, NEED_STOP_COPY, GW_MIGRATION_P2P },
	{ GW_STATE_STOP, GW_STATE_RUNNING, NEED_STOP_COPY, GW_MIGRATION_P2P },
	{ GW_STATE_PRE_COPY, GW_STATE_STOP_COPY, NEED_PRE_COPY, GW_MIGRATION_P2P },
};

const char *device_state_name(uint32_t state)
{
	return state < GW_NR_STATES ? states[state].name : "?";
}

bool device_state_exists(uint32_t flags, uint32_t state)
{
	return state < GW_NR_STATES && (flags & states[state].needs) == states[state].needs;
}

enum device_session device_state_session(uint32_t state)
{
	return state < GW_NR_STATES ? (enum device_session)states[state].session : SESSION_NONE;
}

bool device_state_may_dma(uint32_t state)
{
	return state >= GW_NR_STATES || states[state].dma != DMA_NONE;
}

bool device_state_may_dma_peer(uint32_t state)
{
	return state >= GW_NR_STATES || states[state].dma == DMA_ALL;
}

uint32_t device_state_quiesced(uint32_t flags, uint32_t state)
{
	if (state >= GW_NR_STATES || !device_state_exists(flags, states[state].quiesced))
		return state;
	return states[state].quiesced;
}

static bool arc_exists(uint32_t flags, const struct arc *arc)
{
	return (flags & arc->needs) == arc->needs && !(flags & arc->removed_by);
}

/* A state passed on the way has a save session if and only if both ends have one. */
static bool may_pass(uint32_t from, uint32_t to, uint32_t between)
{
	bool both_save = states[from].session == SESSION_SAVE && states[to].session == SESSION_SAVE;

	return (states[between].session == SESSION_SAVE) == both_save;
}

/* Breadth first, backwards from the end: the arc that reaches `from` first begins a shortest path. */
static int shortest_first_step(uint32_t flags, uint32_t from, uint32_t to, uint32_t *next)
{
	uint32_t seen = 1u << to, front = 1u << to;

	while (front) {
		uint32_t reached = 0;

		for (unsigned i = 0; i < ARRAY_SIZE(arcs); i++) {
			const struct arc *arc = &arcs[i];

			if (!(front >> arc->to & 1) || !arc_exists(flags, arc))
				continue;
			if (arc->from == from) {
				*next = arc->to;
				return 0;
			}
			if (may_pass(from, to, arc->from))
				reached |= 1u << arc->from;
		}
		front = reached & ~seen;
		seen |= front;
	}
	return -EINVAL;
}

int device_state_next(uint32_t flags, uint32_t from, uint32_t to, uint32_t *next)
{
	if (from == GW_STATE_ERROR || to == GW_STATE_ERROR)
		return -EINVAL;
	if (!device_state_exists(flags, from) || !device_state_exists(flags, to))
		return -EINVAL;
	if (from == to) {
		*next = to;
		return 0;
	}
	return shortest_first_step(flags, from, to, next);
}
