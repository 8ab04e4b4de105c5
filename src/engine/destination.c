/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The destination's engine. As in source.c, tables say what an event, a message and a finished action mean in a
 * phase, and a missing entry is a refusal. How an attempt ends when something fails depends on one thing, what
 * the source may believe: before ACCEPT nothing, before READY that it has the guest, after READY that it may have
 * given it away. The rules and their proof: doc/handover.md.
 */
#include "engine/destination.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"
#include "engine/actions.h"
#include "engine/deadline.h"

#include <errno.h>

#define PINGS_A_STALL 4
#define NR_MESSAGES   (FRAME_PING + 1)

typedef void handler(struct destination_engine *e, const struct event *ev, struct actions *out);

static void enter(struct destination_engine *e, enum destination_phase phase, enum action_type type,
		  struct actions *out)
{
	e->phase = phase;
	actions_begin(out, &e->pending, type);
}

static void hear(struct destination_engine *e, uint64_t now_ns)
{
	e->silence_ns = deadline_after(now_ns, e->config.stall_ns);
}

static void ping_later(struct destination_engine *e, uint64_t now_ns)
{
	e->next_ping_ns = deadline_after(now_ns, max_u64(e->config.stall_ns / PINGS_A_STALL, 1));
}

/* Tells the peer why, where there is one left, and listens no more. */
static void hang_up(struct destination_engine *e, struct actions *out)
{
	if (!e->peer_lost)
		actions_send_failed(out, &e->error);
	actions_add(out, ACTION_CLOSE);
	e->peer_lost = 1;
	e->silence_ns = e->next_ping_ns = DEADLINE_NEVER;
}

static void finish(struct destination_engine *e, enum gw_outcome outcome, struct actions *out)
{
	e->silence_ns = e->next_ping_ns = DEADLINE_NEVER;
	e->phase = DESTINATION_ENDED;
	e->outcome = outcome;
	actions_finish(out, outcome, &e->error);
}

/* ---- how an attempt ends when something fails; the first error is in e->error before these are called ---- */

/* Before ACCEPT: nothing has come, the next source is welcome once a CHECK under way has been reported. */
static void leave(struct destination_engine *e, struct actions *out)
{
	hang_up(e, out);
	e->phase = e->pending ? DESTINATION_MANIFEST : DESTINATION_IDLE;
}

/* Before RUN: whatever the source believes, it is told that the guest never ran here, and it never will. */
static void give_up(struct destination_engine *e, struct actions *out)
{
	hang_up(e, out);
	enter(e, DESTINATION_DISCARDING, ACTION_DISCARD, out);
}

/* After READY, and nothing more heard: COMMIT may have been sent. Holds everything until the user decides. */
static void hold(struct destination_engine *e, struct actions *out)
{
	e->peer_lost = 1;
	hang_up(e, out);
	finish(e, GW_OWNER_UNKNOWN, out);
}

/* RUN is under way and alone says what becomes of the guest. */
static void go_on_alone(struct destination_engine *e, struct actions *out)
{
	e->peer_lost = 1;
	hang_up(e, out);
}

typedef void ending(struct destination_engine *e, struct actions *out);

static ending *const on_failure[NR_DESTINATION_PHASES] = {
	[DESTINATION_HELLO] = leave,       [DESTINATION_MANIFEST] = leave, [DESTINATION_LOADING] = give_up,
	[DESTINATION_FINISHING] = give_up, [DESTINATION_READY] = give_up,
};

static ending *const on_silence[NR_DESTINATION_PHASES] = {
	[DESTINATION_HELLO] = leave,       [DESTINATION_MANIFEST] = leave, [DESTINATION_LOADING] = give_up,
	[DESTINATION_FINISHING] = give_up, [DESTINATION_READY] = hold,     [DESTINATION_STARTING] = go_on_alone,
};

static void end(struct destination_engine *e, ending *const *endings, struct actions *out)
{
	if (endings[e->phase])
		endings[e->phase](e, out);
}

static void failed(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	err_first(&e->error, &ev->error);
	err_set(&e->error, -EIO, "", "%s %s without a description", action_name(ev->action), event_name(ev->type));
	end(e, on_failure, out);
}

static void peer_lost(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->peer_lost)
		return;
	e->peer_lost = 1;
	err_first(&e->error, &ev->error);
	err_set(&e->error, -EPIPE, "peer", "the connection was lost");
	end(e, on_silence, out);
}

/* The source takes the guest back: it sends this only if it has not sent COMMIT and never will. */
static void peer_cancelled(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	e->peer_lost = 1;
	err_set(&e->error, -ECANCELED, "peer", "the source cancelled the migration in phase %s",
		destination_phase_name(e->phase));
	end(e, on_failure, out);
}

static void refuse_message(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -EPROTO, "peer", "%s came in phase %s, where it has no meaning",
		message_name(ev->message->type), destination_phase_name(e->phase));
	end(e, on_failure, out);
}

static void cancel(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -ECANCELED, "", "cancelled in phase %s", destination_phase_name(e->phase));
	give_up(e, out);
}

/* Nothing has come yet, so there is nothing to discard. */
static void cancel_early(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	err_set(&e->error, -ECANCELED, "", "cancelled in phase %s", destination_phase_name(e->phase));
	if (!e->peer_lost)
		hang_up(e, out);
	finish(e, GW_ROLLED_BACK, out);
}

static void tick(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->now_ns >= e->silence_ns) {
		err_set(&e->error, -ETIMEDOUT, "peer", "nothing heard for %llu ms", e->config.stall_ns / NS_PER_MS);
		end(e, on_silence, out);
		return;
	}
	if (ev->now_ns >= e->next_ping_ns) {
		actions_send(out, FRAME_PING);
		ping_later(e, ev->now_ns);
	}
}

/* ---- the way to READY ---- */

static void start(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	e->error = (struct gw_error)GW_ERROR_NONE;
	e->peer_lost = 0;
	e->phase = DESTINATION_HELLO;
	hear(e, ev->now_ns);
	ping_later(e, ev->now_ns);
}

static void greeted(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	const struct message_hello *hello = &ev->message->hello;

	if (hello->role != ROLE_CONTROL)
		err_set(&e->error, -EPROTO, "peer", "the first channel is not a control channel");
	if (hello->version_min > WIRE_VERSION_MAX || hello->version_max < WIRE_VERSION_MIN)
		err_set(&e->error, -EPROTONOSUPPORT, "peer",
			"no common version of the wire: the source has %u to %u, the destination %u to %u",
			hello->version_min, hello->version_max, WIRE_VERSION_MIN, WIRE_VERSION_MAX);
	if (e->error.code) {
		leave(e, out);
		return;
	}
	e->phase = DESTINATION_MANIFEST;
	actions_send(out, FRAME_WELCOME);
}

static void told(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (pending_has(e->pending, ACTION_CHECK))
		refuse_message(e, ev, out);
	else
		actions_begin(out, &e->pending, ACTION_CHECK);
}

/* A refusal is an answer, not a failure: it leaves the destination as it was. */
static void refuse_guest(struct destination_engine *e, struct actions *out)
{
	actions_send(out, FRAME_REFUSE);
	e->peer_lost = 1;
	leave(e, out);
}

static void checked(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->peer_lost) {
		e->phase = DESTINATION_IDLE;
		return;
	}
	if (ev->nr_reasons) {
		refuse_guest(e, out);
		return;
	}
	actions_send(out, FRAME_ACCEPT);
	enter(e, DESTINATION_LOADING, ACTION_PREPARE_LOAD, out);
}

static void check_failed(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->peer_lost)
		e->phase = DESTINATION_IDLE;
	else
		failed(e, ev, out);
}

static void can_load(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	actions_send(out, FRAME_LOADABLE);
}

/* The source may pause the guest only after LOADABLE, so PREPARE cannot come before it. */
static void prepare(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (pending_has(e->pending, ACTION_PREPARE_LOAD))
		refuse_message(e, ev, out);
	else
		enter(e, DESTINATION_FINISHING, ACTION_FINISH_LOAD, out);
}

static void loaded(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	e->phase = DESTINATION_READY;
	actions_send(out, FRAME_READY);
}

/* ---- the guest runs, or is given up ---- */

static void commit(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	enter(e, DESTINATION_STARTING, ACTION_RUN, out);
}

static void take_over(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->outcome == GW_OWNER_UNKNOWN)
		enter(e, DESTINATION_STARTING, ACTION_RUN, out);
}

static void ran(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (!e->peer_lost) {
		actions_send(out, FRAME_RUNNING);
		actions_send(out, FRAME_SUMMARY);
	}
	finish(e, GW_COMPLETED, out);
}

/* After COMMIT the source takes the guest back. After a take-over this may be the last copy: it is kept. */
static void run_failed(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	err_first(&e->error, &ev->error);
	err_set(&e->error, -EIO, "", "%s failed without a description", action_name(ev->action));
	if (e->outcome == GW_OWNER_UNKNOWN)
		finish(e, GW_OWNER_UNKNOWN, out);
	else
		give_up(e, out);
}

static void discarded(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->action == ACTION_DISCARD)
		finish(e, GW_ROLLED_BACK, out);
}

static void discard_held(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	if (e->outcome == GW_OWNER_UNKNOWN)
		enter(e, DESTINATION_DISCARDING, ACTION_DISCARD, out);
}

/* ---- the tables ---- */

static void harmless(struct destination_engine *e, const struct event *ev, struct actions *out)
{
}

#define ALWAYS [FRAME_PING] = harmless, [FRAME_CANCEL] = peer_cancelled

static handler *const on_message[NR_DESTINATION_PHASES][NR_MESSAGES] = {
	[DESTINATION_HELLO] = { ALWAYS, [FRAME_HELLO] = greeted },
	[DESTINATION_MANIFEST] = { ALWAYS, [FRAME_MANIFEST] = told },
	[DESTINATION_LOADING] = { ALWAYS, [FRAME_PREPARE] = prepare, [FRAME_VM_STATE] = harmless },
	[DESTINATION_FINISHING] = { ALWAYS },
	[DESTINATION_READY] = { ALWAYS, [FRAME_COMMIT] = commit },
	[DESTINATION_STARTING] = { [FRAME_PING] = harmless },
};

static void take_message(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	uint16_t type = ev->message->type;
	handler *handle = type < NR_MESSAGES ? on_message[e->phase][type] : NULL;

	if (e->peer_lost)
		return;
	hear(e, ev->now_ns);
	if (!handle)
		handle = refuse_message;
	handle(e, ev, out);
}

static handler *const on_done[NR_DESTINATION_PHASES][NR_ACTION_TYPES] = {
	[DESTINATION_MANIFEST] = { [ACTION_CHECK] = checked },
	[DESTINATION_LOADING] = { [ACTION_PREPARE_LOAD] = can_load },
	[DESTINATION_FINISHING] = { [ACTION_FINISH_LOAD] = loaded },
	[DESTINATION_STARTING] = { [ACTION_RUN] = ran },
	[DESTINATION_DISCARDING] = { [ACTION_DISCARD] = discarded },
};

static void done(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	handler *handle = on_done[e->phase][ev->action];

	if (handle)
		handle(e, ev, out);
}

#define HEARS [EVENT_MESSAGE] = take_message, [EVENT_PEER_LOST] = peer_lost, [EVENT_TICK] = tick
#define LOADS HEARS, [EVENT_DONE] = done, [EVENT_FAILED] = failed, [EVENT_FAULT] = failed, [EVENT_CANCEL] = cancel
#define MEETS HEARS, [EVENT_DONE] = done, [EVENT_FAILED] = check_failed, [EVENT_FAULT] = failed

static handler *const on_event[NR_DESTINATION_PHASES][NR_EVENT_TYPES] = {
	[DESTINATION_IDLE] = { [EVENT_START] = start, [EVENT_CANCEL] = cancel_early },
	[DESTINATION_HELLO] = { MEETS, [EVENT_CANCEL] = cancel_early },
	[DESTINATION_MANIFEST] = { MEETS, [EVENT_CANCEL] = cancel_early },
	[DESTINATION_LOADING] = { LOADS },
	[DESTINATION_FINISHING] = { LOADS },
	[DESTINATION_READY] = { HEARS, [EVENT_FAULT] = failed },
	[DESTINATION_STARTING] = { HEARS, [EVENT_DONE] = done, [EVENT_FAILED] = run_failed },
	[DESTINATION_DISCARDING] = { [EVENT_DONE] = done, [EVENT_FAILED] = discarded },
	[DESTINATION_ENDED] = { [EVENT_TAKE_OVER] = take_over, [EVENT_CANCEL] = discard_held },
};

void destination_engine_init(struct destination_engine *engine, const struct destination_config *config)
{
	*engine = (struct destination_engine){ .config = *config, .peer_lost = 1, .deadline_ns = DEADLINE_NEVER };
	if (!engine->config.stall_ns)
		engine->config.stall_ns = DEFAULT_STALL_NS;
	engine->silence_ns = engine->next_ping_ns = DEADLINE_NEVER;
}

void destination_engine_step(struct destination_engine *engine, const struct event *event, struct actions *out)
{
	bool report = event->type == EVENT_DONE || event->type == EVENT_FAILED;
	handler *handle = event->type < NR_EVENT_TYPES ? on_event[engine->phase][event->type] : NULL;

	out->nr = 0;
	if (report && !pending_take(&engine->pending, event->action))
		return;
	if (handle)
		handle(engine, event, out);
	engine->deadline_ns = min_u64(engine->silence_ns, engine->next_ping_ns);
}

const char *destination_phase_name(enum destination_phase phase)
{
	static const char *const names[NR_DESTINATION_PHASES] = {
		[DESTINATION_IDLE] = "waiting",        [DESTINATION_HELLO] = "hello",
		[DESTINATION_MANIFEST] = "manifest",   [DESTINATION_LOADING] = "loading",
		[DESTINATION_FINISHING] = "finishing", [DESTINATION_READY] = "ready",
		[DESTINATION_STARTING] = "starting",   [DESTINATION_DISCARDING] = "discarding",
		[DESTINATION_ENDED] = "ended",
	};

	return (unsigned)phase < NR_DESTINATION_PHASES ? names[phase] : "?";
}
