/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The course of a measurement: rounds, each of which takes every device of a crew once through all of its arcs and its
 * state in and out of it, all devices doing the same at the same time. Everything is measured once a round, so that
 * noise of the host hits all of it alike. Main thread.
 */
#ifndef TOOL_BENCH_COURSE_H
#define TOOL_BENCH_COURSE_H

#include "crew.h"
#include "subject.h"

struct course {
	struct subject *subjects[CREW_MAX];
	unsigned nr;
	bool large_only;               /* move state in the largest pieces only */
	struct measure_list *together; /* the slowest arc and the sum of rates of all, as "all"; NULL: not wanted */
};

/* Every device saves its own image, all at once. */
int course_save_images(struct course *c, struct gw_error *e);
int course_round(struct course *c, struct gw_error *e);

/* Rounds still to be made: as many as asked for; with 0, as many as fit into some seconds, within limits. */
struct course_pace {
	uint64_t rounds, for_ns, least, most;
	uint64_t began_ns, done;
};
bool course_goes_on(const struct course_pace *pace);

/* All devices back to RUNNING. The first that cannot be brought there is the error, and the others are tried as well.
 */
int course_settle(struct course *c, struct gw_error *e);

#endif
