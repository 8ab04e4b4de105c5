/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the arcs do. What a device does for itself is in the table of arcs; what it does to peers, and they to it, is
 * the same for all arcs and follows from the two states.
 */
#include "ref/device/arc.h"

#include "ref/device/device.h"
#include "ref/device/pace.h"
#include "ref/device/state_load.h"
#include "ref/device/state_save.h"

#include <errno.h>
#include <poll.h>

static void free_sessions(struct migration *migration)
{
	ref_state_save_free(migration->save);
	ref_state_load_free(migration->load);
	migration->save = NULL;
	migration->load = NULL;
}

static void free_suspended(struct migration *migration)
{
	ref_state_save_free(migration->suspended_save);
	ref_state_load_free(migration->suspended_load);
	migration->suspended_save = NULL;
	migration->suspended_load = NULL;
}

/* By a fault a session is not ended: it goes on as it is, or the next one goes on with it. */
bool ref_arc_end_session(struct migration *migration, enum fault_action fault)
{
	if (fault == FAULT_KEEP_SESSION)
		return false;
	if (fault == FAULT_SUSPEND_SESSION) {
		free_suspended(migration);
		migration->suspended_save = migration->save;
		migration->suspended_load = migration->load;
		migration->save = NULL;
		migration->load = NULL;
		return false;
	}
	free_sessions(migration);
	return true;
}

void ref_arc_end_all_sessions(struct migration *migration)
{
	free_sessions(migration);
	free_suspended(migration);
}

static int park(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	ref_engine_park(dev);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static int unpark(struct ref_device *dev, enum fault_action fault)
{
	pthread_mutex_lock(&dev->lock);
	ref_engine_unpark(dev);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static void begin_session(struct migration *migration)
{
	free_sessions(migration); /* there is one only if a fault kept it */
	migration->paced_ns = 0;
	migration->position = 0;
	migration->end_told = false;
	migration->end_extra = false;
}

static int open_save(struct ref_device *dev, enum fault_action fault)
{
	struct migration *migration = &dev->migration;

	begin_session(migration);
	migration->reinit = REINIT_NONE;
	migration->initial_is_out = false;
	migration->save = migration->suspended_save;
	migration->suspended_save = NULL;
	if (migration->save && !ref_state_save_has_ended(migration->save))
		return 0;
	ref_state_save_free(migration->save);
	migration->save = ref_state_save_new(dev);
	return migration->save ? 0 : -ENOMEM;
}

static int finish_save(struct ref_device *dev, enum fault_action fault)
{
	int ret = fault == FAULT_RESTART_SESSION ? open_save(dev, fault) : 0;

	if (!ret)
		ref_state_save_finish(dev->migration.save);
	return ret;
}

static int open_stopped_save(struct ref_device *dev, enum fault_action fault)
{
	int ret = open_save(dev, fault);

	return ret ? ret : finish_save(dev, FAULT_NONE);
}

static int close_save(struct ref_device *dev, enum fault_action fault)
{
	if (!ref_arc_end_session(&dev->migration, fault))
		return 0;
	pthread_mutex_lock(&dev->lock);
	ref_memory_untrack(&dev->memory);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static int rearm_for_p2p(struct ref_device *dev, enum fault_action fault)
{
	ref_migration_rearm(&dev->migration, &dev->migration.rearms_p2p_left);
	return 0;
}

static int open_load(struct ref_device *dev, enum fault_action fault)
{
	struct migration *migration = &dev->migration;

	begin_session(migration);
	migration->load = migration->suspended_load;
	migration->suspended_load = NULL;
	if (!migration->load)
		migration->load = ref_state_load_new(dev);
	return migration->load ? 0 : -ENOMEM;
}

static int finish_load(struct ref_device *dev, enum fault_action fault)
{
	int ret = ref_state_load_finish(dev->migration.load);

	if (!ret)
		free_sessions(&dev->migration);
	return ret;
}

/* What stops does so before the arc's latency, what starts does so after it. Arcs without a row do nothing. */
static const struct arc_action {
	uint8_t from, to;
	int (*before)(struct ref_device *dev);
	int (*after)(struct ref_device *dev, enum fault_action fault); /* with session_lock held */
} actions[] = {
	{ MIG_RUNNING, MIG_STOP, park, NULL },
	{ MIG_RUNNING_P2P, MIG_STOP, park, NULL },
	{ MIG_STOP, MIG_RUNNING, NULL, unpark },
	{ MIG_STOP, MIG_RUNNING_P2P, NULL, unpark },
	{ MIG_RUNNING, MIG_PRE_COPY, NULL, open_save },
	{ MIG_RUNNING_P2P, MIG_PRE_COPY_P2P, NULL, open_save },
	{ MIG_PRE_COPY, MIG_RUNNING, NULL, close_save },
	{ MIG_PRE_COPY_P2P, MIG_RUNNING_P2P, NULL, close_save },
	{ MIG_PRE_COPY, MIG_PRE_COPY_P2P, NULL, rearm_for_p2p },
	{ MIG_PRE_COPY, MIG_STOP_COPY, park, finish_save },
	{ MIG_PRE_COPY_P2P, MIG_STOP_COPY, park, finish_save },
	{ MIG_STOP, MIG_STOP_COPY, NULL, open_stopped_save },
	{ MIG_STOP_COPY, MIG_STOP, NULL, close_save },
	{ MIG_STOP, MIG_RESUMING, NULL, open_load },
	{ MIG_RESUMING, MIG_STOP, NULL, finish_load },
};

static const struct arc_action *find_action(uint32_t from, uint32_t to)
{
	static const struct arc_action nothing = { 0 };

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (actions[i].from == from && actions[i].to == to)
			return &actions[i];
	return &nothing;
}

static uint64_t latency_ns(const struct ref_device_options *options, uint32_t from, uint32_t to)
{
	for (uint32_t i = 0; i < options->nr_arc_latencies && i < REF_DEVICE_MAX_ARC_LATENCIES; i++)
		if (options->arc_latencies[i].from == from && options->arc_latencies[i].to == to)
			return options->arc_latencies[i].latency_ns;
	return options->transition_latency_ns;
}

/* Until then, or until the program is to end. */
static void wait_until(const struct ref_device *dev, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = dev->stop_fd, .events = POLLIN };
	uint64_t now_ns;

	while ((now_ns = pace_now()) < deadline_ns) {
		struct timespec left = pace_timespec(deadline_ns - now_ns);

		if (ppoll(&pfd, 1, &left, NULL) > 0)
			break;
	}
}

/*
 * After the arc's latency, with session_lock held. Until then a device may end what it has begun with its peers and
 * takes what they send, so an arc is over for the peers when it is over and not earlier: that is what the P2P states
 * are for. A device without them stops to send and to take in one step, and what its peers still send is lost.
 */
static int move_peers(struct ref_device *dev, uint32_t from, uint32_t to)
{
	bool ran = ref_mig_state_runs(from), runs = ref_mig_state_runs(to);
	bool initiated = ref_mig_state_initiates(from), initiates = ref_mig_state_initiates(to);
	int ret = 0;

	pthread_mutex_lock(&dev->lock);
	if (initiated && !initiates)
		ref_engine_hold_peers(dev);
	if (ran != runs)
		ret = runs ? ref_memory_unseal(&dev->memory) : ref_memory_seal(&dev->memory);
	if (ret ? initiated && !initiates : initiates && !initiated)
		ref_engine_release_peers(dev);
	if (ret && ran)
		ref_engine_unpark(dev);
	pthread_mutex_unlock(&dev->lock);
	return ret;
}

int ref_arc_run(struct ref_device *dev, uint32_t from, uint32_t to, enum fault_action fault)
{
	const struct arc_action *action = find_action(from, to);
	uint64_t deadline_ns = pace_add(pace_now(), latency_ns(dev->options, from, to));
	int ret = 0;

	if (action->before)
		ret = action->before(dev);
	if (ret)
		return ret;
	wait_until(dev, deadline_ns);
	pthread_mutex_lock(&dev->migration.session_lock);
	ret = move_peers(dev, from, to);
	if (!ret && action->after)
		ret = action->after(dev, fault);
	if (!ret) {
		pthread_mutex_lock(&dev->lock);
		dev->migration.state = to;
		pthread_mutex_unlock(&dev->lock);
	}
	pthread_mutex_unlock(&dev->migration.session_lock);
	return ret;
}
