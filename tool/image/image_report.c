/* SPDX-License-Identifier: BSD-3-Clause */
/* The report of a save or a load: see image_report.h. */
#include "image_report.h"

#include "tool/json.h"
#include "tool/units.h"

#include <godwit/godwit.h>
#include <string.h>
#include <time.h>

#define MS(ns) ((double)(ns) / 1e6)

static const struct flag_name {
	uint32_t flag;
	const char *name;
} migration_flags[] = {
	{ GW_MIGRATION_STOP_COPY, "STOP_COPY" },
	{ GW_MIGRATION_P2P, "P2P" },
	{ GW_MIGRATION_PRE_COPY, "PRE_COPY" },
};

static void set_text(json_t *to, const char *key, const char *text)
{
	/* What is no UTF-8 makes no JSON: then it is left out. */
	json_t *value = text[0] ? json_string(text) : NULL;

	if (value)
		json_object_set_new(to, key, value);
}

static void set_number(json_t *to, const char *key, uint64_t number)
{
	json_object_set_new(to, key, json_integer((json_int_t)number));
}

static void set_time(json_t *to, const struct gw_image_head *head)
{
	time_t seconds = (time_t)head->created_s;
	char text[64];
	struct tm tm;

	if (head->known & GW_IMAGE_KNOWS_TIME && gmtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		set_text(to, "created", text);
}

static void set_identity(json_t *to, const struct gw_image_head *head)
{
	json_t *bars = json_array(), *flags = json_array();

	for (size_t i = 0; i < sizeof(migration_flags) / sizeof(migration_flags[0]); i++)
		if (head->migration_flags & migration_flags[i].flag)
			json_array_append_new(flags, json_string(migration_flags[i].name));
	for (int i = 0; i < GW_IMAGE_NR_BARS; i++)
		json_array_append_new(bars, json_integer((json_int_t)head->bar_bytes[i]));
	if (head->known & GW_IMAGE_KNOWS_PCI)
		json_object_set_new(to, "pci",
				    json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "vendor", (int)head->vendor_id,
					      "device", (int)head->device_id, "subsystem_vendor",
					      (int)head->subsystem_vendor_id, "subsystem_device",
					      (int)head->subsystem_device_id, "class", (int)(head->class_revision >> 8),
					      "revision", (int)(head->class_revision & 0xff)));
	if (head->known & GW_IMAGE_KNOWS_BARS)
		json_object_set(to, "bar_bytes", bars);
	if (head->known & GW_IMAGE_KNOWS_CAPABILITIES)
		json_object_set(to, "migration_flags", flags);
	json_decref(bars);
	json_decref(flags);
}

json_t *image_head_json(const struct gw_image_head *head)
{
	json_t *json = json_object();

	set_number(json, "version", head->version);
	set_text(json, "id", head->id);
	set_text(json, "backend", head->backend);
	set_text(json, "driver", head->driver);
	set_text(json, "origin", head->origin);
	set_text(json, "writer", head->writer);
	set_time(json, head);
	set_identity(json, head);
	if (head->known & GW_IMAGE_KNOWS_SIZE)
		set_number(json, "expected_bytes", head->expected_bytes);
	return json;
}

json_t *image_totals_json(const struct gw_image_totals *totals)
{
	json_t *json = json_object();
	char digest[24];

	snprintf(digest, sizeof(digest), "%016llx", (unsigned long long)totals->state_digest);
	set_number(json, "file_bytes", totals->file_bytes);
	set_number(json, "blocks", totals->nr_blocks);
	set_number(json, "precopy_bytes", totals->precopy_bytes);
	set_number(json, "stop_copy_bytes", totals->stop_copy_bytes);
	if (totals->stopped_ns)
		json_object_set_new(json, "stopped_ms", json_real(MS(totals->stopped_ns)));
	set_text(json, "state_digest", digest);
	return json;
}

static json_t *transitions(const struct gw_image_result *result)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < result->nr_arcs; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:I}", "from", gw_device_state_name(result->arcs[i].from),
						"to", gw_device_state_name(result->arcs[i].to), "us",
						(json_int_t)(result->arcs[i].ns / 1000)));
	return list;
}

static json_t *error_json(int ret, const struct gw_error *e)
{
	return json_pack("{s:s, s:s, s:s}", "code", strerrorname_np(-ret) ? strerrorname_np(-ret) : "?", "where",
			 e->where, "what", e->what);
}

json_t *image_report_json(const char *uri, const char *file, const struct gw_image_result *result, int ret,
			  const struct gw_error *e)
{
	json_t *json = json_object();

	set_text(json, "godwit", gw_version());
	set_text(json, "device", uri);
	set_text(json, "file", file);
	if (ret)
		json_object_set_new(json, "error", error_json(ret, e));
	json_object_set_new(json, "whole", json_boolean((int)result->whole));
	if (result->head.version)
		json_object_set_new(json, "head", image_head_json(&result->head));
	if (result->whole)
		json_object_set_new(json, "totals", image_totals_json(&result->totals));
	json_object_set_new(json, "touched", json_boolean((int)result->touched));
	set_text(json, "state", gw_device_state_name(result->state));
	json_object_set_new(json, "total_ms", json_real(MS(result->total_ns)));
	if (result->stopped_ns)
		json_object_set_new(json, "stopped_ms", json_real(MS(result->stopped_ns)));
	json_object_set_new(json, "transitions", transitions(result));
	return json;
}

static void show_bytes(FILE *out, const json_t *totals)
{
	uint64_t precopy = json_u64(totals, "precopy_bytes"), stop_copy = json_u64(totals, "stop_copy_bytes");

	fprintf(out, "  %-12s %s in %s blocks", "state", units_size(precopy + stop_copy).s,
		units_count(json_u64(totals, "blocks")).s);
	if (precopy)
		fprintf(out, ": %s in pre-copy", units_size(precopy).s);
	if (precopy)
		fprintf(out, ", %s in stop-copy", units_size(stop_copy).s);
	fprintf(out, "\n  %-12s %s\n", "digest", json_text(totals, "state_digest"));
}

static void show_transitions(FILE *out, const json_t *list)
{
	const json_t *arc;
	size_t i;

	json_array_foreach(list, i, arc)
		fprintf(out, "  %-12s %s -> %s, %s\n", i ? "" : "transitions", json_text(arc, "from"),
			json_text(arc, "to"), units_duration(json_u64(arc, "us") * 1000).s);
}

static void show(FILE *out, bool saved, const json_t *report)
{
	const json_t *totals = json_object_get(report, "totals"), *head = json_object_get(report, "head");

	fprintf(out, "%s %s %s %s\n", saved ? "saved" : "loaded", json_text(report, "device"), saved ? "to" : "from",
		json_text(report, "file"));
	show_bytes(out, totals);
	if (saved && json_has(head, "expected_bytes"))
		fprintf(out, "  %-12s %s, as the device told before\n", "expected",
			units_size(json_u64(head, "expected_bytes")).s);
	fprintf(out, "  %-12s %s\n", "file", units_size(json_u64(totals, "file_bytes")).s);
	show_transitions(out, json_object_get(report, "transitions"));
	fprintf(out, "  %-12s %s", "took", units_ms(json_ms(report, "total_ms")).s);
	if (json_has(report, "stopped_ms"))
		fprintf(out, "; the device was stopped for %s", units_ms(json_ms(report, "stopped_ms")).s);
	fprintf(out, "\n  %-12s %s\n", "state now", json_text(report, "state"));
}

void image_report_show_saved(FILE *out, const json_t *report)
{
	show(out, true, report);
}

void image_report_show_loaded(FILE *out, const json_t *report)
{
	show(out, false, report);
}

void image_report_name_file(struct gw_error *e, const char *file)
{
	if (!strcmp(e->where, "image") && strcmp(file, "-") && strlen(file) < sizeof(e->where))
		memcpy(e->where, file, strlen(file) + 1);
}
