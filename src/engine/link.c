/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's link, beside its phase: it breaks, a new control channel is opened, the destination says what it has,
 * new data channels are opened, and the migration goes on from there; or time is up, and it ends as if there had never
 * been a way back. RESUMED tells what the phase alone cannot: whether what was promised or decided had arrived.
 */
#include "engine/source_handlers.h"

#include "base/err.h"
#include "engine/deadline.h"

#include <errno.h>

#define TRY_AGAIN_NS (100 * NS_PER_MS)

static void reconnect(struct source_engine *e, struct actions *out)
{
	e->next_try_ns = DEADLINE_NEVER;
	actions_begin(out, &e->pending, ACTION_RECONNECT);
}

static void stop_listening(struct source_engine *e)
{
	e->silence_ns = e->next_ping_ns = DEADLINE_NEVER;
}

bool link_may_come_back(const struct source_engine *e)
{
	return e->config.reconnect_ns && e->phase >= SOURCE_PRECOPY && e->phase <= SOURCE_COMMITTED;
}

bool link_is_heard(const struct source_engine *e)
{
	return e->link != LINK_DOWN && !e->lost_again;
}

/* All losses until the link is UP again have one deadline. */
void link_break(struct source_engine *e, const struct gw_error *error, uint64_t now_ns, struct actions *out)
{
	if (e->link == LINK_DOWN)
		return;
	err_first(&e->link_error, error);
	err_set(&e->link_error, -EPIPE, "peer", "the connection was lost");
	if (e->link == LINK_UP)
		e->link_deadline_ns = deadline_after(now_ns, e->config.reconnect_ns);
	stop_listening(e);
	e->was_lost = 1;
	e->lost_again = e->link == LINK_REJOINING;
	if (e->lost_again)
		return;
	e->link = LINK_DOWN;
	reconnect(e, out);
}

void link_lost(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (link_may_come_back(e))
		link_break(e, &ev->error, ev->now_ns, out);
	else
		rollback_peer_lost(e, ev, out);
}

static void give_up(struct source_engine *e, uint64_t now_ns, struct actions *out)
{
	e->peer_there = 0;
	err_set(&e->error, e->link_error.code, e->link_error.where, "%s; it did not come back within %llu ms",
		e->link_error.what, e->config.reconnect_ns / NS_PER_MS);
	rollback_lose_peer(e, now_ns, out);
}

static void give_up_at_once(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->peer_there = 0;
	err_set(&e->error, e->link_error.code, e->link_error.where, "%s; then nobody listened there any more",
		e->link_error.what);
	rollback_lose_peer(e, ev->now_ns, out);
}

void link_tick(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->now_ns >= e->link_deadline_ns)
		give_up(e, ev->now_ns, out);
	else if (ev->now_ns >= e->next_try_ns)
		reconnect(e, out);
}

/* ---- the way back up ---- */

void link_opened(struct source_engine *e, const struct event *ev, struct actions *out)
{
	e->link = LINK_ASKING;
	source_hear(e, ev->now_ns);
	actions_send(out, FRAME_HELLO);
}

/* What the destination may have, from what it was sent. */
static bool is_possible(const struct source_engine *e, enum resumed_phase resumed)
{
	switch (e->phase) {
	case SOURCE_PREPARED:
		return true;
	case SOURCE_COMMITTING:
	case SOURCE_COMMITTED:
		return resumed != RESUMED_LOADING;
	default:
		return resumed == RESUMED_LOADING;
	}
}

void link_resumed(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (e->link == LINK_DOWN)
		return;
	if (e->link != LINK_ASKING || !is_possible(e, ev->message->resumed.phase)) {
		rollback_refuse_message(e, ev, out);
		return;
	}
	e->resumed = ev->message->resumed.phase;
	e->link = LINK_REJOINING;
	actions_begin(out, &e->pending, ACTION_REJOIN);
}

void link_refused(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (e->link == LINK_ASKING)
		rollback_refused(e, ev, out);
	else
		rollback_refuse_message(e, ev, out);
}

/* The phase may have gone on since RESUMED came, but only as far as RESUMED allows for. */
static void go_on(struct source_engine *e, struct actions *out)
{
	if (e->phase == SOURCE_PREPARED && e->resumed == RESUMED_LOADING)
		source_enter(e, SOURCE_DRAIN, ACTION_DRAIN, out);
	else if (e->phase == SOURCE_COMMITTED && e->resumed == RESUMED_HAS_ALL)
		actions_send(out, FRAME_COMMIT);
}

void link_rejoined(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (e->lost_again) {
		e->lost_again = 0;
		e->link = LINK_DOWN;
		reconnect(e, out);
		return;
	}
	e->link = LINK_UP;
	e->link_deadline_ns = DEADLINE_NEVER;
	e->link_error = (struct gw_error)GW_ERROR_NONE;
	e->nr_reconnects++;
	source_hear(e, ev->now_ns);
	source_ping_later(e, ev->now_ns);
	go_on(e, out);
}

/* Nobody listens there any more: that will not change. Whatever else it was may have passed the next time. */
void link_failed(struct source_engine *e, const struct event *ev, struct actions *out)
{
	bool nobody = ev->error.code == -ECONNREFUSED || ev->error.code == -ENOENT;

	if (ev->action != ACTION_RECONNECT && ev->action != ACTION_REJOIN)
		return;
	err_first(&e->link_error, &ev->error);
	err_set(&e->link_error, -EIO, "peer", "%s failed without a description", action_name(ev->action));
	if (nobody && ev->action == ACTION_RECONNECT) {
		give_up_at_once(e, ev, out);
		return;
	}
	e->lost_again = 0;
	e->link = LINK_DOWN;
	stop_listening(e);
	e->next_try_ns = deadline_after(ev->now_ns, TRY_AGAIN_NS);
}
