/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A source that is lost and may come back. While it is away nothing can be said to it; what is under way goes on, and
 * is told when it is back. It may also come back before this side has noticed that it was gone, or after it has ended.
 */
#include "engine/destination_handlers.h"

#include "base/bits.h"
#include "base/err.h"
#include "engine/deadline.h"

#include <errno.h>

#define MAX_AWAY_NS   (600 * NS_PER_S) /* whatever the source says of itself */
#define AWAY_GRACE_NS (2 * NS_PER_S)   /* the source gives up first */

bool away_begin(struct destination_engine *e, uint64_t now_ns, struct actions *out)
{
	if (!e->reconnect_ns || e->phase < DESTINATION_LOADING || e->phase > DESTINATION_STARTING)
		return false;
	e->peer_lost = e->away = 1;
	e->silence_ns = e->next_ping_ns = DEADLINE_NEVER;
	e->away_deadline_ns = deadline_after(now_ns, min_u64(e->reconnect_ns, MAX_AWAY_NS) + AWAY_GRACE_NS);
	actions_add(out, ACTION_DETACH);
	return true;
}

bool away_is_over(const struct destination_engine *e)
{
	return e->peer_lost && !e->away;
}

/* What was promised has not all come: the source starts the end of it anew, PREPARE and all. */
static void forget_prepare(struct destination_engine *e)
{
	e->phase = DESTINATION_LOADING;
	e->pending &= ~(1u << ACTION_FINISH_LOAD);
}

void away_rejoined(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	e->link_error = (struct gw_error)GW_ERROR_NONE;
	e->away_deadline_ns = DEADLINE_NEVER;
	e->sworn = 0; /* nobody can swear that a source that is there is not */
	destination_listen(e, ev->now_ns);
	if (e->phase == DESTINATION_CLAIMING)
		ownership_limit_asking(e, ev->now_ns);
	if (e->phase == DESTINATION_FINISHING && !ev->has_all)
		forget_prepare(e);
	actions_send(out, FRAME_RESUMED);
	if (e->phase == DESTINATION_LOADING && !pending_has(e->pending, ACTION_PREPARE_LOAD))
		actions_send(out, FRAME_LOADABLE);
	if (e->phase == DESTINATION_READY)
		actions_send(out, FRAME_READY);
}

static void say_failed(struct destination_engine *e, struct actions *out)
{
	err_set(&e->error, -ECANCELED, "", "the guest was given up");
	actions_send_failed(out, &e->error);
	actions_add(out, ACTION_CLOSE);
}

/* The source has missed the end: it is told again. */
void away_rejoined_late(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->phase == DESTINATION_ENDED && e->outcome == GW_COMPLETED) {
		actions_send(out, FRAME_RESUMED);
		actions_send(out, FRAME_RUNNING);
		actions_send(out, FRAME_SUMMARY);
	} else if (e->phase == DESTINATION_ENDED && e->outcome == GW_OWNER_UNKNOWN) {
		ownership_rejoined(e, ev, out);
	} else {
		say_failed(e, out);
	}
}
