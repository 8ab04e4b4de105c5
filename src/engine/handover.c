/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's way from the decision to switch over to the outcome COMPLETED: the guest is paused, the rest of it
 * goes out, and it is given away by COMMIT. The rule and its proof: doc/handover.md.
 */
#include "engine/source_handlers.h"

#include "base/clock.h"
#include "base/err.h"

/* What is known dirty travels while the devices quiesce and stop; all of it has to be over before the last sync. */
void handover_paused(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_enter(e, SOURCE_QUIESCE, ACTION_QUIESCE, out);
	actions_begin(out, &e->pending, ACTION_ROUND);
}

void handover_quiesced(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_enter(e, SOURCE_STOP, ACTION_STOP, out);
}

void handover_stopped(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (!pending_has(e->pending, ACTION_STOP) && !pending_has(e->pending, ACTION_ROUND))
		source_enter(e, SOURCE_DRAIN, ACTION_DRAIN, out);
}

void handover_drained(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->phase = SOURCE_PREPARED;
	actions_send(out, FRAME_PREPARE);
}

void handover_ready(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_enter(e, SOURCE_COMMITTING, ACTION_DECIDE, out);
}

/* From here on the guest is no longer this side's to resume. */
void handover_decided(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->phase = SOURCE_COMMITTED;
	actions_send(out, FRAME_COMMIT);
}

/* SUMMARY is worth a wait, but only for the report: the guest has gone. */
void handover_running(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_stop_timers(e);
	source_hear(e, ev->now_ns);
	source_enter(e, SOURCE_RELEASING, ACTION_RELEASE, out);
}

static void finish_release(struct source_engine *e, struct actions *out)
{
	if (e->peer_there || pending_has(e->pending, ACTION_RELEASE))
		return;
	actions_add(out, ACTION_CLOSE);
	source_finish(e, GW_COMPLETED, out);
}

void handover_released(struct source_engine *e, const struct event *ev, struct actions *out)
{
	finish_release(e, out);
}

void handover_release_failed(struct source_engine *e, const struct event *ev, struct actions *out)
{
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
