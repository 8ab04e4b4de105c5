/* SPDX-License-Identifier: BSD-3-Clause */
/* The answers to "status" and "check". */
#include "ref/vm_control/status_json.h"

#include "ref/vm_control/json_value.h"
#include "ref/vm_control/report_json.h"

#include <unistd.h>

json_t *status_json_guest(struct machine *machine)
{
	json_t *object = json_object();
	struct guest_counters counters;

	machine->executor->counters(machine->guest, &counters);
	json_value_count(object, "errors", counters.errors);
	if (counters.errors)
		json_object_set_new(object, "first_error", json_string(counters.first_error));
	json_value_count(object, "vcpus", counters.nr_vcpus);
	json_object_set_new(object, "running", json_boolean(counters.running));
	json_value_count(object, "pages_written", counters.pages_written);
	json_value_count(object, "pages_checked", counters.pages_checked);
	json_value_count(object, "operations", counters.operations);
	json_value_count(object, "stamps", counters.stamps);
	if (counters.has_peers)
		json_value_count(object, "peer_writes", counters.peer_writes);
	if (machine->executor == &executor_kvm) {
		json_value_count(object, "timer_interrupts", counters.timer_interrupts);
		json_value_count(object, "largest_pause_ns", counters.largest_pause_ns);
	}
	json_value_count(object, "throttle_percent", counters.throttle_percent);
	return object;
}

static json_t *device_json(const struct machine *machine, uint32_t index)
{
	const struct gw_device *dev = machine->devices[index];
	json_t *object = json_object();
	uint64_t peer_writes = 0;
	const char *driver = machine->executor->driver(machine->guest, index, &peer_writes);

	json_object_set_new(object, "id", json_string(gw_device_id(dev)));
	json_object_set_new(object, "backend", json_string(machine->infos[index].backend));
	json_object_set_new(object, "uri", json_string(gw_device_uri(dev)));
	json_object_set_new(object, "driver", json_string(*driver ? driver : "none"));
	if (peer_writes)
		json_value_count(object, "peer_writes", peer_writes);
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

void status_json_failure(json_t *answer, struct machine *machine)
{
	struct gw_error failure = GW_ERROR_NONE;

	if (machine->executor->failure(machine->guest, &failure))
		json_object_set_new(answer, "failure", json_value_error(&failure));
}

void status_json(json_t *answer, struct machine *machine, const struct vm_migration *migration)
{
	const char *uri = vm_migration_uri(migration);
	json_t *devices = json_array();

	status_json_state(answer, migration);
	json_object_set_new(answer, "guest", status_json_guest(machine));
	for (uint32_t i = 0; i < machine->vm.nr_devices; i++)
		json_array_append_new(devices, device_json(machine, i));
	json_object_set_new(answer, "devices", devices);
	json_object_set_new(answer, "dirty_log", json_string(machine->executor->log_name(machine->guest)));
	json_object_set_new(answer, "cpu", json_string(machine->executor->name));
	if (machine->why[0])
		json_object_set_new(answer, "cpu_why", json_string(machine->why));
	status_json_failure(answer, machine);
	if (uri)
		json_object_set_new(answer, "incoming", json_string(uri));
	json_object_set_new(answer, "pid", json_integer(getpid()));
}
