/* SPDX-License-Identifier: BSD-3-Clause */
/* Back to RUNNING, whatever a rule has left: see settle.h. */
#include "settle.h"

#include "check.h"

#include <errno.h>

static int where(struct gw_device *dev, uint32_t *state)
{
	struct gw_raw_state now = { .state = GW_NR_STATES };
	int ret = gw_raw_state_get(dev, &now);

	*state = ret ? GW_NR_STATES : now.state;
	return trial_is_gone(dev, ret) ? ret : 0;
}

/* ERROR and RESUMING have no other way out: what a rule loaded is not to be taken for good. */
static int by_set(struct gw_device *dev, uint32_t *state)
{
	struct gw_raw_state call = { .state = GW_STATE_RUNNING, .data_fd = -1 };
	int ret = where(dev, state);

	if (ret || *state == GW_STATE_RUNNING || *state == GW_STATE_ERROR || *state == GW_STATE_RESUMING)
		return ret;
	gw_raw_state_set(dev, &call);
	return where(dev, state);
}

/* A reset that did nothing is tried once more: that it works at the first time is a rule's matter. */
int settle(struct gw_device *dev, uint32_t *state)
{
	struct gw_raw_state call = { .state = GW_STATE_RUNNING, .data_fd = -1 };
	int ret;

	gw_raw_data_close(dev);
	ret = by_set(dev, state);
	for (int i = 0; i < 2 && !ret && *state != GW_STATE_RUNNING; i++) {
		gw_raw_reset(dev);
		ret = where(dev, state);
	}
	if (!ret && *state == GW_STATE_RESUMING) { /* no reset: perhaps it lets go by itself */
		gw_raw_state_set(dev, &call);
		ret = where(dev, state);
	}
	return ret ? ret : *state == GW_STATE_RUNNING ? 0 : -EPROTO;
}
