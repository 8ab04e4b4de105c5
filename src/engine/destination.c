/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The destination's engine. As in source.c, tables say what an event, a message and a finished action mean in a
 * phase, and a missing entry is a refusal. The rules and their proof: doc/handover.md.
 */
#include "engine/destination.h"

#include "base/bits.h"
#include "base/clock.h"
#include "engine/deadline.h"
#include "engine/destination_handlers.h"

#define PINGS_A_STALL 4
#define NR_MESSAGES   (FRAME_NEEDS + 1)

void destination_enter(struct destination_engine *e, enum destination_phase phase, enum action_type type,
		       struct actions *out)
{
	e->phase = phase;
	actions_begin(out, &e->pending, type);
}

static void hear(struct destination_engine *e, uint64_t now_ns)
{
	e->silence_ns = deadline_after(now_ns, e->config.stall_ns);
}

void destination_ping_later(struct destination_engine *e, uint64_t now_ns)
{
	e->next_ping_ns = deadline_after(now_ns, max_u64(e->config.stall_ns / PINGS_A_STALL, 1));
}

void destination_listen(struct destination_engine *e, uint64_t now_ns)
{
	e->peer_lost = e->away = 0;
	hear(e, now_ns);
	destination_ping_later(e, now_ns);
}

void destination_stop_timers(struct destination_engine *e)
{
	e->silence_ns = e->next_ping_ns = e->away_deadline_ns = DEADLINE_NEVER;
	e->next_claim_ns = e->claim_deadline_ns = DEADLINE_NEVER;
}

void destination_finish(struct destination_engine *e, enum gw_outcome outcome, struct actions *out)
{
	destination_stop_timers(e);
	e->away = 0;
	e->phase = DESTINATION_ENDED;
	e->outcome = outcome;
	actions_finish(out, outcome, &e->error);
}

static void harmless(struct destination_engine *e, const struct event *ev, struct actions *out)
{
}

#define ALWAYS [FRAME_PING] = harmless, [FRAME_CANCEL] = ending_peer_cancelled

static destination_handler *const on_message[NR_DESTINATION_PHASES][NR_MESSAGES] = {
	[DESTINATION_HELLO] = { ALWAYS, [FRAME_HELLO] = arrival_greeted },
	[DESTINATION_MANIFEST] = { ALWAYS, [FRAME_NEEDS] = arrival_needs, [FRAME_MANIFEST] = arrival_told },
	[DESTINATION_LOADING] = { ALWAYS, [FRAME_PREPARE] = arrival_prepare, [FRAME_VM_STATE] = harmless },
	[DESTINATION_FINISHING] = { ALWAYS },
	[DESTINATION_READY] = { ALWAYS, [FRAME_COMMIT] = ownership_commit },
	[DESTINATION_CLAIMING] = { [FRAME_PING] = harmless,
				   [FRAME_COMMIT] = ownership_moot,
				   [FRAME_CANCEL] = ownership_moot },
	[DESTINATION_STARTING] = { [FRAME_PING] = harmless,
				   [FRAME_COMMIT] = ownership_moot,
				   [FRAME_CANCEL] = ownership_moot },
	[DESTINATION_GIVING_BACK] = { [FRAME_PING] = harmless },
};

static void take_message(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	uint16_t type = ev->message->type;
	destination_handler *handle = type < NR_MESSAGES ? on_message[e->phase][type] : NULL;

	if (e->peer_lost)
		return;
	hear(e, ev->now_ns);
	if (!handle)
		handle = ending_refuse_message;
	handle(e, ev, out);
}

static destination_handler *const on_done[NR_DESTINATION_PHASES][NR_ACTION_TYPES] = {
	[DESTINATION_MANIFEST] = { [ACTION_CHECK] = arrival_checked },
	[DESTINATION_LOADING] = { [ACTION_PREPARE_LOAD] = arrival_can_load },
	[DESTINATION_FINISHING] = { [ACTION_FINISH_LOAD] = arrival_loaded },
	[DESTINATION_CLAIMING] = { [ACTION_CLAIM] = ownership_claimed },
	[DESTINATION_STARTING] = { [ACTION_RUN] = ownership_ran },
	[DESTINATION_GIVING_BACK] = { [ACTION_GIVE_BACK] = ownership_given_back },
	[DESTINATION_ENDED] = { [ACTION_CLAIM] = ownership_claimed },
};

static void done(struct destination_engine *e, const struct event *ev, struct actions *out)
{
	destination_handler *handle = on_done[e->phase][ev->action];

	if (handle)
		handle(e, ev, out);
}

#define HEARS [EVENT_MESSAGE] = take_message, [EVENT_PEER_LOST] = ending_peer_lost, [EVENT_TICK] = ending_tick
#define MEETS HEARS, [EVENT_DONE] = done, [EVENT_FAILED] = arrival_check_failed, [EVENT_FAULT] = ending_failed
#define WAITS HEARS, [EVENT_DONE] = done, [EVENT_REJOINED] = away_rejoined
#define LOADS WAITS, [EVENT_FAILED] = ending_failed, [EVENT_FAULT] = ending_failed, [EVENT_CANCEL] = ending_cancel

static destination_handler *const on_event[NR_DESTINATION_PHASES][NR_EVENT_TYPES] = {
	[DESTINATION_IDLE] = { [EVENT_START] = arrival_begin, [EVENT_CANCEL] = ending_cancel_early },
	[DESTINATION_HELLO] = { MEETS, [EVENT_CANCEL] = ending_cancel_early },
	[DESTINATION_MANIFEST] = { MEETS, [EVENT_CANCEL] = ending_cancel_early },
	[DESTINATION_LOADING] = { LOADS },
	[DESTINATION_FINISHING] = { LOADS },
	[DESTINATION_READY] = { WAITS, [EVENT_FAULT] = ending_failed },
	[DESTINATION_CLAIMING] = { WAITS, [EVENT_FAILED] = ownership_claim_failed },
	[DESTINATION_STARTING] = { WAITS, [EVENT_FAILED] = ownership_run_failed },
	[DESTINATION_GIVING_BACK] = { HEARS, [EVENT_DONE] = done, [EVENT_FAILED] = ownership_kept,
				      [EVENT_REJOINED] = ownership_peer_back },
	[DESTINATION_DISCARDING] = { [EVENT_DONE] = ending_discarded,
				     [EVENT_FAILED] = ending_discarded,
				     [EVENT_REJOINED] = away_rejoined_late },
	[DESTINATION_ENDED] = { [EVENT_DONE] = done,
				[EVENT_FAILED] = ownership_claim_failed,
				[EVENT_TICK] = ending_tick,
				[EVENT_TAKE_OVER] = ownership_take_over,
				[EVENT_CANCEL] = ownership_discard,
				[EVENT_REJOINED] = away_rejoined_late },
};

void destination_engine_init(struct destination_engine *engine, const struct destination_config *config)
{
	*engine = (struct destination_engine){ .config = *config, .peer_lost = 1, .deadline_ns = DEADLINE_NEVER };
	if (!engine->config.stall_ns)
		engine->config.stall_ns = DEFAULT_STALL_NS;
	destination_stop_timers(engine);
}

void destination_engine_step(struct destination_engine *engine, const struct event *event, struct actions *out)
{
	bool report = event->type == EVENT_DONE || event->type == EVENT_FAILED;
	destination_handler *handle = event->type < NR_EVENT_TYPES ? on_event[engine->phase][event->type] : NULL;

	out->nr = 0;
	if (report && !pending_take(&engine->pending, event->action))
		return;
	if (handle)
		handle(engine, event, out);
	engine->deadline_ns = min_u64(min_u64(engine->silence_ns, engine->next_ping_ns), engine->away_deadline_ns);
	engine->deadline_ns = min_u64(engine->deadline_ns, min_u64(engine->next_claim_ns, engine->claim_deadline_ns));
}

enum resumed_phase destination_resumed_phase(const struct destination_engine *engine)
{
	switch (engine->phase) {
	case DESTINATION_FINISHING:
	case DESTINATION_READY:
		return RESUMED_HAS_ALL;
	case DESTINATION_CLAIMING:
	case DESTINATION_STARTING:
	case DESTINATION_ENDED:
		return RESUMED_STARTING;
	default:
		return RESUMED_LOADING;
	}
}

const char *destination_phase_name(enum destination_phase phase)
{
	static const char *const names[NR_DESTINATION_PHASES] = {
		[DESTINATION_IDLE] = "waiting",
		[DESTINATION_HELLO] = "hello",
		[DESTINATION_MANIFEST] = "manifest",
		[DESTINATION_LOADING] = "loading",
		[DESTINATION_FINISHING] = "finishing",
		[DESTINATION_READY] = "ready",
		[DESTINATION_CLAIMING] = "claiming",
		[DESTINATION_STARTING] = "starting",
		[DESTINATION_GIVING_BACK] = "giving back",
		[DESTINATION_DISCARDING] = "discarding",
		[DESTINATION_ENDED] = "ended",
	};

	return (unsigned)phase < NR_DESTINATION_PHASES ? names[phase] : "?";
}
