/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Beginning the source's actions: which threads do what. Nothing here decides what comes next, and nothing waits: an
 * action that is reported ends in source_over.c.
 */
#include "session/source.h"

#include "base/err.h"
#include "engine/actions.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t now_ns(void)
{
	return clock_now_ns(&clock_monotonic);
}

static void begin_vm(struct gw_source *s, enum action_type action, int (*run)(void *, struct gw_error *))
{
	core_begin_vm(&s->core, action, run, s);
}

/* All devices, and the VM's worker if run is not NULL, each in its own thread. */
static void begin_all(struct gw_source *s, enum action_type action, int (*run)(void *, struct gw_error *))
{
	core_begin(&s->core, action, s->core.vm.nr_devices + (run ? 1 : 0));
	if (run)
		begin_vm(s, action, run);
	for (uint32_t i = 0; i < s->core.vm.nr_devices; i++)
		saver_begin(&s->savers[i], action);
	if (!s->core.parts[action].outstanding)
		source_action_over(s, action);
}

static void begin_one(struct gw_source *s, enum action_type action, int (*run)(void *, struct gw_error *))
{
	core_begin(&s->core, action, 1);
	begin_vm(s, action, run);
}

static void begin_link(struct gw_source *s, enum action_type action, int (*run)(void *, struct gw_error *))
{
	core_begin(&s->core, action, 1);
	core_begin_link(&s->core, action, run, s);
}

/* A VM that cannot say what its guest needs goes nowhere: it is asked first; source_over.c goes on. */
static void begin_connect(struct gw_source *s, const struct action *a)
{
	begin_one(s, a->type, source_do_ask_needs);
}

static void begin_open_data(struct gw_source *s, const struct action *a)
{
	s->channels_up = true;
	begin_link(s, a->type, source_do_open_data);
}

/* First all that used the old connection has to be over, and what it noted read: source_over.c goes on. */
static void begin_reconnect(struct gw_source *s, const struct action *a)
{
	s->channels_up = false;
	s->core.link++;
	s->core.held_ns = DEADLINE_NEVER;
	begin_link(s, a->type, source_do_detach);
}

static void begin_rejoin(struct gw_source *s, const struct action *a)
{
	begin_link(s, a->type, source_do_rejoin);
}

static void begin_claim(struct gw_source *s, const struct action *a)
{
	(void)a;
	core_begin_claim(&s->core, GW_SIDE_SOURCE, s->hello.migration_id);
}

static void begin_throttle(struct gw_source *s, const struct action *a)
{
	s->throttle_to = a->percent;
	begin_one(s, a->type, source_do_throttle);
}

static void begin_track_start(struct gw_source *s, const struct action *a)
{
	begin_all(s, a->type, source_do_track_start);
}

static void begin_precopy(struct gw_source *s, const struct action *a)
{
	uint32_t nr = 0;

	dirty_mark_all(&s->dirty);
	s->last_sync_ns = now_ns();
	for (uint32_t i = 0; i < s->core.vm.nr_devices; i++)
		nr += saver_can_precopy(&s->savers[i]);
	core_begin(&s->core, a->type, nr);
	for (uint32_t i = 0; i < s->core.vm.nr_devices; i++)
		if (saver_can_precopy(&s->savers[i]))
			saver_begin(&s->savers[i], a->type);
	if (!nr)
		source_action_over(s, a->type);
}

static void begin_sync(struct gw_source *s, const struct action *a)
{
	begin_all(s, a->type, source_do_sync);
}

void source_start_round(struct gw_source *s, enum action_type action)
{
	struct round_result *before = &s->round_before;

	*before = (struct round_result){ 0 };
	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++) {
		before->pages += __atomic_load_n(&s->senders[i].data_pages, __ATOMIC_RELAXED);
		before->zero_pages += __atomic_load_n(&s->senders[i].zero_pages, __ATOMIC_RELAXED);
	}
	s->carried_bytes = __atomic_load_n(&s->sending.carried_bytes, __ATOMIC_RELAXED);
	s->carried_ns = __atomic_load_n(&s->sending.carried_ns, __ATOMIC_RELAXED);
	s->round_action = action;
	s->lanes_left = s->core.limits.nr_channels;
	if (s->channels_up)
		outbox_begin_round(&s->outbox);
}

void source_go_on(struct gw_source *s)
{
	bool draining = pending_has(s->engine.pending, ACTION_DRAIN) && s->core.parts[ACTION_DRAIN].stage > 0;

	s->channels_up = true;
	s->probed = false; /* what was sent to measure the wire with may have been lost with it */
	if (draining)
		s->core.parts[ACTION_DRAIN].stage = 1;
	if (draining || s->lanes_left)
		source_start_round(s, s->round_action);
	if (draining)
		source_end_if_drained(s);
}

/* With the vCPUs paused, their log is read once more first: what is found then goes out while the devices stop. */
static void begin_round(struct gw_source *s, const struct action *a)
{
	core_begin(&s->core, a->type, 1); /* all lanes together */
	if (!s->engine.paused) {
		source_start_round(s, a->type);
		return;
	}
	s->core.parts[a->type].outstanding++;
	s->syncing_paused = true;
	begin_vm(s, a->type, source_do_sync);
}

static void begin_pause(struct gw_source *s, const struct action *a)
{
	s->blackout.pause_ns = now_ns();
	s->vcpus_synced = false;
	begin_one(s, a->type, source_do_pause);
}

static void begin_devices(struct gw_source *s, const struct action *a)
{
	begin_all(s, a->type, NULL);
}

/*
 * The devices have stopped, so this sync is the last, and what it finds is the rest. Then: RAM, the VM's state, and
 * the devices' streams (which began when they stopped) to their ends; then END on every channel.
 */
static void begin_drain(struct gw_source *s, const struct action *a)
{
	if (s->blackout.synced_ns) {
		source_start_drain(s); /* again: the connection broke after PREPARE */
		return;
	}
	s->blackout.drain_ns = now_ns();
	begin_all(s, a->type, s->vcpus_synced ? NULL : source_do_sync);
}

static void begin_decide(struct gw_source *s, const struct action *a)
{
	begin_one(s, a->type, source_do_decide);
}

static void begin_release(struct gw_source *s, const struct action *a)
{
	begin_all(s, a->type, source_do_release);
}

static void finish(struct gw_source *s, const struct action *a)
{
	source_report(s, a);
	core_publish(&s->core, a->outcome);
}

void source_close_all(struct gw_source *s)
{
	pthread_mutex_lock(&s->closing_lock);
	__atomic_store_n(&s->closing, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&s->closing_changed);
	pthread_mutex_unlock(&s->closing_lock);
	rate_close(&s->rate);
	outbox_close(&s->outbox);
	channel_shutdown(&s->core.control.channel);
	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++)
		channel_shutdown(&s->senders[i].channel);
}

static void close_channels(struct gw_source *s, const struct action *a)
{
	(void)a;
	source_close_all(s);
}

static void send_message(struct gw_source *s, const struct action *a)
{
	struct message *message = calloc(1, sizeof(*message));
	struct event lost = { .type = EVENT_PEER_LOST };
	int ret = -ENOMEM;

	s->committed |= a->message == FRAME_COMMIT;
	if (message && source_compose(s, a, message))
		ret = control_send(&s->core.control, message, &lost.error);
	free(message);
	if (ret) {
		err_set(&lost.error, ret, "control channel", "cannot send %s", message_name(a->message));
		source_feed(s, &lost);
	}
}

void source_carry_out(struct gw_source *s, const struct action *a)
{
	static void (*const begins[NR_ACTION_TYPES])(struct gw_source *, const struct action *) = {
		[ACTION_SEND] = send_message,         [ACTION_FINISH] = finish,
		[ACTION_CLOSE] = close_channels,      [ACTION_CONNECT] = begin_connect,
		[ACTION_OPEN_DATA] = begin_open_data, [ACTION_TRACK_START] = begin_track_start,
		[ACTION_PRECOPY] = begin_precopy,     [ACTION_SYNC] = begin_sync,
		[ACTION_ROUND] = begin_round,         [ACTION_PAUSE] = begin_pause,
		[ACTION_QUIESCE] = begin_devices,     [ACTION_STOP] = begin_devices,
		[ACTION_DRAIN] = begin_drain,         [ACTION_DECIDE] = begin_decide,
		[ACTION_TAKE_BACK] = begin_devices,   [ACTION_RELEASE] = begin_release,
		[ACTION_UNPAUSE] = begin_devices,     [ACTION_THROTTLE] = begin_throttle,
		[ACTION_RECONNECT] = begin_reconnect, [ACTION_REJOIN] = begin_rejoin,
		[ACTION_CLAIM] = begin_claim,
	};

	if (begins[a->type])
		begins[a->type](s, a);
}
