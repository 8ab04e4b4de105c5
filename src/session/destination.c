/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The destination's thread: reads notes, gives the engine its events, begins the actions that come back. Nothing here
 * decides what comes next.
 */
#include "session/destination.h"

#include "base/err.h"
#include "engine/actions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t now_ns(void)
{
	return clock_now_ns(&clock_monotonic);
}

/* A control channel has come: its HELLO is the first message of a new attempt. */
static void begin_attempt(struct gw_destination *d)
{
	struct control *control = &d->core.control;
	struct message hello = { .type = FRAME_HELLO };
	struct event start = { .type = EVENT_START }, greeted = { .type = EVENT_MESSAGE, .message = &hello };
	int fd;

	destination_close_attempt(d);
	d->attempt++;
	control_reset(control, ++d->core.link);
	d->core.held_ns = DEADLINE_NEVER;
	__atomic_store_n(&d->stop_populating, 0, __ATOMIC_RELAXED);
	pthread_mutex_lock(&d->door);
	fd = d->candidate;
	d->candidate = -1;
	hello.hello = d->hello;
	pthread_mutex_unlock(&d->door);
	control->channel.stall_ns = d->core.limits.stall_ns;
	control->seq_in = 1;
	d->detached = false;
	d->rejoin_stage = 0;
	memset(d->lane_frames, 0, sizeof(d->lane_frames));
	d->engine.config.arbiter = d->core.limits.arbiter && hello.hello.features & HELLO_ARBITER;
	destination_feed(d, &start);
	if (channel_adopt(&control->channel, fd, NULL) || control_start(control, &d->core.mailbox, NULL, NULL)) {
		struct event lost = { .type = EVENT_PEER_LOST };

		destination_feed(d, &lost);
		return;
	}
	destination_feed(d, &greeted);
}

static int keep_copy(void **slot, const void *from, size_t size, uint16_t type, struct gw_error *e)
{
	if (*slot)
		return err_set(e, -EPROTO, "peer", "%s came twice", message_name(type));
	*slot = malloc(size ? size : 1);
	if (!*slot)
		return err_set(e, -ENOMEM, "session", "no memory for %s", message_name(type));
	if (size)
		memcpy(*slot, from, size); /* a VM without state of its own: from is NULL */
	return 0;
}

/*
 * Out of its phase the engine refuses it, and somebody may be reading the one there is. A connection that broke may
 * have lost the end of another.
 */
static int keep_vm_state(struct gw_destination *d, const struct message_vm_state *state, struct gw_error *e)
{
	int ret;

	if (d->engine.phase != DESTINATION_LOADING)
		return 0;
	free(d->vm_state);
	d->vm_state = NULL;
	ret = keep_copy((void **)&d->vm_state, state->bytes, state->nr_bytes, FRAME_VM_STATE, e);
	if (!ret)
		d->nr_vm_state = state->nr_bytes;
	return ret;
}

/* The same: once the manifest has come, the VM's worker reads it. */
static int keep_needs(struct gw_destination *d, const struct message_needs *needs, struct gw_error *e)
{
	int ret;

	if (d->engine.phase != DESTINATION_MANIFEST || pending_has(d->engine.pending, ACTION_CHECK))
		return 0;
	ret = keep_copy((void **)&d->needs, needs->bytes, needs->nr_bytes, FRAME_NEEDS, e);
	if (!ret)
		d->nr_needs = needs->nr_bytes;
	return ret;
}

/* What a message brings that the engine does not keep. -EPROTO: it came twice, or before its time. */
static int keep(struct gw_destination *d, const struct message *m, struct gw_error *e)
{
	switch (m->type) {
	case FRAME_NEEDS:
		return keep_needs(d, &m->needs, e);
	case FRAME_MANIFEST:
		return keep_copy((void **)&d->source, &m->manifest, sizeof(*d->source), m->type, e);
	case FRAME_VM_STATE:
		return keep_vm_state(d, &m->vm_state, e);
	case FRAME_PREPARE:
		return keep_copy((void **)&d->prepare, &m->prepare, sizeof(*d->prepare), m->type, e);
	case FRAME_COMMIT:
		d->commit_ns = now_ns();
		return 0;
	default:
		return 0;
	}
}

static void take_message(struct gw_destination *d, const struct message *m)
{
	struct event event = { .type = EVENT_MESSAGE, .message = m };

	if (keep(d, m, &event.error))
		event.type = EVENT_FAULT;
	destination_feed(d, &event);
}

/* A note of the attempt at hand. */
static void take_note_of_attempt(struct gw_destination *d, struct note *note)
{
	struct event event = { .error = note->error };

	switch (note->type) {
	case NOTE_MESSAGE:
		take_message(d, note->message);
		break;
	case NOTE_SAVED:
		d->nr_loaded++;
		destination_go_on_loading(d);
		break;
	case NOTE_ENDED:
		d->nr_ended++;
		destination_go_on_loading(d);
		break;
	case NOTE_LOST:
		if (core_hold_lost(&d->core, note))
			break;
		__attribute__((fallthrough));
	case NOTE_FAULT:
		event.type = note->type == NOTE_LOST ? EVENT_PEER_LOST : EVENT_FAULT;
		destination_feed(d, &event);
		break;
	default:
		break;
	}
}

static void take_note(struct gw_destination *d, struct note *note)
{
	struct event event = { 0 };

	if (core_is_stale(&d->core, note))
		return;
	switch (note->type) {
	case NOTE_PART_DONE:
		if (core_part_done(&d->core, note))
			destination_action_over(d, note->action);
		break;
	case NOTE_CONTROL:
		begin_attempt(d);
		break;
	case NOTE_REJOINED:
		destination_rejoin(d);
		break;
	case NOTE_CANCEL:
	case NOTE_DECIDE_OWNER:
		event.type = note->type == NOTE_CANCEL ? EVENT_CANCEL : EVENT_TAKE_OVER;
		destination_feed(d, &event);
		break;
	default:
		if (!note->attempt || note->attempt == d->attempt)
			take_note_of_attempt(d, note);
		break;
	}
}

void destination_feed(struct gw_destination *d, struct event *event)
{
	struct actions actions = { 0 };

	event->now_ns = now_ns();
	destination_engine_step(&d->engine, event, &actions);
	__atomic_store_n(&d->phase, d->engine.phase, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < actions.nr; i++)
		destination_carry_out(d, &actions.list[i]);
}

/* A source that was refused, or lost before it was accepted, makes room for the next. */
static void reopen(struct gw_destination *d)
{
	bool over;

	if (d->engine.phase != DESTINATION_IDLE)
		return;
	pthread_mutex_lock(&d->door);
	over = d->busy && d->candidate < 0; /* else its NOTE_CONTROL is on the way */
	d->rejoinable = false;
	pthread_mutex_unlock(&d->door);
	if (!over)
		return;
	destination_close_attempt(d);
	pthread_mutex_lock(&d->door);
	d->busy = false;
	pthread_mutex_unlock(&d->door);
}

static void wind_down(struct gw_destination *d)
{
	queue_close(&d->core.mailbox);
	destination_close_all(d);
	worker_stop(&d->core.link_worker);
	worker_stop(&d->core.vm_worker);
	destination_close_attempt(d);
}

void *destination_run(void *arg)
{
	struct gw_destination *d = arg;
	struct event event;
	bool quit = false;

	while (!quit) {
		struct note *note =
			queue_pop_until(&d->core.mailbox, core_deadline_ns(&d->core, d->engine.deadline_ns));

		if (note) {
			quit = note->type == NOTE_QUIT;
			take_note(d, note);
			note_free(note);
		} else {
			event = core_tick(&d->core);
			if (event.type == EVENT_TICK && destination_data_stalled(d, &event.error))
				event.type = EVENT_PEER_LOST;
			destination_feed(d, &event);
		}
		reopen(d);
	}
	wind_down(d);
	return NULL;
}
