/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The executor without KVM: the guest's work and its drivers run as threads of this process, on its mapping of
 * guest RAM. Works everywhere, and writes as fast as the host's memory takes it.
 */
#include "ref/guest/guest.h"
#include "ref/guest/pace.h"
#include "ref/vm/executor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In its needs: a guest of threads runs on threads. */
static const char needs_text[] = "threads";

struct threads {
	struct guest guest;
	struct peers peers;
	struct gw_process_log *log;
};

static void threads_close(void *ctx)
{
	struct threads *threads = ctx;

	guest_close(&threads->guest);
	peers_close(&threads->peers);
	gw_process_log_free(threads->log);
	free(threads);
}

static int open_log(struct threads *threads, const struct executor_config *config, struct gw_error *e)
{
	static const int modes[] = {
		[REF_VM_LOG_AUTO] = GW_PROCESS_LOG_AUTO,
		[REF_VM_LOG_ASYNC] = GW_PROCESS_LOG_ASYNC,
		[REF_VM_LOG_SYNC] = GW_PROCESS_LOG_SYNC,
		[REF_VM_LOG_ALL] = GW_PROCESS_LOG_ALL,
	};
	enum ref_vm_log log = config->options->log;

	if (log > REF_VM_LOG_ALL)
		return gw_error_set(e, -EINVAL, "dirty log", "--dirty-log %s is KVM's: these vCPUs are threads",
				    ref_vm_log_names[log]);
	return gw_process_log_new(&threads->log, config->memory->blocks, config->memory->nr_blocks, modes[log], e);
}

static int threads_open(void **ctx, const struct executor_config *config, struct gw_error *e)
{
	const struct ref_vm_options *options = config->options;
	struct threads *threads = calloc(1, sizeof(*threads));
	struct guest_config of_guest = {
		.memory = config->memory,
		.devices = config->devices,
		.infos = config->infos,
		.nr_devices = config->nr_devices,
		.nr_vcpus = options->nr_vcpus,
		.dirty_bytes_per_s = options->dirty_bytes_per_s,
		.seed = options->seed,
		.fill = options->fill,
	};
	int ret;

	if (!threads)
		return gw_error_set(e, -ENOMEM, "guest", "no memory for it");
	of_guest.peers = &threads->peers;
	ret = open_log(threads, config, e);
	if (!ret && options->p2p)
		ret = peers_open(&threads->peers, config->devices, config->nr_devices, e);
	if (!ret)
		ret = guest_open(&threads->guest, &of_guest, e);
	if (ret)
		threads_close(threads);
	else
		*ctx = threads;
	return ret;
}

static int threads_boot(void *ctx, struct gw_error *e)
{
	struct threads *threads = ctx;

	return guest_boot(&threads->guest, e);
}

static int threads_pause(void *ctx, struct gw_error *e)
{
	struct threads *threads = ctx;

	guest_pause(&threads->guest);
	return 0;
}

static int threads_resume(void *ctx, struct gw_error *e)
{
	struct threads *threads = ctx;

	guest_resume(&threads->guest);
	return 0;
}

static int threads_throttle(void *ctx, uint32_t percent, struct gw_error *e)
{
	struct threads *threads = ctx;

	if (percent > PACE_MAX_THROTTLE)
		return gw_error_set(e, -EINVAL, "guest", "%u percent of the time to stand still is too much", percent);
	guest_throttle(&threads->guest, percent);
	return 0;
}

static int threads_dirty_start(void *ctx, struct gw_error *e)
{
	struct threads *threads = ctx;

	return gw_process_log_start(threads->log, e);
}

static int threads_dirty_sync(void *ctx, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	struct threads *threads = ctx;

	return gw_process_log_sync(threads->log, block, bitmap, e);
}

static void threads_dirty_stop(void *ctx)
{
	struct threads *threads = ctx;

	gw_process_log_stop(threads->log);
}

static ssize_t threads_save(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct threads *threads = ctx;

	return guest_save(&threads->guest, buf, size_bytes);
}

static int threads_load(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e)
{
	struct threads *threads = ctx;

	return guest_load(&threads->guest, buf, size_bytes, e);
}

static ssize_t threads_needs(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	if (size_bytes >= sizeof(needs_text))
		memcpy(buf, needs_text, sizeof(needs_text));
	return sizeof(needs_text);
}

static int threads_lacks(void *ctx, const void *needs, size_t size_bytes, struct gw_blocker *blockers,
			 uint32_t max_blockers)
{
	if (size_bytes == sizeof(needs_text) && !memcmp(needs, needs_text, sizeof(needs_text)))
		return 0;
	if (!max_blockers)
		return 1;
	snprintf(blockers[0].where, sizeof(blockers[0].where), "vCPUs");
	snprintf(blockers[0].what, sizeof(blockers[0].what),
		 "they are KVM's, and threads here: start this VM with the --cpu of the source");
	return 1;
}

static void threads_check(void *ctx)
{
	struct threads *threads = ctx;

	guest_check(&threads->guest);
}

static void threads_counters(void *ctx, struct guest_counters *counters)
{
	struct threads *threads = ctx;

	guest_get_counters(&threads->guest, counters);
}

static const char *threads_log_name(void *ctx)
{
	struct threads *threads = ctx;

	return gw_process_log_name(threads->log);
}

static const char *threads_driver(void *ctx, uint32_t index, uint64_t *peer_writes)
{
	struct threads *threads = ctx;
	const struct guest_device *device = &threads->guest.devices[index];
	struct driver_counters counters = { 0 };

	if (device->driver)
		device->driver->counters(device->driver_ctx, &counters);
	*peer_writes = counters.peer_writes;
	return device->driver ? device->driver->name : "";
}

/* A thread of this process does not fail alone. */
static int threads_failure(void *ctx, struct gw_error *e)
{
	return 0;
}

const struct executor_ops executor_threads = {
	.name = "threads",
	.open = threads_open,
	.close = threads_close,
	.boot = threads_boot,
	.vm = {
		.size = sizeof(struct gw_vm_ops),
		.pause = threads_pause,
		.resume = threads_resume,
		.dirty_start = threads_dirty_start,
		.dirty_sync = threads_dirty_sync,
		.dirty_stop = threads_dirty_stop,
		.state_save = threads_save,
		.state_load = threads_load,
		.throttle = threads_throttle,
		.needs = threads_needs,
		.lacks = threads_lacks,
	},
	.check = threads_check,
	.counters = threads_counters,
	.log_name = threads_log_name,
	.driver = threads_driver,
	.failure = threads_failure,
};
