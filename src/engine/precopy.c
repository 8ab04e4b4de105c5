/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's way from START to the decision to switch over: connect, agree, set up, then SYNC, decide, ROUND,
 * SYNC, ... while the guest runs.
 */
#include "engine/source_handlers.h"

#include "base/bits.h"
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
		rollback_begin(e, out);
		return;
	}
	e->phase = SOURCE_MANIFEST;
	actions_send(out, FRAME_MANIFEST);
}

void precopy_accepted(struct source_engine *e, const struct event *ev, struct actions *out)
{
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

void precopy_loadable(struct source_engine *e, const struct event *ev, struct actions *out)
{
	const struct message_loadable *m = &ev->message->loadable;
	uint32_t i;

	if (e->loadable) {
		rollback_refuse_message(e, ev, out);
		return;
	}
	e->loadable = 1;
	for (i = 0; i < min_u64(m->nr_devices, GW_MAX_DEVICES); i++)
		e->destination_arc_ns = max_u64(e->destination_arc_ns, m->arc_ns[i]);
}

void precopy_streaming(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_enter(e, SOURCE_PRECOPY, ACTION_SYNC, out);
}

void precopy_synced(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->estimate = estimate_make(&ev->sync, e->destination_arc_ns);
	switch (converge_decide(&e->converge, e->round, e->loadable, &ev->sync, &e->estimate, &e->error)) {
	case VERDICT_ROUND:
		e->round_began_ns = ev->now_ns;
		actions_begin(out, &e->pending, ACTION_ROUND);
		break;
	case VERDICT_SWITCH:
		e->paused = 1;
		source_enter(e, SOURCE_PAUSE, ACTION_PAUSE, out);
		break;
	case VERDICT_GIVE_UP:
		rollback_begin(e, out);
		break;
	}
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
