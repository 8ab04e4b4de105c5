/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How an attempt ends for the destination when something fails depends on one thing, what the source may believe:
 * before ACCEPT nothing, before READY that it has the guest, after READY that it may have given it away.
 */
#include "engine/destination_handlers.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"
#include "engine/deadline.h"

#include <errno.h>

/* Tells the peer why, where there is one left, and listens no more. */
void ending_hang_up(struct destination_engine *e, struct actions *out)
{
	if (!e->peer_lost)
		actions_send_failed(out, &e->error);
	actions_add(out, ACTION_CLOSE);
	e->peer_lost = 1;
	e->away = 0;
	destination_stop_timers(e);
}

/* Nothing has come, the next source is welcome once a CHECK under way has been reported. */
void ending_leave(struct destination_engine *e, struct actions *out)
{
	ending_hang_up(e, out);
	e->phase = e->pending ? DESTINATION_MANIFEST : DESTINATION_IDLE;
}

/* Before RUN, or after RUN has failed: whatever the source believes, it is told that it has the guest. */
void ending_give_up(struct destination_engine *e, struct actions *out)
{
	ending_hang_up(e, out);
	destination_enter(e, DESTINATION_DISCARDING, ACTION_DISCARD, out);
}

/* RUN is under way and alone says what becomes of the guest. */
static void go_on_alone(struct destination_engine *e, struct actions *out)
{
	e->peer_lost = 1;
	ending_hang_up(e, out);
}

/* GIVE_BACK is under way and alone says so. */
static void go_on_unheard(struct destination_engine *e, struct actions *out)
{
	e->peer_lost = 1;
	e->away = 0;
	destination_stop_timers(e);
}

typedef void ending(struct destination_engine *e, struct actions *out);

static ending *const on_failure[NR_DESTINATION_PHASES] = {
	[DESTINATION_HELLO] = ending_leave,     [DESTINATION_MANIFEST] = ending_leave,
	[DESTINATION_LOADING] = ending_give_up, [DESTINATION_FINISHING] = ending_give_up,
	[DESTINATION_READY] = ending_give_up,
};

static ending *const on_silence[NR_DESTINATION_PHASES] = {
	[DESTINATION_HELLO] = ending_leave,     [DESTINATION_MANIFEST] = ending_leave,
	[DESTINATION_LOADING] = ending_give_up, [DESTINATION_FINISHING] = ending_give_up,
	[DESTINATION_READY] = ownership_hold,   [DESTINATION_CLAIMING] = ownership_hold_claim,
	[DESTINATION_STARTING] = go_on_alone,   [DESTINATION_GIVING_BACK] = go_on_unheard,
};

static void end(struct destination_engine *e, ending *const *endings, struct actions *out)
{
	if (endings[e->phase])
		endings[e->phase](e, out);
}

void ending_failed(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	err_first(&e->error, &ev->error);
	err_set(&e->error, -EIO, "", "%s %s without a description", action_name(ev->action), event_name(ev->type));
	end(e, on_failure, out);
}

/* The link's error is the attempt's only if the source does not come back. */
static void lose(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (away_begin(e, ev->now_ns, out))
		return;
	err_first(&e->error, &e->link_error);
	end(e, on_silence, out);
}

void ending_peer_lost(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->peer_lost)
		return;
	e->peer_lost = 1;
	err_first(&e->link_error, &ev->error);
	err_set(&e->link_error, -EPIPE, "peer", "the connection was lost");
	lose(e, ev, out);
}

/* The source takes the guest back: it sends this only if it has not sent COMMIT and never will. */
void ending_peer_cancelled(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	e->peer_lost = 1;
	err_set(&e->error, -ECANCELED, "peer", "the source cancelled the migration in phase %s",
		destination_phase_name(e->phase));
	end(e, on_failure, out);
}

void ending_refuse_message(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -EPROTO, "peer", "%s came in phase %s, where it has no meaning",
		message_name(ev->message->type), destination_phase_name(e->phase));
	end(e, on_failure, out);
}

/* The user's word ends a rehearsal's destination too. */
void ending_cancel(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -ECANCELED, "", "cancelled in phase %s", destination_phase_name(e->phase));
	e->rehearsal = 0;
	ending_give_up(e, out);
}

/* Nothing has come yet, so there is nothing to discard. */
void ending_cancel_early(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -ECANCELED, "", "cancelled in phase %s", destination_phase_name(e->phase));
	if (!e->peer_lost)
		ending_hang_up(e, out);
	destination_finish(e, GW_ROLLED_BACK, out);
}

/* After a rehearsal the next source is welcome, once everything that was under way has been reported. */
void ending_discarded(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->rehearsal && !e->pending)
		e->phase = DESTINATION_IDLE;
	else if (!e->rehearsal && ev->action == ACTION_DISCARD)
		destination_finish(e, GW_ROLLED_BACK, out);
}

static void stay_away(struct destination_engine *e, struct actions *out)
{
	e->away = 0;
	e->away_deadline_ns = DEADLINE_NEVER;
	err_set(&e->error, e->link_error.code, e->link_error.where, "%s; it did not come back within %llu ms",
		e->link_error.what, e->reconnect_ns / NS_PER_MS);
	end(e, on_silence, out);
}

void ending_tick(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->now_ns >= e->away_deadline_ns) {
		stay_away(e, out);
		return;
	}
	if (ev->now_ns >= e->silence_ns) {
		err_set(&e->link_error, -ETIMEDOUT, "peer", "nothing heard for %llu ms",
			e->config.stall_ns / NS_PER_MS);
		lose(e, ev, out);
		return;
	}
	if (ev->now_ns >= min_u64(e->claim_deadline_ns, e->next_claim_ns)) {
		ownership_tick(e, ev, out);
		return;
	}
	if (ev->now_ns >= e->next_ping_ns) {
		actions_send(out, FRAME_PING);
		destination_ping_later(e, ev->now_ns);
	}
}
