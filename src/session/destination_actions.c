/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The destination's actions: the jobs of the VM's worker, which threads do what, and the stages of those that have
 * barriers. Nothing here decides what comes next, and nothing waits.
 */
#include "session/destination.h"

#include "base/err.h"
#include "session/needs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static uint64_t now_ns(void)
{
	return clock_now_ns(&clock_monotonic);
}

static bool go_on_populating(void *ctx)
{
	struct gw_destination *d = ctx;

	return !__atomic_load_n(&d->stop_populating, __ATOMIC_RELAXED);
}

static int do_populate(void *ctx, struct gw_error *e)
{
	struct gw_destination *d = ctx;

	return ram_populate(&d->core.ram, 0, 1, go_on_populating, d, e);
}

/* Loads the VM's own state, then asks for it again: what comes back is what the guest will really start from. */
static int do_load_vm(void *ctx, struct gw_error *e)
{
	struct gw_destination *d = ctx;
	const struct gw_vm_ops *ops = d->core.vm.ops;
	uint8_t *again = malloc(d->nr_vm_state ? d->nr_vm_state : 1);
	ssize_t n;
	int ret;

	if (!again)
		return err_set(e, -ENOMEM, "VM", "no memory for the VM's state");
	ret = ops->state_load(d->core.vm.ctx, d->vm_state, d->nr_vm_state, e);
	if (!ret) {
		n = ops->state_save(d->core.vm.ctx, again, d->nr_vm_state, e);
		if (n < 0)
			ret = (int)n;
		else if ((size_t)n == d->nr_vm_state)
			d->vm_state_digest = XXH3_64bits(again, d->nr_vm_state);
	}
	free(again);
	return ret;
}

static int do_resume(void *ctx, struct gw_error *e)
{
	struct gw_destination *d = ctx;

	return d->core.vm.ops->resume(d->core.vm.ctx, e);
}

/* Does this host have what the guest needs? What it lacks are more reasons, not failures. */
static int do_check_needs(void *ctx, struct gw_error *e)
{
	struct gw_destination *d = ctx;

	return needs_check(&d->core.vm, d->needs, d->nr_needs, &d->reasons, e);
}

/* Do the two sides see the same arbiter? That is one more reason, not a failure. */
static int do_meet(void *ctx, struct gw_error *e)
{
	struct gw_destination *d = ctx;
	struct gw_error error = GW_ERROR_NONE;

	(void)e;
	if (!gw_arbiter_check(d->core.limits.arbiter, &error))
		gw_arbiter_meet(d->core.limits.arbiter, d->core.claim_id, &error);
	if (error.code)
		reasons_add(&d->reasons, REASON_ARBITER, error.where, "%s", error.what);
	return 0;
}

static void begin_check(struct gw_destination *d, const struct action *a)
{
	bool source_has_one = d->hello.features & HELLO_ARBITER;

	memset(&d->reasons, 0, sizeof(d->reasons));
	manifest_compare(d->source, &d->core.manifest, &d->reasons);
	if (!d->core.limits.arbiter != !source_has_one)
		reasons_add(&d->reasons, REASON_ARBITER, "arbiter",
			    "the %s has an arbiter, the %s has none: give both the same, or none",
			    source_has_one ? "source" : "destination", source_has_one ? "destination" : "source");
	memcpy(d->core.claim_id, d->hello.migration_id, MIGRATION_ID_BYTES);
	core_begin(&d->core, a->type, 1);
	core_begin_vm(&d->core, a->type, do_check_needs, d);
}

/* CHECK goes on with the arbiter, one after the other: both add to the reasons. */
static bool next_check_stage(struct gw_destination *d)
{
	struct parts *parts = &d->core.parts[ACTION_CHECK];

	if (parts->stage++ || parts->error.code || !d->engine.config.arbiter)
		return false;
	parts->outstanding = 1;
	core_begin_link(&d->core, ACTION_CHECK, do_meet, d);
	return true;
}

/* Only a guest that is really taken needs what an attempt needs. */
static void check_over(struct gw_destination *d, struct event *event)
{
	event->nr_reasons = d->reasons.nr;
	if (event->nr_reasons || d->hello.features & HELLO_DRY_RUN || !d->source)
		return;
	if (destination_open_attempt(d, &event->error))
		event->type = EVENT_FAILED;
}

static void begin_prepare_load(struct gw_destination *d, const struct action *a)
{
	core_begin(&d->core, a->type, d->nr_loaders + 1);
	core_begin_vm(&d->core, a->type, do_populate, d);
	for (uint32_t i = 0; i < d->nr_loaders; i++)
		loader_begin(&d->loaders[i], a->type);
}

void destination_go_on_loading(struct gw_destination *d)
{
	struct parts *parts = &d->core.parts[ACTION_FINISH_LOAD];

	if (parts->stage != 1 || d->nr_ended < d->hello.nr_channels || d->nr_loaded < d->nr_loaders)
		return;
	parts->stage = 2;
	pthread_mutex_lock(&d->door);
	d->data_open = false; /* nobody writes to what is checked, or to a guest that runs */
	pthread_mutex_unlock(&d->door);
	if (destination_check_totals(d, &parts->error))
		destination_action_over(d, ACTION_FINISH_LOAD);
	else
		core_begin_vm(&d->core, ACTION_FINISH_LOAD, do_load_vm, d);
}

static void begin_finish_load(struct gw_destination *d, const struct action *a)
{
	core_begin(&d->core, a->type, 1);
	d->core.parts[a->type].stage = 1;
	destination_go_on_loading(d);
}

/* RUN has barriers: all devices to their P2P state, then all to RUNNING, then the vCPUs. */
static void begin_run(struct gw_destination *d, const struct action *a)
{
	core_begin(&d->core, a->type, d->nr_loaders);
	for (uint32_t i = 0; i < d->nr_loaders; i++)
		loader_begin_run(&d->loaders[i], GW_STATE_RUNNING_P2P);
	if (!d->nr_loaders)
		destination_action_over(d, a->type);
}

static bool next_run_stage(struct gw_destination *d)
{
	struct parts *parts = &d->core.parts[ACTION_RUN];

	if (parts->error.code)
		return false;
	switch (parts->stage++) {
	case 0:
		parts->outstanding = d->nr_loaders;
		for (uint32_t i = 0; i < d->nr_loaders; i++)
			loader_begin_run(&d->loaders[i], GW_STATE_RUNNING);
		return true;
	case 1:
		parts->outstanding = 1;
		core_begin_vm(&d->core, ACTION_RUN, do_resume, d);
		return true;
	default:
		return false;
	}
}

static void begin_discard(struct gw_destination *d, const struct action *a)
{
	core_begin(&d->core, a->type, d->nr_loaders);
	for (uint32_t i = 0; i < d->nr_loaders; i++)
		loader_begin(&d->loaders[i], a->type);
	if (!d->nr_loaders)
		destination_action_over(d, a->type);
}

void destination_close_all(struct gw_destination *d)
{
	__atomic_store_n(&d->stop_populating, 1, __ATOMIC_RELAXED);
	destination_close_channels(d);
}

void destination_close_channels(struct gw_destination *d)
{
	channel_shutdown(&d->core.control.channel);
	pthread_mutex_lock(&d->door);
	d->data_open = false;
	for (uint32_t i = 0; i < GW_MAX_CHANNELS; i++)
		channel_shutdown(&d->receivers[i].channel);
	pthread_mutex_unlock(&d->door);
}

static void detach(struct gw_destination *d, const struct action *a)
{
	(void)a;
	destination_detach(d);
}

static void begin_claim(struct gw_destination *d, const struct action *a)
{
	(void)a;
	core_begin_claim(&d->core, GW_SIDE_DESTINATION, d->hello.migration_id);
}

static void begin_give_back(struct gw_destination *d, const struct action *a)
{
	(void)a;
	core_begin_give_back(&d->core, d->hello.migration_id);
}

static void close_channels(struct gw_destination *d, const struct action *a)
{
	(void)a;
	destination_close_all(d);
}

static void finish(struct gw_destination *d, const struct action *a)
{
	destination_report(d, a);
	core_publish(&d->core, a->outcome);
}

static void send_message(struct gw_destination *d, const struct action *a)
{
	struct message *message = calloc(1, sizeof(*message));
	struct event lost = { .type = EVENT_PEER_LOST };
	int ret = -ENOMEM;

	if (a->message == FRAME_READY && core_pass_point_of_no_return(&d->core)) {
		struct event cancel = { .type = EVENT_CANCEL };

		free(message);
		destination_feed(d, &cancel);
		return;
	}
	if (message && destination_compose(d, a, message))
		ret = control_send(&d->core.control, message, &lost.error);
	free(message);
	if (ret) {
		err_set(&lost.error, ret, "control channel", "cannot send %s", message_name(a->message));
		destination_feed(d, &lost);
	}
}

void destination_carry_out(struct gw_destination *d, const struct action *a)
{
	static void (*const begins[NR_ACTION_TYPES])(struct gw_destination *, const struct action *) = {
		[ACTION_SEND] = send_message,
		[ACTION_FINISH] = finish,
		[ACTION_CLOSE] = close_channels,
		[ACTION_CHECK] = begin_check,
		[ACTION_PREPARE_LOAD] = begin_prepare_load,
		[ACTION_FINISH_LOAD] = begin_finish_load,
		[ACTION_DETACH] = detach,
		[ACTION_CLAIM] = begin_claim,
		[ACTION_GIVE_BACK] = begin_give_back,
		[ACTION_RUN] = begin_run,
		[ACTION_DISCARD] = begin_discard,
	};

	if (begins[a->type])
		begins[a->type](d, a);
}

void destination_action_over(struct gw_destination *d, enum action_type action)
{
	struct event event;

	if (action == ACTION_CHECK && next_check_stage(d))
		return;
	if (action == ACTION_RUN) {
		while (next_run_stage(d))
			if (d->core.parts[action].outstanding)
				return;
		d->running_ns = now_ns();
	}
	event = core_finished(&d->core, action);
	if (action == ACTION_CHECK)
		check_over(d, &event);
	destination_feed(d, &event);
}
