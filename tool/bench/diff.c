/* SPDX-License-Identifier: BSD-3-Clause */
/* Benchmarks compared: see diff.h. */
#include "diff.h"

#include "quantile.h"
#include "tool/json.h"
#include "tool/say.h"

#include <errno.h>
#include <string.h>

static const char *const verdict_names[] = {
	[DIFF_SAME] = "same",   [DIFF_LITTLE] = "little", [DIFF_BETTER] = "better",
	[DIFF_WORSE] = "worse", [DIFF_UNSURE] = "unsure",
};

const char *diff_verdict_name(enum diff_verdict verdict)
{
	return verdict_names[verdict];
}

struct diff diff_judge(const struct measure *a, const struct measure *b, double threshold)
{
	double before = measure_quantile(a, 0.5), now = measure_quantile(b, 0.5);
	struct diff diff = { .verdict = DIFF_UNSURE, .change = before > 0 ? now / before - 1 : 0 };
	double a_low, a_high, b_low, b_high, size = diff.change < 0 ? -diff.change : diff.change;

	if (!quantile_median_interval(a->samples, a->nr, &a_low, &a_high) ||
	    !quantile_median_interval(b->samples, b->nr, &b_low, &b_high))
		return diff;
	if (b_low <= a_high && a_low <= b_high)
		diff.verdict = DIFF_SAME;
	else if (before > 0 && size <= threshold) /* out of nothing, anything is more than any threshold */
		diff.verdict = DIFF_LITTLE;
	else if ((now > before) == (a->unit == MEASURE_RATE))
		diff.verdict = DIFF_BETTER;
	else
		diff.verdict = DIFF_WORSE;
	return diff;
}

static int read_measures(struct measure_list *list, const json_t *document, const char *name, struct gw_error *e)
{
	if (strcmp(json_text(document, "document"), "bench"))
		return gw_error_set(e, -EBADMSG, name, "this is no output of \"godwit bench --json\"");
	return measure_from_json(list, json_object_get(document, "measures"), name, e);
}

static json_t *side_json(const struct measure *m)
{
	json_t *side = json_pack("{s:f, s:I}", "p50", measure_quantile(m, 0.5), "count", (json_int_t)m->nr);
	double low, high;

	if (quantile_median_interval(m->samples, m->nr, &low, &high))
		json_object_set_new(side, "p50_between", json_pack("[f, f]", low, high));
	return side;
}

static json_t *series_json(const struct measure *m)
{
	return json_pack("{s:s, s:s, s:s}", "group", m->group, "name", m->name, "on", m->on);
}

/* What both have, judged; what only A has is listed. */
static void add_series(json_t *diff, const struct measure_list *a, const struct measure_list *b, double threshold,
		       unsigned *worse)
{
	json_t *series = json_array(), *only_a = json_array();

	for (size_t i = 0; i < a->nr; i++) {
		const struct measure *m = &a->items[i], *other = measure_find(b, m->on, m->group, m->name);
		json_t *row = series_json(m);
		struct diff judged;

		if (!other || other->unit != m->unit) {
			json_array_append_new(only_a, row);
			continue;
		}
		judged = diff_judge(m, other, threshold);
		*worse += judged.verdict == DIFF_WORSE;
		json_object_set_new(row, "unit", json_string(measure_unit_name(m->unit)));
		json_object_set_new(row, "a", side_json(m));
		json_object_set_new(row, "b", side_json(other));
		json_object_set_new(row, "change_percent", json_real(judged.change * 100));
		json_object_set_new(row, "verdict", json_string(diff_verdict_name(judged.verdict)));
		json_array_append_new(series, row);
	}
	json_object_set_new(diff, "series", series);
	json_object_set_new(diff, "only_a", only_a);
}

static void add_only_b(json_t *diff, const struct measure_list *a, const struct measure_list *b)
{
	json_t *only_b = json_array();

	for (size_t i = 0; i < b->nr; i++) {
		const struct measure *m = &b->items[i], *other = measure_find(a, m->on, m->group, m->name);

		if (!other || other->unit != m->unit)
			json_array_append_new(only_b, series_json(m));
	}
	json_object_set_new(diff, "only_b", only_b);
}

static void add_difference(json_t *differences, const char *of, const char *key, const json_t *a, const json_t *b)
{
	json_t *row;

	if (!a && !b)
		return;
	if (a && b && json_equal(a, b))
		return;
	row = json_pack("{s:s, s:s}", "of", of, "key", key);
	if (a)
		json_object_set(row, "a", (json_t *)a);
	if (b)
		json_object_set(row, "b", (json_t *)b);
	json_array_append_new(differences, row);
}

/* What else is compared: the devices and what they can do, the hosts. It explains, and is no verdict. */
static const struct {
	const char *of, *key;
} compared_keys[] = {
	{ "device", "backend" },  { "device", "driver" },
	{ "device", "pci" },      { "device", "migration_flags" },
	{ "device", "features" }, { "device", "dirty_source" },
	{ "peer", "backend" },    { "peer", "driver" },
	{ "peer", "pci" },        { "peer", "migration_flags" },
	{ "peer", "features" },   { "parallel", "devices" },
	{ "host", "kernel" },     { "host", "machine" },
	{ "host", "cpus" },
};

static json_t *differences_json(const json_t *a, const json_t *b)
{
	json_t *differences = json_array();

	for (size_t i = 0; i < sizeof(compared_keys) / sizeof(compared_keys[0]); i++) {
		const char *of = compared_keys[i].of, *key = compared_keys[i].key;

		add_difference(differences, of, key, json_object_get(json_object_get(a, of), key),
			       json_object_get(json_object_get(b, of), key));
	}
	add_difference(differences, "device", "state_bytes", json_object_get(a, "state_bytes"),
		       json_object_get(b, "state_bytes"));
	return differences;
}

int diff_documents(json_t **diff, const json_t *a, const json_t *b, const char *a_name, const char *b_name,
		   double threshold, unsigned *worse, struct gw_error *e)
{
	struct measure_list a_list = { 0 }, b_list = { 0 };
	int ret = read_measures(&a_list, a, a_name, e);

	*worse = 0;
	if (!ret)
		ret = read_measures(&b_list, b, b_name, e);
	if (!ret) {
		*diff = json_pack("{s:s, s:s, s:s, s:f, s:o}", "document", "bench-diff", "a", a_name, "b", b_name,
				  "threshold_percent", threshold * 100, "differences", differences_json(a, b));
		if (!*diff) /* a name that is not UTF-8 */
			ret = gw_error_set(e, -EINVAL, "", "a file's name is not UTF-8");
	}
	if (!ret) {
		add_series(*diff, &a_list, &b_list, threshold, worse);
		add_only_b(*diff, &a_list, &b_list);
		json_object_set_new(*diff, "worse", json_integer(*worse));
	}
	measure_fini(&a_list);
	measure_fini(&b_list);
	return ret;
}
