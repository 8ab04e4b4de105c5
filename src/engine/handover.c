/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's way from the decision to switch over to the outcome COMPLETED: the guest is paused, the rest of it
 * goes out, and it is given away by COMMIT. The rule and its proof: doc/handover.md.
 */
#include "engine/source_handlers.h"

#include "base/clock.h"
#include "base/err.h"

#define MAX_TAKEN_BACK 4 /* a device that always wants more does not keep the guest here for ever */

/* What is known dirty travels while the devices quiesce and stop; all of it has to be over before the last sync. */
void handover_paused(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_enter(e, SOURCE_QUIESCE, ACTION_QUIESCE, out);
	actions_begin(out, &e->pending, ACTION_ROUND);
}

/* A device may find in its last running moment that it wants initial bytes loaded first: that is no failure. */
void handover_quiesced(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (!ev->nr_rearmed || e->nr_taken_back == MAX_TAKEN_BACK) {
		source_enter(e, SOURCE_STOP, ACTION_STOP, out);
		return;
	}
	e->nr_taken_back++;
	source_enter(e, SOURCE_UNPAUSE, ACTION_UNPAUSE, out);
}

/* The pause's round is still of this decision: the next sync waits for it as well. */
void handover_unpaused(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (pending_has(e->pending, ACTION_UNPAUSE) || pending_has(e->pending, ACTION_ROUND))
		return;
	e->paused = 0;
	source_enter(e, SOURCE_PRECOPY, ACTION_SYNC, out);
}

void handover_stopped(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (!pending_has(e->pending, ACTION_STOP) && !pending_has(e->pending, ACTION_ROUND))
		source_enter(e, SOURCE_DRAIN, ACTION_DRAIN, out);
}

/* Without a link it has not all come: link_rejoined sees what is to be done. */
void handover_drained(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->phase = SOURCE_PREPARED;
	if (e->link == LINK_UP)
		actions_send(out, FRAME_PREPARE);
}

void handover_ready(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_enter(e, SOURCE_COMMITTING, ACTION_DECIDE, out);
}

/* After a reconnect the destination says again where it stands. */
void handover_ready_again(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (!e->was_lost)
		rollback_refuse_message(e, ev, out);
}

/* From here on the guest is no longer this side's to resume. */
void handover_decided(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->phase = SOURCE_COMMITTED;
	if (e->link == LINK_UP)
		actions_send(out, FRAME_COMMIT);
}

/* SUMMARY is worth a wait, but only for the report: the guest has gone. */
void handover_running(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_stop_timers(e);
	e->nr_reconnects += e->link == LINK_REJOINING; /* it came back far enough */
	if (link_is_heard(e)) {
		source_hear(e, ev->now_ns);
	} else {
		e->peer_there = 0;
		actions_add(out, ACTION_CLOSE);
	}
	source_enter(e, SOURCE_RELEASING, ACTION_RELEASE, out);
}

/*
 * COMMIT was not sent, but the destination runs: while the link was lost it has claimed the guest, or been told to
 * take it over. What it says is so, and this side must not run beside it.
 */
void handover_ran_uncommitted(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (e->was_lost)
		handover_running(e, ev, out);
	else
		rollback_refuse_message(e, ev, out);
}

static void finish_release(struct source_engine *e, struct actions *out)
{
	if (e->peer_there || e->pending == 1u << ACTION_RELEASE)
		return;
	actions_add(out, ACTION_CLOSE); /* what is under way for the link ends with it */
	if (!e->pending)
		source_finish(e, GW_COMPLETED, out);
}

void handover_released(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->type == EVENT_FAILED && ev->action == ACTION_RELEASE)
		err_first(&e->error, &ev->error);
	finish_release(e, out);
}

void handover_stop_listening(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->peer_there = 0;
	e->silence_ns = DEADLINE_NEVER;
	finish_release(e, out);
}

void handover_message_in_release(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->message->type == FRAME_SUMMARY)
		handover_stop_listening(e, ev, out);
}

void handover_tick_in_release(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->now_ns >= e->silence_ns)
		handover_stop_listening(e, ev, out);
}
