/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A migration's source: the engine decides, this carries out. One thread (source_run) owns the struct; workers and
 * channel threads talk to it by notes.
 */
#ifndef SESSION_SOURCE_H
#define SESSION_SOURCE_H

#include "channel/address.h"
#include "channel/rate.h"
#include "engine/source.h"
#include "session/core.h"
#include "session/saver.h"
#include "session/sender.h"

#include <godwit/source.h>

/* When the parts of the downtime began, on this side's clock; 0: not come to. */
struct blackout {
	uint64_t pause_ns, paused_ns, stopped_ns, drain_ns, synced_ns, ready_ns, running_ns, resumed_ns;
	uint64_t vain_ns; /* spent in pauses that were taken back */
};

struct gw_source {
	struct core core;
	struct source_engine engine;
	struct address address;
	struct message_hello hello;
	struct dirty dirty;
	struct outbox outbox;
	struct rate rate;
	struct sending sending;
	struct saver savers[GW_MAX_DEVICES];
	struct sender senders[GW_MAX_CHANNELS];
	uint64_t *bitmap; /* of the largest RAM block, for the vCPUs' log */

	uint32_t nr_ended;
	uint32_t lanes_left;           /* of the round under way: data channels that are not through */
	enum action_type round_action; /* whose part it is: ROUND or DRAIN */
	bool channels_up;              /* a round can be begun on them */
	pthread_mutex_t closing_lock;
	pthread_cond_t closing_changed;
	bool closing;                         /* atomic: no new connection is to be made */
	uint64_t lost_link;                   /* the last connection whose control channel broke */
	uint64_t vm_tried_link, vm_sent_link; /* the connections on which the VM's state was last tried, and sent */
	struct message_resumed *resumed;      /* the last that came; NULL: none */
	bool vcpus_synced;                    /* since they were paused: they cannot have written more */
	bool syncing_paused;                  /* that sync is under way, at the beginning of a round */
	bool logging;                         /* the vCPUs' log is on */
	bool throttled;                       /* the vCPUs are not at their own speed */
	uint32_t throttle_to;
	uint64_t last_sync_ns;
	uint64_t measured_rate; /* of the wire; 0: not yet */
	bool probed;            /* FILLER was sent to measure it: once is enough */
	uint64_t asked_ns;      /* HELLO or MANIFEST was sent */
	uint64_t round_trip_ns; /* the quickest answer to them; UINT64_MAX: none yet */
	uint64_t announce_ns;   /* the arbiter took for this side's name; about what a claim takes */
	struct recent vcpu_sync;
	struct recent pickup;   /* how long a job waited for the VM's worker to take it */
	uint64_t pause_took_ns; /* the last time; 0: never yet */
	struct device_outlook outlooks[GW_MAX_DEVICES];
	uint64_t rounds_ns, rounds_pages;   /* of all rounds with the guest running */
	uint64_t carried_bytes, carried_ns; /* those of .sending when the round began */
	struct round_result round_before;   /* the counters when the round began */

	uint8_t *needs; /* of the guest, asked for before anything else; NULL: none */
	size_t nr_needs;
	uint8_t *vm_state;
	size_t nr_vm_state;
	uint64_t vm_state_digest;
	struct message_prepare prepare;
	struct message_ready ready;
	struct message_running running;
	struct message_summary *summary; /* NULL: none came */
	uint64_t ram_digest;
	struct blackout blackout;

	/* atomic, for progress */
	uint64_t dirty_rate, round;
	uint64_t watched_bytes,
		watched_ns; /* of device state that the destination has loaded, while the guest waits for it */
	bool committed;     /* COMMIT was sent, or tried */
	uint32_t phase, link_is_up, nr_reconnects, throttle_percent;

	struct gw_downtime predicted; /* under the core's lock */
};

/* Builds the body of a message that the engine wants sent. false: an action names a message that is not the source's.
 */
bool source_compose(struct gw_source *source, const struct action *action, struct message *message);

/* What the destination, or this side, has against it. */
void source_add_blockers(struct gw_source *source, const struct reasons *reasons);

/* Fills the report from all that was measured; at the end, before it is published. */
void source_report(struct gw_source *source, const struct action *finish);

/* Jobs of the link's worker (ctx: the source); 0 or -errno. source_link.c. */
int source_do_connect(void *ctx, struct gw_error *e);
int source_do_open_data(void *ctx, struct gw_error *e);
int source_do_detach(void *ctx, struct gw_error *e);
int source_do_reconnect(void *ctx, struct gw_error *e);
int source_do_rejoin(void *ctx, struct gw_error *e);

/* source_jobs.c. The guest leaves, stays, or is no longer ours to know of: no log any more, and its own speed. */
void source_let_go(struct gw_source *s);

/* Jobs of the VM's worker. source_jobs.c. */
int source_do_ask_needs(void *ctx, struct gw_error *e);
int source_do_track_start(void *ctx, struct gw_error *e);
int source_do_sync(void *ctx, struct gw_error *e);
int source_do_pause(void *ctx, struct gw_error *e);
int source_do_unpause(void *ctx, struct gw_error *e);
int source_do_throttle(void *ctx, struct gw_error *e);
int source_do_decide(void *ctx, struct gw_error *e);
int source_do_save_vm(void *ctx, struct gw_error *e);
int source_do_take_back(void *ctx, struct gw_error *e);
int source_do_release(void *ctx, struct gw_error *e);

/* Begins an action; the engine is told of its end. */
void source_carry_out(struct gw_source *source, const struct action *action);
/* All parts of an action are over: its next stage begins, or the engine is told. */
void source_action_over(struct gw_source *source, enum action_type action);
void source_part_done(struct gw_source *source, const struct note *note);
void source_lane_over(struct gw_source *source);
/* Everything but END has been sent, if it has: then END follows. */
void source_end_if_drained(struct gw_source *source);
void source_start_round(struct gw_source *source, enum action_type action);
void source_start_drain(struct gw_source *source); /* what follows the last sync */
/* The channels are back: whatever was under way on them begins anew, with what did not arrive. */
void source_go_on(struct gw_source *source);
/* Every thread that waits in a channel, for credit or for its turn gives up. */
void source_close_all(struct gw_source *source);

/* One event in, the actions it came to begun. Called again from within, by an action that ends at once. */
void source_feed(struct gw_source *source, struct event *event);

void *source_run(void *source);

#endif
