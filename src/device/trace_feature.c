/* SPDX-License-Identifier: BSD-3-Clause */
/* DEVICE_FEATURE as fields of a trace: see trace_feature.h. Source: linux/vfio.h, VFIO_DEVICE_FEATURE_*. */
#include "device/trace_feature.h"

#include "base/bits.h"
#include "device/uapi.h"
#include "device/user_proto.h"

#include <string.h>

#define HEAD_BYTES 8u

static const struct trace_name feature_names[] = {
	{ 0, "PCI_VF_TOKEN" },
	{ VFIO_DEVICE_FEATURE_MIGRATION, "MIGRATION" },
	{ VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, "MIG_DEVICE_STATE" },
	{ 3, "LOW_POWER_ENTRY" },
	{ 4, "LOW_POWER_ENTRY_WITH_WAKEUP" },
	{ 5, "LOW_POWER_EXIT" },
	{ VFIO_DEVICE_FEATURE_DMA_LOGGING_START, "DMA_LOGGING_START" },
	{ VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, "DMA_LOGGING_STOP" },
	{ VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, "DMA_LOGGING_REPORT" },
	{ VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, "MIG_DATA_SIZE" },
	{ 10, "BUS_MASTER" },
	{ VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, "MIG_PRECOPY_INFOv2" },
	{ USER_FEATURE_PRECOPY_INFO, "GODWIT_PRECOPY_INFO" },
	{ 0, NULL },
};

static const struct trace_name operation_names[] = {
	{ VFIO_DEVICE_FEATURE_PROBE, "PROBE" },
	{ VFIO_DEVICE_FEATURE_GET, "GET" },
	{ VFIO_DEVICE_FEATURE_SET, "SET" },
	{ 0, NULL },
};

static const struct trace_name migration_names[] = {
	{ 1, "STOP_COPY" },
	{ 2, "P2P" },
	{ 4, "PRE_COPY" },
	{ 0, NULL },
};

static const struct trace_name precopy_names[] = {
	{ VFIO_PRECOPY_INFO_REINIT, "REINIT" },
	{ 0, NULL },
};

static const struct trace_row migration[] = {
	{ "flags", 0, 8, TRACE_AS_FLAGS, migration_names },
	{ NULL },
};

static const struct trace_row state[] = {
	{ "device_state", 0, 4, TRACE_AS_STATE },
	{ "data_fd", 4, 4, TRACE_AS_FD },
	{ NULL },
};

/* The ranges follow in vfio-user; what follows in the kernel's struct is where they are, one word. */
static const struct trace_row log_start[] = {
	{ "page_size", 0, 8, TRACE_AS_NUMBER },
	{ "num_ranges", 8, 4, TRACE_AS_NUMBER },
	{ "ranges", 16, 0, TRACE_AS_RANGES },
	{ NULL },
};

static const struct trace_row log_report[] = {
	{ "iova", 0, 8, TRACE_AS_HEX },
	{ "length", 8, 8, TRACE_AS_HEX },
	{ "page_size", 16, 8, TRACE_AS_NUMBER },
	{ NULL },
};

static const struct trace_row data_size[] = {
	{ "stop_copy_length", 0, 8, TRACE_AS_NUMBER },
	{ NULL },
};

static const struct trace_row precopy_info[] = {
	{ "flags", 4, 4, TRACE_AS_FLAGS, precopy_names },
	{ "initial_bytes", 8, 8, TRACE_AS_NUMBER },
	{ "dirty_bytes", 16, 8, TRACE_AS_NUMBER },
	{ NULL },
};

/* What of a feature's data says something, by operation and direction. */
static const struct feature {
	uint32_t number;
	const struct trace_row *set, *set_reply, *get, *get_reply;
} features[] = {
	{ VFIO_DEVICE_FEATURE_MIGRATION, NULL, NULL, NULL, migration },
	{ VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, state, state, NULL, state },
	{ VFIO_DEVICE_FEATURE_DMA_LOGGING_START, log_start, NULL, NULL, NULL },
	{ VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, NULL, NULL, log_report, NULL },
	{ VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, NULL, NULL, NULL, data_size },
	{ USER_FEATURE_PRECOPY_INFO, NULL, NULL, NULL, precopy_info },
};

static const struct feature *find(uint32_t flags)
{
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
		if (features[i].number == (flags & VFIO_DEVICE_FEATURE_MASK) && !(flags & VFIO_DEVICE_FEATURE_PROBE))
			return &features[i];
	return NULL;
}

void trace_feature_request(struct trace_list *arguments, const void *bytes, size_t size_bytes)
{
	static const struct trace_row name = { "feature", 4, 4, TRACE_AS_NAME, feature_names };
	static const struct trace_row operation = { "operation", 4, 4, TRACE_AS_FLAGS, operation_names };
	const struct feature *feature;
	const uint8_t *data;
	uint32_t head[2];

	if (size_bytes < HEAD_BYTES)
		return;
	data = (const uint8_t *)bytes + HEAD_BYTES;
	memcpy(head, bytes, sizeof(head));
	trace_add_number(arguments, "argsz", GW_TRACE_NUMBER, head[0]);
	trace_add_value(arguments, &name, head[1] & VFIO_DEVICE_FEATURE_MASK);
	trace_add_value(arguments, &operation, head[1] & ~(uint32_t)VFIO_DEVICE_FEATURE_MASK);
	feature = find(head[1]);
	if (feature && head[1] & VFIO_DEVICE_FEATURE_SET)
		trace_add_rows(arguments, feature->set, data, size_bytes - HEAD_BYTES);
	if (feature && head[1] & VFIO_DEVICE_FEATURE_GET)
		trace_add_rows(arguments, feature->get, data, size_bytes - HEAD_BYTES);
}

/* Bits of a whole report: what follows its three words. */
static void add_dirty_pages(struct trace_list *answers, const uint8_t *bits, size_t size_bytes)
{
	uint64_t nr = 0;

	for (size_t i = 0; i < size_bytes; i++)
		nr += (uint64_t)__builtin_popcount(bits[i]);
	trace_add_number(answers, "dirty_pages", GW_TRACE_NUMBER, nr);
}

void trace_feature_reply(struct trace_list *answers, uint32_t flags, const void *bytes, size_t size_bytes)
{
	const struct feature *feature = find(flags);
	const size_t words_bytes = 24;
	const uint8_t *data;
	size_t data_bytes;

	if (size_bytes < HEAD_BYTES || !feature)
		return;
	data = (const uint8_t *)bytes + HEAD_BYTES;
	data_bytes = size_bytes - HEAD_BYTES;
	if (flags & VFIO_DEVICE_FEATURE_SET)
		trace_add_rows(answers, feature->set_reply, data, data_bytes);
	if (flags & VFIO_DEVICE_FEATURE_GET)
		trace_add_rows(answers, feature->get_reply, data, data_bytes);
	if (feature->number == VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT && data_bytes > words_bytes)
		add_dirty_pages(answers, data + words_bytes, data_bytes - words_bytes);
}
