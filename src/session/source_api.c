/* SPDX-License-Identifier: BSD-3-Clause */
/* The public calls of a source: arguments checked, things made, the thread started, all of it undone. */
#include "session/source.h"

#include "base/bitmap.h"
#include "base/err.h"
#include "base/export.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

GW_EXPORT int gw_source_new(struct gw_source **source, const struct gw_vm *vm, const struct gw_limits *limits,
			    struct gw_error *e)
{
	struct gw_source *s = calloc(1, sizeof(*s));
	uint64_t largest = 0;
	int ret;

	if (!s)
		return err_set(e, -ENOMEM, "session", "no memory");
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

/* Joins all that speaks against migrating this VM into one sentence. */
static int check_blockers(struct gw_source *s, struct gw_error *e)
{
	struct reasons *reasons = calloc(1, sizeof(*reasons));
	int ret;

	if (!reasons)
		return err_set(e, -ENOMEM, "session", "no memory");
	manifest_check_source(&s->core.manifest, s->core.limits.flags, reasons);
	ret = core_reasons_error(reasons, e);
	free(reasons);
	return ret;
}

static int prepare(struct gw_source *s, struct gw_error *e)
{
	struct source_config config = {
		.downtime_limit_ns = s->core.limits.downtime_ns,
		.stall_ns = s->core.limits.stall_ns,
		.max_rounds = s->core.limits.max_rounds,
	};
	int ret = 0;

	s->hello = (struct message_hello){
		.version_min = WIRE_VERSION_MIN,
		.version_max = WIRE_VERSION_MAX,
		.features = s->core.limits.flags & GW_VERIFY ? HELLO_VERIFY : 0,
		.nr_channels = s->core.limits.nr_channels,
	};
	if (getrandom(s->hello.migration_id, sizeof(s->hello.migration_id), 0) != sizeof(s->hello.migration_id))
		return err_set(e, -EIO, "session", "no random numbers for the migration's id");
	source_engine_init(&s->engine, &config);
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
		ret = check_blockers(s, e);
	if (!ret)
		ret = prepare(s, e);
	return ret ? ret : core_start(&s->core, "gw-source", source_run, s, e);
}

GW_EXPORT int gw_source_cancel(struct gw_source *s)
{
	return core_cancel(&s->core);
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
	core_cancel(&s->core);
	if (s->core.started)
		core_wait(&s->core, -1); /* too late to cancel: then for what comes of it */
	core_fini(&s->core);
	outbox_fini(&s->outbox);
	rate_fini(&s->rate);
	dirty_fini(&s->dirty);
	free(s->bitmap);
	free(s->vm_state);
	free(s->summary);
	free(s);
}
