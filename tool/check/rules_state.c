/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state as it is told: it does not change by itself, and the reply to SET. These come before all rules
 * that move the device for a reason of their own.
 */
#include "check.h"
#include "state_table.h"

#include <poll.h>
#include <stdio.h>

#define NR_LOOKS 3

/* Up to the last arc. What GET says after that one is the matter here. */
static bool arrive(struct trial *t, uint32_t state)
{
	uint32_t path[GW_NR_STATES];
	unsigned nr = state_path(t->at, state, t->info.migration_flags, path);
	int ret;

	if (nr > 1 && !trial_go(t, path[nr - 2]))
		return false;
	ret = nr ? trial_set(t, state) : 0;
	return !ret || trial_skip(t, "%s is not reached: %s", gw_device_state_name(state), errno_name(ret));
}

/* That a SET leads to where it says is the arc's rule; a device that wanders off from there does so soon, or unseen. */
static void stay_put(struct trial *t)
{
	char due[64];

	if (!arrive(t, t->rule->from))
		return;
	snprintf(due, sizeof(due), "GET tells %s each time", gw_device_state_name(t->rule->from));
	trial_did(t, "%d times GET in %s", NR_LOOKS, gw_device_state_name(t->rule->from));
	for (int i = 0; i < NR_LOOKS && t->verdict == VERDICT_NONE; i++) {
		struct gw_raw_state now = { .state = GW_NR_STATES };
		int ret = gw_raw_state_get(t->dev, &now);

		if (ret)
			trial_fail(t, due, "%s", errno_name(ret));
		else if (now.state != t->rule->from && !i)
			trial_skip(t, "GET tells another state at once");
		else if (now.state != t->rule->from)
			trial_fail(t, due, "GET tells %s (%u)", gw_device_state_name(now.state), now.state);
		poll(NULL, 0, 1);
	}
}

/* One SET of an arc out of RUNNING, which every device has. */
static void reply_repeats_state(struct trial *t)
{
	uint32_t path[GW_NR_STATES];
	struct gw_raw_state call = { .data_fd = -1 };
	int ret;

	state_path(GW_STATE_RUNNING, GW_STATE_STOP, t->info.migration_flags, path);
	call.state = path[0];
	trial_did(t, "SET %s in RUNNING", gw_device_state_name(path[0]));
	ret = gw_raw_state_set(t->dev, &call);
	if (ret)
		trial_skip(t, "the arc RUNNING -> %s fails", gw_device_state_name(path[0]));
	else if (call.state != path[0])
		trial_fail(t, gw_device_state_name(path[0]), "device_state %u in the reply", call.state);
}

static const struct rule set_reply = {
	.name = "state.SET-reply",
	.text = "the reply to SET has the state that was asked for",
	.source =
		"linux/vfio.h, MIG_DEVICE_STATE: \"The new state is supplied in device_state\"; the kernel copies the "
		"request back, and a vfio-user reply repeats it",
	.run = reply_repeats_state,
};

void rules_state(struct rule_list *list, uint32_t flags)
{
	for (uint32_t state = 0; state < GW_NR_STATES; state++) {
		struct rule rule = {
			.text = "GET tells the state, and that does not change by itself",
			.source = "linux/vfio.h, MIG_DEVICE_STATE: \"The kernel migration driver must not generate "
				  "asynchronous device state transitions outside of manipulation by the user\"",
			.run = stay_put,
			.from = state,
		};

		if (!state_exists(state, flags))
			continue;
		snprintf(rule.name, sizeof(rule.name), "state.stays-%s", gw_device_state_name(state));
		rule_add(list, &rule);
	}
	rule_add(list, &set_reply);
}
