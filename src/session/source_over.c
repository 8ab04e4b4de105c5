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

/* How much of the RAM that was gone through had to travel: zero pages are only marked. */
static uint64_t with_payload(const struct gw_source *s, uint64_t bytes)
{
	uint64_t data = 0, zero = 0;

	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++) {
		data += __atomic_load_n(&s->senders[i].data_pages, __ATOMIC_RELAXED);
		zero += __atomic_load_n(&s->senders[i].zero_pages, __ATOMIC_RELAXED);
	}
	return data + zero ? (uint64_t)((double)bytes * (double)data / (double)(data + zero)) : bytes;
}

static void look_ahead(struct gw_source *s, struct sync_result *r)
{
	for (uint32_t i = 0; i < s->core.vm.nr_devices; i++) {
		saver_look_ahead(&s->savers[i], &s->outlooks[i]);
		r->initial_pending += saver_initial_pending(&s->savers[i]);
		if (!__atomic_load_n(&s->savers[i].tracked, __ATOMIC_RELAXED))
			r->untracked_bytes = with_payload(s, s->core.ram.total_pages * GW_PAGE_BYTES);
	}
	r->nr_devices = s->core.vm.nr_devices;
	r->devices = s->outlooks;
}

static void sync_result(struct gw_source *s, struct sync_result *r)
{
	uint64_t now = now_ns(), interval = now - s->last_sync_ns;

	*r = (struct sync_result){
		.took_ns = now - s->core.parts[ACTION_SYNC].began_ns,
		.vcpu_ns = recent_ns(&s->vcpu_sync),
		.dirty_bytes = dirty_pages(&s->dirty) * GW_PAGE_BYTES,
		.bytes_per_s = s->measured_rate,
		.line_ns = rate_line_ns(&s->rate),
		.burst_ns = s->core.limits.bandwidth ? RATE_BURST_NS : 0,
		.round_trip_ns = s->round_trip_ns,
		.claim_ns = s->engine.config.arbiter ? s->announce_ns : 0,
		.pause_ns = s->pause_took_ns,
		.handoff_ns = 2 * recent_ns(&s->pickup), /* there and back */
	};
	if (s->engine.round && interval)
		r->dirty_bytes_per_s = (uint64_t)((double)r->dirty_bytes * NS_PER_S / (double)interval);
	s->last_sync_ns = now;
	look_ahead(s, r);
	__atomic_store_n(&s->dirty_rate, r->dirty_bytes_per_s, __ATOMIC_RELAXED);
}

static uint64_t carried_bytes(struct gw_source *s)
{
	return __atomic_load_n(&s->sending.carried_bytes, __ATOMIC_RELAXED) - s->carried_bytes;
}

/*
 * The rate of the wire is that at which something was carried over it: neither the search for zero pages nor the wait
 * for the next round is in it. Little that is carried says nothing, as it ends in the sockets' buffers.
 */
static void measure_rate(struct gw_source *s)
{
	uint64_t ns = __atomic_load_n(&s->sending.carried_ns, __ATOMIC_RELAXED) - s->carried_ns;
	uint64_t bytes = carried_bytes(s), rate;

	if (!ns || bytes < RATE_SAMPLE_BYTES)
		return;
	rate = (uint64_t)((double)bytes * s->core.limits.nr_channels * NS_PER_S / (double)ns);
	if (s->core.limits.bandwidth)
		rate = min_u64(rate, s->core.limits.bandwidth);
	s->measured_rate = max_u64(rate, 1);
}

/*
 * A guest whose RAM is all zeroes has little to measure the wire with, and its devices may have much that cannot be
 * read before they stop: what the first round lacks for a measurement is sent as FILLER.
 */
static bool probes(struct gw_source *s)
{
	struct parts *parts = &s->core.parts[ACTION_ROUND];
	uint64_t carried = carried_bytes(s);

	if (s->probed || s->engine.paused || parts->error.code || !s->channels_up)
		return false;
	s->probed = true;
	if (s->measured_rate || carried >= RATE_SAMPLE_BYTES)
		return false;
	__atomic_store_n(&s->sending.filler_bytes, RATE_SAMPLE_BYTES - carried, __ATOMIC_RELAXED);
	parts->outstanding = 1;
	s->lanes_left = s->core.limits.nr_channels;
	outbox_begin_round(&s->outbox);
	return true;
}

static void round_result(struct gw_source *s, struct round_result *r)
{
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
	measure_rate(s);
}

/* The VM's state goes once over each connection, as long as it is needed. True: it has gone over this one. */
static bool vm_state_is_sent(struct gw_source *s)
{
	struct parts *parts = &s->core.parts[ACTION_DRAIN];

	if (__atomic_load_n(&s->vm_sent_link, __ATOMIC_ACQUIRE) == s->core.link)
		return true;
	if (!parts->outstanding && s->vm_tried_link != s->core.link) {
		parts->outstanding = 1;
		s->vm_tried_link = s->core.link;
		core_begin_vm(&s->core, ACTION_DRAIN, source_do_save_vm, s);
	}
	return false;
}

/* Everything but END has been sent, or lies in the outbox: the VM's state, the last RAM, each device's last buffer. */
void source_end_if_drained(struct gw_source *s)
{
	struct parts *parts = &s->core.parts[ACTION_DRAIN];
	bool drained = true;

	for (uint32_t i = 0; i < s->core.vm.nr_devices; i++)
		drained &= saver_is_drained(&s->savers[i]);
	if (parts->stage != 1 || parts->error.code || !s->channels_up)
		return;
	if (!vm_state_is_sent(s) || s->lanes_left || !drained)
		return;
	parts->stage = 2;
	s->nr_ended = 0;
	outbox_end(&s->outbox);
}

void source_start_drain(struct gw_source *s)
{
	core_begin(&s->core, ACTION_DRAIN, 0);
	s->core.parts[ACTION_DRAIN].stage = 1;
	source_start_round(s, ACTION_DRAIN);
	source_end_if_drained(s);
}

static void drain_synced(struct gw_source *s)
{
	s->blackout.synced_ns = now_ns();
	__atomic_store_n(&s->sending.still, 1, __ATOMIC_RELEASE);
	source_start_drain(s);
}

void source_lane_over(struct gw_source *s)
{
	struct note part = { .action = s->round_action };

	if (!s->lanes_left || --s->lanes_left)
		return;
	if (s->round_action == ACTION_DRAIN)
		source_end_if_drained(s);
	else if (core_part_done(&s->core, &part))
		source_action_over(s, s->round_action);
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

/* CONNECT: the VM has said what its guest needs, unless the migration has ended over that. */
static bool next_connect_stage(struct gw_source *s)
{
	struct parts *parts = &s->core.parts[ACTION_CONNECT];

	if (parts->stage++ || parts->error.code || __atomic_load_n(&s->closing, __ATOMIC_RELAXED))
		return false;
	s->engine.config.has_needs = s->nr_needs > 0;
	parts->outstanding = 1;
	core_begin_link(&s->core, ACTION_CONNECT, source_do_connect, s);
	return true;
}

/* RECONNECT: the old connection is gone, and every note of it read; now a new one. */
static bool next_reconnect_stage(struct gw_source *s)
{
	struct parts *parts = &s->core.parts[ACTION_RECONNECT];

	if (parts->stage++)
		return false;
	parts->outstanding = 1;
	core_begin_link(&s->core, ACTION_RECONNECT, source_do_reconnect, s);
	return true;
}

/* UNPAUSE: after the devices, the vCPUs. */
static bool next_unpause_stage(struct gw_source *s)
{
	struct parts *parts = &s->core.parts[ACTION_UNPAUSE];

	if (parts->stage++ || parts->error.code)
		return false;
	parts->outstanding = 1;
	core_begin_vm(&s->core, ACTION_UNPAUSE, source_do_unpause, s);
	return true;
}

static bool next_drain_stage(struct gw_source *s)
{
	struct parts *parts = &s->core.parts[ACTION_DRAIN];

	if (parts->error.code)
		return false;
	if (parts->stage == 0)
		drain_synced(s);
	else
		source_end_if_drained(s);
	return true;
}

/* All parts of an action are over. True: the action goes on with its next stage. */
static bool goes_on(struct gw_source *s, enum action_type action)
{
	switch (action) {
	case ACTION_TAKE_BACK:
		while (next_take_back_stage(s))
			if (s->core.parts[action].outstanding)
				return true;
		return false;
	case ACTION_CONNECT:
		return next_connect_stage(s);
	case ACTION_RECONNECT:
		return next_reconnect_stage(s);
	case ACTION_UNPAUSE:
		return next_unpause_stage(s);
	case ACTION_DRAIN:
		return next_drain_stage(s);
	case ACTION_ROUND:
		return probes(s);
	default:
		return false;
	}
}

static uint32_t initial_pending(struct gw_source *s)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < s->core.vm.nr_devices; i++)
		nr += saver_initial_pending(&s->savers[i]);
	return nr;
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
	if (event.type == EVENT_DONE && action == ACTION_QUIESCE)
		event.nr_rearmed = initial_pending(s);
	/* Its control channel may break before the engine hears that there is one, and would be waited for in vain. */
	if (event.type == EVENT_DONE && action == ACTION_RECONNECT && s->lost_link == s->core.link) {
		event.type = EVENT_FAILED;
		err_set(&event.error, -EPIPE, "control channel", "the peer closed the connection at once");
	}
	if (event.type == EVENT_DONE && action == ACTION_REJOIN)
		source_go_on(s);
	if (event.type == EVENT_DONE && action == ACTION_UNPAUSE)
		s->blackout = (struct blackout){ .vain_ns = now_ns() - s->blackout.pause_ns + s->blackout.vain_ns };
	if (action == ACTION_PAUSE) {
		s->blackout.paused_ns = now_ns();
		s->pause_took_ns = s->blackout.paused_ns - s->blackout.pause_ns;
	}
	if (action == ACTION_STOP)
		s->blackout.stopped_ns = now_ns();
	source_feed(s, &event);
}

void source_part_done(struct gw_source *s, const struct note *note)
{
	/* The sync before a round with the vCPUs paused: begun first, so it is the first part to be over. */
	if (note->action == ACTION_ROUND && s->syncing_paused) {
		s->syncing_paused = false;
		s->vcpus_synced = true;
		if (note->error.code)
			s->core.parts[ACTION_ROUND].outstanding = 1; /* the lanes were not begun */
		else
			source_start_round(s, ACTION_ROUND);
	}
	if (core_part_done(&s->core, note))
		source_action_over(s, note->action);
}
