/* SPDX-License-Identifier: BSD-3-Clause */
/* The report of a migration for a person: see report_view.h. */
#include "report_view.h"

#include "json.h"
#include "units.h"

#include <string.h>

/* What an outcome means for the person who asked. */
static const struct outcome_text {
	const char *outcome;
	enum tint tint;
	const char *text;
} outcome_texts[] = {
	{ "completed", TINT_GOOD, "the guest runs at the destination" },
	{ "rolled-back", TINT_BAD, "the guest runs at the source, as before" },
	{ "owner-unknown", TINT_BAD,
	  "the source is paused: find out whether the destination runs the guest, then\n"
	  "\"godwit vm --control SOCKET resume\" or \"discard\" at the source" },
};

/* The parts of the downtime in the order in which they follow each other. */
static const struct part {
	const char *key, *name, *what;
} parts[] = {
	{ "pause_ms", "pause", "vCPUs stop" },
	{ "quiesce_ms", "quiesce", "devices stop" },
	{ "sync_ms", "dirty sync", "what was written last" },
	{ "transfer_ms", "transfer", "last RAM and device state" },
	{ "load_ms", "load", "after the last byte" },
	{ "commit_ms", "commit", "the handover" },
	{ "resume_ms", "resume", "devices and vCPUs start" },
};

#define PART_COLUMNS 27 /* the widest of what, and a blank before the bar */
#define NR_PARTS     (sizeof(parts) / sizeof(parts[0]))

static void show_outcome(FILE *out, const struct style *style, const json_t *report)
{
	const char *outcome = json_text(report, "outcome"), *what = "", *verified = "";
	enum tint tint = TINT_BAD;

	for (size_t i = 0; i < sizeof(outcome_texts) / sizeof(outcome_texts[0]); i++) {
		if (strcmp(outcome_texts[i].outcome, outcome))
			continue;
		tint = outcome_texts[i].tint;
		what = outcome_texts[i].text;
	}
	if (json_true_at(report, "verified"))
		verified = ", verified";
	else if (tint == TINT_GOOD)
		verified = ", not verified";
	fprintf(out, "%s%s%s%s: %s\n", style_tint(style, tint), outcome, verified, style_tint(style, TINT_NONE), what);
}

static void show_times(FILE *out, const json_t *report)
{
	fprintf(out, "  %-12s %s\n", "total", units_ms(json_ms(report, "total_ms")).s);
	if (json_has(report, "downtime_ms"))
		fprintf(out, "  %-12s %s (%s allowed, %s expected)\n", "downtime",
			units_ms(json_ms(report, "downtime_ms")).s, units_ms(json_ms(report, "downtime_limit_ms")).s,
			units_ms(json_ms(report, "expected_downtime_ms")).s);
	if (json_has(report, "blackout_ms"))
		fprintf(out, "  %-12s %s (the guest stood still before it went on here)\n", "blackout",
			units_ms(json_ms(report, "blackout_ms")).s);
}

static void show_downtime(FILE *out, const struct style *style, const json_t *report)
{
	const json_t *downtime = json_object_get(report, "downtime");
	double most = 0;
	size_t i;

	if (!downtime)
		return;
	for (i = 0; i < NR_PARTS; i++)
		if (json_ms(downtime, parts[i].key) > most)
			most = json_ms(downtime, parts[i].key);
	for (i = 0; i < NR_PARTS; i++) {
		double ms = json_ms(downtime, parts[i].key);
		struct style_bar bar = style_chart(style, ms, most);

		fprintf(out, "    %-10s %9.2f ms  %s%-*s%s", parts[i].name, ms, style_tint(style, TINT_DIM),
			bar.s[0] ? PART_COLUMNS : 0, parts[i].what, style_tint(style, TINT_NONE));
		if (bar.s[0])
			fprintf(out, "%s%s%s", style_tint(style, TINT_BAR), bar.s, style_tint(style, TINT_NONE));
		fputc('\n', out);
	}
}

static void show_ram(FILE *out, const json_t *ram)
{
	uint64_t rounds = json_u64(ram, "rounds");

	fprintf(out, "  %-12s %s in %llu round%s: %s sent, %s pages all zero, %s\n", "RAM",
		units_size(json_u64(ram, "total_bytes")).s, (unsigned long long)rounds, rounds == 1 ? "" : "s",
		units_size(json_u64(ram, "bytes")).s, units_count(json_u64(ram, "zero_pages")).s,
		units_rate(json_u64(ram, "rate_bytes_per_s")).s);
	if (json_has(ram, "dirty_log"))
		fprintf(out, "  %-12s %s\n", "dirty log", json_text(ram, "dirty_log"));
}

struct arcs {
	uint64_t sum_us[2], nr; /* by side: source, destination */
	const json_t *slowest;
};

static struct arcs count_arcs(const json_t *transitions)
{
	struct arcs arcs = { .nr = json_array_size(transitions) };
	const json_t *arc;
	size_t i;

	json_array_foreach(transitions, i, arc)
	{
		arcs.sum_us[!strcmp(json_text(arc, "side"), "destination")] += json_u64(arc, "us");
		if (!arcs.slowest || json_u64(arc, "us") > json_u64(arcs.slowest, "us"))
			arcs.slowest = arc;
	}
	return arcs;
}

/* What was not reached, in a migration that was rolled back, is not shown. */
static void show_device(FILE *out, const json_t *device)
{
	struct arcs arcs = count_arcs(json_object_get(device, "transitions"));

	fprintf(out, "  %-12.12s %s before the pause", json_text(device, "id"),
		units_size(json_u64(device, "precopy_bytes")).s);
	if (json_u64(device, "stop_copy_bytes"))
		fprintf(out, ", %s in it", units_size(json_u64(device, "stop_copy_bytes")).s);
	if (json_ms(device, "load_ms") > 0)
		fprintf(out, ", loaded in %s", units_ms(json_ms(device, "load_ms")).s);
	fputc('\n', out);
	if (!arcs.slowest)
		return;
	fprintf(out, "  %-12s %llu transitions: source %s", "", (unsigned long long)arcs.nr,
		units_duration(arcs.sum_us[0] * 1000).s);
	if (arcs.sum_us[1])
		fprintf(out, ", destination %s", units_duration(arcs.sum_us[1] * 1000).s);
	fprintf(out, "; slowest %s to %s %s\n", json_text(arcs.slowest, "from"), json_text(arcs.slowest, "to"),
		units_duration(json_u64(arcs.slowest, "us") * 1000).s);
}

/* What only the demo knows: the guest's own findings. */
static void show_guest(FILE *out, const json_t *guest)
{
	uint64_t errors = json_u64(guest, "source_errors") + json_u64(guest, "destination_errors");

	fprintf(out, "  %-12s %s errors in %s pages, %s stamps and %s operations of the devices\n", "guest",
		errors ? units_count(errors).s : "no", units_count(json_u64(guest, "pages_checked")).s,
		units_count(json_u64(guest, "stamps")).s, units_count(json_u64(guest, "operations")).s);
	if (json_has(guest, "first_error"))
		fprintf(out, "  %-12s %s\n", "", json_text(guest, "first_error"));
}

void report_view_show(FILE *out, const struct style *style, const json_t *report)
{
	const json_t *devices = json_object_get(report, "devices"), *rss = json_object_get(report, "peak_rss_bytes");
	const json_t *guest = json_object_get(report, "guest"), *device;
	size_t i;

	show_outcome(out, style, report);
	fputc('\n', out);
	show_times(out, report);
	show_downtime(out, style, report);
	fputc('\n', out);
	if (json_has(report, "ram"))
		show_ram(out, json_object_get(report, "ram"));
	json_array_foreach(devices, i, device) show_device(out, device);
	if (json_u64(rss, "source"))
		fprintf(out, "  %-12s %s at the source, %s at the destination (guest RAM included)\n", "peak memory",
			units_size(json_u64(rss, "source")).s, units_size(json_u64(rss, "destination")).s);
	if (guest)
		show_guest(out, guest);
}
