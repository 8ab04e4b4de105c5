/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's engine: which phase a migration is in, and what to do next. The invariant it keeps: once DECIDE is
 * done the guest is never resumed here by itself, but only on the destination's word that it did not and will not
 * run it, on the arbiter's or on the user's; before that every failure ends in TAKE_BACK, with an arbiter from
 * PREPARE on only if it says MINE. doc/handover.md has the proof.
 *
 * Beside the phase there is the link: from pre-copy to COMMITTED it may break and come back, and the phase goes on
 * meanwhile as far as it does not have to speak. A reported action that needs the channels stays pending: the session
 * begins it anew after REJOIN.
 *
 * TAKE_BACK and RELEASE may be asked for while other reported actions are under way: they are carried out after those
 * have ended (CLOSE makes them end), and their reports are ignored, before it or after it.
 */
#ifndef ENGINE_SOURCE_H
#define ENGINE_SOURCE_H

#include "engine/converge.h"
#include "engine/estimate.h"
#include "engine/event.h"

enum source_phase {
	SOURCE_IDLE = 0,
	SOURCE_CONNECT,    /* the VM asked for its needs, control channel, HELLO sent, WELCOME awaited */
	SOURCE_MANIFEST,   /* MANIFEST sent, ACCEPT or REFUSE awaited */
	SOURCE_SETUP,      /* data channels, tracking, devices to PRE_COPY */
	SOURCE_PRECOPY,    /* SYNC, decide, ROUND, ... */
	SOURCE_PAUSE,      /* decided; vCPUs stop */
	SOURCE_QUIESCE,    /* P2P barrier; RAM of the pause's first round goes out meanwhile, and during STOP */
	SOURCE_UNPAUSE,    /* a device wants new initial bytes loaded first: the decision is taken back */
	SOURCE_STOP,       /* STOP_COPY barrier */
	SOURCE_DRAIN,      /* the rest of everything */
	SOURCE_PREPARED,   /* PREPARE sent, READY awaited */
	SOURCE_COMMITTING, /* DECIDE under way */
	SOURCE_COMMITTED,  /* COMMIT sent, RUNNING awaited */
	SOURCE_RELEASING,  /* the destination runs; SUMMARY awaited for a while, then devices let go */
	SOURCE_CLAIMING,   /* with an arbiter: it is asked whether the guest may be taken back */
	SOURCE_TAKING_BACK,
	SOURCE_ENDED,
	NR_SOURCE_PHASES,
};

enum dry_run { DRY_RUN_NO, DRY_RUN_MANIFEST, DRY_RUN_REHEARSAL };

struct source_config {
	uint64_t downtime_limit_ns;
	uint64_t stall_ns;
	uint64_t reconnect_ns;     /* how long to try after the channels broke; 0: that is the end */
	uint64_t precopy_limit_ns; /* 0: no limit */
	uint32_t max_rounds;       /* 0: no limit */
	enum no_converge no_converge;
	enum dry_run dry_run;
	bool arbiter;
	bool can_throttle;
	bool has_needs; /* of its host, to be told before MANIFEST */
	bool blocked;   /* something here speaks against it: ask the destination for its reasons too, then end */
};

/* The connection, from pre-copy to COMMITTED. Nothing but HELLO is sent unless it is UP. */
enum source_link {
	LINK_UP = 0,
	LINK_DOWN,      /* RECONNECT under way, or due at next_try_ns */
	LINK_ASKING,    /* a control channel is there, HELLO sent, RESUMED awaited */
	LINK_REJOINING, /* REJOIN under way */
};

struct source_engine {
	struct source_config config; /* the session may change .arbiter and .has_needs until MANIFEST is sent */
	enum source_phase phase;
	enum source_link link;
	enum gw_outcome outcome;
	uint32_t pending;     /* bit a reported action that is under way */
	uint64_t deadline_ns; /* when to give EVENT_TICK; DEADLINE_NEVER: not needed */
	uint64_t silence_ns;  /* when the peer has been silent for too long */
	uint64_t next_ping_ns;
	uint64_t next_sync_ns;     /* a short round is over: when the next sync is due */
	uint64_t next_try_ns;      /* a try to reconnect failed: when the next one is due */
	uint64_t next_claim_ns;    /* the arbiter did not answer: when to ask again */
	uint64_t link_deadline_ns; /* until when the link has to be UP again */
	uint64_t claim_deadline_ns;
	uint64_t precopy_deadline_ns;
	uint64_t round;
	uint64_t round_began_ns;
	uint32_t loadable;   /* LOADABLE came */
	uint32_t paused;     /* the guest has been asked to pause */
	uint32_t peer_there; /* the peer may still listen, or has more to say */
	uint32_t was_lost;   /* the link broke at least once: what the peer said may come again */
	uint32_t lost_again; /* while REJOIN was under way: reconnect when it is reported */
	uint32_t resumed;    /* enum resumed_phase, the last that came */
	uint32_t sworn;      /* the user takes the guest back, and knows that the destination does not run */
	uint32_t nr_reconnects;
	uint32_t nr_taken_back; /* decisions to switch over */
	uint32_t throttle_percent;
	bool rehearsed; /* a rehearsal came to its end: it would have switched over, with .estimate */
	struct converge converge;
	struct estimate estimate;   /* the last one made */
	struct gw_error link_error; /* how the link broke; no failure if it comes back */
	struct gw_error error;      /* the first failure; of a TAKE_BACK before that */
	bool cannot_go_on;          /* the guest or a device is here, and could not be set going again */
};

void source_engine_init(struct source_engine *engine, const struct source_config *config);
void source_engine_step(struct source_engine *engine, const struct event *event, struct actions *out);
const char *source_phase_name(enum source_phase phase); /* "pre-copy": for people */

#endif
