/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a migration ends for the source when something fails. Before COMMIT is sent: CANCEL, CLOSE, TAKE_BACK, and
 * the outcome ROLLED_BACK. After it the guest may run at the destination: only its FAILED, or the user, brings
 * the guest back, and silence means OWNER_UNKNOWN.
 */
#include "engine/source_handlers.h"

#include "base/err.h"

#include <errno.h>

/* Nobody else has the guest, or ever will: COMMIT was not sent, or the destination gave the guest back. */
void rollback_begin(struct source_engine *e, struct actions *out)
{
	if (e->peer_there)
		actions_send(out, FRAME_CANCEL);
	source_stop_timers(e);
	actions_add(out, ACTION_CLOSE);
	source_enter(e, SOURCE_TAKING_BACK, ACTION_TAKE_BACK, out);
}

/* The peer is of no more use. Whether the guest may be there is a question of whether COMMIT was sent. */
void rollback_lose_peer(struct source_engine *e, struct actions *out)
{
	if (e->phase != SOURCE_COMMITTED) {
		rollback_begin(e, out);
		return;
	}
	actions_add(out, ACTION_CLOSE);
	source_finish(e, GW_OWNER_UNKNOWN, out);
}

void rollback_peer_lost(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->peer_there = 0;
	err_first(&e->error, &ev->error);
	err_set(&e->error, -EPIPE, "peer", "the connection was lost");
	rollback_lose_peer(e, out);
}

void rollback_failed(struct source_engine *e, const struct event *ev, struct actions *out)
{
	err_first(&e->error, &ev->error);
	err_set(&e->error, -EIO, "", "%s %s without a description", action_name(ev->action), event_name(ev->type));
	rollback_begin(e, out);
}

void rollback_cancel(struct source_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -ECANCELED, "", "cancelled in phase %s", source_phase_name(e->phase));
	rollback_begin(e, out);
}

void rollback_cancel_idle(struct source_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -ECANCELED, "", "cancelled before it was started");
	source_finish(e, GW_ROLLED_BACK, out);
}

void rollback_refuse_message(struct source_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -EPROTO, "peer", "%s came in phase %s, where it has no meaning",
		message_name(ev->message->type), source_phase_name(e->phase));
	rollback_lose_peer(e, out);
}

void rollback_refused(struct source_engine *e, const struct event *ev, struct actions *out)
{
	const struct reasons *reasons = &ev->message->refuse;
	const struct reason *first = &reasons->list[0];

	e->peer_there = 0;
	if (reasons->nr > 1)
		err_set(&e->error, -ENOTSUP, first->where, "refused by the destination: %s (and %u more)", first->what,
			reasons->nr - 1);
	else if (reasons->nr)
		err_set(&e->error, -ENOTSUP, first->where, "refused by the destination: %s", first->what);
	err_set(&e->error, -ENOTSUP, "peer", "refused by the destination without a reason");
	rollback_begin(e, out);
}

/* Before COMMIT the destination cannot have run the guest; after it, FAILED says that it did not and never will. */
void rollback_peer_failed(struct source_engine *e, const struct event *ev, struct actions *out)
{
	const struct message_failed *m = &ev->message->failed;

	e->peer_there = 0;
	err_set(&e->error, m->code < 0 ? m->code : -EIO, m->where[0] ? m->where : "peer", "at the destination: %s",
		m->what[0] ? m->what : "it failed without a description");
	rollback_begin(e, out);
}

/* A TAKE_BACK that failed is still the end: the guest is here, as far as it could be brought back. */
void rollback_taken_back(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->action != ACTION_TAKE_BACK)
		return;
	if (ev->type == EVENT_FAILED)
		err_first(&e->error, &ev->error);
	source_finish(e, GW_ROLLED_BACK, out);
}

void rollback_take_back(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (e->outcome == GW_OWNER_UNKNOWN)
		source_enter(e, SOURCE_TAKING_BACK, ACTION_TAKE_BACK, out);
}
