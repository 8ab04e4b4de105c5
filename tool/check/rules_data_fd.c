/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules about the data fd of a kernel device: which arcs give one, what closing it does, and what poll(2) says of it.
 */
#include "rule_state.h"
#include "rules_data.h"
#include "state_table.h"
#include "stream.h"

#include <poll.h>
#include <stdio.h>

#define POLL_MS 1000 /* for what is due at once */

#define FD_OF_SESSION                                                                                                \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: \"If the new_state starts a new data transfer session " \
	"then the FD associated with that session is returned in data_fd.\""
#define FD_OF_GET                                                                                              \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: \"Upon VFIO_DEVICE_FEATURE_GET, get the current " \
	"migration state of the VFIO device, data_fd will be -1.\""
#define FD_IS_USERS                                                                                               \
	"linux/vfio.h, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE: \"The user is responsible to close this FD when it " \
	"is finished.\""
#define ENDS                                                                                                    \
	"linux/vfio.h (since 6.2), VFIO_MIG_GET_PRECOPY_INFO: \"Once in STOP_COPY the migration data FD has a " \
	"permanent end of "                                                                                     \
	"stream signaled in the usual way by read() always returning 0 and poll always returning readable.\""

/* The arcs of one session give no fd of their own; the others do where the state has a session. */
static bool gives_fd(uint32_t from, uint32_t to)
{
	if (to == GW_STATE_RESUMING)
		return true;
	return state_saves(to) && !state_saves(from);
}

/* What RESUMING is left with has to be good, or the arc is not taken at all. */
static bool go_from(struct trial *t, uint32_t from)
{
	struct image image;
	const char *where;
	int ret;

	if (from != GW_STATE_RESUMING)
		return trial_go(t, from);
	if (!trial_image_take(t, &image, 0))
		return false;
	ret = trial_image_begin(t, &image, &where);
	if (ret)
		trial_skip(t, "a good image is refused: %s: %s", where, errno_name(ret));
	image_free(&image);
	return !ret;
}

static void fd_of_arc(struct trial *t)
{
	struct gw_raw_state call = { .state = t->rule->to, .data_fd = -1 };
	bool due = gives_fd(t->rule->from, t->rule->to);
	int ret;

	if (!go_from(t, t->rule->from))
		return;
	ret = gw_raw_state_set(t->dev, &call);
	if (ret)
		return (void)trial_skip(t, "%s -> %s: %s", gw_device_state_name(t->rule->from),
					gw_device_state_name(t->rule->to), errno_name(ret));
	trial_did(t, "SET %s in %s", gw_device_state_name(t->rule->to), gw_device_state_name(t->rule->from));
	if (due != (call.data_fd >= 0))
		trial_fail(t, due ? "a data_fd" : "data_fd -1", "data_fd %d", call.data_fd);
}

static void fd_of_get(struct trial *t)
{
	struct gw_raw_state call = { .data_fd = -1 };
	int ret;

	if (!trial_go(t, GW_STATE_STOP_COPY))
		return;
	ret = gw_raw_state_get(t->dev, &call);
	if (ret)
		return (void)trial_skip(t, "GET of the state: %s", errno_name(ret));
	trial_did(t, "GET of the state in STOP_COPY");
	if (call.data_fd != -1)
		trial_fail(t, "data_fd -1", "data_fd %d", call.data_fd);
}

/* Closed in the midst of the stream: the device goes back to RUNNING, and its next save is whole. */
static void closed_early(struct trial *t)
{
	struct image image = { 0 };
	int ret;

	if (!trial_go(t, GW_STATE_STOP_COPY))
		return;
	stream_read_some(t, &image, 64);
	image_free(&image);
	gw_raw_data_close(t->dev);
	trial_did(t, "close of the data fd in the midst of the stream, then SET STOP");
	ret = trial_set(t, GW_STATE_STOP);
	if (!trial_done(t, ret) || !trial_go(t, GW_STATE_STOP_COPY))
		return;
	ret = stream_read_rest(t, &image, &stream_plain);
	if (ret)
		stream_blame(t, "bytes, or 0 at the end", "%s", errno_name(ret));
	else
		stream_must_load(t, &image, "saved after the data fd of an earlier save was closed in the midst");
	image_free(&image);
}

static void poll_for(struct trial *t, const char *when)
{
	int got = gw_raw_data_poll(t->dev, POLLIN, POLL_MS);

	trial_did(t, "poll of the data fd for POLLIN %s", when);
	if (trial_done(t, got) && !(got & POLLIN))
		trial_fail(t, "POLLIN at once", got ? "revents 0x%x" : "nothing for 1 s", (unsigned)got);
}

static void poll_data(struct trial *t)
{
	if (trial_go(t, GW_STATE_STOP_COPY))
		poll_for(t, "before the first read in STOP_COPY");
}

static void poll_end(struct trial *t)
{
	struct image image = { 0 };
	int ret;

	if (!trial_go(t, GW_STATE_STOP_COPY))
		return;
	ret = stream_read_rest(t, &image, &stream_plain);
	image_free(&image);
	if (ret)
		trial_skip(t, "the end is not reached: %s", errno_name(ret));
	else
		poll_for(t, "after the end of the stream");
}

static const struct rule rules[] = {
	{ "data.fd-get", "GET of the state gives no data fd", FD_OF_GET, NEED_DATA_FD, fd_of_get },
	{ "data.fd-closed", "a data fd closed in the midst of the stream does not spoil the next save", FD_IS_USERS,
	  NEED_DATA_FD, closed_early },
	{ "data.poll-data", "poll tells that the stream can be read", ENDS, NEED_DATA_FD, poll_data },
	{ "data.poll-end", "poll goes on telling readable after the end", ENDS, NEED_DATA_FD, poll_end },
};

/* Every arc that there is for the device; and from RUNNING what a VMM asks for, which is combined of some. */
static bool is_listed(uint32_t from, uint32_t to, uint32_t flags)
{
	uint32_t path[GW_NR_STATES];
	unsigned nr = state_path(from, to, flags, path);

	return nr == 1 || (nr && from == GW_STATE_RUNNING);
}

static void add_transition(struct rule_list *list, uint32_t from, uint32_t to)
{
	struct rule rule = {
		.text = gives_fd(from, to) ? "the transition gives a data fd" : "the transition gives no data fd",
		.source = FD_OF_SESSION,
		.needs = NEED_DATA_FD,
		.run = fd_of_arc,
		.from = from,
		.to = to,
	};

	snprintf(rule.name, sizeof(rule.name), "data.fd.%s-%s", gw_device_state_name(from), gw_device_state_name(to));
	rule_add(list, &rule);
}

void rules_data_fd(struct rule_list *list, uint32_t flags)
{
	rule_add_all(list, rules, sizeof(rules) / sizeof(rules[0]));
	for (uint32_t from = 0; from < GW_NR_STATES; from++)
		for (uint32_t to = 0; to < GW_NR_STATES; to++)
			if (is_listed(from, to, flags))
				add_transition(list, from, to);
}
