/* SPDX-License-Identifier: BSD-3-Clause */
/* A device made of memory. Calls come from one worker at a time; the lock is for the test that looks on. */
#include "fake_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fails(struct fake_device *f, struct gw_error *e)
{
	if (!f->countdown || __atomic_sub_fetch(f->countdown, 1, __ATOMIC_RELAXED) != 0)
		return 0;
	f->failed = 1;
	if (e && !e->code) {
		e->code = -EIO;
		snprintf(e->what, sizeof(e->what), "failed on purpose");
	}
	return -EIO;
}

static int info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	struct fake_device *f = ctx;

	(void)e;
	*info = (struct gw_device_info){
		.migration_flags = f->flags,
		.features = GW_FEATURE_RESET | GW_FEATURE_STOP_SIZE | GW_FEATURE_DMA_LOG |
			    (f->flags & GW_MIGRATION_PRE_COPY ? GW_FEATURE_PRECOPY_INFO | GW_FEATURE_REINIT : 0),
		.dirty_source = GW_DIRTY_DEVICE,
		.vendor_id = 0x1234,
		.device_id = 1,
	};
	snprintf(info->backend, sizeof(info->backend), "fake");
	return 0;
}

static int saving(uint32_t state)
{
	return state == GW_STATE_STOP_COPY || state == GW_STATE_PRE_COPY || state == GW_STATE_PRE_COPY_P2P;
}

/* The last size_bytes written are the state; it lies in a ring until here. */
static int unroll(struct fake_device *f)
{
	uint64_t begin = f->nr_written % f->size_bytes;
	uint8_t *whole = malloc(f->size_bytes);

	if (!whole)
		return 0;
	memcpy(whole, f->bytes + begin, f->size_bytes - begin);
	memcpy(whole + f->size_bytes - begin, f->bytes, begin);
	free(f->bytes);
	f->bytes = whole;
	return 1;
}

static int is_whole(struct fake_device *f)
{
	if (f->endless)
		return f->nr_written >= f->size_bytes && unroll(f);
	return f->at == f->size_bytes;
}

static int state_set(void *ctx, uint32_t state, struct gw_error *e)
{
	struct fake_device *f = ctx;
	int ret = fails(f, e);

	if (ret)
		return ret;
	pthread_mutex_lock(&f->lock);
	if (saving(state) && !saving(f->state))
		f->at = 0;
	if (state == GW_STATE_RESUMING)
		f->at = 0;
	if (state == GW_STATE_RESUMING)
		f->nr_written = 0;
	if (f->state == GW_STATE_RESUMING && state != GW_STATE_RESUMING && !is_whole(f))
		ret = -EINVAL;
	if (state == GW_STATE_STOP_COPY && f->dirty && f->at >= f->size_bytes)
		f->at = f->size_bytes;
	if (!ret)
		f->state = state;
	pthread_mutex_unlock(&f->lock);
	return ret;
}

static int state_get(void *ctx, uint32_t *state, struct gw_error *e)
{
	struct fake_device *f = ctx;

	(void)e;
	*state = f->state;
	return 0;
}

static int reset(void *ctx, struct gw_error *e)
{
	struct fake_device *f = ctx;

	(void)e;
	f->resets++;
	f->state = GW_STATE_RUNNING;
	return 0;
}

static ssize_t data_read(void *ctx, void *buf, size_t size, struct gw_error *e)
{
	struct fake_device *f = ctx;
	uint64_t end = f->state == GW_STATE_STOP_COPY ? f->size_bytes : f->precopy_end;
	size_t n = size < 100000 ? size : 100000;

	if (fails(f, e))
		return -EIO;
	if (!saving(f->state))
		f->misused = 1;
	if (f->endless && f->state != GW_STATE_STOP_COPY) {
		memset(buf, 0xee, size);
		return (ssize_t)size;
	}
	if (f->at >= end || (f->rearmed && f->state == GW_STATE_PRE_COPY_P2P))
		return f->state == GW_STATE_STOP_COPY ? 0 : -ENOMSG; /* what it re-armed for, it makes while it runs */
	if (n > end - f->at)
		n = end - f->at;
	memcpy(buf, f->bytes + f->at, n);
	f->at += n;
	f->rearmed = 0;
	return (ssize_t)n;
}

static ssize_t write_ring(struct fake_device *f, const void *buf, size_t n)
{
	uint64_t at = f->nr_written % f->size_bytes;

	if (n > f->size_bytes - at)
		n = f->size_bytes - at;
	memcpy(f->bytes + at, buf, n);
	f->nr_written += n;
	return (ssize_t)n;
}

static ssize_t data_write(void *ctx, const void *buf, size_t size, struct gw_error *e)
{
	struct fake_device *f = ctx;
	size_t n = size < 70000 ? size : 70000;

	if (fails(f, e))
		return -EIO;
	if (f->state != GW_STATE_RESUMING)
		f->misused = 1;
	if (f->endless)
		return write_ring(f, buf, n);
	if (n > f->size_bytes - f->at)
		return -EINVAL;
	memcpy(f->bytes + f->at, buf, n);
	f->at += n;
	return (ssize_t)n;
}

static int precopy_info(void *ctx, struct gw_precopy_info *info, struct gw_error *e)
{
	struct fake_device *f = ctx;
	int *left = f->state == GW_STATE_PRE_COPY ? &f->rearm_running : &f->rearm_p2p;

	(void)e;
	if (f->state != GW_STATE_PRE_COPY && f->state != GW_STATE_PRE_COPY_P2P)
		return -EINVAL;
	if (f->at == f->precopy_end && *left && !f->rearmed) {
		(*left)--;
		f->rearmed = 1;
		f->precopy_end += 1000;
	}
	if (f->endless) {
		*info = (struct gw_precopy_info){ .dirty_bytes = 1024 };
		return 0;
	}
	*info = (struct gw_precopy_info){
		.initial_bytes = f->precopy_end - f->at,
		.flags = f->rearmed ? GW_PRECOPY_REINIT : 0,
	};
	return 0;
}

static int stop_size(void *ctx, uint64_t *bytes, struct gw_error *e)
{
	struct fake_device *f = ctx;

	(void)e;
	*bytes = saving(f->state) ? f->size_bytes - f->at : f->size_bytes;
	return 0;
}

static int log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr, uint64_t page_size, struct gw_error *e)
{
	(void)ctx;
	(void)ranges;
	(void)nr;
	(void)page_size;
	(void)e;
	return 0;
}

static int log_stop(void *ctx, struct gw_error *e)
{
	(void)ctx;
	(void)e;
	return 0;
}

/* It writes no guest memory: an empty log is the truth. A failure makes the whole range dirty. */
static int log_report(void *ctx, uint64_t iova, uint64_t size, uint64_t page_size, uint64_t *bitmap, struct gw_error *e)
{
	(void)iova;
	(void)size;
	(void)page_size;
	(void)bitmap;
	return fails(ctx, e);
}

static const struct gw_device_ops ops = {
	.size = sizeof(ops),
	.info = info,
	.state_set = state_set,
	.state_get = state_get,
	.reset = reset,
	.data_read = data_read,
	.data_write = data_write,
	.precopy_info = precopy_info,
	.stop_size = stop_size,
	.log_start = log_start,
	.log_stop = log_stop,
	.log_report = log_report,
};

int fake_device_open(struct fake_device *f, const char *id, uint32_t flags, uint64_t size_bytes, unsigned seed)
{
	*f = (struct fake_device){
		.flags = flags, .state = GW_STATE_RUNNING, .size_bytes = size_bytes, .precopy_end = size_bytes / 2
	};
	pthread_mutex_init(&f->lock, NULL);
	f->bytes = malloc(size_bytes);
	for (uint64_t i = 0; i < size_bytes; i++)
		f->bytes[i] = (uint8_t)(rand_r(&seed) >> 8);
	return gw_device_from_ops(&f->dev, id, &ops, f, NULL);
}

void fake_device_close(struct fake_device *f)
{
	gw_device_close(f->dev);
	free(f->bytes);
	pthread_mutex_destroy(&f->lock);
}
