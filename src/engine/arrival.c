/* SPDX-License-Identifier: BSD-3-Clause */
/* The destination's way from a channel that has opened to READY: agree, accept, load. */
#include "engine/destination_handlers.h"

#include "base/clock.h"
#include "base/err.h"

#include <errno.h>

void arrival_begin(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	e->error = e->link_error = (struct gw_error)GW_ERROR_NONE;
	e->dry_run = e->rehearsal = 0;
	e->reconnect_ns = 0;
	e->phase = DESTINATION_HELLO;
	destination_listen(e, ev->now_ns);
}

/* An answer, not a failure: it leaves the destination as it was. */
static void answer_and_leave(struct destination_engine *e, uint16_t message, struct actions *out)
{
	actions_send(out, message);
	e->peer_lost = 1;
	ending_leave(e, out);
}

/*
 * HELLO of a source that wants to go on with a migration is no first HELLO. It must not hear FAILED: what another
 * process has done with that guest is not known here.
 */
void arrival_greeted(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	const struct message_hello *hello = &ev->message->hello;

	if (hello->role == ROLE_RESUME) {
		answer_and_leave(e, FRAME_REFUSE, out);
		return;
	}
	if (hello->role != ROLE_CONTROL)
		err_set(&e->error, -EPROTO, "peer", "the first channel is not a control channel");
	if (hello->version_min > WIRE_VERSION_MAX || hello->version_max < WIRE_VERSION_MIN)
		err_set(&e->error, -EPROTONOSUPPORT, "peer",
			"no common version of the wire: the source has %u to %u, the destination %u to %u",
			hello->version_min, hello->version_max, WIRE_VERSION_MIN, WIRE_VERSION_MAX);
	if (e->error.code) {
		ending_leave(e, out);
		return;
	}
	e->dry_run = !!(hello->features & HELLO_DRY_RUN);
	e->rehearsal = !!(hello->features & HELLO_REHEARSAL);
	e->reconnect_ns = hello->reconnect_ms * NS_PER_MS;
	e->phase = DESTINATION_MANIFEST;
	actions_send(out, FRAME_WELCOME);
}

/* The session keeps it for the check of the manifest, which follows: after that it is of no use. */
void arrival_needs(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (pending_has(e->pending, ACTION_CHECK))
		ending_refuse_message(e, ev, out);
}

void arrival_told(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (pending_has(e->pending, ACTION_CHECK))
		ending_refuse_message(e, ev, out);
	else
		actions_begin(out, &e->pending, ACTION_CHECK);
}

void arrival_checked(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->peer_lost) {
		e->phase = DESTINATION_IDLE;
		return;
	}
	if (ev->nr_reasons) {
		answer_and_leave(e, FRAME_REFUSE, out);
		return;
	}
	actions_send(out, FRAME_ACCEPT);
	if (!e->dry_run) /* else the source closes: who closed here could cut ACCEPT short */
		destination_enter(e, DESTINATION_LOADING, ACTION_PREPARE_LOAD, out);
}

void arrival_check_failed(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->peer_lost)
		e->phase = DESTINATION_IDLE;
	else
		ending_failed(e, ev, out);
}

/* A source that is away hears it when it is back (away_rejoined). */
void arrival_can_load(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (!e->away)
		actions_send(out, FRAME_LOADABLE);
}

/* The source may pause the guest only after LOADABLE, so PREPARE cannot come before it; in a rehearsal, never. */
void arrival_prepare(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (pending_has(e->pending, ACTION_PREPARE_LOAD) || e->rehearsal)
		ending_refuse_message(e, ev, out);
	else
		destination_enter(e, DESTINATION_FINISHING, ACTION_FINISH_LOAD, out);
}

void arrival_loaded(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	e->phase = DESTINATION_READY;
	if (!e->away)
		actions_send(out, FRAME_READY);
}
