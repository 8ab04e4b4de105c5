/* SPDX-License-Identifier: BSD-3-Clause */
/* Progress as the JSON of doc/json.md. */
#include "ref/vm_control/progress_json.h"

#include "ref/vm_control/downtime_json.h"
#include "ref/vm_control/json_value.h"

static json_t *device_json(const struct gw_device_progress *device)
{
	json_t *object = json_object();

	json_object_set_new(object, "id", json_string(device->id));
	json_object_set_new(object, "state", json_string(gw_device_state_name(device->state)));
	json_value_count(object, "bytes", device->bytes);
	if (device->sizes_known)
		json_value_count(object, "remaining_bytes", device->remaining_bytes);
	return object;
}

static json_t *ram_json(const struct gw_progress *progress)
{
	json_t *object = json_object();

	json_value_count(object, "total_bytes", progress->ram_total_bytes);
	json_value_count(object, "sent_bytes", progress->ram_sent_bytes);
	json_value_count(object, "remaining_bytes", progress->ram_remaining_bytes);
	return object;
}

json_t *progress_json(const struct gw_progress *progress)
{
	json_t *object = json_object(), *devices = json_array();

	json_object_set_new(object, "event", json_string("progress"));
	json_object_set_new(object, "phase", json_string(progress->phase));
	json_value_ms(object, "elapsed_ms", progress->elapsed_ns);
	json_value_count(object, "round", progress->round);
	json_object_set_new(object, "outcome", json_string(gw_outcome_name(progress->outcome)));
	json_object_set_new(object, "ram", ram_json(progress));
	json_value_count(object, "rate_bytes_per_s", progress->bytes_per_s);
	json_value_count(object, "dirty_bytes_per_s", progress->dirty_bytes_per_s);
	downtime_json_predicted(object, &progress->predicted);
	json_value_known_ms(object, "downtime_limit_ms", progress->downtime_limit_ns);
	json_value_count(object, "throttle_percent", progress->throttle_percent);
	json_value_count(object, "reconnects", progress->nr_reconnects);
	for (uint32_t i = 0; i < progress->nr_devices; i++)
		json_array_append_new(devices, device_json(&progress->devices[i]));
	json_object_set_new(object, "devices", devices);
	return object;
}
