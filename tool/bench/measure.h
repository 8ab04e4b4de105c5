/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What was measured: series of samples, each of one thing on one device in one unit, in the order in which they were
 * first met. One owner, one thread at a time.
 */
#ifndef TOOL_BENCH_MEASURE_H
#define TOOL_BENCH_MEASURE_H

#include <godwit/error.h>
#include <jansson.h>
#include <stddef.h>

#define MEASURE_TEXT_BYTES  64
#define MEASURE_MAX_SERIES  512
#define MEASURE_MAX_SAMPLES 1000000 /* of one series, as read from a file */

/* The unit says what is better: of a rate more is, of all else less. */
enum measure_unit { MEASURE_US, MEASURE_BYTES, MEASURE_RATE };
const char *measure_unit_name(enum measure_unit unit); /* "us", "bytes", "bytes_per_s" */

struct measure {
	char group[MEASURE_TEXT_BYTES]; /* "arc", "read" */
	char name[MEASURE_TEXT_BYTES];  /* "RUNNING:RUNNING_P2P", "4K" */
	char on[MEASURE_TEXT_BYTES];    /* "device", "peer", "together", "all" */
	enum measure_unit unit;
	size_t nr, room;
	double *samples; /* as they came; sorted by measure_sort */
};

struct measure_list {
	struct measure *items;
	size_t nr, room;
};

/* Adds a sample to the series of that group and name on a device, which is made if it is new. -ENOMEM. */
int measure_add(struct measure_list *list, const char *on, const char *group, const char *name, enum measure_unit unit,
		double value);

const struct measure *measure_find(const struct measure_list *list, const char *on, const char *group,
				   const char *name);
void measure_sort(struct measure_list *list);

/* Of a series that is sorted and not empty. */
double measure_quantile(const struct measure *measure, double part);

/* "measures" of doc/json.md, from sorted series; and back, sorted. What is no such array is -EBADMSG with a sentence.
 */
json_t *measure_to_json(const struct measure_list *list);
int measure_from_json(struct measure_list *list, const json_t *array, const char *where, struct gw_error *e);

void measure_fini(struct measure_list *list);

#endif
