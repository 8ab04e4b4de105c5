/* SPDX-License-Identifier: BSD-3-Clause */
/* What a source tells: progress while it goes on, the report at its end, and the messages that carry totals. */
#include "session/source.h"

#include "base/export.h"

#include <stdio.h>
#include <string.h>

static void compose_manifest(struct gw_source *s, struct message *m)
{
	m->manifest = s->core.manifest;
	s->asked_ns = clock_now_ns(&clock_monotonic);
}

static void compose_needs(struct gw_source *s, struct message *m)
{
	m->needs = (struct message_needs){ .bytes = s->needs, .nr_bytes = (uint32_t)s->nr_needs };
}

static void compose_prepare(struct gw_source *s, struct message *m)
{
	struct message_prepare *p = &s->prepare;

	*p = (struct message_prepare){
		.vm_state_bytes = s->nr_vm_state,
		.vm_state_digest = s->vm_state_digest,
		.nr_devices = s->core.vm.nr_devices,
	};
	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++) {
		p->ram_frames += s->senders[i].flight.nr_sent;
		p->ram_pages += s->senders[i].pages;
	}
	for (uint32_t i = 0; i < p->nr_devices; i++)
		p->devices[i] = saver_total(&s->savers[i]);
	m->prepare = *p;
}

static void compose_hello(struct gw_source *s, struct message *m)
{
	s->asked_ns = clock_now_ns(&clock_monotonic);
	s->hello.epoch = s->engine.link == LINK_UP ? 0 : s->hello.epoch + 1;
	m->hello = s->hello;
	m->hello.role = s->hello.epoch ? ROLE_RESUME : ROLE_CONTROL;
}

static void compose_nothing(struct gw_source *s, struct message *m)
{
	(void)s;
	(void)m;
}

bool source_compose(struct gw_source *s, const struct action *action, struct message *m)
{
	static void (*const composers[FRAME_RAM])(struct gw_source *, struct message *) = {
		[FRAME_HELLO] = compose_hello,     [FRAME_MANIFEST] = compose_manifest,
		[FRAME_PREPARE] = compose_prepare, [FRAME_COMMIT] = compose_nothing,
		[FRAME_CANCEL] = compose_nothing,  [FRAME_PING] = compose_nothing,
		[FRAME_NEEDS] = compose_needs,
	};

	if (action->message >= FRAME_RAM || !composers[action->message])
		return false;
	m->type = action->message;
	composers[action->message](s, m);
	return true;
}

static uint64_t between(uint64_t from, uint64_t to)
{
	return from && to > from ? to - from : 0;
}

/*
 * All on this side's clock, so that the parts add up: what the destination timed for itself (loading after the last
 * byte, starting after COMMIT) is taken out of the waits it lies in, never more than the wait.
 */
static void report_downtime(struct gw_report *r, const struct blackout *b, const struct message_ready *ready,
			    const struct message_running *running)
{
	/* RAM that was still going out when the devices had stopped: transfer, like what follows the last sync */
	uint64_t until_ready = between(b->stopped_ns, b->drain_ns) + between(b->synced_ns, b->ready_ns);
	uint64_t until_running = between(b->ready_ns, b->running_ns);
	struct gw_downtime *d = &r->downtime;

	d->total_ns = between(b->pause_ns, b->running_ns);
	d->pause_ns = between(b->pause_ns, b->paused_ns);
	d->quiesce_ns = between(b->paused_ns, b->stopped_ns);
	d->sync_ns = between(b->drain_ns, b->synced_ns);
	d->load_ns = min_u64(ready->last_byte_to_ready_ns, between(b->synced_ns, b->ready_ns));
	d->transfer_ns = until_ready - d->load_ns;
	d->resume_ns = min_u64(running->commit_to_running_ns, until_running);
	d->commit_ns = until_running - d->resume_ns;
}

static void report_ram(struct gw_source *s, struct gw_ram_report *ram)
{
	ram->total_bytes = s->core.ram.total_pages * GW_PAGE_BYTES;
	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++) {
		ram->sent_pages += __atomic_load_n(&s->senders[i].data_pages, __ATOMIC_RELAXED);
		ram->zero_pages += __atomic_load_n(&s->senders[i].zero_pages, __ATOMIC_RELAXED);
	}
	ram->sent_bytes = ram->sent_pages * GW_PAGE_BYTES;
	ram->rounds = s->engine.round;
	if (s->rounds_ns)
		ram->bytes_per_s =
			(uint64_t)((double)s->rounds_pages * GW_PAGE_BYTES * NS_PER_S / (double)s->rounds_ns);
}

static bool same_total(const struct device_total *a, const struct device_total *b)
{
	return a->bytes == b->bytes && a->buffers == b->buffers && a->digest == b->digest;
}

static void report_device(struct gw_source *s, uint32_t i, struct gw_device_report *d)
{
	const struct saver *saver = &s->savers[i];
	const struct gw_device_info *info = &s->core.manifest.devices[i].info;

	snprintf(d->id, sizeof(d->id), "%s", gw_device_id(saver->dev));
	memcpy(d->backend, info->backend, sizeof(d->backend));
	d->precopy_bytes = saver->precopy_bytes;
	d->stop_copy_bytes = saver->stop_copy_bytes;
	d->dirty_source = saver->tracked ? info->dirty_source : GW_DIRTY_NONE;
	d->nr_rearmed = (uint32_t)saver->nr_rearmed;
	d->nr_source_arcs = saver->arcs.nr;
	memcpy(d->source_arcs, saver->arcs.arcs, sizeof(d->source_arcs));
	if (!s->summary || i >= s->summary->nr_devices)
		return;
	d->load_ns = s->summary->devices[i].load_ns;
	d->nr_destination_arcs = s->summary->devices[i].nr_arcs;
	memcpy(d->destination_arcs, s->summary->devices[i].arcs, sizeof(d->destination_arcs));
	d->verified = same_total(&s->summary->devices[i].total, &s->prepare.devices[i]);
}

/* Compared between the sides, and equal: all RAM, the VM's own state, every device's state. */
static uint32_t verified(const struct gw_source *s, const struct gw_report *r)
{
	if (!(s->hello.features & HELLO_VERIFY) || !s->summary || r->outcome != GW_COMPLETED)
		return 0;
	for (uint32_t i = 0; i < r->nr_devices; i++)
		if (!r->devices[i].verified)
			return 0;
	return s->summary->ram_digest && s->summary->ram_digest == s->ram_digest &&
	       s->ready.vm_state_digest == s->vm_state_digest;
}

static void report_handover(const struct gw_source *s, enum gw_outcome outcome, struct gw_handover *h)
{
	*h = (struct gw_handover){
		.arbiter = s->engine.config.arbiter,
		.committed = s->committed,
		.nr_reconnects = s->engine.nr_reconnects,
		.nr_taken_back = s->engine.nr_taken_back,
		.throttle_percent = s->engine.throttle_percent,
		.allowed_no_p2p = s->core.limits.flags & GW_ALLOW_NO_P2P && manifest_lacks_p2p(&s->core.manifest),
		.dry_run = s->core.limits.flags & (GW_DRY_RUN | GW_REHEARSE),
	};
	if (s->core.claim && h->arbiter)
		h->claimed_by = s->core.claim == CLAIM_MINE ? GW_SIDE_SOURCE : GW_SIDE_DESTINATION;
	else if (h->arbiter && outcome == GW_COMPLETED)
		h->claimed_by = GW_SIDE_DESTINATION; /* it runs, so it has claimed */
}

void source_report(struct gw_source *s, const struct action *finish)
{
	uint64_t now = clock_now_ns(&clock_monotonic);
	struct gw_report *r = &s->core.report;

	*r = (struct gw_report){
		.size = sizeof(*r),
		.outcome = finish->outcome,
		.error = finish->error,
		.rollback_failed = s->engine.cannot_go_on,
		.nr_devices = s->core.vm.nr_devices,
		.total_ns = now - s->core.start_ns,
		.downtime_limit_ns = s->core.limits.downtime_ns,
		.predicted = s->engine.estimate.parts,
		.vm_state_bytes = s->nr_vm_state,
		.peak_rss_source_bytes = core_peak_rss_bytes(),
		.peak_rss_destination_bytes = s->summary ? s->summary->peak_rss_bytes : 0,
	};
	report_ram(s, &r->ram);
	for (uint32_t i = 0; i < r->nr_devices; i++)
		report_device(s, i, &r->devices[i]);
	r->blackout_ns = s->blackout.vain_ns;
	if (finish->outcome == GW_COMPLETED)
		report_downtime(r, &s->blackout, &s->ready, &s->running);
	else
		r->blackout_ns += between(s->blackout.pause_ns, s->blackout.resumed_ns ? s->blackout.resumed_ns : now);
	report_handover(s, finish->outcome, &r->handover);
	core_report_blockers(&s->core, r);
	r->verified = verified(s, r);
}

static void progress_device(struct gw_source *s, uint32_t i, struct gw_device_progress *d)
{
	const struct saver *saver = &s->savers[i];

	snprintf(d->id, sizeof(d->id), "%s", s->core.manifest.devices[i].id);
	d->state = __atomic_load_n(&saver->state, __ATOMIC_RELAXED);
	d->sizes_known = __atomic_load_n(&saver->sizes_known, __ATOMIC_RELAXED);
	d->remaining_bytes = __atomic_load_n(&saver->remaining_bytes, __ATOMIC_RELAXED);
	d->bytes = __atomic_load_n(&saver->precopy_bytes, __ATOMIC_RELAXED) +
		   __atomic_load_n(&saver->stop_copy_bytes, __ATOMIC_RELAXED);
}

GW_EXPORT void gw_source_progress(struct gw_source *s, struct gw_progress *p)
{
	uint64_t now = clock_now_ns(&clock_monotonic);

	*p = (struct gw_progress){
		.size = sizeof(*p),
		.elapsed_ns = s->core.started ? now - s->core.start_ns : 0,
		.ram_total_bytes = s->core.ram.total_pages * GW_PAGE_BYTES,
		.ram_remaining_bytes = dirty_pages(&s->dirty) * GW_PAGE_BYTES,
		.bytes_per_s = meter_rate(&s->core.meter, now),
		.dirty_bytes_per_s = __atomic_load_n(&s->dirty_rate, __ATOMIC_RELAXED),
		.round = __atomic_load_n(&s->round, __ATOMIC_RELAXED),
		.downtime_limit_ns = s->core.limits.downtime_ns,
		.throttle_percent = __atomic_load_n(&s->throttle_percent, __ATOMIC_RELAXED),
		.nr_reconnects = __atomic_load_n(&s->nr_reconnects, __ATOMIC_RELAXED),
		.nr_devices = s->core.vm.nr_devices,
		.outcome = core_outcome(&s->core),
	};
	pthread_mutex_lock(&s->core.lock);
	p->predicted = s->predicted;
	pthread_mutex_unlock(&s->core.lock);
	snprintf(p->phase, sizeof(p->phase), "%s",
		 __atomic_load_n(&s->link_is_up, __ATOMIC_RELAXED)
			 ? source_phase_name(__atomic_load_n(&s->phase, __ATOMIC_RELAXED))
			 : "reconnecting");
	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++)
		p->ram_sent_bytes += __atomic_load_n(&s->senders[i].data_pages, __ATOMIC_RELAXED) * GW_PAGE_BYTES;
	for (uint32_t i = 0; i < p->nr_devices; i++)
		progress_device(s, i, &p->devices[i]);
}
