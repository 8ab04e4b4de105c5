/* SPDX-License-Identifier: BSD-3-Clause */
/* The public calls of a source: arguments checked, things made, the thread started, all of it undone. */
#include "session/source.h"

#include "base/bitmap.h"
#include "base/err.h"
#include "base/export.h"
#include "base/thread.h"
#include "session/needs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

GW_EXPORT int gw_source_new(struct gw_source **source, const struct gw_vm *vm, const struct gw_limits *limits,
			    struct gw_error *e)
{
	struct gw_source *s;
	uint64_t largest = 0;
	int ret;

	*source = NULL;
	if (!vm || !vm->ops)
		return err_set(e, -EINVAL, "VM", "there is no VM, or it has no callbacks");
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, -ENOMEM, "session", "no memory");
	pthread_mutex_init(&s->closing_lock, NULL);
	thread_cond_init(&s->closing_changed);
	ret = core_init(&s->core, vm, limits, e);
	rate_init(&s->rate, s->core.limits.bandwidth);
	if (ret)
		goto failed;
	for (uint32_t i = 0; i < s->core.ram.nr_blocks; i++)
		largest = max_u64(largest, ram_block_pages(&s->core.ram, i));
	s->bitmap = bitmap_new(largest);
	if (!s->bitmap || dirty_init(&s->dirty, &s->core.ram)) {
		ret = err_set(e, -ENOMEM, "session", "no memory for the dirty bitmaps");
		goto failed;
	}
	*source = s;
	return 0;
failed:
	gw_source_free(s);
	return ret;
}

void source_add_blockers(struct gw_source *s, const struct reasons *reasons)
{
	for (uint32_t i = 0; i < reasons->nr; i++)
		core_add_blocker(&s->core, &reasons->list[i]);
}

/*
 * What speaks against migrating this VM at all. It does not keep the source from asking the destination: a user wants
 * to know all of it at once.
 */
static int find_blockers(struct gw_source *s, struct gw_error *e)
{
	struct reasons *reasons = calloc(1, sizeof(*reasons));

	if (!reasons)
		return err_set(e, -ENOMEM, "session", "no memory");
	manifest_check_source(&s->core.manifest, s->core.limits.flags, reasons);
	source_add_blockers(s, reasons);
	core_reasons_error(reasons, &s->engine.error);
	s->engine.config.blocked = reasons->nr > 0;
	free(reasons);
	return 0;
}

static uint32_t features_of(const struct gw_limits *limits, bool blocked)
{
	uint32_t features = 0;

	if (limits->flags & GW_VERIFY)
		features |= HELLO_VERIFY;
	if (limits->arbiter)
		features |= HELLO_ARBITER;
	if (blocked || limits->flags & GW_DRY_RUN)
		return features | HELLO_DRY_RUN;
	return limits->flags & GW_REHEARSE ? features | HELLO_REHEARSAL : features;
}

static enum dry_run dry_run_of(const struct gw_limits *limits)
{
	if (limits->flags & GW_DRY_RUN)
		return DRY_RUN_MANIFEST;
	return limits->flags & GW_REHEARSE ? DRY_RUN_REHEARSAL : DRY_RUN_NO;
}

static void init_engine(struct gw_source *s)
{
	const struct gw_limits *limits = &s->core.limits;
	struct source_config config = {
		.downtime_limit_ns = limits->downtime_ns,
		.stall_ns = limits->stall_ns,
		.reconnect_ns = limits->flags & GW_NO_RECONNECT ? 0 : limits->reconnect_ns,
		.precopy_limit_ns = limits->precopy_ns,
		.max_rounds = limits->max_rounds,
		.no_converge = (enum no_converge)limits->no_converge,
		.dry_run = dry_run_of(limits),
		.arbiter = limits->arbiter,
		.can_throttle = vm_has_op(&s->core.vm, throttle),
	};

	source_engine_init(&s->engine, &config);
}

static int prepare(struct gw_source *s, struct gw_error *e)
{
	int ret;

	init_engine(s);
	s->round_trip_ns = UINT64_MAX;
	ret = find_blockers(s, e);
	if (ret)
		return ret;
	s->hello = (struct message_hello){
		.version_min = WIRE_VERSION_MIN,
		.version_max = WIRE_VERSION_MAX,
		.features = features_of(&s->core.limits, s->engine.config.blocked),
		.nr_channels = s->core.limits.nr_channels,
		.reconnect_ms = (uint32_t)(s->engine.config.reconnect_ns / NS_PER_MS),
	};
	if (getrandom(s->hello.migration_id, sizeof(s->hello.migration_id), 0) != sizeof(s->hello.migration_id))
		return err_set(e, -EIO, "session", "no random numbers for the migration's id");
	outbox_init(&s->outbox, s->core.limits.nr_channels);
	s->sending = (struct sending){
		.ram = &s->core.ram,
		.dirty = &s->dirty,
		.outbox = &s->outbox,
		.mailbox = &s->core.mailbox,
		.rate = &s->rate,
		.meter = &s->core.meter,
	};
	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++)
		sender_init(&s->senders[i], &s->sending, i);
	for (uint32_t i = 0; !ret && i < s->core.vm.nr_devices; i++)
		ret = saver_init(&s->savers[i], s->core.devices[i], i, &s->core.ram, &s->dirty, &s->outbox,
				 &s->core.mailbox, e);
	return ret;
}

GW_EXPORT int gw_source_start(struct gw_source *s, const char *uri, struct gw_error *e)
{
	int ret;

	if (s->outbox.nr_lanes)
		return err_set(e, -EBUSY, "session", "this source has been started before; make a new one");
	ret = address_parse(&s->address, uri, e);
	if (!ret)
		ret = prepare(s, e);
	return ret ? ret : core_start(&s->core, "gw-source", source_run, s, e);
}

GW_EXPORT int gw_source_cancel(struct gw_source *s)
{
	return core_cancel(&s->core, NULL);
}

GW_EXPORT int gw_source_fail(struct gw_source *s, const struct gw_error *why)
{
	struct gw_error reason = GW_ERROR_NONE;

	if (why->code >= 0)
		return -EINVAL;
	err_set(&reason, why->code, why->where, "%s", why->what);
	return core_cancel(&s->core, &reason);
}

GW_EXPORT int gw_source_wait(struct gw_source *s, int timeout_ms)
{
	return core_wait(&s->core, timeout_ms);
}

GW_EXPORT const struct gw_report *gw_source_report(const struct gw_source *s)
{
	return &s->core.report;
}

GW_EXPORT int gw_source_take_back(struct gw_source *s, struct gw_error *e)
{
	return core_decide(&s->core, &s->core.decide, e);
}

GW_EXPORT void gw_source_free(struct gw_source *s)
{
	if (!s)
		return;
	core_cancel(&s->core, NULL);
	if (s->core.started)
		core_wait(&s->core, -1); /* too late to cancel: then for what comes of it */
	core_fini(&s->core);
	source_let_go(s); /* nobody decided who has the guest, and nobody will by this object */
	outbox_fini(&s->outbox);
	rate_fini(&s->rate);
	dirty_fini(&s->dirty);
	free(s->bitmap);
	free(s->needs);
	free(s->vm_state);
	free(s->summary);
	free(s->resumed);
	for (uint32_t i = 0; i < GW_MAX_CHANNELS; i++)
		sender_fini(&s->senders[i]);
	pthread_cond_destroy(&s->closing_changed);
	pthread_mutex_destroy(&s->closing_lock);
	free(s);
}
