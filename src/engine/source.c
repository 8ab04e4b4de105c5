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
#define NR_MESSAGES   (FRAME_PING + 1)

void source_enter(struct source_engine *e, enum source_phase phase, enum action_type type, struct actions *out)
{
	e->phase = phase;
	actions_begin(out, &e->pending, type);
}

void source_hear(struct source_engine *e, uint64_t now_ns)
{
	e->silence_ns = deadline_after(now_ns, e->config.stall_ns);
}

void source_ping_later(struct source_engine *e, uint64_t now_ns)
{
	e->next_ping_ns = deadline_after(now_ns, max_u64(e->config.stall_ns / PINGS_A_STALL, 1));
}

void source_stop_timers(struct source_engine *e)
{
	e->silence_ns = e->next_ping_ns = e->next_sync_ns = DEADLINE_NEVER;
}

void source_finish(struct source_engine *e, enum gw_outcome outcome, struct actions *out)
{
	source_stop_timers(e);
	e->phase = SOURCE_ENDED;
	e->outcome = outcome;
	actions_finish(out, outcome, &e->error);
}

static void tick(struct source_engine *e, const struct event *ev, struct actions *out)
{
	if (ev->now_ns >= e->silence_ns) {
		err_set(&e->error, -ETIMEDOUT, "peer", "nothing heard for %llu ms", e->config.stall_ns / NS_PER_MS);
		rollback_lose_peer(e, out);
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

static source_handler *const on_message[NR_SOURCE_PHASES][NR_MESSAGES] = {
	[SOURCE_CONNECT] = { ALWAYS, [FRAME_WELCOME] = precopy_welcomed, [FRAME_REFUSE] = rollback_refused },
	[SOURCE_MANIFEST] = { ALWAYS, [FRAME_ACCEPT] = precopy_accepted, [FRAME_REFUSE] = rollback_refused },
	[SOURCE_SETUP] = { ALWAYS, [FRAME_LOADABLE] = precopy_loadable },
	[SOURCE_PRECOPY] = { ALWAYS, [FRAME_LOADABLE] = precopy_loadable },
	[SOURCE_PAUSE] = { ALWAYS },
	[SOURCE_QUIESCE] = { ALWAYS },
	[SOURCE_STOP] = { ALWAYS },
	[SOURCE_DRAIN] = { ALWAYS },
	[SOURCE_PREPARED] = { ALWAYS, [FRAME_READY] = handover_ready },
	[SOURCE_COMMITTING] = { ALWAYS },
	[SOURCE_COMMITTED] = { ALWAYS, [FRAME_RUNNING] = handover_running },
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

static source_handler *const on_done[NR_SOURCE_PHASES][NR_ACTION_TYPES] = {
	[SOURCE_CONNECT] = { [ACTION_CONNECT] = precopy_connected },
	[SOURCE_SETUP] = { [ACTION_OPEN_DATA] = precopy_data_open,
			   [ACTION_TRACK_START] = precopy_tracking,
			   [ACTION_PRECOPY] = precopy_streaming },
	[SOURCE_PRECOPY] = { [ACTION_SYNC] = precopy_synced, [ACTION_ROUND] = precopy_round_over },
	[SOURCE_PAUSE] = { [ACTION_PAUSE] = handover_paused },
	[SOURCE_QUIESCE] = { [ACTION_QUIESCE] = handover_quiesced },
	[SOURCE_STOP] = { [ACTION_STOP] = handover_stopped, [ACTION_ROUND] = handover_stopped },
	[SOURCE_DRAIN] = { [ACTION_DRAIN] = handover_drained },
	[SOURCE_COMMITTING] = { [ACTION_DECIDE] = handover_decided },
	[SOURCE_RELEASING] = { [ACTION_RELEASE] = handover_released },
};

static void done(struct source_engine *e, const struct event *ev, struct actions *out)
{
	source_handler *handle = on_done[e->phase][ev->action];

	if (handle)
		handle(e, ev, out);
}

#define HEARS [EVENT_MESSAGE] = take_message, [EVENT_PEER_LOST] = rollback_peer_lost, [EVENT_TICK] = tick

/* COMMIT is not sent yet: whatever fails ends in TAKE_BACK. */
#define ROLLS_BACK HEARS, [EVENT_DONE] = done, [EVENT_FAILED] = rollback_failed, [EVENT_FAULT] = rollback_failed

static source_handler *const on_event[NR_SOURCE_PHASES][NR_EVENT_TYPES] = {
	[SOURCE_IDLE] = { [EVENT_START] = precopy_start, [EVENT_CANCEL] = rollback_cancel_idle },
	[SOURCE_CONNECT] = { ROLLS_BACK, [EVENT_CANCEL] = rollback_cancel },
	[SOURCE_MANIFEST] = { ROLLS_BACK, [EVENT_CANCEL] = rollback_cancel },
	[SOURCE_SETUP] = { ROLLS_BACK, [EVENT_CANCEL] = rollback_cancel },
	[SOURCE_PRECOPY] = { ROLLS_BACK, [EVENT_CANCEL] = rollback_cancel },
	[SOURCE_PAUSE] = { ROLLS_BACK, [EVENT_CANCEL] = rollback_cancel },
	[SOURCE_QUIESCE] = { ROLLS_BACK, [EVENT_CANCEL] = rollback_cancel },
	[SOURCE_STOP] = { ROLLS_BACK, [EVENT_CANCEL] = rollback_cancel },
	[SOURCE_DRAIN] = { ROLLS_BACK, [EVENT_CANCEL] = rollback_cancel },
	[SOURCE_PREPARED] = { ROLLS_BACK, [EVENT_CANCEL] = rollback_cancel },
	[SOURCE_COMMITTING] = { ROLLS_BACK },
	[SOURCE_COMMITTED] = { HEARS },
	[SOURCE_RELEASING] = { [EVENT_MESSAGE] = handover_message_in_release,
			       [EVENT_PEER_LOST] = handover_stop_listening,
			       [EVENT_DONE] = done,
			       [EVENT_FAILED] = handover_release_failed,
			       [EVENT_TICK] = handover_tick_in_release },
	[SOURCE_TAKING_BACK] = { [EVENT_DONE] = rollback_taken_back, [EVENT_FAILED] = rollback_taken_back },
	[SOURCE_ENDED] = { [EVENT_TAKE_BACK] = rollback_take_back },
};

void source_engine_init(struct source_engine *engine, const struct source_config *config)
{
	*engine = (struct source_engine){ .config = *config, .deadline_ns = DEADLINE_NEVER };
	if (!engine->config.stall_ns)
		engine->config.stall_ns = DEFAULT_STALL_NS;
	engine->converge.downtime_limit_ns = config->downtime_limit_ns;
	engine->converge.max_rounds = config->max_rounds;
	source_stop_timers(engine);
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
	engine->deadline_ns = min_u64(engine->silence_ns, min_u64(engine->next_ping_ns, engine->next_sync_ns));
}

const char *source_phase_name(enum source_phase phase)
{
	static const char *const names[NR_SOURCE_PHASES] = {
		[SOURCE_IDLE] = "idle",
		[SOURCE_CONNECT] = "connect",
		[SOURCE_MANIFEST] = "manifest",
		[SOURCE_SETUP] = "setup",
		[SOURCE_PRECOPY] = "pre-copy",
		[SOURCE_PAUSE] = "pause",
		[SOURCE_QUIESCE] = "quiesce",
		[SOURCE_STOP] = "stop",
		[SOURCE_DRAIN] = "drain",
		[SOURCE_PREPARED] = "prepared",
		[SOURCE_COMMITTING] = "committing",
		[SOURCE_COMMITTED] = "committed",
		[SOURCE_RELEASING] = "releasing",
		[SOURCE_TAKING_BACK] = "taking back",
		[SOURCE_ENDED] = "ended",
	};

	return (unsigned)phase < NR_SOURCE_PHASES ? names[phase] : "?";
}
