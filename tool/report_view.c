/* SPDX-License-Identifier: BSD-3-Clause */
/* The report of a migration for a person: see report_view.h. */
#include "report_view.h"

#include "downtime_view.h"
#include "json.h"
#include "migration.h"
#include "owner_advice.h"
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
	{ "owner-unknown", TINT_BAD, "the source is paused until it is known who has the guest" },
};

static const char rollback_failed[] = "the guest is at the source, but it or a device could not be set going again";

static const char *dry_run_finding(const json_t *report)
{
	if (migration_is_possible(report))
		return "nothing speaks against it";
	if (json_array_size(json_object_get(report, "blockers")))
		return "see the blockers";
	return json_text(json_object_get(report, "error"), "what");
}

static void show_dry_run(FILE *out, const struct style *style, const json_t *report)
{
	bool possible = migration_is_possible(report);

	fprintf(out, "%s%s%s: %s; the guest was not stopped\n", style_tint(style, possible ? TINT_GOOD : TINT_BAD),
		possible ? "can migrate" : "cannot migrate", style_tint(style, TINT_NONE), dry_run_finding(report));
}

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
	if (json_true_at(report, "rollback_failed"))
		what = rollback_failed;
	if (json_true_at(report, "verified"))
		verified = ", verified";
	else if (tint == TINT_GOOD)
		verified = ", not verified";
	fprintf(out, "%s%s%s%s: %s\n", style_tint(style, tint), outcome, verified, style_tint(style, TINT_NONE), what);
}

/* All of them, each with the code that programs know it by. */
static void show_blockers(FILE *out, const json_t *blockers)
{
	const json_t *blocker;
	size_t i;

	json_array_foreach(blockers, i, blocker)
	{
		const char *where = json_text(blocker, "where");

		fprintf(out, "  [%s] %s%s%s\n", json_text(blocker, "code"), where, where[0] ? ": " : "",
			json_text(blocker, "what"));
	}
}

static void show_prediction(FILE *out, const json_t *report)
{
	const char *dry_run = json_text(json_object_get(report, "handover"), "dry_run");
	double percent = json_ms(report, "prediction_error_percent");

	fprintf(out, "  %-12s ", "predicted");
	if (!json_has_number(report, "predicted_ms"))
		fprintf(out, "not known%s\n",
			strcmp(dry_run, "compare") ? "" : " without a pre-copy (--dry-run --precopy)");
	else if (json_has_number(report, "prediction_error_percent"))
		fprintf(out, "%s (%.0f %% too %s)\n", units_ms(json_ms(report, "predicted_ms")).s,
			percent < 0 ? -percent : percent, percent < 0 ? "short" : "long");
	else
		fprintf(out, "%s (%s allowed)\n", units_ms(json_ms(report, "predicted_ms")).s,
			units_ms(json_ms(report, "downtime_limit_ms")).s);
}

static void show_times(FILE *out, const json_t *report)
{
	fprintf(out, "  %-12s %s\n", "total", units_ms(json_ms(report, "total_ms")).s);
	if (json_has(report, "downtime_ms"))
		fprintf(out, "  %-12s %s (%s allowed)\n", "downtime", units_ms(json_ms(report, "downtime_ms")).s,
			units_ms(json_ms(report, "downtime_limit_ms")).s);
	show_prediction(out, report);
	if (json_has(report, "blackout_ms"))
		fprintf(out, "  %-12s %s (the guest stood still in vain)\n", "blackout",
			units_ms(json_ms(report, "blackout_ms")).s);
}

static void show_arbiter(FILE *out, const json_t *handover)
{
	const char *side = json_text(handover, "claimed_by");

	if (json_true_at(handover, "arbiter"))
		fprintf(out, "  %-12s %s%s\n", "arbiter", side[0] ? "named the " : "",
			side[0] ? side : "has not named a side");
}

/* What happened on the way that should not have to, or that somebody allowed. */
static void show_handover(FILE *out, const json_t *report)
{
	const json_t *handover = json_object_get(report, "handover");
	unsigned long long reconnects = json_u64(report, "reconnects"), taken_back = json_u64(handover, "taken_back");
	unsigned long long throttle = json_u64(handover, "throttle_percent");

	show_arbiter(out, handover);
	if (reconnects)
		fprintf(out, "  %-12s %llu time%s: the connection broke and was made again\n", "reconnected",
			reconnects, reconnects == 1 ? "" : "s");
	if (taken_back)
		fprintf(out, "  %-12s %llu switchover%s: a device had new data to be loaded first\n", "taken back",
			taken_back, taken_back == 1 ? "" : "s");
	if (throttle)
		fprintf(out, "  %-12s vCPUs slowed by %llu %% in the end\n", "throttled", throttle);
	if (json_true_at(handover, "allowed_no_p2p"))
		fprintf(out, "  %-12s waived (--allow-no-p2p): right only if no device wrote to another\n", "P2P");
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
	if (json_u64(device, "rearmed"))
		fprintf(out, ", re-armed %llu times", (unsigned long long)json_u64(device, "rearmed"));
	if (!strcmp(json_text(device, "dirty_source"), "none"))
		fprintf(out, "; nobody knows what it wrote: all RAM counts");
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

/* A comparison alone moves nothing, and has nothing more to tell. */
static bool has_moved_data(const json_t *report)
{
	return json_u64(json_object_get(report, "ram"), "rounds") > 0;
}

static void show_data(FILE *out, const json_t *report)
{
	const json_t *devices = json_object_get(report, "devices"), *rss = json_object_get(report, "peak_rss_bytes");
	const json_t *device;
	size_t i;

	fputc('\n', out);
	show_ram(out, json_object_get(report, "ram"));
	json_array_foreach(devices, i, device) show_device(out, device);
	if (!json_u64(rss, "source"))
		return;
	fprintf(out, "  %-12s %s at the source", "peak memory", units_size(json_u64(rss, "source")).s);
	if (json_u64(rss, "destination"))
		fprintf(out, ", %s at the destination", units_size(json_u64(rss, "destination")).s);
	fprintf(out, " (guest RAM included)\n");
}

void report_view_show(FILE *out, const struct style *style, const json_t *report, const char *control)
{
	const json_t *guest = json_object_get(report, "guest");

	(migration_was_dry(report) ? show_dry_run : show_outcome)(out, style, report);
	show_blockers(out, json_object_get(report, "blockers"));
	if (control && !strcmp(json_text(report, "outcome"), "owner-unknown"))
		owner_advice_show(out, "source", control, json_object_get(report, "handover"));
	fputc('\n', out);
	show_times(out, report);
	downtime_view_table(out, style, json_object_get(report, "downtime"), json_object_get(report, "predicted"));
	show_handover(out, report);
	if (has_moved_data(report))
		show_data(out, report);
	if (guest)
		show_guest(out, guest);
}
