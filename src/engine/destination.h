/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The destination's engine. The invariant it keeps: RUN is asked for only after COMMIT came (or the user takes
 * over after OWNER_UNKNOWN), and after RUN was asked for the guest is given back (FAILED) only if it did not run.
 * doc/handover.md has the proof.
 *
 * DISCARD may be asked for while other reported actions are under way: it is carried out after they have ended
 * (CLOSE makes them end), and their reports are ignored. A source that comes (START) is taken in phase IDLE only;
 * an attempt that came to nothing before ACCEPT leads back there, after a CHECK under way was reported.
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
	DESTINATION_STARTING,  /* COMMIT came; RUN under way */
	DESTINATION_DISCARDING,
	DESTINATION_ENDED,
	NR_DESTINATION_PHASES,
};

struct destination_config {
	uint64_t stall_ns;
};

struct destination_engine {
	struct destination_config config;
	enum destination_phase phase;
	enum gw_outcome outcome;
	uint32_t pending;     /* bit a reported action that is under way */
	uint64_t deadline_ns; /* when to give EVENT_TICK; DEADLINE_NEVER: not needed */
	uint64_t silence_ns;
	uint64_t next_ping_ns;
	uint32_t peer_lost;    /* nobody is there to hear us, or to be heard */
	struct gw_error error; /* the first failure */
};

void destination_engine_init(struct destination_engine *engine, const struct destination_config *config);
void destination_engine_step(struct destination_engine *engine, const struct event *event, struct actions *out);
const char *destination_phase_name(enum destination_phase phase);

#endif
