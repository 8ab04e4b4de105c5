/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's thread: reads notes, gives the engine its events, begins the actions that come back. Nothing here
 * decides what comes next.
 */
#include "session/source.h"

#include <stdlib.h>

static uint64_t now_ns(void)
{
	return clock_now_ns(&clock_monotonic);
}

/* What a message brings that the engine does not need. */
static void keep(struct gw_source *s, const struct message *m)
{
	switch (m->type) {
	case FRAME_WELCOME:
		s->hello.features &= m->welcome.features;
		break;
	case FRAME_ACCEPT:
		for (uint32_t i = 0; i < s->core.vm.nr_devices && i < m->accept.nr_devices; i++)
			saver_open_window(&s->savers[i], m->accept.window_bytes[i]);
		break;
	case FRAME_READY:
		s->ready = m->ready;
		s->blackout.ready_ns = now_ns();
		break;
	case FRAME_RUNNING:
		s->running = m->running;
		s->blackout.running_ns = now_ns();
		break;
	case FRAME_SUMMARY:
		free(s->summary);
		s->summary = malloc(sizeof(*s->summary));
		if (s->summary)
			*s->summary = m->summary;
		break;
	default:
		break;
	}
}

static void all_ended(struct gw_source *s)
{
	struct event event = core_finished(&s->core, ACTION_DRAIN);

	source_feed(s, &event);
}

static void take_note(struct gw_source *s, struct note *note)
{
	struct event event = { .error = note->error };

	switch (note->type) {
	case NOTE_PART_DONE:
		source_part_done(s, note);
		return;
	case NOTE_SAVED:
		s->nr_saved++;
		source_end_if_drained(s);
		return;
	case NOTE_ENDED:
		if (++s->nr_ended == s->core.limits.nr_channels)
			all_ended(s);
		return;
	case NOTE_MESSAGE:
		keep(s, note->message);
		event.type = EVENT_MESSAGE;
		event.message = note->message;
		break;
	case NOTE_LOST:
		if (core_hold_lost(&s->core, note))
			return;
		event.type = EVENT_PEER_LOST;
		break;
	case NOTE_FAULT:
		event.type = EVENT_FAULT;
		break;
	case NOTE_CANCEL:
		event.type = EVENT_CANCEL;
		break;
	case NOTE_DECIDE_OWNER:
		event.type = EVENT_TAKE_BACK;
		break;
	default:
		return;
	}
	source_feed(s, &event);
}

void source_feed(struct gw_source *s, struct event *event)
{
	struct actions actions = { 0 };

	event->now_ns = now_ns();
	source_engine_step(&s->engine, event, &actions);
	__atomic_store_n(&s->phase, s->engine.phase, __ATOMIC_RELAXED);
	__atomic_store_n(&s->round, s->engine.round, __ATOMIC_RELAXED);
	__atomic_store_n(&s->expected_ns, s->engine.estimate.total_ns == UINT64_MAX ? 0 : s->engine.estimate.total_ns,
			 __ATOMIC_RELAXED);
	for (unsigned i = 0; i < actions.nr; i++)
		source_carry_out(s, &actions.list[i]);
}

/* Every thread that posts notes or uses the VM is gone when this returns. */
static void wind_down(struct gw_source *s)
{
	queue_close(&s->core.mailbox);
	source_close_all(s);
	control_stop(&s->core.control);
	worker_stop(&s->core.vm_worker);
	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++)
		sender_stop(&s->senders[i]); /* before the savers, to whom they give parcels back */
	for (uint32_t i = 0; i < s->core.vm.nr_devices; i++)
		saver_fini(&s->savers[i]);
}

void *source_run(void *arg)
{
	struct gw_source *s = arg;
	struct event event = { .type = EVENT_START };
	bool quit = false;

	source_feed(s, &event);
	while (!quit) {
		struct note *note =
			queue_pop_until(&s->core.mailbox, core_deadline_ns(&s->core, s->engine.deadline_ns));

		if (!note) {
			event = core_tick(&s->core);
			source_feed(s, &event);
			continue;
		}
		quit = note->type == NOTE_QUIT;
		take_note(s, note);
		note_free(note);
	}
	wind_down(s);
	return NULL;
}
