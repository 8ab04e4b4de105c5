/* SPDX-License-Identifier: BSD-3-Clause */
/* What both sides of a session share. */
#include "session/core.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/thread.h"
#include "device/device.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define HOLD_LOST_NS (250 * NS_PER_MS)

static void fill_limits(struct gw_limits *limits, const struct gw_limits *given)
{
	if (given)
		memcpy(limits, given, min_u64(sizeof(*limits), given->size));
	limits->size = sizeof(*limits);
	if (!limits->nr_channels)
		limits->nr_channels = DEFAULT_CHANNELS;
	if (!limits->downtime_ns)
		limits->downtime_ns = DEFAULT_DOWNTIME_NS;
	if (!limits->device_window_bytes)
		limits->device_window_bytes = DEFAULT_DEVICE_WINDOW_BYTES;
	if (!limits->stall_ns)
		limits->stall_ns = DEFAULT_STALL_NS;
	if (!limits->reconnect_ns)
		limits->reconnect_ns = DEFAULT_RECONNECT_NS;
}

static int check_arguments(const struct gw_vm *vm, const struct gw_limits *limits, struct gw_error *e)
{
	if (vm->size < sizeof(*vm) || vm->ops->size < offsetof(struct gw_vm_ops, throttle))
		return err_set(e, -EINVAL, "VM", "the VM or its ops are of an older, smaller layout");
	if (!vm->ops->pause || !vm->ops->resume || !vm->ops->dirty_start || !vm->ops->dirty_sync ||
	    !vm->ops->dirty_stop || !vm->ops->state_save || !vm->ops->state_load)
		return err_set(e, -EINVAL, "VM", "the VM lacks one of its callbacks");
	if (vm->nr_devices > GW_MAX_DEVICES)
		return err_set(e, -EINVAL, "VM", "%u devices; at most %u can migrate", vm->nr_devices, GW_MAX_DEVICES);
	if (limits->nr_channels > GW_MAX_CHANNELS)
		return err_set(e, -EINVAL, "limits", "%u channels; at most %u", limits->nr_channels, GW_MAX_CHANNELS);
	if (limits->device_window_bytes < LIMIT_DEVICE_BUFFER_BYTES ||
	    limits->device_window_bytes > LIMIT_DEVICE_WINDOW_BYTES)
		return err_set(e, -EINVAL, "limits", "a device window of %llu bytes; %llu to %llu are allowed",
			       (unsigned long long)limits->device_window_bytes, LIMIT_DEVICE_BUFFER_BYTES,
			       LIMIT_DEVICE_WINDOW_BYTES);
	if (limits->reconnect_ns > LIMIT_RECONNECT_NS)
		return err_set(e, -EINVAL, "limits", "%llu s to connect again; at most %llu",
			       (unsigned long long)(limits->reconnect_ns / NS_PER_S), LIMIT_RECONNECT_NS / NS_PER_S);
	if (limits->no_converge > GW_NO_CONVERGE_CANCEL)
		return err_set(e, -EINVAL, "limits", "%u is nothing to do when it does not converge",
			       limits->no_converge);
	return 0;
}

static void describe_device(struct manifest_device *md, struct gw_device *dev)
{
	snprintf(md->id, sizeof(md->id), "%s", gw_device_id(dev));
	md->info = *device_info(dev);
	if (md->info.features & GW_FEATURE_DMA_LOG)
		md->flags |= MANIFEST_DEVICE_DIRTY_TRACKED;
	if (!gw_device_stop_size(dev, &md->stop_bytes, NULL))
		md->flags |= MANIFEST_DEVICE_SIZES_KNOWN;
}

static void make_manifest(struct core *core)
{
	struct manifest *m = &core->manifest;

	*m = (struct manifest){ .page_bytes = GW_PAGE_BYTES };
	snprintf(m->vm_name, sizeof(m->vm_name), "%s", core->vm.name ? core->vm.name : "");
	m->nr_ram = core->ram.nr_blocks;
	for (uint32_t i = 0; i < m->nr_ram; i++) {
		snprintf(m->ram[i].id, sizeof(m->ram[i].id), "%s", core->ram.blocks[i].id);
		m->ram[i].gpa = core->ram.blocks[i].gpa;
		m->ram[i].size_bytes = core->ram.blocks[i].size_bytes;
	}
	m->nr_devices = core->vm.nr_devices;
	for (uint32_t i = 0; i < m->nr_devices; i++)
		describe_device(&m->devices[i], core->devices[i]);
}

int core_init(struct core *core, const struct gw_vm *vm, const struct gw_limits *limits, struct gw_error *e)
{
	int ret;

	core->vm = *vm;
	fill_limits(&core->limits, limits);
	control_init(&core->control);
	pthread_mutex_init(&core->lock, NULL);
	thread_cond_init(&core->finished);
	meter_init(&core->meter, &clock_monotonic);
	core->cancel.type = NOTE_CANCEL;
	core->decide.type = NOTE_DECIDE_OWNER;
	core->quit.type = NOTE_QUIT;
	core->held_ns = DEADLINE_NEVER;
	core->report.size = sizeof(core->report);
	ret = queue_init(&core->mailbox, MAILBOX_NOTES);
	if (ret)
		return err_set(e, ret, "session", "no memory");
	ret = check_arguments(vm, &core->limits, e);
	if (!ret)
		ret = ram_init(&core->ram, vm->ram, vm->nr_ram, e);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < vm->nr_devices; i++)
		core->devices[i] = vm->devices[i];
	core->vm.devices = core->devices;
	make_manifest(core);
	return 0;
}

int core_start(struct core *core, const char *name, void *(*run)(void *), void *ctx, struct gw_error *e)
{
	int ret;

	core->start_ns = clock_now_ns(&clock_monotonic);
	core->link = 1;
	core->control.link = 1;
	ret = worker_start(&core->vm_worker, "gw-vm", &core->mailbox, NULL, NULL);
	if (!ret)
		ret = worker_start(&core->link_worker, "gw-link", &core->mailbox, NULL, NULL);
	if (!ret)
		ret = thread_start(&core->thread, name, run, ctx);
	core->started = !ret;
	return ret ? err_set(e, ret, "session", "cannot start a thread") : 0;
}

void core_fini(struct core *core)
{
	if (core->started) {
		note_post(&core->mailbox, &core->quit);
		pthread_join(core->thread, NULL);
	}
	queue_close(&core->mailbox);
	control_stop(&core->control);
	worker_stop(&core->link_worker);
	worker_stop(&core->vm_worker);
	control_fini(&core->control);
	note_drop_all(&core->mailbox);
	queue_fini(&core->mailbox);
	meter_fini(&core->meter);
	pthread_cond_destroy(&core->finished);
	pthread_mutex_destroy(&core->lock);
}

void core_begin_vm(struct core *core, enum action_type action, int (*run)(void *ctx, struct gw_error *e), void *ctx)
{
	worker_post(&core->vm_worker, &core->jobs[action], action, run, ctx);
}

void core_begin_link(struct core *core, enum action_type action, int (*run)(void *ctx, struct gw_error *e), void *ctx)
{
	worker_post(&core->link_worker, &core->jobs[action], action, run, ctx);
}

bool core_is_stale(const struct core *core, const struct note *note)
{
	return note->link && note->link != core->link;
}

void core_add_blocker(struct core *core, const struct reason *reason)
{
	if (core->nr_blockers < ARRAY_SIZE(core->blockers))
		core->blockers[core->nr_blockers++] = *reason;
}

void core_report_blockers(const struct core *core, struct gw_report *report)
{
	report->nr_blockers = core->nr_blockers;
	for (uint32_t i = 0; i < core->nr_blockers; i++) {
		const struct reason *reason = &core->blockers[i];
		struct gw_blocker *blocker = &report->blockers[i];

		snprintf(blocker->code, sizeof(blocker->code), "%s", reason_code_name(reason->code));
		snprintf(blocker->where, sizeof(blocker->where), "%s", reason->where);
		snprintf(blocker->what, sizeof(blocker->what), "%s", reason->what);
	}
}

/* That the other side owns the guest is an answer, not a failure. */
static int do_claim(void *ctx, struct gw_error *e)
{
	struct core *core = ctx;
	struct gw_error answer = GW_ERROR_NONE;
	int ret = gw_arbiter_claim(core->limits.arbiter, core->claim_id, core->claim_side, &answer);

	if (ret && ret != -EBUSY) {
		err_first(e, &answer);
		return ret;
	}
	core->claim = ret ? CLAIM_THEIRS : CLAIM_MINE;
	return 0;
}

static int do_give_back(void *ctx, struct gw_error *e)
{
	struct core *core = ctx;
	struct gw_error answer = GW_ERROR_NONE;
	int ret = gw_arbiter_give_back(core->limits.arbiter, core->claim_id, &answer);

	if (ret == -EINVAL)
		return 0; /* it is not ours: there is nothing to give back */
	err_first(e, &answer);
	return ret;
}

void core_begin_claim(struct core *core, enum gw_side side, const uint8_t id[MIGRATION_ID_BYTES])
{
	core->claim_side = side;
	memcpy(core->claim_id, id, MIGRATION_ID_BYTES);
	core_begin(core, ACTION_CLAIM, 1);
	core_begin_link(core, ACTION_CLAIM, do_claim, core);
}

void core_begin_give_back(struct core *core, const uint8_t id[MIGRATION_ID_BYTES])
{
	memcpy(core->claim_id, id, MIGRATION_ID_BYTES);
	core_begin(core, ACTION_GIVE_BACK, 1);
	core_begin_link(core, ACTION_GIVE_BACK, do_give_back, core);
}

void core_begin(struct core *core, enum action_type action, uint32_t nr_parts)
{
	core->parts[action] = (struct parts){ .outstanding = nr_parts, .began_ns = clock_now_ns(&clock_monotonic) };
}

bool core_part_done(struct core *core, const struct note *note)
{
	struct parts *parts = &core->parts[note->action];

	if (note->error.code)
		err_first(&parts->error, &note->error);
	return parts->outstanding && --parts->outstanding == 0;
}

struct event core_finished(struct core *core, enum action_type action)
{
	struct parts *parts = &core->parts[action];

	struct event event = {
		.type = parts->error.code ? EVENT_FAILED : EVENT_DONE,
		.action = action,
		.error = parts->error,
	};

	if (action == ACTION_CLAIM)
		event.claim = core->claim;
	return event;
}

int core_cancel(struct core *core, const struct gw_error *why)
{
	int ret = 0;
	bool post = false;

	pthread_mutex_lock(&core->lock);
	if (core->too_late || core->outcome != GW_OUTCOME_NONE) {
		ret = -EALREADY;
	} else {
		post = !core->cancelled && core->started;
		if (!core->cancelled && why)
			core->cancel.error = *why;
		core->cancelled = true;
	}
	pthread_mutex_unlock(&core->lock);
	if (post)
		note_post(&core->mailbox, &core->cancel);
	return ret;
}

int core_pass_point_of_no_return(struct core *core)
{
	int ret = 0;

	pthread_mutex_lock(&core->lock);
	if (core->cancelled)
		ret = -ECANCELED;
	else
		core->too_late = true;
	pthread_mutex_unlock(&core->lock);
	return ret;
}

bool core_hold_lost(struct core *core, const struct note *note)
{
	if (note == &core->control.lost)
		return false;
	if (core->held_ns == DEADLINE_NEVER) {
		core->data_lost = note->error;
		core->held_ns = clock_deadline_ns(&clock_monotonic, HOLD_LOST_NS);
	}
	return true;
}

uint64_t core_deadline_ns(const struct core *core, uint64_t engine_ns)
{
	return min_u64(core->held_ns, engine_ns);
}

struct event core_tick(struct core *core)
{
	if (clock_now_ns(&clock_monotonic) < core->held_ns)
		return (struct event){ .type = EVENT_TICK };
	core->held_ns = DEADLINE_NEVER;
	return (struct event){ .type = EVENT_PEER_LOST, .error = core->data_lost };
}

void core_publish(struct core *core, enum gw_outcome outcome)
{
	pthread_mutex_lock(&core->lock);
	core->outcome = outcome;
	core->report.outcome = outcome;
	core->running_late = false;
	pthread_cond_broadcast(&core->finished);
	pthread_mutex_unlock(&core->lock);
}

enum gw_outcome core_outcome(struct core *core)
{
	enum gw_outcome outcome;

	pthread_mutex_lock(&core->lock);
	outcome = core->outcome;
	pthread_mutex_unlock(&core->lock);
	return outcome;
}

int core_wait(struct core *core, int timeout_ms)
{
	uint64_t deadline =
		timeout_ms < 0 ? DEADLINE_NEVER : clock_deadline_ns(&clock_monotonic, (uint64_t)timeout_ms * NS_PER_MS);
	int ret = 0;

	pthread_mutex_lock(&core->lock);
	while ((core->outcome == GW_OUTCOME_NONE || core->running_late) && !ret)
		ret = thread_cond_wait_until(&core->finished, &core->lock, deadline);
	if (core->outcome != GW_OUTCOME_NONE && !core->running_late)
		ret = 0;
	pthread_mutex_unlock(&core->lock);
	return ret;
}

int core_decide(struct core *core, struct note *decision, struct gw_error *e)
{
	bool allowed;

	pthread_mutex_lock(&core->lock);
	allowed = core->outcome == GW_OWNER_UNKNOWN && !core->running_late;
	if (allowed)
		core->running_late = true;
	pthread_mutex_unlock(&core->lock);
	if (!allowed)
		return err_set(e, -EINVAL, "session", "the outcome is not owner-unknown: there is nothing to decide");
	note_post(&core->mailbox, decision);
	core_wait(core, -1);
	if (core_outcome(core) == GW_OWNER_UNKNOWN)
		return err_set(e, -EIO, "session", "it did not come about; nothing has changed");
	return 0;
}

int core_reasons_error(const struct reasons *reasons, struct gw_error *e)
{
	char text[GW_ERROR_WHAT_BYTES] = "";
	size_t used = 0;

	if (!reasons->nr)
		return 0;
	for (uint32_t i = 0; i < reasons->nr && i < ARRAY_SIZE(reasons->list) && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", i ? "; " : "",
					 reasons->list[i].what);
	return err_set(e, -ENOTSUP, reasons->list[0].where, "%s", text);
}

uint64_t core_peak_rss_bytes(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) ? 0 : (uint64_t)usage.ru_maxrss * 1024;
}
