/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handlers of the source's tables (source.c): each is what one event means in the phases it stands for. The
 * way there is in precopy.c and handover.c, the way back in rollback.c and claim.c, the link in link.c. Nothing outside
 * the engine uses this.
 */
#ifndef ENGINE_SOURCE_HANDLERS_H
#define ENGINE_SOURCE_HANDLERS_H

#include "engine/actions.h"
#include "engine/source.h"

typedef void source_handler(struct source_engine *e, const struct event *ev, struct actions *out);

/* source.c: what handlers do with the engine. */
void source_enter(struct source_engine *e, enum source_phase phase, enum action_type type, struct actions *out);
void source_hear(struct source_engine *e, uint64_t now_ns); /* the peer is alive */
void source_ping_later(struct source_engine *e, uint64_t now_ns);
void source_stop_timers(struct source_engine *e);
void source_finish(struct source_engine *e, enum gw_outcome outcome, struct actions *out);

/* precopy.c: from START to the decision to switch over. */
source_handler precopy_start;
source_handler precopy_connected;
source_handler precopy_welcomed;
source_handler precopy_accepted;
source_handler precopy_data_open;
source_handler precopy_tracking;
source_handler precopy_streaming;
source_handler precopy_loadable;
source_handler precopy_synced;
source_handler precopy_send_round;
source_handler precopy_round_over;
source_handler precopy_out_of_time;

/* handover.c: from PAUSE to the outcome COMPLETED. */
source_handler handover_paused;
source_handler handover_quiesced;
source_handler handover_unpaused;
source_handler handover_stopped;
source_handler handover_drained;
source_handler handover_ready;
source_handler handover_ready_again;
source_handler handover_decided;
source_handler handover_running;
source_handler handover_ran_uncommitted;
source_handler handover_released;
source_handler handover_message_in_release;
source_handler handover_tick_in_release;
source_handler handover_stop_listening;

/* link.c: the connection breaks and comes back. */
source_handler link_lost;
source_handler link_opened;
source_handler link_resumed;
source_handler link_refused;
source_handler link_rejoined;
source_handler link_failed;
source_handler link_tick;
bool link_may_come_back(const struct source_engine *e);
bool link_is_heard(const struct source_engine *e);
void link_break(struct source_engine *e, const struct gw_error *error, uint64_t now_ns, struct actions *out);

/* rollback.c: all that ends otherwise. */
source_handler rollback_refused;
source_handler rollback_refuse_message;
source_handler rollback_peer_failed;
source_handler rollback_peer_lost;
source_handler rollback_failed;
source_handler rollback_cancel;
source_handler rollback_cancel_idle;
source_handler rollback_taken_back;
source_handler rollback_take_back;

/* The first error is in e->error before these are called. */
void rollback_begin(struct source_engine *e, uint64_t now_ns, struct actions *out);
/* OWNER_UNKNOWN once COMMIT was sent, unless there is an arbiter. */
void rollback_lose_peer(struct source_engine *e, uint64_t now_ns, struct actions *out);
void rollback_hang_up(struct source_engine *e, struct actions *out);
void rollback_take(struct source_engine *e, struct actions *out); /* nobody else has the guest, or ever will */

/* claim.c: the arbiter is asked. */
source_handler claim_answered;
source_handler claim_failed;
source_handler claim_tick;
void claim_begin(struct source_engine *e, uint64_t now_ns, struct actions *out);
void claim_swear(struct source_engine *e, struct actions *out); /* the user answers where the arbiter does not */

#endif
