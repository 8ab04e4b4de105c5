/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether the guest is the destination's: by COMMIT, with an arbiter by its word, or by the user's. A guest that may
 * be the last copy is never thrown away here: with an arbiter it is discarded only after the arbiter has recorded that
 * the source may have it.
 */
#include "engine/destination_handlers.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"
#include "engine/deadline.h"

#include <errno.h>

#define CLAIM_AGAIN_NS      (1 * NS_PER_S)
#define CLAIM_AGAIN_LATE_NS (5 * NS_PER_S) /* once OWNER_UNKNOWN is published */

static void ask(struct destination_engine *e, struct actions *out)
{
	e->next_claim_ns = DEADLINE_NEVER;
	if (!pending_has(e->pending, ACTION_CLAIM))
		actions_begin(out, &e->pending, ACTION_CLAIM);
}

static void claim(struct destination_engine *e, struct actions *out)
{
	e->phase = DESTINATION_CLAIMING;
	ask(e, out);
}

static void run(struct destination_engine *e, struct actions *out)
{
	e->next_claim_ns = e->claim_deadline_ns = DEADLINE_NEVER;
	destination_enter(e, DESTINATION_STARTING, ACTION_RUN, out);
}

/* A source that is there is not kept waiting for ever with its guest paused. */
void ownership_limit_asking(struct destination_engine *e, uint64_t now_ns)
{
	if (e->claim_deadline_ns == DEADLINE_NEVER)
		e->claim_deadline_ns = deadline_after(now_ns, max_u64(e->reconnect_ns, e->config.stall_ns));
}

void ownership_commit(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (!e->config.arbiter) {
		run(e, out);
		return;
	}
	ownership_limit_asking(e, ev->now_ns);
	claim(e, out);
}

/* COMMIT may have been sent: everything is held until the arbiter, or the user, has decided. */
void ownership_hold(struct destination_engine *e, struct actions *out)
{
	e->peer_lost = 1;
	ending_hang_up(e, out);
	if (e->config.arbiter)
		claim(e, out);
	else
		destination_finish(e, GW_OWNER_UNKNOWN, out);
}

/* The source asks for itself, once it has lost sight of this side. */
static void wait_for_arbiter(struct destination_engine *e, uint64_t now_ns, struct actions *out)
{
	err_set(&e->error, -ETIMEDOUT, "arbiter", "it did not say who has the guest");
	e->peer_lost = 1;
	ending_hang_up(e, out);
	destination_finish(e, GW_OWNER_UNKNOWN, out);
	e->next_claim_ns = deadline_after(now_ns, CLAIM_AGAIN_LATE_NS);
}

void ownership_tick(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->now_ns >= e->claim_deadline_ns)
		wait_for_arbiter(e, ev->now_ns, out);
	else if (ev->now_ns >= e->next_claim_ns)
		ask(e, out);
}

/* The question may be under way: then its answer says how it goes on. */
void ownership_hold_claim(struct destination_engine *e, struct actions *out)
{
	e->peer_lost = 1;
	ending_hang_up(e, out);
	ask(e, out);
}

void ownership_claimed(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->kept)
		return;
	if (ev->claim == CLAIM_MINE) {
		run(e, out);
		return;
	}
	err_set(&e->error, -ECANCELED, "arbiter", "the source has the guest");
	ending_give_up(e, out);
}

/* The claim may have been made all the same: nothing follows from this. */
void ownership_claim_failed(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->action != ACTION_CLAIM || e->kept)
		return;
	if (e->sworn)
		run(e, out);
	else if (e->phase == DESTINATION_ENDED)
		e->next_claim_ns = deadline_after(ev->now_ns, CLAIM_AGAIN_LATE_NS);
	else if (away_is_over(e))
		wait_for_arbiter(e, ev->now_ns, out);
	else
		e->next_claim_ns = deadline_after(ev->now_ns, CLAIM_AGAIN_NS);
}

void ownership_ran(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (!e->peer_lost) {
		actions_send(out, FRAME_RUNNING);
		actions_send(out, FRAME_SUMMARY);
	}
	destination_finish(e, GW_COMPLETED, out);
}

/* This may be the last copy: it is held, and asks for nothing by itself. */
static void keep(struct destination_engine *e, struct actions *out)
{
	e->kept = 1;
	e->sworn = 0;
	destination_finish(e, GW_OWNER_UNKNOWN, out);
}

/*
 * After COMMIT the source takes the guest back. With an arbiter that must be recorded first, for the source may be
 * asking it by now. A source that is gone for good has been told by the arbiter that the guest is here, or is dead.
 */
void ownership_run_failed(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->action != ACTION_RUN)
		return;
	err_first(&e->error, &ev->error);
	err_set(&e->error, -EIO, "", "%s failed without a description", action_name(ev->action));
	if (e->config.arbiter ? away_is_over(e) : e->outcome == GW_OWNER_UNKNOWN)
		keep(e, out);
	else if (e->config.arbiter)
		destination_enter(e, DESTINATION_GIVING_BACK, ACTION_GIVE_BACK, out);
	else
		ending_give_up(e, out);
}

void ownership_given_back(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -ECANCELED, "", "the guest was given back");
	ending_give_up(e, out);
}

/* Not recorded, or the source has been told that the guest is here: whoever discarded it now might lose it. */
void ownership_kept(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->action != ACTION_GIVE_BACK)
		return;
	err_first(&e->error, &ev->error);
	e->peer_lost = 1;
	ending_hang_up(e, out);
	keep(e, out);
}

/* In time to be told itself. */
void ownership_peer_back(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	destination_listen(e, ev->now_ns);
}

/*
 * With an arbiter neither COMMIT nor CANCEL decides anything once it has been asked. Without one, COMMIT may come
 * again on a new connection, and CANCEL never does.
 */
void ownership_moot(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (!e->config.arbiter && (ev->message->type != FRAME_COMMIT || !e->reconnect_ns))
		ending_refuse_message(e, ev, out);
}

void ownership_take_over(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->outcome != GW_OWNER_UNKNOWN)
		return;
	e->sworn = 1;
	e->kept = 0;
	if (e->config.arbiter)
		claim(e, out);
	else
		run(e, out);
}

void ownership_discard(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->outcome != GW_OWNER_UNKNOWN)
		return;
	if (e->config.arbiter)
		destination_enter(e, DESTINATION_GIVING_BACK, ACTION_GIVE_BACK, out);
	else
		destination_enter(e, DESTINATION_DISCARDING, ACTION_DISCARD, out);
}

/*
 * The source is alive after all: what was not known may be settled as if it had never been gone. With an arbiter it
 * is that which settles it: REFUSE sends the source there. A guest that did not run can now be given back.
 */
void ownership_rejoined(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->config.arbiter && !e->kept) {
		actions_send(out, FRAME_REFUSE);
		actions_add(out, ACTION_CLOSE);
		return;
	}
	e->outcome = GW_OUTCOME_NONE;
	if (e->config.arbiter) {
		destination_listen(e, ev->now_ns);
		destination_enter(e, DESTINATION_GIVING_BACK, ACTION_GIVE_BACK, out);
		return;
	}
	e->error = (struct gw_error)GW_ERROR_NONE;
	e->sworn = 0;
	e->phase = DESTINATION_READY;
	away_rejoined(e, ev, out);
}
