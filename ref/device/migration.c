/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the arcs do. What a device does for itself is in the table of arcs; what it does to peers, and they to it, is
 * the same for all arcs and follows from the two states.
 */
#include "ref/device/migration.h"

#include "ref/device/device.h"
#include "ref/device/pace.h"
#include "ref/device/state_load.h"
#include "ref/device/state_save.h"

#include <errno.h>
#include <poll.h>

void ref_migration_init(struct migration *migration, const struct ref_device_options *options)
{
	*migration = (struct migration){
		.state = MIG_RUNNING,
		.rearms_left = options->rearms,
		.rearms_p2p_left = options->rearms_p2p,
	};
	pthread_mutex_init(&migration->session_lock, NULL);
}

void ref_migration_fini(struct migration *migration)
{
	ref_state_save_free(migration->save);
	ref_state_load_free(migration->load);
	pthread_mutex_destroy(&migration->session_lock);
}

static int park(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	ref_engine_park(dev);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static int unpark(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	ref_engine_unpark(dev);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static int open_save(struct ref_device *dev)
{
	dev->migration.paced_ns = 0;
	dev->migration.reinit = REINIT_NONE;
	dev->migration.initial_is_out = false;
	dev->migration.save = ref_state_save_new(dev);
	return dev->migration.save ? 0 : -ENOMEM;
}

static int finish_save(struct ref_device *dev)
{
	ref_state_save_finish(dev->migration.save);
	return 0;
}

static int open_stopped_save(struct ref_device *dev)
{
	int ret = open_save(dev);

	return ret ? ret : finish_save(dev);
}

static int close_save(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	ref_memory_untrack(&dev->memory);
	pthread_mutex_unlock(&dev->lock);
	ref_state_save_free(dev->migration.save);
	dev->migration.save = NULL;
	return 0;
}

/* One of the times left is used up, if the device can re-arm now and the client would know what it means. */
static void rearm(struct migration *migration, uint32_t *times_left)
{
	if (!migration->opted_in || !*times_left || !ref_state_save_rearm(migration->save))
		return;
	--*times_left;
	migration->reinit = REINIT_DUE;
}

static int rearm_for_p2p(struct ref_device *dev)
{
	rearm(&dev->migration, &dev->migration.rearms_p2p_left);
	return 0;
}

static int open_load(struct ref_device *dev)
{
	dev->migration.paced_ns = 0;
	dev->migration.load = ref_state_load_new(dev);
	return dev->migration.load ? 0 : -ENOMEM;
}

static int finish_load(struct ref_device *dev)
{
	int ret = ref_state_load_finish(dev->migration.load);

	if (ret)
		return ret;
	ref_state_load_free(dev->migration.load);
	dev->migration.load = NULL;
	return 0;
}

/* What stops does so before the arc's latency, what starts does so after it. Arcs without a row do nothing. */
static const struct arc_action {
	uint8_t from, to;
	int (*before)(struct ref_device *dev);
	int (*after)(struct ref_device *dev); /* with session_lock held */
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

static int run_arc(struct ref_device *dev, uint32_t from, uint32_t to)
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
		ret = action->after(dev);
	if (!ret) {
		pthread_mutex_lock(&dev->lock);
		dev->migration.state = to;
		pthread_mutex_unlock(&dev->lock);
	}
	pthread_mutex_unlock(&dev->migration.session_lock);
	return ret;
}

int ref_migration_set(struct ref_device *dev, uint32_t state, uint32_t caps)
{
	uint32_t now = ref_migration_state(dev);
	int ret = 0;

	if (!ref_mig_state_valid(state, caps))
		return -EINVAL;
	while (!ret && now != state) {
		int next = ref_mig_state_next(now, state, caps);

		if (next < 0)
			return next;
		ret = run_arc(dev, now, (uint32_t)next);
		now = (uint32_t)next;
	}
	return ret;
}

void ref_migration_reset(struct ref_device *dev)
{
	struct migration *migration = &dev->migration;

	if (!ref_mig_state_runs(migration->state))
		ref_engine_unpark(dev);
	if (!ref_mig_state_initiates(migration->state))
		ref_engine_release_peers(dev);
	ref_memory_unseal(&dev->memory); /* should that fail, it stays sealed: peers then write past the device */
	ref_memory_untrack(&dev->memory);
	ref_state_save_free(migration->save);
	ref_state_load_free(migration->load);
	migration->save = NULL;
	migration->load = NULL;
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

static uint64_t charge(struct migration *migration, uint64_t bytes, uint64_t rate)
{
	uint64_t now_ns = pace_now();
	uint64_t start_ns = migration->paced_ns > now_ns ? migration->paced_ns : now_ns;

	migration->paced_ns = pace_add(start_ns, pace_ns(bytes, rate));
	return migration->paced_ns;
}

ssize_t ref_migration_read(struct ref_device *dev, void *buf, size_t size, uint64_t *done_ns)
{
	struct migration *migration = &dev->migration;
	ssize_t ret = -EINVAL;

	pthread_mutex_lock(&migration->session_lock);
	if (migration->save) {
		ret = (ssize_t)ref_state_save_read(migration->save, buf, size);
		if (ret && migration->reinit == REINIT_TOLD)
			migration->reinit = REINIT_NONE;
		*done_ns = charge(migration, (uint64_t)ret, dev->options->read_bytes_per_s);
	}
	pthread_mutex_unlock(&migration->session_lock);
	return ret;
}

int ref_migration_write(struct ref_device *dev, const void *buf, size_t size, uint64_t *done_ns)
{
	struct migration *migration = &dev->migration;
	int ret = -EINVAL;

	pthread_mutex_lock(&migration->session_lock);
	if (migration->load) {
		ret = ref_state_load_write(migration->load, buf, size);
		*done_ns = charge(migration, size, dev->options->load_bytes_per_s);
	}
	pthread_mutex_unlock(&migration->session_lock);
	return ret;
}

static void tell_left(struct migration *migration, uint32_t state, struct precopy_left *left)
{
	if (state == MIG_PRE_COPY && migration->initial_is_out)
		rearm(migration, &migration->rearms_left);
	ref_state_save_left(migration->save, &left->initial, &left->dirty);
	migration->initial_is_out = !left->initial;
	left->reinit = migration->opted_in && migration->reinit != REINIT_NONE;
	if (left->reinit)
		migration->reinit = REINIT_TOLD;
}

int ref_migration_precopy_left(struct ref_device *dev, struct precopy_left *left)
{
	struct migration *migration = &dev->migration;
	uint32_t state;
	int ret = -EINVAL;

	pthread_mutex_lock(&migration->session_lock);
	state = ref_migration_state(dev);
	if (migration->save && ref_mig_state_precopies(state)) {
		tell_left(migration, state, left);
		ret = 0;
	}
	pthread_mutex_unlock(&migration->session_lock);
	return ret;
}

void ref_migration_opt_in(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->migration.session_lock);
	dev->migration.opted_in = true;
	pthread_mutex_unlock(&dev->migration.session_lock);
}

void ref_migration_opt_out(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->migration.session_lock);
	dev->migration.opted_in = false;
	pthread_mutex_unlock(&dev->migration.session_lock);
}

uint64_t ref_migration_stop_bytes(struct ref_device *dev)
{
	uint64_t bytes;

	pthread_mutex_lock(&dev->migration.session_lock);
	bytes = ref_state_save_stop_bytes(dev, dev->migration.save);
	pthread_mutex_unlock(&dev->migration.session_lock);
	return bytes;
}
