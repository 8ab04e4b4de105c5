/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's thread: reads notes, gives the engine its events, begins the actions that come back. Nothing here
 * decides what comes next.
 */
#include "session/source.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t now_ns(void)
{
	return clock_now_ns(&clock_monotonic);
}

/* Without memory there is none: a summary is for the report only, and a rejoin without its message fails. */
static void keep_copy(void **slot, const void *from, size_t size)
{
	free(*slot);
	*slot = malloc(size);
	if (*slot)
		memcpy(*slot, from, size);
}

/* A user who gave this side an arbiter relies on it: a destination that goes on without one is none. */
static void agree(struct gw_source *s, uint32_t features)
{
	if (s->hello.features & ~features & HELLO_ARBITER) {
		err_set(&s->engine.error, -ENOTSUP, "arbiter", "the destination does not know of an arbiter");
		s->engine.config.blocked = true;
	}
	s->hello.features &= features;
	s->engine.config.arbiter = s->hello.features & HELLO_ARBITER;
}

/* A dry run opens nothing there, and is told of no windows. */
static void check_accepted(struct gw_source *s, uint32_t nr_devices)
{
	if (s->hello.features & HELLO_DRY_RUN || nr_devices == s->core.vm.nr_devices)
		return;
	err_set(&s->engine.error, -EPROTO, "peer", "ACCEPT is about %u devices, the manifest was about %u", nr_devices,
		s->core.vm.nr_devices);
	s->engine.config.blocked = true;
}

/* An answer came; the quickest says how far away the peer is, for others had work to do for theirs. */
static void answered(struct gw_source *s)
{
	uint64_t took_ns = now_ns() - s->asked_ns;

	if (took_ns < s->round_trip_ns)
		s->round_trip_ns = took_ns;
}

/* What a message brings that the engine does not need. */
static void keep(struct gw_source *s, const struct message *m)
{
	switch (m->type) {
	case FRAME_WELCOME:
		answered(s);
		agree(s, m->welcome.features);
		break;
	case FRAME_ACCEPT:
		answered(s);
		check_accepted(s, m->accept.nr_devices);
		for (uint32_t i = 0; i < s->core.vm.nr_devices && i < m->accept.nr_devices; i++)
			saver_open_window(&s->savers[i], m->accept.window_bytes[i]);
		break;
	case FRAME_LOADABLE:
		for (uint32_t i = 0; i < s->core.vm.nr_devices && i < m->loadable.nr_devices; i++)
			saver_heard_arcs(&s->savers[i], m->loadable.arc_ns[i]);
		break;
	case FRAME_READY:
		s->ready = m->ready;
		s->blackout.ready_ns = now_ns();
		break;
	case FRAME_RUNNING:
		s->running = m->running;
		s->blackout.running_ns = now_ns();
		break;
	case FRAME_REFUSE:
		source_add_blockers(s, &m->refuse);
		break;
	case FRAME_SUMMARY:
		keep_copy((void **)&s->summary, &m->summary, sizeof(m->summary));
		break;
	case FRAME_RESUMED:
		keep_copy((void **)&s->resumed, &m->resumed, sizeof(m->resumed));
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

	if (core_is_stale(&s->core, note))
		return;
	switch (note->type) {
	case NOTE_PART_DONE:
		source_part_done(s, note);
		return;
	case NOTE_LANE_OVER:
		source_lane_over(s);
		return;
	case NOTE_SAVED:
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
		s->lost_link = s->core.link;
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

static void publish_estimate(struct gw_source *s)
{
	pthread_mutex_lock(&s->core.lock);
	s->predicted = s->engine.estimate.parts;
	pthread_mutex_unlock(&s->core.lock);
}

void source_feed(struct gw_source *s, struct event *event)
{
	struct actions actions = { 0 };

	event->now_ns = now_ns();
	source_engine_step(&s->engine, event, &actions);
	__atomic_store_n(&s->phase, s->engine.phase, __ATOMIC_RELAXED);
	__atomic_store_n(&s->round, s->engine.round, __ATOMIC_RELAXED);
	__atomic_store_n(&s->link_is_up, s->engine.link == LINK_UP, __ATOMIC_RELAXED);
	__atomic_store_n(&s->nr_reconnects, s->engine.nr_reconnects, __ATOMIC_RELAXED);
	__atomic_store_n(&s->throttle_percent, s->engine.throttle_percent, __ATOMIC_RELAXED);
	publish_estimate(s);
	for (unsigned i = 0; i < actions.nr; i++)
		source_carry_out(s, &actions.list[i]);
}

/*
 * PINGs go on, but a device waits for room at a destination that loads nothing, with the guest paused: a data channel
 * swallows what is sent. A new connection is worth more than waiting.
 */
static bool window_stalled(struct gw_source *s, struct gw_error *e)
{
	uint64_t bytes = 0, now = now_ns();
	bool starved = false;

	for (uint32_t i = 0; i < s->core.vm.nr_devices; i++) {
		bytes += __atomic_load_n(&s->savers[i].load_bytes, __ATOMIC_RELAXED);
		starved |= __atomic_load_n(&s->savers[i].starved, __ATOMIC_RELAXED);
	}
	if (s->engine.phase != SOURCE_DRAIN || s->engine.link != LINK_UP || !starved || bytes != s->watched_bytes) {
		s->watched_bytes = bytes;
		s->watched_ns = now;
	}
	if (now - s->watched_ns < s->core.limits.stall_ns)
		return false;
	s->watched_ns = now;
	err_set(e, -ETIMEDOUT, "data channels", "the destination loaded no device state for %llu ms",
		(unsigned long long)(s->core.limits.stall_ns / NS_PER_MS));
	return true;
}

/* Every thread that posts notes or uses the VM is gone when this returns. */
static void wind_down(struct gw_source *s)
{
	queue_close(&s->core.mailbox);
	source_close_all(s);
	worker_stop(&s->core.link_worker); /* it makes connections */
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
			if (event.type == EVENT_TICK && window_stalled(s, &event.error))
				event.type = EVENT_PEER_LOST;
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
