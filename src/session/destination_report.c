/* SPDX-License-Identifier: BSD-3-Clause */
/* What a destination tells: the messages with its results, progress, and its report. */
#include "session/destination.h"

#include "base/export.h"
#include "session/outlook.h"

#include <stdio.h>
#include <string.h>

static void compose_welcome(struct gw_destination *d, const struct action *a, struct message *m)
{
	(void)a;
	m->welcome.version = WIRE_VERSION_MAX;
	m->welcome.features = d->hello.features & HELLO_FEATURES;
	if (!d->core.limits.arbiter)
		m->welcome.features &= ~HELLO_ARBITER;
}

static void compose_accept(struct gw_destination *d, const struct action *a, struct message *m)
{
	(void)a;
	m->accept.nr_devices = d->nr_loaders;
	for (uint32_t i = 0; i < d->nr_loaders; i++)
		m->accept.window_bytes[i] = d->loaders[i].window_bytes;
}

static void compose_refuse(struct gw_destination *d, const struct action *a, struct message *m)
{
	(void)a;
	m->refuse = d->reasons;
	if (!m->refuse.nr) /* of a source that comes back, not of its manifest */
		reasons_add(&m->refuse, REASON_OTHER, "destination", "the arbiter says who has the guest");
}

static void compose_loadable(struct gw_destination *d, const struct action *a, struct message *m)
{
	(void)a;
	m->loadable.nr_devices = d->nr_loaders;
	for (uint32_t i = 0; i < d->nr_loaders; i++)
		m->loadable.arc_ns[i] = min_u64(typical_arc_ns(&d->loaders[i].arcs), LIMIT_DURATION_NS);
}

static void compose_ready(struct gw_destination *d, const struct action *a, struct message *m)
{
	uint64_t last = __atomic_load_n(&d->receiving.last_data_ns, __ATOMIC_RELAXED);

	(void)a;
	m->ready.vm_state_digest = d->vm_state_digest;
	m->ready.last_byte_to_ready_ns = last ? clock_now_ns(&clock_monotonic) - last : 0;
}

static void compose_failed(struct gw_destination *d, const struct action *a, struct message *m)
{
	(void)d;
	m->failed.code = a->error.code;
	snprintf(m->failed.where, sizeof(m->failed.where), "%s", a->error.where);
	snprintf(m->failed.what, sizeof(m->failed.what), "%s", a->error.what);
}

static void compose_running(struct gw_destination *d, const struct action *a, struct message *m)
{
	(void)a;
	m->running.commit_to_running_ns = d->running_ns - d->commit_ns;
}

static void compose_summary(struct gw_destination *d, const struct action *a, struct message *m)
{
	(void)a;
	m->summary.peak_rss_bytes = core_peak_rss_bytes();
	m->summary.ram_digest = d->digesting ? page_digest_total(&d->digest) : 0;
	m->summary.nr_devices = d->nr_loaders;
	for (uint32_t i = 0; i < d->nr_loaders; i++)
		loader_result(&d->loaders[i], &m->summary.devices[i]);
}

/* What is here; how far it has come is the engine's to know. */
static void compose_resumed(struct gw_destination *d, const struct action *a, struct message *m)
{
	(void)a;
	for (uint32_t i = 0; i < d->nr_loaders; i++)
		loader_update(&d->loaders[i], &d->resumed.devices[i]);
	m->resumed = d->resumed;
	m->resumed.phase = destination_resumed_phase(&d->engine);
}

static void compose_nothing(struct gw_destination *d, const struct action *a, struct message *m)
{
	(void)d;
	(void)a;
	(void)m;
}

bool destination_compose(struct gw_destination *d, const struct action *a, struct message *m)
{
	static void (*const composers[FRAME_RAM])(struct gw_destination *, const struct action *, struct message *) = {
		[FRAME_WELCOME] = compose_welcome,   [FRAME_ACCEPT] = compose_accept,   [FRAME_REFUSE] = compose_refuse,
		[FRAME_LOADABLE] = compose_loadable, [FRAME_READY] = compose_ready,     [FRAME_FAILED] = compose_failed,
		[FRAME_RUNNING] = compose_running,   [FRAME_SUMMARY] = compose_summary, [FRAME_PING] = compose_nothing,
		[FRAME_RESUMED] = compose_resumed,
	};

	if (a->message >= FRAME_RAM || !composers[a->message])
		return false;
	m->type = a->message;
	composers[a->message](d, a, m);
	return true;
}

static void report_device(const struct gw_destination *d, uint32_t i, struct gw_device_report *r)
{
	const struct loader *loader = &d->loaders[i];
	struct device_loaded result;

	loader_result(loader, &result);
	snprintf(r->id, sizeof(r->id), "%s", gw_device_id(loader->dev));
	snprintf(r->backend, sizeof(r->backend), "%s", device_info(loader->dev)->backend);
	r->load_ns = result.load_ns;
	r->nr_destination_arcs = result.nr_arcs;
	memcpy(r->destination_arcs, result.arcs, sizeof(r->destination_arcs));
}

void destination_report(struct gw_destination *d, const struct action *finish)
{
	struct gw_report *r = &d->core.report;

	*r = (struct gw_report){
		.size = sizeof(*r),
		.outcome = finish->outcome,
		.error = finish->error,
		.nr_devices = d->nr_loaders,
		.total_ns = clock_now_ns(&clock_monotonic) - d->core.start_ns,
		.vm_state_bytes = d->nr_vm_state,
		.peak_rss_destination_bytes = core_peak_rss_bytes(),
	};
	r->handover = (struct gw_handover){
		.arbiter = d->engine.config.arbiter,
		.committed = d->commit_ns > 0,
	};
	if (d->core.claim)
		r->handover.claimed_by = d->core.claim == CLAIM_MINE ? GW_SIDE_DESTINATION : GW_SIDE_SOURCE;
	r->ram.total_bytes = d->core.ram.total_pages * GW_PAGE_BYTES;
	r->ram.sent_pages = __atomic_load_n(&d->counts.data_pages, __ATOMIC_RELAXED);
	r->ram.zero_pages = __atomic_load_n(&d->counts.zero_pages, __ATOMIC_RELAXED);
	r->ram.sent_bytes = r->ram.sent_pages * GW_PAGE_BYTES;
	for (uint32_t i = 0; i < r->nr_devices; i++)
		report_device(d, i, &r->devices[i]);
}

GW_EXPORT void gw_destination_progress(struct gw_destination *d, struct gw_progress *p)
{
	uint64_t now = clock_now_ns(&clock_monotonic);

	*p = (struct gw_progress){
		.size = sizeof(*p),
		.elapsed_ns = d->core.started ? now - d->core.start_ns : 0,
		.ram_total_bytes = d->core.ram.total_pages * GW_PAGE_BYTES,
		.bytes_per_s = meter_rate(&d->core.meter, now),
		.outcome = core_outcome(&d->core),
	};
	snprintf(p->phase, sizeof(p->phase), "%s",
		 destination_phase_name(__atomic_load_n(&d->phase, __ATOMIC_RELAXED)));
	p->ram_sent_bytes = __atomic_load_n(&d->counts.data_pages, __ATOMIC_RELAXED) * GW_PAGE_BYTES;
	p->nr_devices = d->core.vm.nr_devices;
	for (uint32_t i = 0; i < p->nr_devices; i++) {
		struct gw_device_progress *dp = &p->devices[i];

		snprintf(dp->id, sizeof(dp->id), "%s", gw_device_id(d->core.devices[i]));
		dp->state = device_state(d->core.devices[i]);
		dp->bytes = __atomic_load_n(&d->loaded_bytes[i], __ATOMIC_RELAXED);
	}
}
