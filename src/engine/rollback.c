/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a migration ends for the source when something fails. Before COMMIT is sent: CANCEL, CLOSE, TAKE_BACK, and
 * the outcome ROLLED_BACK. After it the guest may run at the destination: only its FAILED, or the user, brings
 * the guest back, and silence means OWNER_UNKNOWN. With an arbiter, what it says decides from PREPARE on (claim.c).
 */
#include "engine/source_handlers.h"

#include "base/err.h"

#include <errno.h>

/* Once COMMIT may have been heard, CANCEL would be a lie. */
void rollback_hang_up(struct source_engine *e, struct actions *out)
{
	if (e->peer_there && e->link == LINK_UP && e->phase != SOURCE_COMMITTED)
		actions_send(out, FRAME_CANCEL);
	source_stop_timers(e);
	actions_add(out, ACTION_CLOSE);
}

void rollback_take(struct source_engine *e, struct actions *out)
{
	source_enter(e, SOURCE_TAKING_BACK, ACTION_TAKE_BACK, out);
}

/* A destination that has had PREPARE may claim the guest by itself, once it loses sight of this side. */
static bool must_claim(const struct source_engine *e)
{
	return e->config.arbiter && e->phase >= SOURCE_PREPARED && e->phase <= SOURCE_COMMITTED;
}

void rollback_begin(struct source_engine *e, uint64_t now_ns, struct actions *out)
{
	bool claims = must_claim(e);

	rollback_hang_up(e, out);
	if (claims)
		claim_begin(e, now_ns, out);
	else
		rollback_take(e, out);
}

/* The peer is of no more use. Whether the guest may be there is a question of whether COMMIT was sent. */
void rollback_lose_peer(struct source_engine *e, uint64_t now_ns, struct actions *out)
{
	if (e->phase != SOURCE_COMMITTED || e->config.arbiter) {
		rollback_begin(e, now_ns, out);
		return;
	}
	rollback_hang_up(e, out);
	source_finish(e, GW_OWNER_UNKNOWN, out);
}

void rollback_peer_lost(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->peer_there = 0;
	err_first(&e->error, &ev->error);
	err_set(&e->error, -EPIPE, "peer", "the connection was lost");
	rollback_lose_peer(e, ev->now_ns, out);
}

void rollback_failed(struct source_engine *e, const struct event *ev, struct actions *out)
{
	err_first(&e->error, &ev->error);
	err_set(&e->error, -EIO, "", "%s %s without a description", action_name(ev->action), event_name(ev->type));
	rollback_begin(e, ev->now_ns, out);
}

void rollback_cancel(struct source_engine *e, const struct event *ev, struct actions *out)
{
	err_first(&e->error, &ev->error); /* a reason, if it was given */
	err_set(&e->error, -ECANCELED, "", "cancelled in phase %s", source_phase_name(e->phase));
	rollback_begin(e, ev->now_ns, out);
}

void rollback_cancel_idle(struct source_engine *e, const struct event *ev, struct actions *out)
{
	err_first(&e->error, &ev->error);
	err_set(&e->error, -ECANCELED, "", "cancelled before it was started");
	source_finish(e, GW_ROLLED_BACK, out);
}

void rollback_refuse_message(struct source_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -EPROTO, "peer", "%s came in phase %s, where it has no meaning",
		message_name(ev->message->type), source_phase_name(e->phase));
	rollback_lose_peer(e, ev->now_ns, out);
}

/* It says that nobody there will go on with this migration, not that the guest has not run. */
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
	rollback_lose_peer(e, ev->now_ns, out);
}

/*
 * Before COMMIT the destination cannot have run the guest; after it, FAILED says that it did not and never will. The
 * same of a destination with an arbiter, which has given back what it claimed: there is nobody to be asked.
 */
void rollback_peer_failed(struct source_engine *e, const struct event *ev, struct actions *out)
{
	const struct message_failed *m = &ev->message->failed;

	e->peer_there = 0;
	err_set(&e->error, m->code < 0 ? m->code : -EIO, m->where[0] ? m->where : "peer", "at the destination: %s",
		m->what[0] ? m->what : "it failed without a description");
	rollback_hang_up(e, out);
	rollback_take(e, out);
}

/* What keeps the guest from going on is told first, what began it last. */
static void note_failure(struct source_engine *e, const struct gw_error *failure)
{
	const struct gw_error began = e->error;

	e->cannot_go_on = true;
	e->error = (struct gw_error)GW_ERROR_NONE;
	err_set(&e->error, failure->code < 0 ? failure->code : -EIO, failure->where, "%s%s%s",
		failure->what[0] ? failure->what : "it could not be set going again",
		began.code ? "; it was rolled back for: " : "", began.what);
}

/* A TAKE_BACK that failed is still the end: the guest is here, as far as it could be brought back. */
void rollback_taken_back(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->action != ACTION_TAKE_BACK)
		return;
	if (ev->type == EVENT_FAILED)
		note_failure(e, &ev->error);
	source_finish(e, GW_ROLLED_BACK, out);
}

void rollback_take_back(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (e->outcome != GW_OWNER_UNKNOWN)
		return;
	if (e->config.arbiter)
		claim_swear(e, out);
	else
		rollback_take(e, out);
}
