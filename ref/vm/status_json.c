/* SPDX-License-Identifier: BSD-3-Clause */
/* The answers to "status" and "check". */
#include "ref/vm/status_json.h"

#include "ref/vm/json_value.h"
#include "ref/vm/report_json.h"

#include <unistd.h>

json_t *status_json_guest(struct machine *machine)
{
	json_t *object = json_object();
	struct guest_counters counters;

	guest_get_counters(&machine->guest, &counters);
	json_value_count(object, "errors", counters.errors);
	if (counters.errors)
		json_object_set_new(object, "first_error", json_string(counters.first_error));
	json_value_count(object, "vcpus", counters.nr_vcpus);
	json_object_set_new(object, "running", json_boolean(counters.running));
	json_value_count(object, "pages_written", counters.pages_written);
	json_value_count(object, "pages_checked", counters.pages_checked);
	json_value_count(object, "operations", counters.operations);
	json_value_count(object, "stamps", counters.stamps);
	if (machine->peers.nr)
		json_value_count(object, "peer_writes", counters.peer_writes);
	json_value_count(object, "throttle_percent", counters.throttle_percent);
	return object;
}

static json_t *device_json(const struct machine *machine, uint32_t index)
{
	const struct guest_device *device = &machine->guest.devices[index];
	struct driver_counters counters = { 0 };
	json_t *object = json_object();

	json_object_set_new(object, "id", json_string(gw_device_id(device->dev)));
	json_object_set_new(object, "backend", json_string(machine->infos[index].backend));
	json_object_set_new(object, "uri", json_string(gw_device_uri(device->dev)));
	json_object_set_new(object, "driver", json_string(device->driver ? device->driver->name : "none"));
	if (device->driver)
		device->driver->counters(device->driver_ctx, &counters);
	if (machine->peers.nr)
		json_value_count(object, "peer_writes", counters.peer_writes);
	return object;
}

void status_json_state(json_t *answer, const struct vm_migration *migration)
{
	const struct gw_report *report = &migration->report;
	json_t *last;

	json_object_set_new(answer, "state", json_string(vm_state_name(vm_migration_state(migration))));
	if (!migration->side)
		return;
	last = json_object();
	json_object_set_new(last, "side", json_string(migration->side == GW_SIDE_SOURCE ? "source" : "destination"));
	json_object_set_new(last, "outcome", json_string(gw_outcome_name(report->outcome)));
	if (report->error.code)
		json_object_set_new(last, "error", json_value_error(&report->error));
	json_object_set_new(last, "handover", report_json_handover(&report->handover));
	json_object_set_new(answer, "last_migration", last);
}

void status_json(json_t *answer, struct machine *machine, const struct vm_migration *migration)
{
	const char *uri = vm_migration_uri(migration);
	json_t *devices = json_array();

	status_json_state(answer, migration);
	json_object_set_new(answer, "guest", status_json_guest(machine));
	for (uint32_t i = 0; i < machine->guest.nr_devices; i++)
		json_array_append_new(devices, device_json(machine, i));
	json_object_set_new(answer, "devices", devices);
	json_object_set_new(answer, "dirty_log", json_string(gw_process_log_name(machine->log)));
	if (uri)
		json_object_set_new(answer, "incoming", json_string(uri));
	json_object_set_new(answer, "pid", json_integer(getpid()));
}
