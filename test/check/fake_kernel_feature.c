/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO_DEVICE_FEATURE, and the log, of a device that writes nothing. */
#include "fake_kernel_device.h"

#include <errno.h>
#include <string.h>

/* GET and SET of each feature: how many bytes it has, and what it does with them. */
static int get_migration(struct fake_kernel *kernel, void *data)
{
	uint64_t flags = kernel->caps;

	memcpy(data, &flags, sizeof(flags));
	return 0;
}

static int get_state(struct fake_kernel *kernel, void *data)
{
	int32_t mig[] = { (int32_t)kernel->state, -1 };

	memcpy(data, mig, sizeof(mig));
	return 0;
}

static int set_state_feature(struct fake_kernel *kernel, void *data)
{
	int32_t mig[2];
	int ret;

	memcpy(mig, data, sizeof(mig));
	ret = fake_kernel_set(kernel, (uint32_t)mig[0], &mig[1]);
	memcpy(data, mig, sizeof(mig));
	return ret;
}

static int get_size(struct fake_kernel *kernel, void *data)
{
	uint64_t bytes = fake_kernel_stop_bytes(kernel);

	memcpy(data, &bytes, sizeof(bytes));
	return 0;
}

static int opt_in(struct fake_kernel *kernel, void *data)
{
	kernel->opted_in = true;
	return 0;
}

/* What the log is asked with is more than fits here: fake_kernel_raw_log_start and the like. */
static int not_by_hand(struct fake_kernel *kernel, void *data)
{
	return -EINVAL;
}

static const struct feature {
	uint32_t number;
	uint32_t bytes;
	int (*get)(struct fake_kernel *kernel, void *data);
	int (*set)(struct fake_kernel *kernel, void *data);
} features[] = {
	{ GW_RAW_MIGRATION, 8, get_migration, NULL }, { GW_RAW_MIG_DEVICE_STATE, 8, get_state, set_state_feature },
	{ GW_RAW_LOG_START, 24, NULL, not_by_hand },  { GW_RAW_LOG_STOP, 0, NULL, not_by_hand },
	{ GW_RAW_LOG_REPORT, 32, not_by_hand, NULL }, { GW_RAW_MIG_DATA_SIZE, 8, get_size, NULL },
	{ GW_RAW_PRECOPY_INFO_V2, 0, NULL, opt_in },
};

static int run_feature(struct fake_kernel *kernel, const struct feature *feature, struct gw_raw_feature *call)
{
	uint32_t operations = call->flags & (GW_RAW_GET | GW_RAW_SET);
	uint32_t argsz = call->argsz ? call->argsz : 8 + call->data_bytes;
	uint8_t data[GW_RAW_FEATURE_BYTES] = { 0 };
	int ret;

	if (operations & GW_RAW_SET && feature->set == opt_in && fake_kernel_is_faulty(kernel, "info-v2"))
		return -EINVAL;
	if ((operations & GW_RAW_GET && !feature->get) || (operations & GW_RAW_SET && !feature->set))
		return -EINVAL;
	if (call->flags & GW_RAW_PROBE)
		return 0;
	if ((operations != GW_RAW_GET && operations != GW_RAW_SET) || argsz < 8 + feature->bytes)
		return -EINVAL;
	if (call->data_bytes)
		memcpy(data, call->data, call->data_bytes);
	ret = operations == GW_RAW_GET ? feature->get(kernel, data) : feature->set(kernel, data);
	if (call->data_bytes)
		memcpy(call->data, data, call->data_bytes);
	call->got_bytes = call->data_bytes;
	return ret;
}

int fake_kernel_raw_feature(void *ctx, struct gw_raw_feature *call)
{
	if ((call->argsz && call->argsz < 8) || call->flags & ~(0xffff | GW_RAW_GET | GW_RAW_SET | GW_RAW_PROBE))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		if (features[i].number == (call->flags & 0xffff))
			return run_feature(ctx, &features[i], call);
	return -ENOTTY;
}

int fake_kernel_raw_log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size)
{
	struct fake_kernel *kernel = ctx;
	int ret;

	if (!nr_ranges && !fake_kernel_is_faulty(kernel, "no-ranges"))
		return -EINVAL;
	ret = ref_dma_log_start(&kernel->log, page_size, false);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < nr_ranges && !ret; i++)
		ret = ref_dma_log_add(&kernel->log, ranges[i].iova, ranges[i].size_bytes);
	if (ret)
		ref_dma_log_stop(&kernel->log);
	return ret;
}

int fake_kernel_raw_log_stop(void *ctx)
{
	struct fake_kernel *kernel = ctx;

	ref_dma_log_stop(&kernel->log);
	return 0;
}

int fake_kernel_raw_log_report(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap)
{
	uint64_t words = ref_dma_log_words(iova, size_bytes, page_size);
	struct fake_kernel *kernel = ctx;
	int ret = words ? ref_dma_log_check(&kernel->log, iova, size_bytes, page_size) : -EINVAL;

	if (ret)
		return ret;
	if (fake_kernel_is_faulty(kernel, "only-sets"))
		memset(bitmap, 0, words * sizeof(*bitmap));
	return ref_dma_log_report(&kernel->log, iova, size_bytes, page_size, bitmap);
}
