/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device with a few bytes of state, to be saved and loaded: it keeps to the uAPI, counts what is asked of it, and
 * fails where it is told to. What it has read or loaded is plain to see.
 */
#ifndef TEST_FAKE_SAVED_DEVICE_H
#define TEST_FAKE_SAVED_DEVICE_H

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <godwit/device.h>
#include <string.h>

#define FAKE_STATE_BYTES 64u

struct fake_saved {
	uint32_t state, features, migration_flags;
	uint64_t bar_bytes;
	uint8_t memory[FAKE_STATE_BYTES]; /* its state */
	uint8_t loaded[FAKE_STATE_BYTES]; /* what comes in RESUMING */
	uint32_t at, nr_loaded;           /* in the data session */
	uint32_t initial, precopy;        /* bytes that can be read in PRE_COPY, the initial ones first */
	uint32_t chunk;                   /* bytes a read or write takes */
	uint32_t rearm_at;                /* REINIT when so much was read; 0: never */
	uint32_t rearm_until;
	int endless; /* in PRE_COPY there are always 2 MiB of zeroes more */
	uint32_t nr_sets, nr_resets, nr_reads;

	uint32_t fail_from, fail_to;    /* an arc that fails, with -EIO */
	uint32_t fail_read, fail_write; /* the n-th, from 1; 0: none */
	int to_error;                   /* arcs and reads that fail end in ERROR */
};

static int fake_saved_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	struct fake_saved *fake = ctx;

	*info = (struct gw_device_info){
		.migration_flags = fake->migration_flags,
		.features = fake->features,
		.vendor_id = 0x1b36,
		.device_id = 0x0010,
		.class_revision = 0x00ff0001,
		.nr_regions = 9,
		.backend = "ops",
	};
	return 0;
}

static int fake_saved_region_info(void *ctx, uint32_t index, struct gw_region_info *info, struct gw_error *e)
{
	struct fake_saved *fake = ctx;

	info->size_bytes = index ? 0 : fake->bar_bytes;
	return 0;
}

static int fake_saved_set(void *ctx, uint32_t state, struct gw_error *e)
{
	struct fake_saved *fake = ctx;
	uint32_t from = fake->state;

	fake->nr_sets++;
	if (fake->fail_to && fake->fail_to == state && fake->fail_from == from) {
		if (fake->to_error)
			fake->state = GW_STATE_ERROR;
		return err_set(e, -EIO, "fake", "no");
	}
	if (state == GW_STATE_PRE_COPY || (state == GW_STATE_STOP_COPY && from == GW_STATE_STOP))
		fake->at = 0;
	if (state == GW_STATE_RESUMING)
		fake->nr_loaded = 0;
	if (from == GW_STATE_RESUMING && state == GW_STATE_STOP) {
		if (fake->nr_loaded != FAKE_STATE_BYTES)
			return err_set(e, -EINVAL, "fake", "not all there");
		memcpy(fake->memory, fake->loaded, FAKE_STATE_BYTES);
	}
	fake->state = state;
	return 0;
}

static int fake_saved_get(void *ctx, uint32_t *state, struct gw_error *e)
{
	struct fake_saved *fake = ctx;

	*state = fake->state;
	return 0;
}

static int fake_saved_reset(void *ctx, struct gw_error *e)
{
	struct fake_saved *fake = ctx;

	fake->nr_resets++;
	fake->state = GW_STATE_RUNNING;
	memset(fake->memory, 0, sizeof(fake->memory));
	return 0;
}

static ssize_t fake_saved_read(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct fake_saved *fake = ctx;
	bool precopy = fake->state == GW_STATE_PRE_COPY;
	uint32_t end = precopy ? fake->precopy : FAKE_STATE_BYTES;
	uint32_t n = (uint32_t)min_u64(min_u64(size_bytes, fake->chunk), end - fake->at);

	if (++fake->nr_reads == fake->fail_read) {
		if (fake->to_error)
			fake->state = GW_STATE_ERROR;
		return -EIO;
	}
	if (precopy && fake->endless) {
		memset(buf, 0, min_u64(size_bytes, fake->chunk));
		return (ssize_t)min_u64(size_bytes, fake->chunk);
	}
	if (!n)
		return precopy ? -ENOMSG : 0;
	memcpy(buf, fake->memory + fake->at, n);
	fake->at += n;
	return n;
}

static ssize_t fake_saved_write(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e)
{
	struct fake_saved *fake = ctx;
	uint32_t n = (uint32_t)min_u64(size_bytes, fake->chunk);

	if (fake->fail_write && !--fake->fail_write)
		return -EINVAL;
	if (fake->nr_loaded + n > FAKE_STATE_BYTES)
		return err_set(e, -EINVAL, "fake", "too much");
	memcpy(fake->loaded + fake->nr_loaded, buf, n);
	fake->nr_loaded += n;
	return n;
}

static int fake_saved_precopy_info(void *ctx, struct gw_precopy_info *info, struct gw_error *e)
{
	struct fake_saved *fake = ctx;
	bool rearmed = fake->rearm_at && fake->at >= fake->rearm_at;
	uint32_t initial = rearmed ? fake->rearm_until : fake->initial;

	info->initial_bytes = initial > fake->at ? initial - fake->at : 0;
	info->dirty_bytes = fake->precopy - fake->at - info->initial_bytes;
	if (fake->endless)
		*info = (struct gw_precopy_info){ .dirty_bytes = 2 * MIB };
	info->flags = rearmed && fake->at == fake->rearm_at ? GW_PRECOPY_REINIT : 0;
	return 0;
}

static int fake_saved_stop_size(void *ctx, uint64_t *bytes, struct gw_error *e)
{
	*bytes = FAKE_STATE_BYTES;
	return 0;
}

static const struct gw_device_ops fake_saved_ops = {
	.size = sizeof(fake_saved_ops),
	.info = fake_saved_info,
	.state_set = fake_saved_set,
	.state_get = fake_saved_get,
	.reset = fake_saved_reset,
	.data_read = fake_saved_read,
	.data_write = fake_saved_write,
	.precopy_info = fake_saved_precopy_info,
	.stop_size = fake_saved_stop_size,
	.region_info = fake_saved_region_info,
};

static inline struct fake_saved fake_saved_new(uint8_t seed)
{
	struct fake_saved fake = {
		.state = GW_STATE_RUNNING,
		.features = GW_FEATURE_RESET | GW_FEATURE_PCI | GW_FEATURE_STOP_SIZE | GW_FEATURE_PRECOPY_INFO |
			    GW_FEATURE_REINIT,
		.migration_flags = GW_MIGRATION_STOP_COPY | GW_MIGRATION_PRE_COPY,
		.bar_bytes = 4096,
		.initial = 16,
		.precopy = 48,
		.chunk = 8,
	};

	for (uint32_t i = 0; i < FAKE_STATE_BYTES; i++)
		fake.memory[i] = (uint8_t)(seed + i);
	return fake;
}

#endif
