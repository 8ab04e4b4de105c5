/* SPDX-License-Identifier: BSD-3-Clause */
/* One round as a script: see course.h. */
#include "course.h"

#include "tool/now.h"
#include "tool/say.h"

#include <stdio.h>

#define KIB 1024u

enum act { GO, FIRST_BYTE, READ, LOAD, PRECOPY, REST };

/* To a state, or with the data of the state that was reached; size and name are those of READ and LOAD. */
struct step {
	enum act act;
	uint32_t state;
	uint32_t piece_bytes;
	const char *name;
};

/* clang-format off */
#define SAVE_AND_LOAD(bytes, name)                      \
	{ GO, GW_STATE_STOP_COPY, bytes, NULL },        \
	{ READ, 0, bytes, name },                       \
	{ GO, GW_STATE_STOP, bytes, NULL },             \
	{ GO, GW_STATE_RESUMING, bytes, NULL },         \
	{ LOAD, 0, bytes, name },                       \
	{ GO, GW_STATE_STOP, bytes, NULL }

/*
 * One script for all devices: a state that one of them lacks is passed over, and the way to the next goes by the arcs
 * that it has. So every arc of every device is in it. The end is a migration: pre-copy read empty, then the rest.
 */
static const struct step script[] = {
	{ GO, GW_STATE_PRE_COPY, 0, NULL },
	{ FIRST_BYTE, 0, 0, NULL },
	{ GO, GW_STATE_PRE_COPY_P2P, 0, NULL },
	{ GO, GW_STATE_PRE_COPY, 0, NULL },
	{ GO, GW_STATE_RUNNING, 0, NULL },
	{ GO, GW_STATE_RUNNING_P2P, 0, NULL },
	{ GO, GW_STATE_PRE_COPY_P2P, 0, NULL },
	{ GO, GW_STATE_RUNNING_P2P, 0, NULL },
	{ GO, GW_STATE_STOP, 0, NULL },
	SAVE_AND_LOAD(4 * KIB, "4K"),
	SAVE_AND_LOAD(64 * KIB, "64K"),
	SAVE_AND_LOAD(256 * KIB, "256K"),
	SAVE_AND_LOAD(1024 * KIB, "1M"),
	{ GO, GW_STATE_RUNNING_P2P, 0, NULL },
	{ GO, GW_STATE_RUNNING, 0, NULL },
	{ GO, GW_STATE_PRE_COPY, 0, NULL },
	{ PRECOPY, 0, 0, NULL },
	{ GO, GW_STATE_PRE_COPY_P2P, 0, NULL },
	{ GO, GW_STATE_STOP_COPY, 0, NULL },
	{ REST, 0, 0, NULL },
	{ GO, GW_STATE_STOP, 0, NULL },
	{ GO, GW_STATE_RUNNING_P2P, 0, NULL },
	{ GO, GW_STATE_RUNNING, 0, NULL },
};
/* clang-format on */

/* A step that the whole crew takes. */
struct work {
	struct course *course;
	const struct step *step;
};

static int take_step(void *ctx, unsigned i, struct gw_error *e)
{
	const struct work *work = ctx;
	const struct step *step = work->step;
	struct subject *s = work->course->subjects[i];

	switch (step->act) {
	case GO:
		return subject_go(s, step->state, e);
	case FIRST_BYTE:
		return subject_first_byte(s, e);
	case READ:
		return subject_read(s, step->piece_bytes, step->name, e);
	case LOAD:
		return subject_load(s, step->piece_bytes, step->name, e);
	case PRECOPY:
		return subject_precopy(s, e);
	case REST:
		return subject_rest(s, e);
	}
	return 0;
}

static int save_image(void *ctx, unsigned i, struct gw_error *e)
{
	struct course *c = ctx;

	return c->subjects[i]->takes_only ? 0 : subject_save_image(c->subjects[i], e);
}

int course_save_images(struct course *c, struct gw_error *e)
{
	return crew_run(save_image, c, c->nr, e);
}

static int keep(struct course *c, const char *group, const char *name, enum measure_unit unit, double value,
		struct gw_error *e)
{
	int ret = measure_add(c->together, "all", group, name, unit, value);

	return ret ? gw_error_set(e, ret, "", "out of memory for what was measured") : 0;
}

static int keep_slowest_arc(struct course *c, struct gw_error *e)
{
	const struct gw_arc_time *arc = &c->subjects[0]->step_arc;
	char name[MEASURE_TEXT_BYTES];
	uint64_t ns = 0;

	if (!arc->ns)
		return 0;
	for (unsigned i = 0; i < c->nr; i++)
		ns = c->subjects[i]->step_arc.ns > ns ? c->subjects[i]->step_arc.ns : ns;
	snprintf(name, sizeof(name), "%s:%s", gw_device_state_name(arc->from), gw_device_state_name(arc->to));
	return keep(c, "arc", name, MEASURE_US, (double)ns / 1000, e);
}

static int keep_sum_of_rates(struct course *c, const struct step *step, struct gw_error *e)
{
	uint64_t bytes = 0, ns = 0;

	for (unsigned i = 0; i < c->nr; i++) {
		bytes += c->subjects[i]->step_bytes;
		ns = c->subjects[i]->step_ns > ns ? c->subjects[i]->step_ns : ns;
	}
	if (!bytes || !ns)
		return 0;
	return keep(c, step->act == READ ? "read" : "load", step->name, MEASURE_RATE, (double)bytes * 1e9 / (double)ns,
		    e);
}

/* All arcs of one step begin at once, and all bytes of one step too. */
static int keep_together(struct course *c, const struct step *step, struct gw_error *e)
{
	if (!c->together)
		return 0;
	if (step->act == GO)
		return keep_slowest_arc(c, e);
	return step->act == READ || step->act == LOAD ? keep_sum_of_rates(c, step, e) : 0;
}

int course_round(struct course *c, struct gw_error *e)
{
	struct work work = { .course = c };
	int ret = 0;

	for (unsigned i = 0; i < c->nr; i++)
		subject_begin_round(c->subjects[i]);
	for (size_t i = 0; i < sizeof(script) / sizeof(script[0]) && !ret; i++) {
		work.step = &script[i];
		if (c->large_only && work.step->piece_bytes && work.step->piece_bytes != SUBJECT_BUFFER_BYTES)
			continue;
		ret = crew_run(take_step, &work, c->nr, e);
		if (!ret)
			ret = keep_together(c, work.step, e);
	}
	return ret;
}

bool course_goes_on(const struct course_pace *pace)
{
	if (pace->rounds)
		return pace->done < pace->rounds;
	if (pace->done < pace->least || pace->done >= pace->most)
		return pace->done < pace->least;
	return now_ns() - pace->began_ns < pace->for_ns;
}

int course_settle(struct course *c, struct gw_error *e)
{
	int first = 0;

	for (unsigned i = 0; i < c->nr; i++) {
		int ret = subject_settle(c->subjects[i], e);

		first = first ? first : ret;
	}
	return first;
}
