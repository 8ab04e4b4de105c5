/* SPDX-License-Identifier: BSD-3-Clause */
/* A downtime and its parts as JSON. */
#include "ref/vm_control/downtime_json.h"

#include "ref/vm_control/json_value.h"

#include <stddef.h>

static const struct part {
	const char *key;
	size_t offset;
} parts[] = {
	{ "pause_ms", offsetof(struct gw_downtime, pause_ns) },
	{ "quiesce_ms", offsetof(struct gw_downtime, quiesce_ns) },
	{ "sync_ms", offsetof(struct gw_downtime, sync_ns) },
	{ "transfer_ms", offsetof(struct gw_downtime, transfer_ns) },
	{ "load_ms", offsetof(struct gw_downtime, load_ns) },
	{ "commit_ms", offsetof(struct gw_downtime, commit_ns) },
	{ "resume_ms", offsetof(struct gw_downtime, resume_ns) },
};

json_t *downtime_json(const struct gw_downtime *downtime)
{
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const void *ns = (const char *)downtime + parts[i].offset;

		json_value_ms_or_null(object, parts[i].key, *(const uint64_t *)ns);
	}
	return object;
}

int downtime_json_is_known(const struct gw_downtime *predicted)
{
	return predicted->total_ns && predicted->total_ns != UINT64_MAX;
}

void downtime_json_predicted(json_t *object, const struct gw_downtime *predicted)
{
	json_value_ms_or_null(object, "predicted_ms", predicted->total_ns ? predicted->total_ns : UINT64_MAX);
	json_object_set_new(object, "predicted", predicted->total_ns ? downtime_json(predicted) : json_null());
}
