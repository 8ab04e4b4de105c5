/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handlers of the destination's tables (destination.c): each is what one event means in the phases it stands for.
 * The way to READY is in arrival.c, a source that comes back in away.c, COMMIT and the arbiter in ownership.c, all that
 * ends otherwise in ending.c. Nothing outside the engine uses this.
 */
#ifndef ENGINE_DESTINATION_HANDLERS_H
#define ENGINE_DESTINATION_HANDLERS_H

#include "engine/actions.h"
#include "engine/destination.h"

typedef void destination_handler(struct destination_engine *e, const struct event *ev, struct actions *out);

/* destination.c: what handlers do with the engine. */
void destination_enter(struct destination_engine *e, enum destination_phase phase, enum action_type type,
		       struct actions *out);
void destination_listen(struct destination_engine *e, uint64_t now_ns); /* the peer is there, from now on */
void destination_ping_later(struct destination_engine *e, uint64_t now_ns);
void destination_stop_timers(struct destination_engine *e);
void destination_finish(struct destination_engine *e, enum gw_outcome outcome, struct actions *out);

/* arrival.c: from a channel that has opened to READY. */
destination_handler arrival_begin;
destination_handler arrival_greeted;
destination_handler arrival_needs;
destination_handler arrival_told;
destination_handler arrival_checked;
destination_handler arrival_check_failed;
destination_handler arrival_can_load;
destination_handler arrival_prepare;
destination_handler arrival_loaded;

/* away.c: the source is lost, and comes back. */
destination_handler away_rejoined;
destination_handler away_rejoined_late;
bool away_begin(struct destination_engine *e, uint64_t now_ns, struct actions *out); /* false: it never comes back */
bool away_is_over(const struct destination_engine *e);                               /* nobody is there, or will be */

/* ownership.c: the guest is run, held or given back. */
destination_handler ownership_commit;
destination_handler ownership_claimed;
destination_handler ownership_claim_failed;
destination_handler ownership_ran;
destination_handler ownership_run_failed;
destination_handler ownership_given_back;
destination_handler ownership_kept;
destination_handler ownership_take_over;
destination_handler ownership_discard;
destination_handler ownership_peer_back;
destination_handler ownership_moot;
destination_handler ownership_rejoined;
destination_handler ownership_tick;
void ownership_limit_asking(struct destination_engine *e, uint64_t now_ns);
/* The source is lost for good where it may have given the guest away. */
void ownership_hold(struct destination_engine *e, struct actions *out);
void ownership_hold_claim(struct destination_engine *e, struct actions *out);

/* ending.c: how an attempt ends when something fails. */
destination_handler ending_failed;
destination_handler ending_peer_lost;
destination_handler ending_peer_cancelled;
destination_handler ending_refuse_message;
destination_handler ending_cancel;
destination_handler ending_cancel_early;
destination_handler ending_discarded;
destination_handler ending_tick;

/* The first error is in e->error before these are called. */
void ending_leave(struct destination_engine *e, struct actions *out);   /* before ACCEPT */
void ending_give_up(struct destination_engine *e, struct actions *out); /* the guest never ran here and never will */
void ending_hang_up(struct destination_engine *e, struct actions *out);

#endif
