/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A world in which a source's and a destination's engine migrate a guest: a clock, a queue of what happens when,
 * connections, a guest that writes to its RAM, devices that write to it until they are stopped, an arbiter. It stands
 * for the sessions too, as far as the engines rely on them. All of it is a function of the seed. Nothing in here
 * decides whether what happened was right: that is judge.c.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "config.h"
#include "engine/destination.h"
#include "engine/source.h"
#include "rng.h"

#include <stdbool.h>

#define WORLD_PAGES   16
#define WORLD_ENTRIES 64
#define WORLD_DEVICES 3
#define WORLD_BATCHES 512 /* of data, that a schedule may send */
#define NO_CONN       0
#define ANY_CONN      UINT16_MAX

enum side { SOURCE = 0, DESTINATION = 1, NR_SIDES };

/* What goes wrong. doc/handover.md says what each stands for. */
enum mode {
	MODE_NOTHING,
	/* at the k-th event of the world */
	MODE_CUT,         /* the connections break, what is on the way is lost or not; new ones can be made soon */
	MODE_PART,        /* the network is gone for good */
	MODE_HALF_SOURCE, /* the connections break, but the source is not told */
	MODE_HALF_DESTINATION,
	MODE_LATE,        /* they break, and what was on the way is heard when nobody expects it any more */
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
	MODE_MUTE_SOURCE, /* the arbiter does not answer the source, for a while or for ever */
	MODE_MUTE_DESTINATION,
	MODE_MUTE_BOTH,
	/* the k-th action that is reported */
	MODE_FAIL_ACTION,
	MODE_SLOW_ACTION,
	/* the k-th report */
	MODE_TWICE_REPORT,
	/* the k-th message */
	MODE_DROP_MESSAGE,  /* on a stream: it and all that follows */
	MODE_SLOW_MESSAGE,  /* and all that follow, in order */
	MODE_TWICE_MESSAGE, /* only a peer that is not godwit says things twice */
	NR_MODES,
};

/* What k counts. */
enum domain { DOMAIN_EVENT, DOMAIN_ACTION, DOMAIN_REPORT, DOMAIN_MESSAGE, NR_DOMAINS };

/* The second one counts from where the first has happened. */
struct fault {
	enum mode mode;
	uint64_t k;
};

struct plan {
	uint64_t seed;
	struct fault faults[2];
};

enum entry_kind { ENTRY_EFFECT, ENTRY_REPORT, ENTRY_MESSAGE, ENTRY_START, ENTRY_LOST, ENTRY_DATA };

struct entry {
	uint64_t at_ns;
	uint32_t number; /* what is due at one time happens in the order in which it was put in */
	uint16_t conn;   /* of a message: the connection on which it comes */
	uint8_t kind;
	uint8_t side;
	uint8_t what;   /* EFFECT, REPORT: the action. MESSAGE: the frame type */
	uint8_t failed; /* REPORT */
	uint8_t resume; /* HELLO: of a source that comes back */
	uint8_t phase;  /* RESUMED */
	uint32_t value; /* PREPARE, RESUMED: batches. DATA: which one. REPORT of CLAIM: its result */
};

/* Pages and device states as they were when they were sent. */
struct batch {
	uint32_t mask;
	bool last; /* with the devices' state */
	uint32_t pages[WORLD_PAGES];
	uint32_t devices[WORLD_DEVICES];
};

/* One side's process. */
struct process {
	bool alive, host_dead;
	bool closed;         /* CLOSE: what is under way for a connection ends */
	uint16_t conn;       /* its end of a connection */
	uint16_t deaf_conn;  /* nothing reaches it on connections up to this one */
	uint64_t arrival_ns; /* of the last message on the way here: messages keep their order */
	uint64_t data_ns;
	uint64_t mute_until_ns; /* the arbiter does not answer it */
	uint32_t busy;          /* bit an action whose effect is still to come */
	uint32_t to_fail;       /* bit an action that will fail */
	bool vcpus;             /* they run */
	uint32_t dma;           /* bit a device that writes */
	uint32_t pages[WORLD_PAGES];
	uint32_t devices[WORLD_DEVICES];
	unsigned nr_finished;
	enum gw_outcome finished_as; /* the last time */
	int finish_code;
	bool granted; /* the arbiter has said that the guest is its */
};

struct world {
	const struct config *config;
	struct plan plan;
	struct rng rng, guest_rng;
	uint64_t now_ns, next_write_ns;
	uint32_t next_number;
	unsigned nr_entries;
	uint64_t nr_events;
	struct process sides[NR_SIDES];
	struct source_engine source;
	struct destination_engine destination;

	/* connections */
	uint16_t last_conn, dead_conn, data_conn; /* the last one made; broken up to; data channels open on */
	uint64_t net_down_until_ns;

	/* the source's dirty pages */
	bool logging;
	uint32_t log, dirty, sending; /* written; known; in a ROUND that is under way */
	uint64_t nr_syncs, nr_rounds;
	unsigned nr_rearms, throttle;
	/* the destination's load */
	uint32_t sent_batches, got_batches, wanted_batches, resumed_batches;
	bool loaded;

	/* the arbiter's two cells, each written once */
	enum arbiter_owner { NO_OWNER, SOURCE_OWNS, DESTINATION_OWNS } owner;
	enum arbiter_fate { NO_FATE, GIVEN_BACK, SOURCE_TOLD } fate;

	/* what has been said, and whether all of it could be heard */
	bool loadable_sent, ready_sent, commit_sent, failed_sent;
	bool any_lost, any_noise, any_kill, any_run_failed;
	bool user_decided;
	bool resumed; /* the source took the guest back: what the destination holds is of the past */

	/* what is to go wrong, and did */
	unsigned nr_fired;
	uint64_t nr_opportunities;          /* for the one that is next, in its domain */
	bool curable;                       /* all that went wrong is what reconnecting is for */
	enum gw_outcome ended_as[NR_SIDES]; /* before the user decides */
	unsigned nr_violations;
	bool trace;

	/* not cleared for each schedule */
	struct entry entries[WORLD_ENTRIES];
	struct batch batches[WORLD_BATCHES];
};

void world_init(struct world *world, const struct plan *plan, bool trace);
/* The next thing happens. False: nothing is left to happen. */
bool world_step(struct world *world);
/* Gives an event to one side's engine now. */
void world_feed(struct world *world, enum side side, struct event *event);
void world_put(struct world *world, const struct entry *entry);
void world_drop(struct world *world, unsigned entry);
void world_trace(const struct world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *side_name(enum side side);
static inline enum side side_other(enum side side)
{
	return side == SOURCE ? DESTINATION : SOURCE;
}

/* happening.c: what is due. */
void happening_run(struct world *world, const struct entry *due);

/* link.c: the connections. */
bool link_open(struct world *world); /* by the source; false: not now */
void link_send(struct world *world, enum side from, uint16_t type);
void link_refuse(struct world *world, uint16_t conn); /* the destination's session, of itself */
void link_send_data(struct world *world, uint32_t mask, bool last);
void link_detach(struct world *world, enum side side);
void link_cut(struct world *world, bool tell_source, bool tell_destination);
void link_cut_late(struct world *world);
void link_kill(struct world *world, enum side side);

/* effects.c: what actions do to the world. */
void effect_begin(struct world *world, enum side side, enum action_type type);
/* False: not yet, try again later. */
bool effect_happen(struct world *world, enum side side, enum action_type type, uint32_t *result);
void effect_result(struct world *world, enum action_type type, uint32_t result, struct event *event);
void effect_write(struct world *world); /* the guest and its devices write, up to now */
bool effect_has_all(const struct world *world);

/* arbiter.c */
enum claim_result arbiter_claim(struct world *world, enum side side);
bool arbiter_give_back(struct world *world);
bool arbiter_is_mute(const struct world *world, enum side side);
bool arbiter_is_mute_for_ever(const struct world *world, enum side side);

/* inject.c: what goes wrong. */
void inject_at_event(struct world *world);
enum mode inject_now(struct world *world, enum domain domain); /* MODE_NOTHING: not now */
const char *mode_name(enum mode mode);

/* judge.c */
void judge_violation(struct world *world, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void judge_moment(struct world *world);                                        /* after every event */
void judge_action(struct world *world, enum side side, enum action_type type); /* it is begun */
void judge_send(struct world *world, enum side side, uint16_t type);
void judge_finish(struct world *world, enum side side);
void judge_end(struct world *world); /* and the user's decisions where they are needed */

/* user.c: who goes and looks where nobody knows. */
void user_settle(struct world *world); /* until nothing more happens by itself */
bool user_decide(struct world *world); /* false: nothing to decide */

static inline bool source_is(const struct world *world, enum gw_outcome outcome)
{
	return world->sides[SOURCE].alive && world->source.outcome == outcome;
}

static inline bool destination_is(const struct world *world, enum gw_outcome outcome)
{
	return world->sides[DESTINATION].alive && world->destination.outcome == outcome;
}

#endif
