/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's engine. Three tables say everything: what an event means in a phase, what a message means in a
 * phase, and what comes after an action is done. A missing entry is a refusal: of a message from the peer, an
 * error that ends the migration; of anything else, nothing happens. The rules and their proof: doc/handover.md.
 */
#include "engine/source.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"
#include "engine/deadline.h"
#include "engine/source_handlers.h"

#include <errno.h>

#define PINGS_A_STALL 4
#define NR_MESSAGES   (FRAME_NEEDS + 1)

void source_enter(struct source_engine *e, enum source_phase phase, enum action_type type, struct actions *out)
{
	e->phase = phase;
	actions_begin(out, &e->pending, type);
}

void source_hear(struct source_engine *e, uint64_t now_ns)
{
	if (link_is_heard(e))
		e->silence_ns = deadline_after(now_ns, e->config.stall_ns);
}

void source_ping_later(struct source_engine *e, uint64_t now_ns)
{
	e->next_ping_ns = deadline_after(now_ns, max_u64(e->config.stall_ns / PINGS_A_STALL, 1));
}

void source_stop_timers(struct source_engine *e)
{
	e->silence_ns = e->next_ping_ns = e->next_sync_ns = e->precopy_deadline_ns = DEADLINE_NEVER;
	e->next_try_ns = e->link_deadline_ns = e->next_claim_ns = e->claim_deadline_ns = DEADLINE_NEVER;
}

void source_finish(struct source_engine *e, enum gw_outcome outcome, struct actions *out)
{
	source_stop_timers(e);
	e->phase = SOURCE_ENDED;
	e->outcome = outcome;
	actions_finish(out, outcome, &e->error);
}

static void fall_silent(struct source_engine *e, const struct event *ev, struct actions *out)
{
	struct gw_error error = GW_ERROR_NONE;

	err_set(&error, -ETIMEDOUT, "peer", "nothing heard for %llu ms", e->config.stall_ns / NS_PER_MS);
	if (link_may_come_back(e)) {
		link_break(e, &error, ev->now_ns, out);
	} else {
		err_first(&e->error, &error);
		rollback_lose_peer(e, ev->now_ns, out);
	}
}

/* What ends the phase comes first, and alone. */
static void tick(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->now_ns >= min_u64(e->link_deadline_ns, e->next_try_ns)) {
		link_tick(e, ev, out);
		return;
	}
	if (ev->now_ns >= e->silence_ns) {
		fall_silent(e, ev, out);
		return;
	}
	if (e->phase == SOURCE_PRECOPY && ev->now_ns >= e->precopy_deadline_ns) {
		precopy_out_of_time(e, ev, out);
		return;
	}
	if (ev->now_ns >= e->next_ping_ns) {
		actions_send(out, FRAME_PING);
		source_ping_later(e, ev->now_ns);
	}
	if (ev->now_ns >= e->next_sync_ns) {
		e->next_sync_ns = DEADLINE_NEVER;
		actions_begin(out, &e->pending, ACTION_SYNC);
	}
}

static void harmless(struct source_engine *e, const struct event *ev, struct actions *out)
{
}

/* GRANT and INITIAL_LOADED are the session's: like PING they mean nothing more here than that the peer is alive. */
#define ALWAYS                                                                                \
	[FRAME_PING] = harmless, [FRAME_GRANT] = harmless, [FRAME_INITIAL_LOADED] = harmless, \
	[FRAME_FAILED] = rollback_peer_failed

/* The link may break and come back here; once it has, LOADABLE comes again. */
#define LINKED \
	ALWAYS, [FRAME_RESUMED] = link_resumed, [FRAME_REFUSE] = link_refused, [FRAME_LOADABLE] = precopy_loadable

static source_handler *const on_message[NR_SOURCE_PHASES][NR_MESSAGES] = {
	[SOURCE_CONNECT] = { ALWAYS, [FRAME_WELCOME] = precopy_welcomed, [FRAME_REFUSE] = rollback_refused },
	[SOURCE_MANIFEST] = { ALWAYS, [FRAME_ACCEPT] = precopy_accepted, [FRAME_REFUSE] = rollback_refused },
	[SOURCE_SETUP] = { ALWAYS, [FRAME_LOADABLE] = precopy_loadable },
	[SOURCE_PRECOPY] = { LINKED },
	[SOURCE_PAUSE] = { LINKED },
	[SOURCE_QUIESCE] = { LINKED },
	[SOURCE_UNPAUSE] = { LINKED },
	[SOURCE_STOP] = { LINKED },
	[SOURCE_DRAIN] = { LINKED },
	[SOURCE_PREPARED] = { LINKED, [FRAME_READY] = handover_ready, [FRAME_RUNNING] = handover_ran_uncommitted },
	[SOURCE_COMMITTING] = { LINKED, [FRAME_READY] = handover_ready_again,
				[FRAME_RUNNING] = handover_ran_uncommitted },
	[SOURCE_COMMITTED] = { LINKED, [FRAME_READY] = handover_ready_again, [FRAME_RUNNING] = handover_running },
};

static void take_message(struct source_engine *e, const struct event *ev, struct actions *out)
{
	uint16_t type = ev->message->type;
	source_handler *handle = type < NR_MESSAGES ? on_message[e->phase][type] : NULL;

	source_hear(e, ev->now_ns);
	if (!handle)
		handle = rollback_refuse_message;
	handle(e, ev, out);
}

#define LINKS [ACTION_RECONNECT] = link_opened, [ACTION_REJOIN] = link_rejoined

static source_handler *const on_done[NR_SOURCE_PHASES][NR_ACTION_TYPES] = {
	[SOURCE_CONNECT] = { [ACTION_CONNECT] = precopy_connected },
	[SOURCE_SETUP] = { [ACTION_OPEN_DATA] = precopy_data_open,
			   [ACTION_TRACK_START] = precopy_tracking,
			   [ACTION_PRECOPY] = precopy_streaming },
	[SOURCE_PRECOPY] = { LINKS, [ACTION_SYNC] = precopy_synced, [ACTION_THROTTLE] = precopy_send_round,
			     [ACTION_ROUND] = precopy_round_over },
	[SOURCE_PAUSE] = { LINKS, [ACTION_PAUSE] = handover_paused },
	[SOURCE_QUIESCE] = { LINKS, [ACTION_QUIESCE] = handover_quiesced },
	[SOURCE_UNPAUSE] = { LINKS, [ACTION_UNPAUSE] = handover_unpaused, [ACTION_ROUND] = handover_unpaused },
	[SOURCE_STOP] = { LINKS, [ACTION_STOP] = handover_stopped, [ACTION_ROUND] = handover_stopped },
	[SOURCE_DRAIN] = { LINKS, [ACTION_DRAIN] = handover_drained },
	[SOURCE_PREPARED] = { LINKS },
	[SOURCE_COMMITTING] = { LINKS, [ACTION_DECIDE] = handover_decided },
	[SOURCE_COMMITTED] = { LINKS },
};

static void done(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_handler *handle = on_done[e->phase][ev->action];

	if (handle)
		handle(e, ev, out);
}

static void failed(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->action == ACTION_RECONNECT || ev->action == ACTION_REJOIN)
		link_failed(e, ev, out);
	else
		rollback_failed(e, ev, out);
}

#define HEARS [EVENT_MESSAGE] = take_message, [EVENT_TICK] = tick

/* COMMIT is not sent yet: whatever fails ends in TAKE_BACK, or in a question to the arbiter. */
#define FAILS      HEARS, [EVENT_DONE] = done, [EVENT_FAILED] = failed, [EVENT_FAULT] = rollback_failed
#define ROLLS_BACK FAILS, [EVENT_PEER_LOST] = rollback_peer_lost, [EVENT_CANCEL] = rollback_cancel
#define COMES_BACK FAILS, [EVENT_PEER_LOST] = link_lost, [EVENT_CANCEL] = rollback_cancel

static source_handler *const on_event[NR_SOURCE_PHASES][NR_EVENT_TYPES] = {
	[SOURCE_IDLE] = { [EVENT_START] = precopy_start, [EVENT_CANCEL] = rollback_cancel_idle },
	[SOURCE_CONNECT] = { ROLLS_BACK },
	[SOURCE_MANIFEST] = { ROLLS_BACK },
	[SOURCE_SETUP] = { ROLLS_BACK },
	[SOURCE_PRECOPY] = { COMES_BACK },
	[SOURCE_PAUSE] = { COMES_BACK },
	[SOURCE_QUIESCE] = { COMES_BACK },
	[SOURCE_UNPAUSE] = { COMES_BACK },
	[SOURCE_STOP] = { COMES_BACK },
	[SOURCE_DRAIN] = { COMES_BACK },
	[SOURCE_PREPARED] = { COMES_BACK },
	[SOURCE_COMMITTING] = { FAILS, [EVENT_PEER_LOST] = link_lost },
	[SOURCE_COMMITTED] = { HEARS, [EVENT_PEER_LOST] = link_lost, [EVENT_DONE] = done,
			       [EVENT_FAILED] = link_failed },
	[SOURCE_RELEASING] = { [EVENT_MESSAGE] = handover_message_in_release,
			       [EVENT_PEER_LOST] = handover_stop_listening,
			       [EVENT_DONE] = handover_released,
			       [EVENT_FAILED] = handover_released,
			       [EVENT_TICK] = handover_tick_in_release },
	[SOURCE_CLAIMING] = { [EVENT_DONE] = claim_answered, [EVENT_FAILED] = claim_failed, [EVENT_TICK] = claim_tick },
	[SOURCE_TAKING_BACK] = { [EVENT_DONE] = rollback_taken_back, [EVENT_FAILED] = rollback_taken_back },
	[SOURCE_ENDED] = { [EVENT_TAKE_BACK] = rollback_take_back,
			   [EVENT_DONE] = claim_answered,
			   [EVENT_FAILED] = claim_failed,
			   [EVENT_TICK] = claim_tick },
};

void source_engine_init(struct source_engine *engine, const struct source_config *config)
{
	*engine = (struct source_engine){ .config = *config, .deadline_ns = DEADLINE_NEVER };
	if (!engine->config.stall_ns)
		engine->config.stall_ns = DEFAULT_STALL_NS;
	engine->converge.downtime_limit_ns = config->downtime_limit_ns;
	engine->converge.max_rounds = config->max_rounds;
	engine->converge.policy = config->no_converge;
	engine->converge.can_throttle = config->can_throttle;
	source_stop_timers(engine);
}

static uint64_t next_deadline_ns(const struct source_engine *e)
{
	uint64_t ns = min_u64(e->silence_ns, min_u64(e->next_ping_ns, e->next_sync_ns));

	ns = min_u64(ns, min_u64(e->next_try_ns, e->link_deadline_ns));
	ns = min_u64(ns, min_u64(e->next_claim_ns, e->claim_deadline_ns));
	return e->phase == SOURCE_PRECOPY ? min_u64(ns, e->precopy_deadline_ns) : ns;
}

void source_engine_step(struct source_engine *engine, const struct event *event, struct actions *out)
{
	bool report = event->type == EVENT_DONE || event->type == EVENT_FAILED;
	source_handler *handle = event->type < NR_EVENT_TYPES ? on_event[engine->phase][event->type] : NULL;

	out->nr = 0;
	if (report && !pending_take(&engine->pending, event->action))
		return;
	if (handle)
		handle(engine, event, out);
	engine->deadline_ns = next_deadline_ns(engine);
}

const char *source_phase_name(enum source_phase phase)
{
	static const char *const names[NR_SOURCE_PHASES] = {
		[SOURCE_IDLE] = "idle",           [SOURCE_CONNECT] = "connect",
		[SOURCE_MANIFEST] = "manifest",   [SOURCE_SETUP] = "setup",
		[SOURCE_PRECOPY] = "pre-copy",    [SOURCE_PAUSE] = "pause",
		[SOURCE_QUIESCE] = "quiesce",     [SOURCE_UNPAUSE] = "unpause",
		[SOURCE_STOP] = "stop",           [SOURCE_DRAIN] = "drain",
		[SOURCE_PREPARED] = "prepared",   [SOURCE_COMMITTING] = "committing",
		[SOURCE_COMMITTED] = "committed", [SOURCE_RELEASING] = "releasing",
		[SOURCE_CLAIMING] = "claiming",   [SOURCE_TAKING_BACK] = "taking back",
		[SOURCE_ENDED] = "ended",
	};

	return (unsigned)phase < NR_SOURCE_PHASES ? names[phase] : "?";
}
