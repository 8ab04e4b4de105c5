/* SPDX-License-Identifier: BSD-3-Clause */
/* The driver of the reference device: its three parts put together. */
#include "ref/guest/driver_ref.h"

#include <errno.h>
#include <stdlib.h>

static void ref_close(void *ctx)
{
	struct driver_ref *ref = ctx;

	if (!ref)
		return;
	interrupts_close(&ref->interrupts);
	free(ref->words);
	free(ref);
}

static int ref_open(void **ctx, const struct driver_env *env, struct gw_error *e)
{
	struct driver_ref *ref = calloc(1, sizeof(*ref));
	int ret = -ENOMEM;

	if (!ref)
		return gw_error_set(e, -ENOMEM, gw_device_id(env->dev), "no memory for its driver");
	ref->env = *env;
	ref->id = gw_device_id(env->dev);
	ref->registers = (struct mmio){ .dev = env->dev, .region = REFDEV_BAR_REGISTERS };
	ref->words = malloc(DRIVER_REF_BUFFER_BYTES);
	if (ref->words)
		ret = interrupts_open(&ref->interrupts, env->dev, REFDEV_NR_VECTORS, e);
	if (ret) {
		ref_close(ref);
		return gw_error_set(e, ret, gw_device_id(env->dev), "its driver could not be set up");
	}
	*ctx = ref;
	return 0;
}

static int identify(struct driver_ref *ref, struct gw_error *e)
{
	uint32_t magic = mmio_get_u32(&ref->registers, REFDEV_REG_MAGIC);
	uint32_t version = mmio_get_u32(&ref->registers, REFDEV_REG_VERSION);

	if (ref->registers.error.code || (magic == REFDEV_MAGIC && version == REFDEV_VERSION))
		return 0;
	return gw_error_set(e, -ENODEV, ref->id, "not the reference device: magic 0x%x, version %u", magic, version);
}

static int ref_start(void *ctx, struct gw_error *e)
{
	struct driver_ref *ref = ctx;
	int ret = identify(ref, e);

	if (ret)
		return ret;
	driver_ref_operations_start(ref);
	driver_ref_stream_start(ref);
	driver_ref_peer_start(ref);
	if (ref->registers.error.code)
		return gw_error_set(e, ref->registers.error.code, ref->id, "%s", ref->registers.error.what);
	if (ref->operations.memory_bytes < DRIVER_REF_MIN_MEMORY_BYTES)
		return gw_error_set(e, -ENODEV, ref->id, "too little local memory to work with");
	return 0;
}

/* A device that cannot be reached is one error of the guest, not one a tick. */
static void ref_tick(void *ctx, uint64_t now_ns)
{
	struct driver_ref *ref = ctx;

	if (ref->gave_up)
		return;
	interrupts_collect(&ref->interrupts);
	driver_ref_stream_tick(ref);
	driver_ref_operations_tick(ref, now_ns);
	driver_ref_peer_tick(ref, now_ns);
	if (!ref->registers.error.code)
		return;
	ref->gave_up = 1;
	integrity_fail(ref->env.integrity, "%s: %s", ref->id, ref->registers.error.what);
}

static void ref_check(void *ctx)
{
	driver_ref_stream_check(ctx);
}

static void ref_save(void *ctx, struct blob_out *out)
{
	struct driver_ref *ref = ctx;

	blob_put_u64(out, ref->env.seed);
	interrupts_save(&ref->interrupts, out);
	driver_ref_operations_save(ref, out);
	driver_ref_stream_save(ref, out);
	driver_ref_peer_save(ref, out);
}

static int ref_load(void *ctx, struct blob_in *in)
{
	struct driver_ref *ref = ctx;
	int ret;

	ref->env.seed = blob_get_u64(in);
	ret = interrupts_load(&ref->interrupts, in);
	if (!ret)
		ret = driver_ref_operations_load(ref, in);
	if (!ret)
		ret = driver_ref_stream_load(ref, in);
	return ret ? ret : driver_ref_peer_load(ref, in);
}

static void ref_counters(const void *ctx, struct driver_counters *counters)
{
	const struct driver_ref *ref = ctx;

	counters->operations = atomic_load_explicit(&ref->operations.nr_ended, memory_order_relaxed);
	counters->stamps = atomic_load_explicit(&ref->stream.nr_taken, memory_order_relaxed);
	counters->peer_writes = atomic_load_explicit(&ref->peer.nr_checked, memory_order_relaxed);
}

const struct driver_ops driver_ref_ops = {
	.name = "ref",
	.vendor_id = REFDEV_VENDOR_ID,
	.device_id = REFDEV_DEVICE_ID,
	.open = ref_open,
	.close = ref_close,
	.start = ref_start,
	.tick = ref_tick,
	.check = ref_check,
	.save = ref_save,
	.load = ref_load,
	.counters = ref_counters,
};
