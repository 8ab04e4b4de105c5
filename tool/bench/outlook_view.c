/* SPDX-License-Identifier: BSD-3-Clause */
/* An estimate for a person: see outlook_view.h. */
#include "outlook_view.h"

#include "tool/downtime_view.h"
#include "tool/json.h"
#include "tool/units.h"

#include <string.h>

static const struct {
	const char *name, *says;
} assumptions[] = {
	{ "precopy-through",
	  "pre-copy is through; a migration pauses as soon as its limit allows, and may take that long" },
	{ "idle-devices", "the devices are at rest now; what a guest makes them write anew is not counted" },
	{ "no-vcpu-pause", "stopping the vCPUs, and what the VMM does itself, is not counted" },
	{ "same-destination", "the destination's devices load and start as these do (--peer measures them)" },
	{ "no-ram", "the guest's RAM is not counted (--memory, --dirty-rate)" },
	{ "no-round-trip", "messages take no time (--round-trip)" },
	{ "no-log-time", "reading the log of dirty pages is not counted: it could not be measured" },
};

static void show_device(FILE *out, const json_t *device)
{
	const char *peer = json_text(device, "peer");

	fprintf(out, "%-10s %s", json_text(device, "id"), json_text(device, "uri"));
	fprintf(out, "%s%s\n", peer[0] ? " to " : "", peer);
	fprintf(out, "           %s before the pause,", units_size(json_u64(device, "precopy_bytes")).s);
	fprintf(out, " %s in it", units_size(json_u64(device, "stop_copy_bytes")).s);
	if (json_has(device, "read_bytes_per_s"))
		fprintf(out, "; read %s", units_rate(json_u64(device, "read_bytes_per_s")).s);
	if (json_has(device, "load_bytes_per_s"))
		fprintf(out, ", loaded %s", units_rate(json_u64(device, "load_bytes_per_s")).s);
	fprintf(out, "%s\n", json_true_at(device, "untracked") ? "; nobody tells which RAM it wrote" : "");
}

static void show_ram(FILE *out, const json_t *ram)
{
	if (!ram)
		return;
	fprintf(out, "%-10s %s,", "RAM", units_size(json_u64(ram, "total_bytes")).s);
	fprintf(out, " written at %s;", units_rate(json_u64(ram, "dirty_bytes_per_s")).s);
	fprintf(out, " %llu rounds in %s,", (unsigned long long)json_u64(ram, "rounds"),
		units_ms(json_ms(ram, "precopy_ms")).s);
	fprintf(out, " %s left\n", units_size(json_u64(ram, "left_bytes")).s);
}

static void show_downtime(FILE *out, const struct style *style, const json_t *estimate)
{
	bool within = json_true_at(estimate, "within_limit"), known = json_has_number(estimate, "downtime_ms");

	fprintf(out, "%s%-10s %s%s", style_tint(style, TINT_BOLD), "downtime",
		known ? units_ms(json_ms(estimate, "downtime_ms")).s : "not known", style_tint(style, TINT_NONE));
	if (json_has(estimate, "downtime_limit_ms"))
		fprintf(out, ", limit %s: %s%s%s", units_ms(json_ms(estimate, "downtime_limit_ms")).s,
			style_tint(style, within ? TINT_GOOD : TINT_BAD), within ? "within it" : "over it",
			style_tint(style, TINT_NONE));
	fputc('\n', out);
	downtime_view_table(out, style, NULL, json_object_get(estimate, "downtime"));
}

void outlook_view_show(FILE *out, const struct style *style, const json_t *estimate)
{
	const json_t *devices = json_object_get(estimate, "devices"), *device;
	const json_t *assumes = json_object_get(estimate, "assumes"), *assumed;
	uint64_t rate = json_u64(estimate, "bandwidth_bytes_per_s");
	size_t i;

	fprintf(out, "%-10s %s", "bandwidth", units_rate(rate).s);
	fprintf(out, " (%s)\n", units_bit_rate(rate).s);
	json_array_foreach(devices, i, device) show_device(out, device);
	show_ram(out, json_object_get(estimate, "ram"));
	show_downtime(out, style, estimate);
	if (json_has(estimate, "why"))
		fprintf(out, "%s\n", json_text(estimate, "why"));
	fprintf(out, "%s", style_tint(style, TINT_DIM));
	json_array_foreach(assumes, i, assumed)
	{
		for (size_t a = 0; a < sizeof(assumptions) / sizeof(assumptions[0]); a++)
			if (!strcmp(json_string_value(assumed), assumptions[a].name))
				fprintf(out, "- %s\n", assumptions[a].says);
	}
	fprintf(out, "%s", style_tint(style, TINT_NONE));
}
