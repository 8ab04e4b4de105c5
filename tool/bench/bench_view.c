/* SPDX-License-Identifier: BSD-3-Clause */
/* A benchmark as tables: see bench_view.h. */
#include "bench_view.h"

#include "tool/json.h"
#include "tool/units.h"

#include <string.h>

#define NAME_COLUMNS 28

/* A group of series under one head, and what they are on. */
static const struct table {
	const char *group, *on, *head;
} tables[] = {
	{ "arc", "device", "transitions" },
	{ "first-byte", "device", "first byte" },
	{ "read", "device", "read, by buffer size" },
	{ "load", "device", "load, by buffer size" },
	{ "load-time", "device", "load, and out of RESUMING" },
	{ "pre-copy", "device", "pre-copy" },
	{ "stop-copy", "device", "stop-copy, after pre-copy" },
	{ "arc", "peer", "transitions of the peer" },
	{ "load", "peer", "load at the peer" },
	{ "load-time", "peer", "load, and out of RESUMING" },
};

struct units_text bench_view_value(double value, const char *unit)
{
	uint64_t whole = value < 1e18 ? (uint64_t)value : (uint64_t)1e18;

	if (!strcmp(unit, "bytes"))
		return units_size(whole);
	if (!strcmp(unit, "bytes_per_s"))
		return units_rate(whole);
	return units_ms(value / 1000);
}

static void show_name(FILE *out, const json_t *series)
{
	char name[64];
	char *colon;

	snprintf(name, sizeof(name), "%s", json_text(series, "name"));
	colon = strchr(name, ':');
	if (!colon) {
		fprintf(out, "  %-*s", NAME_COLUMNS, name);
		return;
	}
	*colon = 0;
	fprintf(out, "  %s -> %-*s", name, NAME_COLUMNS - 4 - (int)strlen(name), colon + 1);
}

static void show_value(FILE *out, const json_t *series, const char *key)
{
	fprintf(out, " %11s", bench_view_value(json_ms(series, key), json_text(series, "unit")).s);
}

/* How far the median may be off, as a part of it. */
static void show_noise(FILE *out, const json_t *series)
{
	const json_t *between = json_object_get(series, "p50_between");
	double low = json_number_value(json_array_get(between, 0)),
	       high = json_number_value(json_array_get(between, 1));
	double p50 = json_ms(series, "p50");

	if (!between || p50 <= 0)
		fprintf(out, " %11s", "?");
	else
		fprintf(out, " %+5.0f %+3.0f%%", (low / p50 - 1) * 100, (high / p50 - 1) * 100);
}

static void show_head(FILE *out, const struct style *style, const char *head, bool is_rate)
{
	fprintf(out, "\n%s%-*s%s%s %11s %11s %11s %11s%s\n", style_tint(style, TINT_BOLD), NAME_COLUMNS + 2, head,
		style_tint(style, TINT_NONE), style_tint(style, TINT_DIM), "p50", is_rate ? "" : "p99",
		is_rate ? "min" : "max", "p50 within", style_tint(style, TINT_NONE));
}

/* The worst of a rate is the least. */
static void show_series(FILE *out, const json_t *series, bool is_rate)
{
	show_name(out, series);
	show_value(out, series, "p50");
	if (is_rate)
		fprintf(out, " %11s", "");
	else
		show_value(out, series, "p99");
	show_value(out, series, is_rate ? "min" : "max");
	show_noise(out, series);
	fputc('\n', out);
}

static void show_table(FILE *out, const struct style *style, const json_t *measures, const struct table *table)
{
	const json_t *series;
	bool any = false;
	size_t i;

	json_array_foreach(measures, i, series)
	{
		bool is_rate = !strcmp(json_text(series, "unit"), "bytes_per_s");

		if (strcmp(json_text(series, "group"), table->group) || strcmp(json_text(series, "on"), table->on))
			continue;
		if (!any)
			show_head(out, style, table->head, is_rate);
		any = true;
		show_series(out, series, is_rate);
	}
}

/* A few lines of the curve: what is left, as a bar of the most that ever was. */
#define CURVE_LINES 8

static double left_of(const json_t *point)
{
	return json_ms(point, "initial_bytes") + json_ms(point, "dirty_bytes");
}

static void show_point(FILE *out, const struct style *style, const json_t *point, double most)
{
	struct style_bar bar = style_chart(style, left_of(point), most);

	fprintf(out, "  %9s", units_ms(json_ms(point, "us") / 1000).s);
	fprintf(out, " %10s initial", units_size(json_u64(point, "initial_bytes")).s);
	fprintf(out, " %10s dirty  %s%s%s\n", units_size(json_u64(point, "dirty_bytes")).s, style_tint(style, TINT_BAR),
		bar.s, style_tint(style, TINT_NONE));
}

static void show_curve(FILE *out, const struct style *style, const json_t *curve)
{
	const json_t *points = json_object_get(curve, "points"), *point;
	size_t nr = json_array_size(points), i;
	double most = 0;

	json_array_foreach(points, i, point) most = left_of(point) > most ? left_of(point) : most;
	if (most <= 0)
		return;
	fprintf(out, "\n%spre-copy, what is left%s (%s)\n", style_tint(style, TINT_BOLD), style_tint(style, TINT_NONE),
		!strcmp(json_text(curve, "ended"), "empty") ? "until nothing was" : "until nothing more came");
	/* The first, the last, and as many between as there is room for. */
	for (size_t line = 0; line < CURVE_LINES && line < nr; line++)
		show_point(out, style,
			   json_array_get(points, nr <= CURVE_LINES ? line : line * (nr - 1) / (CURVE_LINES - 1)),
			   most);
}

static void show_parallel(FILE *out, const struct style *style, const json_t *parallel)
{
	const json_t *ratios = json_object_get(parallel, "ratios"), *ratio;
	size_t i;

	if (!parallel)
		return;
	fprintf(out, "\n%s%llu devices at once%s, against the device alone %s(medians)%s\n",
		style_tint(style, TINT_BOLD), (unsigned long long)json_u64(parallel, "devices"),
		style_tint(style, TINT_NONE), style_tint(style, TINT_DIM), style_tint(style, TINT_NONE));
	json_array_foreach(ratios, i, ratio)
	{
		fprintf(out, "  %-11s", json_text(ratio, "group"));
		show_name(out, ratio);
		fprintf(out, " %6.2f x", json_ms(ratio, "together"));
		if (json_has(ratio, "all"))
			fprintf(out, "  %s %.2f x",
				strcmp(json_text(ratio, "group"), "arc") ? "all of them" : "the slowest",
				json_ms(ratio, "all"));
		fputc('\n', out);
	}
}

void bench_view_show(FILE *out, const struct style *style, const json_t *bench)
{
	const json_t *device = json_object_get(bench, "device"), *peer = json_object_get(bench, "peer");

	fprintf(out, "device  %s, %s, state %s\n", json_text(device, "uri"), json_text(device, "backend"),
		units_size(json_u64(bench, "state_bytes")).s);
	if (peer)
		fprintf(out, "peer    %s\n", json_text(peer, "uri"));
	fprintf(out, "rounds  %llu, in %s\n", (unsigned long long)json_u64(bench, "rounds"),
		units_ms(json_ms(bench, "took_ms")).s);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		show_table(out, style, json_object_get(bench, "measures"), &tables[i]);
	show_curve(out, style, json_object_get(bench, "precopy_curve"));
	show_parallel(out, style, json_object_get(bench, "parallel"));
}
