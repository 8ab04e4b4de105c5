/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source asks the arbiter whether it may take the guest back. MINE: it may, and the destination never will run
 * it. THEIRS: the guest is the destination's, as after RUNNING. No answer: again, for a while, then OWNER_UNKNOWN is
 * published, and again, until there is an answer or the user decides.
 */
#include "engine/source_handlers.h"

#include "base/bits.h"
#include "base/err.h"
#include "engine/deadline.h"

#include <errno.h>

#define CLAIM_AGAIN_NS      (1 * NS_PER_S)
#define CLAIM_AGAIN_LATE_NS (5 * NS_PER_S) /* once OWNER_UNKNOWN is published */

static void ask(struct source_engine *e, struct actions *out)
{
	e->next_claim_ns = DEADLINE_NEVER;
	if (!pending_has(e->pending, ACTION_CLAIM))
		actions_begin(out, &e->pending, ACTION_CLAIM);
}

void claim_begin(struct source_engine *e, uint64_t now_ns, struct actions *out)
{
	e->phase = SOURCE_CLAIMING;
	e->claim_deadline_ns = deadline_after(now_ns, max_u64(e->config.reconnect_ns, e->config.stall_ns));
	ask(e, out);
}

void claim_swear(struct source_engine *e, struct actions *out)
{
	e->phase = SOURCE_CLAIMING;
	e->sworn = 1;
	ask(e, out);
}

void claim_answered(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->action != ACTION_CLAIM)
		return;
	source_stop_timers(e);
	if (ev->claim == CLAIM_MINE) {
		rollback_take(e, out);
		return;
	}
	e->peer_there = 0;
	source_enter(e, SOURCE_RELEASING, ACTION_RELEASE, out);
}

/* The claim may have been made all the same: nothing follows from this. */
void claim_failed(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->action != ACTION_CLAIM)
		return;
	if (e->sworn)
		rollback_take(e, out);
	else
		e->next_claim_ns =
			deadline_after(ev->now_ns, e->phase == SOURCE_ENDED ? CLAIM_AGAIN_LATE_NS : CLAIM_AGAIN_NS);
}

/* An ask that hangs does not keep the user from being told. */
void claim_tick(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->now_ns >= e->claim_deadline_ns) {
		source_finish(e, GW_OWNER_UNKNOWN, out);
		e->next_claim_ns = deadline_after(ev->now_ns, CLAIM_AGAIN_LATE_NS);
	} else if (ev->now_ns >= e->next_claim_ns) {
		ask(e, out);
	}
}
