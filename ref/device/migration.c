/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way along the arcs, the reset, and what faults make of both. What an arc does is in arc.c.
 */
#include "ref/device/migration.h"

#include "ref/device/arc.h"
#include "ref/device/device.h"

#include <errno.h>

void ref_migration_init(struct migration *migration, const struct ref_device_options *options)
{
	*migration = (struct migration){
		.state = MIG_RUNNING,
		.rearms_left = options->rearms,
		.rearms_p2p_left = options->rearms_p2p,
	};
	pthread_mutex_init(&migration->move_lock, NULL);
	pthread_mutex_init(&migration->session_lock, NULL);
}

void ref_migration_fini(struct migration *migration)
{
	ref_arc_end_all_sessions(migration);
	pthread_mutex_destroy(&migration->session_lock);
	pthread_mutex_destroy(&migration->move_lock);
}

static int walk(struct ref_device *dev, uint32_t state, uint32_t caps,
		int (*run)(struct ref_device *dev, uint32_t from, uint32_t to))
{
	uint32_t now = ref_migration_state(dev);
	int ret = 0;

	if (!ref_mig_state_valid(state, caps))
		return -EINVAL;
	while (!ret && now != state) {
		int next = ref_mig_state_next(now, state, caps);

		if (next < 0)
			return next;
		ret = run(dev, now, (uint32_t)next);
		now = ref_migration_state(dev);
		if (now != (uint32_t)next)
			break; /* it failed, or a fault says that all is well */
	}
	return ret;
}

static int sound_arc(struct ref_device *dev, uint32_t from, uint32_t to)
{
	return ref_arc_run(dev, from, to, FAULT_NONE);
}

static void enter_error(struct ref_device *dev)
{
	struct migration *migration = &dev->migration;

	pthread_mutex_lock(&migration->session_lock);
	pthread_mutex_lock(&dev->lock);
	if (ref_mig_state_runs(migration->state))
		ref_engine_park(dev);
	if (ref_mig_state_initiates(migration->state))
		ref_engine_hold_peers(dev);
	ref_memory_seal(&dev->memory);
	ref_memory_untrack(&dev->memory);
	ref_arc_end_all_sessions(migration);
	migration->state = MIG_ERROR;
	pthread_mutex_unlock(&dev->lock);
	pthread_mutex_unlock(&migration->session_lock);
}

static uint32_t all_caps(const struct ref_device *dev)
{
	uint32_t without = dev->options->without;

	return MIG_CAP_STOP_COPY | (without & REF_DEVICE_NO_P2P ? 0 : MIG_CAP_P2P) |
	       (without & REF_DEVICE_NO_PRECOPY ? 0 : MIG_CAP_PRE_COPY);
}

static void force(struct ref_device *dev, uint32_t state)
{
	if (state == MIG_ERROR) {
		enter_error(dev);
	} else if (walk(dev, state, all_caps(dev), sound_arc)) {
		ref_device_reset(dev);
		walk(dev, state, all_caps(dev), sound_arc);
	}
}

static int run_arc(struct ref_device *dev, uint32_t from, uint32_t to)
{
	struct strike strike = ref_fault(dev, FAULT_ARC, from, to);

	if (strike.action == FAULT_TO || strike.action == FAULT_FAIL_TO)
		force(dev, (uint32_t)strike.value);
	else if (!strike.ret && strike.action != FAULT_IGNORE)
		strike.ret = ref_arc_run(dev, from, to, strike.action);
	return strike.ret;
}

int ref_migration_set(struct ref_device *dev, uint32_t state, uint32_t caps)
{
	int ret;

	pthread_mutex_lock(&dev->migration.move_lock);
	ret = walk(dev, state, caps, run_arc);
	pthread_mutex_unlock(&dev->migration.move_lock);
	return ret;
}

void ref_migration_force(struct ref_device *dev, uint32_t state)
{
	pthread_mutex_lock(&dev->migration.move_lock);
	force(dev, state);
	pthread_mutex_unlock(&dev->migration.move_lock);
}

/* What was refused is done as far as it can be: a number that is no state is only said yes to. */
static void do_anyway(struct ref_device *dev, uint32_t state)
{
	if (state == MIG_ERROR || ref_mig_state_valid(state, all_caps(dev)))
		ref_migration_force(dev, state);
}

int ref_migration_set_asked(struct ref_device *dev, uint32_t state, uint32_t caps, struct state_told *told)
{
	struct strike strike = ref_fault(dev, FAULT_SET, ref_migration_state(dev), state);
	int ret = strike.ret;

	*told = (struct state_told){
		.state = strike.action == FAULT_VALUE ? (uint32_t)strike.value : state,
		.data_fd = strike.action == FAULT_FD ? (uint32_t)strike.value : UINT32_MAX,
	};
	if (strike.action == FAULT_TO || strike.action == FAULT_FAIL_TO)
		ref_migration_force(dev, (uint32_t)strike.value);
	else if (!ret && strike.action != FAULT_IGNORE)
		ret = ref_migration_set(dev, state, caps);
	if (!ret || strike.action != FAULT_ACCEPT)
		return ret;
	do_anyway(dev, state);
	return 0;
}

void ref_migration_reset(struct ref_device *dev, enum fault_action fault)
{
	struct migration *migration = &dev->migration;

	if (!ref_mig_state_runs(migration->state))
		ref_engine_unpark(dev);
	if (!ref_mig_state_initiates(migration->state))
		ref_engine_release_peers(dev);
	ref_memory_unseal(&dev->memory); /* should that fail, it stays sealed: peers then write past the device */
	if (ref_arc_end_session(migration, fault)) {
		ref_memory_untrack(&dev->memory);
		ref_arc_end_all_sessions(migration);
	}
	migration->state = MIG_RUNNING;
}

uint32_t ref_migration_state(struct ref_device *dev)
{
	uint32_t state;

	pthread_mutex_lock(&dev->lock);
	state = dev->migration.state;
	pthread_mutex_unlock(&dev->lock);
	return state;
}
