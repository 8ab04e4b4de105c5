/* SPDX-License-Identifier: BSD-3-Clause */
/* Series of samples: see measure.h. */
#include "measure.h"

#include "quantile.h"
#include "tool/json.h"
#include "tool/say.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const units[] = {
	[MEASURE_US] = "us",
	[MEASURE_BYTES] = "bytes",
	[MEASURE_RATE] = "bytes_per_s",
};

#define NR_UNITS (sizeof(units) / sizeof(units[0]))

const char *measure_unit_name(enum measure_unit unit)
{
	return units[unit];
}

static struct measure *find(const struct measure_list *list, const char *on, const char *group, const char *name)
{
	for (size_t i = 0; i < list->nr; i++) {
		struct measure *m = &list->items[i];

		if (!strcmp(m->name, name) && !strcmp(m->group, group) && !strcmp(m->on, on))
			return m;
	}
	return NULL;
}

const struct measure *measure_find(const struct measure_list *list, const char *on, const char *group, const char *name)
{
	return find(list, on, group, name);
}

/* Room for one more item of size_bytes in an array. */
static void *grown(void *items, size_t nr, size_t *room, size_t size_bytes)
{
	size_t wanted = *room ? *room * 2 : 16;
	void *larger;

	if (nr < *room)
		return items;
	larger = reallocarray(items, wanted, size_bytes);
	if (larger)
		*room = wanted;
	return larger;
}

static struct measure *make(struct measure_list *list, const char *on, const char *group, const char *name,
			    enum measure_unit unit)
{
	struct measure *items, *new;

	if (list->nr == MEASURE_MAX_SERIES)
		return NULL;
	items = grown(list->items, list->nr, &list->room, sizeof(*items));
	if (!items)
		return NULL;
	list->items = items;
	new = &items[list->nr++];
	*new = (struct measure){ .unit = unit };
	snprintf(new->group, sizeof(new->group), "%s", group);
	snprintf(new->name, sizeof(new->name), "%s", name);
	snprintf(new->on, sizeof(new->on), "%s", on);
	return new;
}

static int add_sample(struct measure *m, double value)
{
	double *samples = grown(m->samples, m->nr, &m->room, sizeof(*samples));

	if (!samples)
		return -ENOMEM;
	m->samples = samples;
	samples[m->nr++] = value;
	return 0;
}

int measure_add(struct measure_list *list, const char *on, const char *group, const char *name, enum measure_unit unit,
		double value)
{
	struct measure *m = find(list, on, group, name);

	if (!m)
		m = make(list, on, group, name, unit);
	return m ? add_sample(m, value) : -ENOMEM;
}

void measure_sort(struct measure_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		quantile_sort(list->items[i].samples, list->items[i].nr);
}

double measure_quantile(const struct measure *measure, double part)
{
	return quantile_at(measure->samples, measure->nr, part);
}

static json_t *series_to_json(const struct measure *m)
{
	json_t *samples = json_array(), *series;
	double low, high;

	for (size_t i = 0; i < m->nr; i++)
		json_array_append_new(samples, json_real(m->samples[i]));
	series = json_pack("{s:s, s:s, s:s, s:s, s:I, s:f, s:f, s:f, s:f}", "group", m->group, "name", m->name, "on",
			   m->on, "unit", units[m->unit], "count", (json_int_t)m->nr, "min", m->samples[0], "p50",
			   measure_quantile(m, 0.5), "p99", measure_quantile(m, 0.99), "max", m->samples[m->nr - 1]);
	if (quantile_median_interval(m->samples, m->nr, &low, &high))
		json_object_set_new(series, "p50_between", json_pack("[f, f]", low, high));
	json_object_set_new(series, "samples", samples);
	return series;
}

json_t *measure_to_json(const struct measure_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->nr; i++)
		json_array_append_new(array, series_to_json(&list->items[i]));
	return array;
}

static bool is_short_text(const json_t *series, const char *key)
{
	size_t length = strlen(json_text(series, key));

	return length && length < MEASURE_TEXT_BYTES;
}

static int unit_of(const json_t *series, enum measure_unit *unit)
{
	for (size_t i = 0; i < NR_UNITS; i++) {
		if (strcmp(units[i], json_text(series, "unit")))
			continue;
		*unit = (enum measure_unit)i;
		return 0;
	}
	return -EBADMSG;
}

static int samples_from_json(struct measure *m, const json_t *samples)
{
	const json_t *sample;
	size_t i;
	int ret = 0;

	json_array_foreach(samples, i, sample)
	{
		double value = json_number_value(sample);

		if (!json_is_number(sample) || !isfinite(value) || value < 0)
			return -EBADMSG;
		ret = add_sample(m, value);
		if (ret)
			break;
	}
	return ret;
}

static int series_from_json(struct measure_list *list, const json_t *series)
{
	const json_t *samples = json_object_get(series, "samples");
	size_t nr = json_array_size(samples);
	enum measure_unit unit;
	struct measure *m;

	if (!is_short_text(series, "group") || !is_short_text(series, "name") || !is_short_text(series, "on") ||
	    unit_of(series, &unit) || !nr || nr > MEASURE_MAX_SAMPLES)
		return -EBADMSG;
	if (find(list, json_text(series, "on"), json_text(series, "group"), json_text(series, "name")))
		return -EBADMSG;
	m = make(list, json_text(series, "on"), json_text(series, "group"), json_text(series, "name"), unit);
	return m ? samples_from_json(m, samples) : -ENOMEM;
}

int measure_from_json(struct measure_list *list, const json_t *array, const char *where, struct gw_error *e)
{
	const json_t *series;
	size_t i;

	if (!json_is_array(array) || json_array_size(array) > MEASURE_MAX_SERIES)
		return gw_error_set(e, -EBADMSG, where, "there are no measures in it");
	json_array_foreach(array, i, series)
	{
		int ret = series_from_json(list, series);

		if (ret == -EBADMSG)
			return gw_error_set(e, ret, where, "measure %zu is not as \"godwit bench --json\" writes them",
					    i + 1);
		if (ret)
			return gw_error_set(e, ret, where, "out of memory");
	}
	measure_sort(list);
	return 0;
}

void measure_fini(struct measure_list *list)
{
	for (size_t i = 0; i < list->nr; i++)
		free(list->items[i].samples);
	free(list->items);
	*list = (struct measure_list){ 0 };
}
