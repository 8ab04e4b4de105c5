/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two benchmarks compared, series by series. A difference counts only if it is beyond the noise: if the 99 % confidence
 * intervals of the two medians (quantile.h) do not overlap. Whether it matters is the threshold's to say. Pure
 * functions on documents and samples.
 */
#ifndef TOOL_BENCH_DIFF_H
#define TOOL_BENCH_DIFF_H

#include "measure.h"

#include <godwit/error.h>
#include <jansson.h>

enum diff_verdict {
	DIFF_SAME,   /* within the noise */
	DIFF_LITTLE, /* beyond the noise, and not over the threshold */
	DIFF_BETTER,
	DIFF_WORSE,
	DIFF_UNSURE, /* too few samples to tell */
};
const char *diff_verdict_name(enum diff_verdict verdict);

struct diff {
	enum diff_verdict verdict;
	double change; /* of B's median by A's, 0.1 is 10 % more; 0 if A's is 0 */
};

/* Of two sorted series in the same unit. threshold: 0.1 is 10 %. */
struct diff diff_judge(const struct measure *a, const struct measure *b, double threshold);

/*
 * The whole: "diff" of doc/json.md, from two documents of "godwit bench --json". -EBADMSG: one of them is none. worse
 * is how many series got worse.
 */
int diff_documents(json_t **diff, const json_t *a, const json_t *b, const char *a_name, const char *b_name,
		   double threshold, unsigned *worse, struct gw_error *e);

#endif
