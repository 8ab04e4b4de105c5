/* SPDX-License-Identifier: BSD-3-Clause */
/* The report as the JSON of doc/json.md. */
#include "ref/vm/report_json.h"

#include "ref/vm/json_value.h"

#include <stddef.h>

static const struct part {
	const char *key;
	size_t offset;
} downtime_parts[] = {
	{ "pause_ms", offsetof(struct gw_downtime, pause_ns) },
	{ "quiesce_ms", offsetof(struct gw_downtime, quiesce_ns) },
	{ "sync_ms", offsetof(struct gw_downtime, sync_ns) },
	{ "transfer_ms", offsetof(struct gw_downtime, transfer_ns) },
	{ "load_ms", offsetof(struct gw_downtime, load_ns) },
	{ "commit_ms", offsetof(struct gw_downtime, commit_ns) },
	{ "resume_ms", offsetof(struct gw_downtime, resume_ns) },
};

static json_t *downtime_json(const struct gw_downtime *downtime)
{
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(downtime_parts) / sizeof(downtime_parts[0]); i++) {
		const void *ns = (const char *)downtime + downtime_parts[i].offset;

		json_value_ms(object, downtime_parts[i].key, *(const uint64_t *)ns);
	}
	return object;
}

static json_t *ram_json(const struct gw_ram_report *ram, const char *dirty_log)
{
	json_t *object = json_object();

	json_value_count(object, "total_bytes", ram->total_bytes);
	json_value_count(object, "bytes", ram->sent_bytes);
	json_value_count(object, "pages", ram->sent_pages);
	json_value_count(object, "zero_pages", ram->zero_pages);
	json_value_count(object, "rounds", ram->rounds);
	json_value_known_count(object, "rate_bytes_per_s", ram->bytes_per_s);
	if (dirty_log)
		json_object_set_new(object, "dirty_log", json_string(dirty_log));
	return object;
}

static void append_arcs(json_t *array, const char *side, const struct gw_arc_time *arcs, uint32_t nr)
{
	for (uint32_t i = 0; i < nr && i < GW_MAX_ARCS; i++) {
		json_t *arc = json_object();

		json_object_set_new(arc, "side", json_string(side));
		json_object_set_new(arc, "from", json_string(gw_device_state_name(arcs[i].from)));
		json_object_set_new(arc, "to", json_string(gw_device_state_name(arcs[i].to)));
		json_value_count(arc, "us", (arcs[i].ns + 500) / 1000);
		json_array_append_new(array, arc);
	}
}

static json_t *device_json(const struct gw_device_report *device)
{
	json_t *object = json_object(), *transitions = json_array();

	json_object_set_new(object, "id", json_string(device->id));
	json_object_set_new(object, "backend", json_string(device->backend));
	json_value_count(object, "precopy_bytes", device->precopy_bytes);
	json_value_count(object, "stop_copy_bytes", device->stop_copy_bytes);
	json_value_known_ms(object, "load_ms", device->load_ns);
	json_object_set_new(object, "dirty_tracked", json_boolean(device->dirty_tracked));
	json_object_set_new(object, "verified", json_boolean(device->verified));
	append_arcs(transitions, "source", device->source_arcs, device->nr_source_arcs);
	append_arcs(transitions, "destination", device->destination_arcs, device->nr_destination_arcs);
	json_object_set_new(object, "transitions", transitions);
	return object;
}

static void add_times(json_t *object, const struct gw_report *report)
{
	json_value_ms(object, "total_ms", report->total_ns);
	if (report->outcome == GW_COMPLETED)
		json_value_ms(object, "downtime_ms", report->downtime.total_ns);
	json_value_known_ms(object, "downtime_limit_ms", report->downtime_limit_ns);
	json_value_known_ms(object, "expected_downtime_ms", report->expected_downtime_ns);
	if (report->outcome != GW_COMPLETED)
		json_value_known_ms(object, "blackout_ms", report->blackout_ns);
	if (report->outcome == GW_COMPLETED)
		json_object_set_new(object, "downtime", downtime_json(&report->downtime));
}

static json_t *peak_rss_json(const struct gw_report *report)
{
	json_t *object = json_object();

	json_value_known_count(object, "source", report->peak_rss_source_bytes);
	json_value_known_count(object, "destination", report->peak_rss_destination_bytes);
	return object;
}

json_t *report_json(const struct gw_report *report, const char *dirty_log)
{
	json_t *object = json_object(), *devices = json_array();

	json_object_set_new(object, "godwit", json_string(gw_version()));
	json_object_set_new(object, "outcome", json_string(gw_outcome_name(report->outcome)));
	json_object_set_new(object, "verified", json_boolean(report->verified));
	if (report->error.code)
		json_object_set_new(object, "error", json_value_error(&report->error));
	add_times(object, report);
	json_object_set_new(object, "ram", ram_json(&report->ram, dirty_log));
	json_value_known_count(object, "vm_state_bytes", report->vm_state_bytes);
	for (uint32_t i = 0; i < report->nr_devices && i < GW_MAX_DEVICES; i++)
		json_array_append_new(devices, device_json(&report->devices[i]));
	json_object_set_new(object, "devices", devices);
	json_object_set_new(object, "peak_rss_bytes", peak_rss_json(report));
	return object;
}
