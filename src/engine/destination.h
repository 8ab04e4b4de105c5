/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The destination's engine. The invariant it keeps: RUN is asked for only after COMMIT came, with an arbiter only
 * after it said MINE, or when the user takes over after OWNER_UNKNOWN; and after RUN was asked for the guest is given
 * back (FAILED) only if it did not run. doc/handover.md has the proof.
 *
 * A source that reconnects may be away for a while, from LOADING to STARTING: what is under way goes on. REJOINED is
 * welcome in every phase after ACCEPT, away or not, at the end too: the answer may be all that the source waits for.
 *
 * DISCARD may be asked for while other reported actions are under way: it is carried out after they have ended
 * (CLOSE makes them end), and their reports are ignored; so is GIVE_BACK after a CLAIM. A source that comes (START) is
 * taken in phase IDLE only; an attempt that came to nothing before ACCEPT leads back there, after a CHECK under way was
 * reported, and so do a dry run and a rehearsal.
 */
#ifndef ENGINE_DESTINATION_H
#define ENGINE_DESTINATION_H

#include "engine/event.h"

enum destination_phase {
	DESTINATION_IDLE = 0,  /* waits for a source */
	DESTINATION_HELLO,     /* HELLO awaited */
	DESTINATION_MANIFEST,  /* WELCOME sent, MANIFEST awaited, or CHECK under way */
	DESTINATION_LOADING,   /* ACCEPT sent; PREPARE_LOAD, then LOADABLE; data comes */
	DESTINATION_FINISHING, /* PREPARE came; FINISH_LOAD under way */
	DESTINATION_READY,     /* READY sent; COMMIT awaited */
	DESTINATION_CLAIMING,  /* with an arbiter: COMMIT came, or nothing comes any more; it is asked for the guest */
	DESTINATION_STARTING,  /* RUN under way */
	DESTINATION_GIVING_BACK, /* RUN failed after a claim: the arbiter is told, then the source */
	DESTINATION_DISCARDING,
	DESTINATION_ENDED,
	NR_DESTINATION_PHASES,
};

struct destination_config {
	uint64_t stall_ns;
	bool arbiter;
};

struct destination_engine {
	struct destination_config config; /* the session may change .arbiter until CHECK begins */
	enum destination_phase phase;
	enum gw_outcome outcome;
	uint32_t pending;     /* bit a reported action that is under way */
	uint64_t deadline_ns; /* when to give EVENT_TICK; DEADLINE_NEVER: not needed */
	uint64_t silence_ns;
	uint64_t next_ping_ns;
	uint64_t next_claim_ns;     /* the arbiter did not answer: when to ask again */
	uint64_t claim_deadline_ns; /* until when the arbiter is asked before OWNER_UNKNOWN is published */
	uint64_t away_deadline_ns;  /* until when an away source is waited for */
	uint64_t reconnect_ns;      /* how long the source tries to come back, by its HELLO */
	uint32_t peer_lost;         /* nobody is there to hear us, or to be heard */
	uint32_t away;              /* but may come back */
	uint32_t dry_run;           /* by HELLO: nothing is loaded */
	uint32_t rehearsal;         /* by HELLO: nothing is ever prepared */
	uint32_t sworn;             /* the user takes over, and knows that the source does not run */
	uint32_t kept;              /* claimed here, not started, not given back: held until someone comes */
	struct gw_error link_error; /* how the link broke; no failure if the source comes back */
	struct gw_error error;      /* the first failure */
};

void destination_engine_init(struct destination_engine *engine, const struct destination_config *config);
void destination_engine_step(struct destination_engine *engine, const struct event *event, struct actions *out);
/* What RESUMED is to say of the phase. */
enum resumed_phase destination_resumed_phase(const struct destination_engine *engine);
const char *destination_phase_name(enum destination_phase phase);

#endif
