/* SPDX-License-Identifier: BSD-3-Clause */
/* The device as the library sees it. */
#include "fake_kernel_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The ordinary calls: what the library asks of every device, whether the suite does or not. */
static int ops_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	*info = (struct gw_device_info){
		.migration_flags = ((struct fake_kernel *)ctx)->caps,
		.dirty_source = GW_DIRTY_DEVICE,
		.features = GW_FEATURE_DMA_LOG | GW_FEATURE_RESET | GW_FEATURE_STOP_SIZE | GW_FEATURE_PRECOPY_INFO,
	};
	snprintf(info->backend, sizeof(info->backend), "kernel cdev");
	snprintf(info->driver, sizeof(info->driver), "fake");
	return 0;
}

static int ops_state_set(void *ctx, uint32_t state, struct gw_error *e)
{
	int32_t data_fd;

	return fake_kernel_set(ctx, state, &data_fd);
}

static int ops_state_get(void *ctx, uint32_t *state, struct gw_error *e)
{
	*state = ((struct fake_kernel *)ctx)->state;
	return 0;
}

static int ops_reset(void *ctx, struct gw_error *e)
{
	fake_kernel_reset(ctx);
	return 0;
}

static ssize_t ops_read(void *ctx, void *buf, size_t size, struct gw_error *e)
{
	return fake_kernel_raw_read(ctx, buf, size);
}

static ssize_t ops_write(void *ctx, const void *buf, size_t size, struct gw_error *e)
{
	return fake_kernel_raw_write(ctx, buf, size);
}

static int ops_precopy_info(void *ctx, struct gw_precopy_info *info, struct gw_error *e)
{
	struct gw_raw_precopy raw = { .argsz = 24 };
	int ret = fake_kernel_raw_precopy_info(ctx, &raw);

	info->initial_bytes = raw.initial_bytes;
	info->dirty_bytes = raw.dirty_bytes;
	return ret;
}

static int ops_stop_size(void *ctx, uint64_t *bytes, struct gw_error *e)
{
	*bytes = fake_kernel_stop_bytes(ctx);
	return 0;
}

static int ops_log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size,
			 struct gw_error *e)
{
	return fake_kernel_raw_log_start(ctx, ranges, nr_ranges, page_size);
}

static int ops_log_stop(void *ctx, struct gw_error *e)
{
	return fake_kernel_raw_log_stop(ctx);
}

static int ops_log_report(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
			  struct gw_error *e)
{
	return fake_kernel_raw_log_report(ctx, iova, size_bytes, page_size, bitmap);
}

/* The driver starts anew with the next user. */
static void ops_close(void *ctx)
{
	struct fake_kernel *kernel = ctx;

	if (--kernel->nr_open)
		return;
	fake_kernel_raw_close(kernel);
	fake_kernel_reset(kernel);
	ref_dma_log_stop(&kernel->log);
	kernel->opted_in = false;
}

static const struct gw_raw_ops raw_ops = {
	.size = sizeof(raw_ops),
	.feature = fake_kernel_raw_feature,
	.state_get = fake_kernel_raw_state_get,
	.state_set = fake_kernel_raw_state_set,
	.reset = fake_kernel_raw_reset,
	.data_read = fake_kernel_raw_read,
	.data_write = fake_kernel_raw_write,
	.precopy_info = fake_kernel_raw_precopy_info,
	.log_start = fake_kernel_raw_log_start,
	.log_stop = fake_kernel_raw_log_stop,
	.log_report = fake_kernel_raw_log_report,
	.data_poll = fake_kernel_raw_poll,
	.data_close = fake_kernel_raw_close,
};

static const struct gw_device_ops ops = {
	.size = sizeof(ops),
	.info = ops_info,
	.state_set = ops_state_set,
	.state_get = ops_state_get,
	.reset = ops_reset,
	.data_read = ops_read,
	.data_write = ops_write,
	.precopy_info = ops_precopy_info,
	.stop_size = ops_stop_size,
	.log_start = ops_log_start,
	.log_stop = ops_log_stop,
	.log_report = ops_log_report,
	.close = ops_close,
	.raw = &raw_ops,
};

int fake_kernel_open(void *ctx, struct gw_device **dev, uint32_t flags, struct gw_error *e)
{
	struct fake_kernel *kernel = ctx;
	int ret;

	if (kernel->nr_open && !fake_kernel_is_faulty(kernel, "second-open"))
		return -EBUSY;
	ret = gw_device_from_ops(dev, "fake", &ops, kernel, e);
	kernel->nr_open += !ret;
	return ret;
}

struct fake_kernel *fake_kernel_new(uint32_t flags, const char *fault)
{
	struct fake_kernel *kernel = calloc(1, sizeof(*kernel));

	if (!kernel)
		return NULL;
	kernel->caps = flags;
	kernel->state = MIG_RUNNING;
	snprintf(kernel->fault, sizeof(kernel->fault), "%s", fault ? fault : "");
	for (size_t i = 0; i < sizeof(kernel->memory.bytes); i++)
		kernel->memory.bytes[i] = (uint8_t)(i * 37);
	return kernel;
}

void fake_kernel_free(struct fake_kernel *kernel)
{
	if (!kernel)
		return;
	fake_kernel_raw_close(kernel);
	fake_kernel_reset(kernel);
	free(kernel);
}
