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

	uint32_t nr_saved, nr_ended;
	bool vcpus_synced; /* since they were paused: they cannot have written more */
	bool logging;      /* the vCPUs' log is on */
	uint64_t last_sync_ns;
	uint64_t measured_rate;           /* of the wire */
	uint64_t rounds_ns, rounds_pages; /* of all rounds with the guest running */
	uint64_t round_began_bytes;
	struct round_result round_before; /* the counters when the round began */

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
	uint64_t dirty_rate, expected_ns, round;
	uint32_t phase;
};

/* Builds the body of a message that the engine wants sent. false: an action names a message that is not the source's.
 */
bool source_compose(struct gw_source *source, const struct action *action, struct message *message);

/* Fills the report from all that was measured; at the end, before it is published. */
void source_report(struct gw_source *source, const struct action *finish);

/* Jobs of the VM's worker (ctx: the source); 0 or -errno. */
int source_do_connect(void *ctx, struct gw_error *e);
int source_do_open_data(void *ctx, struct gw_error *e);
int source_do_track_start(void *ctx, struct gw_error *e);
int source_do_sync(void *ctx, struct gw_error *e);
int source_do_pause(void *ctx, struct gw_error *e);
int source_do_decide(void *ctx, struct gw_error *e);
int source_do_save_vm(void *ctx, struct gw_error *e);
int source_do_take_back(void *ctx, struct gw_error *e);
int source_do_release(void *ctx, struct gw_error *e);

/* Begins an action; the engine is told of its end. */
void source_carry_out(struct gw_source *source, const struct action *action);
/* All parts of an action are over: its next stage begins, or the engine is told. */
void source_action_over(struct gw_source *source, enum action_type action);
void source_part_done(struct gw_source *source, const struct note *note);
/* Everything but END has been sent, if it has: then END follows. */
void source_end_if_drained(struct gw_source *source);
void source_start_round(struct gw_source *source, enum action_type action);
/* Every thread that waits in a channel, for credit or for its turn gives up. */
void source_close_all(struct gw_source *source);

/* One event in, the actions it came to begun. Called again from within, by an action that ends at once. */
void source_feed(struct gw_source *source, struct event *event);

void *source_run(void *source);

#endif
