/* SPDX-License-Identifier: BSD-3-Clause */
/* A device that is measured: its life and its arcs. See subject.h; its data session is in subject_data.c. */
#include "subject.h"

#include "tool/now.h"
#include "tool/say.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

int subject_interrupted(const struct subject *s, struct gw_error *e)
{
	struct pollfd poll_fd = { .fd = s->stop_fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) > 0 ? gw_error_set(e, -ECANCELED, "", "interrupted") : 0;
}

int subject_keep(struct subject *s, const char *group, const char *name, enum measure_unit unit, double value,
		 struct gw_error *e)
{
	if (!s->into || !measure_add(s->into, s->on, group, name, unit, value))
		return 0;
	return gw_error_set(e, -ENOMEM, "", "out of memory for what was measured");
}

int subject_init(struct subject *s, struct gw_device *dev, int stop_fd, uint64_t max_state_bytes, struct gw_error *e)
{
	int ret;

	*s = SUBJECT_NONE;
	s->dev = dev;
	s->stop_fd = stop_fd;
	s->max_state_bytes = max_state_bytes;
	s->loads = &s->image;
	s->on = "device";
	s->at = GW_STATE_RUNNING;
	ret = gw_device_get_info(dev, &s->info, e);
	if (ret)
		return ret;
	if (!(s->info.migration_flags & GW_MIGRATION_STOP_COPY))
		return gw_error_set(e, -EOPNOTSUPP, gw_device_id(dev), "the device cannot migrate");
	s->buffer = malloc(SUBJECT_BUFFER_BYTES);
	return s->buffer ? 0 : gw_error_set(e, -ENOMEM, gw_device_id(dev), "out of memory");
}

int subject_settle(struct subject *s, struct gw_error *e)
{
	uint32_t state;
	int ret;

	if (!s->dev || !s->info.migration_flags)
		return 0;
	s->leave_load_ns = 0;
	ret = gw_device_state_get(s->dev, &state, e);
	if (ret || state == GW_STATE_RUNNING)
		return ret;
	/* What was loaded in RESUMING may be half of it: only a reset leaves that behind. */
	if (state == GW_STATE_RESUMING || state == GW_STATE_ERROR ||
	    gw_device_state_set(s->dev, GW_STATE_RUNNING, NULL))
		ret = gw_device_reset(s->dev, e);
	s->at = GW_STATE_RUNNING;
	return ret;
}

void subject_fini(struct subject *s)
{
	gw_device_close(s->dev);
	spool_close(&s->image);
	free(s->buffer);
	*s = SUBJECT_NONE;
}

static bool has_state(const struct subject *s, uint32_t state)
{
	uint32_t flags = s->info.migration_flags;

	switch (state) {
	case GW_STATE_RUNNING_P2P:
		return flags & GW_MIGRATION_P2P;
	case GW_STATE_PRE_COPY:
		return flags & GW_MIGRATION_PRE_COPY;
	case GW_STATE_PRE_COPY_P2P:
		return flags & GW_MIGRATION_P2P && flags & GW_MIGRATION_PRE_COPY;
	default:
		return true;
	}
}

static bool is_for_saving(uint32_t state)
{
	return state == GW_STATE_STOP_COPY || state == GW_STATE_PRE_COPY || state == GW_STATE_PRE_COPY_P2P;
}

void subject_begin_round(struct subject *s)
{
	s->arcs_seen = 0;
}

/* The first time an arc is made in a round: later ones find the device in another condition, more or less read. */
static int keep_arc(struct subject *s, const struct gw_arc_time *arc, struct gw_error *e)
{
	uint64_t bit = 1ull << (arc->from * GW_NR_STATES + arc->to);
	char name[MEASURE_TEXT_BYTES];
	int ret = 0;

	if (arc->from == GW_STATE_RESUMING && s->leave_load_ns)
		ret = subject_keep(s, "load-time", "whole", MEASURE_US, (double)(s->leave_load_ns + arc->ns) / 1000, e);
	if (arc->from == GW_STATE_RESUMING)
		s->leave_load_ns = 0;
	if (ret || s->arcs_seen & bit)
		return ret;
	s->arcs_seen |= bit;
	s->step_arc = *arc;
	snprintf(name, sizeof(name), "%s:%s", gw_device_state_name(arc->from), gw_device_state_name(arc->to));
	return subject_keep(s, "arc", name, MEASURE_US, (double)arc->ns / 1000, e);
}

int subject_go(struct subject *s, uint32_t state, struct gw_error *e)
{
	struct gw_arc_time arcs[GW_MAX_ARCS];
	uint32_t nr = GW_MAX_ARCS;
	int ret = subject_interrupted(s, e);

	s->step_arc = (struct gw_arc_time){ 0 };
	if (ret || s->at == state || !has_state(s, state) || (s->takes_only && is_for_saving(state)))
		return ret;
	ret = gw_device_state_set_timed(s->dev, state, arcs, &nr, e);
	if (ret)
		return ret;
	s->at = state;
	for (uint32_t i = 0; i < nr && !ret; i++)
		ret = keep_arc(s, &arcs[i], e);
	return ret;
}
