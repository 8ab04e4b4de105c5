/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the arcs do. RUNNING and RUNNING_P2P differ in nothing here: there is no peer that this device would do DMA
 * to, so arcs between the two do nothing but take their time.
 */
#include "ref/device/migration.h"

#include "ref/device/device.h"
#include "ref/device/pace.h"
#include "ref/device/state_load.h"
#include "ref/device/state_save.h"

#include <errno.h>
#include <poll.h>

void ref_migration_init(struct migration *migration)
{
	*migration = (struct migration){ .state = MIG_RUNNING };
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
	ref_engine_hold(dev);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static int unpark(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	ref_engine_release(dev);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}

static int open_save(struct ref_device *dev)
{
	dev->migration.paced_ns = 0;
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
	if (action->after)
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
		ref_engine_release(dev);
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

int ref_migration_precopy_left(struct ref_device *dev, uint64_t *initial, uint64_t *dirty)
{
	struct migration *migration = &dev->migration;
	int ret = -EINVAL;

	pthread_mutex_lock(&migration->session_lock);
	if (migration->save && ref_mig_state_precopies(ref_migration_state(dev))) {
		ref_state_save_left(migration->save, initial, dirty);
		ret = 0;
	}
	pthread_mutex_unlock(&migration->session_lock);
	return ret;
}

uint64_t ref_migration_stop_bytes(struct ref_device *dev)
{
	uint64_t bytes;

	pthread_mutex_lock(&dev->migration.session_lock);
	bytes = ref_state_save_stop_bytes(dev, dev->migration.save);
	pthread_mutex_unlock(&dev->migration.session_lock);
	return bytes;
}
