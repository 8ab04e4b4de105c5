/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A world in which a source's and a destination's engine migrate a guest: a clock, a queue of what happens when, a
 * connection, a guest that writes to its RAM, devices that write to it until they are stopped. All of it is a
 * function of the seed. Nothing in here decides whether what happened was right: that is judge.c.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "engine/destination.h"
#include "engine/source.h"
#include "rng.h"

#include <stdbool.h>

#define WORLD_PAGES   16
#define WORLD_ENTRIES 256
#define WORLD_DEVICES 3

enum side { SOURCE = 0, DESTINATION = 1, NR_SIDES };

struct config {
	const char *name;
	unsigned nr_devices;
	uint64_t writes_per_s;   /* pages, by vCPUs and devices together */
	uint64_t action_max_ns;  /* how long an action takes at most */
	uint64_t arc_ns;         /* how long the slowest device arc takes */
	uint64_t load_ns;        /* how long PREPARE_LOAD and FINISH_LOAD take at least */
	uint64_t run_ns;         /* how long RUN takes at least */
	unsigned initial_rounds; /* syncs until all initial bytes are acknowledged */
	uint32_t max_rounds;
	bool converges;
};

/* What goes wrong. */
enum mode {
	MODE_NOTHING,
	MODE_FAIL_ACTION, /* the k-th action of both sides together; the others: at the k-th event */
	MODE_CUT,         /* the connection breaks, what is on the way is lost */
	MODE_DEAF_SOURCE, /* nothing reaches the source any more, and nobody is told */
	MODE_DEAF_DESTINATION,
	MODE_DEAF_BOTH,
	MODE_KILL_SOURCE, /* the process, or its host */
	MODE_KILL_DESTINATION,
	MODE_CANCEL_SOURCE,
	MODE_CANCEL_DESTINATION,
	MODE_FAULT_SOURCE, /* something in the background fails */
	MODE_FAULT_DESTINATION,
	MODE_NOISE_SOURCE, /* the peer says something at the wrong time, but no lie about who has the guest */
	MODE_NOISE_DESTINATION,
	MODE_TWICE, /* the k-th action fails, and something else goes wrong somewhere else */
	NR_MODES,
};

enum entry_kind { ENTRY_EFFECT, ENTRY_REPORT, ENTRY_MESSAGE, ENTRY_START, ENTRY_LOST, ENTRY_DATA };

struct entry {
	uint64_t at_ns;
	uint64_t number; /* what is due at one time happens in the order in which it was put in */
	enum entry_kind kind;
	enum side side;
	unsigned what;    /* EFFECT, REPORT: the action. MESSAGE: the frame type */
	bool failed;      /* REPORT */
	uint32_t batches; /* PREPARE: how many have been sent */
	uint32_t mask;    /* DATA: which pages */
	uint32_t pages[WORLD_PAGES];
	bool last; /* DATA: with the devices' state */
	uint32_t devices[WORLD_DEVICES];
};

/* One side's process. */
struct process {
	bool alive;
	bool open;   /* its end of the connection */
	bool closed; /* for good */
	bool deaf;
	uint64_t arrival_ns; /* of the last message on the way here: messages keep their order */
	uint64_t data_ns;
	uint32_t busy;    /* bit an action whose effect is still to come */
	uint32_t to_fail; /* bit an action that will fail */
	bool vcpus, dma;  /* they run, they write */
	uint32_t pages[WORLD_PAGES];
	uint32_t devices[WORLD_DEVICES];
	unsigned nr_finished;
	struct action finish; /* the last one */
};

struct world {
	const struct config *config;
	struct rng rng, guest_rng;
	uint64_t now_ns, next_write_ns, next_number;
	struct entry entries[WORLD_ENTRIES];
	unsigned nr_entries;
	struct process sides[NR_SIDES];
	struct source_engine source;
	struct destination_engine destination;

	/* the source's dirty pages */
	bool logging;
	uint32_t log, dirty, sending; /* written; known; in a ROUND that is under way */
	uint64_t nr_syncs, nr_rounds;
	/* the destination's load */
	uint32_t sent_batches, got_batches, wanted_batches;
	bool loaded;

	/* what has been said, and whether all of it could be heard */
	bool loadable_sent, ready_sent, commit_sent, failed_sent;
	bool any_lost, any_noise;
	bool user_decided;
	bool resumed; /* the source took the guest back: what the destination holds is of the past */

	/* what is to go wrong, and did */
	enum mode mode;
	uint64_t k;
	enum mode second_mode;
	uint64_t second_k;
	bool injected;
	uint64_t nr_events, nr_actions;
	enum gw_outcome ended_as[NR_SIDES]; /* before the user decides */
	unsigned nr_violations;
	bool trace;
};

void world_init(struct world *world, const struct config *config, uint64_t seed, enum mode mode, uint64_t k);
/* The next thing happens. False: nothing is left to happen. */
bool world_step(struct world *world);
/* Gives an event to one side's engine now. */
void world_feed(struct world *world, enum side side, struct event *event);
void world_put(struct world *world, const struct entry *entry);
void world_trace(const struct world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *side_name(enum side side);

/* link.c: the connection. */
void link_open(struct world *world);
void link_send(struct world *world, enum side from, uint16_t type);
void link_send_data(struct world *world, uint32_t mask, bool last);
void link_close(struct world *world, enum side side); /* by the side itself */
void link_cut(struct world *world);
void link_kill(struct world *world, enum side side);

/* effects.c: what actions do to the world. */
void effect_begin(struct world *world, enum side side, enum action_type type);
/* False: not yet, try again later. */
bool effect_happen(struct world *world, enum side side, enum action_type type);
void effect_result(struct world *world, enum action_type type, struct event *event);
void effect_write(struct world *world); /* the guest and its devices write, up to now */

/* inject.c: what goes wrong. */
void inject_at_event(struct world *world);
bool inject_fails(struct world *world); /* this action */

/* judge.c */
void judge_violation(struct world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void judge_moment(struct world *world);                                        /* after every event */
void judge_action(struct world *world, enum side side, enum action_type type); /* it is begun */
void judge_end(struct world *world); /* and the user's decisions where they are needed */

#endif
