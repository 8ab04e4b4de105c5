/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ends of the source's actions: parts counted, the next stage of an action with barriers begun, results handed to
 * the engine.
 */
#include "session/source.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>

#define RATE_SAMPLE_BYTES (8 * MIB) /* a round that moved less says little about the wire */

static uint64_t now_ns(void)
{
	return clock_now_ns(&clock_monotonic);
}

static void sync_result(struct gw_source *s, struct sync_result *r)
{
	uint64_t now = now_ns(), interval = now - s->last_sync_ns;

	*r = (struct sync_result){
		.took_ns = now - s->core.parts[ACTION_SYNC].began_ns,
		.dirty_bytes = dirty_pages(&s->dirty) * GW_PAGE_BYTES,
		.bytes_per_s = s->measured_rate,
	};
	if (s->engine.round && interval)
		r->dirty_bytes_per_s = (uint64_t)((double)r->dirty_bytes * NS_PER_S / (double)interval);
	s->last_sync_ns = now;
	for (uint32_t i = 0; i < s->core.vm.nr_devices; i++)
		saver_add_to_sync(&s->savers[i], r);
	__atomic_store_n(&s->dirty_rate, r->dirty_bytes_per_s, __ATOMIC_RELAXED);
}

static void round_result(struct gw_source *s, struct round_result *r)
{
	uint64_t moved = meter_total(&s->core.meter) - s->round_began_bytes;

	*r = (struct round_result){ .took_ns = now_ns() - s->core.parts[ACTION_ROUND].began_ns };
	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++) {
		r->pages += __atomic_load_n(&s->senders[i].data_pages, __ATOMIC_RELAXED);
		r->zero_pages += __atomic_load_n(&s->senders[i].zero_pages, __ATOMIC_RELAXED);
	}
	r->pages -= s->round_before.pages;
	r->zero_pages -= s->round_before.zero_pages;
	r->bytes = r->pages * GW_PAGE_BYTES;
	s->rounds_ns += r->took_ns;
	s->rounds_pages += r->pages + r->zero_pages;
	if (r->took_ns && (moved >= RATE_SAMPLE_BYTES || !s->measured_rate))
		s->measured_rate = (uint64_t)((double)moved * NS_PER_S / (double)r->took_ns);
}

/* Everything but END has been sent: the VM's state, the last RAM, and each device's last buffer is queued. */
void source_end_if_drained(struct gw_source *s)
{
	struct parts *parts = &s->core.parts[ACTION_DRAIN];

	if (parts->stage != 1 || parts->outstanding || parts->error.code || s->nr_saved < s->core.vm.nr_devices)
		return;
	parts->stage = 2;
	outbox_end(&s->outbox);
}

static void drain_synced(struct gw_source *s)
{
	s->blackout.synced_ns = now_ns();
	core_begin(&s->core, ACTION_DRAIN, s->core.limits.nr_channels + 1);
	s->core.parts[ACTION_DRAIN].stage = 1;
	__atomic_store_n(&s->sending.still, 1, __ATOMIC_RELEASE);
	source_start_round(s, ACTION_DRAIN);
	core_begin_vm(&s->core, ACTION_DRAIN, source_do_save_vm, s);
}

/* TAKE_BACK has barriers of its own: P2P states first, then RUNNING, then the vCPUs. */
static bool next_take_back_stage(struct gw_source *s)
{
	struct parts *parts = &s->core.parts[ACTION_TAKE_BACK];

	switch (parts->stage++) {
	case 0:
		parts->outstanding = s->core.vm.nr_devices;
		for (uint32_t i = 0; i < s->core.vm.nr_devices; i++)
			saver_begin_running(&s->savers[i]);
		return true;
	case 1:
		parts->outstanding = 1;
		core_begin_vm(&s->core, ACTION_TAKE_BACK, source_do_take_back, s);
		return true;
	default:
		return false;
	}
}

/* All parts of an action are over. True: the action goes on with its next stage. */
static bool goes_on(struct gw_source *s, enum action_type action)
{
	struct parts *parts = &s->core.parts[action];

	if (action == ACTION_TAKE_BACK) {
		while (next_take_back_stage(s))
			if (parts->outstanding)
				return true;
		return false;
	}
	if (action != ACTION_DRAIN || parts->error.code)
		return false;
	if (parts->stage == 0)
		drain_synced(s);
	else
		source_end_if_drained(s);
	return true;
}

void source_action_over(struct gw_source *s, enum action_type action)
{
	struct event event;

	if (goes_on(s, action))
		return;
	event = core_finished(&s->core, action);
	if (event.type == EVENT_DONE && action == ACTION_SYNC)
		sync_result(s, &event.sync);
	if (event.type == EVENT_DONE && action == ACTION_ROUND)
		round_result(s, &event.round);
	if (action == ACTION_PAUSE)
		s->blackout.paused_ns = now_ns();
	if (action == ACTION_STOP)
		s->blackout.stopped_ns = now_ns();
	source_feed(s, &event);
}

void source_part_done(struct gw_source *s, const struct note *note)
{
	/* The sync before a round with the vCPUs paused: begun first, so it is the first part to be over. */
	if (note->action == ACTION_ROUND && s->engine.paused && !s->vcpus_synced) {
		s->vcpus_synced = true;
		if (note->error.code)
			s->core.parts[ACTION_ROUND].outstanding = 1; /* the lanes were not begun */
		else
			source_start_round(s, ACTION_ROUND);
	}
	if (core_part_done(&s->core, note))
		source_action_over(s, note->action);
}
