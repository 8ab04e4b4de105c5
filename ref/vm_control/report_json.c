/* SPDX-License-Identifier: BSD-3-Clause */
/* The report as the JSON of doc/json.md. */
#include "ref/vm_control/report_json.h"

#include "ref/vm_control/downtime_json.h"
#include "ref/vm_control/json_value.h"

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
	json_object_set_new(object, "dirty_source", json_string(gw_dirty_source_name(device->dirty_source)));
	json_value_count(object, "rearmed", device->nr_rearmed);
	json_object_set_new(object, "verified", json_boolean(device->verified));
	append_arcs(transitions, "source", device->source_arcs, device->nr_source_arcs);
	append_arcs(transitions, "destination", device->destination_arcs, device->nr_destination_arcs);
	json_object_set_new(object, "transitions", transitions);
	return object;
}

/* By how much of the measured downtime the prediction was too long; less than 0: too short. */
static json_t *prediction_error_json(const struct gw_report *report)
{
	uint64_t measured = report->outcome == GW_COMPLETED ? report->downtime.total_ns : 0;
	double percent;

	if (!measured || !downtime_json_is_known(&report->predicted))
		return json_null();
	percent = ((double)report->predicted.total_ns - (double)measured) * 100.0 / (double)measured;
	return json_real((double)(long long)(percent * 10 + (percent < 0 ? -0.5 : 0.5)) / 10);
}

static void add_times(json_t *object, const struct gw_report *report)
{
	json_value_ms(object, "total_ms", report->total_ns);
	if (report->outcome == GW_COMPLETED)
		json_value_ms(object, "downtime_ms", report->downtime.total_ns);
	json_value_known_ms(object, "downtime_limit_ms", report->downtime_limit_ns);
	downtime_json_predicted(object, &report->predicted);
	json_object_set_new(object, "prediction_error_percent", prediction_error_json(report));
	json_value_known_ms(object, "blackout_ms", report->blackout_ns);
	if (report->outcome == GW_COMPLETED)
		json_object_set_new(object, "downtime", downtime_json(&report->downtime));
}

static json_t *claimed_by_json(uint32_t side)
{
	if (side == GW_SIDE_SOURCE)
		return json_string("source");
	return side == GW_SIDE_DESTINATION ? json_string("destination") : json_null();
}

static json_t *dry_run_json(uint32_t flags)
{
	if (flags & GW_REHEARSE)
		return json_string("precopy");
	return flags & GW_DRY_RUN ? json_string("compare") : json_null();
}

json_t *report_json_handover(const struct gw_handover *handover)
{
	json_t *object = json_object();

	json_object_set_new(object, "arbiter", json_boolean(handover->arbiter));
	json_object_set_new(object, "claimed_by", claimed_by_json(handover->claimed_by));
	json_object_set_new(object, "committed", json_boolean(handover->committed));
	json_value_count(object, "taken_back", handover->nr_taken_back);
	json_object_set_new(object, "allowed_no_p2p", json_boolean(handover->allowed_no_p2p));
	json_value_count(object, "throttle_percent", handover->throttle_percent);
	json_object_set_new(object, "dry_run", dry_run_json(handover->dry_run));
	return object;
}

static json_t *blockers_json(const struct gw_report *report)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < report->nr_blockers && i < GW_MAX_BLOCKERS; i++) {
		const struct gw_blocker *blocker = &report->blockers[i];
		json_t *object = json_object();

		json_object_set_new(object, "code", json_string(blocker->code));
		json_object_set_new(object, "where", json_string(blocker->where));
		json_object_set_new(object, "what", json_string(blocker->what));
		json_array_append_new(array, object);
	}
	return array;
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
	json_object_set_new(object, "rollback_failed", json_boolean(report->rollback_failed));
	json_object_set_new(object, "verified", json_boolean(report->verified));
	if (report->error.code)
		json_object_set_new(object, "error", json_value_error(&report->error));
	add_times(object, report);
	json_object_set_new(object, "handover", report_json_handover(&report->handover));
	json_value_count(object, "reconnects", report->handover.nr_reconnects);
	json_object_set_new(object, "blockers", blockers_json(report));
	json_object_set_new(object, "ram", ram_json(&report->ram, dirty_log));
	json_value_known_count(object, "vm_state_bytes", report->vm_state_bytes);
	for (uint32_t i = 0; i < report->nr_devices && i < GW_MAX_DEVICES; i++)
		json_array_append_new(devices, device_json(&report->devices[i]));
	json_object_set_new(object, "devices", devices);
	json_object_set_new(object, "peak_rss_bytes", peak_rss_json(report));
	return object;
}
