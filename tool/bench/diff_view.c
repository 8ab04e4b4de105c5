/* SPDX-License-Identifier: BSD-3-Clause */
/* Two benchmarks compared, for a person: see bench_view.h. */
#include "bench_view.h"

#include "tool/json.h"
#include "tool/units.h"

#include <stdlib.h>
#include <string.h>

/* Verdicts in the order in which they are of interest, and what they say. */
static const struct {
	const char *name, *says;
	enum tint tint;
} verdicts[] = {
	{ "worse", "worse", TINT_BAD },
	{ "better", "better", TINT_GOOD },
	{ "little", "differs by less than the threshold", TINT_NONE },
	{ "unsure", "cannot tell: too few samples", TINT_DIM },
	{ "same", "within the noise", TINT_DIM },
};

#define NR_VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

static void show_series_name(FILE *out, const json_t *row)
{
	const char *on = json_text(row, "on");
	char name[256];

	snprintf(name, sizeof(name), "%s %s%s%s%s", json_text(row, "group"), json_text(row, "name"),
		 strcmp(on, "device") ? " (" : "", strcmp(on, "device") ? on : "", strcmp(on, "device") ? ")" : "");
	fprintf(out, "  %-42s", name);
}

static void show_row(FILE *out, const struct style *style, const json_t *row, size_t verdict)
{
	const char *unit = json_text(row, "unit");

	show_series_name(out, row);
	fprintf(out, " %11s ->", bench_view_value(json_ms(json_object_get(row, "a"), "p50"), unit).s);
	fprintf(out, " %11s %+7.1f%%  ", bench_view_value(json_ms(json_object_get(row, "b"), "p50"), unit).s,
		json_ms(row, "change_percent"));
	fprintf(out, "%s%s%s\n", style_tint(style, verdicts[verdict].tint), verdicts[verdict].says,
		verdicts[verdict].tint ? style_tint(style, TINT_NONE) : "");
}

static void show_difference(FILE *out, const json_t *row)
{
	char *a = json_dumps(json_object_get(row, "a"), JSON_ENCODE_ANY | JSON_COMPACT);
	char *b = json_dumps(json_object_get(row, "b"), JSON_ENCODE_ANY | JSON_COMPACT);

	fprintf(out, "  %s %s: %s, %s\n", json_text(row, "of"), json_text(row, "key"), a ? a : "absent",
		b ? b : "absent");
	free(a);
	free(b);
}

static void show_only(FILE *out, const json_t *rows, const char *which)
{
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		show_series_name(out, row);
		fprintf(out, " only in %s\n", which);
	}
}

void diff_view_show(FILE *out, const struct style *style, const json_t *diff)
{
	const json_t *series = json_object_get(diff, "series"), *row;
	const json_t *differences = json_object_get(diff, "differences");
	unsigned nr[NR_VERDICTS] = { 0 };
	size_t i;

	fprintf(out, "A  %s\nB  %s\n", json_text(diff, "a"), json_text(diff, "b"));
	if (json_array_size(differences))
		fprintf(out, "\n%snot alike beside what was measured%s\n", style_tint(style, TINT_BOLD),
			style_tint(style, TINT_NONE));
	json_array_foreach(differences, i, row) show_difference(out, row);
	fputc('\n', out);
	for (size_t v = 0; v < NR_VERDICTS; v++) {
		json_array_foreach(series, i, row)
		{
			if (strcmp(json_text(row, "verdict"), verdicts[v].name))
				continue;
			nr[v]++;
			show_row(out, style, row, v);
		}
	}
	show_only(out, json_object_get(diff, "only_a"), "A");
	show_only(out, json_object_get(diff, "only_b"), "B");
	fputc('\n', out);
	for (size_t v = 0; v < NR_VERDICTS; v++)
		fprintf(out, "%s%u %s", v ? ", " : "", nr[v], verdicts[v].name);
	fprintf(out, " (threshold %g %%)\n", json_ms(diff, "threshold_percent"));
}
