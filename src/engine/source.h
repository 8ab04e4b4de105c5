/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's engine: which phase a migration is in, and what to do next. The invariant it keeps: once DECIDE is
 * done the guest is never resumed here by itself, but only on the destination's word that it did not and will not
 * run it, or on the user's; before that every failure ends in TAKE_BACK. doc/handover.md has the proof.
 *
 * TAKE_BACK may be asked for while other reported actions are under way: it is carried out after they have ended
 * (CLOSE makes them end), and their reports are ignored, before it or after it.
 */
#ifndef ENGINE_SOURCE_H
#define ENGINE_SOURCE_H

#include "engine/converge.h"
#include "engine/estimate.h"
#include "engine/event.h"

enum source_phase {
	SOURCE_IDLE = 0,
	SOURCE_CONNECT,    /* control channel, HELLO sent, WELCOME awaited */
	SOURCE_MANIFEST,   /* MANIFEST sent, ACCEPT or REFUSE awaited */
	SOURCE_SETUP,      /* data channels, tracking, devices to PRE_COPY */
	SOURCE_PRECOPY,    /* SYNC, decide, ROUND, ... */
	SOURCE_PAUSE,      /* decided; vCPUs stop */
	SOURCE_QUIESCE,    /* P2P barrier; RAM of the pause's first round goes out meanwhile, and during STOP */
	SOURCE_STOP,       /* STOP_COPY barrier */
	SOURCE_DRAIN,      /* the rest of everything */
	SOURCE_PREPARED,   /* PREPARE sent, READY awaited */
	SOURCE_COMMITTING, /* DECIDE under way */
	SOURCE_COMMITTED,  /* COMMIT sent, RUNNING awaited */
	SOURCE_RELEASING,  /* the destination runs; SUMMARY awaited for a while, then devices let go */
	SOURCE_TAKING_BACK,
	SOURCE_ENDED,
	NR_SOURCE_PHASES,
};

struct source_config {
	uint64_t downtime_limit_ns;
	uint64_t stall_ns;
	uint32_t max_rounds; /* 0: no limit */
};

struct source_engine {
	struct source_config config;
	enum source_phase phase;
	enum gw_outcome outcome;
	uint32_t pending;     /* bit a reported action that is under way */
	uint64_t deadline_ns; /* when to give EVENT_TICK; DEADLINE_NEVER: not needed */
	uint64_t silence_ns;  /* when the peer has been silent for too long */
	uint64_t next_ping_ns;
	uint64_t next_sync_ns; /* a short round is over: when the next sync is due */
	uint64_t round;
	uint64_t round_began_ns;
	uint64_t destination_arc_ns;
	uint32_t loadable;   /* LOADABLE came */
	uint32_t paused;     /* the guest has been asked to pause */
	uint32_t peer_there; /* the peer may still listen, or has more to say */
	struct converge converge;
	struct estimate estimate; /* the last one made */
	struct gw_error error;    /* the first failure */
};

void source_engine_init(struct source_engine *engine, const struct source_config *config);
void source_engine_step(struct source_engine *engine, const struct event *event, struct actions *out);
const char *source_phase_name(enum source_phase phase); /* "pre-copy": for people */

#endif
