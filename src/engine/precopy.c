/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's way from START to the decision to switch over: connect, agree, set up, then SYNC, decide, ROUND,
 * SYNC, ... while the guest runs.
 */
#include "engine/source_handlers.h"

#include "base/err.h"
#include "engine/deadline.h"

#include <errno.h>

#define SHORT_ROUND_NS (20 * NS_PER_MS) /* rounds follow each other no faster */

void precopy_start(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_hear(e, ev->now_ns);
	source_enter(e, SOURCE_CONNECT, ACTION_CONNECT, out);
}

void precopy_connected(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->peer_there = 1;
	source_ping_later(e, ev->now_ns);
	source_hear(e, ev->now_ns);
	actions_send(out, FRAME_HELLO);
}

void precopy_welcomed(struct source_engine *e, const struct event *ev, struct actions *out)
{
	uint16_t version = ev->message->welcome.version;

	if (pending_has(e->pending, ACTION_CONNECT)) {
		rollback_refuse_message(e, ev, out);
		return;
	}
	if (version < WIRE_VERSION_MIN || version > WIRE_VERSION_MAX) {
		err_set(&e->error, -EPROTONOSUPPORT, "peer", "it chose version %u of the wire, this side has %u to %u",
			version, WIRE_VERSION_MIN, WIRE_VERSION_MAX);
		rollback_begin(e, ev->now_ns, out);
		return;
	}
	e->phase = SOURCE_MANIFEST;
	if (e->config.has_needs)
		actions_send(out, FRAME_NEEDS);
	actions_send(out, FRAME_MANIFEST);
}

/* Whoever only wanted the answer has it; nothing was begun, so there is nothing but the peer to tell of the end. */
void precopy_accepted(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (e->config.blocked)
		err_set(&e->error, -ENOTSUP, "", "something on this side speaks against it");
	if (e->config.blocked || e->config.dry_run == DRY_RUN_MANIFEST) {
		rollback_begin(e, ev->now_ns, out);
		return;
	}
	source_enter(e, SOURCE_SETUP, ACTION_OPEN_DATA, out);
}

void precopy_data_open(struct source_engine *e, const struct event *ev, struct actions *out)
{
	actions_begin(out, &e->pending, ACTION_TRACK_START);
}

void precopy_tracking(struct source_engine *e, const struct event *ev, struct actions *out)
{
	actions_begin(out, &e->pending, ACTION_PRECOPY);
}

/* It comes again after a reconnect, wherever the way has led meanwhile. */
void precopy_loadable(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (e->loadable && !e->was_lost) {
		rollback_refuse_message(e, ev, out);
		return;
	}
	e->loadable = 1;
}

void precopy_streaming(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (e->config.precopy_limit_ns)
		e->precopy_deadline_ns = deadline_after(ev->now_ns, e->config.precopy_limit_ns);
	source_enter(e, SOURCE_PRECOPY, ACTION_SYNC, out);
}

void precopy_send_round(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->round_began_ns = ev->now_ns;
	actions_begin(out, &e->pending, ACTION_ROUND);
}

static void switch_over(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (e->config.dry_run == DRY_RUN_REHEARSAL) {
		e->rehearsed = true;
		rollback_begin(e, ev->now_ns, out);
		return;
	}
	e->paused = 1;
	source_enter(e, SOURCE_PAUSE, ACTION_PAUSE, out);
}

/* Without a link the guest would stand still for nothing: rounds are waited for until it is back. */
void precopy_synced(struct source_engine *e, const struct event *ev, struct actions *out)
{
	bool may_switch = e->loadable && e->link == LINK_UP;

	e->estimate = estimate_make(&ev->sync);
	switch (converge_decide(&e->converge, e->round, may_switch, &ev->sync, &e->estimate, &e->error)) {
	case VERDICT_ROUND:
		precopy_send_round(e, ev, out);
		break;
	case VERDICT_THROTTLE:
		e->throttle_percent = e->converge.throttle_percent;
		actions_begin(out, &e->pending, ACTION_THROTTLE);
		out->list[out->nr - 1].percent = e->throttle_percent;
		break;
	case VERDICT_SWITCH:
		switch_over(e, ev, out);
		break;
	case VERDICT_GIVE_UP:
		rollback_begin(e, ev->now_ns, out);
		break;
	}
}

void precopy_out_of_time(struct source_engine *e, const struct event *ev, struct actions *out)
{
	converge_out_of_time(&e->converge, e->config.precopy_limit_ns, &e->estimate, &e->error);
	rollback_begin(e, ev->now_ns, out);
}

void precopy_round_over(struct source_engine *e, const struct event *ev, struct actions *out)
{
	uint64_t due_ns = deadline_after(e->round_began_ns, SHORT_ROUND_NS);

	e->round++;
	if (ev->now_ns < due_ns)
		e->next_sync_ns = due_ns;
	else
		actions_begin(out, &e->pending, ACTION_SYNC);
}
