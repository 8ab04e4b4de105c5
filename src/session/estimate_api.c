/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * <godwit/estimate.h>: a migration foretold. What was measured is put where a running migration puts what it sees
 * (session/saver.c, session/source_over.c), and the engine's own estimate and its own decision are asked round by
 * round. Pure, any thread.
 */
#include "base/bits.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/export.h"
#include "engine/converge.h"
#include "engine/estimate.h"
#include "model/device_state.h"
#include "model/limits.h"
#include "session/outlook.h"

#include <errno.h>
#include <godwit/estimate.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define MAX_ROUNDS 1000 /* a course that is not over by then is not going to be */

/* A course of pre-copy as it is played through. */
struct course {
	struct gw_estimate_vm vm;
	struct device_outlook outlooks[GW_MAX_DEVICES];
	struct sync_result sync;
	uint64_t precopy_bytes; /* of all devices */
};

static uint64_t wire_ns(uint64_t bytes, uint64_t bytes_per_s)
{
	unsigned __int128 ns = (unsigned __int128)bytes * NS_PER_S / bytes_per_s;

	return ns < UINT64_MAX ? (uint64_t)ns : UINT64_MAX;
}

static uint64_t written_bytes(uint64_t ns, uint64_t bytes_per_s, uint64_t at_most)
{
	unsigned __int128 bytes = (unsigned __int128)bytes_per_s * ns / NS_PER_S;

	return bytes < at_most ? (uint64_t)bytes : at_most;
}

static struct arc_log log_of(const struct gw_arc_time *arcs, uint32_t nr)
{
	struct arc_log log = { .nr = nr };

	memcpy(log.arcs, arcs, nr * sizeof(*arcs));
	return log;
}

static uint64_t between_ns(const struct arc_log *log, uint32_t flags, uint32_t from, uint32_t to)
{
	struct way way = way_between(log, flags, from, to);

	return way_ns(&way, typical_arc_ns(log));
}

static struct device_outlook outlook_of(const struct gw_estimate_device *device)
{
	struct arc_log here = log_of(device->source_arcs, device->nr_source_arcs);
	struct arc_log there = log_of(device->destination_arcs, device->nr_destination_arcs);
	uint32_t flags = device->migration_flags;
	uint32_t at = flags & GW_MIGRATION_PRE_COPY ? GW_STATE_PRE_COPY : GW_STATE_RUNNING;
	uint32_t quiesced = device_state_quiesced(flags, at);
	uint32_t started = device_state_quiesced(flags, GW_STATE_RUNNING);

	return (struct device_outlook){
		.quiesce_ns = between_ns(&here, flags, at, quiesced),
		.stop_ns = between_ns(&here, flags, quiesced, GW_STATE_STOP_COPY),
		.log_ns = device->log_ns,
		.bytes = device->stop_copy_bytes,
		.window_bytes = DEFAULT_DEVICE_WINDOW_BYTES,
		.read_bytes_per_s = device->read_bytes_per_s,
		.load_bytes_per_s = device->load_bytes_per_s,
		.leave_ns = between_ns(&there, flags, GW_STATE_RESUMING, GW_STATE_STOP),
		.p2p_ns = flags & GW_MIGRATION_P2P ? between_ns(&there, flags, GW_STATE_STOP, started) : 0,
		.run_ns =
			between_ns(&there, flags, flags & GW_MIGRATION_P2P ? started : GW_STATE_STOP, GW_STATE_RUNNING),
	};
}

static int add_device(struct course *c, const struct gw_estimate_device *device, struct gw_error *e)
{
	uint32_t nr = c->sync.nr_devices;

	if (!(device->migration_flags & GW_MIGRATION_STOP_COPY))
		return err_set(e, -EINVAL, "estimate", "device %u cannot migrate", nr);
	if (device->nr_source_arcs > GW_MAX_ARCS || device->nr_destination_arcs > GW_MAX_ARCS)
		return err_set(e, -EINVAL, "estimate", "device %u has more than %d arcs", nr, GW_MAX_ARCS);
	c->outlooks[nr] = outlook_of(device);
	if (device->untracked)
		c->sync.untracked_bytes = c->vm.memory_bytes;
	if (__builtin_add_overflow(c->precopy_bytes, device->precopy_bytes, &c->precopy_bytes))
		c->precopy_bytes = UINT64_MAX;
	c->sync.nr_devices++;
	return 0;
}

static int course_init(struct course *c, const struct gw_estimate_vm *vm, struct gw_error *e)
{
	const char *at = (const char *)vm->devices;
	int ret = 0;

	*c = (struct course){ 0 };
	if (vm->size < offsetof(struct gw_estimate_vm, downtime_limit_ns))
		return err_set(e, -EINVAL, "estimate", "the VM's struct is too small");
	memcpy(&c->vm, vm, min_u64(vm->size, sizeof(c->vm)));
	if (!c->vm.downtime_limit_ns)
		c->vm.downtime_limit_ns = DEFAULT_DOWNTIME_NS;
	if (!c->vm.bytes_per_s)
		return err_set(e, -EINVAL, "estimate", "a wire without a rate");
	if (c->vm.nr_devices > GW_MAX_DEVICES)
		return err_set(e, -EINVAL, "estimate", "%u devices; at most %d", c->vm.nr_devices, GW_MAX_DEVICES);
	if (c->vm.nr_devices && !vm->devices)
		return err_set(e, -EINVAL, "estimate", "%u devices, and none are given", c->vm.nr_devices);
	c->sync = (struct sync_result){
		.bytes_per_s = c->vm.bytes_per_s,
		.round_trip_ns = c->vm.round_trip_ns,
		.pause_ns = c->vm.pause_ns,
		.dirty_bytes_per_s = c->vm.dirty_bytes_per_s,
		.devices = c->outlooks,
	};
	for (uint32_t i = 0; i < c->vm.nr_devices && !ret; i++) {
		struct gw_estimate_device device = { 0 };
		uint32_t size = ((const struct gw_estimate_device *)at)->size;

		if (size < sizeof(uint64_t) || size % sizeof(uint64_t) || size != vm->devices->size)
			return err_set(e, -EINVAL, "estimate",
				       "the devices' structs are not of one size, or of none that there is");
		memcpy(&device, at, min_u64(size, sizeof(device)));
		ret = add_device(c, &device, e);
		at += size;
	}
	return ret;
}

/*
 * Round after round as long as the migration would go on: the first carries all RAM and what devices let go of before
 * they stop, each later one what the guest has written during the one before.
 */
static void play(struct course *c, struct gw_estimate *estimate)
{
	struct converge converge = { .downtime_limit_ns = c->vm.downtime_limit_ns, .policy = NO_CONVERGE_CANCEL };
	uint64_t left = c->vm.memory_bytes, bytes;
	enum verdict verdict;

	if (__builtin_add_overflow(left, c->precopy_bytes, &bytes))
		bytes = UINT64_MAX;
	do {
		uint64_t took_ns = wire_ns(bytes, c->vm.bytes_per_s);
		struct estimate now;

		if (__builtin_add_overflow(estimate->precopy_ns, took_ns, &estimate->precopy_ns))
			estimate->precopy_ns = UINT64_MAX;
		left = written_bytes(took_ns, c->vm.dirty_bytes_per_s, c->vm.memory_bytes);
		c->sync.dirty_bytes = bytes = left;
		now = estimate_make(&c->sync);
		estimate->rounds++;
		estimate->ram_bytes = left;
		estimate->downtime = now.parts;
		verdict = converge_decide(&converge, estimate->rounds, true, &c->sync, &now, &estimate->why);
	} while (verdict == VERDICT_ROUND && estimate->rounds < MAX_ROUNDS);
	estimate->converges = verdict == VERDICT_SWITCH;
}

GW_EXPORT int gw_estimate_make(const struct gw_estimate_vm *vm, struct gw_estimate *estimate, struct gw_error *e)
{
	struct course course;
	int ret = course_init(&course, vm, e);

	*estimate = (struct gw_estimate){ .size = sizeof(*estimate) };
	if (ret)
		return ret;
	estimate->downtime_limit_ns = course.vm.downtime_limit_ns;
	play(&course, estimate);
	return 0;
}
