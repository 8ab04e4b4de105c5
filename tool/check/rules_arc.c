/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Transitions: each arc, each combination of arcs, a state asked for by a device that is in it, and what must be
 * refused. `from` and `to` of a rule are the two states. A combined transition that fails because one of its arcs
 * does is that arc's failure.
 */
#include "check.h"
#include "settle.h"
#include "state_table.h"

#include <stdarg.h>
#include <stdio.h>

static const char combined_source[] =
	"linux/vfio.h: \"The remaining possible transitions are interpreted as combinations of the above FSM arcs.\"";
static const char error_source[] = "linux/vfio.h, any -> ERROR: \"ERROR cannot be specified as a device state\"";
static const char forbidden_source[] = "linux/vfio.h, STOP_COPY -> PRE_COPY, STOP_COPY -> PRE_COPY_P2P: \"These arcs "
				       "are not permitted and return error if requested.\"";
static const char optional_source[] =
	"linux/vfio.h: \"The optional states cannot be used with SET_STATE if the device does not support them.\"";
static const char number_source[] =
	"linux/vfio.h, MIG_DEVICE_STATE: \"The new state is supplied in device_state, see enum "
	"vfio_device_mig_state for details\"; the enum has no such state";
static const char unmoved_source[] =
	"linux/vfio.h, MIG_DEVICE_STATE: \"If this function fails then current device_state may be the original "
	"operating state or some other state along the combination transition path.\" Here there is no path.";

/* To where the rule begins; into RESUMING with an image that can be taken, since it is left by that alone. */
static bool begin_in(struct trial *t, uint32_t state)
{
	struct image image;
	const char *where;
	int ret;

	if (state != GW_STATE_RESUMING)
		return trial_go(t, state);
	if (!trial_image_take(t, &image, 0))
		return false;
	ret = trial_image_begin(t, &image, &where);
	image_free(&image);
	return !ret || trial_skip(t, "no image is loaded: %s: %s", where, errno_name(ret));
}

static void take_arc(struct trial *t)
{
	if (begin_in(t, t->rule->from) && trial_done(t, trial_set(t, t->rule->to)))
		trial_is_in(t, t->rule->to);
}

/* Whether the arcs of the rule are all sound, one by one; else the trial is skipped. What it found so far stays. */
static bool arcs_work(struct trial *t)
{
	struct trial one = { .rule = t->rule, .dev = t->dev, .peer = t->peer, .info = t->info, .opener = t->opener };
	uint32_t from, to;
	int ret;

	if (settle(t->dev, &one.at) || !begin_in(&one, t->rule->from))
		return trial_skip(t, "%s is not reached again", gw_device_state_name(t->rule->from));
	ret = trial_walk(&one, t->rule->to, &from, &to);
	return !ret ||
	       trial_skip(t, "the arc %s -> %s of it fails", gw_device_state_name(from), gw_device_state_name(to));
}

static void take_combined(struct trial *t)
{
	struct trial found;

	if (!begin_in(t, t->rule->from))
		return;
	found = *t;
	if (trial_done(&found, trial_set(&found, t->rule->to)))
		trial_is_in(&found, t->rule->to);
	if (found.verdict != VERDICT_FAIL || arcs_work(t))
		*t = found;
}

static void stay(struct trial *t)
{
	if (trial_go(t, t->rule->from) && trial_done(t, trial_set(t, t->rule->to)))
		trial_is_in(t, t->rule->to);
}

static void refuse(struct trial *t)
{
	if (trial_go(t, t->rule->from))
		trial_refused(t, trial_set(t, t->rule->to), NULL);
}

static void stay_after_refusal(struct trial *t)
{
	if (!trial_go(t, t->rule->from))
		return;
	if (trial_set(t, t->rule->to) >= 0)
		trial_skip(t, "it is not refused");
	else
		trial_is_in(t, t->rule->from);
}

__attribute__((format(printf, 3, 4))) static void add(struct rule_list *list, struct rule rule, const char *name, ...)
{
	va_list args;

	va_start(args, name);
	vsnprintf(rule.name, sizeof(rule.name), name, args);
	va_end(args);
	rule_add(list, &rule);
}

static void add_move(struct rule_list *list, uint32_t from, uint32_t to, uint32_t flags)
{
	uint32_t path[GW_NR_STATES];
	unsigned nr_arcs = state_path(from, to, flags, path);
	const char *from_name = gw_device_state_name(from), *to_name = gw_device_state_name(to);
	struct rule arc = {
		.text = "the arc is taken: SET succeeds, and GET tells the new state",
		.source = state_arc_source(from, to),
		.run = take_arc,
		.from = from,
		.to = to,
	};
	struct rule combined = {
		.text = "the combined transition is made: SET succeeds, and GET tells the new state",
		.source = combined_source,
		.run = take_combined,
		.from = from,
		.to = to,
	};

	if (nr_arcs == 1)
		add(list, arc, "arc.%s-%s", from_name, to_name);
	else if (nr_arcs)
		add(list, combined, "combined.%s-%s", from_name, to_name);
}

static void add_same(struct rule_list *list, uint32_t state)
{
	struct rule same = {
		.text = "SET of the state that the device is in succeeds, and it stays there",
		.source = "linux/vfio.h: \"Select the shortest path.\" The shortest one to where the device is has no "
			  "arc.",
		.run = stay,
		.from = state,
		.to = state,
	};

	add(list, same, "same.%s", gw_device_state_name(state));
}

static void add_refusal(struct rule_list *list, uint32_t from, uint32_t to, const char *source, uint32_t needs)
{
	const char *from_name = gw_device_state_name(from);
	struct rule refused = {
		.text = "SET is refused",
		.source = source,
		.needs = needs,
		.run = refuse,
		.from = from,
		.to = to,
	};
	struct rule unmoved = {
		.text = "when SET was refused the device is where it was",
		.source = unmoved_source,
		.needs = needs,
		.run = stay_after_refusal,
		.from = from,
		.to = to,
	};

	if (to < GW_NR_STATES) {
		add(list, refused, "refused.%s-%s", from_name, gw_device_state_name(to));
		add(list, unmoved, "unmoved.%s-%s", from_name, gw_device_state_name(to));
	} else {
		add(list, refused, "refused.%s-%u", from_name, to);
		add(list, unmoved, "unmoved.%s-%u", from_name, to);
	}
}

static void add_refusals(struct rule_list *list, uint32_t flags)
{
	static const uint32_t no_states[] = { GW_NR_STATES, UINT32_MAX };
	uint32_t path[GW_NR_STATES];

	for (uint32_t from = 0; from < GW_NR_STATES; from++) {
		if (!state_exists(from, flags))
			continue;
		add_refusal(list, from, GW_STATE_ERROR, error_source, 0);
		for (uint32_t to = 0; to < GW_NR_STATES; to++)
			if (from != to && state_exists(to, flags) && !state_path(from, to, flags, path))
				add_refusal(list, from, to, forbidden_source, NEED_DANGEROUS);
	}
	for (unsigned i = 0; i < sizeof(no_states) / sizeof(no_states[0]); i++)
		add_refusal(list, GW_STATE_RUNNING, no_states[i], number_source, 0);
	for (uint32_t to = 0; to < GW_NR_STATES; to++)
		if (to != GW_STATE_ERROR && !state_exists(to, flags))
			add_refusal(list, GW_STATE_RUNNING, to, optional_source, 0);
}

void rules_arc(struct rule_list *list, uint32_t flags)
{
	for (uint32_t from = 0; from < GW_NR_STATES; from++)
		for (uint32_t to = 0; to < GW_NR_STATES; to++)
			add_move(list, from, to, flags);
	for (uint32_t state = 0; state < GW_NR_STATES; state++)
		if (state_exists(state, flags))
			add_same(list, state);
	add_refusals(list, flags);
}
