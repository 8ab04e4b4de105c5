/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walking a device through its states, and what to do when an arc fails. Called by the one thread that migrates
 * the device. Source of the rules: linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/export.h"
#include "device/device.h"
#include "model/device_state.h"

#include <errno.h>
#include <godwit/estimate.h>
#include <stdbool.h>
#include <string.h>

static void set_state(struct gw_device *dev, uint32_t state)
{
	__atomic_store_n(&dev->state, state, __ATOMIC_RELAXED);
}

GW_EXPORT int gw_device_state_get(struct gw_device *dev, uint32_t *state, struct gw_error *e)
{
	int ret;

	if (!dev->info.migration_flags) {
		*state = GW_STATE_RUNNING;
		return 0;
	}
	ret = dev->ops.state_get(dev->ctx, state, e);
	if (ret)
		return ret;
	if (*state >= GW_NR_STATES)
		return err_set(e, -EBADMSG, dev->id, "the device says that it is in state %u, which there is not",
			       *state);
	set_state(dev, *state);
	return 0;
}

int device_reset_to_running(const struct gw_device_ops *ops, void *ctx, const char *where, struct gw_error *e)
{
	uint32_t state;
	int ret;

	if (!ops->reset)
		return err_set(e, -EOPNOTSUPP, where, "the device cannot be reset");
	ret = ops->reset(ctx, e);
	if (!ret)
		ret = ops->state_get(ctx, &state, e);
	if (ret || state == GW_STATE_RUNNING)
		return ret;
	/* The uAPI's reset ends in RUNNING; vfio-user servers are known that keep the state they were in. */
	if (state != GW_STATE_ERROR && !ops->state_set(ctx, GW_STATE_RUNNING, NULL))
		return 0;
	return err_set(e, -EIO, where, "still in %s after a reset", device_state_name(state));
}

int device_settle(const struct gw_device_ops *ops, void *ctx, const char *where, struct gw_error *e)
{
	uint32_t state;
	int ret;

	ret = ops->state_get(ctx, &state, e);
	if (ret || state == GW_STATE_RUNNING)
		return ret;
	/* ERROR is left by a reset alone, and so is RESUMING: what was loaded is not known to be whole. */
	if (state != GW_STATE_ERROR && state != GW_STATE_RESUMING && !ops->state_set(ctx, GW_STATE_RUNNING, NULL))
		return 0;
	return device_reset_to_running(ops, ctx, where, e);
}

GW_EXPORT int gw_device_reset(struct gw_device *dev, struct gw_error *e)
{
	int ret;

	if (!dev->ops.reset)
		return err_set(e, -EOPNOTSUPP, dev->id, "the device cannot be reset");
	if (!dev->info.migration_flags)
		return dev->ops.reset(dev->ctx, e);
	ret = device_reset_to_running(&dev->ops, dev->ctx, dev->id, e);
	if (!ret) {
		set_state(dev, GW_STATE_RUNNING);
		dev->load_failed = false;
	}
	return ret;
}

static int refuse(const struct gw_device *dev, uint32_t from, uint32_t to, struct gw_error *e)
{
	if (to >= GW_NR_STATES)
		return err_set(e, -EINVAL, dev->id, "%u is no device state", to);
	if (from == GW_STATE_ERROR)
		return err_set(e, -ENODEV, dev->id, "the device is in ERROR; only a reset leaves it");
	if (!device_state_exists(dev->info.migration_flags, to))
		return err_set(e, -EINVAL, dev->id, "the device has no state %s", device_state_name(to));
	return err_set(e, -EINVAL, dev->id, "%s -> %s: there is no such transition", device_state_name(from),
		       device_state_name(to));
}

static int step(struct gw_device *dev, uint32_t from, uint32_t to, struct arc_log *log, struct gw_error *e)
{
	uint64_t began_ns = clock_now_ns(&clock_monotonic);
	int ret = dev->ops.state_set(dev->ctx, to, e);

	if (ret)
		return ret;
	set_state(dev, to);
	dev->load_failed = false;
	if (log && log->nr < GW_MAX_ARCS)
		log->arcs[log->nr++] = (struct gw_arc_time){
			.from = (uint8_t)from,
			.to = (uint8_t)to,
			.ns = clock_now_ns(&clock_monotonic) - began_ns,
		};
	return 0;
}

/* Steps until it is there or an arc fails; *at is the state that the failed arc left. */
static int walk(struct gw_device *dev, uint32_t *at, uint32_t to, struct arc_log *log, struct gw_error *e)
{
	while (*at != to) {
		uint32_t next;
		int ret = device_state_next(dev->info.migration_flags, *at, to, &next);

		if (ret)
			return refuse(dev, *at, to, e);
		ret = step(dev, *at, next, log, e);
		if (ret)
			return ret;
		*at = next;
	}
	return 0;
}

/* The state to go back to after an arc out of `from` failed. -EINVAL: there is none, only a reset. */
static int recovery_state(uint32_t from, uint32_t now, uint32_t *back)
{
	if (from == GW_STATE_RESUMING || now == GW_STATE_RESUMING || now == GW_STATE_ERROR)
		return -EINVAL;
	*back = device_state_session(from) == SESSION_NONE ? from : GW_STATE_STOP;
	return 0;
}

/* Takes the device out of a failed arc as well as it can be done, and says how that went. */
static const char *recover(struct gw_device *dev, uint32_t from)
{
	uint32_t now, back;
	int ret;

	ret = gw_device_state_get(dev, &now, NULL);
	if (ret == -EPIPE || ret == -ETIMEDOUT)
		return "it does not answer any more";
	if (!ret && !recovery_state(from, now, &back) && !walk(dev, &now, back, NULL, NULL))
		return "it was taken back";
	if (!gw_device_reset(dev, NULL))
		return "it was reset";
	gw_device_state_get(dev, &now, NULL);
	return "it could not be reset";
}

static int report(struct gw_device *dev, const struct gw_error *first, uint32_t from, uint32_t to, int code,
		  struct gw_error *e)
{
	const char *what = first->code ? first->what : strerror(-code);
	const char *after = recover(dev, from);

	return err_set(e, code, dev->id, "%s -> %s: %.280s; %s, in %s", device_state_name(from), device_state_name(to),
		       what, after, device_state_name(device_state(dev)));
}

/*
 * Where the device is. A reset that went past this library, by the guest's wish, ends a session unseen: that must
 * not pass for one that was saved to its end, nor for one that was loaded.
 */
static int locate(struct gw_device *dev, uint32_t to, uint32_t *at, struct gw_error *e)
{
	uint32_t before = device_state(dev);
	enum device_session had = device_state_session(before);
	int ret = gw_device_state_get(dev, at, e);

	if (ret)
		return ret;
	if (*at == GW_STATE_RESUMING && to != *at && dev->load_failed)
		return err_set(e, -ESTALE, dev->id, "the device did not take its state; only a reset leaves RESUMING");
	if (device_state_session(*at) == had)
		return 0;
	if (had == SESSION_LOAD || (had == SESSION_SAVE && device_state_session(to) == SESSION_SAVE))
		return err_set(e, -ESTALE, dev->id, "the device went from %s to %s by itself: its data session is void",
			       device_state_name(before), device_state_name(*at));
	return 0;
}

int device_walk(struct gw_device *dev, uint32_t to, struct arc_log *log, struct gw_error *e)
{
	struct gw_error first = GW_ERROR_NONE;
	uint32_t at, next;
	int ret;

	ret = locate(dev, to, &at, e);
	if (ret || (at == to && to != GW_STATE_ERROR))
		return ret;
	if (device_state_next(dev->info.migration_flags, at, to, &next))
		return refuse(dev, at, to, e);
	ret = walk(dev, &at, to, log, &first);
	if (!ret)
		return 0;
	device_state_next(dev->info.migration_flags, at, to, &next);
	return report(dev, &first, at, next, ret, e);
}

GW_EXPORT int gw_device_state_set(struct gw_device *dev, uint32_t state, struct gw_error *e)
{
	return device_walk(dev, state, NULL, e);
}

GW_EXPORT int gw_device_state_set_timed(struct gw_device *dev, uint32_t state, struct gw_arc_time *arcs, uint32_t *nr,
					struct gw_error *e)
{
	struct arc_log log = { .nr = 0 };
	int ret = device_walk(dev, state, &log, e);

	*nr = log.nr < *nr ? log.nr : *nr;
	memcpy(arcs, log.arcs, *nr * sizeof(*arcs));
	return ret;
}
