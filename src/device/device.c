/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Making a device out of a back end's table, and ending it. What the back end claims is checked here once, so
 * that the rest need not ask whether a call is there for what the flags say.
 */
#include "device/device.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/export.h"
#include "device/kernel.h"
#include "device/uri.h"
#include "device/user.h"
#include "model/device_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_FLAGS      (GW_OPEN_AS_FOUND | GW_OPEN_PLAIN)
#define MIGRATION_FLAGS (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY)

uint32_t device_state(const struct gw_device *dev)
{
	return __atomic_load_n(&dev->state, __ATOMIC_RELAXED);
}

const struct gw_device_info *device_info(const struct gw_device *dev)
{
	return &dev->info;
}

/* A feature whose calls are missing is not there. */
static void drop_empty_claims(struct gw_device_info *info, const struct gw_device_ops *ops)
{
	const struct {
		uint32_t feature;
		bool kept;
	} claims[] = {
		{ GW_FEATURE_RESET, ops->reset },
		{ GW_FEATURE_DMA_LOG, ops->log_start && ops->log_stop && ops->log_report },
		{ GW_FEATURE_STOP_SIZE, ops->stop_size },
		{ GW_FEATURE_PRECOPY_INFO, ops->precopy_info },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(claims); i++)
		if (!claims[i].kept)
			info->features &= ~claims[i].feature;
	if (!(info->features & GW_FEATURE_PRECOPY_INFO))
		info->features &= ~GW_FEATURE_REINIT;
	/* A back end that logs and does not say how has a log of the device's own. */
	if (!(info->features & GW_FEATURE_DMA_LOG))
		info->dirty_source = GW_DIRTY_NONE;
	else if (info->dirty_source == GW_DIRTY_NONE || info->dirty_source > GW_DIRTY_TYPE1)
		info->dirty_source = GW_DIRTY_DEVICE;
	info->migration_flags &= MIGRATION_FLAGS;
	if (!(info->migration_flags & GW_MIGRATION_STOP_COPY))
		info->migration_flags = 0;
	info->backend[sizeof(info->backend) - 1] = 0;
	info->driver[sizeof(info->driver) - 1] = 0;
}

static int ask_info(struct gw_device *dev, struct gw_error *e)
{
	const struct gw_device_ops *ops = &dev->ops;
	int ret;

	if (!ops->info)
		return err_set(e, -EINVAL, dev->id, "the device's table has no info call");
	ret = ops->info(dev->ctx, &dev->info, e);
	if (ret)
		return ret;
	drop_empty_claims(&dev->info, ops);
	if (!dev->info.migration_flags)
		return 0;
	if (!ops->state_set || !ops->state_get || !ops->data_read || !ops->data_write)
		return err_set(e, -EINVAL, dev->id, "the device claims migration and its table lacks a call for it");
	return gw_device_state_get(dev, &dev->state, e);
}

int device_new(struct gw_device **dev, const char *id, const char *uri, const struct gw_device_ops *ops, void *ctx,
	       struct gw_error *e)
{
	struct gw_device *new;
	int ret;

	*dev = NULL;
	new = calloc(1, sizeof(*new));
	if (!new)
		return err_set(e, -ENOMEM, id, "no memory");
	snprintf(new->id, sizeof(new->id), "%s", id);
	snprintf(new->uri, sizeof(new->uri), "%s", uri);
	memcpy(&new->ops, ops, min_u64(ops->size, sizeof(new->ops)));
	if (new->ops.raw)
		memcpy(&new->raw, new->ops.raw, min_u64(new->ops.raw->size, sizeof(new->raw)));
	new->ctx = ctx;
	new->state = GW_STATE_RUNNING;
	ret = ask_info(new, e);
	if (ret)
		free(new);
	else
		*dev = new;
	return ret;
}

/* As device_new, of a back end's own making: closed if it does not become a device. */
static int device_of_backend(struct gw_device **dev, const char *id, const char *uri, const struct gw_device_ops *ops,
			     void *ctx, struct gw_error *e)
{
	int ret = device_new(dev, id, uri, ops, ctx, e);

	if (ret)
		ops->close(ctx);
	return ret;
}

static int check_id(const char *id, struct gw_error *e)
{
	if (!id || !*id)
		return err_set(e, -EINVAL, "", "a device needs an id");
	if (strlen(id) >= GW_DEVICE_ID_BYTES)
		return err_set(e, -EINVAL, id, "a device's id has at most %d bytes", GW_DEVICE_ID_BYTES - 1);
	return 0;
}

/* What the caller's options say as far as they reach; what they do not reach is not asked for. */
static int take_options(struct gw_open_options *taken, const struct gw_open_options *options, const char *id,
			struct gw_error *e)
{
	*taken = (struct gw_open_options){ 0 };
	if (options)
		memcpy(taken, options, min_u64(options->size, sizeof(*taken)));
	if (taken->flags & ~OPEN_FLAGS)
		return err_set(e, -EINVAL, id, "there is no such way to open a device");
	return 0;
}

GW_EXPORT int gw_device_open_with(struct gw_device **dev, const char *id, const char *uri,
				  const struct gw_open_options *options, struct gw_error *e)
{
	const struct gw_device_ops *ops;
	struct gw_open_options taken;
	struct uri parsed;
	void *ctx;
	int ret;

	*dev = NULL;
	ret = check_id(id, e);
	if (!ret && (!uri || strlen(uri) >= DEVICE_URI_BYTES))
		ret = err_set(e, -EINVAL, id, "the device's URI is missing or too long");
	if (!ret)
		ret = take_options(&taken, options, id, e);
	if (!ret)
		ret = uri_parse(uri, &parsed, e);
	if (ret)
		return ret;
	if (parsed.kind == URI_VFIO_USER) {
		ops = &user_ops;
		ret = user_open(&ctx, id, parsed.name, &taken, e);
	} else {
		ops = &kernel_ops;
		ret = kernel_open(&ctx, id, &parsed, &taken, e);
	}
	return ret ? ret : device_of_backend(dev, id, uri, ops, ctx, e);
}

GW_EXPORT int gw_device_open(struct gw_device **dev, const char *id, const char *uri, struct gw_error *e)
{
	return gw_device_open_with(dev, id, uri, NULL, e);
}

GW_EXPORT int gw_device_from_fd(struct gw_device **dev, const char *id, int fd, struct gw_error *e)
{
	void *ctx;
	int ret;

	*dev = NULL;
	ret = check_id(id, e);
	if (!ret)
		ret = kernel_borrow(&ctx, id, fd, e);
	return ret ? ret : device_of_backend(dev, id, "", &kernel_ops, ctx, e);
}

GW_EXPORT int gw_device_from_ops(struct gw_device **dev, const char *id, const struct gw_device_ops *ops, void *ctx,
				 struct gw_error *e)
{
	int ret;

	*dev = NULL;
	ret = check_id(id, e);
	if (!ret && (!ops || ops->size < offsetof(struct gw_device_ops, info) + sizeof(ops->info)))
		ret = err_set(e, -EINVAL, id, "the device's table is missing, or its size is not set");
	return ret ? ret : device_new(dev, id, "", ops, ctx, e);
}

GW_EXPORT void gw_device_close(struct gw_device *dev)
{
	if (!dev)
		return;
	if (dev->ops.close)
		dev->ops.close(dev->ctx);
	free(dev);
}

GW_EXPORT const char *gw_device_id(const struct gw_device *dev)
{
	return dev->id;
}

GW_EXPORT const char *gw_device_uri(const struct gw_device *dev)
{
	return dev->uri;
}

GW_EXPORT const char *gw_device_state_name(uint32_t state)
{
	return device_state_name(state);
}

GW_EXPORT const char *gw_dirty_source_name(uint32_t source)
{
	static const char *const names[] = {
		[GW_DIRTY_NONE] = "none",
		[GW_DIRTY_DEVICE] = "device",
		[GW_DIRTY_IOMMUFD] = "iommufd",
		[GW_DIRTY_TYPE1] = "type1",
	};

	return source < ARRAY_SIZE(names) ? names[source] : "?";
}
